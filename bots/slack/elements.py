"""The pieces that messages, modals and the Home tab are built of, as Slack's JSON."""

from __future__ import annotations

from typing import Any

from mmrag.text.display import shorten

Json = dict[str, Any]

SECTION_CHARS = 2_900


def plain(text: str) -> Json:
    """A text in which nothing acts."""
    return {"type": "plain_text", "text": text}


def section(text: str) -> Json:
    """A paragraph of mrkdwn, no longer than Slack takes."""
    return {
        "type": "section",
        "text": {"type": "mrkdwn", "text": shorten(text, SECTION_CHARS), "verbatim": True},
    }


def actions(*elements: Json) -> Json:
    """Buttons in a row."""
    return {"type": "actions", "elements": list(elements)}


def button(label: str, action: str, value: str | None = None, *, style: str | None = None) -> Json:
    """A button; a click tells its action and value."""
    given = {"type": "button", "text": plain(label), "action_id": action}
    return given | {key: text for key, text in (("value", value), ("style", style)) if text is not None}
