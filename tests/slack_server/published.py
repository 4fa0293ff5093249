"""What the server sent, as TypeScript that only compiles if it is of Slack's published types.

`hold<T>()(value)` takes more fields than T names, as Slack itself sends more, but none of a wrong type and
none missing. Where the types are known to be wrong or behind, the function that says so allows for it.
"""

from __future__ import annotations

import json
from pathlib import Path

from tests.chat_servers.typescript import Types

TYPES = Types(Path(__file__).parent / "types", "@slack/types")
HEAD = """import type * as slack from '@slack/types'
import type * as bolt from '@slack/bolt'
import type * as api from '@slack/web-api'

const hold = <T,>() => <U extends T>(value: U): U => value
"""
EVENTS = {
    "app_mention": "slack.AppMentionEvent",
    "reaction_added": "slack.ReactionAddedEvent",
    "reaction_removed": "slack.ReactionRemovedEvent",
    "app_home_opened": "slack.AppHomeOpenedEvent",
    "member_joined_channel": "slack.MemberJoinedChannelEvent",
    "member_left_channel": "slack.MemberLeftChannelEvent",
    "tokens_revoked": "slack.TokensRevokedEvent",
    "app_uninstalled": "slack.AppUninstalledEvent",
}
MESSAGES = {
    None: "slack.GenericMessageEvent",
    "file_share": "slack.FileShareMessageEvent",
    "thread_broadcast": "slack.ThreadBroadcastMessageEvent",
    "message_changed": "slack.MessageChangedEvent",
    "message_deleted": "slack.MessageDeletedEvent",
}
INTERACTIONS = {
    "slash_command": "bolt.SlashCommand",
    "message_action": "bolt.MessageShortcut",
    "shortcut": "bolt.GlobalShortcut",
    "block_actions": "bolt.BlockAction",
    "view_submission": "bolt.ViewSubmitAction",
    "view_closed": "bolt.ViewClosedAction",
}


def source_of(sent):
    """TypeScript of all that was sent: (what, JSON) as the server recorded it."""
    lines = [HEAD]
    for what, data in sent:
        if (kind := _type_of(what, data)) is not None:
            lines.append(f"hold<{kind}>()({_literal(data)})")
        elif what.startswith("answer ") and data["ok"]:
            lines.append(f"hold<api.{_response(what[7:])}>()({json.dumps(_answer(data))})")
        lines += [f"hold<slack.KnownBlock[]>()({json.dumps(blocks)})" for blocks in _blocks(data)]
    return "\n".join(dict.fromkeys(lines)) + "\n"


def _type_of(what, data):
    if what in INTERACTIONS:
        return INTERACTIONS[what]
    event = MESSAGES.get(data["event"].get("subtype")) if what == "message" else EVENTS.get(what)
    return f"bolt.EnvelopedEvent<{event}>" if event else None


def _answer(value):
    """An answer without what its type cannot say: null for absent, enumerations, newer blocks.

    Blocks are held to their own types; `type` of a text is an `enum`, of which no JSON ever is.
    """
    if isinstance(value, list):
        return [_answer(each) for each in value]
    if not isinstance(value, dict):
        return value
    is_text = value.keys() == {"type", "text", "emoji"}
    left_out = {"blocks", *(("type",) if is_text else ())}
    return {key: _answer(inner) for key, inner in value.items() if key not in left_out and inner is not None}


def _response(method):
    return "".join(part[0].upper() + part[1:] for part in method.split(".")) + "Response"


def _literal(data):
    """JSON; a message without a subtype says so, since its type wants it said."""
    text = json.dumps(_said(data))
    return text.replace('"__undefined__"', "undefined")


def _said(value):
    if isinstance(value, list):
        return [_said(each) for each in value]
    if not isinstance(value, dict):
        return value
    said = {key: _said(inner) for key, inner in value.items()}
    if said.get("enterprise", "") is None:
        del said["enterprise"]  # the types say absent where Slack says null
    if said.get("type") == "message" and "ts" in said:
        said.setdefault("subtype", "__undefined__")
        around = {key: said[key] for key in ("channel", "channel_type", "event_ts") if key in said}
        for key in ("message", "previous_message", "root"):
            if key in said:  # the types want in it what Slack says around it
                said[key] = around | said[key]
    return said


def _blocks(value):
    """Every list of blocks in it."""
    if isinstance(value, list):
        return [found for each in value for found in _blocks(each)]
    if not isinstance(value, dict):
        return []
    found = [value["blocks"]] if isinstance(value.get("blocks"), list) else []
    return found + [each for key, inner in value.items() if key != "blocks" for each in _blocks(inner)]
