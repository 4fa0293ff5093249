"""Values printed at the points of lines: over the labels of the axis, in the colour of their line's name.

    values over a label of the lowest row --place--> category
    ink of a value = ink of a text beside the lines --> series

Confirmed where all values stand as high as they are large, as far as a text beside its point can. What is
drawn between the printed points is not known, so the table is a part of the chart's. It knows no lines.
"""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import pairwise
from statistics import linear_regression
from typing import TYPE_CHECKING

from mmrag.reading.charts.fills import alike
from mmrag.reading.charts.labels import groups, value_of
from mmrag.text.chart_text import NO_LABEL

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mmrag.reading.charts.fills import Colour, Fills
    from mmrag.reading.charts.labels import Label
    from mmrag.reading.charts.table import Rows

_FEWEST_VALUES = 4
_FEWEST_SIZES = 3  # of the values: two confirm nothing
_OVER = 0.9  # heights of a line between the middles of a value and its category
_BEYOND = 2.2  # heights of a line between the last point and a value right of it
_OFF = 1.5  # heights of a line between a value and where it would stand by its size
_INKS = 90  # of 765: thin letters are paler than thick ones
_LONGEST = 12  # characters of an axis' label
_LONGEST_NAME = 60  # characters
_VALUE_AND_NAME = re.compile(r"\W*(?:[0oObB](?=\d))?(?P<value>\d{1,3}(?:\.\d+)?%?)\s+(?P<name>[^\W\d].{2,})")


def read_points(labels: Sequence[Label], fills: Fills) -> Rows | None:
    """Header and rows of the values printed at lines' points; None where they are not certain.

    Values over no label stand in rows named as values without a label.
    """
    labels = [part for label in labels for part in _value_apart(label)]
    categories = _axis(labels)
    floor = min((category.top for category in categories), default=0.0)
    over = [label for label in labels if label.value is not None and label.bottom < floor]
    values = [value for value in over if _is_among(value, categories) and not _is_tick(value, over)]
    if not _confirmed(values):
        return None
    series = _series(values, [label for label in labels if label.value is None], categories, fills)
    return _table(categories, series) if series else None


def _value_apart(label: Label) -> list[Label]:
    """The last value of a line and its name that were read as one text: `o17 Prices` with a marker."""
    match = _VALUE_AND_NAME.fullmatch(label.text)
    if match is None or label.value is not None:
        return [label]
    cut = label.left + (label.right - label.left) * match.start("name") / len(label.text)
    value = replace(
        label, text=match["value"], value=value_of(match["value"]), right=cut, x=(label.left + cut) / 2
    )
    return [value, replace(label, text=match["name"], left=cut, x=(cut + label.right) / 2)]


def _axis(labels: Sequence[Label]) -> list[Label]:
    """The lowest row of short labels with a number in each."""
    short = [label for label in labels if len(label.text) <= _LONGEST and any(map(str.isdigit, label.text))]
    rows = groups(short, key=lambda label: label.top, reach=lambda label: 0.5 * label.height)
    found = [sorted(row, key=lambda label: label.x) for row in rows if len(row) > 1]
    return max(found, key=lambda row: row[0].y, default=[])


def _is_among(value: Label, categories: Sequence[Label]) -> bool:
    reach = _BEYOND * value.height
    return categories[0].x - reach < value.right and value.left < categories[-1].x + reach


def _is_tick(value: Label, values: Sequence[Label]) -> bool:
    """Whether a value is one of an axis': three or more end at one place, evenly apart as their sizes are."""
    column = sorted(
        (one for one in values if abs(one.right - value.right) < 0.5 * value.height), key=lambda one: one.y
    )
    if len(column) < _FEWEST_SIZES:
        return False
    steps = [(b.y - a.y, (a.value or 0.0) - (b.value or 0.0)) for a, b in pairwise(column)]
    rises = [rise for _, rise in steps]
    gaps = [gap for gap, _ in steps]
    return min(rises) > 0 and max(rises) < 1.01 * min(rises) and max(gaps) - min(gaps) < 0.5 * value.height


def _confirmed(values: Sequence[Label]) -> bool:
    """Whether larger values stand proportionally higher, above or below their points."""
    if len(values) < _FEWEST_VALUES or len({value.value for value in values}) < _FEWEST_SIZES:
        return False
    height = max(value.height for value in values)
    places = [-value.y for value in values]
    sizes = [value.value or 0.0 for value in values]
    slope, offset = linear_regression(sizes, places)
    spread_out = slope * (max(sizes) - min(sizes)) > 2 * _OFF * height
    return spread_out and all(
        abs(offset + slope * size - place) <= _OFF * height for size, place in zip(sizes, places, strict=True)
    )


