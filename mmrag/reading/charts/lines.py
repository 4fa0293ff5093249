"""Lines followed by their colour, and measured on the axis where their labels stand below.

Each colour is followed from left to right through the columns of pixels; a point is measured where a
label of the horizontal axis stands. Lines that cannot be told apart or named are no table.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING

import numpy as np

from mmrag.reading.charts.axes import along, find_axis
from mmrag.reading.charts.labels import LEVEL, groups
from mmrag.reading.charts.legends import by_ink, by_sample, named_by_sample
from mmrag.reading.charts.marks import cores_of, inks_of
from mmrag.reading.charts.table import Cell, ChartTable, NoTable
from mmrag.text.chart_text import NO_LABEL

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from mmrag.reading.charts.axes import Axis
    from mmrag.reading.charts.labels import Label
    from mmrag.reading.charts.marks import Colours
    from mmrag.reading.ocr import Pixels

_LEAST_POINTS = 3
_MOST_LINES = 8
_EVEN = 1.3  # the widest distance between labels at most so many times the narrowest
_WIDEST_GAP = 18  # pixels along a line that something may hide, or its dashes leave out
_THICK = 0.04  # of the plot's height: the median run of a line is at most so tall
_COVERED = 0.5  # of the columns between its ends that a line is seen in
_ALONE = 0.8  # of its columns where nothing else has its colour
_FLAT = 0.6  # of its columns that a line may stand at one height
_SEEN = 0.5  # of the columns between the first and the last label: more is a line
_GREY = 40  # levels between the channels of a colour and the background
_REACH = 4  # pixels beside a label that a point may be measured at
_JUMP = 0.12  # of the plot's height: from one column to the next a line goes no further
_BEYOND = 0.02  # of the plot's height: an extreme that no label stands under


@dataclass(frozen=True, slots=True)
class _Plot:
    """Where lines are looked for, in pixels, and the labels below."""

    left: int
    top: int
    right: int
    bottom: int
    points: tuple[Label, ...]

    @property
    def height(self) -> int:
        return self.bottom - self.top


@dataclass(frozen=True, slots=True)
class _Line:
    """A line: its height `y` (NaN where it is hidden) in each column of the plot."""

    colour: int
    y: NDArray[np.float64]

    @property
    def ends(self) -> tuple[int, int]:
        seen = np.flatnonzero(~np.isnan(self.y))
        return int(seen[0]), int(seen[-1])

    def at(self, column: float) -> float | None:
        """Its height at a column, or between those near by where it is hidden."""
        columns = np.arange(len(self.y))
        near = (np.abs(columns - column) <= _REACH) & ~np.isnan(self.y)
        if not near.any():
            return None
        exact = near & (np.abs(columns - column) <= 1)
        if exact.any():
            return float(np.median(self.y[exact]))
        if columns[near].min() > column or columns[near].max() < column:
            return None
        return float(np.interp(column, columns[near], self.y[near]))


def read_lines(labels: Sequence[Label], pixels: Pixels) -> ChartTable:
    """The table of the lines in a picture. Raises NoTable."""
    axis = _axis(labels)
    plot = _plot(labels, axis, pixels.shape)
    try:
        return _read(labels, inks_of(pixels), plot, axis)
    except NoTable as none:
        try:
            return _read(labels, cores_of(pixels), plot, axis)
        except NoTable:
            raise none from None


def _read(labels: Sequence[Label], colours: Colours, plot: _Plot, axis: Axis) -> ChartTable:
    """The table of the lines that have these colours. Raises NoTable."""
    lines = _lines(labels, colours, plot)
    if not lines:
        raise NoTable("no lines were found")
    names = _names(lines, labels, colours, plot, axis)
    rows: list[tuple[str, tuple[Cell | None, ...]]] = []
    for point in plot.points:
        heights = [line.at(point.x - plot.left) for line in lines]
        rows.append((point.text, tuple(_cell(height, plot, axis) for height in heights)))
    if sum(cell is not None for _, row in rows for cell in row) < 0.6 * len(rows) * len(lines):
        raise NoTable("too few points of the lines were found")
    hidden = tuple(_cell(_unlabelled_extreme(line, plot), plot, axis) for line in lines)
    if any(cell is not None for cell in hidden):
        rows.append((NO_LABEL, hidden))
    return ChartTable("line", tuple(names), tuple(rows), axis.as_text(horizontal=False))


def _axis(labels: Sequence[Label]) -> Axis:
    """The upright axis; where there are two, they must be one."""
    axis = find_axis(labels, horizontal=False)
    if axis is None:
        raise NoTable("there is no axis")
    ticks = {id(tick) for tick in axis.ticks}
    other = find_axis([label for label in labels if id(label) not in ticks], horizontal=False)
    if other is not None:
        at = along(axis.ticks[0], horizontal=False)
        spread = max(t.value or 0.0 for t in axis.ticks) - min(t.value or 0.0 for t in axis.ticks)
        if abs(axis.value(at) - other.value(at)) > 0.03 * spread:
            raise NoTable("there are two axes")
    return axis


def _plot(labels: Sequence[Label], axis: Axis, shape: tuple[int, ...]) -> _Plot:
    """The region right of the ticks (or left of them) with a row of labels below. Raises NoTable."""
    height, width = shape[:2]
    floor = max(tick.y for tick in axis.ticks)
    top = min(tick.y for tick in axis.ticks)
    ticks = {id(tick) for tick in axis.ticks}
    below = [
        label
        for label in labels
        if id(label) not in ticks and label.top > floor - 0.6 * label.height
        and label.top - floor < 0.3 * (floor - top) + 4 * label.height
    ]  # fmt: skip
    points = _points(below)
    if not points:
        raise NoTable("the labels of the horizontal axis were not found")
    spacing = median(b.x - a.x for a, b in pairwise(points))
    left = int(max(0, points[0].x - spacing))
    inside = [tick for tick in axis.ticks if tick.right < points[0].x + 0.3 * spacing]
    if inside:
        left = max(left, int(max(tick.right for tick in inside)) + 3)
    right = int(min(width, points[-1].x + spacing))
    beyond = [tick.left for tick in axis.ticks if tick.left > points[-1].x]
    if beyond:
        right = min(right, int(min(beyond)) - 3)
    margin = 0.12 * (floor - top)
    bottom = int(min(point.top for point in points)) - 1
    return _Plot(left, max(0, int(top - margin)), right, min(height, bottom), tuple(points))


def _points(below: Sequence[Label]) -> list[Label]:
    """The uppermost row of evenly spaced labels."""
    level = [label for label in below if not label.vertical and label.tilt < LEVEL]
    hanging = [label for label in below if label.vertical or label.tilt >= LEVEL]
    rows = groups(level, key=lambda label: label.y, reach=lambda label: 0.5 * label.height)
    rows += groups(hanging, key=lambda label: label.top, reach=lambda label: label.right - label.left)
    for row in sorted(rows, key=lambda row: min(label.top for label in row)):
        ordered = sorted(row, key=lambda label: label.x)
        gaps = [b.x - a.x for a, b in pairwise(ordered)]
        distinct = len({label.text for label in ordered}) == len(ordered)
        if len(row) >= _LEAST_POINTS and max(gaps) <= _EVEN * min(gaps) and distinct:
            return ordered
    return []


# ---------------------------------------------------------------- following


def _lines(labels: Sequence[Label], colours: Colours, plot: _Plot) -> list[_Line]:
    index = colours.index[plot.top : plot.bottom, plot.left : plot.right].copy()
    for label in labels:  # text may have a line's colour; a marker may look like a letter
        if len(label.text) == 1 and label.value is None:
            continue
        top, bottom = int(label.top) - plot.top, int(label.bottom) + 1 - plot.top
        left, right = int(label.left) - plot.left, int(label.right) + 1 - plot.left
        if bottom > 0 and right > 0:
            index[max(0, top) : bottom, max(0, left) : right] = -1
    found = []
    for colour in range(1, len(colours.rgb)):
        line = _follow(index == colour, colour, plot, is_grey=_is_grey(colours, colour))
        if line is not None:
            found.append(line)
    if len(found) > _MOST_LINES:
        raise NoTable("there are too many lines")
    return found


def _follow(mask: NDArray[np.bool_], colour: int, plot: _Plot, *, is_grey: bool) -> _Line | None:
    """The line of one colour; None where that colour draws none. Raises NoTable where it draws several."""
    runs = [_runs(mask[:, column]) for column in range(mask.shape[1])]
    seen = [column for column, run in enumerate(runs) if run]
    spacing = (plot.points[-1].x - plot.points[0].x) / (len(plot.points) - 1)
    if len(seen) < max(20, 1.2 * spacing):
        return None
    heights = [end - start for column in seen for start, end in runs[column]]
    if median(heights) > max(6, _THICK * plot.height):
        return None  # an area, or bars
    if median(len(runs[column]) for column in seen) >= 2:  # noqa: PLR2004 - gridlines, a pattern
        return None
    path = _best_path(runs, 0.5 * _JUMP * plot.height)
    y = np.full(len(runs), np.nan)
    for column, (start, end) in path.items():
        y[column] = (start + end - 1) / 2
    line = _Line(colour, y)
    first, last = line.ends
    followed = np.flatnonzero(~np.isnan(y))
    _, at_one_height = np.unique(np.round(y[followed]), return_counts=True)
    if at_one_height.max() > _FLAT * len(followed):
        return None  # an axis, a rule or a gridline: a line that never moves cannot be told from them
    is_whole = (
        last - first >= 1.5 * spacing
        and len(followed) >= _COVERED * (last - first + 1)
        and np.diff(followed).max() <= _WIDEST_GAP + 0.15 * spacing
    )
    several = sum(len(runs[column]) > 1 for column in followed) > (1 - _ALONE) * len(followed)
    if is_whole and not several:
        return line
    if is_grey or len(seen) < _SEEN * (plot.points[-1].x - plot.points[0].x):
        return None  # axes, gridlines and text are grey; a few marks are no line
    raise NoTable("several lines have one colour" if is_whole else "a line could not be followed")


def _is_grey(colours: Colours, colour: int) -> bool:
    away = colours.rgb[colour].astype(np.int16) - colours.rgb[0]
    return int(away.max() - away.min()) < _GREY


def _runs(column: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Start and end (exclusive) of each run of pixels."""
    if not column.any():
        return []
    edges = np.flatnonzero(np.diff(np.concatenate(([0], column.astype(np.int8), [0]))))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def _best_path(runs: Sequence[Sequence[tuple[int, int]]], jump: float) -> dict[int, tuple[int, int]]:
    """The longest chain of runs from column to column, none further from the one before than `jump`."""
    length: dict[tuple[int, int], float] = {}
    before: dict[tuple[int, int], tuple[int, int] | None] = {}
    recent: list[tuple[int, int]] = []  # (column, number of its run), within the widest gap
    for column, found in enumerate(runs):
        recent = [one for one in recent if column - one[0] <= _WIDEST_GAP]
        for number, (start, end) in enumerate(found):
            best, previous = 1.0, None
            for one in recent:
                other_start, other_end = runs[one[0]][one[1]]
                distance = max(0, other_start - end, start - other_end)
                gap = column - one[0]
                score = length[one] + 1 - 0.05 * distance - 0.2 * (gap - 1)
                if distance <= jump * min(gap, 3) and score > best:
                    best, previous = score, one
            length[column, number] = best
            before[column, number] = previous
        recent += [(column, number) for number in range(len(found))]
    node: tuple[int, int] | None = max(length, key=length.__getitem__)
    path: dict[int, tuple[int, int]] = {}
    while node is not None:
        path[node[0]] = runs[node[0]][node[1]]
        node = before[node]
    return path


