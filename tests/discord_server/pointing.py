"""Where discord.py looks for Discord: two class attributes, set for a while."""

from __future__ import annotations

from contextlib import contextmanager

from discord.gateway import DiscordWebSocket
from discord.http import Route


@contextmanager
def pointed(api_url, gateway_url):
    """The clients of discord.py in this process talk to these addresses until the block ends."""
    before = base, gateway = Route.BASE, DiscordWebSocket.DEFAULT_GATEWAY
    Route.BASE, DiscordWebSocket.DEFAULT_GATEWAY = type(base)(api_url), type(gateway)(gateway_url)
    try:
        yield
    finally:
        Route.BASE, DiscordWebSocket.DEFAULT_GATEWAY = before


def pointed_at(server):
    """The clients of discord.py in this process talk to `server` until the block ends."""
    return pointed(server.api_url, server.gateway.url)
