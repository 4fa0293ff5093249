"""What a model read of a chart, held against what stands in the picture.

Printed and measured values stay what they are: the model's fill what these leave open, and its table is not
used at all where it contradicts them.

    its table --> plain cells --> labels that stand in the picture, values within its axis, none against
    what is printed or measured --> cells that say `model`, with a confidence

It knows no model, no page and no pixels.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from mmrag.reading.charts.table import Cell, ChartTable, NoTable
from mmrag.reading.page_builder import one_line
from mmrag.text.chart_text import AXES, BY_MODEL, MEASURED
from mmrag.text.numbers import numbers, sole_number
from mmrag.text.words import letters, normalise, words
from mmrag.types import CellSource

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from mmrag.text.numbers import Number
    from mmrag.types import Figure, ModelTable, Table

MOST_CELLS = 1_000  # of a table, labels included
LONGEST_CELL = 120  # characters
_MOST_CONFIDENT = 0.95  # less than what is printed, however much of the rest agrees
_TOLERANCE = Decimal("0.05")  # of the largest value: so near a measured one a model's agrees with it
_EMPTY = frozenset(("", "-", "–", "—", "/", "n/a", "na", "nan", "none", "null"))
_FIRST_YEAR, _LAST_YEAR = 1900, 2100  # a whole number between them names a column rather than filling it
_FEWEST_LETTERS = 4  # of a label that may be found within longer words
_DIGITS = re.compile(r"\d[\d,]*(?:\.\d+)?")
_OURS = str.maketrans(dict.fromkeys((MEASURED, BY_MODEL), "") | {"|": "/"})


@dataclass(frozen=True, slots=True)
class Combined:
    """A chart's data with what a model adds; `sources` as in `types.Table`."""

    table: ChartTable
    sources: tuple[tuple[CellSource | None, ...], ...]

    @property
    def holds_model_cells(self) -> bool:
        """Whether the model adds anything."""
        return any(source is not None and source.origin == "model" for row in self.sources for source in row)


@dataclass(frozen=True, slots=True)
class _Written:
    """A model's table as plain text: each row has a label and a value for each column, or None."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[str | None, ...]], ...]

    @property
    def values(self) -> list[str]:
        return [value for _, values in self.rows for value in values if value is not None]

    @property
    def is_series(self) -> bool:
        """Whether it has one column, whose name says little."""
        return len(self.columns) == 1


def is_open(figure: Figure) -> bool:
    """Whether a figure is a chart whose picture may hold more than was read from it."""
    if figure.kind != "chart" or figure.image is None:
        return False
    return figure.table is None or any(cell is None for row in figure.table.sources for cell in row)


def combined(figure: Figure, text: str, table: ModelTable) -> Combined:
    """The data of a chart that is open, with the model's. `text` is what was read in the picture.

    Raises NoTable, with what speaks against the model's table.
    """
    written = _plain(table)
    return (
        _whole(written, text, table.chart)
        if figure.table is None
        else _filled(figure.table, figure.chart, written)
    )


# ------------------------------------------------------------- what it wrote


def _plain(table: ModelTable) -> _Written:
    if table.cut_off:
        raise NoTable("it does not come to an end")
    rows = [tuple(one_line(cell.translate(_OURS))[:LONGEST_CELL] for cell in row) for row in table.rows]
    width = max(map(len, rows), default=0)
    if width < 2:  # noqa: PLR2004 - a label and a value
        raise NoTable("there is none")
    if any(len(row) != width for row in rows):
        raise NoTable("its rows are of different lengths")
    if width * len(rows) > MOST_CELLS:
        raise NoTable(f"it has more than {MOST_CELLS:,} cells")
    has_header = not all(map(_is_value, rows[0][1:]))
    body = rows[has_header:]
    written = _Written(
        rows[0][1:] if has_header else ("",) * (width - 1),
        tuple((row[0], tuple(map(_value, row[1:]))) for row in body),
    )
    if len(written.values) < 2:  # noqa: PLR2004 - data is more than one value
        raise NoTable("it has fewer than two values")
    _check_names([label for label, _ in written.rows])
    if not written.is_series:
        _check_names(written.columns)
    return written


def _is_value(cell: str) -> bool:
    names_a_year = cell.isdecimal() and _FIRST_YEAR <= int(cell) <= _LAST_YEAR
    return sole_number(cell) is not None and not names_a_year


def _value(cell: str) -> str | None:
    if cell.casefold() in _EMPTY:
        return None
    if sole_number(cell) is None:
        raise NoTable("it has words where values belong")
    return cell


def _check_names(names: Sequence[str]) -> None:
    """Rows or columns must be told apart by their names."""
    bare = [letters(name) for name in names]
    if not all(bare):
        raise NoTable("it leaves names out")
    if len(set(bare)) < len(bare):
        raise NoTable("it has a name twice")


# ------------------------------------------------ where nothing was certain


def _whole(written: _Written, text: str, kind: str) -> Combined:
    """All of it, where nothing that was read in the picture speaks against it."""
    labels = [label for label, _ in written.rows]
    names = labels if written.is_series else [*labels, *written.columns]
    known = _Known(text)
    if 2 * sum(map(known.holds, names)) < len(names):
        raise NoTable("most of its names do not stand in the picture")
    ticks = _ticks(text)
    if not {letters(label) for label in labels} & {letters(tick) for tick in ticks}:  # else these are names
        _check_range(written, [number.value for tick in ticks if (number := sole_number(tick))])
    agreed = max(_beside_labels(written, text, ticks), _among_printed(written, text, ticks))
    columns = tuple(name if not written.is_series or known.holds(name) else "" for name in written.columns)
    source = CellSource("model", _confidence(agreed))
    rows = tuple((label, tuple(map(_cell, values))) for label, values in written.rows)
    sources = tuple(tuple(source if value else None for value in values) for _, values in written.rows)
    return Combined(ChartTable(kind, columns, rows), sources)


def _cell(value: str | None) -> Cell | None:
    return Cell(value, "model") if value else None


def _confidence(agreed: int) -> float:
    """Laplace's rule of succession: of one that was right so many times and never wrong."""
    return min((agreed + 1) / (agreed + 2), _MOST_CONFIDENT)


