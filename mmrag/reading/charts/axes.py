"""A value axis from its tick labels: RANSAC over numbers that stand in a line, linear or logarithmic.

Positions grow with the axis' direction of larger values. It knows no bars.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import combinations, pairwise, permutations
from statistics import linear_regression
from typing import TYPE_CHECKING

import numpy as np

from mmrag.reading.charts.labels import YEAR, groups
from mmrag.reading.charts.table import Cell, NoTable, measured
from mmrag.text.chart_text import AXES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from mmrag.reading.charts.labels import Label
    from mmrag.reading.ocr import Pixels

_MIN_TICKS = 3
_INLIERS = 0.75  # of the numbers in one line: with more strangers among them they are no axis
_OFF_PIXELS = 2.5  # from the fitted line, at least
_OFF_SHARE = 0.012  # of the ticks' extent
_LEAST_STRIP = 4  # pixels across, to look for lines in
_LEAST_MARK = 3.0  # grey levels, on the average across
_MARKED = 0.6  # of the ticks
_HIDDEN = 4.0  # pixels of a bar that the line it stands on may hide
_OFF_MARK = 0.8  # pixels that lines at ticks may be off
_LEAST_DECADE = 40  # pixels: marks of a shorter one cannot be told apart
_MARK = 12  # grey levels: a minor tick's mark is thin
_MINOR_MARKS = 7  # of the eight in a decade
_LN_10 = 2.3  # the natural logarithm of 10
_ZERO_REACH = 1.6  # heights of a tick label: so far from its gridline it may stand


@dataclass(frozen=True, slots=True)
class Axis:
    """`value = offset + slope * position`, of the logarithm to base 10 where `log`."""

    slope: float
    offset: float
    log: bool
    ticks: tuple[Label, ...]
    marked: bool = False  # whether it was measured on the marks of its ticks, not on their labels

    def value(self, position: float) -> float:
        """The value at a position in pixels."""
        linear = self.offset + self.slope * position
        return float(10**linear) if self.log else linear

    def position(self, value: float) -> float:
        """The position of a value in pixels. Raises ValueError for what a logarithmic axis cannot show."""
        return ((math.log10(value) if self.log else value) - self.offset) / self.slope

    def pixel(self, value: float) -> float:
        """What a pixel is worth at a value: the derivative of `value` by the position."""
        return abs(self.slope) * (_LN_10 * abs(value) if self.log else 1.0)

    def cell(self, value: float) -> Cell:
        """A value that was measured on it, with its per cent sign. Raises NoTable."""
        percent = all(tick.text.endswith("%") for tick in self.ticks if tick.value)
        return Cell(measured(value, self.pixel(value)) + ("%" if percent else ""), "measured")

    def resting_on(self, baseline: float, *, horizontal: bool) -> Axis:
        """Moved so that its beginning is where the bars begin: labels may stand above their gridline.

        Raises NoTable where bars begin neither at zero nor at the lowest tick.
        """
        if self.log:
            return self  # a logarithmic axis begins anywhere
        values = [tick.value or 0.0 for tick in self.ticks]
        if (
            self.marked
            and min(abs(baseline - self.position(origin)) for origin in (0.0, min(values))) < _HIDDEN
        ):
            return self  # where bars begin, the line of the other axis may hide them
        near = max(_OFF_PIXELS, 0.02 * abs(self.position(max(values)) - self.position(min(values))))
        reach = near if horizontal else max(near, _ZERO_REACH * max(tick.height for tick in self.ticks))
        for origin in (0.0, min(values)):
            off = baseline - self.position(origin)
            if abs(off) <= reach:
                return replace(self, offset=self.offset - self.slope * off)
        raise NoTable("the bars do not begin where the axis does")

    def on_marks(self, pixels: Pixels, bounds: tuple[float, float], *, horizontal: bool) -> Axis:
        """Measured on the lines at its ticks between two places across; itself where there are none.

        A label's middle is easily a pixel beside its tick: in a thumbnail a part of what a short bar is.
        """
        picture = pixels.transpose(1, 0, 2) if horizontal else pixels
        low, high = (round(bound) for bound in bounds)
        if high - low < _LEAST_STRIP:
            return self
        strip = picture[:, max(0, low) : high].astype(np.int16).mean(axis=2)
        drawn = np.abs(strip - np.median(strip, axis=0)).mean(axis=1)  # what runs along the axis vanishes
        found = [
            (tick, at)
            for tick in self.ticks
            if (at := _mark_near(tick, drawn, horizontal=horizontal)) is not None
        ]
        if len(found) < max(_MIN_TICKS, _MARKED * len(self.ticks)):
            return self
        values = [math.log10(tick.value or 1.0) if self.log else tick.value or 0.0 for tick, _ in found]
        places = [at if horizontal else -at for _, at in found]
        slope, offset = linear_regression(places, values)
        off = max(abs(offset + slope * place - value) for place, value in zip(places, values, strict=True))
        return replace(self, slope=slope, offset=offset, marked=True) if off < _OFF_MARK * slope else self

    def as_text(self, *, horizontal: bool) -> str:
        """The axis with its ticks in ascending order, to be quoted; "" where one may not have been read."""
        ticks = sorted(self.ticks, key=lambda tick: tick.value or 0.0)
        return f"{AXES[horizontal]}: {', '.join(tick.text for tick in ticks)}" if self.is_even else ""

    @property
    def is_even(self) -> bool:
        """Whether all ticks between the first and the last were found: their steps are equal."""
        values = sorted(tick.value or 0.0 for tick in self.ticks)
        steps = [b / a if self.log else b - a for a, b in pairwise(values)]
        return max(steps) <= 1.02 * min(steps)


def _mark_near(tick: Label, drawn: NDArray[np.float64], *, horizontal: bool) -> float | None:
    """The middle of the line nearest to a tick's label in a profile of what is drawn along its axis."""
    at, reach = (tick.x, tick.height / 2) if horizontal else (tick.y, tick.height / 2)
    start, end = max(0, round(at - reach)), min(len(drawn), round(at + reach) + 1)
    window = drawn[start:end]
    if len(window) < _LEAST_STRIP:
        return None
    ground = float(np.median(window))
    peak = int(window.argmax())
    if window[peak] < max(_LEAST_MARK, 3 * ground) or not 0 < peak < len(window) - 1:
        return None
    weights = np.clip(window[max(0, peak - 2) : peak + 3] - ground, 0, None)
    return start + max(0, peak - 2) + float(np.average(np.arange(len(weights)), weights=weights)) + 0.5


