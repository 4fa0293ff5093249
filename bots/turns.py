"""What the processes of one data folder do one at a time: a lock on a file, which ends with its process."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path
    from types import TracebackType

WAIT_SECONDS = 0.1  # between two looks whether it is our turn


class Turns:
    """Turns by name, over all processes that have this folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._held: set[int] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for lock in list(self._held):
            self._give_up(lock)

    @contextlib.asynccontextmanager
    async def alone(self, name: str) -> AsyncIterator[None]:
        """Wait until nobody else does this."""
        lock = await self._take(name)
        try:
            yield
        finally:
            self._give_up(lock)

    async def spaced(self, name: str, seconds: float) -> None:
        """Wait until nobody has done this for so many seconds, which begin now; the dead do not count."""
        lock = await self._take(name)
        asyncio.get_running_loop().call_later(seconds, self._give_up, lock)

    async def _take(self, name: str) -> int:
        lock = os.open(self._folder / f"{name}.lock", os.O_RDWR | os.O_CREAT, 0o600)
        self._held.add(lock)
        try:
            while not _locked(lock):  # noqa: ASYNC110 - another process tells nothing when it ends
                await asyncio.sleep(WAIT_SECONDS)
        except BaseException:
            self._give_up(lock)
            raise
        return lock

    def _give_up(self, lock: int) -> None:
        if lock in self._held:
            self._held.remove(lock)
            os.close(lock)


def _locked(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
