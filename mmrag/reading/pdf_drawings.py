"""Charts that a PDF draws with lines and shapes: their labels are in the text layer, no OCR is needed.

Finds where a page is drawn on and takes the labels there; whether they are a chart with certain
values is for `chart` to say. What is not stays in the page's text.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mmrag.reading.figures import FigureReading, read_drawing
from mmrag.reading.ocr import TextLine
from mmrag.reading.pdfium import pdfium, to_rgb

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mmrag.reading.layout import Cell, Line
    from mmrag.reading.pdf_text import Box

_SCALE = 2.0  # pixels for each point: colours and shapes are looked at, text is not
_MARGIN = 16.0  # points: labels stand this far outside of what is drawn, and drawings this far apart
_GRID = 60.0  # points: gridlines of one chart are at most this far apart
_SOLID = 3.0  # points: what is thinner is a rule
_MIN_PATHS = 5
_MAX_LABELS = 60  # lines of text: more are a table with rules and shades
_MAX_PATHS = 3_000  # more are a map or an engineering drawing
_MIN_WIDTH, _MIN_HEIGHT = 100.0, 60.0  # points
_MAX_SHARE = 0.5  # of the page's area: a larger path is a background
_LONGEST_LABEL = 40  # characters: longer lines are captions and paragraphs


@dataclass(frozen=True, slots=True)
class Drawing:
    """A drawn chart, where it is, and the lines of the text layer that are its labels."""

    figure: FigureReading
    box: Box
    lines: tuple[Line, ...]


def drawn_charts(page: Any, lines: Sequence[Line]) -> Iterator[Drawing]:  # noqa: ANN401 - pypdfium2 ships no types
    """Charts with certain values that are drawn on an upright page."""
    if page.get_rotation():
        return
    for region in _regions(page):
        left, top, right, bottom = _grown(region, _MARGIN)
        labels = tuple(
            line
            for line in lines
            if len(line.text) <= _LONGEST_LABEL * len(line.cells)
            and left < (line.left + line.right) / 2 < right
            and top < (line.top + line.bottom) / 2 < bottom
        )
        if len(labels) > _MAX_LABELS or not any(map(str.isdigit, "".join(line.text for line in labels))):
            continue
        area = _clipped(
            _around([region, *((label.left, label.top, label.right, label.bottom) for label in labels)]), page
        )
        image = to_rgb(page.render(scale=_SCALE, crop=_crop(area, page)))
        texts = tuple(_text_line(cell, area) for line in labels for cell in line.cells)
        if (figure := read_drawing(image, texts)) is not None:
            yield Drawing(figure, area, labels)


def _regions(page: Any) -> list[Box]:  # noqa: ANN401 - as above
    """Where paths stand close together and some of them are more than rules."""
    regions: list[tuple[Box, int, int]] = []  # with the number of paths, and of solid ones
    for box in _paths(page):
        merged = (box, 1, int(min(box[2] - box[0], box[3] - box[1]) > _SOLID))
        while touching := [region for region in regions if _touch(region[0], merged[0])]:
            regions = [region for region in regions if region not in touching]
            boxes, paths, solid = zip(merged, *touching, strict=True)
            merged = (_around(boxes), sum(paths), sum(solid))
        regions.append(merged)
    return [
        box
        for box, paths, solid in regions
        if paths >= _MIN_PATHS and solid and box[2] - box[0] >= _MIN_WIDTH and box[3] - box[1] >= _MIN_HEIGHT
    ]


def _paths(page: Any) -> list[Box]:  # noqa: ANN401 - as above
    """Boxes of the paths on the page itself; none where there are too many."""
    raw = pdfium().raw
    count = raw.FPDFPage_CountObjects(page)
    if not _MIN_PATHS <= count <= _MAX_PATHS:
        return []
    limit = _MAX_SHARE * page.get_width() * page.get_height()
    left, bottom, right, top = (ctypes.c_float() for _ in range(4))
    boxes = []
    for index in range(count):
        drawn = raw.FPDFPage_GetObject(page, index)
        if raw.FPDFPageObj_GetType(drawn) != raw.FPDF_PAGEOBJ_PATH:
            continue
        if raw.FPDFPageObj_GetBounds(drawn, left, bottom, right, top):
            box = (left.value, -top.value, right.value, -bottom.value)
            if (box[2] - box[0]) * (box[3] - box[1]) < limit:
                boxes.append(box)
    return boxes


def _touch(a: Box, b: Box) -> bool:
    """Whether two boxes are close, or are gridlines of one chart: of one extent, further apart."""
    beside = _GRID if _one_extent(a[1], a[3], b[1], b[3]) else _MARGIN
    below = _GRID if _one_extent(a[0], a[2], b[0], b[2]) else _MARGIN
    return a[0] - beside < b[2] and b[0] - beside < a[2] and a[1] - below < b[3] and b[1] - below < a[3]


def _one_extent(a_start: float, a_end: float, b_start: float, b_end: float) -> bool:
    shared = min(a_end, b_end) - max(a_start, b_start)
    return shared > 0.8 * max(a_end - a_start, b_end - b_start)


def _around(boxes: Sequence[Box]) -> Box:
    lefts, tops, rights, bottoms = zip(*boxes, strict=True)
    return min(lefts), min(tops), max(rights), max(bottoms)


def _grown(box: Box, by: float) -> Box:
    return box[0] - by, box[1] - by, box[2] + by, box[3] + by


def _clipped(box: Box, page: Any) -> Box:  # noqa: ANN401 - as above
    """The part of a box, a little grown, that is on the page."""
    left, bottom, right, top = page.get_cropbox()
    grown = _grown(box, 4)
    return max(grown[0], left), max(grown[1], -top), min(grown[2], right), min(grown[3], -bottom)


def _crop(box: Box, page: Any) -> tuple[float, float, float, float]:  # noqa: ANN401 - as above
    """What to cut off the page's left, bottom, right and top."""
    left, bottom, right, top = page.get_cropbox()
    return box[0] - left, -box[3] - bottom, right - box[2], top + box[1]


def _text_line(cell: Cell, area: Box) -> TextLine:
    """A label where it stands in the picture of an area."""
    left, right = (cell.left - area[0]) * _SCALE, (cell.right - area[0]) * _SCALE
    top, bottom = (cell.top - area[1]) * _SCALE, (cell.bottom - area[1]) * _SCALE
    return TextLine(cell.text, 1.0, ((left, top), (right, top), (right, bottom), (left, bottom)))
