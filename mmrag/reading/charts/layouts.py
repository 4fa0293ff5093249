"""Bars on a common baseline, and which of them belong together: geometry alone.

Positions grow in the direction of larger values: to the right where bars lie, upwards (negative y)
where they stand.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import pairwise
from statistics import median, pstdev
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from mmrag.reading.charts.marks import Rectangle

    Clusters = Sequence[Sequence["Bar"]]

ALIGNED = 2.5  # pixels
_TOUCHING = 5.0  # pixels between the segments of a stack
_GRIDLINE = 4.0  # pixels: a gap that a line across a bar leaves
_ALIKE = (0.65, 1.55)  # widths of bars of one chart, as ratios
_THICKEST = 0.4  # of the picture across
_SHORTEST = 0.05  # of the picture along: the longest bar of a chart is at least so long
_LEAST_SEGMENTS = 3
_LEAST_SEGMENT = 4.0  # pixels: less is a gridline over a bar's end
_MINOR = 0.08  # of the largest layout's area: what is smaller is no panel


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar or segment: `start` to `end` along the values, `low` to `high` across."""

    start: float
    end: float
    low: float
    high: float
    colour: int

    @property
    def middle(self) -> float:
        return (self.low + self.high) / 2

    @property
    def length(self) -> float:
        return abs(self.end - self.start)


@dataclass(frozen=True, slots=True)
class Layout:
    """Bars on one baseline, each a stack of one or more segments outwards from it, in order across."""

    horizontal: bool
    baseline: float
    stacks: tuple[tuple[Bar, ...], ...]

    @property
    def segments(self) -> tuple[Bar, ...]:
        return tuple(bar for stack in self.stacks for bar in stack)

    @property
    def first(self) -> float:
        return min(bar.low for bar in self.segments)

    @property
    def last(self) -> float:
        return max(bar.high for bar in self.segments)

    @property
    def least(self) -> float:
        return min(min(bar.start, bar.end) for bar in self.segments)

    @property
    def most(self) -> float:
        return max(max(bar.start, bar.end) for bar in self.segments)

    @property
    def area(self) -> float:
        return sum((bar.high - bar.low) * bar.length for bar in self.segments)

    @property
    def thickness(self) -> float:
        return median(bar.high - bar.low for bar in self.segments)


def find_layouts(boxes: Sequence[Rectangle], size: tuple[int, int], *, horizontal: bool) -> list[Layout]:
    """All groups of bars in a picture of `size` (height, width), the largest first."""
    along, across = (size[1], size[0]) if horizontal else size
    bars = _uncut([_bar(box, horizontal=horizontal) for box in boxes])
    left = [bar for bar in bars if 3 <= bar.high - bar.low < _THICKEST * across]  # noqa: PLR2004 - pixels
    reaches = _reaches(left)
    found: list[Layout] = []
    while len(left) >= 2:  # noqa: PLR2004 - one bar is no chart
        baseline, group = _largest_group(left, reaches)
        if len(group) < 2:  # noqa: PLR2004 - as above
            break
        rest = [bar for bar in left if bar not in group]
        stacks = tuple(
            _stack(_from(bar, baseline), rest, baseline)
            for bar in sorted(group, key=lambda bar: (bar.low, bar.start))
        )
        layout = Layout(horizontal, baseline, stacks)
        used = {(bar.low, bar.high, bar.end) for bar in layout.segments}
        left = [
            bar
            for bar in left
            if (bar.low, bar.high, bar.end) not in used and (bar.low, bar.high, bar.start) not in used
        ]
        if _is_chart(layout, along):
            found.append(layout)
    found.sort(key=lambda layout: -layout.area)
    return [
        layout
        for layout in found
        if layout.area > _MINOR * found[0].area
        and _ALIKE[0] / 2 < layout.thickness / found[0].thickness < 2 * _ALIKE[1]
    ]


