"""Several processes of a bot on one data folder, of which one is killed, or stopped for a while."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import AsyncExitStack, asynccontextmanager

STALLED_SECONDS = 1.0  # without a heartbeat, until the others take over; as a setting it is a minute
STOPPED_SECONDS = 3.0
KILLED = (0, 2, 3)  # of five trials; in the others it stands still
LONGEST_SECONDS = 0.8  # before one is killed or stopped, from the first question


@asynccontextmanager
async def all_of(*running):
    """The processes that these begin, all at once."""
    async with AsyncExitStack() as stack:
        yield await asyncio.gather(*map(stack.enter_async_context, running))


async def disturb(process, trial, rng):
    """Kill it in a moment, or let it stand still for longer than the others wait; whether it is dead."""
    await asyncio.sleep(rng.random() ** 2 * LONGEST_SECONDS)
    if trial % 5 in KILLED:
        process.kill()
        return True
    os.kill(process.pid, signal.SIGSTOP)
    await asyncio.sleep(STOPPED_SECONDS)
    os.kill(process.pid, signal.SIGCONT)
    return False
