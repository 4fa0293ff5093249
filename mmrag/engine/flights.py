"""One piece of work per key at a time, its result shared by all who ask meanwhile.

Within a process they wait for whoever came first; if that one dies of anything but an error made for
people, the next one takes over. Among processes on one data folder a lock on a file keeps a second
one from starting: the system lets it go when its holder is killed.
"""

from __future__ import annotations

import contextlib
import threading
from concurrent.futures import Future
from hashlib import blake2b
from typing import TYPE_CHECKING, Generic, TypeVar

from filelock import FileLock, Timeout

from mmrag.errors import UserFacingError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

T = TypeVar("T")

_MOST_OWNERS = 3  # that die one after the other before those who wait are told
_LOCKS = 1024  # files: keys share them, so that they do not become more and more
_LOCK_SECONDS = 120.0  # then the other process hangs, and it is done here too


class SingleFlight(Generic[T]):
    """The same question asked a thousand times at once is answered once.

    With a `folder`, processes that share it wait for each other too: `run` then begins its work when
    no other process is at it, so `work` should look first whether it has been done meanwhile.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._flights: dict[str, Future[T]] = {}

    def run(self, key: str, work: Callable[[], T]) -> T:
        """The result of `work`, or of the one already under way for this key; its error likewise."""
        for owner in range(1, _MOST_OWNERS + 1):
            with self._lock:
                flight = self._flights.get(key)
                if flight is None:
                    mine: Future[T] = Future()
                    self._flights[key] = mine
            if flight is None:
                return self._fly(key, mine, work)
            error = flight.exception()
            if error is None:
                return flight.result()
            if isinstance(error, UserFacingError) or owner == _MOST_OWNERS:
                raise error
        raise AssertionError("the last round returns or raises")

    def _fly(self, key: str, mine: Future[T], work: Callable[[], T]) -> T:
        try:
            with self._alone(key):
                result = work()
        except BaseException as error:
            self._land(key)
            mine.set_exception(error)
            raise
        self._land(key)
        mine.set_result(result)
        return result

    def _land(self, key: str) -> None:
        """Before the result is known: who takes over must not find the flight that failed."""
        with self._lock:
            del self._flights[key]

    @contextlib.contextmanager
    def _alone(self, key: str) -> Iterator[None]:
        """While no other process works on this key; without a usable folder, at once."""
        if self._folder is None:
            yield
            return
        number = int.from_bytes(blake2b(key.encode(), digest_size=4).digest()) % _LOCKS
        lock = FileLock(self._folder / f"{number:03x}", timeout=_LOCK_SECONDS, mode=0o600)
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock.acquire()
        except (Timeout, OSError):
            yield
            return
        try:
            yield
        finally:
            lock.release()
