"""How many requests are worked on at once, and whose turn is next. It knows nothing of what they do.

The engine is synchronous: its work is done in threads, a fixed number of them, while the event loop
waits for a turn. Clients take turns, so that one who asks a thousand things at once delays another's
single question by no more than what is being worked on.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import OrderedDict, deque
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Generic, TypeVar

from mmrag.service.problems import Problem, retry_after

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

_WEIGHT = 0.1  # of the newest duration in their moving average


class Withdrawn(Exception):
    """Nobody waits for the result any more."""


class Withdrawal:
    """Whether whoever asked has left; looked at from the thread that works."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def withdraw(self) -> None:
        """Say that nobody waits any more."""
        self._event.set()

    def check(self) -> None:
        """Raise Withdrawn where nobody waits any more."""
        if self._event.is_set():
            raise Withdrawn


class _Outcome(Generic[T]):
    """What came of some work; an error is carried, so that no loop complains that nobody asked for it."""

    def __init__(self, work: Callable[[], T]) -> None:
        self._error: BaseException | None = None
        try:
            self._result = work()
        except BaseException as error:  # noqa: BLE001 - raised again where the result is taken
            self._error = error

    def result(self) -> T:
        if self._error is not None:
            raise self._error
        return self._result


class Lane:
    """Works on `at_once` requests at a time while up to `waiting` wait. For one event loop."""

    def __init__(self, name: str, *, at_once: int, waiting: int) -> None:
        self.name = name
        self.running = 0
        self._at_once = at_once
        self._most_waiting = waiting
        self._queues: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()
        self._threads = ThreadPoolExecutor(at_once, thread_name_prefix=f"mmrag-{name}")
        self._seconds = 1.0  # of one piece of work, as a moving average

    @property
    def waiting(self) -> int:
        """How many wait for their turn."""
        return sum(map(len, self._queues.values()))

    @property
    def is_full(self) -> bool:
        """Whether the next one has to wait."""
        return self.running >= self._at_once or bool(self._queues)

    async def run(self, who: str, work: Callable[[], T]) -> T:
        """Do it in a thread when it is this client's turn; its error likewise.

        Where the caller is cancelled, work that has begun goes on to its end and keeps its place until
        then. Raises Problem where too many wait.
        """
        await self._turn(who)
        began = time.monotonic()

        def finished(_: object) -> None:
            self._seconds += _WEIGHT * (time.monotonic() - began - self._seconds)
            self._give_back()

        try:
            outcome = asyncio.get_running_loop().run_in_executor(self._threads, _Outcome, work)
        except BaseException:
            self._give_back()
            raise
        outcome.add_done_callback(finished)
        return (await asyncio.shield(outcome)).result()

    def close(self) -> None:
        """Wait for what has begun."""
        self._threads.shutdown(wait=True, cancel_futures=True)

    async def _turn(self, who: str) -> None:
        if not self.is_full:
            self.running += 1
            return
        if self.waiting >= self._most_waiting:
            raise Problem(
                503,
                "overloaded",
                f"{self.waiting:,} requests wait already: try again in a while.",
                headers=retry_after(self.waiting * self._seconds / self._at_once),
            )
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queues.setdefault(who, deque()).append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._give_back()  # it came in the very moment in which the client left
            else:
                self._leave(who, turn)
            raise

    def _leave(self, who: str, turn: asyncio.Future[None]) -> None:
        queue = self._queues.get(who, deque())
        if turn in queue:  # whoever gave a place back may have passed it over already
            queue.remove(turn)
            if not queue:
                del self._queues[who]

    def _give_back(self) -> None:
        """Hand the place to the client that has waited longest for a turn, who then queues up again."""
        self.running -= 1
        while self._queues:
            who, queue = self._queues.popitem(last=False)
            turn = queue.popleft()
            if queue:
                self._queues[who] = queue
            if not turn.done():
                self.running += 1
                turn.set_result(None)
                return
