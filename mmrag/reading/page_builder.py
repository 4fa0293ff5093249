"""Collects a page block by block, so that every offset is right by construction.

It knows no format: the readers tell it paragraphs, headings, tables and figures in reading order.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from mmrag.types import Figure, Heading, Page, Table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mmrag.types import CellSource

    Place = tuple[float, float, float, float]  # left, top, right, bottom, as shares of the page

CELL_SEPARATOR = " | "
_BLOCK_SEPARATOR = "\n\n"

# What a terminal, a database or UTF-8 could stumble over, and what nobody sees but every comparison
# does: control characters except tab and line feed, lone surrogates, non-characters, byte order
# marks, soft hyphens, zero-width spaces, marks that turn the direction of writing.
_UNWANTED = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x9f\xad\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069"
    "\ud800-\udfff\ufdd0-\ufdef\ufeff\ufffe\uffff]"
)
_LINE_END = re.compile("\r\n?|[\u2028\u2029\x85\x0b\x0c]")
_FIXED_SPACE = re.compile("[\xa0\u2007\u202f]")
_SPACES = re.compile(r"\s+")


def clean(text: str) -> str:
    """Text with line feeds only and without characters that are not text."""
    return _UNWANTED.sub("", _FIXED_SPACE.sub(" ", _LINE_END.sub("\n", text)))


def one_line(text: str) -> str:
    """Text of a cell or a title: white space collapsed."""
    return _SPACES.sub(" ", clean(text)).strip()


class PageBuilder:
    """A page in the making. Blocks are separated by a blank line."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._length = 0
        self._headings: list[Heading] = []
        self._tables: list[Table] = []
        self._figures: list[Figure] = []

    def paragraph(self, text: str) -> tuple[int, int]:
        """Append a block of text; returns its span."""
        text = clean(text).strip("\n ")
        if not text:
            return self._length, self._length
        if self._length:
            self._append(_BLOCK_SEPARATOR)
        start = self._length
        self._append(text)
        return start, self._length

    def heading(self, title: str, *, level: int) -> None:
        """Append a heading of one line."""
        title = one_line(title)
        start, end = self.paragraph(title)
        if end > start:
            self._headings.append(Heading(offset=start, level=level, title=title))

    def table(self, rows: Sequence[Sequence[str]]) -> None:
        """Append a table, a row a line; short rows are filled up, empty ones left out."""
        if filled := even_rows(rows):
            self.printed_table(filled, "\n".join(map(row_line, filled)))

    def printed_table(self, rows: Sequence[Sequence[str]], text: str) -> None:
        """Append a table whose text, a row a line, is already known."""
        start, end = self.paragraph(text)
        self._tables.append(Table(rows=tuple(map(tuple, rows)), start=start, end=end))

    def lines(self, lines: Sequence[str]) -> None:
        """Append lines that stay as they are, empty ones left out."""
        self.paragraph("\n".join(line for line in map(one_line, lines) if line))

    def mark(self, title: str, *, level: int) -> None:
        """A heading that is not part of the text: what is appended next stands under it."""
        if title := one_line(title):
            offset = self._length + len(_BLOCK_SEPARATOR) if self._length else 0
            self._headings.append(Heading(offset=offset, level=level, title=title))

    @contextmanager
    def figure(
        self, kind: str, *, image: bytes | None, key: str | None = None, box: Place | None = None
    ) -> Iterator[None]:
        """Everything that is appended inside is the figure's text; `box` as `types.Figure` has it."""
        before = self._length
        yield
        start = before + len(_BLOCK_SEPARATOR) if 0 < before < self._length else before
        self._figures.append(Figure(kind=kind, start=start, end=self._length, image=image, key=key, box=box))

    def last_figure_table(
        self,
        rows: Sequence[Sequence[str]],
        span: tuple[int, int],
        *,
        sources: tuple[tuple[CellSource | None, ...], ...] = (),
        chart: str = "",
    ) -> None:
        """Give the figure that was appended last its data table, which stands at `span`."""
        data = Table(rows=tuple(map(tuple, rows)), start=span[0], end=span[1], sources=sources)
        self._figures[-1] = replace(self._figures[-1], table=data, chart=chart)

    def last_figure_reason(self, reason: str) -> None:
        """Say of the figure that was appended last why it has no data table."""
        self._figures[-1] = replace(self._figures[-1], reason=reason)

    def build(self, number: int) -> Page:
        """The page as it stands."""
        return Page(
            number=number,
            text="".join(self._parts),
            headings=tuple(self._headings),
            tables=tuple(self._tables),
            figures=tuple(self._figures),
        )

    def _append(self, text: str) -> None:
        self._parts.append(text)
        self._length += len(text)


def followed_by(first: Page, second: Page) -> Page:
    """One page with the text of both; the second one's headings stand a level below the first one's."""
    if not first.text or not second.text:
        return replace(first if first.text else second, number=first.number)
    shift = len(first.text) + len(_BLOCK_SEPARATOR)

    def moved(table: Table) -> Table:
        return replace(table, start=table.start + shift, end=table.end + shift)

    lowered = (replace(h, offset=h.offset + shift, level=h.level + 1) for h in second.headings)
    figures = (
        replace(f, start=f.start + shift, end=f.end + shift, table=f.table and moved(f.table))
        for f in second.figures
    )
    return Page(
        number=first.number,
        text=f"{first.text}{_BLOCK_SEPARATOR}{second.text}",
        headings=(*first.headings, *lowered),
        tables=(*first.tables, *map(moved, second.tables)),
        figures=(*first.figures, *figures),
    )


def even_rows(rows: Sequence[Sequence[str]]) -> list[list[str]]:
    """Cells as single lines, every row as long as the longest, empty rows left out."""
    cells = [[one_line(cell) for cell in row] for row in rows]
    width = max((len(row) for row in cells), default=0)
    return [row + [""] * (width - len(row)) for row in cells if any(row)]


def row_line(row: Sequence[str]) -> str:
    """A row as it stands in a page's text."""
    return CELL_SEPARATOR.join(row).strip()
