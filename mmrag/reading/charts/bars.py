"""Bars, upright or lying, grouped, stacked, in panels or below zero: their values printed or measured.

A bar's length is calibrated on the axis' ticks or on values that are printed at several bars; a
printed value counts where it agrees with the length. Anything that does not fit (series without a
name, values that contradict their bars, categories whose labels were not found) is no table.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING

from mmrag.reading.charts.axes import Axis, along, find_axis, find_decade
from mmrag.reading.charts.categories import categories_of, lines_around, middle_of
from mmrag.reading.charts.layouts import ALIGNED, Bar, clusters, find_layouts, plausibility, split_at
from mmrag.reading.charts.lengths import cells_of, printed_values, scale_of
from mmrag.reading.charts.marks import rectangles
from mmrag.reading.charts.series import Picture, series_of
from mmrag.reading.charts.table import Cell, ChartTable, NoBars, NoTable
from mmrag.text.chart_text import NO_LABEL

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mmrag.reading.charts.labels import Label
    from mmrag.reading.charts.layouts import Clusters, Layout
    from mmrag.reading.charts.marks import Colours, Rectangle
    from mmrag.reading.ocr import Pixels

_AGREES_PIXELS = 3.0
_GAP = 1.6  # pitches between neighbours: one is missing
_HARDLY = 0.06  # of the longest bar
_MISSING = 0.25  # of the cells may be left out
_LESS_PLAUSIBLE = 0.3  # than the other direction: not tried


@dataclass(frozen=True, slots=True)
class _Panel:
    """The bars of one chart with the labels that may be its own."""

    layout: Layout
    labels: tuple[Label, ...]


def read_bars(labels: Sequence[Label], colours: Colours, pixels: Pixels) -> ChartTable:
    """The table of the bars in a picture. Raises NoTable."""
    size = (pixels.shape[0], pixels.shape[1])
    boxes = [box for box in rectangles(colours, pixels) if not any(_is_glyph(box, label) for label in labels)]
    picture = Picture(colours, boxes, labels, pixels)
    found = [find_layouts(boxes, size, horizontal=horizontal) for horizontal in (False, True)]
    ranked = sorted((one for one in found if one), key=lambda one: -plausibility(one, size))
    if not ranked:
        raise NoBars("no bars on a common baseline were found")
    most = plausibility(ranked[0], size)
    reason = NoTable()
    for number, layouts in enumerate(ranked):
        if number and plausibility(layouts, size) < _LESS_PLAUSIBLE * most:
            break
        try:
            return _read_all(layouts, labels, picture)
        except NoTable as none:
            reason = none if number == 0 else reason
    raise reason


def _is_glyph(box: Rectangle, label: Label) -> bool:
    return (
        box.left >= label.left - 2
        and box.right <= label.right + 2
        and box.top >= label.top - 2
        and box.bottom <= label.bottom + 2
        and box.bottom - box.top < label.height
    )


# ------------------------------------------------------------------ panels


def _read_all(layouts: Sequence[Layout], labels: Sequence[Label], picture: Picture) -> ChartTable:
    panels = _panels(layouts, labels)
    if len(panels) == 1:
        return _read(panels[0], picture)
    if (columns := _columns_of_bars(panels, labels)) is not None:
        return columns
    tables = [_read(panel, picture) for panel in panels]
    return _side_by_side(tables, [_title(panel) for panel in panels])


def _panels(layouts: Sequence[Layout], labels: Sequence[Label]) -> list[_Panel]:
    """Each chart of the picture, top left first, with the labels on its side of the others."""
    parts = [part for layout in layouts for part in _split(layout, labels)]
    if len(parts) == 1:
        return [_Panel(parts[0], tuple(labels))]
    boxes = [_box(part) for part in parts]
    panels = []
    for number, part in enumerate(parts):
        others = [*boxes[:number], *boxes[number + 1 :]]
        own = tuple(label for label in labels if _is_beside(label, boxes[number], others))
        panels.append(_Panel(part, own))
    return sorted(panels, key=_reading_order)


def _reading_order(panel: _Panel) -> tuple[float, float]:
    layout = panel.layout
    row = layout.first if layout.horizontal else -layout.baseline
    return round(row / (4 * ALIGNED)), _box(layout)[0]


def _split(layout: Layout, labels: Sequence[Label]) -> list[Layout]:
    """Upright bars on one baseline with another axis among them are several charts."""
    if layout.horizontal:
        return [layout]
    middles = [stack[0].middle for stack in layout.stacks]
    pitch = median(b - a for a, b in pairwise(middles)) if len(middles) > 1 else 0.0
    cuts = []
    for a, b in pairwise(layout.stacks):
        low, high = a[0].high, b[0].low
        if high - low < 1.5 * pitch - layout.thickness:
            continue  # half a pitch more than there is between others
        between = [label for label in labels if low < label.left and label.right < high]
        if find_axis(between, horizontal=False) is not None:
            cuts.append(min(label.left for label in between) - 1)
    return split_at(layout, cuts)


def _box(layout: Layout) -> tuple[float, float, float, float]:
    """Left, top, right, bottom in the picture."""
    if layout.horizontal:
        return layout.least, layout.first, layout.most, layout.last
    return layout.first, -layout.most, layout.last, -layout.least


def _is_beside(
    label: Label,
    box: tuple[float, float, float, float],
    others: Sequence[tuple[float, float, float, float]],
) -> bool:
    """Whether no other chart stands between a label and this one, nor around it."""
    left, top, right, bottom = box
    middle = (label.left + label.right) / 2  # a tilted label's `x` is its end
    for other_left, other_top, other_right, other_bottom in others:
        if other_left >= right and middle > other_left:
            return False
        if other_right <= left and middle < other_right:
            return False
        if other_top >= bottom and label.y > other_top:
            return False
        if other_bottom <= top and label.y < other_bottom:
            return False
    return True


def _title(panel: _Panel) -> str:
    """The text just above a panel, over it."""
    left, top, right, _ = _box(panel.layout)
    above = [
        label
        for label in panel.labels
        if label.value is None and not label.vertical and label.bottom < top + 2
        if label.right > left and label.left < right and label.right - label.left < 1.6 * (right - left)
    ]
    if not above:
        return ""
    nearest = max(above, key=lambda label: label.y)
    centred = [
        label
        for label in above
        if abs(label.x - nearest.x) < 2 * nearest.height and nearest.y - label.y < 1.8 * nearest.height
    ]
    return " ".join(label.text for label in lines_around(nearest.y, centred))


def _side_by_side(tables: Sequence[ChartTable], titles: Sequence[str]) -> ChartTable:
    """The tables of panels as one, each column named by its panel."""
    named = titles if all(titles) and len(set(titles)) == len(titles) else None
    columns: list[str] = []
    rows: dict[str, list[Cell | None]] = {}
    width = sum(len(table.columns) for table in tables)
    for number, table in enumerate(tables):
        title = named[number] if named else f"panel {number + 1}"
        for index, column in enumerate(table.columns):
            place = len(columns)
            columns.append(f"{title}, {column}" if column and len(table.columns) > 1 else title)
            for name, cells in table.rows:
                if name != NO_LABEL:
                    rows.setdefault(name, [None] * width)[place] = cells[index]
    return ChartTable("panels", tuple(columns), tuple((name, tuple(cells)) for name, cells in rows.items()))


def _columns_of_bars(panels: Sequence[_Panel], labels: Sequence[Label]) -> ChartTable | None:
    """Lying bars in columns that share the labels of their rows; None where they are charts of their own."""
    first = panels[0].layout
    rows = clusters(first)
    middles = [middle_of(row) for row in rows]
    for panel in panels:
        if not panel.layout.horizontal or any(len(stack) > 1 for stack in panel.layout.stacks):
            return None
        if len(panel.layout.stacks) != len(rows) or any(
            abs(stack[0].middle - middle) > ALIGNED
            for stack, middle in zip(panel.layout.stacks, middles, strict=True)
        ):
            return None
    named = categories_of(first, rows, labels)
    titles = [_title(panel) for panel in panels]
    if not all(titles) or len(set(titles)) < len(titles):
        raise NoTable("the names of the series were not found")
    used = {id(label) for _, parts in named for label in parts}
    free = [label for label in labels if id(label) not in used]
    columns = []
    for panel in panels:
        printed = printed_values(panel.layout, free)
        scale = scale_of(None, printed)
        columns.append(cells_of(panel.layout, [[stack[0]] for stack in panel.layout.stacks], scale, printed))
    body = tuple(
        (name, tuple(column[number][0] for column in columns)) for number, (name, _) in enumerate(named)
    )
    return ChartTable("horizontal", tuple(titles), body)


# --------------------------------------------------------------- one chart


def _read(panel: _Panel, picture: Picture) -> ChartTable:
    """The table of one chart; neighbours that no legend names are categories of their own."""
    axis = _axis(panel.layout, panel.labels, picture.pixels)
    if axis is not None:
        bounds = _beside(panel.layout, axis)
        axis = axis.on_marks(picture.pixels, bounds, horizontal=panel.layout.horizontal)
    layout = panel.layout if axis is None else _with_flat_bars(panel.layout, panel.labels)
    grouped, single = clusters(layout), [list(stack) for stack in layout.stacks]
    try:
        return _read_clusters(panel, layout, grouped, axis, picture)
    except NoTable as none:
        if len(single) == len(grouped) or any(len(cluster) > 1 for cluster in single):
            raise
        try:
            table = _read_clusters(panel, layout, single, axis, picture)
        except NoTable:
            raise none from None
        if any(name == NO_LABEL for name, _ in table.rows):
            raise  # a group's one label would stand at its middle bar
        return table


def _read_clusters(
    panel: _Panel, layout: Layout, bars: Clusters, axis: Axis | None, picture: Picture
) -> ChartTable:
    ticks = {id(label) for label in axis.ticks} if axis else set()
    free = [label for label in panel.labels if id(label) not in ticks]
    named = categories_of(layout, bars, free)
    used = ticks | {id(label) for _, parts in named for label in parts}
    free = [label for label in free if id(label) not in used]
    everywhere = [label for label in picture.labels if id(label) not in used]
    series = series_of(layout, bars, [name for name, _ in named], everywhere, picture)
    printed = printed_values(layout, free)
    if axis is not None:
        axis = axis.resting_on(layout.baseline, horizontal=layout.horizontal)
    cells = cells_of(layout, bars, scale_of(axis, printed), printed)
    columns = list(dict.fromkeys(series.values()))
    _check_gaps(layout, bars)
    rows: list[tuple[str, tuple[Cell | None, ...]]] = []
    for (name, _), cluster, values in zip(named, bars, cells, strict=True):
        by_series: dict[str, Cell | None] = {}
        for bar, cell in zip(cluster, values, strict=True):
            if series[bar] in by_series:
                raise NoTable("a series has two bars in one category")
            by_series[series[bar]] = cell
        rows.append((name or NO_LABEL, tuple(by_series.get(column) for column in columns)))
    if sum(cell is not None for _, row in rows for cell in row) < (1 - _MISSING) * len(rows) * len(columns):
        raise NoTable("too many bars are missing")
    names = tuple(columns) if columns != [""] else (_axis_title(layout, free),)
    written = axis.as_text(horizontal=layout.horizontal) if axis and _begins_at_a_tick(axis, layout) else ""
    return ChartTable(_kind(layout, bars), names, tuple(rows), written)


def _begins_at_a_tick(axis: Axis, layout: Layout) -> bool:
    """Whether the tick where the bars begin was read: if not, others may be missing, too."""
    near = _AGREES_PIXELS * abs(axis.slope)
    return any(abs((tick.value or 0.0) - axis.value(layout.baseline)) <= near for tick in axis.ticks)


def _with_flat_bars(layout: Layout, labels: Sequence[Label]) -> Layout:
    """Upright bars with those too flat to be seen, where labels stand between and after very short ones."""
    if layout.horizontal or any(len(cluster) > 1 for cluster in clusters(layout)):
        return layout
    bars = [stack[0] for stack in layout.stacks]
    pitch = median(b.middle - a.middle for a, b in pairwise(bars))
    low = _HARDLY * (layout.most - layout.least)
    below = [label.x for label in labels if label.top > -layout.least - ALIGNED]

    def flat(middle: float) -> Bar:
        half = layout.thickness / 2
        return Bar(layout.baseline, layout.baseline, middle - half, middle + half, bars[0].colour)

    filled = [bars[0]]
    for bar in bars[1:]:
        last = filled[-1]
        missing = round((bar.middle - last.middle) / pitch) - 1
        if missing > 0 and max(bar.length, last.length) <= low:
            step = (bar.middle - last.middle) / (missing + 1)
            filled += [flat(last.middle + step * (number + 1)) for number in range(missing)]
        filled.append(bar)
    while filled[-1].length <= low:
        end = filled[-1].middle
        beyond = (n for n in (1, 2, 3) if any(abs(x - end - n * pitch) < 0.3 * pitch for x in below))
        if (missing := next(beyond, 0)) == 0:
            break
        filled += [flat(end + pitch * (number + 1)) for number in range(missing)]
    return replace(layout, stacks=tuple((bar,) for bar in filled)) if len(filled) > len(bars) else layout


def _kind(layout: Layout, bars: Clusters) -> str:
    if any(len(stack) > 1 for stack in layout.stacks):
        return "stacked"
    if any(len(cluster) > 1 for cluster in bars):
        return "grouped"
    return "horizontal" if layout.horizontal else "bar"


def _axis(layout: Layout, labels: Sequence[Label], pixels: Pixels) -> Axis | None:
    """The value axis: its ticks stand beside the bars, not among them."""
    if layout.horizontal:
        beside = [label for label in labels if label.y > layout.last - 2 or label.y < layout.first + 2]
        return find_axis(beside, horizontal=True)
    sides = [
        [label for label in labels if label.x < layout.first + 2],
        [label for label in labels if label.x > layout.last - 2],
    ]
    left, right = (find_axis(side, horizontal=False) for side in sides)
    if left and right and not _agree(left, right):
        raise NoTable("there are two axes")
    return left or right or find_decade(sides[0], pixels, layout.first)


def _beside(layout: Layout, axis: Axis) -> tuple[float, float]:
    """From an axis' labels to the bars, across."""
    if layout.horizontal:
        below = axis.ticks[0].y > layout.last
        if below:
            return layout.last + 2, min(tick.top for tick in axis.ticks)
        return max(tick.bottom for tick in axis.ticks), layout.first - 2
    if axis.ticks[0].x < layout.first:
        return max(tick.right for tick in axis.ticks), layout.first - 2
    return layout.last + 2, min(tick.left for tick in axis.ticks)


