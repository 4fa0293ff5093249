"""The real bot, running against the server of the tests."""

from __future__ import annotations

from contextlib import asynccontextmanager

from bots.discord.service import PERMISSIONS, DiscordSettings, serve
from tests.chat_servers.bot import running
from tests.discord_server.pointing import pointed
from tests.discord_server.server import DiscordServer


def discord_with_the_app(**options):
    """A Discord whose app has the permissions that the bot asks for, and no others."""
    return DiscordServer(permissions=PERMISSIONS.value, **options)


@asynccontextmanager
async def bot_running(discord, engine, folder, **settings):
    """The bot on this engine, with its data in `folder`, until the block ends."""
    chosen = DiscordSettings(folder=folder, token=discord.bot_token, api_url=discord.api_url, **settings)
    async with running_bot(chosen, engine, discord.api_url, discord.gateway.url):
        yield


@asynccontextmanager
async def running_bot(settings, engine, api_url, gateway_url):
    """The bot with these settings, connected, until the block ends."""
    with pointed(api_url, gateway_url):
        async with running(serve, settings, engine):
            yield
