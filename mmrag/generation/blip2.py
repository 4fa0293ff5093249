"""BLIP-2 and InstructBLIP over OPT and Flan-T5: the picture by the model, the words by our own decode loop.

One picture a question: these models were trained on one. Of others the text and tables that were
read from them are in the prompt.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from mmrag.checkpoints.loading import stop_ids
from mmrag.errors import GenerationFailed
from mmrag.generation.decoding.language_model import Prefix
from mmrag.generation.decoding.streams import DecodingFailed
from mmrag.generation.inert import Inert
from mmrag.generation.local import Tokens, opened, special_tokens
from mmrag.generation.prompting import PLAIN, written

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor

    from mmrag.checkpoints.finding import Checkpoint
    from mmrag.checkpoints.loading import Loaded
    from mmrag.generation.decoding.language_model import LanguageModel
    from mmrag.generation.decoding.loop import DecodeLoop, Options
    from mmrag.generation.decoding.scheduler import Scheduler
    from mmrag.generation.decoding.streams import Stream
    from mmrag.generation.local import LocalOptions
    from mmrag.types import Picture, Prompt

_log = logging.getLogger(__name__)
_MEMORY_SHARE = 0.6  # of what is free on the GPU, for the cache; the rest is for pictures and long prompts
_CAPTION_TOKENS = 40
_SHORT_DESCRIPTION = "A short image description:"  # one of those that InstructBLIP was trained on
_IN_PICTURE = -1  # what look-up sees in place of a picture's tokens


@dataclass(frozen=True, slots=True)
class Asked:
    """A question as the model gets it."""

    tokens: tuple[int, ...]
    question: str
    picture: Picture | None


class Blip2:
    """Answers with a loaded BLIP-2 or InstructBLIP. Implements `local.Served`."""

    def __init__(self, loaded: Loaded, checkpoint: Checkpoint, options: LocalOptions) -> None:
        from mmrag.generation.decoding.loop import Options  # noqa: PLC0415 - imports torch
        from mmrag.generation.decoding.opt import OptDecoder  # noqa: PLC0415 - as above
        from mmrag.generation.decoding.scheduler import Scheduler  # noqa: PLC0415 - as above
        from mmrag.generation.decoding.t5 import T5Decoder  # noqa: PLC0415 - as above

        self._loaded = loaded
        self._model = loaded.model
        self.tokenizer = loaded.processor.tokenizer
        self._tokens = Tokens(self.tokenizer)
        self._inert = Inert(special_tokens(self.tokenizer))
        self._is_asked = checkpoint.model_type == "instructblip"
        self._queries = int(self._model.config.num_query_tokens)
        self._embed = self._model.get_input_embeddings()
        self._most_tokens = options.most_tokens
        language_model = self._model.language_model
        self._stops = stop_ids(language_model)
        decoder_class = OptDecoder if checkpoint.language_model_type == "opt" else T5Decoder
        decoder: LanguageModel = decoder_class(
            language_model, int8=options.precision == "int8", int8_cache=options.int8_cache
        )
        apart = decoder.reads_apart
        self._read = decoder.most_tokens - (0 if apart else options.most_tokens)
        loop = _loop_that_fits(
            decoder,
            Options(
                rows=_rows(options, self._model.config.text_config, decoder.most_tokens, loaded),
                read=self._read,
                written=options.most_tokens,
                look_up=options.look_up,
            ),
        )
        self._scheduler: Scheduler[Asked] = Scheduler(loop, encode=self._encoded, stops=self._stops)

    @property
    def scheduler(self) -> Scheduler[Asked]:
        """What answers the questions together."""
        return self._scheduler

    def submit(self, prompt: Prompt, *, seconds: float) -> Stream:
        return self._submitted(self.asked(prompt), most=self._most_tokens, seconds=seconds)

    def describe(self, picture: Picture, *, seconds: float) -> Stream:
        """Start writing a caption. Raises GenerationFailed."""
        # BLIP-2 captions what comes without a question; InstructBLIP wants to be asked.
        question = _SHORT_DESCRIPTION if self._is_asked else ""
        asked = Asked(self._tokens.of(question, around=True), question, picture)
        return self._submitted(asked, most=min(_CAPTION_TOKENS, self._most_tokens), seconds=seconds)

    def _submitted(self, asked: Asked, *, most: int, seconds: float) -> Stream:
        queries = self._queries if asked.picture else 0
        try:
            return self._scheduler.submit(
                asked, tokens=queries + len(asked.tokens), most=most, seconds=seconds
            )
        except DecodingFailed as failure:
            raise GenerationFailed(str(failure)) from failure

    def decode(self, tokens: Sequence[int]) -> str:
        text: str = self.tokenizer.decode(tokens, skip_special_tokens=True)
        return text

    def close(self) -> None:
        self._scheduler.close()

    @property
    def batch_sizes(self) -> Mapping[int, int]:
        """Of the decode loop."""
        return self._scheduler.batch_sizes

    def asked(self, prompt: Prompt) -> Asked:
        """The prompt's text as tokens, and its first picture. Raises GenerationFailed where it is too long."""
        picture = prompt.pictures[0] if prompt.pictures else None
        room = self._read - (self._queries if picture else 0)
        around = len(self._tokens.of("", around=True))
        text = written(prompt, PLAIN, count=self._tokens.count, budget=room - around, inert=self._inert)
        return Asked(self._tokens.of(text, around=True), self._inert(prompt.question), picture)

    def _encoded(self, asked: Sequence[Asked]) -> list[Prefix]:
        """What the model reads; the pictures of several questions are looked at together."""
        import torch  # noqa: PLC0415 - heavy: seconds

        seen = iter(self._features([each for each in asked if each.picture]))
        prefixes = []
        for each in asked:
            words = self._embed(torch.tensor(each.tokens, device=self._loaded.device))  # (n, width)
            if each.picture is None:
                prefixes.append(Prefix(words, each.tokens))
                continue
            features = next(seen).to(words.dtype)  # (queries, width)
            tokens = (_IN_PICTURE,) * len(features) + each.tokens
            prefixes.append(Prefix(torch.cat([features, words]), tokens))
        return prefixes

    def _features(self, asked: Sequence[Asked]) -> list[Tensor]:
        """What the Q-Former says of each picture: (queries, width) each."""
        if not asked:
            return []
        images = [opened(each.picture) for each in asked if each.picture is not None]
        pixels = self._loaded.processor.image_processor(images, return_tensors="pt")["pixel_values"]
        pixels = pixels.to(self._loaded.device, self._loaded.dtype)
        about = self._qformer_inputs([each.question for each in asked])
        features = self._model.get_image_features(pixels, return_dict=True, **about).pooler_output
        return list(features)

    def _qformer_inputs(self, questions: Sequence[str]) -> dict[str, Any]:
        """InstructBLIP's Q-Former reads the question too, and the question only: it has room for little."""
        import torch  # noqa: PLC0415 - heavy: seconds
        from torch.nn.utils.rnn import pad_sequence  # noqa: PLC0415 - as above

        tokenizer = getattr(self._loaded.processor, "qformer_tokenizer", None)
        if tokenizer is None:
            return {}
        most = int(self._model.config.qformer_config.max_position_embeddings)
        rows = [
            torch.tensor(
                tokenizer(question, truncation=True, max_length=most, split_special_tokens=True).input_ids
            )
            for question in questions
        ]
        present = [torch.ones_like(row) for row in rows]
        device = self._loaded.device
        padding = tokenizer.pad_token_id or 0
        return {
            "qformer_input_ids": pad_sequence(rows, batch_first=True, padding_value=padding).to(device),
            "qformer_attention_mask": pad_sequence(present, batch_first=True).to(device),
        }


