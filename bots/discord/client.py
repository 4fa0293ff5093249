"""The dispatch: what Discord's gateway tells is kept on disk; interactions are acknowledged once they are.

The work itself is done by the workers, from the inbox. Only what opens at once is answered here: modals and
the titles that are offered while somebody types.
"""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Any

import discord
from discord import (
    AutoShardedClient,
    Intents,
    InteractionResponseType,
    InteractionType,
    MemberCacheFlags,
    Message,
)

from bots.conversation import log_fault
from bots.discord.away import Away
from bots.discord.cards import (
    ASK_MODAL,
    CORRECT,
    DOWN,
    EPHEMERAL,
    NOBODY,
    ask_modal,
    down_modal,
)
from bots.discord.commands import ASK_ABOUT_THIS, choices, commands, differ
from bots.discord.handlers import target_key
from bots.discord.intake import (
    begins_forum_post,
    calls,
    read_interaction,
    read_message,
    read_reaction,
    target_of,
    where,
)
from bots.outcomes import RefusedError, UnsureError
from bots.records import remember_whisper
from bots.wording import REASONS
from mmrag.errors import UserFacingError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from discord import Interaction, RawReactionActionEvent

    from bots.discord.files import Files
    from bots.discord.history import History
    from bots.discord.intake import Where
    from bots.discord.places import Directory
    from bots.discord.web import DiscordWeb
    from bots.intake import Arrival, Intake
    from bots.records import DiskRecords
    from bots.turns import Turns
    from mmrag.ports import EngineClient

Json = dict[str, Any]

SAY = InteractionResponseType.channel_message.value
DEFER = InteractionResponseType.deferred_channel_message.value
OFFER = InteractionResponseType.autocomplete_result.value
OPEN = InteractionResponseType.modal.value
GUILDS_SECONDS = 1.0  # how long after its session began a shard waits for one more guild
AGAIN_SECONDS = 30.0
IDENTIFY_SECONDS = 5.1

_KEPT = "I answer in a thread on that message."
_TOO_OLD = "I don't know this any more: ask again."
_NOT_KEPT = "Sorry, I could not take that down: please try again in a moment."


def intents(*, message_content: bool) -> Intents:
    """What we listen to: nothing that needs a review, but for what others say where it is switched on."""
    chosen = Intents.none()
    chosen.guilds = chosen.guild_messages = chosen.dm_messages = True
    chosen.guild_reactions = chosen.dm_reactions = True
    chosen.message_content = message_content
    return chosen


class BotClient(discord.Client):
    """Our connection to the gateway."""

    def __init__(
        self,
        *,
        message_content: bool,
        max_concurrency: int,
        turns: Turns,
        **shards: Any,  # noqa: ANN401 - for discord.py, as it calls them
    ) -> None:
        super().__init__(
            **shards,
            intents=intents(message_content=message_content),
            member_cache_flags=MemberCacheFlags.none(),
            chunk_guilds_at_startup=False,
            max_messages=None,
            guild_ready_timeout=GUILDS_SECONDS,
            allowed_mentions=discord.AllowedMentions.none(),
        )
        self.dispatcher: Dispatcher | None = None
        self.began = asyncio.Event()
        self._max_concurrency = max_concurrency
        self._turns = turns

    @property
    def hears_directly(self) -> bool:
        """Whether this process is told what is said outside of guilds."""
        return True

    @property
    def holds_every_shard(self) -> bool:
        """Whether all of our guilds are this process's."""
        return True

    def guild_ids(self) -> list[str] | None:
        """All our guilds, oldest first; None while the gateway has not told us, or tells others of some."""
        if not (self.is_ready() and self.holds_every_shard):
            return None
        return sorted((str(guild.id) for guild in self.guilds), key=int)

    async def before_identify_hook(self, shard_id: int | None, *, initial: bool = False) -> None:
        """Of those shards that share a limit, one may begin a session in five seconds: wait for our turn.

        Other processes on the same data folder have shards of the same limits.

        https://discord.com/developers/docs/events/gateway#sharding-max-concurrency
        """
        del initial
        limit = (shard_id or 0) % self._max_concurrency
        await self._turns.spaced(f"identify {limit}", IDENTIFY_SECONDS)

    # ---------------------------------------------- what was said while there was no session

    async def on_connect(self) -> None:
        self.began.set()
        await self._catch_up_directly()

    async def on_disconnect(self) -> None:
        self._disconnected(self.guilds, directly=True)

    async def on_resumed(self) -> None:
        self._resumed(self.guilds, directly=True)

    async def on_guild_available(self, guild: discord.Guild) -> None:
        """A session began, or an outage is over."""
        if self.dispatcher is not None:
            await self.dispatcher.away.catch_up([guild], directly=False)

    async def on_guild_join(self, guild: discord.Guild) -> None:
        await self.on_guild_available(guild)

    async def _catch_up_directly(self) -> None:
        if self.dispatcher is not None:
            await self.dispatcher.away.catch_up([], directly=True)

    def _disconnected(self, guilds: Iterable[discord.Guild], *, directly: bool) -> None:
        if self.dispatcher is not None:
            self.dispatcher.away.disconnected(guilds, directly=directly)

    def _resumed(self, guilds: Iterable[discord.Guild], *, directly: bool) -> None:
        if self.dispatcher is not None:
            self.dispatcher.away.resumed(guilds, directly=directly)

    # ----------------------------------------------------------------------- events

    async def on_message(self, message: Message) -> None:
        if self.dispatcher is not None:
            await self.dispatcher.message(message)

    async def on_raw_reaction_add(self, reaction: RawReactionActionEvent) -> None:
        if self.dispatcher is not None:
            await self.dispatcher.reaction(reaction, standing=True)

    async def on_raw_reaction_remove(self, reaction: RawReactionActionEvent) -> None:
        if self.dispatcher is not None:
            await self.dispatcher.reaction(reaction, standing=False)

    async def on_interaction(self, interaction: Interaction[Any]) -> None:
        if self.dispatcher is not None:
            await self.dispatcher.interaction(interaction)

    async def on_error(self, event_method: str, /, *args: object, **kwargs: object) -> None:
        """discord.py would print what was said."""
        del event_method, args, kwargs
        error = sys.exc_info()[1]
        if error is not None:
            log_fault(error)


