"""The cells of a sheet as the tables and remarks that a person sees there.

A sheet is a plane: blank rows part its blocks, and blank columns part blocks that stand side by side.
A block of one column is text; any other is a table, with its title rows above as text. It knows cells,
no file format.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from mmrag.reading.page_builder import row_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from mmrag.reading.page_builder import PageBuilder

_MAX_TITLE_ROWS = 5
_MAX_COLUMNS = 200  # of one table: beyond, nobody reads a row
_LETTERS = 26


@dataclass(frozen=True, slots=True)
class Sheet:
    """Texts of cells by (row, column) from 0, and which of them are numbers or dates."""

    cells: dict[tuple[int, int], str]
    numeric: frozenset[tuple[int, int]]


def write_tables(sheet: Sheet, page: PageBuilder) -> None:
    """Append all that stands on a sheet, block by block."""
    for rows, columns in _blocks(sheet.cells):
        _write_block(sheet, rows, columns, page)


def _blocks(cells: dict[tuple[int, int], str]) -> Iterator[tuple[list[int], list[int]]]:
    """Rows and columns of each block, top to bottom and left to right."""
    by_row: dict[int, set[int]] = defaultdict(set)
    for row, column in cells:
        by_row[row].add(column)
    for band in _runs(by_row):
        used = set().union(*(by_row[row] for row in band))
        for columns in _runs(used):
            own = [row for row in band if not by_row[row].isdisjoint(columns)]
            yield from ((rows, columns) for rows in _runs(own))


def _runs(numbers: Iterable[int]) -> list[list[int]]:
    """Ascending numbers, parted where one is missing."""
    ordered = sorted(numbers)
    runs = [ordered[:1]] if ordered else []
    for before, number in pairwise(ordered):
        if number - before > 1:
            runs.append([])
        runs[-1].append(number)
    return runs


def _write_block(sheet: Sheet, rows: Sequence[int], columns: Sequence[int], page: PageBuilder) -> None:
    def texts(row: int) -> list[str]:
        return [sheet.cells.get((row, column), "") for column in columns[:_MAX_COLUMNS]]

    if len(columns) == 1:
        page.lines([texts(row)[0] for row in rows])
        return
    first = _title_rows(sheet, rows, columns)
    page.lines([row_line([text for text in texts(row) if text]) for row in rows[:first]])
    body = rows[first:]
    if len(body) < 2:  # noqa: PLR2004 - a header and a row
        page.lines([row_line(texts(row)) for row in body])
        return
    grid = [texts(row) for row in body]
    printed = "\n".join(map(row_line, grid))
    if not _has_header(sheet, body, columns):
        grid.insert(0, [_letters(column) for column in columns[:_MAX_COLUMNS]])
    page.printed_table(grid, printed)
    if len(columns) > _MAX_COLUMNS:
        for row in body:
            page.lines([row_line([sheet.cells.get((row, column), "") for column in columns[_MAX_COLUMNS:]])])


def _title_rows(sheet: Sheet, rows: Sequence[int], columns: Sequence[int]) -> int:
    """How many rows at the top hold a single text, above wider ones: titles and remarks."""
    count = 0
    for row in rows[: min(_MAX_TITLE_ROWS, len(rows) - 1)]:
        filled = [column for column in columns if (row, column) in sheet.cells]
        if len(filled) != 1 or (row, filled[0]) in sheet.numeric:
            break
        count += 1
    return count


def _has_header(sheet: Sheet, rows: Sequence[int], columns: Sequence[int]) -> bool:
    """Whether the first row names the columns: texts (or years), and mostly filled."""
    filled = [column for column in columns if (rows[0], column) in sheet.cells]
    numbers = [column for column in filled if (rows[0], column) in sheet.numeric]
    if len(filled) * 2 < len(columns):
        return False
    return not numbers or all(_is_year(sheet.cells[rows[0], column]) for column in numbers)


def _is_year(text: str) -> bool:
    return text.isdigit() and 1900 <= int(text) <= 2100  # noqa: PLR2004 - years that head columns


def _letters(column: int) -> str:
    """A column's name in a spreadsheet: A, B, ..., Z, AA."""
    name = ""
    column += 1
    while column:
        column, rest = divmod(column - 1, _LETTERS)
        name = chr(ord("A") + rest) + name
    return name
