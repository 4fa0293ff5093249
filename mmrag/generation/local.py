"""What generators with a model of their own share: from a prompt to a stream, from a stream to a draft."""

from __future__ import annotations

import copy
import io
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

from mmrag.checkpoints.loading import Precision, load
from mmrag.errors import GenerationFailed, UserFacingError
from mmrag.generation.decoding.streams import DecodingFailed
from mmrag.generation.drafts import claims_of, draft_of
from mmrag.generation.prompting import PROMPT_VERSION
from mmrag.ports import unheard

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence

    from PIL.Image import Image

    from mmrag.checkpoints.finding import Checkpoint
    from mmrag.generation.decoding.streams import Stream
    from mmrag.ports import ClaimListener
    from mmrag.types import Claim, Draft, Picture, Prompt

_UNFINISHED = "\N{REPLACEMENT CHARACTER}"  # what a decoder shows of a character whose bytes are not all there


@dataclass(frozen=True, slots=True)
class LocalOptions:
    """How a local model is run: tokens of an answer, seconds for it, questions at once."""

    precision: Precision = "auto"
    most_tokens: int = 128
    seconds: float = 60.0
    batch: int = 8
    look_up: int = 4
    int8_cache: bool = False
    threads: int = 1


class Served(Protocol):
    """A loaded model that answers many questions at once."""

    tokenizer: Any  # of transformers

    def submit(self, prompt: Prompt, *, seconds: float) -> Stream:
        """Start answering. Raises GenerationFailed."""
        ...

    def decode(self, tokens: Sequence[int]) -> str:
        """The text of what was said so far."""
        ...

    @property
    def batch_sizes(self) -> Mapping[int, int]:
        """How many steps were made for so many questions together."""
        ...

    def close(self) -> None: ...


class LocalGenerator:
    """A generator over a checkpoint; the model loads at the first question. Implements `ports.Generator`.

    Safe to use from many threads: their questions are answered together.
    """

    def __init__(
        self,
        name: Literal["blip2", "vlm"],
        checkpoint: Checkpoint,
        options: LocalOptions,
    ) -> None:
        self.name = name
        self.model = checkpoint.identity
        self.version = f"{PROMPT_VERSION} {options.precision} {options.most_tokens} {options.int8_cache}"
        self._checkpoint = checkpoint
        self._options = options
        self._loading = threading.Lock()
        self._served: Served | None = None
        self._unusable: GenerationFailed | None = None
        self.precision_reason = ""

    def generate(self, prompt: Prompt, *, drafted: ClaimListener = unheard) -> Draft:
        return draft_of(self.claims(prompt), drafted)

    def claims(self, prompt: Prompt) -> Generator[Claim, None, None]:
        """The draft's claims, each as soon as it is whole; a consumer that stops stops the model."""
        stream = self.stream(prompt)
        return claims_of(self.texts(stream), cut_off=lambda: stream.cut_off)

    def stream(self, prompt: Prompt) -> Stream:
        """Start answering; the stream can be cancelled. Raises GenerationFailed."""
        return self.loaded().submit(prompt, seconds=self._options.seconds)

    def texts(self, stream: Stream) -> Iterator[str]:
        """The stream as text, piece by piece. Raises GenerationFailed."""
        served = self.loaded()
        try:
            yield from pieces(stream, served.decode)
        except DecodingFailed as failure:
            raise GenerationFailed(str(failure)) from failure

    def loaded(self) -> Served:
        """The model, loaded. Raises GenerationFailed, and again without trying where it cannot be."""
        with self._loading:
            if self._unusable is not None:
                raise self._unusable
            if self._served is None:
                try:
                    self._served = self._serve()
                except UserFacingError as error:
                    self._unusable = GenerationFailed(str(error).rstrip("."))
                    raise self._unusable from error
            return self._served

    @property
    def batch_sizes(self) -> Mapping[int, int]:
        """How many steps were made for so many questions together; empty before the model is loaded."""
        served = self._served
        return served.batch_sizes if served else {}

    def _serve(self) -> Served:
        loaded = load(
            self._checkpoint,
            precision=self._options.precision,
            threads=self._options.threads,
            too_large="set generator_precision to int8 or 4bit-bitsandbytes, or name a smaller one",
        )
        self.precision_reason = loaded.reason
        if self.name == "blip2":
            from mmrag.generation.blip2 import Blip2  # noqa: PLC0415 - it builds on this module

            return Blip2(loaded, self._checkpoint, self._options)
        from mmrag.generation.vlm import VisionLanguageModel  # noqa: PLC0415 - as above

        return VisionLanguageModel(loaded, self._checkpoint, self._options)

    def close(self) -> None:
        """End its thread."""
        with self._loading:
            if self._served is not None:
                self._served.close()
            self._served, self._unusable = None, GenerationFailed("it was shut down")


def pieces(tokens: Iterable[Sequence[int]], decode: Callable[[Sequence[int]], str]) -> Iterator[str]:
    """Tokens as text. All are decoded each time, since a token may be half a character or a joined word."""
    said: list[int] = []
    shown = ""
    for new in tokens:
        said += new
        text = decode(said)
        if not text.endswith(_UNFINISHED) and text.startswith(shown):
            yield text[len(shown) :]
            shown = text
    text = decode(said)
    if text.startswith(shown) and text != shown:
        yield text[len(shown) :]


def opened(picture: Picture) -> Image:
    """The picture for a model's processor; its bytes come from our own reader, which checked them."""
    from PIL import Image  # noqa: PLC0415 - an extra

    with Image.open(io.BytesIO(picture.data), formats=("PNG", "JPEG")) as image:
        return image.convert("RGB")


class Tokens:
    """A tokenizer's tokens of a text, special tokens read as text. Safe to use from many threads.

    It is a copy behind a lock: tokenizers keep padding and the like as a state that one thread
    would change under another.
    """

    def __init__(self, tokenizer: Any) -> None:  # noqa: ANN401 - a tokenizer of transformers, which is heavy to import
        self._tokenizer = copy.deepcopy(tokenizer)
        self._lock = threading.Lock()

    def of(self, text: str, *, around: bool) -> tuple[int, ...]:
        """The tokens, with those that the model wants `around` every text or without."""
        with self._lock:
            encoded = self._tokenizer(
                text, add_special_tokens=around, split_special_tokens=True, verbose=False
            )
        return tuple(encoded.input_ids)

    def count(self, text: str) -> int:
        """How many there are, without those around."""
        return len(self.of(text, around=False))


def special_tokens(tokenizer: Any) -> list[str]:  # noqa: ANN401 - a tokenizer of transformers, which is heavy to import
    """All that a tokenizer does not read as text."""
    return [*tokenizer.all_special_tokens, *tokenizer.get_added_vocab()]
