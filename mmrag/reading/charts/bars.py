"""Bars, upright or lying, grouped, stacked, in panels or below zero: their values printed or measured.

A bar's length is calibrated on the axis' ticks or on values that are printed at several bars; a
printed value counts where it agrees with the length. Anything that does not fit (series without a
name, values that contradict their bars, categories whose labels were not found) is no table.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise
from statistics import median
from typing import TYPE_CHECKING

from mmrag.reading.charts.axes import Axis, along, find_axis
from mmrag.reading.charts.labels import LEVEL, groups
from mmrag.reading.charts.layouts import ALIGNED, Bar, clusters, find_layouts, plausibility, split_at
from mmrag.reading.charts.legends import by_ink, by_sample
from mmrag.reading.charts.marks import rectangles
from mmrag.reading.charts.table import (
    CONFIRMED,
    MEASURED_CONFIDENCE,
    Cell,
    ChartTable,
    NoBars,
    NoTable,
    measured,
)
from mmrag.text.chart_text import NO_LABEL

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from mmrag.reading.charts.labels import Label
    from mmrag.reading.charts.layouts import Layout
    from mmrag.reading.charts.marks import Colours, Pixels, Rectangle

    Clusters = Sequence[Sequence[Bar]]

_LEAST_PRINTED = 3  # printed values that make a scale
_AGREES = 0.06  # of a value: so far from the length of its bar it may be
_AGREES_PIXELS = 3.0
_GAP = 1.6  # pitches between neighbours: one is missing
_HARDLY = 0.06  # of the longest bar
_FLAT = 3.5  # pixels
_VALUE_AT_END = re.compile(r"(?<=[^\W\d_])\s\d{1,3}%?$")
_ANCHORED = 0.2  # of the pitch: a label so near to a bar's middle is its own
_MISSING = 0.25  # of the cells may be left out
_LESS_PLAUSIBLE = 0.3  # than the other direction: not tried


@dataclass(frozen=True, slots=True)
class _Scale:
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
        if self.axis is None:
            return self.per_pixel
        return abs(self.axis.slope) * (2.3 * abs(value) if self.axis.log else 1.0)


@dataclass(frozen=True, slots=True)
class Picture:
    """What is drawn: colours, rectangles that are no letters, and all labels."""

    colours: Colours
    boxes: Sequence[Rectangle]
    labels: Sequence[Label]


@dataclass(frozen=True, slots=True)
class _Panel:
    """The bars of one chart with the labels that may be its own."""

    layout: Layout
    labels: tuple[Label, ...]


def read_bars(labels: Sequence[Label], colours: Colours, pixels: Pixels) -> ChartTable:
    """The table of the bars in a picture. Raises NoTable."""
    size = (pixels.shape[0], pixels.shape[1])
    boxes = [box for box in rectangles(colours, pixels) if not any(_is_glyph(box, label) for label in labels)]
    picture = Picture(colours, boxes, labels)
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
        if high - low < 1.2 * max(pitch, layout.thickness):
            continue
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
    for other_left, other_top, other_right, other_bottom in others:
        if other_left >= right and label.x > other_left:
            return False
        if other_right <= left and label.x < other_right:
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
    return " ".join(label.text for label in _around(nearest.y, centred))


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
    middles = [_middle(row) for row in rows]
    for panel in panels:
        if not panel.layout.horizontal or any(len(stack) > 1 for stack in panel.layout.stacks):
            return None
        if len(panel.layout.stacks) != len(rows) or any(
            abs(stack[0].middle - middle) > ALIGNED
            for stack, middle in zip(panel.layout.stacks, middles, strict=True)
        ):
            return None
    named = _categories(first, rows, labels)
    titles = [_title(panel) for panel in panels]
    if not all(titles) or len(set(titles)) < len(titles):
        raise NoTable("the names of the series were not found")
    used = {id(label) for _, parts in named for label in parts}
    free = [label for label in labels if id(label) not in used]
    columns = []
    for panel in panels:
        printed = _printed(panel.layout, free)
        scale = _scale(None, printed)
        columns.append(_cells(panel.layout, [[stack[0]] for stack in panel.layout.stacks], scale, printed))
    body = tuple(
        (name, tuple(column[number][0] for column in columns)) for number, (name, _) in enumerate(named)
    )
    return ChartTable("horizontal", tuple(titles), body)


# --------------------------------------------------------------- one chart


def _read(panel: _Panel, picture: Picture) -> ChartTable:
    """The table of one chart; neighbours that no legend names are categories of their own."""
    axis = _axis(panel.layout, panel.labels)
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
    named = _categories(layout, bars, free)
    used = ticks | {id(label) for _, parts in named for label in parts}
    free = [label for label in free if id(label) not in used]
    everywhere = [label for label in picture.labels if id(label) not in used]
    series = _series(layout, bars, [name for name, _ in named], everywhere, picture)
    printed = _printed(layout, free)
    if axis is not None:
        axis = axis.resting_on(layout.baseline, horizontal=layout.horizontal)
    cells = _cells(layout, bars, _scale(axis, printed), printed)
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


def _axis(layout: Layout, labels: Sequence[Label]) -> Axis | None:
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
    return left or right


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


# -------------------------------------------------------------- categories


def _middle(cluster: Sequence[Bar]) -> float:
    return (min(bar.low for bar in cluster) + max(bar.high for bar in cluster)) / 2


def _categories(layout: Layout, bars: Clusters, labels: Sequence[Label]) -> list[tuple[str, list[Label]]]:
    """The label of each category with its lines; "" where every second one is left out."""
    centres = [_middle(cluster) for cluster in bars]
    if len(centres) < 2:  # noqa: PLR2004 - a distance has two ends
        raise NoTable("there are too few categories")
    pitch = median(b - a for a, b in pairwise(centres))
    if pitch <= 0:
        raise NoTable("the bars do not stand beside each other")
    blocks = (
        _blocks_beside(layout, centres, pitch, labels)
        if layout.horizontal
        else _blocks_below(layout, centres, pitch, labels)
    )
    named = _without_values([" ".join(label.text for label in block).strip() for block in blocks])
    _check_names(named, centres, pitch)
    return list(zip(named, blocks, strict=True))


def _blocks_beside(
    layout: Layout, centres: Sequence[float], pitch: float, labels: Sequence[Label]
) -> list[list[Label]]:
    """The lines left of each lying bar, around its middle."""
    beside = [
        label
        for label in labels
        if not label.vertical and label.tilt < LEVEL and label.right < layout.least + 4
        and layout.first - pitch < label.y < layout.last + pitch
    ]  # fmt: skip
    parts: list[list[Label]] = [[] for _ in centres]
    for label in beside:
        nearest = min(range(len(centres)), key=lambda i: abs(centres[i] - label.y))
        if abs(centres[nearest] - label.y) < 0.6 * pitch:
            parts[nearest].append(label)
    blocks = []
    for centre, lines in zip(centres, parts, strict=True):
        block = _around(centre, lines)
        if block:
            middle = (min(label.top for label in block) + max(label.bottom for label in block)) / 2
            if abs(middle - centre) > max(0.28 * pitch, 0.6 * block[0].height):
                raise NoTable("the labels do not stand at their bars")
        blocks.append(block)
    return blocks


def _around(centre: float, lines: Sequence[Label]) -> list[Label]:
    """The lines of a block that adjoin each other and the one nearest to a place, in reading order."""
    if not lines:
        return []
    ordered = sorted(lines, key=lambda label: label.y)
    start = min(range(len(ordered)), key=lambda i: abs(ordered[i].y - centre))
    low = high = start
    while low > 0 and _adjoin(ordered[low - 1], ordered[low]):
        low -= 1
    while high + 1 < len(ordered) and _adjoin(ordered[high], ordered[high + 1]):
        high += 1
    rows = groups(ordered[low : high + 1], key=lambda label: label.y, reach=lambda label: 0.5 * label.height)
    return [label for row in rows for label in sorted(row, key=lambda label: label.left)]


def _adjoin(upper: Label, lower: Label) -> bool:
    return lower.top - upper.bottom < 0.5 * min(upper.height, lower.height)


def _blocks_below(
    layout: Layout, centres: Sequence[float], pitch: float, labels: Sequence[Label]
) -> list[list[Label]]:
    """The lines under each upright bar."""
    floor = -layout.least
    parts: list[list[Label]] = [[] for _ in centres]
    below = [label for label in labels if label.top > floor - 5]
    place = _anchor(below, centres, pitch)
    for label in below:
        nearest = min(range(len(centres)), key=lambda i: abs(centres[i] - place(label)))
        wide = label.tilt < LEVEL and not label.vertical and label.right - label.left > 1.7 * pitch
        if abs(centres[nearest] - place(label)) < 0.55 * pitch and not wide:
            parts[nearest].append(label)
    tops = [min(label.top for label in part) for part in parts if part]
    if not tops:
        raise NoTable("the bars' labels were not found")
    first = min(tops)
    heads = [min(part, key=lambda label: label.top) if part else None for part in parts]
    line = median(_line_height(head) for head in heads if head is not None)
    if first - floor > 6 * line + 0.25 * (layout.most - layout.least):
        raise NoTable("the bars' labels were not found")
    hanging = sum(head.vertical or head.tilt >= LEVEL for head in heads if head) > sum(map(bool, parts)) / 2
    blocks: list[list[Label]] = []
    for part, head in zip(parts, heads, strict=True):
        if head is None or head.top > first + (1.0 if not hanging else 3.0) * line:
            blocks.append([])
        elif hanging:
            blocks.append([label for label in part if (label.vertical or label.tilt >= LEVEL)][:1])
        else:
            blocks.append(_around(head.y, part))
    return blocks if hanging else _without_axis_title(blocks, centres, pitch)


def _anchor(labels: Sequence[Label], centres: Sequence[float], pitch: float) -> Callable[[Label], float]:
    """Where labels touch their bars: tilted ones with their end or, in some libraries, with their middle.

    Raises NoTable where both fit and give other pairs.
    """
    hanging = [label for label in labels if label.tilt >= LEVEL and not label.vertical]
    if not hanging:
        return _end

    def off(place: Callable[[Label], float]) -> float:
        return max(min(abs(centre - place(label)) for centre in centres) for label in hanging)

    by_end, by_middle = off(_end), off(_centre)
    apart = median(abs(_end(label) - _centre(label)) for label in hanging)
    if max(by_end, by_middle) < _ANCHORED * pitch and apart > pitch / 2:
        raise NoTable("it is not certain which bars the tilted labels belong to")
    return _end if by_end <= by_middle else _centre


def _end(label: Label) -> float:
    return label.x


def _centre(label: Label) -> float:
    return (label.left + label.right) / 2


def _line_height(label: Label) -> float:
    return (
        min(label.height, label.right - label.left) if label.vertical or label.tilt >= LEVEL else label.height
    )


def _without_axis_title(
    blocks: list[list[Label]], centres: Sequence[float], pitch: float
) -> list[list[Label]]:
    """A line below the labels that stands alone in the middle is the axis' title."""
    deepest = [number for number, block in enumerate(blocks) if len(block) > 1]
    middle = (centres[0] + centres[-1]) / 2
    if len(deepest) == 1:
        [number] = deepest
        last = blocks[number][-1]
        if abs(last.x - middle) < 0.2 * pitch:
            blocks = [*blocks[:number], blocks[number][:-1], *blocks[number + 1 :]]
    return blocks


