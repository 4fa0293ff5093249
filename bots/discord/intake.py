"""What Discord delivers, as arrivals for the inbox. Pure functions over discord.py's objects and JSON.

A message can come several times: over the gateway, again after a resumed session, and from the history that
is paged after a lost one. All share the message's key. What asks for nothing is None.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from discord import AppCommandType, ChannelType, MessageReferenceType, MessageType, Thread

from bots.discord.cards import (
    APPROVE,
    ASK_HUMAN,
    ASK_MODAL,
    DOWN,
    DOWN_MODAL,
    KEEP_ANSWER,
    REJECT,
    SHARE_ANSWER,
    UP,
)
from bots.discord.commands import ADD_TO_KNOWLEDGE, SLOW_VERBS
from bots.discord.names import message_key, message_link, place_key, workspace_key
from bots.intake import MOST_FILES, MOST_TEXT_CHARS, Arrival, correction_in, event_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from discord import Attachment, ClientUser, Interaction, Message, RawReactionActionEvent
    from discord.abc import Snowflake

    from bots.inbox import Event

Json = dict[str, Any]

SAID_BY_PEOPLE = {MessageType.default, MessageType.reply}
THUMBS = {"👍": "up", "👎": "down"}
_SKIN_TONES = re.compile("[\U0001f3fb-\U0001f3ff]")
_USER, _ROLE, _CHANNEL = re.compile(r"<@!?(\d+)>"), re.compile(r"<@&(\d+)>"), re.compile(r"<#(\d+)>")
_EMOJI = re.compile(r"<a?(:\w+:)\d+>")
_TO_ANOTHER = re.compile(r"\s*<@[!&]?\d+>")

_event = partial(event_of, scope="discord")


@dataclass(frozen=True, slots=True)
class Where:
    """The channel of a message or an interaction, as strings. `place` is the channel whose view counts."""

    guild: str | None
    channel: str
    place: str
    in_thread: bool
    in_forum: bool

    @property
    def direct(self) -> bool:
        return self.guild is None

    def facts(self) -> Json:
        """What every payload tells of it."""
        return {
            "workspace": workspace_key(self.guild, self.channel),
            "place": place_key(self.guild, self.place),
            "guild": self.guild,
            "channel": self.channel,
        }


def where(channel: Snowflake, guild: int | None) -> Where:
    """A channel of discord.py. A private thread has a view of its own, any other its parent's."""
    in_guild, id_ = None if guild is None else str(guild), str(channel.id)
    if not isinstance(channel, Thread):
        return Where(in_guild, id_, id_, in_thread=False, in_forum=False)
    in_forum = channel.parent is not None and channel.parent.type in (ChannelType.forum, ChannelType.media)
    place = id_ if channel.is_private() else str(channel.parent_id)
    return Where(in_guild, id_, place, in_thread=True, in_forum=in_forum)


# ---------------------------------------------------------------------------- messages


def read_message(message: Message, me: ClientUser, place: Where, *, late: bool = False) -> Arrival | None:
    """What somebody's message asks us to do. `late`: it was found after we had been away."""
    if message.type not in SAID_BY_PEOPLE or message.author.bot or message.webhook_id is not None:
        return None
    id_, user = str(message.id), str(message.author.id)
    begins_post = place.in_forum and id_ == place.channel
    mentioned = calls(message, me)
    addressed = mentioned or place.direct or begins_post
    text, files = _said(message, me), files_of(message, place.guild)
    replied = _replied_to(message)
    if not addressed and (
        not (place.in_thread or replied)
        or _TO_ANOTHER.match(message.content)
        or not (text or files)  # without the intent, what others say comes empty
    ):
        return None
    thread = message_key(place.channel if place.in_thread or place.direct else id_)
    payload = {
        **place.facts(),
        "user": user,
        "message": id_,
        "text": f"{message.channel.name}\n{text}".strip() if begins_post else text,  # type: ignore[union-attr]  # a thread's
        "files": files,
        "in_thread": place.in_thread or place.direct,
        "replied": replied,
        "late": late,
    }
    corrected = correction_in(text)
    if corrected is not None and (place.in_thread or place.direct or replied):
        event = _event("correction", (message_key(id_),), payload | {"text": corrected}, pace="quick")
        if replied and not payload["in_thread"]:  # people correct each other, too
            return Arrival(event, about=message_key(replied[1]))
        return Arrival(event, follows=None if addressed else thread)
    event = _event("question", (message_key(id_),), payload, thread=thread)
    if addressed:
        return Arrival(event, joins=thread)
    return Arrival(event, follows=thread) if place.in_thread else None


def begins_forum_post(message: Message, place: Where) -> bool:
    """Whether a message is the first of a post in a forum."""
    return place.in_forum and str(message.id) == place.channel


