"""Pictures of several documents are shown to a model together: one thread works, whoever reads waits."""

from __future__ import annotations

import threading
from collections import deque
from concurrent.futures import Future
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Shown = TypeVar("Shown")
Said = TypeVar("Said")


class Batches(Generic[Shown, Said]):
    """Does `work` for up to `most` things at a time. Safe to use from many threads.

    `work` gives one result for each; what it raises is the result of all of them.
    """

    def __init__(self, work: Callable[[Sequence[Shown]], Sequence[Said]], *, most: int) -> None:
        self._work = work
        self._most = most
        self._changed = threading.Condition()
        self._waiting: deque[tuple[Shown, Future[Said]]] = deque()
        self._closed = False
        # A daemon: a device that hangs must not keep the process from ending.
        self._thread = threading.Thread(target=self._run, name="reading charts", daemon=True)
        self._thread.start()

    def submit(self, several: Sequence[Shown]) -> list[Future[Said]]:
        """Queue them; a future that is cancelled before its turn costs nothing."""
        futures: list[Future[Said]] = [Future() for _ in several]
        with self._changed:
            if self._closed:
                for future in futures:
                    future.cancel()
            else:
                self._waiting.extend(zip(several, futures, strict=True))
                self._changed.notify()
        return futures

    def close(self) -> None:
        """End the thread after the batch that it is in; what waits is cancelled."""
        with self._changed:
            self._closed = True
            for _, future in self._waiting:
                future.cancel()
            self._waiting.clear()
            self._changed.notify()

    def _run(self) -> None:
        while batch := self._next():
            try:
                results = self._work([shown for shown, _ in batch])
            except Exception as error:  # noqa: BLE001 - whatever it is: whoever waits is told
                for _, future in batch:
                    future.set_exception(error)
            else:
                for (_, future), result in zip(batch, results, strict=True):
                    future.set_result(result)

    def _next(self) -> list[tuple[Shown, Future[Said]]]:
        """Those whose turn it is; empty once it is closed."""
        with self._changed:
            batch: list[tuple[Shown, Future[Said]]] = []
            while not batch:
                self._changed.wait_for(lambda: self._closed or self._waiting)
                if self._closed:
                    return []
                taken = [self._waiting.popleft() for _ in range(min(self._most, len(self._waiting)))]
                batch = [each for each in taken if each[1].set_running_or_notify_cancel()]
            return batch
