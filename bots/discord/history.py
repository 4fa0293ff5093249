"""Messages that are there already, as discord.py's objects; read with the outcomes of `web`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, TypeVar

import aiohttp
from discord import HTTPException, Message, MessageType, Object
from discord.abc import Messageable
from discord.utils import time_snowflake

from bots.discord.web import MESSAGES, outcome_of
from bots.outcomes import UnsureError, reading

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from discord import Client

    from bots.discord.web import DiscordWeb

PAGE = 100
T = TypeVar("T")


class History:
    """What stands in channels, by a client that is logged in."""

    def __init__(self, client: Client, web: DiscordWeb) -> None:
        self._client = client
        self._web = web

    @property
    def me(self) -> int:
        if self._client.user is None:
            raise UnsureError("not logged in yet")
        return self._client.user.id

    async def message(self, channel: str, message: str) -> Message:
        """Raises RefusedError, UnsureError."""
        place = self._place(channel)
        return await self._read(channel, lambda: place.fetch_message(int(message)))

    def _place(self, channel: str) -> Messageable:
        """A channel as the gateway told of it: its messages know their guild."""
        known = self._client.get_channel(int(channel))
        return known if isinstance(known, Messageable) else self._client.get_partial_messageable(int(channel))

    async def before(
        self, channel: str, message: str, *, most: int, seconds: int | None = None
    ) -> list[Message]:
        """The last messages before one, oldest first; a thread's beginning stands in its place.

        `seconds`: none that is older than so long before it. Raises RefusedError, UnsureError.
        """
        found = await self.page(channel, before=int(message), most=most)
        if seconds is not None:
            created = Object(int(message)).created_at
            oldest = time_snowflake(
                max(created - timedelta(seconds=seconds), datetime(2015, 1, 1, tzinfo=UTC))
            )
            found = [each for each in found if each.id >= oldest]
        elif len(found) >= most:
            found = [*await self._beginning(channel), *found]
        return [_starter(each) for each in found]

    async def _beginning(self, channel: str) -> list[Message]:
        """The first message of a thread: it has the thread's own id there, or what it was made from."""
        return await self.page(channel, after=0, most=1)

    async def page(
        self, channel: str, *, before: int | None = None, after: int | None = None, most: int = PAGE
    ) -> list[Message]:
        """Messages of a channel, oldest first: the last before one, or the first after one."""
        place = self._place(channel)

        async def read() -> list[Message]:
            found = [
                message
                async for message in place.history(
                    limit=most,
                    before=None if before is None else Object(before),
                    after=None if after is None else Object(after),
                    oldest_first=after is not None,
                )
            ]
            return sorted(found, key=lambda message: message.id)

        return await self._read(channel, read)

    async def _read(self, channel: str, action: Callable[[], Awaitable[T]]) -> T:
        async def ask() -> T:
            try:
                async with self._web.turn("GET", MESSAGES, channel_id=channel):
                    return await action()
            except HTTPException as error:
                raise outcome_of(error) from None
            except (aiohttp.ClientError, OSError):
                raise UnsureError("history") from None

        return await reading(ask)


def _starter(message: Message) -> Message:
    """What a thread was made from, in place of the line that says so."""
    if message.type is MessageType.thread_starter_message and message.reference is not None:
        made_from = message.reference.resolved
        if isinstance(made_from, Message):
            return made_from
    return message
