"""The text layer of a PDF's page as lines of cells.

PDFium keeps text in the order it was drawn, which keeps columns of prose apart. A line is cut into
cells where a gap is wide, so that a table's row stays on one line.
"""

from __future__ import annotations

import ctypes
import re
import sys
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from mmrag.reading import layout
from mmrag.reading.page_builder import one_line
from mmrag.reading.pdfium import pdfium

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    Box = tuple[float, float, float, float]  # left, top, right, bottom; growing downwards

_CELL_GAP = 1.2  # a gap this many times the size of the type separates two cells
_BROKEN_WORD = re.compile("\ufffe$")
_BOLD = re.compile(rb"bold|black|heavy", re.IGNORECASE)
_MAX_FONT_NAME = 128  # bytes
_CURRENCIES = frozenset("$€£¥₹")
_TRAILERS = frozenset({"%", ")", ")%", ") %", "%)"})


class TextLayer:
    """Lines of a page's text layer, with their boxes as they are seen (the page's rotation applied)."""

    def __init__(self, page: Any) -> None:  # noqa: ANN401 - pypdfium2 ships no types
        self._raw = pdfium().raw
        self._rotation = page.get_rotation()
        self._text_page = page.get_textpage()
        self._text = self._characters()

    def close(self) -> None:
        self._text_page.close()

    def lines(self) -> Iterator[layout.Line]:
        """Lines in the order they were drawn; those that continue a row are joined to it."""
        row: layout.Line | None = None
        for line in self._drawn_lines():
            if row is not None and _continues_row(row, line):
                row = replace(row, cells=row.cells + line.cells)
                continue
            if row is not None:
                yield row
            row = line
        if row is not None:
            yield row

    def _characters(self) -> str:
        """The page's text with exactly one character for each of PDFium's indices."""
        count = max(0, self._raw.FPDFText_CountChars(self._text_page))
        text: str = self._text_page.get_text_range() if count else ""
        if len(text) != count:  # characters outside the basic plane, or left out by PDFium
            codes = (self._raw.FPDFText_GetUnicode(self._text_page, index) for index in range(count))
            text = "".join(chr(code) if 0 < code <= sys.maxunicode else " " for code in codes)
        return text.replace("\r", " ")

    def _drawn_lines(self) -> Iterator[layout.Line]:
        start = 0
        for end in self._line_ends():
            if self._text[start:end].strip() and (line := self._line(start, end)):
                yield line
            start = end

    def _line_ends(self) -> Iterator[int]:
        """Where lines end: at line feeds, and where PDFium left one out, after a space or a hyphen.

        It often turns a hyphen at a line's end into U+FFFE.
        """
        start = 0
        for end in (*(match.end() for match in re.finditer("\n", self._text)), len(self._text)):
            rects = self._rects(start, end)
            if any(_goes_back(before, after) for before, after in pairwise(rects)):
                yield from self._hidden_line_ends(start, end)
            yield end
            start = end

    def _hidden_line_ends(self, start: int, end: int) -> Iterator[int]:
        for match in re.finditer("\\S(?:\\s+|[-\u2010\ufffe])(?=\\S)", self._text[start:end]):
            if _goes_back(self._box(start + match.start()), self._box(start + match.end())):
                yield start + match.end()

    def _line(self, start: int, end: int) -> layout.Line | None:
        """Characters `start:end` as a line of cells."""
        first = next(index for index in range(start, end) if not self._text[index].isspace())
        top, bottom = self._loose_extent(first)
        size = bottom - top
        cells = []
        for cell_start, cell_end in self._cell_spans(start, end, size):
            content = one_line(_BROKEN_WORD.sub("-", self._text[cell_start:cell_end]))
            rects = self._rects(cell_start, cell_end)
            if content and rects:
                left, right = min(rect[0] for rect in rects), max(rect[2] for rect in rects)
                cells.append(layout.Cell(content, left, top, right, bottom))
        if not cells:
            return None
        return layout.Line(cells=tuple(_with_symbols_attached(cells)), size=size, bold=self._is_bold(first))

    def _cell_spans(self, start: int, end: int, size: float) -> list[tuple[int, int]]:
        """The line cut where a gap is wide. A line without a gap between its rectangles is one cell."""
        rects = self._rects(start, end)
        if all(b[0] - a[2] <= _CELL_GAP * size for a, b in pairwise(rects)):
            return [(start, end)]
        spans = []
        for space in re.finditer(r"\s+", self._text[start:end]):
            before, after = start + space.start() - 1, start + space.end()
            if before < start or after >= end:
                continue
            if self._box(after)[0] - self._box(before)[2] > _CELL_GAP * size:
                spans.append((before + 1, after))
        starts = [start, *(after for _, after in spans)]
        ends = [*(before for before, _ in spans), end]
        return list(zip(starts, ends, strict=True))

    def _is_bold(self, index: int) -> bool:
        name = ctypes.create_string_buffer(_MAX_FONT_NAME)
        self._raw.FPDFText_GetFontInfo(self._text_page, index, name, _MAX_FONT_NAME, None)
        return _BOLD.search(name.value) is not None

    def _rects(self, start: int, end: int) -> list[Box]:
        """PDFium's rectangles around runs of characters."""
        count = self._raw.FPDFText_CountRects(self._text_page, start, end - start)
        left, top, right, bottom = (ctypes.c_double() for _ in range(4))
        return [
            self._seen((left.value, bottom.value, right.value, top.value))
            for index in range(max(0, count))
            if self._raw.FPDFText_GetRect(self._text_page, index, left, top, right, bottom)
        ]

    def _box(self, index: int) -> Box:
        """The tight box of a character."""
        left, right, bottom, top = (ctypes.c_double() for _ in range(4))
        self._raw.FPDFText_GetCharBox(self._text_page, index, left, right, bottom, top)
        return self._seen((left.value, bottom.value, right.value, top.value))

    def _loose_extent(self, index: int) -> tuple[float, float]:
        """Top and bottom of a character's font, the same for every letter of a line."""
        rect = self._raw.FS_RECTF()
        self._raw.FPDFText_GetLooseCharBox(self._text_page, index, rect)
        _, top, _, bottom = self._seen((rect.left, rect.bottom, rect.right, rect.top))
        return top, max(bottom, top + 1)  # a type without height would make every gap wide

    def _seen(self, box: Box) -> Box:
        return as_seen(box, self._rotation)