def _without_values(named: list[str]) -> list[str]:
    """Names without a value that was read as one text with a few of them: `Germany 58`."""
    bare = [_VALUE_AT_END.sub("", name) for name in named]
    swallowed = sum(name != short for name, short in zip(named, bare, strict=True))
    return bare if swallowed <= len(named) / 3 else named


def _check_names(named: Sequence[str], centres: Sequence[float], pitch: float) -> None:
    """Labels are complete, or every second or third one is left out on purpose. Raises NoTable."""
    places = list(accumulate((max(1, round((b - a) / pitch)) for a, b in pairwise(centres)), initial=0))
    present = [place for place, name in zip(places, named, strict=True) if name]
    last = places[-1]
    steps = {b - a for a, b in pairwise(present)}
    if len(present) < 2:  # noqa: PLR2004 - one name is no pattern
        raise NoTable("the bars' labels were not found")
    step = min(steps)
    regular = all(one % step == 0 for one in steps) and present[0] < step and last - present[-1] < step
    if len(present) < len(named) and (not regular or not 1 < step <= 3 or len(present) < 3):  # noqa: PLR2004 - as the docstring says
        raise NoTable("some bars' labels were not found")
    if len({name for name in named if name}) < len(present):
        raise NoTable("two bars have the same label")


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