def calls(message: Message, me: ClientUser) -> bool:
    """A mention, of us or of the role that Discord made for us, or a reply to us."""
    if any(user.id == me.id for user in message.mentions):
        return True
    replied = message.reference.resolved if message.reference is not None else None
    author = getattr(replied, "author", None)
    if author is not None and author.id == me.id and message.type is MessageType.reply:
        return bool(
            message.content or message.attachments
        )  # empty without the intent, where it does not ping
    return any(role.tags is not None and role.tags.bot_id == me.id for role in message.role_mentions)


def _replied_to(message: Message) -> list[str] | None:
    """[channel, message] that a message replies to."""
    reference = message.reference
    if reference is None or reference.message_id is None or message.type is not MessageType.reply:
        return None
    return [str(reference.channel_id), str(reference.message_id)]


def _said(message: Message, me: ClientUser) -> str:
    """A message's words; those of a message that it forwards stand for its own where it has none."""
    return (readable(message, without=me.id) or _forwarded(message))[:MOST_TEXT_CHARS]


def _forwarded(message: Message) -> str:
    if message.reference is None or message.reference.type is not MessageReferenceType.forward:
        return ""
    return "\n".join(_plain(snapshot.content) for snapshot in message.message_snapshots).strip()


def readable(message: Message, *, without: int | None = None) -> str:
    """A person's message as plain words: who and what is mentioned by name, us not at all."""
    users = {user.id: user.display_name for user in message.mentions}
    roles = {role.id: role.name for role in message.role_mentions}
    ours = {
        role.id for role in message.role_mentions if role.tags is not None and role.tags.bot_id == without
    }

    def user(match: re.Match[str]) -> str:
        number = int(match[1])
        return " " if number == without else f"@{users.get(number, number)}"

    def role(match: re.Match[str]) -> str:
        number = int(match[1])
        return " " if number in ours else f"@{roles.get(number, number)}"

    return _plain(_ROLE.sub(role, _USER.sub(user, message.content)))


def _plain(text: str) -> str:
    return _EMOJI.sub(r"\1", _CHANNEL.sub(r"#\1", text)).strip()


def files_of(message: Message, guild: str | None) -> list[Json]:
    """What is needed of the files of a message in this guild, and of those of messages that it forwards."""
    forwarded = [each for snapshot in message.message_snapshots for each in snapshot.attachments]
    channel, id_ = str(message.channel.id), str(message.id)
    link = message_link(guild, channel, id_)
    attachments: Iterable[Attachment] = (*message.attachments, *forwarded)
    return [
        _file(
            {"id": str(each.id), "filename": each.filename, "size": each.size, "url": each.url},
            f"{link}#{each.id}",
            at=[channel, id_],
        )
        for each in list(attachments)[:MOST_FILES]
    ]


def _file(attachment: Mapping[str, Any], link: str, *, at: list[str] | None) -> Json:
    """A file; `at` is the message by which a new address for it can be had when this one has expired."""
    return {
        "id": str(attachment["id"]),
        "name": str(attachment["filename"]),
        "size": int(attachment.get("size") or 0),
        "url": str(attachment["url"]),
        "link": link,
        "at": at,
    }


def read_reaction(reaction: RawReactionActionEvent, place: Where, *, standing: bool) -> Arrival | None:
    """A thumb under one of our answers, or taken back."""
    verdict = THUMBS.get(_SKIN_TONES.sub("", reaction.emoji.name or ""))
    if verdict is None or (reaction.member is not None and reaction.member.bot):
        return None
    message, now = str(reaction.message_id), time.time()
    payload = {
        **place.facts(),
        "user": str(reaction.user_id),
        "message": message,
        "verdict": verdict,
        "by": f"reaction {verdict}",
        "standing": standing,
        "at": now,
    }
    # Discord gives reactions no id; marks are ordered by their time, so one that comes twice is one.
    keys = (f"discord:reaction:{message}:{reaction.user_id}:{verdict}:{standing}:{now}",)
    return Arrival(_event("mark", keys, payload, pace="quick"), about=message_key(message))


# ------------------------------------------------------------------------ interactions


def read_interaction(interaction: Interaction[Any], place: Where) -> Arrival | None:
    """What a command, a button or a modal asks us to do; None where it only opens something."""
    data: Json = dict(interaction.data or {})
    payload = {
        **place.facts(),
        "user": str(interaction.user.id),
        "interaction": str(interaction.id),
        "token": interaction.token,
        "application": str(interaction.application_id),
        "private": True,
        "thanked": True,
    }
    key = f"discord:interaction:{interaction.id}"
    if "custom_id" in data:
        action, _, value = str(data["custom_id"]).partition(":")
        if "components" in data:
            return _submission(action, value, data, payload, key)
        return _click(action, value, interaction, payload, key)
    if data.get("type") == AppCommandType.message.value:
        return _menu(data, payload, key)
    return Arrival(_command(data, payload, key))


