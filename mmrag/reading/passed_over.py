"""Short texts that the detector passes over, found by their place: in a row or a column with others.

A detector of text needs context: of an axis it misses a lone `0`, or all ticks beside large bars. What
is drawn in the size of characters, away from the lines that were read and level or flush with others, is
proposed here, to be recognised. It knows pixels and boxes, and reads nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    Pixels = NDArray[np.uint8]  # (height, width, 3), RGB
    Quad = NDArray[np.float32]  # (4, 2), x and y from the text's own top left, clockwise

_CONTRAST = 48  # grey levels that ink differs from what surrounds it
_MOST = 60  # proposals: a picture with more of them shows texture
_MOST_MARKS = 4000  # connected parts of a picture: as above
# In heights of a line of text, as the detector outlines it: its characters are about half as high.
_SURROUNDINGS = 1.6  # of a pixel, whose median is the background
_CHARACTER = (0.3, 1.1)  # the height of a character
_THINNEST = 0.13  # a text: the mark of a tick is thinner than a 1
_APART = 0.35  # between characters of one text
_LONGEST = 8.0  # a text
_FLUSH = 0.35  # by so much edges and middles may differ
_MARGIN = 0.22  # around a text in its crop: what the detector leaves
_COVERED = 0.2  # of a proposal that a line already holds
_RING = 2  # pixels from a text: there nothing is drawn
_FREE = 0.85  # of what surrounds a text
_LEAST_NEIGHBOURS = 2
_TALL = 1.3  # a line this much taller than others, and taller than wide, runs upwards
_TURNED = 0.36  # the tangent of the angle from which on a text does not run level
_LEAST_ROW = 3  # labels, to tell how far they are apart
_NEAR = 0.35  # so far from a line's end a mark may belong to it
_ALIKE = (0.6, 1.6)  # heights of texts of one row or column, strengths of one ink, as ratios


@dataclass(frozen=True, slots=True)
class Box:
    """A box in pixels, right and bottom exclusive."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def width(self) -> float:
        return self.right - self.left

    @property
    def height(self) -> float:
        return self.bottom - self.top

    @property
    def middle(self) -> tuple[float, float]:
        return (self.left + self.right) / 2, (self.top + self.bottom) / 2


@dataclass(frozen=True, slots=True)
class Proposal:
    """Where a text may stand, and whether others stand in one row or column with it."""

    box: Box
    aligned: bool


@dataclass(frozen=True, slots=True)
class Ink:
    """A picture in grey, its connected marks of the size of characters or less, and that size.

    The size is the height of a line of text, as the detector outlines it, in pixels.
    """

    grey: NDArray[np.uint8]
    marks: tuple[Box, ...]
    size: float


def ink_of(pixels: Pixels, size: float) -> Ink:
    """What is drawn in the size of characters in a picture with text of that size."""
    import cv2  # noqa: PLC0415 - heavy

    grey = np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), dtype=np.uint8)
    return Ink(grey, tuple(_marks(grey, size)), size)


def passed_over(ink: Ink, lines: Sequence[Box]) -> list[Proposal]:
    """Where texts may stand that none of the lines holds, with the margin that a line has."""
    margin = _MARGIN * ink.size
    found = [
        Box(word.left - margin, word.top - margin, word.right + margin, word.bottom + margin)
        for word in _words(ink)
        if not any(_covered(word, line) > _COVERED for line in lines)
    ]
    reach = _FLUSH * ink.size
    proposals = [Proposal(word, _is_aligned(word, [*lines, *found], reach)) for word in found]
    proposals.sort(key=lambda proposal: not proposal.aligned)
    return proposals[:_MOST]


def extended(ink: Ink, lines: Sequence[Box]) -> dict[int, Box]:
    """Lines, by their number, with marks at their ends that they leave out: the dash of `-2`, of `一月`."""
    longer: dict[int, Box] = {}
    free = _outside(ink.marks, lines)
    margin = _MARGIN * ink.size
    for number, line in enumerate(lines):
        upright = line.height <= line.width or line.height < _TALL * ink.size
        more = [
            mark
            for mark in free
            if _is_at_end(mark, line, ink.size, upright=upright)
            and _ALIKE[0] < _strength(mark, ink.grey) / max(1.0, _strength(line, ink.grey)) < _ALIKE[1]
        ]
        if more:
            whole = _around([line, *more])
            longer[number] = (
                Box(
                    min(line.left, whole.left - margin),
                    line.top,
                    max(line.right, whole.right + margin),
                    line.bottom,
                )
                if upright
                else Box(
                    line.left,
                    min(line.top, whole.top - margin),
                    line.right,
                    max(line.bottom, whole.bottom + margin),
                )
            )
    return longer


