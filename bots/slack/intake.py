"""What Slack delivers, as events for the inbox. Pure functions over Slack's JSON.

One message can come as several events (`app_mention` and `message`, with other ids, again after a
minute): all of them share the key of the message. What asks for nothing is None and is only acknowledged.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from bots.handlers import HUMAN
from bots.intake import MOST_FILES, MOST_TEXT_CHARS, Arrival, correction_in, event_of
from bots.slack.blocks import APPROVE, ASK_HUMAN, FEEDBACK, KEEP_ANSWER, REJECT, SHARE_ANSWER

if TYPE_CHECKING:
    from bots.inbox import Event, Pace

Json = dict[str, Any]

# What shortcuts and modals are called, here and in the app's manifest.
ADD_SHORTCUT, ASK_SHORTCUT = "add_to_knowledge_base", "ask_about_this"
ADD_VIEW, ASK_VIEW, DOWN_VIEW = "add_documents", "ask_about", "what_is_right"
SETTINGS_VIEW, PLACE_VIEW = "settings", "place_settings"

SAID_BY_PEOPLE = {None, "file_share", "thread_broadcast"}  # other subtypes are edits, joins, bots
ASKED = re.compile("[SUW][A-Z0-9]{5,}")  # a user group or a person, by id
THUMBS = {"+1": "up", "thumbsup": "up", "-1": "down", "thumbsdown": "down"}


def read(body: Json, *, bot_user: str | None) -> Arrival | None:
    """What a request of Slack asks us to do. Raises KeyError, TypeError where it is not one of Slack's."""
    arrival = _read(body, bot_user)
    if arrival is None:
        return None
    payload = arrival.event.payload
    place = message_key(payload["team"], payload.get("channel") or payload["user"], "")
    named = {**payload, "workspace": workspace_key(payload["team"]), "place": place}
    return replace(arrival, event=replace(arrival.event, payload=named))


def _read(body: Json, bot_user: str | None) -> Arrival | None:
    if body.get("type") == "event_callback":
        return _event(body, bot_user)
    if "command" in body:
        return None if opens_modal(body) else Arrival(_command(body))
    match body.get("type"):
        case "block_actions":
            return _action(body)
        case "view_submission":
            return _submission(body)
        case "message_action":
            return _shortcut(body)
    return None


def message_key(team: str, channel: str, ts: str) -> str:
    """What a message is called in the inbox and the records."""
    return f"slack:{team}:{channel}:{ts}"


def workspace_key(team: str) -> str:
    """What a workspace's collection and its settings are called."""
    return f"slack-{team}"


# ------------------------------------------------------------------------------ events


def _event(body: Json, bot_user: str | None) -> Arrival | None:
    event, team = body["event"], _team_of(body)
    match event.get("type"):
        case "app_mention" | "message":
            return _message(event, team, f"slack:event:{body['event_id']}", bot_user)
        case "reaction_added" | "reaction_removed":
            return None if event["user"] == bot_user else _reaction(event, team, body["event_id"])
        case "app_home_opened" if event.get("tab") == "home":
            payload = {"team": team, "user": event["user"]}
            if event.get("channel"):
                payload["channel"] = event["channel"]  # the person's own, with us
            return Arrival(_quick("home", (f"slack:event:{body['event_id']}",), payload))
    return None


def gone_from(body: Json) -> tuple[str, float] | None:
    """(workspace, when) where an event says that the app was taken out of it, or its token revoked."""
    event = body.get("event") or {} if body.get("type") == "event_callback" else {}
    revoked = event.get("type") == "tokens_revoked" and event["tokens"].get("bot")
    if not revoked and event.get("type") != "app_uninstalled":
        return None
    return str(body["team_id"]), float(body["event_time"])


def _team_of(body: Json) -> str:
    """The workspace that we are installed in; in a shared channel others write, too."""
    authorizations = body.get("authorizations") or [{}]
    return str(authorizations[0].get("team_id") or body["team_id"])


