"""What an attached chart shows as a whole: for questions that are open, and for several charts at once.

"How do views differ?" names no cell. The answer lists the values of a small chart, or of a large one
the highest, the lowest and, over time, the first and the last. "How many labels do the first and the
second chart share?" is counted one by one.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from mmrag.generation.axes import places_named
from mmrag.generation.cells import (
    FEWEST,
    MOST_COUNTED,
    Value,
    all_quotes,
    cells_of,
    counted,
    how_known,
    in_table,
    is_unlabelled,
    labels_meet,
    read_table,
    size,
    stated,
)
from mmrag.generation.grids import parse_grid
from mmrag.text.chart_text import NO_LABEL
from mmrag.text.words import normalise
from mmrag.types import Claim, Quote

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mmrag.generation.cells import Query, ReadTable
    from mmrag.types import Hit

_OPEN = re.compile(
    r"^\W*(?:how (?:do|did|does|have|has|is|are|was|were|much did)|describe|comment|explain|compare|summari[sz]e|discuss"
    r"|what (?:are|is|was|were|do|does|did|can|percentage|proportion)|analy[sz]e|elaborate|show|tell)\b|\btrends?\b"
    r"|如何|怎么样|怎样|描述|趋势|比较|说明|分析|概括"
)
_ALL_VALUES = 8  # of a column that are listed; of more, those that stand out
_COLUMNS = 4
_SHARED = re.compile(r"\bhow many (?:of the )?(?:same|identical|common|shared)\b|\bin common\b")
_TICKS = re.compile(r"\btick values?\b|\bvertical axis\b|\blegends?\b")  # these are not rows of a table
_YEAR = re.compile(r"(?:19|20)\d\d")
# A label that ends so has swallowed the cell beside it: "Economy 13" and then 13.
_TRAILING_NUMBER = re.compile(r"\D\s(?!(?:19|20)\d\d$)[\d.,]+\s?%?$")


def attached_tables(hits: Sequence[Hit]) -> list[ReadTable]:
    """The tables of what was attached, in the order in which it was."""
    found = [
        (hit.uri, hit.chunk.start, read_table(number, hit, grid))
        for number, hit in enumerate(hits)
        if hit.origin == "attachment" and (grid := parse_grid(hit.chunk)) is not None
    ]
    return [table for *_, table in sorted(found, key=lambda one: one[:2])]


def describe(query: Query, tables: Sequence[ReadTable]) -> tuple[Claim, ...]:
    """The columns of the charts that an open question is about."""
    if not _OPEN.search(query.text):
        return ()
    claims: list[Claim] = []
    for table in tables:
        if labels_meet(query, table):
            claims += [
                claim for column in table.grid.columns[:_COLUMNS] if (claim := _column(query, table, column))
            ]
    return tuple(claims[:_COLUMNS])


def _column(query: Query, table: ReadTable, column: str) -> Claim | None:
    values = [Value(row, cell) for row in table.grid.rows for cell in cells_of(row, column) if cell.number]
    if not table.grid.is_whole or len(values) < FEWEST:
        return None
    if any(_TRAILING_NUMBER.search(value.row.label.text) for value in values):
        return None
    values = [value for value in values if not is_unlabelled(value)]
    shown = values if len(values) <= _ALL_VALUES else _standing_out(values)
    listed = ", ".join(f"{value.row.label.text} {stated(query, value.cell)}" for value in shown)
    listed += how_known(query, shown)
    said = f"{column}: {listed}" if column else listed
    return Claim(in_table(query, table, said, said), all_quotes(table, shown))


def _standing_out(values: Sequence[Value]) -> list[Value]:
    """The highest and the lowest, and where rows are years the first and the last, in their order."""
    chosen = [max(values, key=size), min(values, key=size)]
    if all(_YEAR.search(value.row.label.text) for value in values):
        chosen += [values[0], values[-1]]
    return [value for value in values if value in chosen]


def count_shared(query: Query, tables: Sequence[ReadTable]) -> tuple[Claim, ...]:
    """How many row labels two charts share, by name; of labels that a model read that is not certain."""
    places = dict.fromkeys(places_named(query.text))
    if not _SHARED.search(query.text) or _TICKS.search(query.text) or len(places) != 2:  # noqa: PLR2004 - two charts
        return ()
    ours, theirs = (
        {
            normalise(row.label.text): (table, row)
            for table in tables
            if table.picture == f"attachment:{place:03d}" and table.grid.is_whole
            for row in table.grid.rows
            if row.label.text != NO_LABEL
        }
        for place in places
    )
    shared = [label for label in ours if label in theirs]
    rows = [row for side in (ours, theirs) for _, row in side.values()]
    if any(cell.by_model for row in rows for cell in row.cells) or not 0 < len(shared) <= MOST_COUNTED:
        return ()
    names = ", ".join(ours[label][1].label.text for label in shared)
    support = [
        Quote(table.hit, *span)
        for side in (ours, theirs)
        for label in shared
        for table, row in [side[label]]
        for span in row.label.spans
    ]
    return (Claim(f"Both charts have {names}: {counted(shared)}.", tuple(support)),)
