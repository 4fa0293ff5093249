"""The Bolt app: every request is kept on disk before it is acknowledged; what needs a trigger opens at once.

The work itself is done by `worker`, from the inbox. Only modals are opened here, since the trigger that
allows it lives for three seconds.
"""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING, Any

from slack_bolt.async_app import AsyncApp

from bots.conversation import log_fault, settings_of
from bots.intake import Intake
from bots.logs import quiet_logger
from bots.outcomes import RefusedError, UnsureError
from bots.slack.blocks import CORRECT, FEEDBACK
from bots.slack.handlers import SLACK_SETTINGS, workspace_settings
from bots.slack.intake import (
    ASK_SHORTCUT,
    complaints,
    gone_from,
    message_key,
    opens_modal,
    read,
    workspace_key,
)
from bots.slack.views import (
    OPEN_ADD,
    OPEN_PLACE,
    OPEN_SETTINGS,
    add_view,
    ask_view,
    down_view,
    place_settings_view,
    settings_view,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from slack_bolt.async_app import AsyncAck, AsyncBoltContext
    from slack_bolt.oauth.async_oauth_settings import AsyncOAuthSettings
    from slack_sdk.web.async_client import AsyncWebClient

    from bots.inbox import Inbox
    from bots.records import DiskRecords, Post
    from bots.slack.places import Directory
    from bots.slack.tokens import Tokens
    from bots.slack.web import Workspaces

Json = dict[str, Any]

log = logging.getLogger(__name__)

ANYTHING = re.compile(".*")
NOT_KEPT = "not_kept"  # in a request's context: the disk is full, or worse


class SlackIntake:
    """Keeps what Slack delivers, and no token of a workspace that has taken the app out.

    `bot_user` is who we are where an event does not say so.
    """

    def __init__(
        self, inbox: Inbox, records: DiskRecords, *, bot_user: str | None, tokens: Tokens | None = None
    ) -> None:
        self._intake = Intake(inbox, records, of_answer=_of_answer)
        self._bot_user = bot_user
        self._tokens = tokens

    async def keep(self, body: Json) -> None:
        """On disk when this returns. Raises StoreUnavailable: then Slack is not told that we have it."""
        try:
            gone = gone_from(body)
            arrival = read(body, bot_user=_bot_user(body) or self._bot_user)
        except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
            log_fault(error)  # not as Slack documents it: to be told to send it again helps nobody
            return
        if gone is not None and self._tokens is not None:
            await self._tokens.drop(gone[0], at=gone[1])
        if arrival is not None:
            await self._intake.keep(arrival)


def _of_answer(post: Post) -> Json:
    """Whoever reacts to an answer is replied to in its thread, alone."""
    return {"thread_ts": post.thread.rpartition(":")[2], "private": True}


def _bot_user(body: Json) -> str | None:
    for authorization in body.get("authorizations") or []:
        if isinstance(authorization, dict) and authorization.get("is_bot"):
            return authorization.get("user_id")
    return None


def build_app(
    intake: SlackIntake,
    workspaces: Workspaces,
    directory: Directory,
    records: DiskRecords,
    *,
    client: AsyncWebClient,
    defaults: Mapping[str, str],
    oauth: AsyncOAuthSettings | None = None,
) -> AsyncApp:
    """The app with its listeners. Signatures are checked where requests come in: see `http`.

    `defaults` are the settings of a workspace that has set nothing.
    """

    async def keep(body: Json, context: AsyncBoltContext, next_: Callable[[], Awaitable[None]]) -> None:
        try:
            await intake.keep(body)
        except Exception:
            context[NOT_KEPT] = True
            raise
        await next_()

    app = AsyncApp(
        name="bots.slack",  # Bolt gives the logger of this name the level and filters of `logger`
        client=client,
        signing_secret="",  # see above
        request_verification_enabled=False,
        before_authorize=keep,  # before anything that could fail and be acknowledged all the same
        oauth_settings=oauth,
        logger=quiet_logger(),
    )
    listeners = _Listeners(_Modals(workspaces, directory, records, defaults))
    app.event(ANYTHING)(listeners.on_event)
    app.command(ANYTHING)(listeners.on_command)
    app.shortcut(ANYTHING)(listeners.on_shortcut)
    app.action(ANYTHING)(listeners.on_action)
    app.view(ANYTHING)(listeners.on_view)
    return app


class _Listeners:
    """What is acknowledged, and what opens a modal. All of it is kept already."""

    def __init__(self, modals: _Modals) -> None:
        self._modals = modals

    async def on_event(self) -> None:
        """An event needs no more than to be acknowledged."""

    async def on_command(self, ack: AsyncAck, body: Json) -> None:
        await ack()
        if opens_modal(body):
            await self._modals.open(body["team_id"], body, add_view({"channel": body["channel_id"]}))

    async def on_shortcut(self, ack: AsyncAck, body: Json) -> None:
        await ack()
        if body["callback_id"] == ASK_SHORTCUT:
            message = body["message"]
            thread_ts = message.get("thread_ts") or message["ts"]
            place = {"channel": body["channel"]["id"], "thread_ts": thread_ts}
            await self._modals.open(body["team"]["id"], body, ask_view(place))

    async def on_action(self, ack: AsyncAck, body: Json) -> None:
        await ack()
        await self._modals.after(body["actions"][0], body)

    async def on_view(self, ack: AsyncAck, body: Json) -> None:
        errors = complaints(body["view"])
        if errors:
            await ack(response_action="errors", errors=errors)
        else:
            await ack()


class _Modals:
    """Opens what people fill in."""

    def __init__(
        self,
        workspaces: Workspaces,
        directory: Directory,
        records: DiskRecords,
        defaults: Mapping[str, str],
    ) -> None:
        self._workspaces = workspaces
        self._directory = directory
        self._records = records
        self._defaults = defaults

    async def after(self, action: Json, body: Json) -> None:
        """What a button opens."""
        team = (body.get("team") or {}).get("id") or body["user"]["team_id"]
        value = str(action.get("value") or "")
        match action["action_id"]:
            case kind if kind == CORRECT or (kind == FEEDBACK and value.startswith("down ")):
                await self.open(
                    team, body, down_view(_place(body) | {"answer": value.rsplit(" ", maxsplit=1)[-1]})
                )
            case kind if kind == OPEN_ADD:
                await self.open(team, body, add_view({}))
            case kind if kind in (OPEN_SETTINGS, OPEN_PLACE):
                if (await self._directory.person(team, body["user"]["id"])).admin:
                    await self.open(team, body, await self._settings(team, action))

    async def open(self, team: str, body: Json, view: Json) -> None:
        """Within the three seconds that a trigger lives; later there is nothing to see but the button."""
        try:
            web = await self._workspaces.of(team)
            await web.write("views.open", trigger_id=body["trigger_id"], view=view)
        except (RefusedError, UnsureError) as error:
            log.warning("a modal was not opened: %s", getattr(error, "code", "the connection broke"))

    async def _settings(self, team: str, action: Json) -> Json:
        """The modal for the workspace, or for the channel that was chosen."""
        workspace, channel = workspace_key(team), action.get("selected_conversation")
        if channel is None:
            return settings_view(await workspace_settings(self._records, workspace, self._defaults))
        place = message_key(team, channel, "")
        return place_settings_view(
            channel, await settings_of(self._records, place, workspace, SLACK_SETTINGS)
        )


def _place(body: Json) -> Json:
    message, container = body.get("message") or {}, body.get("container") or {}
    thread_ts = message.get("thread_ts") or container.get("thread_ts") or message.get("ts")
    return {
        "channel": (body.get("channel") or {}).get("id") or container.get("channel_id"),
        "thread_ts": thread_ts,
    }
