"""Modals and the Home tab, as Slack's JSON. Pure functions."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bots.conversation import MEANING, PLACE_SETTINGS, count
from bots.handlers import HUMAN
from bots.render import fitting
from bots.slack.elements import SECTION_CHARS, actions, button, plain, section
from bots.slack.intake import ADD_VIEW, ASK_VIEW, ASKED, DOWN_VIEW, PLACE_VIEW, SETTINGS_VIEW
from bots.slack.markup import escape_line
from bots.slack.places import ADMINS
from bots.wording import REASONS
from mmrag.text.display import shorten

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mmrag.types import Document

Json = dict[str, Any]

OPEN_SETTINGS, OPEN_PLACE, OPEN_ADD = "open_settings", "open_place_settings", "open_add"
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
    people: Json = {"type": "multi_users_select", "action_id": ADMINS}
    named = current.get(ADMINS, "").split()
    admins = _input(
        "Who else looks after me",
        people | ({"initial_users": named} if named else {}),
        optional=True,
        hint="They may do what admins may: settings, approving corrections, sharing, forgetting. No guests.",
    )
    group = _text_input(HUMAN)
    asked = current.get(HUMAN, "")
    human = _input(
        "Whom to ask where I know no answer (ID of a user group or a person)",
        group | ({"initial_value": asked} if asked else {}),
        optional=True,
        hint="A group's: People & user groups, the group, its menu, Copy group ID. "
        "A person's: their profile, its menu, Copy member ID.",
    )
    return _modal(SETTINGS_VIEW, "Settings", "Save", {}, *inputs, admins, human)


def place_settings_view(channel: str, current: Mapping[str, str]) -> Json:
    """What admins set for one channel."""
    inputs = [
        _input(_sentence(MEANING[name]), _select(name, PLACE_SETTINGS[name], value))
        for name, value in current.items()
    ]
    about = section(f"In <#{channel}>, which I have to be in:")
    return _modal(PLACE_VIEW, "Settings of a channel", "Save", {"channel": channel}, about, *inputs)


@dataclass(frozen=True, slots=True)
class Week:
    """What a workspace asked in a week where everybody can see, what of it was not answered, newest first.

    `wrong`: how often each of the reasons was given for a thumbs down.
    """

    asked: int
    unanswered: tuple[str, ...]
    wrong: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Settings:
    """What is set for a workspace, and {channel: {name: value}} where something is set for one."""

    workspace: Mapping[str, str]
    places: Mapping[str, Mapping[str, str]]


def home_view(
    documents: Sequence[Document], *, everyones: str, week: Week | None, settings: Settings | None
) -> Json:
    """What the bot knows, what was asked and not answered this week, settings for admins.

    `everyones`: the collection of all. `week`, `settings`: None for those who may not see them.
    """
    blocks = [
        _header("What I know"),
        section(fitting([_known(each, everyones) for each in documents[:LISTED]], SECTION_CHARS))
        if documents
        else section("Nothing yet: add documents, or send me a file."),
        *(
            [_note(f"… and {len(documents) - LISTED:,} more: /kb list in a channel shows them.")]
            if len(documents) > LISTED
            else []
        ),
        actions(button("Add documents", OPEN_ADD)),
        *([] if week is None else _week(week)),
        *([] if settings is None else _settings(settings)),
    ]
    return {"type": "home", "blocks": blocks}


def _known(document: Document, everyones: str) -> str:
    title = shorten(document.title, 150) or "untitled"
    return f"• {escape_line(title)}, {count(document.pages, 'page')}" + (
        "" if document.collection == everyones else ", in our own messages only"
    )


def _week(week: Week) -> list[Json]:
    open_questions = [f"• {escape_line(shorten(question, 200))}" for question in week.unanswered]
    reasons = [f"• {label}: {week.wrong[value]:,}" for value, label in REASONS.items() if value in week.wrong]
    return [
        _header("Asked this week"),
        section(f"{count(week.asked, 'question')} in places that everyone can see."),
        section(
            fitting(["*Not answered:*", *open_questions], SECTION_CHARS)
            if open_questions
            else "All of them were answered."
            if week.asked
            else "None so far: mention me in a channel, or write to me here."
        ),
        *([section("*What was wrong with answers:*\n" + "\n".join(reasons))] if reasons else []),
    ]


def _settings(settings: Settings) -> list[Json]:
    """What is set, and what opens the two modals."""
    workspace = settings.workspace
    lines = [f"• {label}: {escape_line(workspace[name])}" for name, (label, _) in WORKSPACE_SETTINGS.items()]
    admins = map(_named, workspace[ADMINS].split())
    lines.append(f"• Who else looks after me: {', '.join(admins) or 'nobody'}")
    lines.append(f"• Whom to ask where I know no answer: {_named(workspace[HUMAN]) or 'nobody'}")
    for channel, values in settings.places.items():
        listed = ", ".join(f"{name} {value}" for name, value in sorted(values.items()))
        lines.append(f"• In <#{channel}>: {escape_line(listed)}")
    choose: Json = {
        "type": "conversations_select",
        "action_id": OPEN_PLACE,
        "placeholder": plain("Settings of a channel …"),
        "filter": {"include": ["public", "private"], "exclude_bot_users": True},
    }
    return [
        _header("Settings"),
        section(fitting(lines, SECTION_CHARS)),
        actions(button("Settings", OPEN_SETTINGS), choose),
    ]


def _named(id_: str) -> str:
    """Shown by name: on somebody's own Home tab it calls nobody."""
    if not ASKED.fullmatch(id_):
        return escape_line(id_)
    return f"<!subteam^{id_}>" if id_.startswith("S") else f"<@{id_}>"


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


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


def _input(label: str, element: Json, *, optional: bool = False, hint: str = "") -> Json:
    """A field, called as its element is."""
    return ({"hint": plain(hint)} if hint else {}) | {
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
