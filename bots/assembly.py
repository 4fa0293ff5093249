"""What a bot of every platform is put together from: its settings, and what it keeps while it runs."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import aiohttp

from bots.addresses import Reach
from bots.conversation import Rules
from bots.database import Database
from bots.fetching import Fetcher
from bots.inbox import STALLED_SECONDS, Bounds, Inbox
from bots.records import DiskRecords

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

TIMEOUT_SECONDS = 60


@dataclass(frozen=True, slots=True)
class BotSettings:
    """What a bot is run with; `folder` holds its data. See `mmrag.config` for each."""

    folder: Path
    admins: tuple[str, ...] = ()
    human: str = ""
    rules: Rules = field(default_factory=Rules)
    bounds: Bounds = field(default_factory=Bounds)
    most_file_bytes: int = 100 << 20
    reach: Reach = field(default_factory=Reach)
    answering: int = 2
    answer_seconds: float = 180
    stalled_seconds: float = STALLED_SECONDS


@dataclass(frozen=True, slots=True)
class Kept:
    """What stands on disk, the session for files, and what fetches links."""

    session: aiohttp.ClientSession
    database: Database
    inbox: Inbox
    records: DiskRecords
    fetcher: Fetcher


@contextlib.asynccontextmanager
async def kept(settings: BotSettings, migrations: Sequence[str]) -> AsyncIterator[Kept]:
    """All of it open. Raises StoreUnavailable."""
    timeout = aiohttp.ClientTimeout(total=TIMEOUT_SECONDS)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        with Database(settings.folder / "bot.sqlite3", migrations) as database:
            inbox = Inbox(
                database,
                settings.folder / "processes",
                bounds=settings.bounds,
                stalled_seconds=settings.stalled_seconds,
            )
            with contextlib.closing(inbox):
                fetcher = Fetcher(settings.reach, most_bytes=settings.most_file_bytes)
                yield Kept(session, database, inbox, DiskRecords(database), fetcher)
