"""Modals and the Home tab, as Slack's JSON. Pure functions."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from bots.handlers import HUMAN
from bots.slack.elements import actions, button, plain, section
from bots.slack.intake import ADD_VIEW, ASK_VIEW, DOWN_VIEW, SETTINGS_VIEW
from bots.slack.markup import escape_line
from bots.wording import REASONS
from mmrag.text.display import shorten

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mmrag.types import Document

Json = dict[str, Any]

OPEN_SETTINGS, OPEN_ADD = "open_settings", "open_add"
WORKSPACE_SETTINGS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "adders": ("Who may add and remove documents", ("everyone", "admins")),
    "follow-ups": ("Answer follow-ups in a thread without a mention", ("on", "off")),
}
LISTED = 10


def add_view(place: Mapping[str, Any]) -> Json:
    """Add documents: files, or a text."""
    files: Json = {"type": "file_input", "action_id": "files", "max_files": 10}
    return _modal(
        ADD_VIEW,
        "Add documents",
        "Add",
        place,
        _input("Files (up to 10, 10 MB each)", files, optional=True),
        _input("Or a text, or links", _text_input("text", lines=True), optional=True),
        _note("What you add here can be read by everyone who can read the place you came from."),
    )


def ask_view(place: Mapping[str, Any]) -> Json:
    """Ask about a message."""
    return _modal(
        ASK_VIEW,
        "Ask about this",
        "Ask",
        place,
        _input("Your question", _text_input("text", lines=True)),
    )


def down_view(place: Mapping[str, Any]) -> Json:
    """What is wrong with an answer, and what would be right."""
    options = [{"text": plain(label), "value": value} for value, label in REASONS.items()]
    reasons: Json = {"type": "checkboxes", "action_id": "reasons", "options": options}
    return _modal(
        DOWN_VIEW,
        "What is wrong?",
        "Send",
        place,
        _input("What is wrong with it?", reasons, optional=True),
        _input("What would be right?", _text_input("correction", lines=True), optional=True),
        _note("Your thumbs down is noted already. A correction becomes a source once it is approved."),
    )


def settings_view(current: Mapping[str, str]) -> Json:
    """What admins set for the workspace."""
    inputs = [
        _input(label, _select(name, choices, current.get(name, choices[0])))
        for name, (label, choices) in WORKSPACE_SETTINGS.items()
    ]
    group = _text_input(HUMAN) | {"initial_value": current.get(HUMAN, "")}
    if not group["initial_value"]:
        del group["initial_value"]
    human = _input("User group or person to ask where I know no answer (its ID)", group, optional=True)
    return _modal(SETTINGS_VIEW, "Settings", "Save", {}, *inputs, human)


def home_view(
    documents: Sequence[Document],
    *,
    asked: int,
    unanswered: Sequence[str],
    wrong: Mapping[str, int],
    admin: bool,
) -> Json:
    """What the bot knows, what was asked and not answered this week, settings for admins.

    `wrong`: how often each of the reasons was given for a thumbs down.
    """
    known = [f"• {escape_line(shorten(document.title, 150))}" for document in documents[:LISTED]]
    if len(documents) > LISTED:
        known.append(f"… and {len(documents) - LISTED:,} more")
    open_questions = [f"• {escape_line(shorten(question, 200))}" for question in unanswered]
    reasons = [f"• {label}: {wrong[value]:,}" for value, label in REASONS.items() if value in wrong]
    buttons = [button("Add documents", OPEN_ADD), *([button("Settings", OPEN_SETTINGS)] if admin else [])]
    blocks = [
        _header("What I know"),
        section("\n".join(known) or "Nothing yet: add documents, or send me a file."),
        actions(*buttons),
        _header("Asked this week"),
        section(f"{asked:,} questions in places that everyone can see."),
        section(
            "*Not answered:*\n" + "\n".join(open_questions)
            if open_questions
            else "All of them were answered."
            if asked
            else "None so far: mention me in a channel, or write to me here."
        ),
        *([section("*What was wrong with answers:*\n" + "\n".join(reasons))] if reasons else []),
    ]
    return {"type": "home", "blocks": blocks}


def _modal(callback: str, title: str, submit: str, place: Mapping[str, Any], *blocks: Json) -> Json:
    return {
        "type": "modal",
        "callback_id": callback,
        "title": plain(title),
        "submit": plain(submit),
        "close": plain("Cancel"),
        "private_metadata": json.dumps(dict(place)),
        "blocks": list(blocks),
    }


def _input(label: str, element: Json, *, optional: bool = False) -> Json:
    """A field, called as its element is."""
    return {
        "type": "input",
        "block_id": element["action_id"],
        "label": plain(label),
        "element": element,
        "optional": optional,
    }


def _text_input(action: str, *, lines: bool = False) -> Json:
    return {"type": "plain_text_input", "action_id": action, "multiline": lines}


def _select(action: str, choices: Sequence[str], chosen: str) -> Json:
    options = {choice: {"text": plain(choice), "value": choice} for choice in choices}
    return {
        "type": "static_select",
        "action_id": action,
        "options": list(options.values()),
        "initial_option": options.get(chosen, options[choices[0]]),
    }


def _header(text: str) -> Json:
    return {"type": "header", "text": plain(text)}


def _note(text: str) -> Json:
    return {"type": "context", "elements": [plain(text)]}
