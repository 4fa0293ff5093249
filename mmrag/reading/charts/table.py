"""A chart's table in the making: cells that say where they come from, and why there is none."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mmrag.text.chart_text import BY_MODEL, IN_ALL, LONG, MEASURED, NO_LABEL, VALUES
from mmrag.types import CellSource

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mmrag.types import CellOrigin

    Rows = tuple[tuple[str, ...], ...]

# A little less than what `python -m benchmarks.charts` finds right on drawn and real charts together:
# never 1, as the next chart may be of a kind that nobody drew. Nobody counted a model's: see `combining`.
CONFIDENCE: dict[CellOrigin, float] = {"printed": 0.99, "measured": 0.98, "model": 0.5}

_SIGNS: dict[CellOrigin, str] = {"printed": "", "measured": MEASURED, "model": BY_MODEL}


class NoTable(Exception):
    """No table is certain; the message says why, as half a sentence."""


class NoBars(NoTable):
    """There are no bars; there may be lines."""


@dataclass(frozen=True, slots=True)
class Cell:
    """A value as it is written, and where it comes from."""

    text: str
    origin: CellOrigin

    @property
    def confidence(self) -> float:
        """The share of such cells that is right."""
        return CONFIDENCE[self.origin]


@dataclass(frozen=True, slots=True)
class ChartTable:
    """Named rows of cells, one for each of `columns`; a category without a label is named ""."""

    kind: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Cell | None, ...]], ...]
    axis: str = ""  # the value axis with its ticks, where all of them were read
    is_part: bool = False  # where the chart has more values than those that are known

    @property
    def texts(self) -> Rows:
        """Header and rows as text."""
        body = ((name, *(cell.text if cell else "" for cell in cells)) for name, cells in self.rows)
        return (("", *self.columns), *body)

    @property
    def sources(self) -> tuple[tuple[CellSource | None, ...], ...]:
        """Where each cell comes from, row by row, without header and labels."""
        return tuple(
            tuple(CellSource(cell.origin, cell.confidence) if cell else None for cell in cells)
            for _, cells in self.rows
        )


def measured(value: float, step: float) -> str:
    """A value with the digits that a step of one pixel can tell apart."""
    if step <= 0 or not math.isfinite(value):
        raise NoTable("the axis cannot be measured")
    digits = max(0, -math.floor(math.log10(step)))
    if digits == 0:
        size = 10 ** math.floor(math.log10(step))
        return f"{round(value / size) * size:,.0f}"
    text = f"{value:,.{digits}f}"
    return text.lstrip("-") if not any(digit in text for digit in "123456789") else text


def rows_as_text(rows: Rows) -> str:
    """A line for each value, to be quoted: `Q3 2025 | Revenue: 4.2`.

    A long table begins and ends with their number: who reads a part of it can tell that it is one.
    """
    header = rows[0]
    lines = [
        f"{row[0]} | {name}: {cell}" if name else f"{row[0]}: {cell}"
        for row in rows[1:]
        for name, cell in zip(header[1:], row[1:], strict=True)
        if cell
    ]
    return _framed(lines, len(lines))


def table_as_text(table: ChartTable) -> str:
    """As `rows_as_text`; a value that was measured is written `≈4.2`.

    Values whose labels the chart leaves out follow in one line a column. A part of a chart's values begins
    with their number and does not end with it, as a part of a long table.
    """
    named = tuple(row for row in table.rows if row[0] != NO_LABEL)
    lines = [
        f"{name} | {column}: {_marked(cell)}" if column else f"{name}: {_marked(cell)}"
        for name, cells in named
        for column, cell in zip(table.columns, cells, strict=True)
        if cell
    ]
    for index, column in enumerate(table.columns):
        values = [cells[index] for name, cells in table.rows if name == NO_LABEL]
        if written := ", ".join(_marked(cell) for cell in values if cell):
            lines.append(f"{NO_LABEL} | {column}: {written}" if column else f"{NO_LABEL}: {written}")
    count = sum(cell is not None for _, cells in table.rows for cell in cells)
    return "\n".join([VALUES.format(count), *lines]) if table.is_part else _framed(lines, count)


def _framed(lines: Sequence[str], count: int) -> str:
    """Lines of so many values; many of them between two lines that say how many."""
    return "\n".join([VALUES.format(count), *lines, IN_ALL.format(count)] if count > LONG else lines)


def _marked(cell: Cell) -> str:
    return f"{_SIGNS[cell.origin]}{cell.text}"
