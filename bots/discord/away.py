"""What was asked while the bot was away: found in the history of the channels, once, within bounds.

A gateway session that is resumed brings what was missed. One that is lost does not, nor does a restart: so it
is remembered, guild by guild, which message was seen last, and what came after it is paged and taken in as if
it were said now. What was answered already is known to the inbox.
"""

from __future__ import annotations

import asyncio
import contextlib
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from discord.utils import time_snowflake, utcnow

from bots.conversation import log_fault
from bots.discord.names import DIRECT, place_key, workspace_key
from bots.outcomes import RefusedError, UnsureError
from bots.records import remember_setting
from mmrag.errors import UserFacingError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    import discord
    from discord import StageChannel, TextChannel, Thread, VoiceChannel

    from bots.discord.history import History
    from bots.records import Change, DiskRecords

    _Talked = TextChannel | VoiceChannel | StageChannel | Thread

Json = dict[str, Any]

SEEN, SEEN_DIRECTLY = "last seen", "last seen directly"
LONGEST_AWAY_SECONDS = 24 * 3600  # nobody waits for an older answer
# Events of a guild may be kept in another order than they came in, and a kill falls between them.
MARGIN_SECONDS = 60
SAVE_SECONDS = 5.0
MOST_CHANNELS, MOST_PAGES, AT_ONCE = 200, 10, 4  # of a guild, of a channel
_SNOWFLAKE_MILLISECONDS = 22  # bits below a snowflake's time


class Away:
    """Remembers what was seen, and pages what was not: `take` is given each message that was missed."""

    def __init__(
        self, records: DiskRecords, history: History, take: Callable[[discord.Message], Awaitable[None]]
    ) -> None:
        self._records = records
        self._history = history
        self._take = take
        self._seen: dict[str, int] = {}
        self._unsaved: set[str] = set()
        # Where nothing is missing; elsewhere nothing newer counts as seen, or what is missing were forgotten.
        self._whole: set[str] = set()
        self._lost: set[str] = set()  # something could not be kept: it is paged for soon
        self._paging = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()

    # ---------------------------------------------------------------- what was seen

    def seen(self, guild: str | None, channel: str, message: int) -> Change | None:
        """A message came in; the change that remembers it, for the commit that keeps it."""
        name = _name(guild, channel)
        if _group(name) not in self._whole:
            return None
        self._seen[name] = max(message, self._seen.get(name, 0))
        self._unsaved.add(name)
        return _remember(name, self._seen[name])

    def lost(self, guild: str | None, channel: str) -> None:
        """A message could not be kept: it will be paged for."""
        group = _group(_name(guild, channel))
        self._whole.discard(group)
        self._lost.add(group)

    @property
    def something_is_lost(self) -> bool:
        return bool(self._lost)

    def disconnected(self, guilds: Iterable[discord.Guild], *, directly: bool) -> None:
        """From now on something may be missing."""
        self._whole -= _groups(guilds, directly=directly)

    def resumed(self, guilds: Iterable[discord.Guild], *, directly: bool) -> None:
        """Discord brings what was missing."""
        self._whole |= _groups(guilds, directly=directly) - self._lost

    async def save(self) -> None:
        """What was seen and asked for nothing is remembered every few seconds."""
        while True:
            await asyncio.sleep(SAVE_SECONDS)
            with contextlib.suppress(UserFacingError):
                await self._save()

    async def _save(self) -> None:
        unsaved, self._unsaved = self._unsaved, set()
        for name in unsaved:
            await self._records.apply(_remember(name, self._seen[name]))

    # -------------------------------------------------------------- what was missed

    async def catch_up(self, guilds: Iterable[discord.Guild], *, directly: bool) -> None:
        """Page these guilds, and with `directly` the conversations outside of guilds. Raises nothing."""
        task = asyncio.create_task(self._catch_up(list(guilds), directly=directly))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        await asyncio.wait([task])

    async def stop(self) -> None:
        """Page no more."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _catch_up(self, guilds: list[discord.Guild], *, directly: bool) -> None:
        async with self._paging:
            for guild in guilds:
                await self._attempt(_name(str(guild.id), ""), self._guild(guild))
            if directly:
                await self._attempt(DIRECT, self._directly())

    async def _attempt(self, what: str, paging: Awaitable[None]) -> None:
        self._lost.discard(what)
        try:
            await paging
        except (RefusedError, UnsureError, UserFacingError) as error:
            log_fault(error)
            self._lost.add(what)
        if what not in self._lost:  # nor was one of those that were found
            self._whole.add(what)

    async def _guild(self, guild: discord.Guild) -> None:
        channels: list[_Talked] = []
        for kind in (guild.text_channels, guild.voice_channels, guild.stage_channels, guild.threads):
            channels.extend(kind)
        newest = max((channel.last_message_id or 0 for channel in channels), default=0)
        after = await self._after(_name(str(guild.id), ""), newest)
        newer = [channel for channel in channels if (channel.last_message_id or 0) > after]
        newer.sort(key=lambda channel: channel.last_message_id or 0, reverse=True)
        await self._pages({str(channel.id): after for channel in newer[:MOST_CHANNELS]})

    async def _directly(self) -> None:
        """The conversations that we have had: Discord lists none."""
        known = await self._records.places_with(SEEN_DIRECTLY)
        oldest = _oldest()
        after = {
            place.rpartition(":")[2]: max(int(seen) - _margin(), oldest) for place, seen in known.items()
        }
        recent = sorted(after, key=lambda channel: after[channel], reverse=True)[:MOST_CHANNELS]
        await self._pages({channel: after[channel] for channel in recent})

    async def _after(self, name: str, newest: int) -> int:
        """What was seen of a guild; the first time that we are here, all that there is."""
        seen = await self._records.setting(*_where(name), "")
        if not seen:
            await self._records.apply(_remember(name, newest))
            return newest
        return max(int(seen) - _margin(), _oldest())

    async def _pages(self, channels: dict[str, int]) -> None:
        """Page each channel after a message."""
        free = asyncio.Semaphore(AT_ONCE)

        async def page(channel: str, after: int) -> None:
            async with free:
                await self._channel(channel, after)

        await asyncio.gather(*(page(channel, after) for channel, after in channels.items()))

    async def _channel(self, channel: str, after: int) -> None:
        for _ in range(MOST_PAGES):
            try:
                found = await self._history.page(channel, after=after)
            except RefusedError:
                return  # we can't see it any more
            for message in found:
                await self._take(message)
            if not found:
                return
            after = found[-1].id


def _name(guild: str | None, channel: str) -> str:
    return workspace_key(guild, channel) if guild else f"{DIRECT}:{channel}"


def _group(name: str) -> str:
    """What is paged together: a guild, or all conversations outside of guilds."""
    return DIRECT if name.startswith(f"{DIRECT}:") else name


def _groups(guilds: Iterable[discord.Guild], *, directly: bool) -> set[str]:
    return {_name(str(guild.id), "") for guild in guilds} | ({DIRECT} if directly else set())


def _where(name: str) -> tuple[str, str]:
    """(place, setting) of what was seen."""
    kind, _, channel = name.partition(":")
    return (place_key(None, channel), SEEN_DIRECTLY) if kind == DIRECT else (name, SEEN)


def _remember(name: str, message: int) -> Change:
    return remember_setting(*_where(name), str(message))


def _oldest() -> int:
    return time_snowflake(utcnow() - timedelta(seconds=LONGEST_AWAY_SECONDS))


def _margin() -> int:
    return (MARGIN_SECONDS * 1000) << _SNOWFLAKE_MILLISECONDS
