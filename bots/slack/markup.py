"""Neutral text as Slack's two markups: standard Markdown (streams, markdown blocks) and mrkdwn.

What did not come from us is escaped in both: `&`, `<` and `>` would begin mentions and links, Markdown's
signs would build links, and bare addresses are taken apart, since no field that streams or edits can
forbid Slack to make links of them. The only links are those of cited sources, made here.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from bots.markdown import Markdown, in_address
from bots.markup import Code, Grid, Listing, Paragraph, Quotation, unlinked
from bots.render import Marker
from mmrag.text.display import neutralise, one_line

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bots.markdown import Rows
    from bots.markup import Block, Inline


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


class SlackMarkdown(Markdown):
    """The Markdown that Slack's markdown blocks and streams read: the standard's, with Slack's entities."""

    line_start = re.compile(r"(?m)^(\s*)(#{1,6}(?=\s)|[-+](?=\s)|=+\s*$|-+\s*$|\d{1,9}(?=[.)]\s))")

    def safe(self, text: str) -> str:
        return _entities(text)

    def marker(self, number: int, link: str | None) -> str:
        return f"[\\[{number}\\]]({in_address(link)})" if link else f"\\[{number}\\]"

    def table(self, rows: Rows, links: Mapping[int, str | None]) -> str:
        lines = [
            "| " + " | ".join(self.inline(cell, links).replace("\n", " ") for cell in row) + " |"
            for row in rows
        ]
        return "\n".join([lines[0], "|" + " --- |" * len(rows[0]), *lines[1:]])


MARKDOWN = SlackMarkdown()


def to_markdown(blocks: Sequence[Block], links: Mapping[int, str | None]) -> str:
    """Blocks as the Markdown that Slack reads; `links` are those of the markers."""
    return MARKDOWN.write(blocks, links)


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
