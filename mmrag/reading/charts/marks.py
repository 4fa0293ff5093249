"""Filled rectangles of one colour: bars, their segments, and the swatches of a legend.

It knows pixels, no text and no values.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from mmrag.reading.ocr import Pixels

    Mask = NDArray[np.uint8]  # (height, width), 0 or 1

_MOST_COLOURS = 14
_MOST_SHADES = 80  # the commonest that are looked at for them
_LEAST_SHARE = 0.0003  # of the picture's area that a colour covers
_LEAST_PIXELS = 40
_APART = 20  # in Lab, summed over channels: less is one colour
_APART_NOISY = 34  # JPEG spreads one colour over neighbouring shades
_LIKE = 26  # in Lab: so far from its colour a pixel still belongs to it
_LIKE_NOISY = 38
_NOISY = 0.055  # share of tiny steps between neighbours: JPEG's ringing
_FAINT = 48.0  # of 441: a colour that is nearer to the background's counts as background
_STRONG = 100.0  # of 441: what is further from the background shows an ink's own direction
_ONE_INK = 0.965  # cosine of the directions away from the background
_CORE = 0.92  # of the strongest neighbour: less is a blend
_FULL = 0.6  # of a row or column of a rectangle that is covered
_COVERED = 0.82  # of a rectangle that is covered
_LARGEST = 0.45  # of the picture: more is a background
_MOST_BOXES = 400
_GROUNDS = 3  # colours of which one is the background
_AROUND = 0.5  # of a picture's width and of its height that its background spans in one piece
_NEAR_EDGE = 2  # pixels on each side of an edge that its blending is measured in
_NEAR_NOISY_EDGE = 4  # JPEG blurs colours over blocks of 16
_NO_EDGE = 30.0  # of 441: a smaller difference of colours is no edge to measure


@dataclass(frozen=True, slots=True)
class Rectangle:
    """A box in pixels, right and bottom exclusive, and the index of its colour."""

    left: float
    top: float
    right: float
    bottom: float
    colour: int

    @property
    def area(self) -> float:
        return (self.right - self.left) * (self.bottom - self.top)


@dataclass(frozen=True, slots=True)
class Colours:
    """The commonest colours of a picture, RGB (n, 3), the background first, and whose each pixel is.

    `index` (height, width) holds -1 where a pixel is like none of them.
    """

    rgb: NDArray[np.uint8]
    index: NDArray[np.int8]

    def mask(self, colour: int) -> Mask:
        """Where a colour is."""
        return np.asarray(self.index == colour, dtype=np.uint8)


def colours_of(pixels: Pixels) -> Colours:
    """The colours that large parts of a picture have; blends at edges belong to none."""
    import cv2  # noqa: PLC0415 - heavy

    noisy = _is_noisy(pixels)
    smooth = np.asarray(cv2.medianBlur(pixels, 5 if noisy else 3), dtype=np.uint8)
    keys = _keys(smooth)
    present, counts = _counted(keys)
    rgb = _palette(_rgb(present), counts, _APART_NOISY if noisy else _APART)
    nearest = _nearest(_lab(_rgb(present)), _lab(rgb), _LIKE_NOISY if noisy else _LIKE)
    return _background_first(Colours(rgb, _table(present, nearest)[keys]))


def _background_first(colours: Colours) -> Colours:
    """The commonest colour that surrounds others comes first: bars may cover more than the background."""
    import cv2  # noqa: PLC0415 - heavy

    height, width = colours.index.shape
    for colour in range(min(_GROUNDS, len(colours.rgb))):
        closed = cv2.morphologyEx(colours.mask(colour), cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8))
        _, _, stats, _ = cv2.connectedComponentsWithStats(np.asarray(closed, dtype=np.uint8))
        wide, high = stats[1:, cv2.CC_STAT_WIDTH], stats[1:, cv2.CC_STAT_HEIGHT]
        if ((wide > _AROUND * width) & (high > _AROUND * height)).any():
            order = [colour, *(other for other in range(len(colours.rgb)) if other != colour)]
            places = np.append(np.argsort(order), -1).astype(np.int8)  # -1 stays -1
            return Colours(colours.rgb[order], places[colours.index])
    return colours


def inks_of(pixels: Pixels) -> Colours:
    """As `colours_of`, for thin lines: a blend of a colour with the background counts as that colour."""
    import cv2  # noqa: PLC0415 - heavy

    sharp = np.asarray(cv2.medianBlur(pixels, 3), dtype=np.uint8) if _is_noisy(pixels) else pixels
    keys = _keys(sharp)
    present, counts = _counted(keys)
    rgb = _rgb(present)
    paper = int(counts.argmax())
    away = rgb.astype(np.float64) - rgb[paper]  # (colours, 3)
    length = np.linalg.norm(away, axis=1)
    direction = away / np.maximum(length, 1)[:, None]
    free = np.where(length > _STRONG, counts * length, 0.0)
    inks: list[int] = []
    while len(inks) < _MOST_COLOURS and free.max() > 0:
        best = int(free.argmax())
        alike = (direction @ direction[best] > _ONE_INK) & (free > 0)
        if counts[alike].sum() >= _LEAST_PIXELS:
            inks.append(best)
        free[alike] = 0.0
    cosine = direction @ direction[inks].T if inks else np.zeros((len(rgb), 1))
    index = np.where(cosine.max(axis=1) > _ONE_INK, cosine.argmax(axis=1) + 1, -1)
    index[length < _FAINT] = 0
    return Colours(rgb[[paper, *inks]], _table(present, index)[keys])


def cores_of(pixels: Pixels) -> Colours:
    """As `inks_of`, for lines in tints of one colour: only where they are strongest, and no blend."""
    import cv2  # noqa: PLC0415 - heavy

    sharp = np.asarray(cv2.medianBlur(pixels, 3), dtype=np.uint8) if _is_noisy(pixels) else pixels
    keys = _keys(sharp)
    present, counts = _counted(keys)
    paper = _rgb(present)[int(counts.argmax())]
    length = np.linalg.norm(sharp.astype(np.float32) - paper, axis=2)
    drawn = length > _FAINT
    core = drawn & (length >= _CORE * cv2.dilate(length, np.ones((3, 3), np.uint8)))
    inks = _rgb(np.zeros(0, np.intp))
    if core.any():
        present, counts = _counted(keys[core])
        order = np.argsort(-counts)[:_MOST_SHADES]
        enough = order[counts[order] >= _LEAST_PIXELS]
        inks = _apart(_rgb(present[enough]), _APART_NOISY)[:_MOST_COLOURS]
    index = np.full(keys.shape, -1, np.int8)
    index[~drawn] = 0
    if len(inks):
        nearest = _nearest(_lab(sharp[core]), _lab(inks), _LIKE_NOISY)
        index[core] = np.where(nearest < 0, np.int8(-1), nearest + np.int8(1))
    return Colours(np.concatenate((paper[None], inks)), index)


def _apart(rgb: NDArray[np.uint8], apart: int) -> NDArray[np.uint8]:
    """Those of the colours that are well apart from the ones before them."""
    lab = _lab(rgb) if len(rgb) else np.zeros((0, 3), np.int16)
    chosen: list[int] = []
    for number in range(len(rgb)):
        if all(np.abs(lab[number] - lab[other]).sum() > apart for other in chosen):
            chosen.append(number)
    return rgb[chosen]


def rectangles(colours: Colours, pixels: Pixels) -> list[Rectangle]:
    """Rectangles of any colour but the background's; containers of others are left out."""
    import cv2  # noqa: PLC0415 - heavy

    found: list[Rectangle] = []
    for colour in range(1, len(colours.rgb)):
        cut = cv2.morphologyEx(colours.mask(colour), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
        found.extend(_boxes(np.asarray(cut, dtype=np.uint8), colour))  # opened: gridlines are cut
    near = _NEAR_NOISY_EDGE if _is_noisy(pixels) else _NEAR_EDGE
    return [_refined(box, pixels, near) for box in _without_doubles(found)]


def _is_noisy(pixels: Pixels) -> bool:
    steps = np.abs(np.diff(pixels[::2, :, 1].astype(np.int16), axis=1))
    return bool(((steps > 0) & (steps < 12)).mean() > _NOISY)  # noqa: PLR2004 - grey levels


def _keys(pixels: Pixels) -> NDArray[np.uint16]:
    """Colours in 15 bits, (height, width)."""
    red, green, blue = ((pixels[..., channel] >> 3).astype(np.uint16) for channel in range(3))
    return np.asarray((red << 10) | (green << 5) | blue, dtype=np.uint16)


def _counted(keys: NDArray[np.uint16]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The keys that there are, and how many pixels have each."""
    counts = np.bincount(keys.ravel(), minlength=1 << 15)
    present = np.flatnonzero(counts)
    return present, counts[present]


def _rgb(keys: NDArray[np.intp]) -> NDArray[np.uint8]:
    """The colour (n, 3) in the middle of what each key stands for."""
    return (np.stack([keys >> 10, (keys >> 5) & 31, keys & 31], axis=1) * 8 + 4).astype(np.uint8)


def _table(present: NDArray[np.intp], values: NDArray[np.integer[Any]]) -> NDArray[np.int8]:
    """What each key (32768,) is looked up as."""
    looked_up = np.full(1 << 15, -1, np.int8)
    looked_up[present] = values
    return looked_up


def _lab(rgb: NDArray[np.uint8]) -> NDArray[np.int16]:
    import cv2  # noqa: PLC0415 - heavy

    return np.asarray(cv2.cvtColor(rgb[None], cv2.COLOR_RGB2LAB)[0]).astype(np.int16)


def _palette(rgb: NDArray[np.uint8], counts: NDArray[np.intp], apart: int) -> NDArray[np.uint8]:
    """The commonest colours that are well apart, the background first."""
    order = np.argsort(-counts)[:_MOST_SHADES]
    least = max(_LEAST_PIXELS, _LEAST_SHARE * counts.sum())
    lab = _lab(rgb[order])
    chosen: list[int] = []
    for number in range(len(order)):
        if chosen and (counts[order[number]] < least or len(chosen) > _MOST_COLOURS):
            break
        if all(np.abs(lab[number] - lab[other]).sum() > apart for other in chosen):
            chosen.append(number)
    return rgb[order[chosen]]


def _nearest(lab: NDArray[np.int16], palette: NDArray[np.int16], reach: int) -> NDArray[np.int8]:
    distances = np.abs(lab[:, None, :] - palette[None]).sum(axis=2)  # (n, colours)
    nearest = distances.argmin(axis=1).astype(np.int8)
    return np.where(distances.min(axis=1) < reach, nearest, np.int8(-1))


def _boxes(mask: Mask, colour: int) -> Iterator[Rectangle]:
    """Parts of a mask that fill a rectangle, edges where most of a row or column is covered."""
    import cv2  # noqa: PLC0415 - heavy

    height, width = mask.shape
    contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    for contour in sorted(contours, key=len, reverse=True)[:_MOST_BOXES]:
        x, y, w, h = cv2.boundingRect(contour)
        if min(w, h) < 3 or w * h < 12 or w * h > _LARGEST * width * height:  # noqa: PLR2004 - pixels
            continue
        filled = np.zeros((h, w), np.uint8)
        cv2.drawContours(filled, [contour - [x, y]], -1, 1, -1)
        rows = np.flatnonzero(filled.mean(axis=1) > _FULL)
        columns = np.flatnonzero(filled.mean(axis=0) > _FULL)
        if len(rows) < 2 or len(columns) < 2:  # noqa: PLR2004 - a line is no rectangle
            continue
        inside = filled[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        if inside.mean() > _COVERED:
            yield Rectangle(
                x + int(columns[0]),
                y + int(rows[0]),
                x + int(columns[-1]) + 1,
                y + int(rows[-1]) + 1,
                colour,
            )


def _without_doubles(found: Sequence[Rectangle]) -> list[Rectangle]:
    """Largest first, without those that another one mostly covers (fringes) or that frame others."""
    ordered = sorted(found, key=lambda box: -box.area)[:_MOST_BOXES]
    if not ordered:
        return []
    edges = np.array([(box.left, box.top, box.right, box.bottom) for box in ordered])
    area = (edges[:, 2] - edges[:, 0]) * (edges[:, 3] - edges[:, 1])
    overlap = np.minimum(edges[:, None, 2:], edges[None, :, 2:]) - np.maximum(
        edges[:, None, :2], edges[None, :, :2]
    )
    shared = np.clip(overlap, 0, None).prod(axis=2)  # (n, n)
    within = (shared > 0.95 * area[None]) & (area[None] < 0.8 * area[:, None])  # [i, j]: j lies in i
    frames = (within.sum(axis=1) > 1) & ((within * area[None]).sum(axis=1) > 0.02 * area)
    kept: list[int] = []
    for number in np.flatnonzero(~frames):
        if not any(shared[number, other] > 0.5 * area[number] for other in kept):
            kept.append(int(number))
    return [ordered[number] for number in kept]


def _refined(box: Rectangle, pixels: Pixels, near: int) -> Rectangle:
    """The box with edges between pixels, from how they blend with what is beside them.

    Blending is looked for in `near` pixels on each side of an edge.
    """
    top, bottom, left, right = int(box.top), int(box.bottom), int(box.left), int(box.right)
    if min(bottom - top, right - left) <= 2 * near:
        return box
    margin = near + 2
    above, before = top - max(0, top - margin), left - max(0, left - margin)
    upright = pixels[top - above : bottom + margin, left:right]
    lying = pixels[top:bottom, left - before : right + margin].transpose(1, 0, 2)
    return replace(
        box,
        top=top + _blend(upright, above, near),
        bottom=bottom - _blend(upright[::-1], len(upright) - (above + bottom - top), near),
        left=left + _blend(lying, before, near),
        right=right - _blend(lying[::-1], len(lying) - (before + right - left), near),
    )


def _blend(strip: Pixels, edge: int, near: int) -> float:
    """How far inside `edge` a rectangle begins that lies below it in a strip (rows, columns, 3)."""
    outer, inner = edge - near - 1, edge + near
    if outer < 0 or inner >= len(strip):
        return 0.0
    rows = np.median(strip[outer : inner + 1].astype(np.float64), axis=1)  # (2 * near + 2, 3)
    rise = rows[-1] - rows[0]
    if (rise**2).sum() < _NO_EDGE**2:
        return 0.0
    covered = np.clip(((rows - rows[0]) @ rise) / (rise**2).sum(), 0, 1)
    shift = near - float(covered[1:-1].sum())
    return shift if abs(shift) <= near - 0.5 else 0.0  # else another edge is near
