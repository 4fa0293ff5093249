"""Interactions: what a person does with the app, and how the app answers: in three seconds, and after."""

from __future__ import annotations

import copy
import secrets
from dataclasses import dataclass, field
from typing import Any

from tests.discord_server import messages, rules
from tests.discord_server.api import route
from tests.discord_server.shapes import interaction_place, message_json, user_json
from tests.discord_server.text import Pings
from tests.discord_server.world import EPHEMERAL, LOADING, Channel, Message, invalid, refusal

PING, COMMAND, COMPONENT, AUTOCOMPLETE, MODAL_SUBMIT = 1, 2, 3, 4, 5
PONG, REPLY, DEFER, DEFER_UPDATE, UPDATE, CHOICES, MODAL = 1, 4, 5, 6, 7, 8, 9
ANSWER_SECONDS = 3.0
TOKEN_SECONDS = 900.0
ANSWERS_TO = {
    COMMAND: (REPLY, DEFER, MODAL),
    COMPONENT: (REPLY, DEFER, DEFER_UPDATE, UPDATE, MODAL),
    AUTOCOMPLETE: (CHOICES,),
    MODAL_SUBMIT: (REPLY, DEFER, DEFER_UPDATE, UPDATE),
}


@dataclass
class Interaction:
    """`about` is the message that was clicked on; `target` that of a context menu."""

    id: str
    token: str
    type: int
    user: str
    channel: Channel
    data: dict
    created: float
    about: Message | None = None
    target: Message | None = None
    cause: Interaction | None = None  # of a modal: what opened it
    answer: int | None = None  # the type of the app's answer
    choices: list[dict] | None = None
    original: Message | None = None  # what @original is
    deferred: bool = False
    followups: list[Message] = field(default_factory=list)
    late: bool = False

    metadata: dict = field(default_factory=dict)  # as messages that answer it say it


@dataclass
class Modal:
    """A modal that is open before somebody, with what is filled in by custom id."""

    interaction: Interaction
    data: dict
    filled: dict[str, Any] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)

    @property
    def title(self):
        return self.data["title"]


class Interactions:
    """All of them, by their id."""

    def __init__(self, server):
        self._server = server
        self.by_id = {}
        self.by_token = {}
        self.answer_seconds = ANSWER_SECONDS

    async def send(self, user_id, channel, kind, data, *, about=None, target=None, cause=None):
        """Tell the app, and wait for its answer as long as Discord does."""
        server, world = self._server, self._server.world
        made = Interaction(
            *(world.new_id(), secrets.token_urlsafe(120), kind, user_id, channel, data),
            *(server.clock.now(), about, target, cause),
        )
        place = interaction_place(world, channel, user_id)
        made.metadata = _metadata(world, made, place["authorizing_integration_owners"])
        self.by_id[made.id] = self.by_token[made.token] = made
        payload = {
            "id": made.id,
            "application_id": world.app.id,
            "type": kind,
            "token": made.token,
            "version": 1,
            "locale": "en-US",
            "entitlements": [],
            "attachment_size_limit": server.upload_limit(channel),
            "data": data,
        } | place
        if about is not None:
            payload["message"] = message_json(server, about)
        server.gateway.interact(payload, channel.guild)
        await server.until(lambda: made.answer or self._is_late(made), seconds=60.0)
        made.late = made.answer is None
        return made

    def _is_late(self, made):
        return self._server.clock.now() - made.created > self.answer_seconds

    def of_token(self, application, token):
        """The interaction whose token it is. Raises Unknown Webhook, Invalid Webhook Token."""
        made = self.by_token.get(token)
        if application != self._server.world.app.id:
            raise refusal("unknown webhook")
        if made is None or self._server.clock.now() - made.created > TOKEN_SECONDS:
            raise refusal("invalid token")
        return made


def _metadata(world, made, owners):
    told = {
        "id": made.id,
        "type": made.type,
        "user": user_json(world.users[made.user]),
        "authorizing_integration_owners": owners,
    }
    if made.type == COMPONENT:
        told["interacted_message_id"] = made.about.id
    if made.type == COMMAND:
        told["name"] = made.data["name"]
    if made.target is not None:
        told["target_message_id"] = made.target.id
    if made.cause is not None:
        told["triggering_interaction_metadata"] = made.cause.metadata
    return told


# ------------------------------------------------------------- the first answer


@route("POST", "/interactions/{interaction}/{token}/callback", token=False, counts=False, limit=(5, 1.0))
async def create_interaction_response(call):
    interactions = call.server.interactions
    made = interactions.by_id.get(call["interaction"])
    if made is None or made.token != call["token"]:
        raise refusal("unknown interaction")
    if made.answer is not None:
        raise refusal("already acknowledged")
    if made.late or call.server.clock.now() - made.created > interactions.answer_seconds:
        raise refusal("unknown interaction")
    kind, data = call.body.get("type"), call.body.get("data") or {}
    if kind not in ANSWERS_TO[made.type] or (kind in (DEFER_UPDATE, UPDATE) and made.about is None):
        sentence = f"Interaction callback type {kind} does not answer this interaction."
        raise invalid({"type": ("INTERACTION_CALLBACK_TYPE_INVALID", sentence)})
    _ANSWERS[kind](call, made, data)
    made.answer = kind
    call.server.touch()
    if call.request.query.get("with_response") in ("1", "true", "True"):
        return _told(call, made)
    return None


