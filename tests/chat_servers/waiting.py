"""Waiting for what happens in a server, without sleeping."""

from __future__ import annotations

import asyncio
from contextlib import suppress

ELSEWHERE_SECONDS = 0.05


class Waiting:
    """A server: whoever waits in it looks again after every change."""

    def __init__(self):
        self.requests = []  # the log: every request of the app
        self.fault = None  # an exception of this server's own: whoever waits is told
        self._changed = asyncio.Event()

    def touch(self):
        """Something has changed: whoever waits looks again."""
        self._changed.set()
        self._changed = asyncio.Event()

    async def until(self, holds, *, seconds=10.0):
        """What `holds()` gives, once it gives something. Raises TimeoutError, with the last requests.

        It is asked after every change here, and now and then for what changes elsewhere: in an engine.
        Raises what went wrong in this server itself.
        """
        deadline = asyncio.get_running_loop().time() + seconds
        while not (found := holds()):
            if self.fault is not None:
                raise self.fault
            left = deadline - asyncio.get_running_loop().time()
            if left <= 0:
                lately = [str(each) for each in self.requests[-8:]]
                raise TimeoutError(f"not within {seconds} s; the last requests: {lately}")
            with suppress(TimeoutError):
                async with asyncio.timeout(min(left, ELSEWHERE_SECONDS)):
                    await self._changed.wait()
        return found
