"""What an attached chart shows as a whole: for questions that are open, and for several charts at once.

"How do views differ?" names no cell. The answer lists the values of a small chart, or of a large one
the highest, the lowest and, over time, the first and the last. "How many labels do the first and the
second chart share?" is counted one by one.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from mmrag.generation.axes import asks_of_countries, places_named
from mmrag.generation.cells import (
    FEWEST,
    MOST_COUNTED,
    Value,
    all_quotes,
    cells_of,
    counted,
    how_known,
    in_table,
    is_total,
    labels_meet,
    read_table,
    size,
    stated,
)
from mmrag.generation.grids import parse_grid
from mmrag.text.chart_text import NO_LABEL
from mmrag.text.numbers import sole_number
from mmrag.text.words import FUNCTION_WORDS, normalise, words
from mmrag.types import Claim, Quote

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mmrag.generation.cells import Query, ReadTable
    from mmrag.generation.grids import Row
    from mmrag.types import Hit

# Asked for as a whole: what is thought, how it stands, how it went.
_OPEN = re.compile(
    r"^\W*(?:please )?(?:describe|comment|explain|compare|summari[sz]e|discuss|analy[sz]e|elaborate|show|tell|write|give|report"
    r"|mention|list|express)\b"
    r"|\b(?:trends?|opinions?|views?|attitudes?|perceptions?|thoughts|beliefs?|feelings?|think|believe|feel|perceive|information"
    r"|impact|influence|differences)\b"
    r"|如何|怎么样|怎样|怎么看|描述|趋势|比较|说明|分析|概括|介绍|看法|观点|意见|态度|情况"
)
# Asked for in words that also ask for a single value, which goes first.
_MAYBE_OPEN = re.compile(
    r"^\W*(?:how (?!many|much\b(?! did)|long|old|far|tall|big|large|high)"
    r"|what(?:'s\b|’s\b| (?:are|is|was|were|do|does|did|can|percentage|proportion)\b))"
)
# One thing is asked for, that is worked out or chosen, or what is drawn: a list of values does not answer it.
_ONE_THING = re.compile(
    r"\b(?:ax[ie]s|legends?|ticks?|colou?rs?|how many|in which|average|mean|ratio|sum)\b|^\W*(?:which|who|when|where|why)\b"
    r"|轴|图例|颜色|多少个|几个|哪一|哪个|哪年|平均|比率|总和|相差"
)
_BY_HOW_MUCH = re.compile(
    r"^\W*what(?: is|'s|’s| was| are| were) the (?:\w+ ){0,3}(?:difference|gap)\b|\bby how much\b|相差|差多少"
)
# Whose opinion it is and how it is told, not what about: a chart need not say so.
_PEOPLE = frozenset(
    words(
        """opinion view attitude perception thought belief feeling think believe feel perceive people public american
        adult respondent citizen surveyed survey share percent percentage proportion information trend describe
        write comment impact influence difference currently nowadays whether among toward regard us united states u s"""
    )
)
_ALL_VALUES = 8  # of a column that are listed; of more, those that stand out
_COLUMNS = 4
_SHARED = re.compile(r"\bhow many (?:of the )?(?:same|identical|common|shared)\b|\bin common\b")
_TICKS = re.compile(r"\btick values?\b|\bvertical axis\b|\blegends?\b")  # these are not rows of a table
_WORD = re.compile(r"\w{2,}")
_SHORTEST_STEM = 3  # letters
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
    """What the charts show that an open question is about: the rows and columns it names, else all that is small.

    With one chart attached it is what the question is about if they share a word.
    """
    may_be = _MAYBE_OPEN.search(query.text) and not _BY_HOW_MUCH.search(query.text)
    if _ONE_THING.search(query.text) or not (is_open(query) or may_be):
        return ()
    places = {f"attachment:{place:03d}" for place in places_named(query.text)}
    tables = [table for table in tables if not places or table.picture in places]
    alone = len({table.picture for table in tables}) == 1
    claims: list[Claim] = []
    for table in tables:
        if labels_meet(query, table) or (alone and _shares_a_word(query, table)):
            claims += _overview(query, table)
    return tuple(claims[:_COLUMNS])


def is_open(query: Query) -> bool:
    """Whether a question asks for more than a value, whatever it names."""
    return _OPEN.search(query.text) is not None and _ONE_THING.search(query.text) is None


def _shares_a_word(query: Query, table: ReadTable) -> bool:
    labels = [row.label.text for row in table.grid.rows]
    known = frozenset(words(normalise("\n".join([*labels, *table.grid.columns, table.surroundings]))))
    return bool((query.topic - _PEOPLE) & known)


def _overview(query: Query, table: ReadTable) -> list[Claim]:
    """A claim for each column, or for each row where few rows have many columns."""
    if any(_is_no_label(row.label.text) for row in table.grid.rows):
        return []
    columns = list(table.grid.columns)
    meant = [column for column in columns if _is_named(query, column)]
    rows = [row for row in table.grid.rows if row.label.text != NO_LABEL]
    chosen = [row for row in rows if _is_named(query, row.label.text)]
    if chosen and len(rows) * len(columns) > _ALL_VALUES:
        rows = chosen
    if len(columns) > _COLUMNS:
        columns = meant or columns
    if len(columns) > max(1, len(rows)):
        return [claim for row in rows[:_COLUMNS] if (claim := _row(query, table, row, columns))]
    return [claim for column in columns[:_COLUMNS] if (claim := _column(query, table, column, rows))]


def _is_no_label(label: str) -> bool:
    """Whether a label has swallowed the cell beside it, or is one itself."""
    return _TRAILING_NUMBER.search(label) is not None or (
        sole_number(label) is not None and not _YEAR.fullmatch(label)
    )


def _is_named(query: Query, label: str) -> bool:
    """Whether a question says a label or one of its alternatives, abbreviated or not: `Rep/Lean Rep`."""
    asked = set(_WORD.findall(query.text)) - FUNCTION_WORDS
    for alternative in label.split("/"):
        own = [word for word in _WORD.findall(normalise(alternative)) if word not in FUNCTION_WORDS]
        if own and all(any(_is_one_word(word, other) for other in asked) for word in own):
            return True
    return False


def _is_one_word(label: str, asked: str) -> bool:
    """`Dem` and `Democrats`, `country` and `countries`: one begins with the other, but for an ending."""
    shorter, longer = sorted((label, asked), key=len)
    stem = shorter[:-1] if len(shorter) > _SHORTEST_STEM else shorter
    return len(shorter) >= min(len(label), _SHORTEST_STEM) and longer.startswith(stem)


def _listed(query: Query, named: Sequence[tuple[str, Value]]) -> str:
    return ("，" if query.chinese else ", ").join(
        f"{name} {stated(query, value.cell)}" for name, value in named
    )


def _row(query: Query, table: ReadTable, row: Row, columns: Sequence[str]) -> Claim | None:
    values = [Value(row, cell) for column in columns for cell in cells_of(row, column) if cell.number]
    if not values:
        return None
    listed = _listed(query, [(value.cell.column.text, value) for value in values[:_ALL_VALUES]])
    listed += how_known(query, values)
    return Claim(in_table(query, table, *(f"{row.label.text}: {listed}",) * 2), all_quotes(table, values))


def _column(query: Query, table: ReadTable, column: str, rows: Sequence[Row]) -> Claim | None:
    values = [Value(row, cell) for row in rows for cell in cells_of(row, column) if cell.number]
    if not values or (len(rows) > 1 and len(values) < FEWEST):
        return None
    shown = values if len(values) <= _ALL_VALUES else _standing_out(values, whole=table.grid.is_whole)
    if not shown:
        return None
    listed = _listed(query, [(value.row.label.text, value) for value in shown])
    listed += how_known(query, shown)
    said = f"{column}: {listed}" if column else listed
    return Claim(in_table(query, table, said, said), all_quotes(table, shown))


def _standing_out(values: Sequence[Value], *, whole: bool) -> list[Value]:
    """Totals, the highest and the lowest of a whole table, and of years the first and the last, in their order."""
    parts = [value for value in values if not is_total(value.row)] or list(values)
    chosen = [value for value in values if is_total(value.row)]
    if whole:
        chosen += [max(parts, key=size), min(parts, key=size)]
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
            if row.label.text != NO_LABEL and not (asks_of_countries(query) and is_total(row))
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
