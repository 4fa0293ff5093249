"""Texts of a picture with what geometry needs to know of them: place, tilt, and the number they are.

It knows no chart.
"""

from __future__ import annotations

import math
import re
import unicodedata
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mmrag.reading.reading_order import is_vertical
from mmrag.text.numbers import numbers

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mmrag.reading.ocr import TextLine

_NUMBER = re.compile(
    r"""[~≈<>]?\s?\(?[-+−–]?\s?(?:US)?[$€£¥₹]?\s?[-−–]?(?:\d{1,3}(?:,\d{3})+|\d+)?(?:\.\d+)?
    \s?(?:%|[KkMBb]n?|thousand|million|billion|万|亿)?\)?""",
    re.VERBOSE,
)
_POWER = re.compile(r"(?P<factor>\d(?:\.\d+)?)\s?[×xX]\s?10\s?\^\s?\{?\^?(?P<power>[-−]?\d)\}?")  # `4×10^{2`
_GIGA = re.compile(r"(?<=\d)\s?G(?=$)")  # billions, as some libraries write ticks
_ROW = re.compile(r"[-−]?\d+\.\d(?=\d*\.\d)(?!\d\d)|[-−]?\d+(?:[.,]\d+)?%?")  # a number of a row of them
_GROUPED = re.compile(r"\d{1,3}(?:[ ,]\d{3})+")  # one number with spaces or commas in it
_TICK_MARK = re.compile(r"(?<=\d)\s?[-–—]$")
YEAR = re.compile(r"(?:FY\s?)?(?:19|20)\d\d")
TILTED = (20.0, 70.0)  # degrees
LEVEL = TILTED[0]


@dataclass(frozen=True, slots=True)
class Label:
    """A text in the picture. `value` is set where it is nothing but a number."""

    text: str
    value: float | None
    x: float
    y: float
    left: float
    right: float
    top: float
    bottom: float
    tilt: float
    vertical: bool

    @property
    def height(self) -> float:
        return self.bottom - self.top


def labels_of(lines: Sequence[TextLine]) -> list[Label]:
    """Every line of text with its place: pieces of tilted ones put together, rows of numbers taken apart."""
    said = [line for line in lines if any(map(str.isalnum, line.text))]  # a mark may be read as a sign
    return _without_tick_marks([label_of(part) for line in _joined(said) for part in _numbers_apart(line)])


def _without_tick_marks(labels: Sequence[Label]) -> list[Label]:
    """Numbers of an axis without the mark of their tick, which may be read as a dash: `60-`."""
    bare = {id(label): _TICK_MARK.sub("", label.text) for label in labels}
    numbers_of = [label for label in labels if value_of(bare[id(label)]) is not None]
    return [
        replace(label, text=bare[id(label)], value=value_of(bare[id(label)]))
        if label in numbers_of and label.value is None and _in_column(label, numbers_of)
        else label
        for label in labels
    ]


def _in_column(label: Label, others: Sequence[Label]) -> bool:
    """Whether two others end where it does."""
    return sum(abs(other.right - label.right) < 0.8 * label.height for other in others) > 2  # noqa: PLR2004 - itself is one of them


def _numbers_apart(line: TextLine) -> list[TextLine]:
    """The ticks of an axis that were read as one line: `0.00.5 1.0 1.5`, each at its share of the width."""
    found = list(_ROW.finditer(line.text))
    texts = [match[0] for match in found]
    is_row = len(texts) > 1 and not re.sub(_ROW, "", line.text).strip() and _tilt(line) < LEVEL
    if not is_row or is_vertical(line) or _GROUPED.fullmatch(line.text):
        return [line]
    if len(texts) == 2 and not all("." in text or YEAR.fullmatch(text) for text in texts):  # noqa: PLR2004 - "1 2"
        return [line]
    width = (line.right - line.left) / len(line.text)

    def piece(start: int, end: int, text: str) -> TextLine:
        left, right = line.left + start * width, line.left + end * width
        quad = ((left, line.top), (right, line.top), (right, line.bottom), (left, line.bottom))
        return replace(line, text=text, quad=quad)

    return [piece(*match.span(), match[0]) for match in found]


