"""Lines found in a picture become rows in reading order: columns one after the other, rows as rows.

It knows boxes and the length of text, no meaning.
"""

from __future__ import annotations

from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING

from mmrag.reading.layout import Cell, Line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mmrag.reading.ocr import TextLine

_CELL_GAP = 1.2  # a gap this many times the height of the text separates two cells
_GUTTER = 1.0  # a gutter between columns is at least this many times the height of the text wide
_COLUMN_LINES = 3  # a column of prose has at least so many lines
_COLUMN_CHARACTERS = 20  # of prose at least so many characters in the middle, unlike a table's cells


def rows_in_reading_order(lines: Sequence[TextLine]) -> list[Line]:
    """Rows of cells, top to bottom, each column of prose before the next one."""
    rows: list[Line] = []
    waiting = [list(lines)]
    while waiting:
        region = waiting.pop()
        if parts := _columns(region) or _halves(region):
            waiting.extend(reversed(parts))
        else:
            rows.extend(_rows(region))
    return rows


def is_vertical(line: TextLine) -> bool:
    """Whether a line's text runs upwards or downwards."""
    return len(line.text) > 2 and line.height > 1.5 * (line.right - line.left)  # noqa: PLR2004 - an upright pair


def _columns(lines: list[TextLine]) -> list[list[TextLine]] | None:
    """Left and right of the widest gutter, where both sides are columns of prose."""
    if len(lines) < 2 * _COLUMN_LINES:
        return None
    gutter = _widest_gap([(line.left, line.right) for line in lines])
    if gutter is None or gutter[1] - gutter[0] < _GUTTER * median(line.height for line in lines):
        return None
    sides = (
        [line for line in lines if line.right <= gutter[0]],
        [line for line in lines if line.left >= gutter[1]],
    )
    return list(sides) if all(map(_is_prose, sides)) else None


def _is_prose(lines: Sequence[TextLine]) -> bool:
    return len(lines) >= _COLUMN_LINES and median(len(line.text) for line in lines) >= _COLUMN_CHARACTERS


def _halves(lines: list[TextLine]) -> list[list[TextLine]] | None:
    """Above and below the highest gap, where there may be columns in either."""
    if sum(len(line.text) >= _COLUMN_CHARACTERS for line in lines) < 2 * _COLUMN_LINES:
        return None
    gap = _widest_gap([(line.top, line.bottom) for line in lines])
    if gap is None:
        return None
    return [[line for line in lines if line.bottom <= gap[0]], [line for line in lines if line.top >= gap[1]]]


def _widest_gap(spans: Sequence[tuple[float, float]]) -> tuple[float, float] | None:
    """The widest stretch inside that no span touches."""
    gaps = []
    ordered = sorted(spans)
    reach = ordered[0][1]
    for start, end in ordered[1:]:
        if start > reach:
            gaps.append((reach, start))
        reach = max(reach, end)
    return max(gaps, key=lambda gap: gap[1] - gap[0], default=None)


def _rows(lines: Sequence[TextLine]) -> list[Line]:
    """Rows of lines that share a baseline; vertical text is a row of its own."""
    rows: list[list[TextLine]] = []
    for line in sorted(lines, key=lambda line: line.center[1]):
        row = rows[-1] if rows else []
        if row and not is_vertical(line) and not is_vertical(row[0]) and _share_baseline(row, line):
            row.append(line)
        else:
            rows.append([line])
    return [_row(row) for row in rows]


def _share_baseline(row: Sequence[TextLine], line: TextLine) -> bool:
    center = median(member.center[1] for member in row)
    return abs(line.center[1] - center) < 0.5 * min(line.height, *(member.height for member in row))


def _row(lines: Sequence[TextLine]) -> Line:
    ordered = sorted(lines, key=lambda line: line.left)
    height = median(line.height for line in ordered)
    groups = [[ordered[0]]]
    for previous, line in pairwise(ordered):
        if line.left - previous.right > _CELL_GAP * height:
            groups.append([line])
        else:
            groups[-1].append(line)
    size = min(
        height, median(line.right - line.left for line in ordered)
    )  # vertical text is as wide as its type
    return Line(cells=tuple(map(_cell, groups)), size=size)


def _cell(lines: Sequence[TextLine]) -> Cell:
    return Cell(
        text=" ".join(line.text for line in lines),
        left=min(line.left for line in lines),
        top=min(line.top for line in lines),
        right=max(line.right for line in lines),
        bottom=max(line.bottom for line in lines),
    )
