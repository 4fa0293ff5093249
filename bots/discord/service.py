"""The Discord bot put together and run: database, inbox, workers, and the connection to the gateway."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import aiohttp
import discord
import yarl
from discord import Intents
from discord.gateway import DiscordWebSocket
from discord.http import Route

from bots import inbox, records
from bots.assembly import BotSettings, kept
from bots.conversation import log_fault
from bots.discord.chat import DiscordChat
from bots.discord.client import BotClient, Dispatcher, ShardedBotClient
from bots.discord.delivery import DiscordDelivery
from bots.discord.drafts import Drafts
from bots.discord.files import Files
from bots.discord.handlers import DiscordHandlers
from bots.discord.history import History
from bots.discord.places import Directory
from bots.discord.rooms import Rooms
from bots.discord.web import DiscordWeb
from bots.intake import Intake
from bots.logs import silence
from bots.outcomes import RefusedError, UnsureError
from bots.serving import patiently, until_stopped
from bots.turns import Turns
from bots.worker import Workers
from mmrag.errors import InvalidSettings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from discord import ApplicationFlags

    from bots.assembly import Kept
    from bots.inbox import Job
    from mmrag.ports import EngineClient

MIGRATIONS = (inbox.SCHEMA, records.SCHEMA, records.REASONS_SCHEMA)
LIBRARIES = ("discord", "aiohttp")
API_URL = "https://discord.com/api/v10"
WHERE = "https://discord.com/developers/applications"
# What the bot is invited with; the guide's link names the same, which a test compares.
PERMISSIONS = discord.Permissions(
    view_channel=True,
    send_messages=True,
    send_messages_in_threads=True,
    create_public_threads=True,
    embed_links=True,
    attach_files=True,
    read_message_history=True,
)
SCOPES = ("bot", "applications.commands")
_BROKEN = (aiohttp.ClientError, OSError)
_TITLES = {"read_messages": "View Channels", "send_messages_in_threads": "Send Messages in Threads"}


@dataclass(frozen=True, slots=True)
class DiscordSettings(BotSettings):
    """What the Discord bot is run with."""

    token: str = field(default="", repr=False)
    message_content: Literal["auto", "on", "off"] = "auto"
    shards: str = ""
    api_url: str = API_URL


def invite_link(application: str) -> str:
    """Where the bot is invited from, with what it needs and no more."""
    scopes = "+".join(SCOPES)
    asked = f"client_id={application}&scope={scopes}&permissions={PERMISSIONS.value}"
    return f"https://discord.com/oauth2/authorize?{asked}"


def titles(permissions: discord.Permissions) -> list[str]:
    """Permissions as Discord's settings call them."""
    return [_TITLES.get(name, name.replace("_", " ").title()) for name, held in permissions if held]


@dataclass(frozen=True, slots=True)
class Shards:
    """Those that this process holds, of `count`."""

    ids: tuple[int, ...]
    count: int


def shards_of(text: str) -> Shards | None:
    """What `0-3/8` or `0,2/4` says; None where nothing is said. Raises InvalidSettings."""
    if not text.strip():
        return None
    chosen, _, of = text.replace(" ", "").partition("/")
    try:
        count = int(of)
        ids = {number for span in chosen.split(",") for number in _span(span, count)}
    except ValueError:
        raise InvalidSettings(_NO_SHARDS) from None
    return Shards(tuple(sorted(ids)), count)


def _span(text: str, count: int) -> range:
    """`2` or `0-3`, of `count` shards. Raises ValueError."""
    first, _, last = text.partition("-")
    span = range(int(first), int(last or first) + 1)
    if not span or span.start < 0 or span.stop > count or count > MOST_SHARDS:
        raise ValueError(text)
    return span


MOST_SHARDS = 16_384
MORE_SHARDS = 4011  # as the gateway closes a connection
_NO_SHARDS = (
    "MMRAG_DISCORD_SHARDS names no shards: write which ones this process holds, counted from 0, and how many "
    "there are in all, as in 0-3/8; or leave it out, to hold all of them."
)


