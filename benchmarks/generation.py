"""The decode loop: time of a token, a step and a prompt, beside what memory allows and `generate`.

    python -m benchmarks.generation [--model NAME] [--compile] [--markdown | --json]

Weights are random, of full size, and made on the device: speed does not depend on what they say.
It needs torch 2.6 and transformers 5 or newer and nothing else, Python 3.11 or newer. Without a
GPU it runs a small model and the bounds do not count.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import sys
import time
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import torch
import transformers
from transformers import StoppingCriteriaList

from benchmarks.table import Row, add_formats, show
from mmrag.generation.decoding.language_model import Prefix
from mmrag.generation.decoding.loop import DecodeLoop, Options
from mmrag.generation.decoding.opt import OptDecoder
from mmrag.generation.decoding.scheduler import Scheduler
from mmrag.generation.decoding.t5 import T5Decoder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

VOCABULARY = {"opt": 50_304, "t5": 32_128}
# (hidden, feed-forward, layers, heads): the published sizes; "small" is for machines without a GPU.
OPT = {"opt-2.7b": (2_560, 10_240, 32, 32), "opt-6.7b": (4_096, 16_384, 32, 32), "small": (256, 1_024, 4, 4)}
T5 = {"flan-t5-xl": (2_048, 5_120, 24, 32), "small-t5": (256, 512, 4, 4)}
# EVA-CLIP's giant and the Q-Former of BLIP-2: hidden, feed-forward, layers, heads.
VISION = {True: (1_408, 6_144, 39, 16), False: (64, 128, 2, 4)}
QFORMER = {True: (768, 3_072, 12, 12), False: (64, 128, 2, 4)}
QUERIES = 32
# Milliseconds on an H200 for opt-2.7b with 1,000 tokens read, from its memory's 4.8 TB/s.
H200_BYTES_A_SECOND = 4.8e12
H200_FLOORS = {"token": 1.31, "token int8": 0.70, "prompt": 7.6, "step": 6.4}
RUNS = 5
WARM_UP = 8


@dataclass(frozen=True, slots=True)
class Workload:
    """Tokens read and written by a question, and how many are answered together."""

    read: int
    written: int
    batch: int
    requests: int


FULL = Workload(read=1_000, written=64, batch=64, requests=256)
SMALL = Workload(read=120, written=16, batch=8, requests=16)


def main() -> int:
    """Measure, print a table, and end with 1 where a bound fails."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.generation", description=__doc__.split("\n")[0]
    )
    parser.add_argument("--model", choices=[*OPT, *T5], help="default: opt-2.7b, small without a GPU")
    parser.add_argument("--compile", action="store_true", help="compile a step before it is captured")
    add_formats(parser)
    arguments = parser.parse_args()
    gpu = torch.cuda.is_available()
    name = arguments.model or ("opt-2.7b" if gpu else "small")
    rows = measured(name, FULL if gpu else SMALL, compiled=arguments.compile)
    where = torch.cuda.get_device_name() if gpu else f"no GPU here, so a small model on {platform.machine()}"
    head = (
        f"{name}, {where}; torch {torch.__version__}, transformers {transformers.__version__}, "
        f"Python {platform.python_version()}"
    )
    print(show(rows, arguments.format, title=head))
    return 1 if any(row.holds is False for row in rows) else 0