def _agree(a: Axis, b: Axis) -> bool:
    """Whether two axes say the same at the ends of the first one."""
    ends = (along(a.ticks[0], horizontal=False), along(a.ticks[-1], horizontal=False))
    spread = abs(a.value(ends[0]) - a.value(ends[1]))
    return all(abs(a.value(end) - b.value(end)) < 0.03 * spread for end in ends)


def _axis_title(layout: Layout, labels: Sequence[Label]) -> str:
    """The value axis' title, written upwards beside upright bars."""
    if layout.horizontal:
        return ""
    titles = [
        label.text
        for label in labels
        if label.vertical and label.value is None and label.x < layout.first and label.y < -layout.baseline
    ]
    return titles[0] if len(titles) == 1 else ""


def _check_gaps(layout: Layout, bars: Clusters) -> None:
    """Between single bars no other one is missing, unless its neighbours hardly rise. Raises NoTable."""
    if any(len(cluster) > 1 for cluster in bars):
        return
    single = [cluster[0] for cluster in bars]
    pitch = median(b.middle - a.middle for a, b in pairwise(single))
    for a, b in pairwise(single):
        if b.middle - a.middle > _GAP * pitch and max(a.length, b.length) > _HARDLY * (
            layout.most - layout.least
        ):
            raise NoTable("a bar is missing between others")
