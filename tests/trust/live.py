"""What would act in something that is sent to Slack: an oracle that shares no code with what writes it.

mrkdwn acts by `<...>`; Markdown by links, pictures and autolinks; an address with `://` or `www.` is made a
link wherever it stands. Found are those that nobody allowed.
"""

from __future__ import annotations

import re

from markdown_it import MarkdownIt

IN_BRACKETS = re.compile(r"<([^<>\n]*)>")
ADDRESS = re.compile(
    r"[a-z][a-z0-9+.-]*://|www\.\w|(?:mailto|javascript):|\b(?:tel|data):[\w+]", re.IGNORECASE
)
ACTING = re.compile(r"[\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\x00-\x08\x0b-\x1f\x7f]")
MARKDOWN = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])


def faults(sent, *, links, mentions=frozenset()):
    """What acts in the JSON of a message, beyond these links and mentions."""
    return [fault for kind, text in _texts(sent) for fault in _in(kind, text, links, mentions)]


def _texts(value, kind="mrkdwn"):
    """(markup, text) of every text that Slack draws."""
    match value:
        case {"type": "plain_text", "text": str(text)}:
            yield "plain", text
        case {"type": "markdown", "text": str(text)}:
            yield "markdown", text
        case dict():
            for key, inner in value.items():
                if key in ("text", "alt_text", "title", "label", "fallback") and isinstance(inner, str):
                    yield kind, inner
                elif key == "markdown_text":
                    yield "markdown", inner
                elif key not in ("type", "value", "action_id", "private_metadata", "metadata", "slack_file"):
                    yield from _texts(inner, kind)
        case list() | tuple():
            for inner in value:
                yield from _texts(inner, kind)
        case _:
            return


def _in(kind, text, links, mentions):
    if ACTING.search(text):
        yield f"{kind}: a character that hides: {text[:80]!r}"
    match kind:
        case "markdown":
            yield from _in_markdown(text, links)
        case "mrkdwn":
            yield from _in_mrkdwn(text, links, mentions)


def _in_mrkdwn(text, links, mentions):
    for inside in IN_BRACKETS.findall(text):
        target = inside.split("|")[0].replace("&amp;", "&")
        if target not in mentions and target not in links:
            yield f"mrkdwn: <{inside[:80]}>"
    if ADDRESS.search(IN_BRACKETS.sub("", text)):
        yield f"mrkdwn: an address in {text[:120]!r}"


def _in_markdown(text, links):
    if "<" in text:
        yield f"markdown: a bracket in {text[:120]!r}"
    rest = []
    for token in MARKDOWN.parse(text):
        if token.type in ("fence", "code_block", "html_block"):
            rest.append(token.content)
        for child in token.children or ():
            if child.type == "link_open" and child.attrs["href"] not in links:
                yield f"markdown: a link to {child.attrs['href'][:80]!r}"
            elif child.type == "image":
                yield f"markdown: a picture of {child.attrs['src'][:80]!r}"
            rest.append(child.content)
    without = re.sub(r"\]\(([^()\s]*)\)", lambda match: "" if match[1] in links else match[0], text)
    if ADDRESS.search(without) or any(map(ADDRESS.search, rest)):
        yield f"markdown: an address in {text[:120]!r}"
