"""Texts of a picture taken apart and put together: numbers, legends and headers that were read as one.

It knows no table.
"""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import combinations, pairwise
from typing import TYPE_CHECKING

from mmrag.reading.charts.labels import LEVEL, value_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from mmrag.reading.charts.fills import Fills
    from mmrag.reading.charts.labels import Label

SIGNS = "■□●▪◆•- "  # a legend's sample that was read as text
SAME_PLACE = 0.6  # of a line's height that two texts of one line or column are apart
_CLOSE = 0.35  # of a line's height between two lines of one text
_WIDE_GAP = 0.9  # of a line's height between two texts that were read as one
_NARROW, _WIDE = frozenset("fijlrt.,:;'|()[]! "), frozenset("mwMW%@")
_MOST_ENDS = 14  # of words in a text that is taken apart
_VALUES = re.compile(r"\d[\d,.]*%?(?:\s\d[\d,.]*%?)+")
_A_YEAR = re.compile(r"[-–■□●▪◆•]?\s?(?:19|20)\d\d")  # with a legend's sign that was read as one


def _is_level(label: Label) -> bool:
    """A single digit is as tall as text that is written upwards."""
    is_short = label.value is not None and len(label.text) <= 2  # noqa: PLR2004 - digits
    return is_short or (not label.vertical and label.tilt < LEVEL)


def _unless_year(label: Label) -> Label:
    """A year names a row or a column: it is no value."""
    return replace(label, value=None) if _A_YEAR.fullmatch(label.text) else label


def says(text: str) -> bool:
    """Whether a text may be a name: a lone letter is a mark that was read as one."""
    return sum(map(str.isalpha, text)) > 1 or any(map(str.isdigit, text))


def _numbers_apart(label: Label) -> list[Label]:
    """The values of two segments that were read as one text: `24 10`."""
    if label.value is not None or not _VALUES.fullmatch(label.text):
        return [label]
    each = (label.right - label.left) / len(label.text)
    return [
        replace(
            label,
            text=match[0],
            value=value_of(match[0]),
            left=label.left + match.start() * each,
            right=label.left + match.end() * each,
            x=label.left + (match.start() + match.end()) * each / 2,
        )
        for match in re.finditer(r"\S+", label.text)
    ]


def level_texts(labels: Iterable[Label]) -> list[Label]:
    """Labels that lie level, numbers each by itself; a year is a name of a row or a column and no value."""
    return [_unless_year(part) for label in labels if _is_level(label) for part in _numbers_apart(label)]


def parted(labels: Iterable[Label], fills: Fills) -> list[Label]:
    """Texts taken apart where they are interrupted as no words of one text are."""
    return [
        part for label in labels for part in cut_at(label, fills.gaps(label, at_least=_WIDE_GAP)) or [label]
    ]


def cut_at(label: Label, places: Sequence[float], *, taken: float = 0.0) -> list[Label]:
    """A text in pieces that are parted at these places: at ends of words, by the room that is between them.

    So much of each room is `taken` by a legend's sign.
    """
    ends = [
        place
        for place in range(1, len(label.text))
        if label.text[place - 1] == " "
        or (label.text[place].isupper() and not label.text[place - 1].isupper())
    ]
    lefts, rights = [label.left, *places], [*places, label.right]
    rooms = [right - left - taken for left, right in zip(lefts, rights, strict=True)]
    each = sum(rooms) / _written_width(label.text)
    if not len(places) <= len(ends) <= _MOST_ENDS or min(rooms) <= 0:
        return []

    def pieces(cuts: Sequence[int]) -> list[str]:
        return [label.text[a:b].strip() for a, b in pairwise([0, *cuts, len(label.text)])]

    def off(cuts: Sequence[int]) -> float:
        return sum(
            abs(_written_width(text) * each - room) for text, room in zip(pieces(cuts), rooms, strict=True)
        )

    best = min(combinations(ends, len(places)), key=off)
    return [
        replace(label, text=text, left=left, right=right, x=(left + right) / 2)
        for text, left, right in zip(pieces(best), lefts, rights, strict=True)
    ]


def _written_width(text: str) -> float:
    """How wide a text is, in letters of middle width."""
    return sum(
        0.5 if letter in _NARROW else 1.4 if letter in _WIDE else 1.2 if letter.isupper() else 1.0
        for letter in text
    )


def whole_texts(labels: Sequence[Label]) -> list[Label]:
    """Labels with lines that stand close under each other, around one middle, as one."""
    whole: list[Label] = []
    for label in sorted(labels, key=lambda one: one.y):
        above = [
            one
            for one in whole
            if one.value is None
            and label.value is None
            and -0.4 * label.height < label.top - one.bottom < _CLOSE * label.height
            and min(abs(one.x - label.x), abs(one.left - label.left)) < SAME_PLACE * label.height
        ]
        if not above:
            whole.append(label)
            continue
        one = above[-1]
        whole[whole.index(one)] = replace(
            one,
            text=f"{one.text} {label.text}",
            left=min(one.left, label.left),
            right=max(one.right, label.right),
            bottom=label.bottom,
            y=(one.top + label.bottom) / 2,
        )
    return whole


def turned_labels(labels: Sequence[Label], size: tuple[int, int]) -> list[Label]:
    """Labels where they are once the picture of `size` (height, width) is turned, as `turned_pixels` does."""
    height, width = size
    return [
        replace(
            label,
            x=height - 1 - label.y,
            y=width - 1 - label.x,
            left=height - 1 - label.bottom,
            right=height - 1 - label.top,
            top=width - 1 - label.right,
            bottom=width - 1 - label.left,
        )
        for label in labels
    ]
