"""The tables that Granite-Docling and SmolDocling write: OTSL, the table language within DocTags.

    <chart><bar_chart><ched>City<ched>2024<nl><rhed>Oslo<fcel>547<nl></chart>

Each cell begins with a tag that says how it is filled; `<nl>` ends a row. A merged cell is written once, and
those it covers say where it lies: `<lcel>` to the left, `<ucel>` above, `<xcel>` in both directions.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from mmrag.types import ModelTable

if TYPE_CHECKING:
    from collections.abc import Sequence

FULL_CELL = "<fcel>"  # a tokenizer that knows this tag belongs to a model that writes such tables
_CELL = re.compile(r"<(?P<tag>fcel|ecel|lcel|ucel|xcel|ched|rhed|srow|nl)>(?P<text>[^<]*)")
_APART = re.compile(r"<(caption|footnote|page_header|page_footer|text)>.*?</\1>", re.DOTALL)
_END = re.compile(r"</?(?:otsl|chart|doctag)>|<end_of_utterance>|<\|\w+\|>")
_CHARTS = {
    "bar_chart": "bar", "stacked_bar_chart": "stacked", "grouped_bar_chart": "grouped", "line_chart": "line",
    "pie_chart": "pie", "scatter_chart": "scatter",
}  # fmt: skip
_CHART = re.compile(rf"<({'|'.join(_CHARTS)})>")
LONGEST_CELL = 500  # characters: a merged cell is repeated
_MOST_CHARACTERS = 40_000  # of one answer, tags and all


def parse(text: str, *, cut_off: bool = False) -> ModelTable:
    """The first table of an answer; no rows where there is none."""
    kind = _CHART.search(text[:_MOST_CHARACTERS])
    body = _APART.sub("", text[:_MOST_CHARACTERS])
    first = _CELL.search(body)
    body = _END.split(body[first.start() :], maxsplit=1)[0] if first else ""
    return ModelTable(
        tuple(_rows(body)),
        chart=_CHARTS[kind[1]] if kind else "",
        cut_off=cut_off or len(text) > _MOST_CHARACTERS,
    )


def _rows(body: str) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    row: list[str] = []
    for match in _CELL.finditer(body):
        if match["tag"] == "nl":
            rows.append(tuple(row))
            row = []
        else:
            row.append(_filled(match["tag"], match["text"].strip()[:LONGEST_CELL], row, rows))
    return [row for row in [*rows, tuple(row)] if row]


def _filled(tag: str, text: str, row: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """What stands in a cell: of a covered one, what stands in the cell that covers it."""
    above = rows[-1][len(row)] if rows and len(row) < len(rows[-1]) else ""
    match tag:
        case "ecel":
            return ""
        case "lcel":
            return row[-1] if row else ""
        case "ucel" | "xcel":
            return above
        case _:
            return text
