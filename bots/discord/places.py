"""Where something happens and who acts, by Discord's own word now: channels, members, who can see a place."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from discord import ChannelType, Permissions

from bots.conversation import Audience, Place, audience_of
from bots.discord.names import workspace_key
from bots.discord.web import NO_ACCESS
from bots.handlers import Person
from bots.outcomes import RefusedError, UnsureError
from mmrag.text.display import one_line, shorten

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from bots.discord.web import DiscordWeb

Json = dict[str, Any]

PEOPLE_KEPT_SECONDS = 300.0
MOST_PEOPLE_KEPT = 10_000
# A person who writes directly reads what all guilds that we share with them read; Discord doesn't list these,
# so each of ours is asked whether they are in it.
MOST_GUILDS_ASKED = 50
_PUBLIC_THREADS = {ChannelType.public_thread.value, ChannelType.news_thread.value}
_DIRECT = {ChannelType.private.value, ChannelType.group.value}


class Directory:
    """Asks Discord who and where; people are remembered for some minutes, places never."""

    def __init__(
        self, web: DiscordWeb, *, admins: Iterable[str], guilds: Callable[[], Sequence[str] | None]
    ) -> None:
        """`guilds`: all of ours, oldest first; None where only Discord knows them all."""
        self._web = web
        self._admins = frozenset(admins)
        self._guilds = guilds
        self._people: dict[tuple[str | None, str], tuple[float, Person]] = {}

    async def person(self, guild: str | None, user: str) -> Person:
        """Raises nothing: whom Discord does not describe has no rights."""
        known = self._people.get((guild, user))
        if known is not None and time.monotonic() - known[0] < PEOPLE_KEPT_SECONDS:
            return known[1]
        try:
            described = await (self._member(guild, user) if guild else self._directly(user))
        except (RefusedError, UnsureError):
            return Person(user, user, admin=user in self._admins, guest=True)
        if len(self._people) > MOST_PEOPLE_KEPT:
            self._people.clear()
        self._people[guild, user] = (time.monotonic(), described)
        return described

    async def _member(self, guild: str, user: str) -> Person:
        member = await self._web.read("/guilds/{guild_id}/members/{user_id}", guild_id=guild, user_id=user)
        of_guild = await self._web.read("/guilds/{guild_id}", guild_id=guild)
        held = {guild, *map(str, member.get("roles") or [])}
        rights = Permissions(0)
        for role in of_guild["roles"]:
            if str(role["id"]) in held:
                rights |= Permissions(int(role["permissions"]))
        looks_after = rights.administrator or rights.manage_guild or str(of_guild.get("owner_id")) == user
        by_discord = not self._admins and looks_after
        return Person(user, _name(member.get("user") or {}, member), admin=user in self._admins or by_discord)

    async def _directly(self, user: str) -> Person:
        """Outside of guilds: who looks after the only guild that we share looks after us here, too."""
        guilds = await self._shared_guilds(user)
        if len(guilds) == 1:
            return await self.person(guilds[0], user)
        described = await self._web.read("/users/{user_id}", user_id=user)
        return Person(user, _name(described, {}), admin=user in self._admins)

    async def direct_channel(self, user: str) -> str:
        """A person's own conversation with us. Raises RefusedError, UnsureError."""
        opened = await self._web.write("POST", "/users/@me/channels", {"recipient_id": user})
        return str(opened["id"])

    async def audience(self, guild: str | None, channel: str, user: str) -> Audience:
        """Everyone who sees this channel now. Raises RefusedError, UnsureError where Discord does not say."""
        if guild is not None:
            return audience_of(await self.place(guild, channel))
        own = workspace_key(None, channel)
        shared = [workspace_key(each, channel) for each in await self._shared_guilds(user)]
        return Audience((*shared, own), shared[0] if len(shared) == 1 else None)

    async def place(self, guild: str, channel: str) -> Place:
        """A guild's channel as Discord describes it now: who can see it may have changed since."""
        described = await self._web.read("/channels/{channel_id}", channel_id=channel)
        if described["type"] in _DIRECT or str(described.get("guild_id", guild)) != guild:
            raise RefusedError(NO_ACCESS)
        if described["type"] in _PUBLIC_THREADS:
            described = await self._web.read("/channels/{channel_id}", channel_id=described["parent_id"])
        of_guild = await self._web.read("/guilds/{guild_id}", guild_id=guild)
        public = described["type"] != ChannelType.private_thread.value and _everyone_sees(described, of_guild)
        return Place(workspace_key(guild, channel), str(described["id"]), "public" if public else "private")

    async def _shared_guilds(self, user: str) -> list[str]:
        """Our guilds that this person is in, of the first so many. Raises UnsureError."""

        async def is_in(guild: str) -> bool:
            try:
                await self._web.read("/guilds/{guild_id}/members/{user_id}", guild_id=guild, user_id=user)
            except RefusedError:
                return False
            return True

        guilds = await self._our_guilds()
        found = await asyncio.gather(*map(is_in, guilds))
        return [guild for guild, there in zip(guilds, found, strict=True) if there]

    async def _our_guilds(self) -> list[str]:
        """The first so many, oldest first."""
        known = self._guilds()
        if known is not None:
            return list(known[:MOST_GUILDS_ASKED])
        told = await self._web.read("/users/@me/guilds", query={"limit": MOST_GUILDS_ASKED})
        return sorted((str(guild["id"]) for guild in told), key=int)


def _everyone_sees(channel: Json, guild: Json) -> bool:
    """Whether the role @everyone, which has the guild's own id, may view a channel.

    https://discord.com/developers/docs/topics/permissions#permission-overwrites
    """
    roles = {str(role["id"]): int(role["permissions"]) for role in guild["roles"]}
    everyone = Permissions(roles[str(guild["id"])])
    if everyone.administrator:
        return True
    for overwrite in channel.get("permission_overwrites") or []:
        if str(overwrite["id"]) == str(guild["id"]):
            everyone.handle_overwrite(int(overwrite["allow"]), int(overwrite["deny"]))
    return everyone.view_channel


def _name(user: Json, member: Json) -> str:
    name = (
        member.get("nick") or user.get("global_name") or user.get("username") or user.get("id") or "someone"
    )
    return shorten(one_line(str(name)), 80)
