"""A real bot, running in this process."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress


@asynccontextmanager
async def running(serve, settings, engine):
    """The bot that `serve` is, with these settings, connected, until the block ends."""
    ready = asyncio.Event()
    served = asyncio.create_task(serve(settings, engine, ready=ready))
    waiting = asyncio.create_task(ready.wait())
    try:
        await asyncio.wait([served, waiting], return_when=asyncio.FIRST_COMPLETED)
        if served.done():
            served.result()
        yield
    finally:
        waiting.cancel()
        served.cancel()
        with suppress(asyncio.CancelledError):
            await served
