"""A bot in a process of its own, on a quick engine, for trials; it can be killed."""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager

from tests.trust.processes import started
from tests.trust.quick_engine import QuickEngine


@asynccontextmanager
async def running(serve, settings, engine, *, log=None):
    """The process of a bot that is ready; `engine` is what a QuickEngine takes."""
    with started(_work, serve, settings, engine, log) as (process, connection):
        if await asyncio.to_thread(connection.poll, 60):
            try:
                connection.recv()
            except EOFError:
                raise RuntimeError("the bot ended before it was ready") from None
        yield process


def _work(connection, serve, settings, engine, log):
    """The bot, until it is killed; it logs all it can to this file, if one is given."""
    if log is not None:
        logging.disable(logging.NOTSET)
        logging.basicConfig(filename=log, level=logging.DEBUG, force=True)

    async def run():
        ready = asyncio.Event()
        running = asyncio.create_task(serve(settings, QuickEngine(**engine), ready=ready))
        await asyncio.wait([asyncio.create_task(ready.wait()), running], return_when=asyncio.FIRST_COMPLETED)
        connection.send("ready")
        await running

    asyncio.run(run())
