"""The Slack bot put together and run: database, inbox, workers, and one of the two transports."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal
from urllib.parse import urljoin

from aiohttp import web
from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.oauth.async_oauth_settings import AsyncOAuthSettings
from slack_sdk.oauth.token_rotation.async_rotator import AsyncTokenRotator

from bots import inbox, records
from bots.assembly import BotSettings, kept
from bots.handlers import HUMAN
from bots.logs import quiet_logger, silence
from bots.outcomes import RefusedError, UnsureError
from bots.serving import patiently, until_stopped
from bots.slack import tokens
from bots.slack.app import SlackIntake, build_app
from bots.slack.chat import SlackChat
from bots.slack.delivery import SlackDelivery
from bots.slack.files import Files
from bots.slack.handlers import SlackHandlers
from bots.slack.http import web_app
from bots.slack.places import Directory
from bots.slack.streams import Streams
from bots.slack.web import SlackWeb, Workspaces
from bots.worker import Workers
from mmrag.errors import InvalidSettings

if TYPE_CHECKING:
    import asyncio
    from collections.abc import AsyncIterator

    import aiohttp
    from slack_bolt.async_app import AsyncApp

    from bots.assembly import Kept
    from bots.database import Database
    from bots.inbox import Job
    from mmrag.ports import EngineClient

MIGRATIONS = (inbox.SCHEMA, records.SCHEMA, tokens.SCHEMA, records.REASONS_SCHEMA)
# What the app asks of a workspace; the manifest names the same, which a test compares.
SCOPES = tuple(
    """
    app_mentions:read channels:history channels:read chat:write commands files:read files:write groups:history
    groups:read im:history im:read im:write mpim:history mpim:read reactions:read users:read
    """.split()
)
# What the code listens for; as above.
EVENTS = tuple(
    """
    app_home_opened app_mention app_uninstalled message.channels message.groups message.im message.mpim
    reaction_added reaction_removed tokens_revoked
    """.split()
)

LIBRARIES = ("slack_bolt", "slack_sdk", "aiohttp")
ROTATING = "xoxe."
WHERE = "https://api.slack.com/apps"


@dataclass(frozen=True, slots=True)
class SlackSettings(BotSettings):
    """What the Slack bot is run with."""

    bot_token: str = field(default="", repr=False)
    app_token: str = field(default="", repr=False)
    signing_secret: str = field(default="", repr=False)
    client_id: str = ""
    client_secret: str = field(default="", repr=False)
    token_key: str = field(default="", repr=False)
    transport: Literal["auto", "socket", "http"] = "auto"
    host: str = "127.0.0.1"
    port: int = 3000
    share_port: bool = False
    api_url: str = "https://slack.com/api/"

    @property
    def by_http(self) -> bool:
        """Whether requests come over HTTP: as chosen, else by what there is."""
        return self.transport == "http" or (self.transport == "auto" and not self.app_token)

    @property
    def defaults(self) -> dict[str, str]:
        """The settings of a workspace that has set nothing."""
        return {"adders": self.rules.adders, HUMAN: self.human}

    @property
    def several_workspaces(self) -> bool:
        return bool(self.client_id and self.client_secret)


def check_settings(settings: SlackSettings) -> None:
    """Raise InvalidSettings with the one sentence that says what is missing and where to get it."""
    if bool(settings.client_id) != bool(settings.client_secret):
        missing = "SLACK_CLIENT_SECRET" if settings.client_id else "SLACK_CLIENT_ID"
        raise InvalidSettings(f"{missing} is missing: copy it from Basic Information of your app at {WHERE}")
    if not settings.bot_token and not settings.several_workspaces:
        raise InvalidSettings(
            "SLACK_BOT_TOKEN is missing: copy the Bot User OAuth Token (xoxb-…) from OAuth & Permissions of "
            f"your app at {WHERE}"
        )
    if settings.bot_token.startswith(ROTATING) and not settings.several_workspaces:
        raise InvalidSettings(
            "SLACK_BOT_TOKEN expires in twelve hours, since token rotation is on for your app: install it by "
            "OAuth (SLACK_CLIENT_ID, SLACK_CLIENT_SECRET), where tokens are renewed, or make a new app from "
            f"the manifest at {WHERE}"
        )
    if settings.transport == "socket" and not settings.app_token:
        raise InvalidSettings(_NO_APP_TOKEN)
    if settings.by_http and not settings.signing_secret:
        if settings.transport == "http":
            raise InvalidSettings(
                f"SLACK_SIGNING_SECRET is missing: copy it from Basic Information of your app at {WHERE}"
            )
        raise InvalidSettings(_NO_APP_TOKEN)


_NO_APP_TOKEN = (
    "SLACK_APP_TOKEN is missing: make an App-Level Token (xapp-…) with connections:write in Basic "
    f"Information of your app at {WHERE}"
)


@dataclass
class Bot:
    """A bot that runs; for those who start it and wait."""

    app: AsyncApp
    workers: Workers[SlackChat]
    workspaces: Workspaces
    settings: SlackSettings


@contextlib.asynccontextmanager
async def assembled(settings: SlackSettings, engine: EngineClient) -> AsyncIterator[Bot]:
    """All parts, connected to each other and to nobody yet. Raises InvalidSettings, StoreUnavailable."""
    check_settings(settings)
    silence(LIBRARIES)
    async with kept(settings, MIGRATIONS) as own:
        oauth = _oauth(settings, own.database) if settings.several_workspaces else None
        installed = None if oauth is None else _tokens(settings, oauth, own.session)
        workspaces = Workspaces(
            api_url=settings.api_url,
            session=own.session,
            token=settings.bot_token or None,
            tokens=installed,
        )
        directory = Directory(workspaces, own.records, admins=settings.admins)
        client = workspaces.client(None if oauth else settings.bot_token)
        bot_user = None if oauth else await _who_we_are(SlackWeb(client))
        intake = SlackIntake(own.inbox, own.records, bot_user=bot_user, tokens=installed)
        app = build_app(
            *(intake, workspaces, directory, own.records),
            client=client,
            defaults=settings.defaults,
            oauth=oauth,
        )
        yield Bot(app, _workers(settings, engine, own, workspaces, directory), workspaces, settings)


def _workers(
    settings: SlackSettings, engine: EngineClient, own: Kept, workspaces: Workspaces, directory: Directory
) -> Workers[SlackChat]:
    files = Files(workspaces, own.session, api_url=settings.api_url, most_bytes=settings.most_file_bytes)
    streams = Streams(workspaces, directory)
    handlers = SlackHandlers(
        *(engine, own.records, directory, workspaces, own.fetcher),
        rules=settings.rules,
        human=settings.human,
        defaults=settings.defaults,
    )
    delivery = SlackDelivery(
        *(own.inbox, own.records, engine),
        human_of=handlers.human_of,
        workspaces=workspaces,
        directory=directory,
        files=files,
        session=own.session,
        streams=streams,
    )

    def chat_of(job: Job) -> SlackChat:
        return SlackChat(job, own.inbox, "Slack", workspaces=workspaces, files=files, streams=streams)

    return Workers(
        *(own.inbox, handlers, delivery, chat_of),
        answering=settings.answering,
        answer_seconds=settings.answer_seconds,
        done=streams.forget,
    )


async def serve(settings: SlackSettings, engine: EngineClient, *, ready: asyncio.Event | None = None) -> None:
    """Run until cancelled or told to stop by SIGTERM or SIGINT."""
    async with assembled(settings, engine) as bot, _connected(bot):
        if ready is not None:
            ready.set()
        await until_stopped(bot.workers.run())


@contextlib.asynccontextmanager
async def _connected(bot: Bot) -> AsyncIterator[None]:
    async with contextlib.AsyncExitStack() as stack:
        if bot.settings.by_http or bot.settings.several_workspaces:
            await stack.enter_async_context(_listening(bot))
        if not bot.settings.by_http:
            await stack.enter_async_context(_by_socket(bot))
        yield


@contextlib.asynccontextmanager
async def _listening(bot: Bot) -> AsyncIterator[None]:
    """Slack's requests and the pages for installing; by Socket Mode the pages alone."""
    settings = bot.settings
    runner = web.AppRunner(
        web_app(bot.app, signing_secret=settings.signing_secret if settings.by_http else None),
        access_log=None,
        shutdown_timeout=5,
    )
    await runner.setup()
    try:
        try:
            site = web.TCPSite(runner, settings.host, settings.port, reuse_port=settings.share_port or None)
            await site.start()
        except OSError as error:
            raise InvalidSettings(
                f"The address {settings.host}:{settings.port} cannot be listened on ({error.strerror}): "
                "choose another with MMRAG_SLACK_HOST and MMRAG_SLACK_PORT."
            ) from None
        yield
    finally:
        await runner.cleanup()


