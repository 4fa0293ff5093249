"""Colours around texts: what a value stands in or at, and how far that reaches.

It knows places of texts and pixels, no categories and no series.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from mmrag.reading.charts.labels import Label
    from mmrag.reading.ocr import Pixels

    Colour = tuple[float, float, float]

DISTINCT = 26  # of 765: the sum of three channels' differences that makes another colour
_AWAY = 1.2  # of a value's height: a bar's end is at most so far from the value that stands beyond it
_SHORTEST = 2.0  # pixels
_THIN = 3  # pixels: a line through a bar, or the blurred edge of a letter
_SIGN_HEIGHT = 0.4  # of most of a line's height that a legend's sign fills
_SIGN_WIDTH = (0.3, 3.0)  # of a line's height
_INKED = 0.8  # of the largest difference from the paper in a text's box: the middles of its strokes
_GAP = 0.7  # of a line's height: a wider blank stands between two texts
_HARDLY = 0.35  # of a text's box that the commonest colour covers where it is what the text stands in


@dataclass(frozen=True, slots=True)
class Fill:
    """The bar or segment that a value belongs to: its colour and its reach across the picture."""

    colour: Colour
    left: float
    right: float
    drawn: float  # how far from the value's end something is drawn: all segments of a stack
    is_inside: bool  # whether the value stands in it

    @property
    def length(self) -> float:
        return self.right - self.left


def alike(a: Colour, b: Colour, *, reach: float = DISTINCT) -> bool:
    """Whether two colours are one."""
    return sum(abs(x - y) for x, y in zip(a, b, strict=True)) <= reach


def turned_pixels(pixels: Pixels) -> Pixels:
    """A picture with its bottom to the left and its right side on top."""
    return np.ascontiguousarray(pixels[::-1, ::-1].transpose(1, 0, 2))


class Fills:
    """The fills of one picture, each looked for once."""

    def __init__(self, pixels: Pixels) -> None:
        self._pixels = pixels.astype(np.int16)
        step = max(1, pixels.shape[0] // 50), max(1, pixels.shape[1] // 50)
        sample = self._pixels[:: step[0], :: step[1]].reshape(-1, 3)
        red, green, blue = np.median(sample, axis=0)
        self._background: Colour = (float(red), float(green), float(blue))
        self._known: dict[Label, Fill | None] = {}

    def of(self, label: Label) -> Fill | None:
        """The segment that a value stands in, or the bar at whose end it stands; None for a bare text."""
        if label not in self._known:
            self._known[label] = self._around(label) or self._beside(label)
        return self._known[label]

    def ink(self, label: Label) -> Colour:
        """The colour that a text is written in: what differs most from the paper."""
        top, bottom = round(label.top), round(label.bottom) + 1
        box = self._pixels[max(0, top) : bottom, max(0, round(label.left)) : round(label.right) + 1].reshape(
            -1, 3
        )
        if not len(box):
            return self._background
        away = np.abs(box - np.array(self._background)).sum(axis=1)
        red, green, blue = np.median(box[away >= _INKED * away.max()], axis=0)
        return float(red), float(green), float(blue)

    def samples(self, label: Label, colours: Sequence[Colour]) -> list[tuple[float, int]]:
        """Where a legend's signs are, left of a text or within it, and which of these colours they have."""
        size = label.height
        begin, end = max(0, round(label.left - 1.8 * size)), round(label.right)
        strip = self._pixels[max(0, round(label.y - 0.4 * size)) : round(label.y + 0.4 * size) + 1, begin:end]
        found: list[tuple[float, int]] = []
        for place, colour in enumerate(colours):
            filled = (np.abs(strip - np.array(colour)).sum(axis=2) <= DISTINCT).mean(axis=0) > _SIGN_HEIGHT
            edges = np.flatnonzero(np.diff(np.concatenate(([False], filled, [False])).astype(np.int8)))
            for left, right in edges.reshape(-1, 2):
                if _SIGN_WIDTH[0] * size <= right - left <= _SIGN_WIDTH[1] * size:
                    found.append((begin + (int(left) + int(right)) / 2, place))
        return sorted(found)

    def gaps(self, label: Label, *, at_least: float = _GAP) -> list[float]:
        """Where a text is interrupted: the middles of blanks that are wider than those between words."""
        size = label.height
        top, bottom = round(label.y - 0.4 * size), round(label.y + 0.4 * size) + 1
        box = self._pixels[max(0, top) : bottom, max(0, round(label.left)) : round(label.right)]
        if not box.size:
            return []
        paper, _ = _commonest(box.reshape(-1, 3))
        inked = (np.abs(box - np.array(paper)).sum(axis=2) > 2 * DISTINCT).any(axis=0)
        blanks = np.flatnonzero(np.diff(np.concatenate(([False], ~inked, [False])).astype(np.int8))).reshape(
            -1, 2
        )
        return [
            label.left + (int(left) + int(right)) / 2
            for left, right in blanks
            if right - left > at_least * size and left > 0 and right < len(inked)
        ]

    def _around(self, label: Label) -> Fill | None:
        """The colour behind a text, where that is not the background."""
        top, bottom = round(label.top), round(label.bottom) + 1
        box = self._pixels[max(0, top) : bottom, max(0, round(label.left)) : round(label.right) + 1]
        if not box.size:
            return None
        colour, share = _commonest(box.reshape(-1, 3))
        if share < _HARDLY or alike(colour, self._background):
            return None
        left, right = self._run(label, label.left, colour, -1), self._run(label, label.right, colour, 1)
        return Fill(colour, left, right, right - left, is_inside=True)

    def _beside(self, label: Label) -> Fill | None:
        """The bar that ends just left or right of a text on the background."""
        found: list[tuple[float, Fill]] = []
        for direction, edge in ((-1, label.left - 1), (1, label.right + 1)):
            start = self._first_drawn(label, edge, direction)
            if start is None:
                continue
            inner = start + 2 * direction
            colour = self._at(label, inner)
            if colour is None or alike(colour, self._background):
                continue
            low, high = sorted((start, self._run(label, inner, colour, direction)))
            if high - low >= _SHORTEST:
                drawn = abs(self._drawn(label, inner, direction) - start)
                found.append((abs(start - edge), Fill(colour, low, high, drawn, is_inside=False)))
        return min(found, key=lambda one: one[0])[1] if found else None

    def _first_drawn(self, label: Label, edge: float, direction: int) -> float | None:
        place = edge
        while abs(place - edge) <= _AWAY * label.height:
            colour = self._at(label, place)
            if colour is None:
                return None
            if not alike(colour, self._background):
                return place
            place += direction
        return None

    def _run(self, label: Label, start: float, colour: Colour, direction: int) -> float:
        """How far a colour goes on from a place; what is thin does not end it."""
        place = last = start
        while (here := self._at(label, place)) is not None and abs(place - last) <= _THIN:
            if alike(here, colour):
                last = place
            place += direction
        return last

    def _drawn(self, label: Label, start: float, direction: int) -> float:
        """How far something is drawn from a place on."""
        place = last = start
        while (here := self._at(label, place)) is not None and abs(place - last) <= _THIN:
            if not alike(here, self._background):
                last = place
            place += direction
        return last

    def _at(self, label: Label, x: float) -> Colour | None:
        """The colour at a place, around the middle of a text's height; None outside the picture."""
        top, bottom = round(label.y - 0.15 * label.height), round(label.y + 0.15 * label.height) + 1
        column = round(x)
        if not 0 <= column < self._pixels.shape[1] or top < 0 or bottom > self._pixels.shape[0]:
            return None
        red, green, blue = np.median(self._pixels[top:bottom, column], axis=0)
        return float(red), float(green), float(blue)


def _commonest(pixels: NDArray[np.int16]) -> tuple[Colour, float]:
    """The mean of the commonest colour and the share of it."""
    _, inverse, counts = np.unique(pixels // 24, axis=0, return_inverse=True, return_counts=True)
    most = counts.argmax()
    centre = np.median(pixels[inverse.reshape(-1) == most], axis=0)
    near = np.abs(pixels - centre).sum(axis=1) <= DISTINCT
    red, green, blue = pixels[near].mean(axis=0)
    return (float(red), float(green), float(blue)), float(near.mean())