def check_settings(settings: DiscordSettings) -> None:
    """Raise InvalidSettings with the one sentence that says what is missing and where to get it."""
    if not settings.token:
        raise InvalidSettings(
            f"DISCORD_TOKEN is missing: click Reset Token on the page Bot of your application at {WHERE}"
        )
    shards_of(settings.shards)


@dataclass
class Bot:
    """A bot that is logged in and not connected yet."""

    client: BotClient
    dispatcher: Dispatcher
    workers: Workers[DiscordChat]
    turns: Turns


@contextlib.asynccontextmanager
async def assembled(settings: DiscordSettings, engine: EngineClient) -> AsyncIterator[Bot]:
    """All parts, logged in. Raises InvalidSettings, StoreUnavailable; waits where Discord is away."""
    check_settings(settings)
    silence(LIBRARIES)
    Route.BASE = settings.api_url
    with Turns(settings.folder / "processes") as turns:
        async with kept(settings, MIGRATIONS) as own, _logged_in(settings, turns) as client:
            bot = _put_together(settings, engine, own, client, turns)
            client.dispatcher = bot.dispatcher
            try:
                yield bot
            finally:
                client.dispatcher = None
                await bot.dispatcher.stop()


@contextlib.asynccontextmanager
async def _logged_in(settings: DiscordSettings, turns: Turns) -> AsyncIterator[BotClient]:
    told, chosen = await _told(settings), shards_of(settings.shards)
    connection = ShardedBotClient if chosen is not None or told.shards > 1 else BotClient
    client = connection(
        message_content=hears_everything(settings, told.flags),
        max_concurrency=told.max_concurrency,
        turns=turns,
        **({} if chosen is None else {"shard_ids": list(chosen.ids), "shard_count": chosen.count}),
    )
    try:
        await _log_in(client, settings.token)
        if settings.api_url != API_URL:  # a session that is lost begins anew there, not at Discord's name
            DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(told.gateway)
        yield client
    finally:
        await _close(client)


def _put_together(
    settings: DiscordSettings, engine: EngineClient, own: Kept, client: BotClient, turns: Turns
) -> Bot:
    web = DiscordWeb(client.http)
    history, rooms = History(client, web), Rooms(web)
    drafts = Drafts(web, rooms, history)
    directory = Directory(web, admins=settings.admins, guilds=client.guild_ids)
    files = Files(web, own.session, settings.folder / "files", most_bytes=settings.most_file_bytes)
    handlers = DiscordHandlers(
        *(engine, own.records, directory, own.fetcher), rules=settings.rules, human=settings.human
    )
    delivery = DiscordDelivery(
        *(own.inbox, own.records, engine),
        human_of=handlers.human_of,
        web=web,
        directory=directory,
        rooms=rooms,
        drafts=drafts,
    )

    def chat_of(job: Job) -> DiscordChat:
        return DiscordChat(
            *(job, own.inbox, "Discord"), files=files, history=history, drafts=drafts, directory=directory
        )

    def done(job: Job) -> None:
        drafts.forget(job)
        files.forget(job.payload.get("files") or [])

    workers = Workers(
        *(own.inbox, handlers, delivery, chat_of),
        answering=settings.answering,
        answer_seconds=settings.answer_seconds,
        done=done,
    )
    intake = Intake(own.inbox, own.records, of_answer=lambda _: {})
    dispatcher = Dispatcher(
        *(client, intake, own.records, engine), web=web, history=history, directory=directory, files=files
    )
    return Bot(client, dispatcher, workers, turns)


async def serve(
    settings: DiscordSettings, engine: EngineClient, *, ready: asyncio.Event | None = None
) -> None:
    """Run until cancelled or told to stop by SIGTERM or SIGINT."""
    async with assembled(settings, engine) as bot:
        works = [
            bot.workers.run(),
            _connect(bot),
            _sync_commands(bot),
            bot.dispatcher.away.save(),
            bot.dispatcher.look_after(),
        ]
        if ready is not None:
            works.append(_tell(bot, ready))
        await until_stopped(*works)