# ------------------------------------------------------------------ series


def _series(
    layout: Layout,
    bars: Clusters,
    categories: Sequence[str],
    labels: Sequence[Label],
    picture: Picture,
) -> dict[Bar, str]:
    """The series of each bar, by its colour; a nameless one where every category has one bar."""
    every = [bar for cluster in bars for bar in cluster]
    colours = list(dict.fromkeys(bar.colour for bar in every))
    legend = _legend(labels, picture.boxes, layout)
    if all(len(cluster) == 1 for cluster in bars):
        strangers = {colour for colour in colours if legend.get(colour, "") not in {"", *categories}}
        if len(strangers) > 1:
            raise NoTable("bars of several series do not stand in groups")
        return dict.fromkeys(every, "")
    names = {colour: legend[colour] for colour in colours if colour in legend}
    texts = [label for label in labels if label.value is None and not label.vertical]
    if len(names) < len(colours):
        names = by_sample(texts, picture.colours, set(colours)) or by_ink(
            texts, picture.colours, set(colours)
        )
    if len(names) < len(colours):
        return _by_headers(layout, bars, labels)
    if len(set(names.values())) < len(names):
        raise NoTable("two series have the same name")
    return {bar: names[bar.colour] for bar in every}


def _by_headers(layout: Layout, bars: Clusters, labels: Sequence[Label]) -> dict[Bar, str]:
    """Lying segments named by the texts above the first row's, as a table's columns are, by their order."""
    headers = _headers(bars[0], labels) if layout.horizontal else []
    if not headers or any(len(cluster) != len(headers) for cluster in bars):
        raise NoTable("the names of the series were not found")
    return {
        bar: name
        for cluster in bars
        for bar, name in zip(sorted(cluster, key=_leftmost), headers, strict=True)
    }


