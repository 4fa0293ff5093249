"""Neutral text as Slack's two markups: standard Markdown (streams, markdown blocks) and mrkdwn.

What did not come from us is escaped in both: `&`, `<` and `>` would begin mentions and links, Markdown's
signs would build links, and bare addresses are taken apart, since no field that streams or edits can
forbid Slack to make links of them. The only links are those of cited sources, made here.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from bots.markup import Code, Grid, Listing, Paragraph, Quotation, Words, unlinked
from bots.render import Marker
from mmrag.text.display import neutralise, one_line

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bots.markup import Block, Inline


_SIGNS = re.compile(r"([\\`*_~\[\]|])")
_LINE_START = re.compile(r"(?m)^(\s*)(#{1,6}(?=\s)|[-+](?=\s)|=+\s*$|-+\s*$|\d{1,9}(?=[.)]\s))")
_IN_URL = str.maketrans(
    {
        "<": "%3C",
        ">": "%3E",
        "|": "%7C",
        "(": "%28",
        ")": "%29",
        " ": "%20",
        '"': "%22",
        "\\": "%5C",
        "`": "%60",
        "*": "%2A",
        "_": "%5F",
        "~": "%7E",
        "[": "%5B",
        "]": "%5D",
    }
)


def escape(text: str) -> str:
    """Foreign text for mrkdwn: it neither acts nor hides, and no address in it becomes a link."""
    return _entities(unlinked(neutralise(text)))


def escape_line(text: str) -> str:
    """As `escape`, on one line."""
    return escape(one_line(text))


def mrkdwn_link(url: str, label: str) -> str:
    """A link that we make, with a foreign label."""
    return f"<{_in_mrkdwn(url)}|{escape_line(label).replace('|', '¦')}>"


def _in_mrkdwn(url: str) -> str:
    return url.replace("&", "&amp;").replace("<", "%3C").replace(">", "%3E").replace("|", "%7C")


def _entities(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


# --------------------------------------------------------------- standard Markdown


def to_markdown(blocks: Sequence[Block], links: Mapping[int, str | None]) -> str:
    """Blocks as the Markdown that Slack reads; `links` are those of the markers."""
    return "\n\n".join(_block(block, links) for block in blocks)


def _block(block: Block, links: Mapping[int, str | None]) -> str:
    match block:
        case Paragraph(spans, leads):
            text = _line_starts(_inline(spans, links))
            return f"**{text}**" if leads and _is_plain(spans) else text
        case Code(text):
            return _fenced(text)
        case Listing(items, first):
            return "\n".join(
                _item(items[number], "- " if first is None else f"{first + number}. ", links)
                for number in range(len(items))
            )
        case Quotation(inner):
            return "\n".join(f"> {line}".rstrip() for line in to_markdown(inner, links).split("\n"))
        case Grid(rows):
            return _table(rows, links)


def _item(blocks: Sequence[Block], bullet: str, links: Mapping[int, str | None]) -> str:
    lines = "\n".join(_block(block, links) for block in blocks).split("\n")
    indent = " " * len(bullet)
    return "\n".join([bullet + lines[0], *(indent + line if line else "" for line in lines[1:])])


def _table(rows: Sequence[Sequence[Sequence[Inline]]], links: Mapping[int, str | None]) -> str:
    lines = [
        "| " + " | ".join(_inline(cell, links).replace("\n", " ") for cell in row) + " |" for row in rows
    ]
    return "\n".join([lines[0], "|" + " --- |" * len(rows[0]), *lines[1:]])


def _inline(spans: Sequence[Inline], links: Mapping[int, str | None]) -> str:
    text = ""
    for span in spans:
        if isinstance(span, Marker):
            # "!" before a link would make a picture of it.
            text = text[:-1] + "\\!" if text.endswith("!") else text
            text += _marker(span.number, links.get(span.number))
        else:
            text += _words(span)
    return text


def _marker(number: int, link: str | None) -> str:
    return f"[\\[{number}\\]]({link.translate(_IN_URL)})" if link else f"\\[{number}\\]"


def _words(words: Words) -> str:
    if "code" in words.looks:
        return _code_span(words.text)
    text = _SIGNS.sub(r"\\\1", _entities(unlinked(neutralise(words.text))))
    # Emphasis does not work around white space: it stays outside.
    inner = text.strip()
    if not inner or not words.looks:
        return text
    before, _, after = text.partition(inner)
    for look, sign in (("strike", "~~"), ("italic", "_"), ("bold", "**")):
        if look in words.looks:
            inner = f"{sign}{inner}{sign}"
    return before + inner + after


def _code_span(text: str) -> str:
    text = _entities(unlinked(neutralise(text))).replace("\n", " ").replace("`", "ˋ").strip()
    return f"`{text}`" if text else ""


def _fenced(text: str) -> str:
    return "```\n" + _entities(unlinked(neutralise(text))).replace("```", "ˋˋˋ") + "\n```"


def _line_starts(text: str) -> str:
    """A paragraph whose lines begin like a heading, a list or a rule stays a paragraph."""
    return _LINE_START.sub(lambda match: match[1] + _escaped_start(match[2]), text)


def _escaped_start(sign: str) -> str:
    return sign + "\\" if sign[0].isdigit() else "\\" + sign


def _is_plain(spans: Sequence[Inline]) -> bool:
    return all(isinstance(span, Words) and not span.looks and "\n" not in span.text for span in spans)


# -------------------------------------------------------------------------- mrkdwn


def to_mrkdwn(blocks: Sequence[Block]) -> str:
    """Blocks as mrkdwn without any link: what notifications and old clients show."""
    return "\n\n".join(filter(None, map(_mrkdwn_block, blocks)))


def _mrkdwn_block(block: Block) -> str:
    match block:
        case Paragraph(spans):
            return _plain(spans)
        case Code(text):
            return f"```\n{escape(text).replace('```', 'ˋˋˋ')}\n```"
        case Listing(items, first):
            return "\n".join(
                ("• " if first is None else f"{first + number}. ") + "\n".join(map(_mrkdwn_block, item))
                for number, item in enumerate(items)
            )
        case Quotation(inner):
            return "\n".join(f"> {line}" for line in to_mrkdwn(inner).split("\n"))
        case Grid(rows):
            return "\n".join(" · ".join(_plain(cell) for cell in row) for row in rows)


def _plain(spans: Sequence[Inline]) -> str:
    # Escaped as a whole: two spans could make an address together.
    return escape("".join(f"[{span.number}]" if isinstance(span, Marker) else span.text for span in spans))