def find_decade(labels: Sequence[Label], pixels: Pixels, right: float) -> Axis | None:
    """A logarithmic axis of which two powers of ten are labelled, by the marks of 2 to 9 between them.

    The marks are looked for between the labels and `right`, where the bars begin.
    """
    powers = [label for label in labels if label.value and math.log10(abs(label.value)).is_integer()]
    for low, high in permutations(powers, 2):
        is_decade = (high.value or 0) == 10 * (low.value or 0) and high.y < low.y
        if (
            is_decade
            and abs(high.right - low.right) < 0.8 * low.height
            and _has_minor_marks(low, high, pixels, right)
        ):
            slope = 1 / (low.y - high.y)
            return Axis(slope, math.log10(low.value or 1) + slope * low.y, log=True, ticks=(low, high))
    return None


def _has_minor_marks(low: Label, high: Label, pixels: Pixels, right: float) -> bool:
    """Whether something is drawn at the logarithms of 2 to 9, and nothing between the lower of them."""
    decade = low.y - high.y
    left = int(max(low.right, high.right)) - 2
    if decade < _LEAST_DECADE or right - left < 3:  # noqa: PLR2004 - pixels
        return False
    grey = pixels[round(high.y) : round(low.y), left : int(right)].astype(np.int16).mean(axis=2)
    drawn = np.abs(grey - np.median(grey, axis=0)) > _MARK  # (rows, columns)
    rows = [decade * (1 - math.log10(number)) for number in range(1, 11)]
    between = [(a + b) / 2 for a, b in pairwise(rows[:6])]  # further up they stand too close

    def seen(row: float) -> NDArray[np.bool_]:
        return np.asarray(drawn[max(0, round(row) - 1) : round(row) + 2].any(axis=0))

    marks = sum(seen(row).astype(int) for row in rows[1:-1])
    empty = ~np.any([seen(row) for row in between], axis=0)
    return bool(((marks >= _MINOR_MARKS) & empty).any())


def find_axis(labels: Sequence[Label], *, horizontal: bool) -> Axis | None:
    """The axis with the most ticks among labels; None where no three agree."""
    numeric = [label for label in labels if label.value is not None]
    columns = (
        groups(numeric, key=lambda label: label.y, reach=lambda label: 0.6 * label.height)
        if horizontal
        else groups(numeric, key=lambda label: label.right, reach=lambda label: 0.8 * label.height)
        + groups(numeric, key=lambda label: label.left, reach=lambda label: 0.8 * label.height)
    )
    axes = [axis for column in columns if (axis := _fit(column, horizontal=horizontal)) is not None]
    return max(axes, key=lambda axis: (len(axis.ticks), not axis.log), default=None)


def along(label: Label, *, horizontal: bool) -> float:
    """Where a label stands in the direction of larger values."""
    return label.x if horizontal else -label.y


def _fit(column: Sequence[Label], *, horizontal: bool) -> Axis | None:
    if len(column) < _MIN_TICKS or all(YEAR.fullmatch(label.text) for label in column):
        return None
    linear = _ransac(column, [label.value or 0.0 for label in column], horizontal=horizontal, log=False)
    if linear is not None or any((label.value or 0.0) <= 0 for label in column):
        return linear
    powers = [math.log10(label.value or 1.0) for label in column]
    return _ransac(column, powers, horizontal=horizontal, log=True)


def _ransac(column: Sequence[Label], values: Sequence[float], *, horizontal: bool, log: bool) -> Axis | None:
    """The rising line through two ticks that most others lie on, fitted again through all of these."""
    places = [along(label, horizontal=horizontal) for label in column]
    tolerance = max(_OFF_PIXELS, _OFF_SHARE * (max(places) - min(places)))
    best: list[int] = []
    for a, b in combinations(range(len(column)), 2):
        rise, run = values[b] - values[a], places[b] - places[a]
        if rise * run <= 0:
            continue
        slope = rise / run
        inliers = [
            i
            for i, (v, p) in enumerate(zip(values, places, strict=True))
            if abs(values[a] + slope * (p - places[a]) - v) <= tolerance * slope
        ]
        if len({values[i] for i in inliers}) == len(inliers) > len(best):
            best = inliers
    if len(best) < max(_MIN_TICKS, _INLIERS * len(column)):
        return None
    xs, ys = [places[i] for i in best], [values[i] for i in best]
    slope, offset = linear_regression(xs, ys)
    return Axis(slope, offset, log, tuple(column[i] for i in best))
