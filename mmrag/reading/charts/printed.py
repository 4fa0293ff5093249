"""A chart's data table from the values printed on it, or nothing.

Labels are paired with values by geometry, and a pairing counts only where the picture itself
confirms it: printed values must stand as high (or reach as far) as they are large, shares of a pie
must add up to 100 %. Anything ambiguous (several values for a category, a value left over, panels,
stacks) is no table: the text of the picture is still read, and no number is better than a wrong
one. Values that are only drawn are for `bars` to measure.
"""

from __future__ import annotations

import math
import re
from dataclasses import replace
from itertools import chain, pairwise
from statistics import linear_regression
from typing import TYPE_CHECKING

from mmrag.reading.charts.labels import LEVEL, YEAR, groups, labels_of, value_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from mmrag.reading.charts.labels import Label
    from mmrag.reading.charts.table import Rows
    from mmrag.reading.ocr import Pixels, TextLine

    Colour = tuple[float, float, float]

_SHARE = re.compile(r"(?P<label>.*[^\W\d_].*?)[\s:：,(（–-]*(?<![\d.,])(?P<share>\d+(?:\.\d+)?\s?%)[)）]?")

_MIN_VALUES = 3  # two points always lie on a line: they confirm nothing
_EVEN = 1.35  # the widest distance between categories at most so many times the narrowest
_CENTRED = 0.25  # of the distance between categories: so far off its category's centre a value may be
_TOLERANCE = 0.03  # of the values' extent in the picture, at least _TOLERANCE_PIXELS
_TOLERANCE_PIXELS = 3.0
_WHOLE = (98.5, 101.5)  # shares are rounded: they add up to about 100 %
_DISTINCT = 40  # of 765: the sum of three channels' differences that makes another colour
_ROUND = 0.93  # of its enclosing circle's area a disc covers


def read_printed(lines: Sequence[TextLine], pixels: Pixels) -> Rows | None:
    """Header and rows of the one table that the picture confirms; None where none or several do."""
    labels = labels_of(lines)
    tables = [
        table
        for table in (_columns(labels, pixels), _bars(labels), _pie(labels, pixels))
        if table is not None
    ]
    return tables[0] if len(tables) == 1 else None


def has_axis(lines: Sequence[TextLine]) -> bool:
    """Whether numbers stand in a column or row at distances equal to their differences, as ticks do."""
    values = [
        label for label in labels_of(lines) if label.value is not None and not YEAR.fullmatch(label.text)
    ]
    by_column = groups(values, key=lambda label: label.right, reach=lambda label: 0.6 * label.height)
    by_row = groups(values, key=lambda label: label.y, reach=lambda label: 0.6 * label.height)
    return any(_are_ticks(group, lambda label: label.y) for group in by_column) or any(
        _are_ticks(group, lambda label: label.x) for group in by_row
    )


def _are_ticks(labels: Sequence[Label], position: Callable[[Label], float]) -> bool:
    """Four or more even steps, from zero or of a size that no numbering of rows has."""
    if len(labels) < 4:  # noqa: PLR2004 - three numbers are evenly apart too often
        return False
    values = sorted(label.value for label in labels if label.value is not None)
    steps = [b - a for a, b in pairwise(values)]
    even = min(steps) > 0 and max(steps) < 1.01 * min(steps)
    return (
        even
        and (0 in values or steps[0] >= 5)  # noqa: PLR2004 - rows are numbered 1, 2, 3
        and _is_affine([label.value or 0.0 for label in labels], [position(label) for label in labels])
    )


# ---------------------------------------------------------------- upright bars and points


def _columns(labels: Sequence[Label], pixels: Pixels) -> Rows | None:
    """Categories in a row under their values: one each, or one for every series of a legend."""
    ticks = {id(label) for label in _ticks_of_upright_axis(labels)}
    marks = [label for label in labels if id(label) not in ticks]
    for categories in _category_rows(marks):
        stacks = _values_above(categories, marks)
        if stacks is None or not _confirmed(every := list(chain(*stacks)), [-value.y for value in every]):
            continue
        names = [_vertical_title(categories, labels)]
        if len(stacks[0]) > 1:
            if (grouped := _by_series(stacks, categories, labels, pixels)) is None:
                continue
            names, stacks = grouped
        values = ([value.text for value in stack] for stack in stacks)
        return (("", *names), *((c.text, *v) for c, v in zip(categories, values, strict=True)))
    return None


def _ticks_of_upright_axis(labels: Sequence[Label]) -> list[Label]:
    """Numbers under each other, at distances equal to their differences."""
    numeric = [label for label in labels if label.value is not None]
    columns = groups(numeric, key=lambda label: label.right, reach=lambda label: 0.6 * label.height)
    return [
        label
        for column in columns
        if len(column) >= _MIN_VALUES
        and _is_affine([label.value or 0.0 for label in column], [label.y for label in column])
        for label in column
    ]


