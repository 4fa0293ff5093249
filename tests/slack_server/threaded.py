"""The server in a thread of its own, for clients that block."""

from __future__ import annotations

import asyncio
import threading
from contextlib import contextmanager

from tests.slack_server.server import SlackServer


@contextmanager
def in_thread(**options):
    """(server, run): `run(coroutine)` or `run(function)` works in the server's loop and gives the result."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    def run(work):
        async def called():
            return work()

        coroutine = work if asyncio.iscoroutine(work) else called()
        return asyncio.run_coroutine_threadsafe(coroutine, loop).result(30)

    async def made():
        server = SlackServer(**options)
        await server.start()
        return server

    server = run(made())
    try:
        yield server, run
    finally:
        run(server.stop())
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
