"""Cells that span rows and columns become even rows, as tables are printed on a page.

A cell that spans columns stands in the first of them. One that spans rows is repeated in each, so
that every row can be read by itself; a header cell that spans rows stands in the lowest, where its
column's name belongs. Shared by all formats with tables; it knows none of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

MAX_CELLS = 100_000  # of one table: ten bytes of HTML can claim 65,534 rows of 1,000 columns
_MAX_HEADER = 3  # rows: what spans more of them from the top is a label, no header


@dataclass(frozen=True, slots=True)
class Cell:
    """Text, and over how many columns and rows it stands."""

    text: str
    columns: int = 1
    rows: int = 1


def flatten(rows: Sequence[Iterable[Cell]]) -> list[list[str]]:
    """Rows of equal length."""
    grid: list[dict[int, str]] = [{} for _ in rows]
    taken: set[tuple[int, int]] = set()  # places that a cell from above spans
    left = MAX_CELLS
    for number, row in enumerate(rows):
        column = 0
        for cell in row:
            while (number, column) in taken:
                column += 1
            width = max(1, cell.columns)
            height = max(1, min(cell.rows, len(rows) - number))
            left -= width * height
            if left < 0:
                width = height = 1
            is_header = number == 0 and 1 < height <= _MAX_HEADER and height < len(rows)
            for below in range(height):
                if not is_header or below == height - 1:
                    grid[number + below][column] = cell.text
                taken.update((number + below, column + across) for across in range(width))
            column += width
    width = max((max(row, default=-1) + 1 for row in grid), default=0)
    reached = max((column + 1 for _, column in taken), default=0)
    width = max(width, min(reached, MAX_CELLS // max(1, len(rows)))) if reached else width
    filled = [[row.get(column, "") for column in range(width)] for row in grid]
    return _without_empty_columns(filled)


def _without_empty_columns(rows: list[list[str]]) -> list[list[str]]:
    """Columns that hold nothing at all only move the others apart."""
    kept = [
        column for column in range(len(rows[0]) if rows else 0) if any(row[column].strip() for row in rows)
    ]
    return [[row[column] for column in kept] for row in rows]
