"""What a question's answer arrives in: tokens one by one, an end, or the reason why there is none."""

from __future__ import annotations

import queue
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


class DecodingFailed(Exception):
    """The model gave no (whole) answer; the text says why."""


class DeadlinePassed(DecodingFailed):
    """The answer was not there in time."""

    def __init__(self) -> None:
        super().__init__("it did not answer in time")


class Cancelled(DecodingFailed):
    """Nobody waits for the answer any more."""

    def __init__(self) -> None:
        super().__init__("the question was withdrawn")


class Stream:
    """Tokens of one answer, from the thread that decodes to the one that waits.

    `deadline` is a time of `time.monotonic()`: the one who waits gives up then, whatever the
    decoding thread is doing.
    """

    def __init__(self, *, deadline: float) -> None:
        self.deadline = deadline
        self.cut_off = False  # the answer ended at the limit of its length
        self._arrived: queue.SimpleQueue[Sequence[int] | DecodingFailed | None] = queue.SimpleQueue()
        self._withdrawn = False

    def __iter__(self) -> Iterator[Sequence[int]]:
        """Tokens as they come. Raises DecodingFailed."""
        try:
            while True:
                arrived = self._next()
                if arrived is None:
                    return
                yield arrived
        finally:
            self.cancel()  # whoever stops listening wants no more

    def cancel(self) -> None:
        """Say that nobody waits any more: the row leaves before the next step."""
        self._withdrawn = True

    @property
    def withdrawn(self) -> bool:
        """Whether decoding it further is of no use."""
        return self._withdrawn or time.monotonic() >= self.deadline

    def put(self, tokens: Sequence[int]) -> None:
        """Hand on what was said."""
        self._arrived.put(tokens)

    def end(self, error: DecodingFailed | None = None, *, cut_off: bool = False) -> None:
        """Nothing comes after this."""
        self.cut_off = cut_off
        self._arrived.put(error)

    def _next(self) -> Sequence[int] | None:
        try:
            arrived = self._arrived.get(timeout=max(0.0, self.deadline - time.monotonic()))
        except queue.Empty:
            raise DeadlinePassed from None
        if isinstance(arrived, DecodingFailed):
            raise arrived
        return arrived