def _leftmost(bar: Bar) -> float:
    return min(bar.start, bar.end)


def _legend(labels: Sequence[Label], boxes: Iterable[Rectangle], layout: Layout) -> dict[int, str]:
    """Colours named by the text just right of a small box that is no bar."""
    bars = {(bar.low, min(bar.start, bar.end)) for bar in layout.segments}
    named: dict[int, tuple[float, str]] = {}
    for box in boxes:
        height, width = box.bottom - box.top, box.right - box.left
        key = (box.top, box.left) if layout.horizontal else (box.left, -box.bottom)
        if key in bars:
            continue
        for label in labels:
            gap = label.left - box.right
            level = abs(label.y - (box.top + box.bottom) / 2) < 0.6 * label.height
            small = height < 1.8 * label.height and width < 5 * label.height
            if label.value is None and level and small and -ALIGNED < gap < 1.6 * label.height + 4:
                text = label.text.lstrip("■□●▪ ")
                if text and (box.colour not in named or gap < named[box.colour][0]):
                    named[box.colour] = (gap, text)
    return {colour: text for colour, (_, text) in named.items()}


def _headers(top: Sequence[Bar], labels: Sequence[Label]) -> list[str]:
    """The text above each segment of the first row, from left to right; [] where one has none."""
    named: list[str] = []
    used: set[int] = set()
    for bar in sorted(top, key=_leftmost):
        low, high = sorted((bar.start, bar.end))
        over = [
            label
            for label in labels
            if label.value is None and id(label) not in used
            and low - 0.6 * label.height <= label.x <= high + 0.6 * label.height
            and label.bottom <= bar.low + 3 and bar.low - label.bottom < 4 * label.height
            and label.right - label.left < 2 * max(high - low, 4 * label.height)
        ]  # fmt: skip
        if not over:
            return []
        nearest = max(over, key=lambda label: label.bottom)
        block = [label for label in _around(nearest.y, over) if abs(label.x - nearest.x) < 2 * nearest.height]
        used.update(map(id, block))
        named.append(" ".join(label.text for label in block))
    return named if len(set(named)) == len(named) else []


# ------------------------------------------------------------------ values


def _printed(layout: Layout, labels: Sequence[Label]) -> dict[Bar, Label]:
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


def _scale(axis: Axis | None, printed: dict[Bar, Label]) -> _Scale:
    """By the axis, else by the value of a pixel that printed values agree on. Raises NoTable."""
    if axis is not None:
        return _Scale(axis, 0.0)
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
    return _Scale(None, median(agreeing))


def _cells(
    layout: Layout, bars: Clusters, scale: _Scale, printed: dict[Bar, Label]
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
                row.append(Cell(label.text, "printed", CONFIRMED) if fits else None)
            elif scale.axis is not None:
                row.append(_measured(length, scale))
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


def _measured(length: float, scale: _Scale) -> Cell:
    axis = scale.axis
    if abs(length) < _FLAT * scale.pixel(length):
        length = 0.0  # too short to tell on which side of zero it lies
    percent = axis is not None and all(tick.text.endswith("%") for tick in axis.ticks if tick.value)
    return Cell(
        measured(length, scale.pixel(length)) + ("%" if percent else ""), "measured", MEASURED_CONFIDENCE
    )