def _command(data: Json, payload: Json, key: str) -> Event:
    options = {str(each["name"]): each for each in data.get("options") or []}
    verb = ""
    if data["name"] == "kb":
        (verb,) = options
        options = {str(each["name"]): each for each in options[verb].get("options") or []}
    given = {name: option.get("value") for name, option in options.items()}
    attachments = (data.get("resolved") or {}).get("attachments") or {}
    payload = payload | {
        "name": data["name"],
        "text": _typed(verb, given)[:MOST_TEXT_CHARS],
        "links": [str(given["url"]).strip()] if given.get("url") else [],
        "files": [
            _file(attachments[str(value)], f"discord-file:{value}", at=None)
            for value in given.values()
            if str(value) in attachments
        ],
    }
    slow = data["name"] == "ask" or verb in SLOW_VERBS
    return _event("command", (key,), payload, pace="slow" if slow else "quick")


def _typed(verb: str, given: Json) -> str:
    """A command's options as they would be typed where commands are text."""
    match verb:
        case "forget-channel":
            return "forget-channel confirm" if given.get("confirm") else "forget-channel"
        case "set":
            return f"set {given['name']} {given['value']}"
        case "remove" | "share":
            return f"{verb} {given['document']}"
        case "":
            return str(given.get("question") or "")
        case _:
            return f"{verb} {given.get('text') or ''}".strip()


def _menu(data: Json, payload: Json, key: str) -> Arrival | None:
    if data["name"] != ADD_TO_KNOWLEDGE:
        return None
    target = target_of(data)
    link = message_link(payload["guild"], payload["channel"], target["id"])
    payload = payload | {
        "said": target["text"],
        "said_by": target["author"],
        "link": link,
        "files": files_of_target(target, link, payload["channel"]),
    }
    return Arrival(_event("add", (key,), payload))


def target_of(data: Json) -> Json:
    """The message that a command in its menu is about: {id, author, text, attachments}."""
    message = data["resolved"]["messages"][str(data["target_id"])]
    snapshots = [each["message"] for each in message.get("message_snapshots") or []]
    text = message.get("content") or "\n".join(str(each.get("content") or "") for each in snapshots)
    author = message["author"]
    attachments = [*(message.get("attachments") or [])]
    for each in snapshots:
        attachments += each.get("attachments") or []
    return {
        "id": str(message["id"]),
        "author": str(author.get("global_name") or author["username"]),
        "text": _plain(str(text))[:MOST_TEXT_CHARS],
        "attachments": attachments[:MOST_FILES],
    }


def files_of_target(target: Json, link: str, channel: str) -> list[Json]:
    """The files of a message that a command in its menu is about."""
    return [_file(each, f"{link}#{each['id']}", at=[channel, target["id"]]) for each in target["attachments"]]


def _click(action: str, value: str, interaction: Interaction[Any], payload: Json, key: str) -> Arrival | None:
    message = interaction.message
    payload |= {"message": None if message is None else str(message.id)}
    match action:
        case kind if kind in (UP, DOWN):
            payload |= {
                "answer": value,
                "verdict": "up" if kind == UP else "down",
                "by": "button",
                "standing": True,
                "at": time.time(),
                "modal": kind == DOWN,
            }
            return Arrival(_event("mark", (key,), payload, pace="quick"))
        case kind if kind in (APPROVE, REJECT):
            payload |= {"proposal": value, "approved": kind == APPROVE}
            return Arrival(_event("approval", (key,), payload, pace="quick"))
        case kind if kind in (ASK_HUMAN, SHARE_ANSWER, KEEP_ANSWER):
            return Arrival(_event(kind, (key,), payload | {"answer": value}, pace="quick"))
    return None


def _submission(action: str, value: str, data: Json, payload: Json, key: str) -> Arrival | None:
    values = dict(_values(data["components"]))
    match action:
        case kind if kind == DOWN_MODAL:
            payload |= {
                "answer": value,
                "text": str(values.get("correction") or ""),
                "reasons": list(values.get("reasons") or []),
            }
            return Arrival(_event("correction", (key,), payload, pace="quick"))
        case kind if kind == ASK_MODAL:
            payload |= {"target": value, "text": str(values.get("text") or ""), "files": [], "aloud": True}
            payload |= {"message": value, "private": False, "in_thread": False, "replied": None}
            payload |= {"token": None}  # it was answered with a word: what is said goes into the thread
            thread = message_key(value)
            return Arrival(_event("question", (key,), payload, thread=thread), joins=thread)
    return None


def _values(components: Iterable[Json]) -> Iterable[tuple[str, Any]]:
    """(name, what was filled in) of a modal's fields, however they are nested."""
    for each in components:
        if "custom_id" in each:
            yield str(each["custom_id"]), each.get("values", each.get("value"))
        inner = [*(each.get("components") or []), *([each["component"]] if each.get("component") else [])]
        yield from _values(inner)
