"""Neutral blocks written as Markdown; a platform's dialect says how it is escaped and what a link is.

Whatever a model or a document wrote is escaped: the only links are those of cited sources, made by a dialect.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from bots.markup import Code, Grid, Listing, Paragraph, Quotation, Words, unlinked
from bots.render import Marker
from mmrag.text.display import neutralise

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bots.markup import Block, Inline

    Rows = Sequence[Sequence[Sequence[Inline]]]

_SIGNS = re.compile(r"([\\`*_~\[\]|])")
_IN_URL = str.maketrans({sign: f"%{ord(sign):02X}" for sign in '<>|() "\\`*_~[]'})


def in_address(url: str) -> str:
    """An address in which no sign of Markdown is left."""
    return url.translate(_IN_URL)


class Markdown(ABC):
    """A dialect. What differs between platforms is in its methods and in these constants."""

    italic = "_"
    line_start: re.Pattern[str]  # group 2: what at the start of a line would make more of it than text

    def write(self, blocks: Sequence[Block], links: Mapping[int, str | None]) -> str:
        """Blocks as the platform's Markdown; `links` are those of the markers."""
        return "\n\n".join(filter(None, (self._block(block, links) for block in blocks)))

    @abstractmethod
    def safe(self, text: str) -> str:
        """Text in which neither mention nor entity acts; signs of Markdown are escaped elsewhere."""

    @abstractmethod
    def marker(self, number: int, link: str | None) -> str:
        """A reference to a cited source."""

    @abstractmethod
    def table(self, rows: Rows, links: Mapping[int, str | None]) -> str: ...

    def escape(self, text: str) -> str:
        """Foreign text: it neither acts nor hides, and no address in it becomes a link."""
        return self.brackets(_SIGNS.sub(r"\\\1", self.safe(unlinked(neutralise(text)))))

    def brackets(self, text: str) -> str:
        """Escaped text, with what acts beyond Markdown's own signs escaped as well."""
        return text

    def in_code(self, text: str) -> str:
        """Foreign text between backticks."""
        return self.safe(unlinked(neutralise(text)))

    def quotation(self, blocks: Sequence[Block], links: Mapping[int, str | None]) -> str:
        return "\n".join(f"> {line}".rstrip() for line in self.write(blocks, links).split("\n"))

    def fenced(self, text: str) -> str:
        """Lines that are shown as they are; nothing in them ends the fence."""
        return "```\n" + self.in_code(text).replace("```", "ˋˋˋ") + "\n```"

    def inline(self, spans: Sequence[Inline], links: Mapping[int, str | None]) -> str:
        """Running text."""
        text = ""
        for span in spans:
            if isinstance(span, Marker):
                # "!" before a link would make a picture of it.
                text = text[:-1] + "\\!" if text.endswith("!") else text
                text += self.marker(span.number, links.get(span.number))
            else:
                words = self._words(span)
                # Two spans of code beside each other would be one.
                text += f" {words}" if text.endswith("`") and words.startswith("`") else words
        return text

    def _block(self, block: Block, links: Mapping[int, str | None]) -> str:
        match block:
            case Paragraph(spans, leads):
                text = self._line_starts(self.inline(spans, links))
                return f"**{text}**" if leads and _is_plain(spans) else text
            case Code(text):
                return self.fenced(text)
            case Listing(items, first):
                return "\n".join(
                    self._item(items[number], "- " if first is None else f"{first + number}. ", links)
                    for number in range(len(items))
                )
            case Quotation(inner):
                return self.quotation(inner, links)
            case Grid(rows):
                return self.table(rows, links)

    def _item(self, blocks: Sequence[Block], bullet: str, links: Mapping[int, str | None]) -> str:
        lines = "\n".join(self._block(block, links) for block in blocks).split("\n")
        indent = " " * len(bullet)
        return "\n".join([bullet + lines[0], *(indent + line if line else "" for line in lines[1:])])

    def _words(self, words: Words) -> str:
        if "code" in words.looks:
            return self._code_span(words.text)
        text = self.escape(words.text)
        # Emphasis does not work around white space: it stays outside.
        inner = text.strip()
        if not inner or not words.looks:
            return text
        before, _, after = text.partition(inner)
        for look, sign in (("strike", "~~"), ("italic", self.italic), ("bold", "**")):
            if look in words.looks:
                inner = f"{sign}{inner}{sign}"
        return before + inner + after

    def _code_span(self, text: str) -> str:
        text = self.in_code(text).replace("\n", " ").replace("`", "ˋ").strip()
        return f"`{text}`" if text else ""

    def _line_starts(self, text: str) -> str:
        """A paragraph whose lines begin like a heading, a list or a rule stays a paragraph."""
        return self.line_start.sub(lambda match: match[1] + _escaped_start(match[2]), text)


def _escaped_start(sign: str) -> str:
    return sign + "\\" if sign[0].isdigit() else "\\" + sign


def _is_plain(spans: Sequence[Inline]) -> bool:
    return all(isinstance(span, Words) and not span.looks and "\n" not in span.text for span in spans)