def _outside(marks: Sequence[Box], lines: Sequence[Box]) -> list[Box]:
    """The marks whose middle no line holds."""
    x, y = np.array([mark.middle for mark in marks]).reshape(-1, 2, 1).swapaxes(0, 1)  # (marks, 1) each
    left, top, right, bottom = np.array([(one.left, one.top, one.right, one.bottom) for one in lines]).T
    held = ((left <= x) & (x < right) & (top <= y) & (y < bottom)).any(axis=1)
    return [mark for mark, inside in zip(marks, held, strict=True) if not inside]


def _strength(box: Box, grey: NDArray[np.uint8]) -> float:
    """By how much the ink in a box differs from its ground: a legend's sample seldom is as black as text."""
    left, top = max(0, int(box.left) - _RING), max(0, int(box.top) - _RING)
    part = grey[top : int(box.bottom) + _RING, left : int(box.right) + _RING].astype(np.int16)
    return float(np.abs(part - np.median(part)).max())


def _is_at_end(mark: Box, line: Box, size: float, *, upright: bool) -> bool:
    (x, y), near = mark.middle, _NEAR * size
    if upright:
        return line.top < y < line.bottom and (
            line.left - near < mark.right <= line.left + near
            or line.right - near <= mark.left < line.right + near
        )
    return line.left < x < line.right and (
        line.top - near < mark.bottom <= line.top + near
        or line.bottom - near <= mark.top < line.bottom + near
    )


def in_rows(ink: Ink, outlines: Sequence[Quad]) -> list[Quad]:
    """Where a label may stand that is missing in an even row of labels that are turned, upwards or aslant.

    Each such row hangs from an axis: what is missing is looked for in the outline of the longest.
    """
    turned = [outline for outline in outlines if _is_turned(outline)]
    rows: list[list[Quad]] = []
    for outline in sorted(turned, key=lambda outline: float(_upper_end(outline)[1])):
        if rows and _upper_end(outline)[1] - _upper_end(rows[-1][0])[1] < _FLUSH * ink.size:
            rows[-1].append(outline)
        else:
            rows.append([outline])
    return [found for row in rows if len(row) >= _LEAST_ROW for found in _missing(ink, row)][:_MOST]


def _missing(ink: Ink, row: Sequence[Quad]) -> list[Quad]:
    longest = max(row, key=_length)
    xs = sorted(float(_upper_end(outline)[0]) for outline in row)
    pitch = max(1.0, min(b - a for a, b in pairwise(xs)))
    places = [xs[0] - pitch, xs[-1] + pitch]
    for a, b in pairwise(xs):
        steps = min(round((b - a) / pitch), _MOST)
        places += [a + (b - a) * step / steps for step in range(1, steps)]
    moved = [longest + np.array([place - _upper_end(longest)[0], 0], np.float32) for place in sorted(places)]
    return [outline for outline in moved if _is_drawn(outline, ink)]


def _is_drawn(outline: Quad, ink: Ink) -> bool:
    height, width = ink.grey.shape
    left, top = outline.min(axis=0)
    right, bottom = outline.max(axis=0)
    if left < 0 or top < 0 or right > width or bottom > height:
        return False
    box = Box(float(left), float(top), float(right), float(bottom))
    return any(_covered(mark, box) > 1 - _COVERED for mark in ink.marks)


def _is_turned(outline: Quad) -> bool:
    """Whether a text of several characters does not run level."""
    side, other = outline[1] - outline[0], outline[2] - outline[1]
    dx, dy = np.abs(max(side, other, key=np.linalg.norm))
    short, long = sorted((float(np.linalg.norm(side)), float(np.linalg.norm(other))))
    return bool(long > _TALL * short and dy > _TURNED * dx)


def _length(outline: Quad) -> float:
    return float(max(np.linalg.norm(outline[1] - outline[0]), np.linalg.norm(outline[2] - outline[1])))


def _upper_end(outline: Quad) -> NDArray[np.float32]:
    """The middle of the side where a turned text begins or ends, whichever is higher up."""
    a, b, c, d = outline
    first = np.linalg.norm(b - a) < np.linalg.norm(c - b)
    ends = ((a + b) / 2, (c + d) / 2) if first else ((b + c) / 2, (d + a) / 2)
    return np.asarray(min(ends, key=lambda end: float(end[1])))


