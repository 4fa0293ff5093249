"""A chart that an Office document draws from data: its title, and the data as it stands in the file.

It knows DrawingML's charts, no pixels: every value is the file's own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mmrag.reading.charts.table import rows_as_text
from mmrag.reading.number_format import display
from mmrag.reading.ooxml import CHART, DRAWING, integer, value
from mmrag.reading.page_builder import even_rows, one_line

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

    from mmrag.reading.page_builder import PageBuilder

_MAX_SERIES = 50
_MAX_POINTS = 2_000


def write_chart(chart_space: Element, page: PageBuilder, *, caption: str = "") -> None:
    """Append a chart as a figure: title, axis titles, then its data, a value a line."""
    chart = chart_space.find(f"{CHART}chart")
    if chart is None:
        return
    rows = even_rows(_rows(chart))
    span = (0, 0)
    with page.figure("chart", image=None):
        page.paragraph("\n".join(filter(None, [_title(chart), caption, *_axis_titles(chart)])))
        if len(rows) > 1:
            span = page.paragraph(rows_as_text(tuple(map(tuple, rows))))
    if len(rows) > 1:
        page.last_figure_table(rows, span)


def _rows(chart: Element) -> list[list[str]]:
    """A header of series' names, then a row for each category."""
    series = list(chart.iter(f"{CHART}ser"))[:_MAX_SERIES]
    names = [_first(_points(one.find(f"{CHART}tx"))) for one in series]
    columns = [_points(_either(one, "val", "yVal")) for one in series]
    labels: dict[int, str] = {}
    for one in series:
        for index, label in _points(_either(one, "cat", "xVal")).items():
            labels.setdefault(index, label)
    indexes = sorted(set(labels).union(*columns))[:_MAX_POINTS]
    body = [[labels.get(i, str(i + 1)), *(column.get(i, "") for column in columns)] for i in indexes]
    return [["", *names], *body] if body else []


def _either(series: Element, *names: str) -> Element | None:
    found = (series.find(f"{CHART}{name}") for name in names)
    return next((element for element in found if element is not None), None)


def _points(element: Element | None) -> dict[int, str]:
    """Cached values by index, as they are displayed; of categories of several levels all of them."""
    if element is None:
        return {}
    code = next((node.text or "" for node in element.iter(f"{CHART}formatCode")), "General")
    is_number = any(True for _ in element.iter(f"{CHART}numCache")) or any(
        True for _ in element.iter(f"{CHART}numLit")
    )
    points: dict[int, str] = {}
    for point in element.iter(f"{CHART}pt"):
        text = one_line("".join(node.text or "" for node in point.iter(f"{CHART}v")))
        shown = display(text, code) if is_number else text
        index = integer(value(point, "idx"))
        points[index] = f"{shown} {points[index]}" if index in points else shown
    direct = element.find(f"{CHART}v")
    if not points and direct is not None:
        points[0] = one_line(direct.text or "")
    return points


def _first(points: dict[int, str]) -> str:
    return " ".join(points[index] for index in sorted(points))


def _title(chart: Element) -> str:
    return _text(chart.find(f"{CHART}title"))


def _axis_titles(chart: Element) -> list[str]:
    axes = (axis for name in ("catAx", "valAx", "dateAx", "serAx") for axis in chart.iter(f"{CHART}{name}"))
    return [text for axis in axes if (text := _text(axis.find(f"{CHART}title")))]


def _text(title: Element | None) -> str:
    if title is None:
        return ""
    return one_line("".join(node.text or "" for node in title.iter(f"{DRAWING}t")))