def plausibility(layouts: Sequence[Layout], size: tuple[int, int]) -> float:
    """How much a picture looks like bars that run this way: bars have one width and various lengths."""
    total = 0.0
    for layout in layouts:
        along = size[1] if layout.horizontal else size[0]
        lengths = [bar.length for bar in layout.segments]
        variety = min(1.0, pstdev(lengths) / (0.02 * along) + 0.1)
        total += variety * len(lengths) ** 0.5 * layout.area
    return total


def split_at(layout: Layout, places: Iterable[float]) -> list[Layout]:
    """The parts of a layout between places across, such as another chart's axis."""
    cuts = sorted(places)
    parts: dict[int, list[tuple[Bar, ...]]] = {}
    for stack in layout.stacks:
        parts.setdefault(sum(stack[0].middle > cut for cut in cuts), []).append(stack)
    return [Layout(layout.horizontal, layout.baseline, tuple(parts[key])) for key in sorted(parts)]


def clusters(layout: Layout) -> list[list[Bar]]:
    """Bars of one category: a stack, what lies on both sides of the baseline, or close neighbours."""
    merged: list[list[Bar]] = []
    for stack in layout.stacks:
        if merged and abs(stack[0].low - merged[-1][0].low) <= ALIGNED:
            merged[-1].extend(stack)
        else:
            merged.append(list(stack))
    if any(len(cluster) > 1 for cluster in merged):
        return merged
    bars = [cluster[0] for cluster in merged]
    gaps = [b.low - a.high for a, b in pairwise(bars)]
    width = layout.thickness
    if len({bar.colour for bar in bars}) == 1 or not gaps or max(gaps) - min(gaps) < 0.15 * width:
        return merged
    limit = (max(gaps) + min(gaps)) / 2
    groups = [[bars[0]]]
    for bar, gap in zip(bars[1:], gaps, strict=True):
        if gap <= limit:
            groups[-1].append(bar)
        else:
            groups.append([bar])
    distinct = all(len({bar.colour for bar in group}) == len(group) for group in groups)
    return groups if distinct and max(map(len, groups)) > 1 else merged


def _bar(box: Rectangle, *, horizontal: bool) -> Bar:
    if horizontal:
        return Bar(box.left, box.right, box.top, box.bottom, box.colour)
    return Bar(-box.bottom, -box.top, box.left, box.right, box.colour)


def _uncut(bars: Sequence[Bar]) -> list[Bar]:
    """Bars without the cuts of gridlines that are drawn across them."""
    whole: list[Bar] = []
    for bar in sorted(bars, key=lambda bar: (bar.colour, bar.start)):
        below = next((other for other in whole if _is_cut(other, bar)), None)
        if below is not None:
            whole.remove(below)
        whole.append(bar if below is None else replace(bar, start=below.start))
    return whole


def _is_cut(below: Bar, above: Bar) -> bool:
    return (
        below.colour == above.colour
        and -1 <= above.start - below.end <= _GRIDLINE
        and abs(below.low - above.low) <= ALIGNED
        and abs(below.high - above.high) <= ALIGNED
    )


def _reaches(bars: Sequence[Bar]) -> dict[Bar, tuple[float, float]]:
    """How far down and up each bar goes with those that lie on it: a stack's segments count together."""
    sides = np.array([(bar.low, bar.high) for bar in bars]).reshape(-1, 2)
    found = {}
    for bar, own in zip(bars, sides, strict=True):
        here = [bars[i] for i in np.flatnonzero((np.abs(sides - own) <= ALIGNED).all(axis=1)).tolist()]
        low, high = bar.start, bar.end
        for other in sorted(here, key=lambda other: other.start):
            if abs(other.start - high) <= _TOUCHING:
                high = max(high, other.end)
        for other in sorted(here, key=lambda other: -other.end):
            if abs(other.end - low) <= _TOUCHING:
                low = min(low, other.start)
        found[bar] = low, high
    return found


