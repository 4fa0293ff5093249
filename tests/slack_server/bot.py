"""The real bot, running against the server of the tests."""

from __future__ import annotations

import socket

from bots.slack.service import EVENTS, SCOPES, SlackSettings, serve
from tests.chat_servers.bot import running
from tests.slack_server.server import SlackServer


def slack_with_the_app():
    """A Slack in which the app has the scopes and events that the bot asks for, and no others."""
    slack = SlackServer(install=False)
    slack.world.app.scopes, slack.world.app.events = frozenset(SCOPES), frozenset(EVENTS)
    slack.world.install(slack.team.id)
    return slack


def free_port():
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def bot_running(slack, engine, folder, *, transport="socket", **settings):
    """The bot on this engine, with its data in `folder`, until the block ends."""
    chosen = SlackSettings(
        folder=folder,
        bot_token=slack.bot_token,
        app_token=slack.app_token if transport == "socket" else "",
        signing_secret=slack.world.app.signing_secret,
        transport=transport,
        port=free_port(),
        api_url=slack.api_url,
        **settings,
    )
    if transport == "http":
        slack.courier.url = f"http://127.0.0.1:{chosen.port}/slack/events"
    return running(serve, chosen, engine)
