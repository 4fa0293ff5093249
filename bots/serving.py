"""Running a bot until it is told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

T = TypeVar("T")

# An engine that computes in Python keeps the interpreter for 5 ms at a time by default, and each step of an
# acknowledgement would wait so long.
SWITCH_SECONDS = 0.0005
LONGEST_WAIT_SECONDS = 60.0


async def until_stopped(*works: Coroutine[None, None, None]) -> None:
    """Run these side by side until one of them ends, SIGTERM or SIGINT comes, or this is cancelled."""
    sys.setswitchinterval(SWITCH_SECONDS)
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        with contextlib.suppress(RuntimeError):  # not in the main thread, whose alone signals are
            loop.add_signal_handler(number, stopped.set)
    tasks = [asyncio.create_task(work) for work in works]
    waiting = asyncio.create_task(_wait(stopped))
    try:
        await asyncio.wait([*tasks, waiting], return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            if task.done():
                task.result()
    finally:
        for task in (*tasks, waiting):
            task.cancel()
        await asyncio.wait([*tasks, waiting])


async def patiently(attempt: Callable[[], Awaitable[T]], *away: type[Exception]) -> T:
    """What an attempt brings; it is made again while these errors say that the platform is away."""
    wait = 1.0
    while True:
        try:
            return await attempt()
        except away:
            await asyncio.sleep(wait)
            wait = min(wait * 2, LONGEST_WAIT_SECONDS)


async def _wait(stopped: asyncio.Event) -> None:
    await stopped.wait()