def _words(ink: Ink) -> list[Box]:
    """Characters that stand close together on one line."""
    marks, size = ink.marks, ink.size
    characters = [mark for mark in marks if mark.height >= _CHARACTER[0] * size]
    small = [mark for mark in marks if mark.height < _CHARACTER[0] * size]
    words: list[Box] = []
    open_ones: list[Box] = []  # that a mark further right may continue
    for mark in sorted(characters, key=lambda mark: mark.left):
        words += [word for word in open_ones if mark.left - word.right >= _APART * size]
        open_ones = [word for word in open_ones if mark.left - word.right < _APART * size]
        near = next((word for word in open_ones if _continues(word, mark, size)), None)
        if near is not None:
            open_ones.remove(near)
        open_ones.append(_around([near, mark]) if near is not None else mark)
    words += open_ones
    signed = [
        _with_signs(word, small, size) for word in words if _THINNEST * size < word.width < _LONGEST * size
    ]
    return [word for word in signed if _is_free(word, ink.grey) and not _is_stacked(word, signed, size)]


def _is_stacked(word: Box, others: Iterable[Box], size: float) -> bool:
    """Whether characters stand above each other as those of a text that is turned."""
    return any(
        max(word.top, other.top) - min(word.bottom, other.bottom) < _APART * size
        and min(word.right, other.right) - max(word.left, other.left) > 0
        for other in others
        if other is not word and max(word.width, other.width) < size
    )


def _is_free(word: Box, grey: NDArray[np.uint8]) -> bool:
    """Whether a text stands on an even ground, or at one edge of it: the corner of a bar does not."""
    height, width = grey.shape
    left, right = max(0, int(word.left) - _RING), min(width, int(word.right) + _RING)
    top, bottom = max(0, int(word.top) - _RING), min(height, int(word.bottom) + _RING)
    part = grey[top:bottom, left:right].astype(np.int16)
    sides = (part[0], part[-1], part[:, 0], part[:, -1])
    ground = np.median(np.concatenate(sides))
    others = [side for side in sides if not _is_even(side, ground)]
    return len(others) <= 1 and all(_is_even(side, np.median(side)) for side in others)


def _is_even(side: NDArray[np.int16], ground: np.floating[Any]) -> bool:
    return bool((np.abs(side - ground) < _CONTRAST).mean() > _FREE)


def _marks(grey: NDArray[np.uint8], size: float) -> list[Box]:
    """Connected ink of the size of a character or less."""
    import cv2  # noqa: PLC0415 - heavy

    window = 2 * round(_SURROUNDINGS * size / 2) + 1
    background = cv2.medianBlur(grey, min(window, 255))
    ink = (cv2.absdiff(grey, background) > _CONTRAST).astype(np.uint8)
    count, _, stats, _ = cv2.connectedComponentsWithStats(ink, connectivity=8)
    if count > _MOST_MARKS:
        return []
    return [
        Box(float(x), float(y), float(x + width), float(y + height))
        for x, y, width, height, area in stats[1:]
        if height <= _CHARACTER[1] * size and width <= _LONGEST * size and area > 2  # noqa: PLR2004 - specks
    ]


def _continues(word: Box, mark: Box, size: float) -> bool:
    shared = min(word.bottom, mark.bottom) - max(word.top, mark.top)
    return mark.left - word.right < _APART * size and shared > 0.5 * min(word.height, mark.height)


def _with_signs(word: Box, small: Iterable[Box], size: float) -> Box:
    """A word with the dash before it, and the points and commas in it."""
    signs = [
        mark
        for mark in small
        if mark.bottom > word.top and mark.top < word.bottom + 0.1 * size and mark.width < size
        if word.left - _APART * size < mark.right < word.right + _APART * size / 2
    ]
    return _around([word, *signs])


def _around(boxes: Iterable[Box | None]) -> Box:
    present = [box for box in boxes if box is not None]
    return Box(
        min(box.left for box in present),
        min(box.top for box in present),
        max(box.right for box in present),
        max(box.bottom for box in present),
    )


def _covered(word: Box, line: Box) -> float:
    wide = min(word.right, line.right) - max(word.left, line.left)
    high = min(word.bottom, line.bottom) - max(word.top, line.top)
    return max(0.0, wide) * max(0.0, high) / (word.width * word.height)


def _is_aligned(word: Box, others: Sequence[Box], reach: float) -> bool:
    """Whether others of its height stand in one row with it, or flush with it in one column."""
    alike = [
        other
        for other in others
        if other is not word and _ALIKE[0] < min(other.width, other.height) / word.height < _ALIKE[1]
    ]
    x, y = word.middle
    ways = (
        sum(abs(other.middle[1] - y) < reach for other in alike),
        sum(abs(other.right - word.right) < reach for other in alike),
        sum(abs(other.left - word.left) < reach for other in alike),
        sum(abs(other.middle[0] - x) < reach for other in alike),
    )
    return max(ways) >= _LEAST_NEIGHBOURS
