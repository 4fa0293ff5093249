r"""Markdown as Discord reads it. Pure functions.

Discord acts on `<@1>`, `<@&1>`, `<#1>`, `<id:...>`, `</command:1>`, `<t:1>`, `<:emoji:1>`, on `@everyone` and
`@here`, on addresses with a scheme and on `[text](address)`. Backslashes count in text (`\<`), but neither in
code nor for whoever looks for mentions in the raw text: there the sign itself is replaced by one that looks
like it. Who is pinged is said beside every message, too: nobody.
"""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

from bots.markdown import Markdown, in_address
from bots.markup import Words
from mmrag.text.display import one_line

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bots.markdown import Rows
    from bots.markup import Block, Inline

_EVERYONE = re.compile(r"@(?=everyone|here)", re.IGNORECASE)
_IN_ANGLES = re.compile(r"<(?=[@#/:!]|[at]:|id:|sound:|https?:|\+\d|[\w.+-]+@)", re.IGNORECASE)
_ESCAPED = re.compile(r"\\([^A-Za-z0-9\s])")
_MARKER_LINK = re.compile(r"\[\[(\d{1,4})\]\(<[^<>\s]*>\)\]")
_NO_BRACKETS = str.maketrans("[]", "()")
FULL_WIDTH_AT, SINGLE_ANGLE = "＠", "‹"


class DiscordMarkdown(Markdown):
    """Discord's dialect: no tables, no nested quotations."""

    italic = "*"
    line_start = re.compile(r"(?m)^(\s*)(#{1,3}(?=\s)|-#(?=\s)|>|[-+](?=\s)|\d{1,9}(?=[.)]\s))")

    def safe(self, text: str) -> str:
        return _IN_ANGLES.sub(SINGLE_ANGLE, _EVERYONE.sub(FULL_WIDTH_AT, text))

    def brackets(self, text: str) -> str:
        return text.replace("<", "\\<")

    def marker(self, number: int, link: str | None) -> str:
        return f"\\[[{number}](<{in_address(link)}>)\\]" if link else f"\\[{number}\\]"

    def table(self, rows: Rows, links: Mapping[int, str | None]) -> str:
        """Columns in a block of code, which shows characters at equal widths; links have no place there."""
        del links
        cells = [[_cell(cell) for cell in row] for row in rows]
        columns = max(map(len, cells))
        filled = [row + [""] * (columns - len(row)) for row in cells]
        widths = [max(_width(row[column]) for row in filled) for column in range(columns)]
        lines = [
            "  ".join(
                cell + " " * (width - _width(cell)) for cell, width in zip(row, widths, strict=True)
            ).rstrip()
            for row in filled
        ]
        rule = "  ".join("-" * width for width in widths)
        return self.fenced("\n".join([lines[0], rule, *lines[1:]]))

    def quotation(self, blocks: Sequence[Block], links: Mapping[int, str | None]) -> str:
        """One level only: what is quoted within shows as one."""
        lines = self.write(blocks, links).split("\n")
        return "\n".join(
            line if line.startswith(("> ", ">")) and line != ">" else f"> {line}" for line in lines
        )


MARKDOWN = DiscordMarkdown()


def escape(text: str) -> str:
    """Foreign text for a message: it neither acts nor hides."""
    lines = MARKDOWN.escape(text)
    return MARKDOWN.line_start.sub(lambda match: f"{match[1]}\\{match[2]}", lines)


def escape_line(text: str) -> str:
    """As `escape`, on one line."""
    return escape(one_line(text))


def link(url: str, label: str) -> str:
    """A link that we make, with a foreign label: brackets in one, escaped or not, would end it."""
    named = escape_line(label).translate(_NO_BRACKETS)
    return f"[{named}](<{in_address(url)}>)"


def plain_words(text: str) -> str:
    """What we wrote, as it reads."""
    return _MARKER_LINK.sub(r"[\1]", _ESCAPED.sub(r"\1", text)).strip()


def size(text: str) -> int:
    """The length that Discord's limits count, at most: in UTF-16, where an emoji is two."""
    return len(text) + sum(character > "\uffff" for character in text)


def _cell(spans: Sequence[Inline]) -> str:
    text = "".join(span.text if isinstance(span, Words) else f"[{span.number}]" for span in spans)
    return one_line(text.replace("`", "ˋ"))


def _width(text: str) -> int:
    """Columns that a text takes: East Asian characters are two wide."""
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)
