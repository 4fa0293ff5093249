"""Files: fetched as soon as they come, since Discord's addresses for them expire; kept until they were used.

No token is sent for them. An address that has expired is asked for anew by the message that the file is in;
files of commands are in none, so they are on our disk before anybody has to wait for an answer.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import aiohttp

from bots.conversation import log_fault
from bots.downloads import check_size, read_within
from bots.outcomes import RefusedError, UnsureError
from mmrag.errors import NotReadable

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from bots.discord.web import DiscordWeb

Json = dict[str, Any]

DOWNLOAD_SECONDS = 120
ATTEMPTS = 3
AT_ONCE = 8
UNFINISHED_SECONDS = 3600  # nobody writes one file for so long
KEPT_SECONDS = 48 * 3600  # as long as the inbox remembers
GONE = {401, 403, 404, 410}
_BROKEN = "The connection to Discord broke while it was fetched: ask again."


class Files:
    """Downloads, with what was fetched early in `folder`."""

    def __init__(
        self, web: DiscordWeb, session: aiohttp.ClientSession, folder: Path, *, most_bytes: int
    ) -> None:
        self._web = web
        self._session = session
        self._folder = folder
        self._most_bytes = most_bytes
        self._fetching: dict[str, asyncio.Task[None]] = {}
        self._free = asyncio.Semaphore(AT_ONCE)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.sweep()

    def fetch_early(self, files: Iterable[Json]) -> None:
        """Begin to fetch files that just came; whatever goes wrong is told when they are asked for."""
        for file in files:
            if file["id"] not in self._fetching and not self._path(file).exists():
                task = asyncio.create_task(self._keep(file))
                self._fetching[file["id"]] = task
                task.add_done_callback(partial(self._fetched, file["id"]))

    def _fetched(self, id_: str, task: asyncio.Task[None]) -> None:
        del task
        self._fetching.pop(id_, None)

    async def download(self, file: Json) -> bytes:
        """The bytes of a file of a message. Raises NotReadable with what to do."""
        fetching = self._fetching.get(file["id"])
        if fetching is not None:
            await asyncio.wait([fetching])
        kept = await asyncio.to_thread(_read, self._path(file))
        return await self._fetch(file) if kept is None else kept

    def forget(self, files: Iterable[Json]) -> None:
        """They were used."""
        for file in files:
            self._path(file).unlink(missing_ok=True)

    async def stop(self) -> None:
        for task in list(self._fetching.values()):
            task.cancel()
        await asyncio.gather(*self._fetching.values(), return_exceptions=True)

    async def _keep(self, file: Json) -> None:
        try:
            async with self._free:
                data = await self._fetch(file)
            await asyncio.to_thread(_write, self._path(file), data)
        except NotReadable:
            return
        except OSError as error:  # a full disk: it is fetched again when it is needed
            log_fault(error)

    async def _fetch(self, file: Json) -> bytes:
        check_size(file["size"], self._most_bytes)
        url, wait = file["url"], 0.2
        for attempt in range(ATTEMPTS):
            try:
                return await self._get(url)
            except _Gone:
                fresh = await self._fresh_address(file)
                if fresh is None or fresh == url:
                    raise NotReadable("Discord does not give it out any more: send it again.") from None
                url = fresh
            except UnsureError:
                if attempt == ATTEMPTS - 1:
                    raise NotReadable(_BROKEN) from None
                await asyncio.sleep(wait)
                wait *= 3
        raise NotReadable("Discord does not give it out: send it again.")

    async def _get(self, url: str) -> bytes:
        timeout = aiohttp.ClientTimeout(total=DOWNLOAD_SECONDS)
        try:
            async with self._session.get(url, timeout=timeout, allow_redirects=False) as response:
                if response.status in GONE:
                    raise _Gone
                if response.status >= 500 or response.status == 429:  # noqa: PLR2004 - HTTP's own
                    raise UnsureError("cdn")
                if response.status != 200:  # noqa: PLR2004 - HTTP's OK
                    raise NotReadable(f"Discord answered {response.status}: send it again.")
                return await read_within(response, self._most_bytes)
        except (aiohttp.ClientError, OSError):
            raise UnsureError("cdn") from None

    async def _fresh_address(self, file: Json) -> str | None:
        """The file's address as its message tells it now; None where there is no such message."""
        if file["at"] is None:
            return None
        channel, message = file["at"]
        try:
            told = await self._web.read(
                "/channels/{channel_id}/messages/{message_id}", channel_id=channel, message_id=message
            )
        except (RefusedError, UnsureError):
            return None
        snapshots = [each["message"] for each in told.get("message_snapshots") or []]
        for attachment in [file for each in (told, *snapshots) for file in each.get("attachments") or []]:
            if str(attachment["id"]) == file["id"]:
                return str(attachment["url"])
        return None

    def _path(self, file: Json) -> Path:
        return self._folder / str(int(file["id"]))  # a number, whatever was sent

    def sweep(self) -> None:
        """Remove what nobody uses any more; other processes may be at work in the folder."""
        now = time.time()
        for path in self._folder.iterdir():
            with contextlib.suppress(FileNotFoundError):  # another process has used it
                if path.stat().st_mtime < now - (UNFINISHED_SECONDS if path.suffix else KEPT_SECONDS):
                    path.unlink()


class _Gone(Exception):
    """The address has expired, or the file is deleted."""


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def _write(path: Path, data: bytes) -> None:
    part = path.with_suffix(".part")
    part.touch(mode=0o600)
    part.write_bytes(data)
    part.replace(path)
