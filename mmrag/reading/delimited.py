"""CSV and its kin: one table, whatever parts its cells. The dialect is told from the text itself."""

from __future__ import annotations

import csv
import io
from collections import Counter
from itertools import islice
from pathlib import PurePath
from typing import TYPE_CHECKING

from mmrag.errors import NotReadable
from mmrag.reading.media import CSV
from mmrag.reading.page_builder import PageBuilder, one_line
from mmrag.reading.sheet_tables import Sheet, write_tables
from mmrag.text.numbers import sole_number
from mmrag.types import Reading

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_CELLS = 500_000
_NAMES = (".csv", ".tsv", ".tab")
_DELIMITERS = ",;\t|"
_SAMPLE_ROWS = 50
_SAMPLE = 64 * 1024  # characters
_LONGEST_CELL = 60  # characters in the middle: longer ones are sentences with commas
_MAX_FIELD = 1024**2  # characters: an open quote must not swallow the file without end
_FEWEST_ROWS = 3  # rows that agree by chance are fewer


def delimiter(text: str, *, name: str) -> str | None:
    """What parts the cells of a text, None where it is no table; a name that claims one lowers the bar."""
    suffix = PurePath(name).suffix.casefold()
    if suffix and suffix not in (*_NAMES, ".txt"):
        return None
    scores = {mark: _agreement(text[:_SAMPLE], mark, named=suffix in _NAMES) for mark in _DELIMITERS}
    best = max(scores, key=lambda mark: scores[mark])
    return best if scores[best] > 0 else None


def read_delimited(text: str, mark: str) -> Reading:
    """A delimited text as one page with one table."""
    cells: dict[tuple[int, int], str] = {}
    numeric: set[tuple[int, int]] = set()
    warnings: tuple[str, ...] = ()
    position = 0
    for row in _rows(text, mark):
        for column, cell in enumerate(row):
            if shown := one_line(cell):
                cells[position, column] = shown
                if sole_number(shown) is not None:
                    numeric.add((position, column))
        position += any(cell.strip() for cell in row)  # blank lines part nothing here
        if len(cells) > MAX_CELLS:
            limits = f"the first {position:,} rows of this file were read ({MAX_CELLS:,} cells)"
            warnings = (f"Only {limits}: send the rest in a file of its own.",)
            break
    for column in range(max((column for _, column in cells), default=-1) + 1):
        cells.setdefault((0, column), " ")  # a column without a name parts nothing either
    page = PageBuilder()
    write_tables(Sheet(cells, frozenset(numeric)), page)
    return Reading(media_type=CSV, title=None, pages=(page.build(1),), warnings=warnings)


def _agreement(text: str, mark: str, *, named: bool) -> int:
    """How many columns nearly all rows agree on; 0 where they don't, or where it reads like prose."""
    lines = text.split("\n")
    sample = "\n".join(lines[:-1] if len(lines) > 1 and len(text) == _SAMPLE else lines)
    try:
        rows = [row for row in islice(_rows(sample, mark), _SAMPLE_ROWS) if any(map(str.strip, row))]
    except NotReadable:
        return 0
    widths = Counter(len(row) for row in rows)
    if not widths:
        return 0
    width, count = max(widths.items(), key=lambda item: (item[1], item[0]))
    if width < 2:  # noqa: PLR2004 - columns
        return 0
    if named:
        return width if 2 * count >= len(rows) else 0
    cells = sorted(len(cell.strip()) for row in rows for cell in row)
    spaced = sum(cell.startswith(" ") for row in rows for cell in row[1:]) > len(rows) / 2
    is_table = (
        len(rows) >= _FEWEST_ROWS
        and count == len(rows)
        and all(cell.strip() for cell in rows[0])
        and cells[len(cells) // 2] <= _LONGEST_CELL
        and not (mark == "," and (spaced or (width == 2 and not _holds_numbers(rows))))  # noqa: PLR2004 - "Dear Ana,"
        and not _is_code(sample)
    )
    return width if is_table else 0


def _holds_numbers(rows: list[list[str]]) -> bool:
    return sum(sole_number(cell.strip()) is not None for row in rows[1:] for cell in row) >= len(rows) - 1


def _is_code(text: str) -> bool:
    """Lines that end in brackets, braces or semicolons are statements."""
    lines = [line.rstrip() for line in text.split("\n") if line.strip()]
    return sum(line.endswith(("{", "}", "(", ");", "[", "],", "};")) for line in lines) > 0.1 * len(lines)


def _rows(text: str, mark: str) -> Iterator[list[str]]:
    csv.field_size_limit(_MAX_FIELD)
    try:
        yield from csv.reader(io.StringIO(text), delimiter=mark, skipinitialspace=False)
    except csv.Error:
        raise NotReadable(
            "This table has a cell of more than a million characters: check its quotation marks."
        ) from None