def _told(call, made):
    about = {"id": made.id, "type": made.type}
    resource = {"type": made.answer}
    if made.original is not None and made.answer in (REPLY, DEFER, UPDATE):
        about |= {
            "response_message_id": made.original.id,
            "response_message_loading": made.original.is_loading,
            "response_message_ephemeral": made.original.ephemeral_to is not None,
        }
        resource["message"] = message_json(call.server, made.original)
    elif made.answer == DEFER_UPDATE:
        about |= {"response_message_id": made.about.id, "response_message_loading": False}
        about["response_message_ephemeral"] = made.about.ephemeral_to is not None
    return {"interaction": about, "resource": resource}


def _reply(call, made, data):
    made.original = _said(call, made, data)


def _said(call, made, data, *, follows=None):
    """A message of the app's that answers; `follows` is the one before it, of a followup."""
    flags = (data.get("flags") or 0) & messages.OF_AN_ANSWER
    ephemeral = bool(flags & EPHEMERAL)
    fields = messages.compose(
        call.server, made.channel, data, call.request.files, flags=flags, ephemeral=ephemeral
    )
    return _put(call, made, fields, follows=follows)


def _put(call, made, fields, *, follows=None):
    ephemeral = bool(fields["flags"] & EPHEMERAL)
    metadata = made.metadata | ({"original_response_message_id": follows.id} if follows else {})
    kind, reference = _kind_of_answer(made, follows)
    if ephemeral:
        fields["pings"] = Pings()
    message = Message(
        call.world.new_id(),
        made.channel.id,
        call.app.id,
        type=kind,
        webhook=call.app.id,
        application=call.app.id,
        interaction=metadata,
        reference=reference,
        ephemeral_to=made.user if ephemeral else None,
        **fields,
    )
    if ephemeral:
        call.server.whisper(message)
    else:
        call.server.add_message(message)
    return message


def _kind_of_answer(made, follows):
    meant = follows or made.about
    if meant is not None:
        reference = {"type": 0, "channel_id": meant.channel, "message_id": meant.id}
        if made.channel.guild:
            reference["guild_id"] = made.channel.guild
        return 19, reference
    if made.type == COMMAND:
        return (20 if made.target is None else 23), None
    return 0, None


def _defer(call, made, data):
    flags = LOADING | ((data.get("flags") or 0) & EPHEMERAL)
    made.deferred = True
    made.original = _put(call, made, {"content": "", "flags": flags, "pings": Pings()})


def _defer_update(_call, made, _data):
    made.original = made.about


def _update(call, made, data):
    made.original = made.about
    call.server.change_message(
        made.about, **messages.recompose(call.server, made.about, data, call.request.files)
    )


def _offer(_call, made, data):
    rules.check_choices(data.get("choices") or [])
    made.choices = data.get("choices") or []


def _open(call, made, data):
    rules.check_modal(data)
    shown = copy.deepcopy(data)
    shown["components"] = rules.kept(shown["components"])
    call.world.users[made.user].modal = Modal(made, shown)


_ANSWERS = {
    REPLY: _reply,
    DEFER: _defer,
    DEFER_UPDATE: _defer_update,
    UPDATE: _update,
    CHOICES: _offer,
    MODAL: _open,
}


# -------------------------------------------------------------------- and after


@route("POST", "/webhooks/{webhook}/{token}", token=False, counts=False)
async def create_followup(call):
    """A further message; of an interaction that was deferred, the first one is its answer."""
    made = call.server.interactions.of_token(call["webhook"], call["token"])
    if made.answer is None:
        raise refusal("unknown webhook")
    if made.deferred and made.original.id not in call.server.deleted:
        made.deferred = False
        _change(call, made.original, call.body)
        return message_json(call.server, made.original)
    message = _said(call, made, call.body, follows=made.original)
    made.followups.append(message)
    return message_json(call.server, message)


def _change(call, message, body):
    call.server.change_message(message, **messages.recompose(call.server, message, body, call.request.files))


def _meant(call):
    """(interaction, message) of the path. Raises Unknown Message."""
    made = call.server.interactions.of_token(call["webhook"], call["token"])
    if call["message"] == "@original":
        message = made.original
    else:
        own = [each for each in (made.original, *made.followups) if each]
        message = next((each for each in own if each.id == call["message"]), None)
    if message is None or message.id in call.server.deleted:
        raise refusal("unknown message")
    return made, message


@route("GET", "/webhooks/{webhook}/{token}/messages/{message}", token=False, counts=False)
async def get_webhook_message(call):
    _, message = _meant(call)
    return message_json(call.server, message)


@route("PATCH", "/webhooks/{webhook}/{token}/messages/{message}", token=False, counts=False)
async def edit_webhook_message(call):
    made, message = _meant(call)
    if message is made.original:
        made.deferred = False
    _change(call, message, call.body)
    return message_json(call.server, message)


@route("DELETE", "/webhooks/{webhook}/{token}/messages/{message}", token=False, counts=False)
async def delete_webhook_message(call):
    _, message = _meant(call)
    call.server.delete_message(message)
