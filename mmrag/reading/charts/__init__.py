"""Charts: the data table of a picture, each value printed or measured, or the reason why there is none.

    lines of text --labels--> printed values beside their categories           --printed--> table
    pixels --marks--> rectangles --layouts--> bars + labels + axis             --bars-----> table
    pixels --marks--> inks followed from column to column + labels + axis      --lines----> table

It knows no OCR: the lines of text come with the picture.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mmrag.reading.charts.axes import find_axis
from mmrag.reading.charts.bars import read_bars
from mmrag.reading.charts.labels import labels_of
from mmrag.reading.charts.lines import read_lines
from mmrag.reading.charts.marks import colours_of
from mmrag.reading.charts.printed import has_axis, read_printed
from mmrag.reading.charts.rows import read_line_values, read_rows
from mmrag.reading.charts.table import Cell, ChartTable, NoBars, NoTable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mmrag.reading.charts.labels import Label
    from mmrag.reading.charts.table import Rows
    from mmrag.reading.ocr import Pixels, TextLine

__all__ = ["ChartReading", "ChartTable", "has_axis", "read_chart"]

_MOST_PIXELS = 3_000_000  # that marks are looked for in: as many as text is in a small picture


@dataclass(frozen=True, slots=True)
class ChartReading:
    """What a picture is as a chart: its table, or the reason why none is certain.

    `axis` is its upright value axis with the ticks, where all of them were read.
    """

    table: ChartTable | None
    reason: str = ""
    axis: str = ""


def read_chart(lines: Sequence[TextLine], pixels: Pixels, *, is_drawing: bool = False) -> ChartReading:
    """The one table that the picture confirms: printed values first, else what bars or lines measure.

    Columns of numbers without bars are one in a picture; a drawing on a page may be the rules of a table
    that the page itself has.
    """
    lines, pixels = _of_moderate_size(lines, pixels)
    labels = labels_of(lines)
    axis = find_axis(labels, horizontal=False)
    written = axis.as_text(horizontal=False) if axis else ""
    if (rows := read_printed(lines, pixels)) is not None:
        return ChartReading(_printed(rows), axis=written)
    try:
        table = _drawn(labels, pixels)
    except NoTable as none:
        if (rows := read_rows(labels, pixels, on_bars=is_drawing)) is not None:
            return ChartReading(_printed(rows), axis=written)
        if (rows := read_line_values(labels, pixels)) is not None:
            return ChartReading(replace(_printed(rows), is_part=True), axis=written)
        return ChartReading(None, str(none), written)
    return ChartReading(table, axis=table.axis)


def _printed(rows: Rows) -> ChartTable:
    cells = tuple(
        (row[0], tuple(Cell(text, "printed") if text else None for text in row[1:])) for row in rows[1:]
    )
    return ChartTable("", rows[0][1:], cells)


def _of_moderate_size(lines: Sequence[TextLine], pixels: Pixels) -> tuple[Sequence[TextLine], Pixels]:
    """A large picture made smaller, with its lines: marks are found as well, in a bounded time and memory."""
    import cv2  # noqa: PLC0415 - heavy
    import numpy as np  # noqa: PLC0415 - heavy

    height, width = pixels.shape[:2]
    share = math.sqrt(_MOST_PIXELS / (height * width))
    if share >= 1:
        return lines, pixels
    size = (max(1, round(width * share)), max(1, round(height * share)))
    small = np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
    return [line.scaled(share) for line in lines], small


def _drawn(labels: Sequence[Label], pixels: Pixels) -> ChartTable:
    try:
        return read_bars(labels, colours_of(pixels), pixels)
    except NoBars:
        return read_lines(labels, pixels)