class _Known:
    """What was read in a picture."""

    def __init__(self, text: str) -> None:
        self._words = frozenset(words(text))
        self._letters = letters(text)

    def holds(self, name: str) -> bool:
        """Whether a name stands there, in its words or, where they were read as one, in its letters."""
        bare = letters(name)
        if bare and frozenset(words(name)) <= self._words:
            return True
        return (len(bare) >= _FEWEST_LETTERS or not bare.isascii()) and bool(bare) and bare in self._letters


def _ticks(text: str) -> list[str]:
    """The ticks of the value axis, where all of them were read: "" is none."""
    for line in text.split("\n"):
        if line.startswith(AXES):
            return [normalise(tick).strip() for tick in line.partition(": ")[2].split(", ")]
    return []


def _check_range(written: _Written, ticks: Sequence[Decimal]) -> None:
    """No value lies more than a step beyond the axis."""
    if len(ticks) < 2:  # noqa: PLR2004 - one tick has no step
        return
    low, high = ticks[0] - (ticks[1] - ticks[0]), ticks[-1] + (ticks[-1] - ticks[-2])
    for value in written.values:
        if not low <= _amount(value) <= high:
            raise NoTable(f"{value} lies beyond the axis")


def _amount(value: str) -> Decimal:
    number = sole_number(value)
    return number.value if number else Decimal(0)


def _beside_labels(written: _Written, text: str, ticks: Sequence[str]) -> int:
    """How many of its values stand in one line with their label. Raises NoTable where others stand there."""
    lines = [normalise(one_line(line)) for line in text.split("\n")]
    agreed = 0
    for label, values in written.rows:
        printed = {value for line in lines if (value := _rest(line, normalise(label))) and value not in ticks}
        given = [value for value in values if value is not None]
        if any(_same(value, one) for value in given for one in printed):
            agreed += 1
        elif printed and written.is_series and given:
            raise NoTable(f"it says {given[0]} for {label}, where {min(printed)} is printed")
    return agreed


def _rest(line: str, label: str) -> str:
    """The value that stands before or behind a label in a line that holds nothing else, or ""."""
    if line.startswith(label):
        rest, edge = line[len(label) :], line[len(label) : len(label) + 1]
    elif line.endswith(label):
        rest, edge = line[: -len(label)], line[-len(label) - 1 : -len(label)]
    else:
        return ""
    value = rest.strip(" |:")
    return value if not edge.isalnum() and sole_number(value) is not None else ""