def _category_rows(labels: Sequence[Label]) -> Iterator[list[Label]]:
    """Rows that may be categories, lowest first: evenly spaced, distinct."""
    level = [label for label in labels if not label.vertical and label.tilt < LEVEL]
    hanging = [label for label in labels if label.vertical or label.tilt >= LEVEL]
    rows = groups(level, key=lambda label: label.y, reach=lambda label: 0.5 * label.height)
    rows += groups(hanging, key=lambda label: label.top, reach=lambda label: 0.5 * (label.right - label.left))
    for row in sorted(rows, key=lambda row: -row[0].y):
        ordered = sorted(row, key=lambda label: label.x)
        gaps = [b.x - a.x for a, b in pairwise(ordered)]
        if len(row) < _MIN_VALUES or max(gaps) > _EVEN * min(gaps):
            continue
        whole = [_with_further_lines(label, labels, min(gaps)) for label in ordered]
        if len({label.text for label in whole}) == len(whole) and _may_be_categories(whole):
            yield whole


def _may_be_categories(labels: Sequence[Label]) -> bool:
    """Words, years or counts; not a row of values, which have units and fractions."""
    return all(label.value is None or label.text.isdigit() or YEAR.fullmatch(label.text) for label in labels)


def _with_further_lines(label: Label, labels: Sequence[Label], spacing: float) -> Label:
    """A category with the lines directly above and below it that belong to it."""
    if label.vertical or label.tilt >= LEVEL:
        return label
    whole = label
    grown = True
    while grown:
        grown = False
        for other in labels:
            aligned = abs(other.x - label.x) < _CENTRED * spacing and other.right - other.left < spacing
            if other.value is not None or other.vertical or not aligned:
                continue
            if -0.3 * label.height < other.top - whole.bottom < 0.6 * label.height:
                whole = replace(whole, text=f"{whole.text} {other.text}", bottom=other.bottom, value=None)
                grown = True
            elif -0.3 * label.height < whole.top - other.bottom < 0.6 * label.height:
                whole = replace(whole, text=f"{other.text} {whole.text}", top=other.top, value=None)
                grown = True
    return whole


def _values_above(categories: Sequence[Label], labels: Sequence[Label]) -> list[list[Label]] | None:
    """The values above each category, left to right; None unless all have equally many."""
    spacing = (categories[-1].x - categories[0].x) / (len(categories) - 1)
    ceiling = min(category.top for category in categories)
    stacks: list[list[Label]] = [[] for _ in categories]
    for label in sorted(labels, key=lambda label: label.x):
        place = (label.x - categories[0].x) / spacing
        if label.value is None or label.y >= ceiling or not 0 <= round(place) < len(categories):
            continue
        stacks[round(place)].append(label)
    heights = {len(stack) for stack in stacks}
    if len(heights) != 1 or heights == {0}:
        return None
    if heights == {1} and any(
        abs(stack[0].x - category.x) > _CENTRED * spacing
        for category, stack in zip(categories, stacks, strict=True)
    ):
        return None
    return stacks


def _by_series(
    stacks: Sequence[Sequence[Label]], categories: Sequence[Label], labels: Sequence[Label], pixels: Pixels
) -> tuple[list[str], list[list[Label]]] | None:
    """Names of the series and each category's values in their order, by the colours of the legend."""
    used = {id(label) for label in chain(categories, *stacks)}
    legend = {
        label.text: colour
        for label in labels
        if label.value is None and not label.vertical and id(label) not in used
        if (colour := _swatch(label, pixels)) is not None
    }
    if len(legend) != len(stacks[0]):
        return None
    ordered: list[list[Label]] = []
    for stack in stacks:
        by_name = {_nearest_colour(_colour_below(value, pixels), legend): value for value in stack}
        if None in by_name or len(by_name) != len(legend):
            return None
        ordered.append([by_name[name] for name in legend])
    return list(legend), ordered


def _swatch(label: Label, pixels: Pixels) -> Colour | None:
    """The colour of a legend's sign, left of its text."""
    size = label.height
    return _main_colour(
        pixels, label.left - 2.5 * size, label.y - 0.4 * size, label.left - 2, label.y + 0.4 * size
    )


def _colour_below(value: Label, pixels: Pixels) -> Colour | None:
    """The colour of the bar that a value stands on."""
    half = 0.3 * (value.right - value.left)
    return _main_colour(
        pixels, value.x - half, value.bottom, value.x + half, value.bottom + 0.8 * value.height
    )