@contextlib.asynccontextmanager
async def _by_socket(bot: Bot) -> AsyncIterator[None]:
    settings = bot.settings
    handler = AsyncSocketModeHandler(
        bot.app, settings.app_token, web_client=bot.workspaces.client(None), logger=quiet_logger()
    )
    try:
        await _connect(handler)
        yield
    finally:
        await handler.client.close()  # type: ignore[no-untyped-call]  # slack_sdk leaves it untyped


async def _connect(handler: AsyncSocketModeHandler) -> None:
    """Raises InvalidSettings where Slack does not take the app's token; waits where it is away."""
    api = SlackWeb(handler.client.web_client)
    api.client.token = handler.app_token

    async def connect() -> None:
        opened = await api.write("apps.connections.open")
        handler.client.wss_uri = str(opened["url"])
        await handler.client.connect()  # type: ignore[no-untyped-call]  # slack_sdk leaves it untyped

    try:
        await patiently(connect, UnsureError)
    except RefusedError as refused:
        raise InvalidSettings(
            f"Slack does not take SLACK_APP_TOKEN ({refused.code}): check it, and that Socket Mode is "
            f"on, at {WHERE}"
        ) from None


async def _who_we_are(api: SlackWeb) -> str:
    """Our user in the one workspace. Raises InvalidSettings where the token is not taken."""
    try:
        identity = await patiently(lambda: api.read("auth.test"), UnsureError)
    except RefusedError as refused:
        raise InvalidSettings(
            f"Slack does not take SLACK_BOT_TOKEN ({refused.code}): copy it again from OAuth & "
            f"Permissions of your app at {WHERE}"
        ) from None
    return str(identity["user_id"])


def _tokens(
    settings: SlackSettings, oauth: AsyncOAuthSettings, session: aiohttp.ClientSession
) -> tokens.Tokens:
    rotator = AsyncTokenRotator(
        client_id=settings.client_id,
        client_secret=settings.client_secret,
        client=Workspaces(api_url=settings.api_url, session=session).client(None),
    )
    known = tokens.Tokens(oauth.installation_store, rotator, settings.folder)
    oauth.authorize = tokens.Installed(known)
    return known


def _oauth(settings: SlackSettings, database: Database) -> AsyncOAuthSettings:
    return AsyncOAuthSettings(
        client_id=settings.client_id,
        client_secret=settings.client_secret,
        scopes=list(SCOPES),
        user_scopes=[],
        authorization_url=urljoin(settings.api_url, "/oauth/v2/authorize"),
        installation_store=tokens.SealedInstallations(
            database, tokens.load_key(settings.token_key, settings.folder / "token.key")
        ),
        installation_store_bot_only=True,
        state_store=tokens.States(database),
        logger=quiet_logger(),
    )
