"""Promise: the decode loop says what greedy search says, token for token.

Random prompts, with and without a picture, go through transformers' own `generate` one by one, and
through the loop: alone, with look-up, and in a batch that rows leave and join all the time. In
64-bit numbers, where no two tokens are so close that the order of a sum decides between them.
"""

from __future__ import annotations

import random

import torch
from PIL import Image
from transformers import AutoModelForImageTextToText, AutoProcessor

from mmrag.generation.decoding.language_model import Prefix
from mmrag.generation.decoding.loop import DecodeLoop, Options
from mmrag.generation.decoding.opt import OptDecoder
from mmrag.generation.decoding.t5 import T5Decoder
from tests.generation.checkpoints import make_checkpoint
from tests.trust.outcome import trial_run

TRIALS = 1_000  # prompts, half of them for OPT and half for T5
IN_MEMORY = True
_MOST = 24
_READ = 192
_WORDS = "revenue rose to 42 million in Q3 2024 Question what is Answer a bar chart Context 营收 .".split()
_DECODERS = {"blip2-opt": OptDecoder, "blip2-t5": T5Decoder}
_WAYS = {
    "alone, without look-up": Options(rows=1, look_up=0),
    "alone, with look-up": Options(rows=1, look_up=4),
    "in a batch that rows leave and join, without look-up": Options(rows=4, look_up=0),
    "in a batch that rows leave and join, with look-up": Options(rows=5, look_up=3),
}


def run(trials, seed, folder):
    """Decode so many prompts in every way."""
    with trial_run(seed) as outcome:
        rng = random.Random(seed)
        for family, decoder in _DECODERS.items():
            checkpoint = make_checkpoint(family, folder / family)
            processor = AutoProcessor.from_pretrained(checkpoint)
            model = AutoModelForImageTextToText.from_pretrained(checkpoint, dtype=torch.float64).eval()
            cases = [_case(rng) for _ in range(-(-trials // len(_DECODERS)))]
            expected = [greedy(model, processor, *case) for case in cases]
            prefixes = [prefix(model, processor, text, picture) for text, picture, _ in cases]
            limits = [most for _, _, most in cases]
            for way, options in _WAYS.items():
                loop = DecodeLoop(decoder(model.language_model), _sized(options))
                said = loop.run(prefixes, most=limits, stops=stops(model))
                wrong = [
                    number
                    for number, pair in enumerate(zip(said, expected, strict=True))
                    if pair[0] != pair[1]
                ]
                outcome.check(
                    not wrong, f"{family}, {way}: {len(wrong)} prompts differ, the first is {wrong[:1]}"
                )
                outcome.count("outputs compared", len(said))
                outcome.count("tokens compared", sum(map(len, said)))
                outcome.count(f"steps {way}", loop.steps)
            outcome.trials += len(cases)
        return outcome


def _sized(options):
    return Options(rows=options.rows, look_up=options.look_up, read=_READ, written=_MOST, bucket=16)


def _case(rng):
    """A text, a picture or none, and how many tokens at most are to be said."""
    text = " ".join(rng.choices(_WORDS, k=rng.randint(1, 50)))
    picture = None
    if rng.random() < 0.5:
        picture = Image.frombytes("RGB", (32, 24), rng.randbytes(32 * 24 * 3))
    return text, picture, rng.randint(1, _MOST)


def stops(model):
    value = model.language_model.generation_config.eos_token_id
    return {value} if isinstance(value, int) else set(value or ())


def greedy(model, processor, text, picture, most):
    """What transformers' own `generate` says, without the tokens that end it."""
    options = {"max_new_tokens": most, "do_sample": False}
    if picture is None:
        inputs = processor.tokenizer(text, return_tensors="pt")
        output = model.language_model.generate(**inputs, **options)[0]
    else:
        inputs = processor(images=picture, text=text, return_tensors="pt")
        inputs["pixel_values"] = inputs["pixel_values"].to(model.dtype)
        output = model.generate(**inputs, **options)[0]
    read = 1 if model.language_model.config.is_encoder_decoder else inputs["input_ids"].shape[1]
    said = output.tolist()[read:]
    ended = next((place for place, token in enumerate(said) if token in stops(model)), len(said))
    return said[:ended]


@torch.inference_mode()
def prefix(model, processor, text, picture):
    """The same prompt as the loop reads it."""
    tokens = processor.tokenizer(text).input_ids
    words = model.get_input_embeddings()(torch.tensor(tokens))
    if picture is None:
        return Prefix(words, tuple(tokens))
    pixels = processor.image_processor(picture, return_tensors="pt")["pixel_values"].to(model.dtype)
    features = model.get_image_features(pixels, return_dict=True).pooler_output[0]
    return Prefix(torch.cat([features, words]), (-1,) * len(features) + tuple(tokens))
