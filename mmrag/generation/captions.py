"""Captions of pictures by the model that phrases answers, where that is BLIP-2: it is loaded once for both."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from mmrag.errors import GenerationFailed
from mmrag.types import Picture

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mmrag.generation.decoding.streams import Stream
    from mmrag.generation.local import LocalGenerator
    from mmrag.ports import CaptionOutcome

_AT_A_TIME = 8  # pictures: a question that comes meanwhile waits for no more of them
CAPTION_VERSION = "1"  # grows when the same picture would be described otherwise


@runtime_checkable
class Describes(Protocol):
    """A loaded model that writes captions."""

    def describe(self, picture: Picture, *, seconds: float) -> Stream:
        """Start writing a caption. Raises GenerationFailed."""
        ...


class Captions:
    """Captions by a generator over BLIP-2 or InstructBLIP. Implements `ports.Captioner`; thread-safe."""

    def __init__(self, generator: LocalGenerator) -> None:
        self._generator = generator
        self.version = f"{generator.model} {CAPTION_VERSION}"

    def captions(self, pictures: Sequence[bytes], *, seconds: float) -> Sequence[CaptionOutcome]:
        end = time.monotonic() + seconds
        outcomes: list[CaptionOutcome] = []
        while len(outcomes) < len(pictures):
            left = end - time.monotonic()
            started = [
                self._started(picture, seconds=left)
                for picture in pictures[len(outcomes) : len(outcomes) + _AT_A_TIME]
            ]
            outcomes += [each if isinstance(each, GenerationFailed) else self._text(each) for each in started]
        return outcomes

    def _started(self, picture: bytes, *, seconds: float) -> Stream | GenerationFailed:
        if seconds <= 0:
            return GenerationFailed("there was no time left for it")
        try:
            served = self._generator.loaded()
            if not isinstance(served, Describes):
                return GenerationFailed("it writes no captions")
            return served.describe(Picture("", picture), seconds=seconds)
        except GenerationFailed as failure:
            return failure

    def _text(self, stream: Stream) -> CaptionOutcome:
        try:
            return "".join(self._generator.texts(stream))
        except GenerationFailed as failure:
            return failure
