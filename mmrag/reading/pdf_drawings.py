"""Figures that a PDF draws with lines and shapes: their labels are in the text layer, no OCR is needed.

Finds where a page is drawn on and takes the labels there; whether they are a chart with certain
values is for `chart` to say. What is drawn with frames and rules alone, as tables are, stays in the
page's text.
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
_MIN_FREE = 3  # paths that are neither rules nor frames make a figure of what is drawn
_FRAME_SEGMENTS = (4, 5)  # of a rectangle's path
_TEXT_A_PATH = 40  # characters
_MAX_LABELS = 60  # lines of text: more are a table with rules and shades
_MAX_PATHS = 3_000  # more are a map or an engineering drawing
_MIN_WIDTH, _MIN_HEIGHT = 100.0, 60.0  # points
_MAX_SHARE = 0.5  # of the page's area: a larger path is a background
_LONGEST_LABEL = 40  # characters: longer lines are captions and paragraphs


@dataclass(frozen=True, slots=True)
class Drawing:
    """A drawn figure, where it is, and the lines of the text layer that are its labels."""

    figure: FigureReading
    box: Box
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class _Region:
    """Where paths stand close together.

    How many, how many of them are more than rules, and how many are neither rules nor frames
    (curves, slanted lines, outlines of many corners).
    """

    box: Box
    paths: int
    solid: int
    free: int


def drawn_figures(page: Any, lines: Sequence[Line]) -> Iterator[Drawing]:  # noqa: ANN401 - pypdfium2 ships no types
    """Charts and diagrams with labels that are drawn on an upright page."""
    if page.get_rotation():
        return
    taken: set[int] = set()
    for region in _regions(page):
        left, top, right, bottom = _grown(region.box, _MARGIN)
        labels = tuple(
            line
            for line in lines
            if id(line) not in taken
            and len(line.text) <= _LONGEST_LABEL * len(line.cells)
            and left < (line.left + line.right) / 2 < right
            and top < (line.top + line.bottom) / 2 < bottom
        )
        if not labels or len(labels) > _MAX_LABELS:
            continue
        area = clipped(
            _around([region.box, *((label.left, label.top, label.right, label.bottom) for label in labels)]),
            page,
        )
        image = to_rgb(page.render(scale=_SCALE, crop=crop_to(area, page)))
        texts = tuple(_text_line(cell, area) for line in labels for cell in line.cells)
        figure = read_drawing(image, texts)
        if figure.table or (region.free >= _MIN_FREE and _is_drawn_around(labels, region)):
            taken.update(map(id, labels))
            yield Drawing(figure, area, labels)


def _is_drawn_around(labels: Sequence[Line], region: _Region) -> bool:
    """Whether the labels are fewer than what they name: a page's text on an ornament is none."""
    return sum(len(label.text) for label in labels) < _TEXT_A_PATH * region.paths


def _regions(page: Any) -> list[_Region]:  # noqa: ANN401 - as above
    """Where paths stand close together and some of them are more than rules."""
    regions: list[_Region] = []
    for merged in _paths(page):
        while touching := [region for region in regions if _touch(region.box, merged.box)]:
            regions = [region for region in regions if region not in touching]
            both = (merged, *touching)
            merged = _Region(  # noqa: PLW2901 - grows until it touches no other
                _around([region.box for region in both]),
                sum(region.paths for region in both),
                sum(region.solid for region in both),
                sum(region.free for region in both),
            )
        regions.append(merged)
    return [
        region
        for region in regions
        if region.paths >= _MIN_PATHS
        and (region.solid or region.free)
        and region.box[2] - region.box[0] >= _MIN_WIDTH
        and region.box[3] - region.box[1] >= _MIN_HEIGHT
    ]


def _paths(page: Any) -> list[_Region]:  # noqa: ANN401 - as above
    """The paths on the page itself; none where there are too many."""
    raw = pdfium().raw
    count = raw.FPDFPage_CountObjects(page)
    if not _MIN_PATHS <= count <= _MAX_PATHS:
        return []
    limit = _MAX_SHARE * page.get_width() * page.get_height()
    left, bottom, right, top = (ctypes.c_float() for _ in range(4))
    paths = []
    for index in range(count):
        drawn = raw.FPDFPage_GetObject(page, index)
        if raw.FPDFPageObj_GetType(drawn) != raw.FPDF_PAGEOBJ_PATH:
            continue
        if raw.FPDFPageObj_GetBounds(drawn, left, bottom, right, top):
            box = (left.value, -top.value, right.value, -bottom.value)
            thickness = min(box[2] - box[0], box[3] - box[1])
            if (box[2] - box[0]) * (box[3] - box[1]) < limit:
                is_solid = thickness > _SOLID
                paths.append(_Region(box, 1, int(is_solid), int(is_solid and _is_free(drawn))))
    return paths


def _is_free(path: Any) -> bool:  # noqa: ANN401 - as above
    """Whether a path is a curve, a slanted line or an outline of many corners, unlike a frame."""
    raw = pdfium().raw
    segments = raw.FPDFPath_CountSegments(path)
    if segments < _FRAME_SEGMENTS[0] or segments > _FRAME_SEGMENTS[1]:
        return bool(segments > 1)
    kinds = (
        raw.FPDFPathSegment_GetType(raw.FPDFPath_GetPathSegment(path, index)) for index in range(segments)
    )
    return any(kind == raw.FPDF_SEGMENT_BEZIERTO for kind in kinds)


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


def clipped(box: Box, page: Any) -> Box:  # noqa: ANN401 - as above
    """The part of a box, a little grown, that is on the page."""
    left, bottom, right, top = page.get_cropbox()
    grown = _grown(box, 4)
    return max(grown[0], left), max(grown[1], -top), min(grown[2], right), min(grown[3], -bottom)


def crop_to(box: Box, page: Any) -> tuple[float, float, float, float]:  # noqa: ANN401 - as above
    """What to cut off an upright page's left, bottom, right and top."""
    left, bottom, right, top = page.get_cropbox()
    return box[0] - left, -box[3] - bottom, right - box[2], top + box[1]


def _text_line(cell: Cell, area: Box) -> TextLine:
    """A label where it stands in the picture of an area."""
    left, right = (cell.left - area[0]) * _SCALE, (cell.right - area[0]) * _SCALE
    top, bottom = (cell.top - area[1]) * _SCALE, (cell.bottom - area[1]) * _SCALE
    return TextLine(cell.text, 1.0, ((left, top), (right, top), (right, bottom), (left, bottom)))
