"""One picture read as a figure: its kind, its text in reading order, its table where that is certain.

Shared by picture files, scanned pages and pictures embedded in PDFs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mmrag.reading import layout
from mmrag.reading.charts import has_axis, read_chart
from mmrag.reading.charts.table import table_as_text
from mmrag.reading.picture import as_png
from mmrag.reading.pixels import pixel_digest
from mmrag.reading.reading_order import is_vertical, rows_in_reading_order

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PIL import Image

    from mmrag.reading.charts import ChartReading
    from mmrag.reading.charts.table import ChartTable
    from mmrag.reading.ocr import Pixels, TextLine, TextRecognition
    from mmrag.reading.page_builder import PageBuilder, Place

_MIN_LINES = 4  # with fewer nothing is known of how a picture lies
_SIDEWAYS = 0.7  # of a picture's lines are vertical in one that lies on its side
_DOUBTFUL = 0.8  # a mean score below it may be that of text on its head
_BETTER = 0.05  # by so much better another direction must be read
_TEXT_SHARE = 0.03  # of a picture's area: with more text than this it was sent to be read


@dataclass(frozen=True, slots=True)
class FigureReading:
    """What was seen in one picture: its lines in reading order and a chart's table, or why it has none."""

    kind: str
    lines: tuple[layout.Line, ...]
    table: ChartTable | None
    image: bytes
    key: str
    reason: str = ""
    axis: str = ""

    def write_figure(self, page: PageBuilder, *, caption: str = "", box: Place | None = None) -> None:
        """Append it to a page as a figure: caption, text, then its table, a value a line."""
        span = (0, 0)
        with page.figure(self.kind, image=self.image, key=self.key, box=box):
            page.paragraph(caption)
            if self.table:  # values over their categories would look like a table
                page.lines([" ".join(cell.text for cell in line.cells) for line in self.lines])
                span = page.paragraph(table_as_text(self.table))
            else:
                self.write_text(page)
            page.paragraph(self.axis)
        if self.table:
            page.last_figure_table(self.table.texts, span, sources=self.table.sources, chart=self.table.kind)
        elif self.reason:
            page.last_figure_reason(self.reason)

    def write_text(self, page: PageBuilder) -> None:
        """Append its text alone, as a scanned page's."""
        layout.compose(self.lines, page)


def read_figure(image: Image.Image, recognition: TextRecognition) -> FigureReading:
    """Read an RGB picture; one that lies on its side or its head is turned first."""
    import numpy as np  # noqa: PLC0415 - heavy

    image, lines = _upright(image, recognition)
    lines, chart = chart_in(np.asarray(image, dtype=np.uint8), lines, recognition)
    return _figure(image, lines, chart, otherwise=_kind(lines, image.size))


def read_drawing(image: Image.Image, lines: Sequence[TextLine]) -> FigureReading:
    """A drawing whose labels are known already."""
    import numpy as np  # noqa: PLC0415 - heavy

    chart = read_chart(lines, np.asarray(image, dtype=np.uint8), is_drawing=True)
    return _figure(image, lines, chart, otherwise="picture")


def _figure(
    image: Image.Image, lines: Sequence[TextLine], chart: ChartReading, *, otherwise: str
) -> FigureReading:
    """A picture with its lines: a chart where there is a table or an axis, `otherwise` of another kind."""
    is_chart = chart.table is not None or has_axis(lines)
    return FigureReading(
        kind="chart" if is_chart else otherwise,
        lines=tuple(rows_in_reading_order(lines)),
        table=chart.table,
        image=as_png(image),
        key=pixel_digest(image),
        reason=chart.reason if is_chart else "",
        axis=chart.axis if is_chart else "",
    )


def chart_in(
    pixels: Pixels, lines: Sequence[TextLine], recognition: TextRecognition
) -> tuple[Sequence[TextLine], ChartReading]:
    """A picture with these lines as a chart, and its lines: with those that a closer look finds.

    It is enlarged where an axis is seen and no table: most often a short label was missed.
    """
    lines = recognition.read_passed_over(pixels, lines)
    reading = read_chart(lines, pixels)
    if reading.table is None and has_axis(lines):
        closer = recognition.read_closely(pixels, lines)
        second = read_chart(closer, pixels)
        if second.table is not None:
            return closer, second
    return lines, reading


def _upright(image: Image.Image, recognition: TextRecognition) -> tuple[Image.Image, Sequence[TextLine]]:
    """The picture turned as its text is read best, and its lines.

    Other directions are tried only where nearly all text is vertical, or is hardly read at all.
    """
    best, lines = image, _read(image, recognition)
    if len(lines) < _MIN_LINES:
        return best, lines
    vertical = sum(map(is_vertical, lines)) / len(lines)
    turns = (90, 270) if vertical > _SIDEWAYS else (180,) if _certainty(lines) < _DOUBTFUL else ()
    for turn in turns:
        turned = image.rotate(turn, expand=True)
        if _certainty(found := _read(turned, recognition)) > _certainty(lines) + _BETTER:
            best, lines = turned, found
    return best, lines


def _read(image: Image.Image, recognition: TextRecognition) -> tuple[TextLine, ...]:
    import numpy as np  # noqa: PLC0415 - heavy

    return recognition.read(np.asarray(image, dtype=np.uint8))


def _certainty(lines: Sequence[TextLine]) -> float:
    """The mean score of a character; what is read sideways counts for less than what is read upright."""
    characters = sum(len(line.text) for line in lines)
    upright = sum(line.score * len(line.text) for line in lines if not is_vertical(line))
    return upright / characters if characters else 0.0


def _kind(lines: Sequence[TextLine], size: tuple[int, int]) -> str:
    text_area = sum((line.right - line.left) * line.height for line in lines)
    return "text" if text_area > _TEXT_SHARE * size[0] * size[1] else "picture"
