"""A chart's table in the making: cells that say where they come from, and why there is none."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mmrag.text.numbers import MEASURED
from mmrag.types import CellSource

if TYPE_CHECKING:
    from collections.abc import Callable

    from mmrag.types import CellOrigin

    Rows = tuple[tuple[str, ...], ...]

NO_LABEL = "(no label)"
# Shares of cells that were right on the drawn charts of `python -m benchmarks.charts`, which prints them.
CONFIRMED = 0.98  # printed values that agree with their place
MEASURED_CONFIDENCE = 0.9


class NoTable(Exception):
    """No table is certain; the message says why, as half a sentence."""


class NoBars(NoTable):
    """There are no bars; there may be lines."""


@dataclass(frozen=True, slots=True)
class Cell:
    """A value as it is written, and where it comes from."""

    text: str
    origin: CellOrigin
    confidence: float


@dataclass(frozen=True, slots=True)
class ChartTable:
    """Named rows of cells, one for each of `columns`; a category without a label is named ""."""

    kind: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Cell | None, ...]], ...]

    @property
    def texts(self) -> Rows:
        """Header and rows as text."""
        body = (
            (name or NO_LABEL, *(cell.text if cell else "" for cell in cells)) for name, cells in self.rows
        )
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


def rows_as_text(rows: Rows, mark: Callable[[int, int], str] = lambda _row, _column: "") -> str:
    """A line for each value, to be quoted: `Q3 2025 | Revenue: 4.2`.

    `mark` gives what stands before the value of a row and column, both counted without header and labels.
    """
    header = rows[0]
    return "\n".join(
        f"{row[0]} | {name}: {mark(i, j)}{cell}" if name else f"{row[0]}: {mark(i, j)}{cell}"
        for i, row in enumerate(rows[1:])
        for j, (name, cell) in enumerate(zip(header[1:], row[1:], strict=True))
        if cell
    )


def table_as_text(table: ChartTable) -> str:
    """As `rows_as_text`; a value that was measured is written `≈4.2`."""
    sources = table.sources

    def mark(row: int, column: int) -> str:
        source = sources[row][column]
        return MEASURED if source is not None and source.origin == "measured" else ""

    return rows_as_text(table.texts, mark)