def hears_everything(settings: DiscordSettings, flags: ApplicationFlags) -> bool:
    """Whether we ask for what is said without a mention: as chosen, else where the application may."""
    may = flags.gateway_message_content or flags.gateway_message_content_limited
    if settings.message_content == "on" and not may:
        raise InvalidSettings(NO_CONTENT)
    return settings.message_content != "off" and may


NO_CONTENT = (
    "MMRAG_DISCORD_MESSAGE_CONTENT is on, but the application may not: switch Message Content Intent on, on "
    f"the page Bot of your application at {WHERE}, or take  auto"
)
BAD_TOKEN = (
    "Discord does not take DISCORD_TOKEN: click Reset Token on the page Bot of your application "
    f"at {WHERE} and copy the new one."
)


@dataclass(frozen=True, slots=True)
class _Told:
    """What Discord tells before we connect: what the application may, and how."""

    flags: ApplicationFlags
    shards: int
    max_concurrency: int
    gateway: str


async def _told(settings: DiscordSettings) -> _Told:
    async with discord.Client(intents=Intents.none()) as probe:
        await _log_in(probe, settings.token)
        if probe.application is None:  # `login` has just asked for it
            raise InvalidSettings(f"The application of DISCORD_TOKEN is gone: look it up at {WHERE}")
        web = DiscordWeb(probe.http)
        gateway = await patiently(lambda: web.read("/gateway/bot"), UnsureError)
        limit = gateway["session_start_limit"]
        return _Told(
            flags=probe.application.flags,
            shards=int(gateway["shards"]),
            max_concurrency=max(1, int(limit["max_concurrency"])),
            gateway=str(gateway["url"]),
        )


async def _log_in(client: discord.Client, token: str) -> None:
    """Raises InvalidSettings where Discord does not take the token; waits where it is away."""

    async def log_in() -> None:
        try:
            await client.login(token)
        except discord.LoginFailure:
            raise InvalidSettings(BAD_TOKEN) from None
        except (discord.HTTPException, *_BROKEN):
            await client.http.close()
            raise

    await patiently(log_in, discord.HTTPException, *_BROKEN)


async def _connect(bot: Bot) -> None:
    """Hold the connection; discord.py reconnects by itself. Raises InvalidSettings where it may not."""
    try:
        await patiently(lambda: _connected(bot.client), discord.GatewayNotFound, *_BROKEN)
    except discord.PrivilegedIntentsRequired:
        raise InvalidSettings(NO_CONTENT) from None
    except discord.ConnectionClosed as closed:
        if closed.code != MORE_SHARDS:
            raise
        raise InvalidSettings(
            "Discord wants the bot's servers divided into more shards: raise the number behind the / in "
            "MMRAG_DISCORD_SHARDS, for all processes, or leave it out."
        ) from None
    raise InvalidSettings("Discord has ended the connection for good: look at your application there.")


async def _connected(client: BotClient) -> None:
    """Connect until the connection has ended; when cancelled, end it.

    discord.py loses a cancellation that comes while it begins a session anew: a closed client does not.
    """
    connecting = asyncio.create_task(client.connect(reconnect=True))
    try:
        await asyncio.wait([connecting])
    except asyncio.CancelledError:
        await _close(client)
        connecting.cancel()
        await asyncio.wait([connecting])
        raise
    connecting.result()


async def _sync_commands(bot: Bot) -> None:
    """Tell Discord our commands, as soon as it takes them; then there is nothing to do.

    Of several processes that start at once, the first one tells, and the others find it done.
    """
    application = str(bot.client.application_id)
    try:
        async with bot.turns.alone("commands"):
            await patiently(lambda: bot.dispatcher.sync_commands(application), UnsureError)
    except RefusedError as refused:
        log_fault(refused)  # the bot answers all the same; `--check` says what to do
    await asyncio.Event().wait()


async def _tell(bot: Bot, ready: asyncio.Event) -> None:
    await bot.client.began.wait()
    ready.set()
    await asyncio.Event().wait()


async def _close(client: discord.Client) -> None:
    with contextlib.suppress(*_BROKEN):
        await client.close()
