"""What can become of a call to a platform: it happened, it did not, nobody knows."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

T = TypeVar("T")
READ_WAITS_SECONDS = (0.2, 0.4, 0.8)


class RefusedError(Exception):
    """The platform did not do it; `code` is its word for why."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class UnsureError(Exception):
    """It may have happened, or not: the connection broke, or the platform failed in the middle."""


async def to_its_end(call: Coroutine[None, None, T]) -> T:
    """Wait for a call that goes on to its end where whoever waits is stopped.

    What became of it is known then, and libraries that count calls do not lose count.
    """
    calling = asyncio.ensure_future(call)
    calling.add_done_callback(_looked_at)
    return await asyncio.shield(calling)


def _looked_at(calling: asyncio.Future[T]) -> None:
    """What went wrong after everybody stopped waiting is no news to anybody."""
    if not calling.cancelled():
        calling.exception()


async def reading(ask: Callable[[], Awaitable[T]]) -> T:
    """Ask for what changes nothing, several times if it has to be. Raises RefusedError, UnsureError."""
    for wait in READ_WAITS_SECONDS:
        try:
            return await ask()
        except UnsureError:
            await asyncio.sleep(wait)
    return await ask()
