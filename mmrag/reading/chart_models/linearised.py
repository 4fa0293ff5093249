"""The tables that DePlot and its kin write: rows between line feeds, cells between bars.

TITLE | Umbrellas sold <0x0A> City | 2024 | 2025 <0x0A> Oslo | 547 | 600
"""

from __future__ import annotations

import re

from mmrag.types import ModelTable

_ROW_END = re.compile(r"<0x0A>|\n")  # a line feed as their tokenizer spells its byte, or decoded
_TITLE = "title"
_MOST_CHARACTERS = 20_000  # of one answer: no chart that a person can read holds more


def parse(text: str, *, cut_off: bool = False) -> ModelTable:
    """The table of an answer; no rows where it is none. The title, which OCR reads better, is left out."""
    lines = _ROW_END.split(text[:_MOST_CHARACTERS])
    rows = [_cells(line) for line in lines if line.strip(" |\t\r")]
    if rows and rows[0][0].casefold() == _TITLE:
        rows = rows[1:]
    return ModelTable(tuple(rows), cut_off=cut_off or len(text) > _MOST_CHARACTERS)


def _cells(line: str) -> tuple[str, ...]:
    return tuple(cell.strip() for cell in line.split("|"))
