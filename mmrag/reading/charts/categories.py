"""Which label belongs to which bar: lines left of lying bars, or below upright ones.

Labels must stand at their bars, and be complete or left out by a pattern. It knows no values.
"""

from __future__ import annotations

import re
from itertools import accumulate, pairwise
from statistics import median
from typing import TYPE_CHECKING

from mmrag.reading.charts.labels import LEVEL, groups
from mmrag.reading.charts.table import NoTable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mmrag.reading.charts.labels import Label
    from mmrag.reading.charts.layouts import Bar, Clusters, Layout

_VALUE_AT_END = re.compile(r"(?<=[^\W\d_])\s\d{1,3}%?$")
_OVER = 0.3  # of a label's height: so far its outline, which leaves a margin, may reach over a bar
_REACH = (
    5.0  # pixels above the bars' end that a label's outline may begin; the corners of a tilted one twice that
)
_ANCHORED = 0.2  # of the pitch: a label so near to a bar's middle is its own


def middle_of(cluster: Sequence[Bar]) -> float:
    """Where the bars of one category have their middle, across."""
    return (min(bar.low for bar in cluster) + max(bar.high for bar in cluster)) / 2


def categories_of(layout: Layout, bars: Clusters, labels: Sequence[Label]) -> list[tuple[str, list[Label]]]:
    """The label of each category with its lines; "" where every second one is left out."""
    centres = [middle_of(cluster) for cluster in bars]
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
        if not label.vertical and label.tilt < LEVEL and label.right < layout.least + _OVER * label.height
        and layout.first - pitch < label.y < layout.last + pitch
    ]  # fmt: skip
    parts: list[list[Label]] = [[] for _ in centres]
    for label in beside:
        nearest = min(range(len(centres)), key=lambda i: abs(centres[i] - label.y))
        if abs(centres[nearest] - label.y) < 0.6 * pitch:
            parts[nearest].append(label)
    blocks = []
    for centre, lines in zip(centres, parts, strict=True):
        block = lines_around(centre, lines)
        if block:
            middle = (min(label.top for label in block) + max(label.bottom for label in block)) / 2
            if abs(middle - centre) > max(0.28 * pitch, 0.6 * block[0].height):
                raise NoTable("the labels do not stand at their bars")
        blocks.append(block)
    return blocks


def lines_around(centre: float, lines: Sequence[Label]) -> list[Label]:
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
    below = [
        label
        for label in labels
        if label.top > floor - (_REACH if label.tilt < LEVEL else 2 * _REACH)
        and not _is_value_below(label, layout, labels)
    ]
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
            blocks.append(lines_around(head.y, part))
    return blocks if hanging else _without_axis_title(blocks, centres, pitch)


def _is_value_below(label: Label, layout: Layout, labels: Sequence[Label]) -> bool:
    """Whether a number is printed just under a bar below zero, and not in a row of names."""
    if label.value is None or label.tilt >= LEVEL or label.vertical:
        return False
    row = [other for other in labels if abs(other.y - label.y) < label.height / 2]
    return len(row) <= len(layout.stacks) / 2 and any(
        bar.end < layout.baseline
        and bar.low <= label.x <= bar.high
        and -label.height / 2 < label.top + bar.end < label.height
        for bar in layout.segments
    )


def _anchor(labels: Sequence[Label], centres: Sequence[float], pitch: float) -> Callable[[Label], float]:
    """Where labels touch their bars: tilted ones with their end or, in some libraries, with their middle.

    Raises NoTable where both fit and give other pairs.
    """
    hanging = [
        label
        for label in labels
        if label.tilt >= LEVEL and not label.vertical
        and label.right > centres[0] - pitch / 2 and label.left < centres[-1] + pitch / 2
    ]  # fmt: skip
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