def _among_printed(written: _Written, text: str, ticks: Sequence[str]) -> int:
    """How many of its values are printed, where so many are. Raises NoTable where one is not among them.

    That can be told only where the axis is known: its ticks are numbers, too.
    """
    if not ticks:
        return 0
    aside = {letters(each) for each in [*ticks, *(label for label, _ in written.rows), *written.columns]}
    printed = [
        number
        for line in text.split("\n")
        if not line.startswith(AXES)
        for number in _numbers_alone(line.split())
        if letters(number) not in aside
    ]
    if len(printed) < len(written.values):
        return 0
    for value in written.values:
        if not any(_same(value, one) for one in printed):
            raise NoTable(f"{value} is not among the values that are printed")
    return len(written.values)


def _numbers_alone(parts: Sequence[str]) -> Sequence[str]:
    """The numbers of a line that holds nothing else."""
    parts = [part for part in parts if part != "|"]
    return parts if all(sole_number(part) for part in parts) else ()


def _same(one: str, other: str) -> bool:
    """Whether two values are written with the same number; a unit may be left out."""
    ours, theirs = sole_number(one), sole_number(other)
    if ours is not None and theirs is not None and ours.value == theirs.value:
        return True
    return _digits(one) == _digits(other) and _is_negative(ours) == _is_negative(theirs)


def _digits(value: str) -> Decimal | None:
    found = _DIGITS.search(normalise(value))
    return numbers(found.group())[0].value if found and numbers(found.group()) else None


def _is_negative(number: Number | None) -> bool:
    return number is not None and number.value < 0


# -------------------------------------------------- where something was certain


def _filled(table: Table, kind: str, written: _Written) -> Combined:
    """A table that is certain, its empty cells filled where the model agrees with all others."""
    columns = table.rows[0][1:]
    given = _by_place(written, columns)
    known = [
        (label, column, row[number], source)
        for label, row, sources in _body(table)
        for number, (column, source) in enumerate(zip(columns, sources, strict=True), start=1)
        if source is not None
    ]
    agreed = 0
    largest = max((abs(_amount(text)) for _, _, text, _ in known), default=Decimal(0))
    for label, column, text, source in known:
        value = given.get((letters(label), letters(column)))
        if value is None:
            continue
        near = source.origin == "measured" and abs(_amount(value) - _amount(text)) <= _TOLERANCE * largest
        if not near and not _same(value, text):
            raise NoTable(f"it says {value} for {label}, where {text} is {source.origin}")
        agreed += 1
    if not agreed:
        raise NoTable("nothing of it can be compared with what is certain")
    source = CellSource("model", _confidence(agreed))
    rows, sources = [], []
    for label, row, kept in _body(table):
        places = [(letters(label), letters(column)) for column in columns]
        rows.append(
            (
                label,
                tuple(
                    _kept_or(given.get(place), text, one)
                    for place, text, one in zip(places, row[1:], kept, strict=True)
                ),
            )
        )
        sources.append(
            tuple(
                one or (source if place in given else None) for place, one in zip(places, kept, strict=True)
            )
        )
    return Combined(ChartTable(kind, columns, tuple(rows)), tuple(sources))


def _body(table: Table) -> Iterable[tuple[str, tuple[str, ...], tuple[CellSource | None, ...]]]:
    """Label, whole row and sources of each row."""
    return [(row[0], row, kept) for row, kept in zip(table.rows[1:], table.sources, strict=True)]


def _by_place(written: _Written, columns: Sequence[str]) -> dict[tuple[str, str], str]:
    """The model's values by row and column; of two single columns the names do not matter."""
    named = [letters(name) for name in written.columns]
    if written.is_series and len(columns) == 1:
        named = [letters(columns[0])]
    return {
        (letters(label), name): value
        for label, values in written.rows
        for name, value in zip(named, values, strict=True)
        if value is not None
    }


def _kept_or(value: str | None, text: str, source: CellSource | None) -> Cell | None:
    return Cell(text, source.origin) if source else _cell(value)
