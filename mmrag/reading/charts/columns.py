"""Which column each value of some rows stands in: by place, by colour, or by where its bar begins.

It knows no names of columns.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING

from mmrag.reading.charts.confirmed import AGREES_PIXELS, ALIGNED, LEAST_MEASURED
from mmrag.reading.charts.fills import alike
from mmrag.reading.charts.labels import value_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mmrag.reading.charts.bands import Row
    from mmrag.reading.charts.fills import Colour, Fills
    from mmrag.reading.charts.labels import Label

    Cells = tuple[Label | None, ...]

NO_COLOUR = (-1000.0, -1000.0, -1000.0)
_MOSTLY = 0.6  # of a column's bars have its colour: some rows stand out
_VALUE_AT_END = re.compile(r"(?<=[^\W\d_])\s(\d{1,3}%?)$")


@dataclass(frozen=True, slots=True)
class Column:
    """Where a column's values and its header are: between two places across, around a third."""

    low: float
    high: float
    centre: float


@dataclass(frozen=True, slots=True)
class Placed:
    """Rows with a value or None in each column; `colours` are the columns' where bars tell them."""

    rows: tuple[Row, ...]
    cells: tuple[Cells, ...]
    columns: tuple[Column, ...]
    colours: tuple[Colour, ...] | None

    @property
    def full(self) -> Row:
        """The first row with a value in each column."""
        return next(row for row in self.rows if len(row.values) == len(self.columns))

    @property
    def top(self) -> float:
        return self.rows[0].top


def place(rows: Sequence[Row], fills: Fills) -> Placed | None:
    """The values of rows in their columns; None where it is not certain which one a value belongs to."""
    width = max(len(row.values) for row in rows)
    rows = [_with_swallowed_value(row, width) for row in rows]
    full = [row for row in rows if len(row.values) == width]
    stacks = [[row.values[number] for row in full] for number in range(width)]
    colours = colours_of(stacks, fills)
    columns = _columns(stacks, rows, fills, exact=colours is not None or len(full) == len(rows))
    if columns is None:
        return None
    cells: list[Cells] = []
    for row in rows:
        by_colour = [_fitting(one, colours, fills) for one in row.values] if colours else None
        own = _in_columns(row, width, by_colour) or _in_columns(
            row, width, [_within(one, columns) for one in row.values]
        )
        if own is None:
            return None
        cells.append(own)
    return Placed(tuple(rows), tuple(cells), tuple(columns), tuple(colours) if colours else None)


def _with_swallowed_value(row: Row, width: int) -> Row:
    """A row whose category was read as one text with its first value: `Germany 58`."""
    match = _VALUE_AT_END.search(row.name)
    if match is None or len(row.values) >= width:
        return row
    size = row.values[0]
    each = size.height * 0.55
    value = replace(
        size,
        text=match[1],
        value=value_of(match[1]),
        left=row.edge - each * len(match[1]),
        right=row.edge,
        x=row.edge - each * len(match[1]) / 2,
    )
    return replace(row, name=row.name[: match.start()], values=(value, *row.values))


def colours_of(stacks: Sequence[Sequence[Label]], fills: Fills) -> list[Colour] | None:
    """The one colour of each column's bars, `NO_COLOUR` for a column of totals or of bare numbers.

    None where a column has several colours or neighbours share one.
    """
    found: list[Colour] = []
    for column in stacks:
        own = [fill for one in column if (fill := fills.of(one)) is not None]
        totals = [fill for fill in own if not fill.is_inside and fill.drawn > fill.length + AGREES_PIXELS]
        if 2 * len(own) < len(column) or 2 * len(totals) > len(own):
            found.append(NO_COLOUR)
            continue
        common = max(own, key=lambda one: sum(alike(one.colour, other.colour) for other in own)).colour
        if sum(alike(common, other.colour) for other in own) < _MOSTLY * len(own):
            return None
        found.append(common)
    known = [colour for colour in found if colour is not NO_COLOUR]
    return found if known and not any(alike(a, b) for a, b in pairwise(known)) else None


def _columns(
    stacks: Sequence[Sequence[Label]], rows: Sequence[Row], fills: Fills, *, exact: bool
) -> list[Column] | None:
    """Where the columns are: where bars begin, or between values that stand apart.

    With colours that tell them (`exact`) the first full row's values do.
    """
    edge = min(row.edge for row in rows)
    if (starts := _baselines(rows, fills, len(stacks))) is not None:
        ends = [*starts[1:], float("inf")]
        return [Column(start - 3, end - 3, start) for start, end in zip(starts, ends, strict=True)]
    lows, highs = (
        [min(one.left for one in stack) for stack in stacks],
        [max(one.right for one in stack) for stack in stacks],
    )
    apart = len(stacks[0]) > 1 and all(a < b for a, b in zip(highs, lows[1:], strict=False))
    if not apart and not exact:
        return None
    centres = (
        [(a + b) / 2 for a, b in zip(lows, highs, strict=True)] if apart else [stack[0].x for stack in stacks]
    )
    between = [(a + b) / 2 for a, b in pairwise(centres)]
    return [
        Column(low, high, centre)
        for low, high, centre in zip([edge - 1, *between], [*between, float("inf")], centres, strict=True)
    ]


def _baselines(rows: Sequence[Row], fills: Fills, width: int) -> list[float] | None:
    """Where each panel's bars begin; None unless they do so at just as many places as there are columns."""
    begins = sorted(fill.left for row in rows for one in row.values if (fill := fills.of(one)) is not None)
    if len(begins) < LEAST_MEASURED * sum(len(row.values) for row in rows):
        return None
    places = [[begins[0]]]
    for begin in begins[1:]:
        if begin - places[-1][-1] <= ALIGNED:
            places[-1].append(begin)
        else:
            places.append([begin])
    return [median(place) for place in places] if len(places) == width else None


def _fitting(value: Label, colours: Sequence[Colour], fills: Fills) -> list[int]:
    fill = fills.of(value)
    return [place for place, colour in enumerate(colours) if fill is not None and alike(fill.colour, colour)]


def _within(value: Label, columns: Sequence[Column]) -> list[int]:
    return [place for place, column in enumerate(columns) if column.low <= value.x < column.high]


def _in_columns(row: Row, width: int, fitting: Sequence[Sequence[int]] | None) -> Cells | None:
    """A row's values in their columns, in order; None where one fits none or several."""
    if len(row.values) == width:
        return row.values
    if fitting is None or any(len(places) != 1 for places in fitting):
        return None
    chosen = [places[0] for places in fitting]
    if any(a >= b for a, b in pairwise(chosen)):
        return None
    by_place = dict(zip(chosen, row.values, strict=True))
    return tuple(by_place.get(place) for place in range(width))