def _rows(options: LocalOptions, config: Any, tokens: int, loaded: Loaded) -> int:  # noqa: ANN401 - OPTConfig or T5Config
    """How many questions the cache has room for: on a GPU, as many as fit what is free."""
    import torch  # noqa: PLC0415 - heavy: seconds

    if loaded.device.type != "cuda":
        return options.batch
    layers = getattr(config, "num_decoder_layers", None) or config.num_hidden_layers
    size = 1 if options.int8_cache else loaded.dtype.itemsize
    inner = (
        getattr(config, "d_kv", config.hidden_size // config.num_attention_heads) * config.num_attention_heads
    )
    row = 2 * layers * (tokens + options.most_tokens) * inner * size  # keys and values, in bytes
    free, _ = torch.cuda.mem_get_info()
    return max(1, min(options.batch, int(_MEMORY_SHARE * free / row)))


def _loop_that_fits(decoder: LanguageModel, options: Options) -> DecodeLoop:
    """A loop with room for as many rows as there is memory for."""
    import torch  # noqa: PLC0415 - heavy: seconds

    from mmrag.generation.decoding.loop import DecodeLoop  # noqa: PLC0415 - imports torch

    rows = options.rows
    while True:
        try:
            return DecodeLoop(decoder, replace(options, rows=rows))
        except torch.OutOfMemoryError:
            if rows == 1:
                raise GenerationFailed("the device has too little memory for it") from None
            rows //= 2
            _log.warning("Too little memory, trying with room for %d questions", rows)
