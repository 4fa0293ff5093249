"""Lines with a place on a page become paragraphs, headings and tables.

Shared by text PDFs and scans. It knows geometry and the shape of text, neither PDF nor OCR.
Coordinates grow to the right and downwards, in any unit.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING

from mmrag.reading.page_builder import CELL_SEPARATOR
from mmrag.text.words import is_han

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mmrag.reading.page_builder import PageBuilder

HEADING_RATIO = 1.15  # a line set this much larger than the body is a heading
_MAX_HEADING = 150  # characters: a longer large line is an introduction
_PROSE = 40  # columns: narrower lines are addresses, receipts and labels, and were broken on purpose
_MAX_LEADING = 2.0  # sizes of type: a larger gap between lines is no line spacing
_HEADING_LEADING = 0.6  # sizes of type: lines of one heading stand closer than this
_MORE_LEADING = 0.4  # sizes of type: so much more than usual separates paragraphs
_SENTENCE_END = re.compile(r"[.,;!。；，！]$")
_LIST_ITEM = re.compile(r"\s*(?:[-*•·▪◦‣–—]|\(?\d{1,3}[.)]|\(?[a-zA-Z][.)])\s")
_WORD_BROKEN = re.compile(r"([^\W\d_]+)-$")
_WORD_BEGIN = re.compile(r"([^\W\d_]+)")
_WORD = re.compile(r"[\w-]+")
_CJK_MARKS = frozenset("，。、；：？！”“’‘（）《》【】…")


@dataclass(frozen=True, slots=True)
class Cell:
    """Text without a wide gap in it, and its box."""

    text: str
    left: float
    top: float
    right: float
    bottom: float


@dataclass(frozen=True, slots=True)
class Line:
    """Cells on one baseline, left to right. `size` is the size of its type."""

    cells: tuple[Cell, ...]
    size: float
    bold: bool = False

    @property
    def text(self) -> str:
        return CELL_SEPARATOR.join(cell.text for cell in self.cells)

    @property
    def left(self) -> float:
        return self.cells[0].left

    @property
    def right(self) -> float:
        return max(cell.right for cell in self.cells)

    @property
    def top(self) -> float:
        return min(cell.top for cell in self.cells)

    @property
    def bottom(self) -> float:
        return max(cell.bottom for cell in self.cells)


@dataclass(frozen=True, slots=True)
class Typography:
    """What a document's type tells: the body's size, and the sizes of headings, largest first."""

    body: float
    headings: tuple[float, ...]
    bold_headings: bool  # whether bold type is the exception here

    @classmethod
    def of(cls, lines: Sequence[Line]) -> Typography:
        """The body is what most characters of prose are set in, tables and captions aside."""
        prose = [line for line in lines if len(line.cells) == 1 and len(line.text) >= _PROSE] or lines
        sizes, bold = Counter[float](), Counter[bool]()
        for line in prose:
            sizes[_rounded(line.size)] += len(line.text)
            bold[line.bold] += len(line.text)
        body = max(sizes, key=lambda size: sizes[size], default=0.0)
        return cls(
            body=body,
            headings=tuple(
                sorted({_rounded(s.size) for s in lines if s.size >= HEADING_RATIO * body}, reverse=True)
            ),
            bold_headings=bold[True] < bold[False],
        )

    def level(self, line: Line) -> int | None:
        """The level of a line that may be a heading by its type: larger ones first, bold ones last."""
        if _rounded(line.size) in self.headings:
            return self.headings.index(_rounded(line.size)) + 1
        stands_out = line.bold and self.bold_headings and line.size > 0.9 * self.body
        return len(self.headings) + 1 if stands_out else None


PLAIN = Typography(body=0.0, headings=(), bold_headings=False)  # of OCR: its sizes are guesses


def _rounded(size: float) -> float:
    return round(size * 2) / 2


def compose(lines: Sequence[Line], page: PageBuilder, typography: Typography = PLAIN) -> None:
    """Append lines in reading order to a page."""
    vocabulary = frozenset(word.casefold() for line in lines for word in _WORD.findall(line.text))
    leading = _leading(lines)
    position = 0
    while position < len(lines):
        if (stop := _heading_end(lines, position, typography)) > position:
            title = " ".join(line.text for line in lines[position:stop])
            page.heading(title, level=typography.level(lines[position]) or 1)
        elif (stop := _table_end(lines, position)) > position:
            _append_table(lines[position:stop], page)
        else:
            stop = position + 1
            while (
                stop < len(lines)
                and _adjoins(lines[stop - 1], lines[stop], leading)
                and _heading_end(lines, stop, typography) == stop
                and _table_end(lines, stop) == stop
            ):
                stop += 1
            page.paragraph(_paragraph(lines[position:stop], vocabulary))
        position = stop


def _leading(lines: Sequence[Line]) -> float:
    """The usual gap between the lines of a paragraph, in sizes of its type: double spacing is no gap."""
    gaps = [
        (below.top - above.bottom) / above.size
        for above, below in pairwise(lines)
        if len(above.cells) == len(below.cells) == 1
        and abs(above.left - below.left) < above.size
        and -1 < (below.top - above.bottom) / above.size < _MAX_LEADING
    ]
    return median(gaps) if gaps else 0.3


def _heading_end(lines: Sequence[Line], start: int, typography: Typography) -> int:
    """The end of the heading that begins here; `start` where none does."""
    level = typography.level(lines[start])
    if level is None:
        return start
    stop = start
    while (
        stop < len(lines)
        and len(lines[stop].cells) == 1
        and typography.level(lines[stop]) == level
        and (
            stop == start
            or -1 < (lines[stop].top - lines[stop - 1].bottom) / lines[stop].size < _HEADING_LEADING
        )
    ):
        stop += 1
    if stop == start or (level > len(typography.headings) and stop - start > 1):
        return start  # several bold lines are an emphasised paragraph
    text = " ".join(line.text for line in lines[start:stop])
    letters = sum(map(str.isalpha, text))
    is_title = letters > 1 and len(text) <= _MAX_HEADING and not _SENTENCE_END.search(text)
    return stop if is_title else start


def _table_end(lines: Sequence[Line], start: int) -> int:
    """The end of the table that begins here; `start` where none does.

    A table is two or more adjoining lines of equally many cells that stand under each other; a
    first line may lack the leftmost cell, as headers do.
    """
    if len(lines[start].cells) < 2 and not _is_header_of(lines, start):  # noqa: PLR2004 - columns
        return start
    first = start + 1 if _is_header_of(lines, start) else start
    stop = first
    while (
        stop < len(lines)
        and len(lines[stop].cells) == len(lines[first].cells)
        and (stop == first or _stands_under(lines[stop - 1], lines[stop]))
    ):
        stop += 1
    return stop if stop - start >= 2 else start  # noqa: PLR2004 - rows


def _is_header_of(lines: Sequence[Line], index: int) -> bool:
    """Whether a line heads the columns of the next one, all but the first."""
    if index + 1 >= len(lines):
        return False
    header, row = lines[index], lines[index + 1]
    return (
        len(row.cells) == len(header.cells) + 1
        and len(row.cells) >= 2  # noqa: PLR2004 - columns
        and header.left > row.cells[0].right
        and all(_overlap(above, below) for above, below in zip(header.cells, row.cells[1:], strict=True))
        and row.top - header.bottom < 2 * row.size
    )


def _stands_under(above: Line, below: Line) -> bool:
    """Whether the cells of two lines are the columns of one table."""
    if not -above.size < below.top - above.bottom < 2.5 * above.size:
        return False
    matching = sum(_overlap(a, b) for a, b in zip(above.cells, below.cells, strict=True))
    return matching >= len(above.cells) - 1


def _overlap(a: Cell, b: Cell) -> bool:
    return min(a.right, b.right) > max(a.left, b.left)


def _append_table(lines: Sequence[Line], page: PageBuilder) -> None:
    rows = [[cell.text for cell in line.cells] for line in lines]
    if len(rows[0]) < len(rows[1]):
        rows[0].insert(0, "")
    page.printed_table(rows, "\n".join(line.text for line in lines))


def _adjoins(above: Line, below: Line, leading: float) -> bool:
    """Whether a line goes on with the paragraph above it."""
    size = max(above.size, below.size)
    return (
        -1 < (below.top - above.bottom) / size < leading + _MORE_LEADING
        and min(above.size, below.size) > 0.8 * size
        and min(above.right, below.right) > max(above.left, below.left)
    )


def _paragraph(lines: Sequence[Line], vocabulary: frozenset[str]) -> str:
    """Lines joined where the break was for want of room, kept apart where it was meant."""
    margin = max(line.right for line in lines)
    wrapped = max(sum(2 if is_han(c) else 1 for c in line.text) for line in lines) >= _PROSE
    text = lines[0].text
    for previous, line in pairwise(lines):
        if wrapped and _was_full(previous, line, margin) and not _LIST_ITEM.match(line.text):
            text = join_lines(text, line.text, vocabulary)
        else:
            text = f"{text}\n{line.text}"
    return text


def _was_full(line: Line, following: Line, margin: float) -> bool:
    """Whether the first word of the following line had no room on this one."""
    if len(line.cells) > 1 or len(following.cells) > 1:
        return False
    word = following.text.split(maxsplit=1)[0]
    width = (following.right - following.left) / max(1, len(following.text)) * (len(word) + 1)
    return line.right + width > margin - 0.5 * line.size


def join_lines(first: str, second: str, vocabulary: frozenset[str] = frozenset()) -> str:
    """Two lines of a paragraph as one: hyphenated words whole, Chinese without a space between."""
    broken, begin = _WORD_BROKEN.search(first), _WORD_BEGIN.match(second)
    if broken and begin and begin[1][0].islower():
        keep = _keeps_hyphen(broken[1].casefold(), begin[1].casefold(), vocabulary)
        return (first if keep else first[:-1]) + second
    if first and second and (_is_cjk(first[-1]) and _is_cjk(second[0])):
        return first + second
    return f"{first} {second}"


def _keeps_hyphen(left: str, right: str, vocabulary: frozenset[str]) -> bool:
    """Whether the page shows elsewhere that the hyphen belongs to the word: long-term, not repre-sent."""
    if left + right in vocabulary:
        return False
    return f"{left}-{right}" in vocabulary or (left in vocabulary and right in vocabulary)


def _is_cjk(character: str) -> bool:
    return is_han(character) or character in _CJK_MARKS