def _message(event: Json, team: str, event_key: str, bot_user: str | None) -> Arrival | None:
    if event.get("subtype") not in SAID_BY_PEOPLE or event.get("bot_id") or event.get("app_id"):
        return None
    user, channel, ts = event.get("user"), event["channel"], event["ts"]
    if not user or user in (bot_user, "USLACKBOT"):
        return None
    text = str(event.get("text") or "")[:MOST_TEXT_CHARS]
    thread = message_key(team, channel, event.get("thread_ts") or ts)
    mentioned = event["type"] == "app_mention" or (bot_user is not None and f"<@{bot_user}" in text)
    direct = event.get("channel_type") == "im" or channel.startswith("D")
    if not mentioned and not direct and ("thread_ts" not in event or text.lstrip().startswith("<@")):
        return None
    words = without_mention(text, bot_user)
    payload = {
        "team": team,
        "channel": channel,
        "user": user,
        "ts": ts,
        "thread_ts": event.get("thread_ts") or ts,
        "text": words,
        "files": files_of(event),
        "in_thread": "thread_ts" in event,
    }
    keys = (event_key, message_key(team, channel, ts))
    corrected = correction_in(words) if "thread_ts" in event else None
    if corrected is not None:
        return Arrival(_quick("correction", keys, payload | {"text": corrected}), follows=thread)
    arrived = _own("question", keys, payload, thread=thread)
    if mentioned or direct:
        return Arrival(arrived, joins=thread)
    return Arrival(arrived, follows=thread)


def without_mention(text: str, bot_user: str | None) -> str:
    """A message without the mention that calls us."""
    return (
        text
        if bot_user is None
        else re.sub(rf"\s*<@{re.escape(bot_user)}(?:\|[^>]*)?>\s*", " ", text).strip()
    )


def files_of(message: Json) -> list[Json]:
    """What is needed of a message's files, and of those of messages that it shares."""
    shared = [
        file for attachment in message.get("attachments") or [] for file in attachment.get("files") or []
    ]
    kept = (
        "id",
        "name",
        "title",
        "permalink",
        "url_private_download",
        "url_private",
        "mimetype",
        "size",
        "file_access",
    )
    files = [*(message.get("files") or []), *shared]
    return [{key: file[key] for key in kept if key in file} for file in files[:MOST_FILES] if "id" in file]


def _reaction(event: Json, team: str, event_id: str) -> Arrival | None:
    verdict = THUMBS.get(str(event["reaction"]).split("::")[0])
    item = event["item"]
    if verdict is None or item.get("type") != "message":
        return None
    about = message_key(team, item["channel"], item["ts"])
    standing = event["type"] == "reaction_added"
    payload = {
        "team": team,
        "channel": item["channel"],
        "user": event["user"],
        "message": item["ts"],
        "verdict": verdict,
        "by": f"reaction {verdict}",
        "standing": standing,
        "at": float(event["event_ts"]),
    }
    # The same thumb set twice by two event ids is one mark: marks are ordered by their own time.
    keys = (f"slack:event:{event_id}",)
    return Arrival(_quick("mark", keys, payload), about=about)


# -------------------------------------------------------- commands and interactions


def opens_modal(body: Json) -> bool:
    """A bare `/kb add` asks for the modal: its submission is the event."""
    return body["command"] == "/kb" and str(body.get("text") or "").strip().casefold() == "add"


def _command(body: Json) -> Event:
    payload = {
        "team": body["team_id"],
        "channel": body["channel_id"],
        "user": body["user_id"],
        "name": body["command"].lstrip("/"),
        "text": str(body.get("text") or "")[:MOST_TEXT_CHARS],
        "response_url": body["response_url"],
        "private": True,
    }
    slow = payload["name"] == "ask" or payload["text"].casefold().startswith(("add", "share"))
    keys = (f"slack:trigger:{body['trigger_id']}",)
    return _own("command", keys, payload, pace="slow" if slow else "quick")


def _action(body: Json) -> Arrival | None:
    action = body["actions"][0]
    container = body.get("container") or {}
    channel = (body.get("channel") or {}).get("id") or container.get("channel_id") or ""
    message = body.get("message") or {}
    payload = {
        "team": _interaction_team(body),
        "channel": channel,
        "user": body["user"]["id"],
        "response_url": body.get("response_url"),
        "message": message.get("ts") or container.get("message_ts"),
        "thread_ts": message.get("thread_ts") or container.get("thread_ts") or message.get("ts"),
        "private": True,
    }
    kind, value = action["action_id"], str(action.get("value") or "")
    keys = (f"slack:action:{body['trigger_id']}",)
    if kind == FEEDBACK:
        verdict, _, answer_id = value.partition(" ")
        if verdict not in ("up", "down"):
            return None
        payload |= {"verdict": verdict, "by": "button", "standing": True, "at": float(action["action_ts"])}
        return Arrival(_quick("mark", keys, payload | {"answer": answer_id, "modal": True}))
    if kind in (APPROVE, REJECT):
        payload |= {"proposal": value, "approved": kind == APPROVE}
        return Arrival(_quick("approval", keys, payload))
    if kind in (ASK_HUMAN, SHARE_ANSWER, KEEP_ANSWER):
        return Arrival(_quick(kind, keys, payload | {"answer": value}))
    return None