def _same_place(bar: Bar, other: Bar) -> bool:
    return abs(other.low - bar.low) <= ALIGNED and abs(other.high - bar.high) <= ALIGNED


def _largest_group(
    bars: Sequence[Bar], reaches: Mapping[Bar, tuple[float, float]]
) -> tuple[float, list[Bar]]:
    """The bars of one width that begin or end at one place: as many and as long ones as there are."""
    starts, ends = np.array([bar.start for bar in bars]), np.array([bar.end for bar in bars])
    lows = np.array([bar.low for bar in bars])
    widths = np.array([bar.high - bar.low for bar in bars])
    downs, ups = np.array([reaches[bar] for bar in bars]).T
    best, best_score, baseline = np.zeros(len(bars), bool), 0.0, 0.0
    for anchor in range(len(bars)):
        alike = (widths > _ALIKE[0] * widths[anchor]) & (widths < _ALIKE[1] * widths[anchor])
        for place in (starts[anchor], ends[anchor]):
            above, below = np.abs(starts - place) <= ALIGNED, np.abs(ends - place) <= ALIGNED
            chosen = alike & (above | below)
            lengths = np.where(above, ups - starts, ends - downs)[chosen]
            places = np.round(lows[chosen] / ALIGNED)  # two bars across one place count once
            longest = [float(lengths[places == one].max()) for one in np.unique(places)]
            score = sum(math.sqrt(length) for length in longest) * (1 + 0.5 * min(1.0, pstdev(longest) / 5))
            if (starts[chosen] > place - ALIGNED).all():
                score *= 1.05  # bars seldom hang
            if score > best_score:
                best, best_score, baseline = chosen, score, float(place)
    group = [bar for bar, chosen in zip(bars, best, strict=True) if chosen]
    return baseline, _without_overlaps(group, baseline)


def _without_overlaps(group: Sequence[Bar], baseline: float) -> list[Bar]:
    """Of bars that lie over each other on one side of the baseline, the longest."""
    kept: list[Bar] = []
    for bar in sorted(group, key=lambda bar: -bar.length):
        side = _from(bar, baseline).end > baseline
        overlaps = (
            other
            for other in kept
            if ((_from(other, baseline).end > baseline) == side or bar.length < _LEAST_SEGMENT)
            and min(bar.high, other.high) - max(bar.low, other.low) > ALIGNED
        )
        if next(overlaps, None) is None:
            kept.append(bar)
    return kept


def _from(bar: Bar, baseline: float) -> Bar:
    """A bar whose start is on the baseline: one below zero ends at its far side."""
    if abs(bar.start - baseline) <= abs(bar.end - baseline):
        return bar
    return Bar(bar.end, bar.start, bar.low, bar.high, bar.colour)


def _stack(bar: Bar, rest: Sequence[Bar], baseline: float) -> tuple[Bar, ...]:
    """A bar with the segments that lie on it, outwards."""
    stack = [bar]
    outwards = bar.end > baseline
    while True:
        end = stack[-1].end
        beyond = [
            other
            for other in rest
            if _same_place(bar, other)
            and abs((other.start if outwards else other.end) - end) <= _TOUCHING
            and (other.end > end + 1 if outwards else other.start < end - 1)
        ]
        beyond = [other for other in beyond if other.length >= _LEAST_SEGMENT]
        if not beyond:
            return tuple(stack)
        stack.append(replace(_from(beyond[0], end), start=end))


def _is_chart(layout: Layout, along: int) -> bool:
    """Long enough, of three segments, and not a row of equal swatches."""
    lengths = [bar.length for bar in layout.segments]
    alike = max(lengths) - min(lengths) <= 3 and max(lengths) < 4 * layout.thickness  # noqa: PLR2004 - pixels; a swatch
    small = layout.most - layout.least < _SHORTEST * along
    return (
        len(lengths) >= _LEAST_SEGMENTS and not small and not (alike and max(lengths) < 2 * _SHORTEST * along)
    )
