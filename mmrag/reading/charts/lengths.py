"""What the lengths of bars are worth: by an axis or by printed values, and where these confirm each other."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from mmrag.reading.charts.axes import Axis, along
from mmrag.reading.charts.layouts import ALIGNED
from mmrag.reading.charts.table import Cell, NoTable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mmrag.reading.charts.labels import Label
    from mmrag.reading.charts.layouts import Bar, Clusters, Layout

_LEAST_PRINTED = 3  # printed values that make a scale
_AGREES = 0.06  # of a value: so far from the length of its bar it may be
_AGREES_PIXELS = 3.0
_FLAT = 3.5  # pixels


@dataclass(frozen=True, slots=True)
class Scale:
    """What a length is worth: by an axis, or by the value of a pixel."""

    axis: Axis | None
    per_pixel: float

    def value(self, bar: Bar, baseline: float) -> float:
        if self.axis is None:
            return self.per_pixel * (bar.end - bar.start)
        if self.axis.log or abs(bar.start - baseline) <= ALIGNED:
            return self.axis.value(bar.end)
        return self.axis.value(bar.end) - self.axis.value(bar.start)

    def pixel(self, value: float) -> float:
        """What a pixel is worth at a value."""
        return self.per_pixel if self.axis is None else self.axis.pixel(value)


def printed_values(layout: Layout, labels: Sequence[Label]) -> dict[Bar, Label]:
    """The number printed in or just beyond each bar; each number is one bar's."""
    found: dict[Bar, Label] = {}
    numeric = [label for label in labels if label.value is not None]
    taken: set[int] = set()
    inside = [(bar, True) for bar in layout.segments]
    beyond = [(stack[-1], False) for stack in layout.stacks]
    for bar, is_inside in inside + beyond:
        if bar in found:
            continue
        best: tuple[float, Label] | None = None
        for label in numeric:
            across = label.y if layout.horizontal else label.x
            if id(label) in taken or not bar.low - 3 <= across <= bar.high + 3:
                continue
            place = along(label, horizontal=layout.horizontal)
            low, high = sorted((bar.start, bar.end))
            half = ((label.right - label.left) if layout.horizontal else label.height) / 2
            gap = (place - bar.end if bar.end >= bar.start else bar.end - place) - half
            fits = low <= place <= high if is_inside else -half < gap < 1.3 * label.height
            if fits and (best is None or abs(place - bar.end) < best[0]):
                best = (abs(place - bar.end), label)
        if best is not None:
            found[bar] = best[1]
            taken.add(id(best[1]))
    return found


def scale_of(axis: Axis | None, printed: dict[Bar, Label]) -> Scale:
    """By the axis, else by the value of a pixel that printed values agree on. Raises NoTable."""
    if axis is not None:
        return Scale(axis, 0.0)
    ratios = [
        abs(label.value or 0.0) / bar.length
        for bar, label in printed.items()
        if label.value and bar.length > 5  # noqa: PLR2004 - shorter bars tell nothing
    ]
    if len(ratios) < _LEAST_PRINTED:
        raise NoTable("there is neither an axis nor enough printed values")
    middle = median(ratios)
    agreeing = [ratio for ratio in ratios if abs(ratio / middle - 1) < 1.5 * _AGREES]
    lengths = [bar.length for bar in printed]
    if len(agreeing) < 0.8 * len(ratios):
        raise NoTable("printed values contradict the lengths of their bars")
    if max(lengths) < 1.15 * min(lengths):
        raise NoTable("bars of one length confirm no values")
    return Scale(None, median(agreeing))


def cells_of(
    layout: Layout, bars: Clusters, scale: Scale, printed: dict[Bar, Label]
) -> list[list[Cell | None]]:
    """Every bar's value, None where it is not certain. Raises NoTable where values contradict bars."""
    diverging = any(
        min(bar.end - bar.start for bar in cluster) < 0 < max(bar.end - bar.start for bar in cluster)
        for cluster in bars
    )
    cells: list[list[Cell | None]] = []
    contradictions = 0
    for cluster in bars:
        row: list[Cell | None] = []
        for bar in cluster:
            length = scale.value(bar, layout.baseline)
            label = printed.get(bar)
            if label is not None and label.value is not None:
                signed = scale.axis is not None or not diverging
                fits = _fits(label.value, length, scale.pixel(length), signed=signed)
                contradictions += not fits
                row.append(Cell(label.text, "printed") if fits else None)
            elif scale.axis is not None:
                row.append(_measured(length, scale.axis))
            else:
                row.append(None)
        cells.append(row)
    if contradictions > sum(map(len, bars)) // 8:
        raise NoTable("printed values contradict the lengths of their bars")
    return cells


def _fits(value: float, length: float, pixel: float, *, signed: bool) -> bool:
    if not signed:
        value, length = abs(value), abs(length)
    return abs(value - length) <= max(_AGREES * abs(length), _AGREES_PIXELS * pixel)


def _measured(length: float, axis: Axis) -> Cell:
    is_flat = abs(length) < _FLAT * axis.pixel(length)
    return axis.cell(0.0 if is_flat else length)  # too short to tell on which side of zero it lies