def _unlabelled_extreme(line: _Line, plot: _Plot) -> float | None:
    """The height of a peak or a trough of a line that stands at no label, beyond all that do."""
    at = [height for point in plot.points if (height := line.at(point.x - plot.left)) is not None]
    if not at:
        return None
    for height in (float(np.nanmin(line.y)), float(np.nanmax(line.y))):
        if height < min(at) - _BEYOND * plot.height or height > max(at) + _BEYOND * plot.height:
            return height
    return None


def _cell(height: float | None, plot: _Plot, axis: Axis) -> Cell | None:
    return None if height is None else axis.cell(axis.value(-(plot.top + height + 0.5)))


# ------------------------------------------------------------------- naming


def _names(
    lines: Sequence[_Line], labels: Sequence[Label], colours: Colours, plot: _Plot, axis: Axis
) -> list[str]:
    """What each line is called: by its legend, by text in its colour, or by text at its end."""
    used = {id(label) for label in (*axis.ticks, *plot.points)}
    texts = [
        label for label in labels if id(label) not in used and label.value is None and not label.vertical
    ]
    wanted = {line.colour for line in lines}
    others = {number for number in range(1, len(colours.rgb)) if not _is_grey(colours, number)} - wanted
    if named_by_sample(texts, colours, others):
        raise NoTable("the legend names a line that was not found")
    near = [label for label in texts if _is_near_plot(label, plot)]
    ends = [_at_end(line, texts, plot) for line in lines]
    at_ends = {line.colour: found[0] for line, found in zip(lines, ends, strict=True) if len(found) == 1}
    if set(at_ends) != wanted or len(set(at_ends.values())) < len(wanted):
        at_ends = {}
    named = by_sample(texts, colours, wanted) or by_ink(near, colours, wanted) or at_ends
    if named:
        return [named[line.colour] for line in lines]
    if len(lines) > 1:
        raise NoTable("the names of the lines were not found")
    titles = [
        label.text for label in labels if label.vertical and label.value is None and label.x < plot.left
    ]
    return titles if len(titles) == 1 else [""]


def _is_near_plot(label: Label, plot: _Plot) -> bool:
    return label.y > plot.top - 2 * label.height and label.y < plot.bottom


def _at_end(line: _Line, texts: Sequence[Label], plot: _Plot) -> list[str]:
    """The texts just right of a line's end, at its height."""
    _, last = line.ends
    end = plot.top + float(line.y[last])
    return [
        label.text
        for label in texts
        if 0 < label.left - (plot.left + last) < 3 * label.height and abs(label.y - end) < 0.7 * label.height
    ]