# ---------------------------------------------------------------------- series


def _series(
    values: Sequence[Label], words: Sequence[Label], categories: Sequence[Label], fills: Fills
) -> dict[Label, str] | None:
    """The name of each value's line, "" for a lone ink without one; None where one of several has none."""
    by_ink = _by_ink(values, fills)
    near = _beside_lines(words, values, categories)
    named = {ink: _blocks([word for word in near if _is_in(word, ink, fills)]) for ink in by_ink}
    begin = categories[0].x
    kept = {
        ink: own
        for ink, own in by_ink.items()
        # A lone value lies over a line; a nameless ink left of all points is the axis'.
        if len(by_ink) == 1 or (len(own) > 1 and (named[ink] or any(value.left > begin for value in own)))
    }
    if any(len(named[ink]) != 1 for ink in kept) and not (len(by_ink) == 1 and not any(named.values())):
        return None
    names = {ink: named[ink][0] if named[ink] else "" for ink in kept}
    if not names or len(set(names.values())) < len(names):
        return None
    return {value: names[ink] for ink, own in kept.items() for value in own}


def _by_ink(values: Sequence[Label], fills: Fills) -> dict[Colour, list[Label]]:
    found: dict[Colour, list[Label]] = {}
    for value in values:
        known = next((ink for ink in found if _is_in(value, ink, fills)), fills.ink(value))
        found.setdefault(known, []).append(value)
    return found


def _is_in(label: Label, ink: Colour, fills: Fills) -> bool:
    return alike(fills.ink(label), ink, reach=_INKS)


def _beside_lines(
    words: Sequence[Label], values: Sequence[Label], categories: Sequence[Label]
) -> list[Label]:
    """Words that may be a line's name: between the axis and the highest value."""
    height = max(value.height for value in values)
    top = min(value.top for value in values) - height
    floor = min(category.top for category in categories)
    return [
        word
        for word in words
        if top < word.y < floor and word.left > categories[0].left - 2 * height
        if sum(map(str.isalpha, word.text)) > 1 and len(word.text) <= _LONGEST_NAME
    ]


def _blocks(words: Sequence[Label]) -> list[str]:
    """Texts of one ink: lines close under each other, and words close beside each other, are one."""
    blocks: list[list[Label]] = []
    for word in sorted(words, key=lambda one: (one.y, one.left)):
        block = next((block for block in blocks if any(_adjoin(one, word) for one in block)), None)
        if block is None:
            blocks.append([word])
        else:
            block.append(word)
    return [" ".join(word.text for word in block) for block in blocks]


def _adjoin(a: Label, b: Label) -> bool:
    height = max(a.height, b.height)
    beside = abs(a.y - b.y) < 0.5 * height and b.left - a.right < height
    below = b.top - a.bottom < 0.5 * height and a.left < b.right and b.left < a.right
    return beside or below


def _table(categories: Sequence[Label], series: dict[Label, str]) -> Rows | None:
    columns = list(dict.fromkeys(series.values()))
    cells: dict[tuple[int, str], list[str]] = {}
    loose: list[tuple[str, str]] = []
    for value, name in series.items():
        place = _category(value, categories)
        if place is None:
            loose.append((name, value.text))
        else:
            cells.setdefault((place, name), []).append(value.text)
    loose += [(name, text) for (_, name), texts in cells.items() if len(texts) > 1 for text in texts]
    rows = [
        (
            category.text,
            *(one[0] if len(one := cells.get((place, name), [])) == 1 else "" for name in columns),
        )
        for place, category in enumerate(categories)
    ]
    rows = [row for row in rows if any(row[1:])]
    if len(rows) < 2 or len({row[0] for row in rows}) < len(rows):  # noqa: PLR2004 - a line has two ends
        return None
    unnamed = [(NO_LABEL, *(text if name == column else "" for column in columns)) for name, text in loose]
    return (("", *columns), *rows, *unnamed)


def _category(value: Label, categories: Sequence[Label]) -> int | None:
    """The label that a value stands over; the first and the last also where it stands just outside."""
    nearest = min(range(len(categories)), key=lambda place: abs(categories[place].x - value.x))
    if abs(categories[nearest].x - value.x) <= _OVER * value.height:
        return nearest
    first, last = categories[0], categories[-1]
    if nearest == len(categories) - 1 and -2 <= value.left - last.x <= _BEYOND * value.height:  # noqa: PLR2004 - pixels
        return nearest
    if nearest == 0 and -2 <= first.x - value.right <= _BEYOND * value.height:  # noqa: PLR2004 - pixels
        return nearest
    return None
