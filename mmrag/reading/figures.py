"""One picture read as a figure: its kind, its text in reading order, its table where that is certain.

Shared by picture files, scanned pages and pictures embedded in PDFs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mmrag.reading import chart, layout
from mmrag.reading.picture import as_png
from mmrag.reading.reading_order import rows_in_reading_order

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PIL import Image

    from mmrag.reading.ocr import TextLine, TextRecognition
    from mmrag.reading.page_builder import PageBuilder

_TEXT_SHARE = 0.03  # of a picture's area: with more text than this it was sent to be read


@dataclass(frozen=True, slots=True)
class FigureReading:
    """What was seen in one picture: its lines in reading order and a chart's table."""

    kind: str
    lines: tuple[layout.Line, ...]
    rows: chart.Rows | None
    image: bytes

    def write_figure(self, page: PageBuilder, *, caption: str = "") -> None:
        """Append it to a page as a figure: caption, text, then its table, a value a line."""
        span = (0, 0)
        with page.figure(self.kind, image=self.image):
            page.paragraph(caption)
            if self.rows:  # values over their categories would look like a table
                page.lines([" ".join(cell.text for cell in line.cells) for line in self.lines])
                span = page.paragraph(chart.rows_as_text(self.rows))
            else:
                self.write_text(page)
        if self.rows:
            page.last_figure_table(self.rows, span)

    def write_text(self, page: PageBuilder) -> None:
        """Append its text alone, as a scanned page's."""
        layout.compose(self.lines, page)


def read_figure(image: Image.Image, recognition: TextRecognition) -> FigureReading:
    """Read an RGB picture."""
    import numpy as np  # noqa: PLC0415 - heavy

    pixels = np.asarray(image, dtype=np.uint8)
    lines = recognition.read(pixels)
    rows = chart.read_chart(lines, pixels)
    is_chart = rows is not None or chart.has_axis(lines)
    return FigureReading(
        kind="chart" if is_chart else _kind(lines, image.size),
        lines=tuple(rows_in_reading_order(lines)),
        rows=rows,
        image=as_png(image),
    )


def read_drawing(image: Image.Image, lines: Sequence[TextLine]) -> FigureReading | None:
    """A chart whose labels are known already; None where its values are not certain."""
    import numpy as np  # noqa: PLC0415 - heavy

    rows = chart.read_chart(lines, np.asarray(image, dtype=np.uint8))
    if rows is None:
        return None
    return FigureReading("chart", tuple(rows_in_reading_order(lines)), rows, as_png(image))


def _kind(lines: Sequence[TextLine], size: tuple[int, int]) -> str:
    text_area = sum((line.right - line.left) * line.height for line in lines)
    return "text" if text_area > _TEXT_SHARE * size[0] * size[1] else "picture"
