"""Whether bars are as long as the values printed at them say, and begin where bars do."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mmrag.reading.charts.fills import Fill, Fills
    from mmrag.reading.charts.labels import Label

ALIGNED = 3.0  # pixels
AGREES_PIXELS = 4.0
LEAST_MEASURED = 0.6  # of the values must have a bar that says how long they are
_FEWEST = 2  # bars that agree by themselves
_AGREES = 0.12  # of a value: so far from its bar's length it may be
_CONTRADICTED = 0.2  # of the measured values at most


def is_confirmed(rows: Sequence[Sequence[Label | None]], fills: Fills) -> bool:
    """Whether most values have a bar and nearly all bars are as long as they say; or, in a table, none."""
    values = [value for row in rows for value in row if value is not None]
    measured = [value for value in values if fills.of(value) is not None]
    if min(map(len, rows)) == 1 and len(measured) > _FEWEST and not _begin_together(measured, fills):
        return False  # pieces of lines are no bars
    if len(measured) < LEAST_MEASURED * len(values):
        return not measured and min(map(len, rows)) > 1 and len(rows) > _FEWEST
    return len(contradicted(rows, fills)) <= _CONTRADICTED * len(measured)


def _begin_together(values: Sequence[Label], fills: Fills) -> bool:
    """Whether nearly all bars begin on one line."""
    begins = [fill.left for value in values if (fill := fills.of(value)) is not None]
    base = median(begins)
    return sum(abs(begin - base) <= ALIGNED for begin in begins) >= (1 - _CONTRADICTED) * len(begins)


def contradicted(rows: Sequence[Sequence[Label | None]], fills: Fills) -> list[Label]:
    """Values whose bars are not as long as they say: by what a pixel is worth in their column, or in all."""
    whole = _worth([value for row in rows for value in row if value is not None], fills)
    found: list[Label] = []
    for column in zip(*rows, strict=True):
        own = [value for value in column if value is not None and fills.of(value) is not None]
        worth = _worth(own, fills) if len(own) > _FEWEST else whole
        off = [value for value in own if not _fits(value, fills.of(value), worth)]
        by_all = [value for value in own if not _fits(value, fills.of(value), whole)]
        found += off if len(off) <= len(by_all) else by_all
    return found


def _worth(values: Sequence[Label], fills: Fills) -> float:
    ratios = [
        abs(value.value or 0.0) / fill.length
        for value in values
        if (fill := fills.of(value)) is not None and fill.length > AGREES_PIXELS
    ]
    return median(ratios) if ratios else 0.0


def _fits(value: Label, fill: Fill | None, worth: float) -> bool:
    if fill is None or not worth:
        return True
    length = abs(value.value or 0.0) / worth
    near = max(_AGREES * length, AGREES_PIXELS)
    if fill.is_inside and fill.length <= value.right - value.left + 2:
        return length <= fill.length + near  # a segment that is narrower than its value
    return abs(length - fill.length) <= near or (not fill.is_inside and abs(length - fill.drawn) <= near)
