"""Answers read from tables and charts by code, with the cells cited.

The value of a row (and column), which row is highest or lowest, and the difference of two values
are read here; what more cells are put together for, by `workings`. Anything less certain is left to
quoting or to abstaining.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from mmrag.generation.axes import asks_of_axes, place_of, places_named, read_axes, without_places
from mmrag.generation.cells import (
    alike,
    all_quotes,
    amount,
    are_positive,
    how_known,
    in_table,
    is_blurred,
    is_unlabelled,
    named_values,
    query_of,
    read_table,
    size,
    stated,
    subject_of,
    whole_column,
    whole_row,
)
from mmrag.generation.grids import parse_grid
from mmrag.generation.overview import attached_tables, count_shared, describe, is_open
from mmrag.generation.workings import work_out
from mmrag.types import Claim, Quote

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mmrag.generation.asked import Asked
    from mmrag.generation.cells import Query, ReadTable, Value
    from mmrag.types import Hit

_MOST_CLAIMS = 3  # values named in one question and answered together

_HIGHEST = re.compile(r"\b(?:highest|largest|biggest|greatest|most|maximum|peak)\b|最高|最大|最多")
_LOWEST = re.compile(r"\b(?:lowest|smallest|least|fewest|minimum)\b|最低|最小|最少")
_HIGHER = re.compile(r"\b(?:higher|larger|greater)\b(?! than)")  # of two years
_LOWER = re.compile(r"\b(?:lower|smaller)\b(?! than)")
_WHEN = re.compile(r"\b(?:which|what) (?:fiscal |financial )?(?:year|quarter|period)\b|哪一?年|哪个?季度")
_DIFFERENCE = re.compile(
    r"\bdifference\b|\bgap\b|\bhow (?:much|many) (?:more|less|higher|lower|larger|fewer)\b|相差|差多少|差距|之差|差额"
)
_RANKED = re.compile(r"\b(?:second|third|fourth|2nd|3rd|4th|next|top \d+)\b|第[二三四五2-5]|前[二三四五十\d]")


def look_up(asked: Asked, hits: Sequence[Hit]) -> tuple[Claim, ...]:
    """What the tables among the hits answer; empty where none does for certain.

    What an attachment answers is said alone. Tables that disagree are each quoted.
    """
    query, pictures = query_of(asked), attached_tables(hits)
    if asks_of_axes(query) and any(hit.origin == "attachment" for hit in hits):
        return read_axes(query, hits) or count_shared(query, pictures)
    places = places_named(query.text)
    of_one = query_of(replace(asked, text=without_places(asked.text))) if len(set(places)) == 1 else query
    attached: dict[str, Claim] = {}
    stored: dict[str, Claim] = {}
    for number, hit in enumerate(hits):
        grid = parse_grid(hit.chunk)
        place = place_of(hit)
        if grid is None or hit.origin == "thread" or (places and place and place not in places):
            continue
        claims = attached if hit.origin == "attachment" else stored
        for claim in _answers(of_one, read_table(number, hit, grid)):
            claims.setdefault(claim.text, claim)
    if not attached or is_open(query):
        seen = count_shared(query, pictures) or describe(query, pictures)
        if seen:
            return seen
    return tuple((attached or stored).values())[:_MOST_CLAIMS]


def _answers(query: Query, table: ReadTable) -> list[Claim]:
    worked_out = work_out(query, table)
    if worked_out:
        return worked_out
    highest, lowest = _HIGHEST.search(query.text), _LOWEST.search(query.text)
    if _WHEN.search(query.text):
        highest, lowest = highest or _HIGHER.search(query.text), lowest or _LOWER.search(query.text)
    if highest or lowest:
        return _extreme(query, table, highest=highest is not None) if not (highest and lowest) else []
    values = named_values(query, table)
    if _DIFFERENCE.search(query.text):
        return _difference(query, table, values)
    return [_value_claim(query, table, value) for value in values] if len(values) <= _MOST_CLAIMS else []


# -------------------------------------------------------------------- answers


def _value_claim(query: Query, table: ReadTable, value: Value) -> Claim:
    subject, shown = subject_of(query, value), stated(query, value.cell) + how_known(query, [value])
    text = in_table(query, table, f"{subject} is {shown}", f"{subject}为 {shown}")
    return Claim(text, all_quotes(table, [value]))


def _extreme(query: Query, table: ReadTable, *, highest: bool) -> list[Claim]:
    """Which row is highest or lowest; none where the table may be incomplete or two are equal."""
    if _WHEN.search(query.text) and (in_time := whole_row(query, table)):
        return _extreme_time(query, table, in_time, highest=highest)
    values = whole_column(query, table)
    labels = [value.row.label.text for value in values if not is_unlabelled(value)]
    if not values or len(set(labels)) < len(labels) or _RANKED.search(query.text):
        return []
    first, second = sorted(values, key=size, reverse=highest)[:2]
    if size(first) == size(second) or is_unlabelled(first) or is_blurred(size(first), size(second), values):
        return []
    others = tuple(value for value in values if value is not first)
    return [_extreme_claim(query, table, first, others, highest=highest)]


def _extreme_time(query: Query, table: ReadTable, values: Sequence[Value], *, highest: bool) -> list[Claim]:
    """In which column a row is highest or lowest; none where two are equal."""
    first, second = sorted(values, key=size, reverse=highest)[:2]
    if size(first) == size(second) or is_blurred(size(first), size(second), values):
        return []
    time, label = first.cell.column.text, first.row.label.text
    shown = stated(query, first.cell) + how_known(query, values)
    english = f"{label} is the {'highest' if highest else 'lowest'} in {time}: {shown}"
    text = in_table(query, table, english, f"{time}的{label}{'最高' if highest else '最低'}，为 {shown}")
    others = tuple(Quote(table.hit, *value.cell.span) for value in values if value is not first)
    return [Claim(text, (*all_quotes(table, [first]), *others))]


def _extreme_claim(
    query: Query, table: ReadTable, value: Value, others: Sequence[Value], *, highest: bool
) -> Claim:
    label, column = value.row.label.text, value.cell.column.text
    shown = stated(query, value.cell) + how_known(query, [value, *others])
    of = f"的{column}" if column else ""
    english = f"{label} has the {'highest' if highest else 'lowest'} {column or 'value'}: {shown}"
    chinese = f"{label}{of}{'最高' if highest else '最低'}，为 {shown}"
    compared = tuple(Quote(table.hit, *other.cell.span) for other in others)
    return Claim(in_table(query, table, english, chinese), (*all_quotes(table, [value]), *compared))


def _difference(query: Query, table: ReadTable, values: Sequence[Value]) -> list[Claim]:
    """The difference of exactly two amounts of one kind, with the subtraction shown."""
    if len(values) != 2 or not (alike(values) and are_positive(values)):  # noqa: PLR2004 - a difference has two sides
        return []
    larger, smaller = sorted(values, key=size, reverse=True)
    if is_blurred(size(larger), size(smaller), values):
        return []
    before, _, after = amount(larger.cell)
    result = amount(larger.cell)[1] - amount(smaller.cell)[1]
    shown = f"{larger.cell.text} − {smaller.cell.text} = {before}{result:,f}{after}{how_known(query, values)}"
    names = [subject_of(query, value) for value in (larger, smaller)]
    english = f"the difference between {names[0]} and {names[1]} is {shown}"
    text = in_table(query, table, english, f"{names[0]}与{names[1]}相差 {shown}")
    return [Claim(text, all_quotes(table, values))]