def as_seen(box: Box, rotation: int) -> Box:
    """PDF's (left, bottom, right, top) as (left, top, right, bottom) on the turned page, growing downwards.

    Only differences are used anywhere, so the page's size does not enter.
    """
    left, bottom, right, top = box
    match rotation:
        case 90:
            return bottom, left, top, right
        case 180:
            return -right, bottom, -left, top
        case 270:
            return -top, -right, -bottom, -left
        case _:
            return left, -top, right, -bottom


def _goes_back(before: Box, after: Box) -> bool:
    """Whether what is drawn next begins further left than this ends, and lower: on the next line."""
    return after[0] < before[2] and after[1] > (before[1] + before[3]) / 2


def _continues_row(row: layout.Line, line: layout.Line) -> bool:
    """Whether the next drawn line stands right of this one on the same baseline."""
    shared = min(row.bottom, line.bottom) - max(row.top, line.top)
    return shared > 0.5 * min(row.size, line.size) and line.left > row.right - 0.2 * row.size


def _with_symbols_attached(cells: Sequence[layout.Cell]) -> list[layout.Cell]:
    """Filings set currency and percent signs as columns of their own: they belong to their number."""
    joined: list[layout.Cell] = []
    currency = ""  # a sign that waits for its number
    for cell in cells:
        text = f"{currency} {cell.text}" if currency else cell.text
        text, currency = _without_trailing_currency(text)
        if joined and text in _TRAILERS:
            joined[-1] = replace(joined[-1], text=f"{joined[-1].text}{text}", right=cell.right)
        elif text:
            joined.append(replace(cell, text=text))
    if currency and joined:
        joined[-1] = replace(joined[-1], text=f"{joined[-1].text} {currency}")
    return joined or list(cells)


def _without_trailing_currency(text: str) -> tuple[str, str]:
    """`$ 1 $` is a number and the sign of the next cell."""
    if text in _CURRENCIES:
        return "", text
    if text[-1:] in _CURRENCIES and text[-2:-1] == " ":
        return text[:-2].rstrip(), text[-1]
    return text, ""