def label_of(line: TextLine) -> Label:
    """A line of text with its place; a tilted one is placed where it ends, at its tick."""
    x, y = line.center
    tilt = _tilt(line)
    if TILTED[0] <= tilt <= TILTED[1]:  # a tilted label ends at its tick, above it
        x = min(_short_sides(line), key=lambda side: side[1])[0]
    return Label(
        text=line.text,
        value=value_of(line.text),
        x=x,
        y=y,
        left=line.left,
        right=line.right,
        top=line.top,
        bottom=line.bottom,
        tilt=tilt,
        vertical=is_vertical(line) and not TILTED[0] <= tilt <= TILTED[1],
    )


def _short_sides(line: TextLine) -> tuple[tuple[float, float], tuple[float, float]]:
    """The middles of the two sides where a line of text begins and ends, from left to right."""
    a, b, c, d = line.quad
    sides = [(a, d), (b, c)] if math.dist(a, b) >= math.dist(b, c) else [(a, b), (d, c)]
    first, last = sorted(((p[0] + q[0]) / 2, (p[1] + q[1]) / 2) for p, q in sides)
    return first, last


def _joined(lines: Sequence[TextLine]) -> list[TextLine]:
    """Lines with tilted pieces of one text as one: `OECD -` and `Total` further along the slope."""
    whole = [line for line in lines if not TILTED[0] <= _tilt(line) <= TILTED[1]]
    tilted = sorted(
        (line for line in lines if TILTED[0] <= _tilt(line) <= TILTED[1]),
        key=lambda line: _short_sides(line)[0][0],
    )
    while tilted:
        line = tilted.pop(0)
        nexts = [other for other in tilted if _continues(line, other)]
        if nexts:
            tilted.remove(nexts[0])
            tilted.insert(0, _both(line, nexts[0]))
        else:
            whole.append(line)
    return whole


def _continues(line: TextLine, other: TextLine) -> bool:
    """Whether a tilted line of text begins where another one ends, on the same slope."""
    (x1, y1), (x2, y2) = _short_sides(line)
    (x3, y3), (x4, y4) = _short_sides(other)
    length = math.dist((x1, y1), (x2, y2))
    height = min(math.dist(line.quad[0], line.quad[1]), math.dist(line.quad[1], line.quad[2]))
    along_x, along_y = (x2 - x1) / length, (y2 - y1) / length
    ahead = (x3 - x2) * along_x + (y3 - y2) * along_y
    beside = abs((x3 - x2) * along_y - (y3 - y2) * along_x)
    same_slope = (x4 - x3) * along_x + (y4 - y3) * along_y > 0.9 * math.dist((x3, y3), (x4, y4))
    return same_slope and beside < 0.45 * height and -height < ahead < height


def _both(line: TextLine, other: TextLine) -> TextLine:
    a, d = sorted(line.quad, key=lambda point: point[0])[:2]
    b, c = sorted(other.quad, key=lambda point: -point[0])[:2]
    if a[1] > d[1]:
        a, d = d, a
    if b[1] > c[1]:
        b, c = c, b
    return replace(line, text=f"{line.text} {other.text}", quad=(a, b, c, d))


def _tilt(line: TextLine) -> float:
    """Degrees between the longer side of the outline and the horizontal."""
    (ax, ay), (bx, by), (cx, cy) = line.quad[:3]
    first, second = (bx - ax, by - ay), (cx - bx, cy - by)
    dx, dy = first if math.hypot(*first) >= math.hypot(*second) else second
    return math.degrees(math.atan2(abs(dy), abs(dx)))


def value_of(text: str) -> float | None:
    """The number that a text is, with its scale; None where it holds anything else."""
    if power := _POWER.fullmatch(unicodedata.normalize("NFKC", text)):
        return float(power["factor"]) * 10.0 ** int(power["power"].replace("−", "-"))
    text = _GIGA.sub("B", text)
    if not any(map(str.isdigit, text)) or not _NUMBER.fullmatch(text):
        return None
    found = numbers(text)
    if len(found) != 1:
        return None
    value = float(found[0].value)
    return -value if text.startswith("(") and text.endswith(")") else value


def groups(
    labels: Sequence[Label], *, key: Callable[[Label], float], reach: Callable[[Label], float]
) -> list[list[Label]]:
    """Labels with nearly the same key, each in one group."""
    found: list[list[Label]] = []
    for label in sorted(labels, key=key):
        if found and key(label) - key(found[-1][0]) <= reach(label):
            found[-1].append(label)
        else:
            found.append([label])
    return found
