"""The real bot, running against the server of the tests."""

from __future__ import annotations

from bots.slack.service import EVENTS, SCOPES, SlackSettings, serve
from tests.chat_servers.bot import running
from tests.machine import free_port
from tests.slack_server.server import SlackServer


def slack_with_the_app():
    """A Slack in which the app has the scopes and events that the bot asks for, and no others."""
    slack = SlackServer(install=False)
    slack.world.app.scopes, slack.world.app.events = frozenset(SCOPES), frozenset(EVENTS)
    slack.world.install(slack.team.id)
    return slack


def bot_running(slack, engine, folder, *, transport="socket", **settings):
    """The bot on this engine, with its data in `folder`, until the block ends."""
    return _running(slack, engine, folder, transport, bot_token=slack.bot_token, **settings)


def bot_for_all_running(slack, engine, folder, *, transport="socket", **settings):
    """As `bot_running`, for all workspaces that install the app by its pages, at its `redirect_uris`."""
    app = slack.world.app
    several = {"client_id": app.client_id, "client_secret": app.client_secret, "port": free_port()}
    app.redirect_uris = (f"http://127.0.0.1:{several['port']}/slack/oauth_redirect",)
    return _running(slack, engine, folder, transport, **several, **settings)


def _running(slack, engine, folder, transport, **settings):
    given = {"port": free_port()} | settings
    chosen = SlackSettings(
        folder=folder,
        app_token=slack.app_token if transport == "socket" else "",
        signing_secret=slack.world.app.signing_secret,
        transport=transport,
        api_url=slack.api_url,
        **given,
    )
    if transport == "http":
        slack.courier.url = f"http://127.0.0.1:{chosen.port}/slack/events"
    return running(serve, chosen, engine)