def measured(name: str, work: Workload, *, compiled: bool) -> list[Row]:
    """All rows, for one model."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model = random_model(name, device, full=device.type == "cuda")
    bench = Bench(name, model, device, work, compiled=compiled)
    rows = list(bench.rows())
    del model
    return rows


def random_model(name: str, device: torch.device, *, full: bool) -> Any:
    """A BLIP-2 of these sizes with random weights, made on the device; bf16 there, fp32 on a CPU."""
    hidden, inner, layers, heads = VISION[full]
    vision = {
        "hidden_size": hidden,
        "intermediate_size": inner,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "image_size": 224,
        "patch_size": 14,
    }
    width, inner, layers, heads = QFORMER[full]
    qformer = {
        "hidden_size": width,
        "intermediate_size": inner,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "encoder_hidden_size": hidden,
    }
    config = transformers.Blip2Config(
        vision_config=vision,
        qformer_config=qformer,
        text_config=_text_config(name),
        num_query_tokens=QUERIES,
        image_token_index=VOCABULARY["t5" if name in T5 else "opt"] - 1,
    )
    usual = torch.get_default_dtype()
    torch.set_default_dtype(torch.bfloat16 if device.type == "cuda" else torch.float32)
    try:
        with torch.device(device):
            torch.manual_seed(0)
            return transformers.Blip2ForConditionalGeneration(config).eval()
    finally:
        torch.set_default_dtype(usual)


def _text_config(name: str) -> dict[str, Any]:
    if name in T5:
        hidden, inner, layers, heads = T5[name]
        return {
            "model_type": "t5",
            "vocab_size": VOCABULARY["t5"],
            "d_model": hidden,
            "d_kv": hidden // heads,
            "d_ff": inner,
            "num_layers": layers,
            "num_decoder_layers": layers,
            "num_heads": heads,
            "feed_forward_proj": "gated-gelu",
            "decoder_start_token_id": 0,
            "tie_word_embeddings": False,
        }
    hidden, inner, layers, heads = OPT[name]
    return {
        "model_type": "opt",
        "vocab_size": VOCABULARY["opt"],
        "hidden_size": hidden,
        "word_embed_proj_dim": hidden,
        "ffn_dim": inner,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "max_position_embeddings": 2_048,
    }


class Bench:
    """Measures one model. The 8-bit weights come last: they replace the others."""

    def __init__(
        self, name: str, model: Any, device: torch.device, work: Workload, *, compiled: bool
    ) -> None:
        self._name, self._model, self._device, self._work = name, model, device, work
        self._compiled = compiled
        self._decoder_class: Any = T5Decoder if name in T5 else OptDecoder
        self._read = work.read + QUERIES
        vocabulary = VOCABULARY["t5" if name in T5 else "opt"]
        generator = torch.Generator().manual_seed(1)
        self._tokens = [
            torch.randint(5, vocabulary - 5, (work.read,), generator=generator).tolist()
            for _ in range(work.batch)
        ]
        self._pixels = torch.randn(1, 3, 224, 224, generator=generator).to(device, model.dtype)

    def rows(self) -> Iterator[Row]:
        """One after the other, so that each has the memory to itself."""
        counts = self._device.type == "cuda"
        loop = self._loop(rows=1, look_up=0)
        prompt = self._milliseconds(lambda: self._begun(loop))
        token = self._a_step(loop, rows=1)
        theirs = self._generate(rows=1)
        yield self._against_floor("prompt", f"read {self._work.read:,} tokens and a picture", prompt, None)
        yield self._against_floor("token", "a token, one question", token, 0.6 if counts else None)
        yield self._beside_generate("the same beside `generate`", token, theirs, 5.0 if counts else None)
        drafting = self._a_step(self._loop(rows=1, look_up=4), rows=1, draft=4)
        yield Row("a step that checks 4 guessed tokens", f"{drafting:.2f} ms", drafting)
        batch = self._work.batch
        step = self._a_step(self._loop(rows=batch, look_up=0), rows=batch)
        yield self._against_floor("step", f"a step, {batch} questions", step, 0.5 if counts else None)
        yield Row(f"tokens a second, {batch} questions", f"{1_000 * batch / step:,.0f}", batch / step)
        yield self._beside_generate("a step beside `generate`", step, self._generate(rows=batch), None)
        yield self._requests()
        small = self._a_step(self._loop(rows=1, look_up=0, int8=True), rows=1)
        yield self._against_floor("token int8", "a token, one question, 8-bit weights", small, None)
        wanted = 1.5 if counts else None
        yield Row("the same beside whole weights", f"{token / small:.2f}×", token / small, wanted)

    @staticmethod
    def _beside_generate(what: str, ours: float, theirs: float, wanted: float | None) -> Row:
        beside = f"generate {theirs:.2f} ms, {theirs / ours:.1f}×"
        return Row(what, f"{ours:.2f} ms", theirs / ours, wanted, beside=beside)

    def _against_floor(self, key: str, what: str, milliseconds: float, share: float | None) -> Row:
        """With the share of what the memory's speed allows, where that is known for this card and model."""
        if self._name != "opt-2.7b" or self._device.type != "cuda":
            return Row(what, f"{milliseconds:.2f} ms", milliseconds)
        floor = H200_FLOORS[key]
        if "H200" not in torch.cuda.get_device_name():
            floor *= H200_BYTES_A_SECOND / self._bytes_a_second()
        reached = floor / milliseconds
        return Row(
            what,
            f"{milliseconds:.2f} ms",
            reached,
            share,
            beside=f"floor {floor:.2f} ms, {reached:.0%} of it",
        )

    def _bytes_a_second(self) -> float:
        """Bytes a second that this card's memory really moves, for cards other than an H200."""
        block = torch.empty(1 << 30, dtype=torch.int8, device=self._device)
        other = torch.empty_like(block)
        return 2 * block.numel() / (self._milliseconds(lambda: other.copy_(block)) / 1_000)

    def _loop(self, *, rows: int, look_up: int, int8: bool = False) -> DecodeLoop:
        written = (WARM_UP + self._work.written) * (1 + look_up)
        options = Options(
            rows=rows, read=self._read, written=written, look_up=look_up, compiled=self._compiled
        )
        return DecodeLoop(self._decoder_class(self._model.language_model, int8=int8), options)

    @torch.inference_mode()
    def _prefix(self, number: int) -> Prefix:
        tokens = self._tokens[number % len(self._tokens)]
        features = self._model.get_image_features(self._pixels, return_dict=True).pooler_output[0]
        words = self._model.get_input_embeddings()(torch.tensor(tokens, device=self._device))
        return Prefix(torch.cat([features.to(words.dtype), words]), (-1,) * QUERIES + tuple(tokens))

    def _begun(self, loop: DecodeLoop) -> None:
        """Look at a picture and read a prompt, into a loop that is empty afterwards."""
        (row,) = loop.join([self._prefix(0)], most=[self._work.written], stops=())
        loop.leave(row)

    def _a_step(self, loop: DecodeLoop, *, rows: int, draft: int = 0) -> float:
        """Milliseconds of a step with so many rows; with `draft`, one that always checks guessed tokens."""
        for number in range(rows):
            loop.join([self._prefix(number)], most=[loop.options.written], stops=())
        for row in loop.rows:
            if draft:  # a text in which every ending was seen before: a draft is always found
                row.known.extend([row.pending] * (draft + 4))
        times = []
        for _ in range(WARM_UP + self._work.written):
            begun = time.perf_counter()
            loop.step()  # ends with the tokens on the host
            times.append(1_000 * (time.perf_counter() - begun))
            for row in loop.rows:
                if draft:
                    row.known.extend([row.pending] * (draft + 4))
        loop.reset(1)
        return statistics.median(times[WARM_UP:])

    def _generate(self, *, rows: int) -> float:
        """Milliseconds between two tokens of transformers' own `generate`, the prompt taken off."""
        tokens = torch.tensor([self._tokens[number] for number in range(rows)], device=self._device)
        image = torch.full((rows, QUERIES), self._model.config.image_token_index, device=self._device)
        inputs = {
            "input_ids": torch.cat([image, tokens], 1),
            "pixel_values": self._pixels.expand(rows, -1, -1, -1),
        }
        inputs["attention_mask"] = torch.ones_like(inputs["input_ids"])
        goes_on = torch.zeros(rows, dtype=torch.bool, device=self._device)
        times = []

        def token_is_made(*_: object, **__: object) -> torch.Tensor:
            self._wait()
            times.append(1_000 * time.perf_counter())
            return goes_on

        count = 1 + WARM_UP + self._work.written
        self._model.generate(
            **inputs,
            max_new_tokens=count,
            min_new_tokens=count,
            do_sample=False,
            stopping_criteria=StoppingCriteriaList([token_is_made]),
        )
        between = [later - earlier for earlier, later in pairwise(times)]
        return statistics.median(between[WARM_UP:])

    def _requests(self) -> Row:
        """Questions a second with everything that answering takes: pictures, prompts, joining, leaving."""
        work = self._work
        loop = self._loop(rows=work.batch, look_up=0)
        scheduler = Scheduler(loop, encode=lambda numbers: [self._prefix(n) for n in numbers], stops=())
        try:
            for warm in (True, False):
                begun = time.perf_counter()
                count = work.batch if warm else work.requests
                streams = [
                    scheduler.submit(number, tokens=self._read, most=work.written, seconds=3_600)
                    for number in range(count)
                ]
                for stream in streams:
                    for _ in stream:
                        pass
                seconds = time.perf_counter() - begun
        finally:
            scheduler.close()
        rate = work.requests / seconds
        return Row(
            f"questions with {work.read:,} tokens and a picture in, {work.written} out",
            f"{rate:.1f} a second, {rate * work.written:,.0f} tokens/s",
            rate,
        )

    def _milliseconds(self, call: Callable[[], object]) -> float:
        """The median of some runs after one more, each until the device is done."""
        times = []
        for _ in range(1 + RUNS):
            self._wait()
            begun = time.perf_counter()
            call()
            self._wait()
            times.append(1_000 * (time.perf_counter() - begun))
        return statistics.median(times[1:])

    def _wait(self) -> None:
        if self._device.type == "cuda":
            torch.cuda.synchronize()


if __name__ == "__main__":
    sys.exit(main())
