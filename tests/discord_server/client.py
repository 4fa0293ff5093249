"""A small bot on discord.py that keeps what it hears; what the server's own tests run against it."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress

import discord
from discord import app_commands

from tests.discord_server.pointing import pointed_at

MENTION_ONLY = discord.Intents(
    guilds=True, guild_messages=True, dm_messages=True, guild_reactions=True, dm_reactions=True
)


class Listening:
    """What a client hears, in order: (event, what discord.py gave)."""

    def __init__(self, *, intents=MENTION_ONLY, **options):
        options = {"guild_ready_timeout": 0.02, "allowed_mentions": discord.AllowedMentions.none()} | options
        super().__init__(intents=intents, **options)
        self.heard = []
        self.tree = app_commands.CommandTree(self)

    async def before_identify_hook(self, shard_id, *, initial=False):
        """Five seconds between IDENTIFYs are Discord's wish, not this server's."""

    def dispatch(self, event, /, *args, **kwargs):
        if hasattr(self, "heard"):
            self.heard.append((event, args[0] if args else None))
        super().dispatch(event, *args, **kwargs)

    def texts(self):
        """What was said, in order."""
        return [what.content for event, what in self.heard if event == "message"]

    def count(self, event):
        return sum(each == event for each, _ in self.heard)


class Bot(Listening, discord.Client):
    pass


class ShardedBot(Listening, discord.AutoShardedClient):
    pass


@asynccontextmanager
async def running(server, bot, *, token=None):
    """The bot, connected to the server and ready, until the block ends."""
    with pointed_at(server):
        started = asyncio.create_task(bot.start(token or server.bot_token))
        try:
            await server.until(lambda: started.done() or bot.is_ready())
            if started.done():
                started.result()
            yield bot
        finally:
            await bot.close()
            started.cancel()
            with suppress(asyncio.CancelledError, discord.DiscordException):
                await started
