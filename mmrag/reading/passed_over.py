"""Short texts that the detector passes over, found by their place: in a row or a column with others.

A detector of text needs context: of an axis it misses a lone `0`, or all ticks beside large bars. What
is drawn in the size of characters, away from the lines that were read and level or flush with others, is
proposed here, to be recognised. It knows pixels and boxes, and reads nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    Pixels = NDArray[np.uint8]  # (height, width, 3), RGB

_CONTRAST = 40  # grey levels that ink differs from what surrounds it
_MOST = 60  # proposals: a picture with more of them shows texture
_MOST_MARKS = 4000  # connected parts of a picture: as above
# In heights of a line of text, as the detector outlines it: its characters are about half as high.
_SURROUNDINGS = 1.6  # of a pixel, whose median is the background
_CHARACTER = (0.3, 1.1)  # the height of a character
_WIDEST_CHARACTER = 1.3
_LEVEL_MARK = 0.3  # a minus, a point
_APART = 0.35  # between characters of one text
_LONGEST = 8.0  # a text
_FLUSH = 0.35  # by so much edges and middles may differ
_MARGIN = 0.22  # around a text in its crop: what the detector leaves
_COVERED = 0.2  # of a proposal that a line already holds
_RING = 2  # pixels from a text: there nothing is drawn
_FREE = 0.85  # of what surrounds a text
_LEAST_NEIGHBOURS = 2
_ALIKE = (0.6, 1.6)  # heights of texts of one row or column, as ratios


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


def passed_over(pixels: Pixels, lines: Sequence[Box], size: float) -> list[Box]:
    """Where texts may stand that none of the lines holds, with the margin that a line has.

    `size` is the height of a line of text in this picture.
    """
    words = [
        word for word in _words(pixels, size) if not any(_covered(word, line) > _COVERED for line in lines)
    ]
    margin = _MARGIN * size
    found = [
        Box(word.left - margin, word.top - margin, word.right + margin, word.bottom + margin)
        for word in words
    ]
    aligned = [word for word in found if _is_aligned(word, [*lines, *found], _FLUSH * size)]
    return aligned if len(aligned) <= _MOST else []


def _words(pixels: Pixels, size: float) -> list[Box]:
    """Characters that stand close together on one line."""
    import cv2  # noqa: PLC0415 - heavy

    grey = np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), dtype=np.uint8)
    marks = _marks(grey, size)
    characters = [mark for mark in marks if mark.height >= _CHARACTER[0] * size]
    small = [mark for mark in marks if mark.height < _CHARACTER[0] * size]
    words: list[Box] = []
    for mark in sorted(characters, key=lambda mark: mark.left):
        near = next((word for word in words if _continues(word, mark, size)), None)
        if near is not None:
            words.remove(near)
        words.append(_around([near, mark]) if near is not None else mark)
    signed = [_with_signs(word, small, size) for word in words if word.width < _LONGEST * size]
    return [word for word in signed if _is_free(word, grey) and not _is_stacked(word, signed, size)]


def _is_stacked(word: Box, others: Iterable[Box], size: float) -> bool:
    """Whether characters stand above each other as those of a text that is turned."""
    return any(
        max(word.top, other.top) - min(word.bottom, other.bottom) < _APART * size
        and min(word.right, other.right) - max(word.left, other.left) > 0
        for other in others
        if other is not word
    )


def _is_free(word: Box, grey: NDArray[np.uint8]) -> bool:
    """Whether a text stands on an even ground: the corner of a bar does not."""
    height, width = grey.shape
    left, right = max(0, int(word.left) - _RING), min(width, int(word.right) + _RING)
    top, bottom = max(0, int(word.top) - _RING), min(height, int(word.bottom) + _RING)
    part = grey[top:bottom, left:right].astype(np.int16)
    ring = np.concatenate((part[0], part[-1], part[:, 0], part[:, -1]))
    return bool((np.abs(ring - np.median(ring)) < _CONTRAST).mean() > _FREE)


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
        if height <= _CHARACTER[1] * size and width <= _WIDEST_CHARACTER * size and area > 2  # noqa: PLR2004 - specks
    ]


def _continues(word: Box, mark: Box, size: float) -> bool:
    shared = min(word.bottom, mark.bottom) - max(word.top, mark.top)
    return mark.left - word.right < _APART * size and shared > 0.5 * min(word.height, mark.height)


def _with_signs(word: Box, small: Iterable[Box], size: float) -> Box:
    """A word with the minus before it, and the points and commas in it."""
    signs = [
        mark
        for mark in small
        if -_APART * size < mark.left - word.left + mark.width < word.width + _APART * size
        and mark.bottom > word.top
        and mark.top < word.bottom + 0.1 * size
        and mark.left > word.left - 2 * _APART * size
        and mark.right < word.right + _APART * size / 2
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