def _main_colour(pixels: Pixels, left: float, top: float, right: float, bottom: float) -> Colour | None:
    """The commonest colour of a region apart from the background; None where there is hardly any."""
    import numpy as np  # noqa: PLC0415 - heavy

    region = pixels[max(0, round(top)) : max(0, round(bottom)), max(0, round(left)) : max(0, round(right))]
    drawn = region[np.abs(region.astype(np.int16) - _background(pixels)).sum(axis=2) > _DISTINCT]
    if len(drawn) < 0.1 * region.shape[0] * region.shape[1] or not len(drawn):
        return None
    colours, counts = np.unique(drawn // 16, axis=0, return_counts=True)
    commonest = (drawn // 16 == colours[counts.argmax()]).all(axis=1)
    red, green, blue = drawn[commonest].mean(axis=0)
    return float(red), float(green), float(blue)


def _background(pixels: Pixels) -> Pixels:
    import numpy as np  # noqa: PLC0415 - heavy

    sample = pixels[:: max(1, len(pixels) // 50), :: max(1, pixels.shape[1] // 50)]
    return np.median(sample.reshape(-1, 3), axis=0).astype(np.int16)  # type: ignore[no-any-return]  # the median of an array is one


def _nearest_colour(colour: Colour | None, legend: dict[str, Colour]) -> str | None:
    if colour is None:
        return None
    distances = {
        name: sum(abs(a - b) for a, b in zip(colour, other, strict=True)) for name, other in legend.items()
    }
    nearest = min(distances, key=distances.__getitem__)
    return nearest if distances[nearest] <= _DISTINCT else None


def _vertical_title(categories: Sequence[Label], labels: Sequence[Label]) -> str:
    """The value axis' title, written upwards left of the categories."""
    titles = [
        label.text
        for label in labels
        if label.vertical
        and label.value is None
        and label.right < categories[0].x
        and label.y < categories[0].top
    ]
    return titles[0] if len(titles) == 1 else ""


# ---------------------------------------------------------------- lying bars


def _bars(labels: Sequence[Label]) -> Rows | None:
    """Categories in a column left of their values."""
    words = [label for label in labels if label.value is None and not label.vertical]
    values = [label for label in labels if label.value is not None]
    by_right = groups(words, key=lambda label: label.right, reach=lambda label: 0.5 * label.height)
    by_left = groups(words, key=lambda label: label.left, reach=lambda label: 0.5 * label.height)
    for column in sorted(by_right + by_left, key=len, reverse=True):
        categories = _stacked(sorted(column, key=lambda label: label.y))
        if len(categories) < _MIN_VALUES:
            return None
        matched = _values_right_of(categories, values)
        if matched is None:
            continue
        edges: tuple[Callable[[Label], float], ...] = (
            lambda label: label.left,
            lambda label: label.x,
            lambda label: label.right,
        )
        if any(_confirmed(matched, [edge(value) for value in matched]) for edge in edges):
            return (("", ""), *((c.text, v.text) for c, v in zip(categories, matched, strict=True)))
    return None


def _stacked(column: Sequence[Label]) -> list[Label]:
    """Categories of a column, those of several lines as one."""
    whole = [column[0]]
    for label in column[1:]:
        last = whole[-1]
        if label.top - last.bottom < 0.15 * label.height:
            text = f"{last.text} {label.text}"
            whole[-1] = replace(last, text=text, bottom=label.bottom, y=(last.top + label.bottom) / 2)
        else:
            whole.append(label)
    return whole


def _values_right_of(categories: Sequence[Label], values: Sequence[Label]) -> list[Label] | None:
    """The one value right of each category; None where one has none or several, or one is left over."""
    found: dict[int, Label] = {}
    edge = max(label.right for label in categories)
    for value in values:
        if value.left < edge or not categories[0].top < value.y < categories[-1].bottom:
            continue
        nearest = min(range(len(categories)), key=lambda index: abs(categories[index].y - value.y))
        if abs(categories[nearest].y - value.y) > 0.5 * value.height or nearest in found:
            return None
        found[nearest] = value
    return [found[index] for index in range(len(categories))] if len(found) == len(categories) else None


# ---------------------------------------------------------------- pies


def _pie(labels: Sequence[Label], pixels: Pixels) -> Rows | None:
    """Shares that add up to a whole, each with its label: in one text, on one line, or at one angle."""
    shares = [label for label in labels if label.value is not None and label.text.endswith("%")]
    together = [match for label in labels if (match := _SHARE.fullmatch(label.text))]
    if len(together) > 1 and not shares and _is_whole(match["share"] for match in together):
        return (("", ""), *((match["label"].strip(), match["share"]) for match in together))
    words = [label for label in labels if label.value is None and not label.vertical]
    if len(shares) < 2 or not _is_whole(share.text for share in shares):  # noqa: PLR2004 - a pie has slices
        return None
    circle = _circle(pixels)
    pairs = _pairs_by_line(shares, words) or (_pairs_by_angle(shares, words, circle) if circle else None)
    return (("", ""), *pairs) if pairs else None


def _pairs_by_line(shares: Sequence[Label], words: Sequence[Label]) -> list[tuple[str, str]] | None:
    """Each share with the label just left of it, as in a legend; None unless all stand in one column."""
    pairs: list[tuple[str, str]] = []
    for share in shares:
        left = [
            word for word in words if abs(word.y - share.y) < 0.5 * share.height and word.right < share.left
        ]
        if not left:
            return None
        pairs.append((max(left, key=lambda word: word.right).text, share.text))
    in_column = any(
        max(map(edge, shares)) - min(map(edge, shares)) < shares[0].height
        for edge in (lambda share: share.left, lambda share: share.right)
    )
    return pairs if in_column and len({name for name, _ in pairs}) == len(pairs) else None


def _is_whole(shares: Iterable[str]) -> bool:
    values = [value_of(share) or 0.0 for share in shares]
    return _WHOLE[0] <= sum(values) <= _WHOLE[1] and 0 < max(values) < 100  # noqa: PLR2004 - all of it is no share


def _circle(pixels: Pixels) -> tuple[float, float, float] | None:
    """Centre and radius of the one disc in the picture, or of a ring."""
    import cv2  # noqa: PLC0415 - heavy
    import numpy as np  # noqa: PLC0415 - heavy

    drawn = (np.abs(pixels.astype(np.int16) - _background(pixels)).sum(axis=2) > _DISTINCT).astype(np.uint8)
    closed = cv2.morphologyEx(drawn, cv2.MORPH_CLOSE, np.ones((7, 7), np.uint8))
    contours, _ = cv2.findContours(closed, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    if not contours:
        return None
    largest = max(contours, key=cv2.contourArea)
    (x, y), radius = cv2.minEnclosingCircle(largest)
    is_round = cv2.contourArea(largest) > _ROUND * math.pi * radius**2
    return (x, y, radius) if is_round and radius > 0.1 * min(pixels.shape[:2]) else None


def _pairs_by_angle(
    shares: Sequence[Label], words: Sequence[Label], circle: tuple[float, float, float]
) -> list[tuple[str, str]] | None:
    """Each share with the one label that stands outside the disc in its direction."""
    x, y, radius = circle
    outside = [label for label in words if 0.95 * radius < _distance(label, x, y) < 2 * radius]
    pairs: list[tuple[str, str]] = []
    used: set[str] = set()
    for share in shares:
        direction = math.atan2(share.y - y, share.x - x)
        near = sorted(outside, key=lambda label: _turn(_direction(label, x, y), direction))
        slice_angle = 2 * math.pi * (share.value or 0) / 100
        if not near or near[0].text in used:
            return None
        if _turn(_direction(near[0], x, y), direction) > slice_angle / 2:
            return None
        used.add(near[0].text)
        pairs.append((near[0].text, share.text))
    return pairs


def _nearest_point(label: Label, x: float, y: float) -> tuple[float, float]:
    """The point of a label's box that is nearest to the centre: where it touches its slice."""
    return min(max(x, label.left), label.right), min(max(y, label.top), label.bottom)


def _distance(label: Label, x: float, y: float) -> float:
    near_x, near_y = _nearest_point(label, x, y)
    return math.hypot(near_x - x, near_y - y)


def _direction(label: Label, x: float, y: float) -> float:
    near_x, near_y = _nearest_point(label, x, y)
    return math.atan2(near_y - y, near_x - x)


def _turn(a: float, b: float) -> float:
    """The angle between two directions."""
    return abs((a - b + math.pi) % (2 * math.pi) - math.pi)


# ---------------------------------------------------------------- what the picture confirms


def _confirmed(values: Sequence[Label], positions: Sequence[float]) -> bool:
    """Whether larger values stand proportionally further along their axis."""
    amounts = [value.value or 0.0 for value in values]
    extent = max(positions) - min(positions)
    spread_out = extent > 2 * max(value.height for value in values)
    return len(set(amounts)) >= _MIN_VALUES and spread_out and _is_affine(amounts, positions, rising=True)


def _is_affine(amounts: Sequence[float], positions: Sequence[float], *, rising: bool = False) -> bool:
    """Whether positions are a line over amounts, but for a few pixels."""
    if len(set(amounts)) < 2:  # noqa: PLR2004 - a line goes through two points
        return False
    slope, offset = linear_regression(amounts, positions)
    if rising and slope <= 0:
        return False
    tolerance = max(_TOLERANCE_PIXELS, _TOLERANCE * (max(positions) - min(positions)))
    return all(abs(offset + slope * a - p) <= tolerance for a, p in zip(amounts, positions, strict=True))