class ShardedBotClient(BotClient, AutoShardedClient):
    """As many connections as Discord asks for, or those of some shards; other processes hold the others.

    It resumes less than one connection does: it pages for the rest.
    """

    @property
    def hears_directly(self) -> bool:
        return self.shard_ids is None or 0 in self.shard_ids

    @property
    def holds_every_shard(self) -> bool:
        return self.shard_ids is None or len(self.shard_ids) == self.shard_count

    async def on_connect(self) -> None:
        self.began.set()

    async def on_disconnect(self) -> None:
        """Which shard it was is told below."""

    async def on_resumed(self) -> None:
        """As above."""

    async def on_shard_connect(self, shard_id: int) -> None:
        if shard_id == 0:  # what is said outside of guilds is told to this one
            await self._catch_up_directly()

    async def on_shard_disconnect(self, shard_id: int) -> None:
        self._disconnected(self._guilds_of(shard_id), directly=shard_id == 0)

    async def on_shard_resumed(self, shard_id: int) -> None:
        self._resumed(self._guilds_of(shard_id), directly=shard_id == 0)

    def _guilds_of(self, shard_id: int) -> list[discord.Guild]:
        return [guild for guild in self.guilds if guild.shard_id == shard_id]


class Dispatcher:
    """Keeps what comes, and answers what can't wait."""

    def __init__(
        self,
        client: BotClient,
        intake: Intake,
        records: DiskRecords,
        engine: EngineClient,
        *,
        web: DiscordWeb,
        history: History,
        directory: Directory,
        files: Files,
    ) -> None:
        self._client = client
        self._intake = intake
        self._records = records
        self._engine = engine
        self._web = web
        self._directory = directory
        self._files = files
        self.away = Away(records, history, self.missed)

    async def stop(self) -> None:
        """Page and fetch no more."""
        await self.away.stop()
        await self._files.stop()

    async def sync_commands(self, application: str) -> None:
        """Tell Discord our commands, if it knows others. Raises RefusedError, UnsureError."""
        path = "/applications/{application_id}/commands"
        wanted = commands()
        if differ(await self._web.read(path, application_id=application), wanted):
            await self._web.write("PUT", path, wanted, application_id=application)  # type: ignore[arg-type]  # a list

    async def look_after(self) -> None:
        """Try again to take in what could not be kept, and keep no file for longer than it may be needed."""
        while True:
            await asyncio.sleep(AGAIN_SECONDS)
            self._files.sweep()
            if self.away.something_is_lost:
                await self.away.catch_up(self._client.guilds, directly=self._client.hears_directly)

    # ---------------------------------------------------------------------- messages

    async def message(self, message: Message, *, late: bool = False) -> None:
        """A message, now or found later."""
        guild = None if message.guild is None else message.guild.id
        try:
            place = await self._where(message.channel, guild)
        except (RefusedError, UnsureError):
            self.away.lost(None if guild is None else str(guild), str(message.channel.id))
            return
        try:
            arrival = await self._read(message, place, late=late)
            seen = self.away.seen(place.guild, place.channel, message.id)
            if arrival is not None and await self._intake.keep(arrival, also=seen):
                self._files.fetch_early(arrival.event.payload.get("files") or [])
        except Exception as error:  # noqa: BLE001 - whatever it is, the message is paged for again
            log_fault(error)
            self.away.lost(place.guild, place.channel)

    async def missed(self, message: Message) -> None:
        """A message that was said while we were away."""
        await self.message(message, late=True)

    async def _read(self, message: Message, place: Where, *, late: bool) -> Arrival | None:
        me = self._client.user
        if me is None or message.author.id == me.id:
            return None
        arrival = read_message(message, me, place, late=late)
        if arrival is None or not begins_forum_post(message, place) or calls(message, me):
            return arrival
        setting = await self._records.setting(arrival.event.payload["place"], "forum-posts", "off")
        return arrival if setting == "on" else None

    async def reaction(self, reaction: RawReactionActionEvent, *, standing: bool) -> None:
        me = self._client.user
        if me is None or reaction.user_id == me.id:
            return
        try:
            channel = self._client.get_partial_messageable(reaction.channel_id, guild_id=reaction.guild_id)
            place = await self._where(channel, reaction.guild_id)
            arrival = read_reaction(reaction, place, standing=standing)
            if arrival is not None:
                await self._intake.keep(arrival)
        except Exception as error:  # noqa: BLE001 - a thumb that is lost must not end the dispatch
            log_fault(error)

    async def _where(self, channel: Any, guild: int | None) -> Where:  # noqa: ANN401 - discord.py's many kinds
        """A channel as it is known from the gateway, or else as Discord describes it. Raises as `web`."""
        if isinstance(channel, discord.PartialMessageable):
            known = self._client.get_channel(channel.id)
            if known is None and guild is not None:
                try:
                    known = await self._client.fetch_channel(channel.id)
                except discord.HTTPException as error:
                    raise RefusedError(str(error.code or error.status)) from None
                except (OSError, TimeoutError):
                    raise UnsureError("channel") from None
            channel = known or channel
        return where(channel, guild)

    # ------------------------------------------------------------------ interactions

    async def interaction(self, interaction: Interaction[Any]) -> None:
        """A command, a click, a modal, or somebody who types: kept first, then answered, within 3 seconds."""
        try:
            channel = interaction.channel or self._client.get_partial_messageable(interaction.channel_id or 0)
            place = await self._where(channel, interaction.guild_id)
            if interaction.type is InteractionType.autocomplete:
                await self._answer(interaction, OFFER, {"choices": await self._titles(interaction, place)})
                return
            arrival = read_interaction(interaction, place)
            if arrival is not None and await self._intake.keep(arrival):
                self._files.fetch_early(arrival.event.payload.get("files") or [])
            kind, data = await self._reply(interaction, arrival)
        except Exception as error:  # noqa: BLE001 - whatever it is, the person must hear that it is not taken
            log_fault(error)
            text = str(error) if isinstance(error, UserFacingError) else _NOT_KEPT
            kind, data = SAY, _whispered(text)
        await self._answer(interaction, kind, data)

    async def _reply(self, interaction: Interaction[Any], arrival: Arrival | None) -> tuple[int, Json]:
        """How an interaction is acknowledged: a modal, a word, or that we think about it."""
        data: Json = dict(interaction.data or {})
        action, _, value = str(data.get("custom_id") or "").partition(":")
        if data.get("name") == ASK_ABOUT_THIS:
            target = target_of(data)
            await self._records.apply(remember_whisper(target_key(target["id"]), target))
            return OPEN, ask_modal(target["id"])
        if action in (DOWN, CORRECT):
            return OPEN, down_modal(value, REASONS)
        if action == ASK_MODAL:
            return SAY, _whispered(_KEPT)
        return (DEFER, {"flags": EPHEMERAL}) if arrival is not None else (SAY, _whispered(_TOO_OLD))

    async def _titles(self, interaction: Interaction[Any], place: Where) -> list[Json]:
        """The documents whose titles fit what is being typed, of those that may be read there."""
        try:
            audience = await self._directory.audience(place.guild, place.channel, str(interaction.user.id))
            documents = await asyncio.to_thread(self._engine.documents, collections=audience.collections)
        except (RefusedError, UnsureError, UserFacingError):
            return []
        return choices(documents, _typed(dict(interaction.data or {})))

    async def _answer(self, interaction: Interaction[Any], kind: int, data: Json) -> None:
        body = {"type": kind, "data": data}
        for _ in range(2):  # an acknowledgement twice is refused the second time
            try:
                await self._web.write(
                    "POST",
                    "/interactions/{webhook_id}/{webhook_token}/callback",
                    body,
                    webhook_id=interaction.id,
                    webhook_token=interaction.token,
                )
            except UnsureError:
                continue
            except RefusedError:
                return  # too late, or another process has answered: the reply finds its way
            return


def _whispered(text: str) -> Json:
    return {"content": text, "flags": EPHEMERAL, "allowed_mentions": NOBODY}


def _typed(data: Json) -> str:
    """What stands in the option that is being typed."""
    for option in data.get("options") or []:
        if option.get("focused"):
            return str(option.get("value") or "")
        found = _typed(option)
        if found:
            return found
    return ""