def _submission(body: Json) -> Arrival | None:
    view, team, user = body["view"], _interaction_team(body), body["user"]["id"]
    place = json.loads(view.get("private_metadata") or "{}")
    values = _values(view)
    channel = str(place.get("channel") or user)
    keys = (f"slack:view:{view['id']}",)
    payload = {"team": team, "user": user, "private": True, **place, "channel": channel}
    if complaints(view):
        return None  # the modal says so and stays open
    match view["callback_id"]:
        case kind if kind == ADD_VIEW:
            payload |= {
                "text": values.get("text") or "",
                "files": files_of({"files": values.get("files") or []}),
            }
            return Arrival(_own("add", keys, payload))
        case kind if kind == ASK_VIEW:
            thread = message_key(team, channel, payload["thread_ts"])
            payload |= {
                "text": values.get("text") or "",
                "files": [],
                "in_thread": True,
                "aloud": True,
                "private": False,
            }
            return Arrival(_own("question", keys, payload, thread=thread), joins=thread)
        case kind if kind == DOWN_VIEW:
            payload |= {"text": values.get("correction") or "", "reasons": values.get("reasons") or []}
            return Arrival(_quick("correction", keys, payload))
        case kind if kind in (SETTINGS_VIEW, PLACE_VIEW):
            return Arrival(_quick(kind, keys, payload | {"values": values}))
    return None


def complaints(view: Json) -> dict[str, str]:
    """{field: what is wrong with it} of a modal that was sent off."""
    values = _values(view)
    match view["callback_id"]:
        case kind if kind == ADD_VIEW:
            filled = values.get("files") or (values.get("text") or "").strip()
            return {} if filled else {"text": "Choose a file, or write a text."}
        case kind if kind == SETTINGS_VIEW:
            asked = (values.get(HUMAN) or "").strip()
            known = not asked or ASKED.fullmatch(asked)
            return {} if known else {HUMAN: "An ID begins with S (a user group) or U (a person): see below."}
    return {}


def _shortcut(body: Json) -> Arrival | None:
    if body["callback_id"] != ADD_SHORTCUT:
        return None
    message = body["message"]
    payload = {
        "team": _interaction_team(body),
        "channel": body["channel"]["id"],
        "user": body["user"]["id"],
        "response_url": body.get("response_url"),
        "private": True,
        "said": str(message.get("text") or "")[:MOST_TEXT_CHARS],
        "said_by": message.get("user"),
        "message": message["ts"],
        "files": files_of(message),
    }
    return Arrival(_own("add", (f"slack:trigger:{body['trigger_id']}",), payload))


def _interaction_team(body: Json) -> str:
    team = body.get("team") or {}
    return str(team.get("id") or body["user"]["team_id"])


def _values(view: Json) -> Json:
    """{action: value} of a modal's inputs, whatever their kind."""
    found: Json = {}
    for inputs in (view.get("state") or {}).get("values", {}).values():
        for action, given in inputs.items():
            match given.get("type"):
                case "checkboxes":
                    found[action] = [option["value"] for option in given.get("selected_options") or []]
                case "file_input":
                    found[action] = given.get("files") or []
                case "multi_users_select":
                    found[action] = given.get("selected_users") or []
                case "static_select" | "radio_buttons":
                    found[action] = (given.get("selected_option") or {}).get("value")
                case _:
                    found[action] = given.get("value")
    return found


def _own(
    kind: str, keys: tuple[str, ...], payload: Json, *, thread: str | None = None, pace: Pace = "slow"
) -> Event:
    """An event of a workspace."""
    return event_of(kind, keys, payload, scope=payload["team"], thread=thread, pace=pace)


def _quick(kind: str, keys: tuple[str, ...], payload: Json) -> Event:
    return _own(kind, keys, payload, pace="quick")
