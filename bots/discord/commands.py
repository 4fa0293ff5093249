"""The commands that Discord shows, as its JSON, and whether it knows them already. Pure functions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bots.conversation import PLACE_SETTINGS
from bots.discord.markup import size
from mmrag.text.display import one_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from mmrag.types import Document

Json = dict[str, Any]

ADD_TO_KNOWLEDGE, ASK_ABOUT_THIS = "Add to knowledge base", "Ask about this"
SETTINGS = ("follow-ups", "threads", "forum-posts")  # of those that a place can have
SLOW_VERBS = ("add", "share")  # they read, or copy whole documents
MOST_QUESTION_CHARS, MOST_TEXT_CHARS = 6_000, 6_000  # Discord's own limit of an option
MOST_LINK_CHARS = 2_000
MOST_CHOICES, CHOICE_CHARS = 25, 100

_CHAT, _MESSAGE = 1, 3
_SUBCOMMAND, _STRING, _BOOLEAN, _ATTACHMENT = 1, 3, 5, 11
_IN_GUILDS, _DIRECTLY, _INSTALLED_IN_GUILDS = 0, 1, 0


def commands() -> list[Json]:
    """`/ask`, `/kb` with its subcommands, and two in the menu of a message."""
    return [
        _command(
            _CHAT,
            "ask",
            "Ask your documents; only you see the answer, and you may share it",
            [
                _option(_STRING, "question", "What would you like to know?", required=True)
                | {"max_length": MOST_QUESTION_CHARS},
                *(
                    _option(_ATTACHMENT, name, "A chart, a screenshot or a file")
                    for name in ("image", "image2", "image3")
                ),
            ],
        ),
        _command(_CHAT, "kb", "The knowledge base of this place", list(_subcommands())),
        _command(_MESSAGE, ADD_TO_KNOWLEDGE),
        _command(_MESSAGE, ASK_ABOUT_THIS),
    ]


def _subcommands() -> Iterable[Json]:
    document = _option(_STRING, "document", "Which one? Begin to type its title", required=True)
    document |= {"autocomplete": True}
    yield _verb(
        "add",
        "Add files, a text, or what a link leads to",
        _option(_ATTACHMENT, "file", "What to add"),
        *(_option(_ATTACHMENT, f"file{number}", "One more") for number in range(2, 6)),
        _option(_STRING, "text", "A text to add as a note") | {"max_length": MOST_TEXT_CHARS},
        _option(_STRING, "url", "A link: the page or file behind it is fetched and added")
        | {"max_length": MOST_LINK_CHARS},
    )
    yield _verb("list", "What is in it")
    yield _verb("remove", "Take a document out of it", document)
    yield _verb("share", "Let everyone read what was added in a private place", document)
    yield _verb(
        "forget-channel",
        "Forget all that was added here",
        _option(_BOOLEAN, "confirm", "Documents and answers go for good"),
    )
    yield _verb("settings", "What is set for this place")
    names = [{"name": name, "value": name} for name in SETTINGS]
    values = [
        {"name": value, "value": value} for value in sorted({v for n in SETTINGS for v in PLACE_SETTINGS[n]})
    ]
    yield _verb(
        "set",
        "Change what is set for this place",
        _option(_STRING, "name", "Which setting?", required=True) | {"choices": names},
        _option(_STRING, "value", "on or off", required=True) | {"choices": values},
    )
    yield _verb("help", "What I can do")


def differ(known: Sequence[Json], wanted: Sequence[Json]) -> bool:
    """Whether Discord knows other commands than these; what it adds of its own does not count."""
    named = {(each.get("type", _CHAT), each["name"]): each for each in known}
    return len(named) != len(wanted) or any(
        not _holds(named.get((each["type"], each["name"])), each) for each in wanted
    )


def _holds(known: Any, wanted: Any) -> bool:  # noqa: ANN401 - JSON of any shape
    match wanted:
        case dict():
            return isinstance(known, dict) and all(
                _holds(known.get(key), value) or (not value and not known.get(key))
                for key, value in wanted.items()
            )
        case list():
            return isinstance(known, list) and len(known) == len(wanted) and all(map(_holds, known, wanted))
        case _:
            return bool(known == wanted)


def choices(documents: Iterable[Document], typed: str) -> list[Json]:
    """Documents whose title or id holds what was typed, newest first, as Discord offers them."""
    wanted = typed.casefold()
    found = [
        {"name": _shown(document), "value": document.id}
        for document in documents
        if wanted in document.title.casefold() or document.id.startswith(wanted)
    ]
    return found[:MOST_CHOICES]


def _shown(document: Document) -> str:
    title = one_line(document.title) or document.id
    while size(title) > CHOICE_CHARS:
        title = f"{title[: CHOICE_CHARS - 2].rstrip('…')[:-1]}…"
    return title


def _command(kind: int, name: str, description: str = "", options: list[Json] | None = None) -> Json:
    return {
        "type": kind,
        "name": name,
        "description": description,
        "options": options or [],
        "contexts": [_IN_GUILDS, _DIRECTLY],
        "integration_types": [_INSTALLED_IN_GUILDS],
    }


def _verb(name: str, description: str, *options: Json) -> Json:
    return {"type": _SUBCOMMAND, "name": name, "description": description, "options": list(options)}


def _option(kind: int, name: str, description: str, *, required: bool = False) -> Json:
    return {"type": kind, "name": name, "description": description, "required": required}
