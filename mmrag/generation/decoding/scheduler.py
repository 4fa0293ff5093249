"""Continuous batching: one thread decodes; questions join and leave the running batch.

Between two steps it takes in the oldest question that waits and others of its length, and lets go
of those that are answered, withdrawn or too late. Where memory does not suffice, everything starts
again with room for half as many: greedy search says the same again, so no stream notices.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter, deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

import torch

from mmrag.generation.decoding.streams import Cancelled, DeadlinePassed, DecodingFailed, Stream

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from mmrag.generation.decoding.language_model import Prefix
    from mmrag.generation.decoding.loop import DecodeLoop, Row

_log = logging.getLogger(__name__)
_READ_TOGETHER = 8  # prompts that are read at once: more would make the running rows wait
_STALLED = 120.0  # seconds that one call of the model may take; loading kernels can take many
_RECOVERED = 32  # answers after which a batch that was halved may grow again

T = TypeVar("T")


@dataclass(eq=False, slots=True)
class _Request(Generic[T]):
    """A question that waits or is being answered; `published` of its tokens were handed on."""

    what: T
    tokens: int
    most: int
    stream: Stream
    prefix: Prefix | None = None
    published: int = 0


class Scheduler(Generic[T]):
    """Answers many questions at once with one loop. Safe to use from many threads.

    `encode` turns what was submitted into what the model reads; it runs on the decoding thread,
    for several at a time.
    """

    def __init__(
        self,
        loop: DecodeLoop,
        *,
        encode: Callable[[Sequence[T]], Sequence[Prefix]],
        stops: Collection[int],
    ) -> None:
        self._loop = loop
        self._encode = encode
        self._stops = stops
        self._changed = threading.Condition()
        self._waiting: deque[_Request[T]] = deque()
        self._active: dict[Row, _Request[T]] = {}
        self._joining: list[_Request[T]] = []
        self._closed = False
        self._busy_since: float | None = None
        self._answered = 0
        self.batch_sizes: Counter[int] = Counter()  # steps, by how many questions each was for
        # A daemon, since a device that hangs must not keep the process from ending.
        self._thread = threading.Thread(target=self._run, name="decoding", daemon=True)
        self._thread.start()

    def submit(self, what: T, *, tokens: int, most: int, seconds: float) -> Stream:
        """Queue a question that reads `tokens` tokens and is answered with at most `most`, in time.

        Raises DecodingFailed where the model hangs or is closed.
        """
        if self.stalled:
            raise DecodingFailed("it hangs")
        stream = Stream(deadline=time.monotonic() + seconds)
        with self._changed:
            if self._closed:
                raise DecodingFailed("it was shut down")
            self._waiting.append(_Request(what, tokens, most, stream))
            self._changed.notify()
        return stream

    @property
    def stalled(self) -> bool:
        """Whether the device has not come back from one call for minutes."""
        since = self._busy_since
        return since is not None and time.monotonic() - since > _STALLED

    @property
    def capacity(self) -> int:
        """How many questions are answered together at most, at the moment."""
        return self._loop.capacity

    def close(self) -> None:
        """End the thread; questions that are not answered yet fail."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        if threading.current_thread() is not self._thread:
            self._thread.join(timeout=0 if self.stalled else _STALLED)

    def _run(self) -> None:
        while self._has_work():
            self._busy_since = time.monotonic()
            try:
                self._work()
            except Exception as error:  # noqa: BLE001 - whatever it is: whoever waits is told
                self._recover(error)
            finally:
                self._busy_since = None
        self._fail_all(DecodingFailed("it was shut down"))

    def _recover(self, error: Exception) -> None:
        try:
            if isinstance(error, torch.OutOfMemoryError):
                self._halve()
            else:
                _log.error("Decoding failed", exc_info=error)
                self._fail_all(DecodingFailed(f"it failed ({type(error).__name__})"))
                self._loop.reset(self._loop.capacity)
        except Exception:  # noqa: BLE001 - the device is lost: nobody may wait in vain
            _log.exception("Decoding cannot go on")
            self._closed = True

    def _has_work(self) -> bool:
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._waiting or self._active)
            return not self._closed

    def _work(self) -> None:
        """One round: let go, take in, step, hand on."""
        for row in [row for row, request in self._active.items() if request.stream.withdrawn]:
            self._leave(row).stream.end(Cancelled())
        self._grow()
        self._take_in()
        if self._active:
            self._loop.step()
            self.batch_sizes[len(self._active)] += 1
        self._hand_on()

    def _take_in(self) -> None:
        with self._changed:
            self._joining = self._next_group()
        if not self._joining:
            return
        unread = [request for request in self._joining if request.prefix is None]
        if unread:
            with torch.inference_mode():
                prefixes = self._encode([request.what for request in unread])
            for request, prefix in zip(unread, prefixes, strict=True):
                request.prefix = prefix
        rows = self._loop.join(
            [request.prefix for request in self._joining if request.prefix is not None],
            most=[request.most for request in self._joining],
            stops=self._stops,
        )
        self._active |= dict(zip(rows, self._joining, strict=True))
        self._joining = []
        self._hand_on()  # the first token is there before the first step

    def _next_group(self) -> list[_Request[T]]:
        """The oldest that waits, and others that are padded to the same length."""
        self._drop_withdrawn()
        room = min(self._loop.free, _READ_TOGETHER)
        if not self._waiting or not room:
            return []
        width = self._loop.width(self._waiting[0].tokens)
        group = [each for each in self._waiting if self._loop.width(each.tokens) == width][:room]
        for request in group:
            self._waiting.remove(request)
        return group

    def _drop_withdrawn(self) -> None:
        for request in [each for each in self._waiting if each.stream.withdrawn]:
            self._waiting.remove(request)
            request.stream.end(DeadlinePassed())

    def _hand_on(self) -> None:
        for row, request in list(self._active.items()):
            new = row.output[request.published :]
            if new:
                request.published = len(row.output)
                request.stream.put(new)
            if row.finished:
                self._leave(row)
                self._answered += 1
                request.stream.end(cut_off=len(row.output) >= row.most)

    def _leave(self, row: Row) -> _Request[T]:
        self._loop.leave(row)
        return self._active.pop(row)

    def _halve(self) -> None:
        """Start again with room for half as many; one alone that does not fit fails."""
        interrupted = [*self._active.values(), *self._joining]
        capacity = self._loop.capacity // 2
        _log.warning("Out of memory with %d questions together, going on with %d", len(interrupted), capacity)
        self._active, self._joining = {}, []
        if capacity:
            with self._changed:
                self._waiting.extendleft(reversed(interrupted))
        else:
            for request in interrupted:
                request.stream.end(DecodingFailed("the device has too little memory for it"))
        self._resize(max(1, capacity))

    def _resize(self, capacity: int) -> None:
        self._answered = 0
        self._loop.reset(capacity)

    def _grow(self) -> None:
        """Double a halved batch where all went well since, and nothing is running."""
        wanted = self._loop.options.rows
        if self._active or self._loop.capacity >= wanted or self._answered < _RECOVERED:
            return
        self._resize(min(wanted, 2 * self._loop.capacity))

    def _fail_all(self, error: DecodingFailed) -> None:
        with self._changed:
            failed = [*self._active.values(), *self._joining, *self._waiting]
            self._waiting.clear()
        self._active, self._joining = {}, []
        for request in failed:
            request.stream.end(error)
