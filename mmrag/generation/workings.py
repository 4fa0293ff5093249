"""What a table says only when its cells are put together: rank, total, average, share, growth, count.

Each claim shows its working ("(547 − 400) ÷ 400 = 36.75 %"), so that a reader can follow it and
grounding can check it. Cells of different units are never put together, and neither are a part and
the total that holds it.
"""

from __future__ import annotations

import re
from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING

from mmrag.generation.cells import (
    FEWEST,
    MOST_COUNTED,
    Value,
    alike,
    all_quotes,
    amount,
    are_positive,
    cells_of,
    counted,
    how_known,
    in_table,
    is_blurred,
    is_total,
    is_unlabelled,
    named_values,
    size,
    subject_of,
    sums_up,
    whole_column,
    whole_row,
    without,
    years_of,
)
from mmrag.text.numbers import numbers
from mmrag.text.words import normalise
from mmrag.types import Claim

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mmrag.generation.cells import Query, ReadTable

_MOST_OPERANDS = 12  # of a working that can still be read
_PLACES = Decimal("0.01")  # of a result that does not come out even
_DECIMALS = 2

_TOTAL = re.compile(r"\b(?:total|sum|altogether|combined|in all)\b|合计|总计|总共|一共|总和|总额|加起来")
_RANGE = re.compile(r"\b(?:from|between)\b.+\b(?:to|through|until|till)\b|从.+到")
_DIFFERENCE = re.compile(r"\bdifference\b|相差|之差|差额")
_AVERAGE = re.compile(r"\baverage\b|\bmean\b|平均")
_SHARE = re.compile(r"\b(?:share|percentage|proportion|fraction) of\b|占.*(?:比|多少)|占比")
_GROWTH = re.compile(
    r"\b(?:grow|grew|growth|increased?|decreased?|decline[ds]?|changed?|rise|rose|risen|fall|fell|drop(?:ped)?)\b"
    r"|增长|增加|减少|下降|上升|变化|增幅|降幅"
)
_IN_PER_CENT = re.compile(
    r"\b(?:percent|percentage|per cent|(?:growth|change) rate|rate of (?:growth|change|increase|decrease))\b|%"
    r"|百分之|百分比|(?:增长|增加|减少|下降|变化|上升)[的了]?率|增速|幅"
)
_RANK = re.compile(
    r"\b(?P<english>second|third|fourth|fifth|2nd|3rd|4th|5th)[ -](?P<kind>highest|largest|biggest|most|lowest|smallest|fewest)\b"
    r"|第(?P<chinese>[二三四五2345])(?P<sort>高|大|多|低|小|少)"
)
_PLACES_OF = {
    "second": 2, "third": 3, "fourth": 4, "fifth": 5, "2nd": 2, "3rd": 3, "4th": 4, "5th": 5,
    "二": 2, "三": 3, "四": 4, "五": 5, "2": 2, "3": 3, "4": 4, "5": 5,
}  # fmt: skip
_LOW = frozenset(("lowest", "smallest", "fewest", "低", "小", "少"))
_COUNT = re.compile(
    r"\bhow many\b.*\b(?P<side>above|over|below|under|(?:more|greater|higher|larger|less|lower|fewer|smaller) than|at least|at most)\s+"
    r"(?P<bound>[$€£¥]?\d[\d,.]*\d|\d)"
    r"|(?P<chinese_side>超过|高于|大于|多于|低于|小于|少于|不足)\s*(?P<chinese_bound>\d[\d,.]*).*(?:几个|多少个|有几|哪些)"
)
_SIDES: dict[str, Callable[[Decimal, Decimal], bool]] = {
    "above": lambda value, bound: value > bound,
    "below": lambda value, bound: value < bound,
    "at least": lambda value, bound: value >= bound,
    "at most": lambda value, bound: value <= bound,
}
_UPWARD = frozenset("above over more greater higher larger 超过 高于 大于 多于".split())


def work_out(query: Query, table: ReadTable) -> list[Claim]:
    """The claim that answers, or none where the table does not for certain."""
    query = without(query, _CHINESE_WORKING)
    ways = (
        (_RANK, _rank), (_COUNT, _count), (_SHARE, _share), (_GROWTH, _growth), (_AVERAGE, _average),
        (_TOTAL, _total),
    )  # fmt: skip
    for asks, way in ways:
        if asks is _TOTAL and _DIFFERENCE.search(query.text):
            continue  # "the difference between total and current receivables"
        if asks.search(query.text):
            return way(query, table)
    return []


# ------------------------------------------------------------------ which cells


def _column(query: Query, table: ReadTable) -> list[Value]:
    return whole_column(query, table, aside=_words_of_working)


def _words_of_working(word: str) -> bool:
    return _ANY_WORKING.search(word) is not None


_CHINESE_WORKING = re.compile(
    "百分之几|百分之多少|总计|总共|一共|总和|总额|合计|加起来|平均|增长率|增长|增幅|降幅|增加|减少|下降|上升|变化|占比|占|比例|比重"
    r"|第[二三四五2-5][高大多低小少]?|(?:超过|高于|大于|多于|低于|小于|少于|不足)\s*[\d.,]+|总|从|到|了"
)
_ANY_WORKING = re.compile(
    r"^(?:total|sum|altogeth|combin|averag|mean|share|percentag|proport|percent|fraction|grow|grew|growth|increas|decreas"
    r"|declin|chang|rise|rose|risen|fall|fell|drop|second|third|fourth|fifth|2nd|3rd|4th|5th|abov|over|below|under|least|all|whole|overal)"
    r"|^\d[\d.,]*$|合计|总计|总共|一共|总和|总额|加起|起来|平均|占比|占总|增长|增加|减少|下降|上升|变化|增幅|降幅|长率|长了|第[二三四五]|超过|高于|大于|低于|小于"
)


def _meant(query: Query, table: ReadTable) -> list[Value]:
    """The values that are named, all of one kind."""
    values = named_values(query, table, aside=_words_of_working)
    parts = [value for value in values if not (is_total(value.row) or sums_up(value.cell.column.text))]
    values = parts or values  # a part and the total that holds it are never put together
    return values if alike(values) else []


def _meant_over_time(query: Query, table: ReadTable) -> list[Value]:
    """As `_meant`, with all years between two of one row or column: "from 2015 to 2019"."""
    values = _meant(query, table)
    years = [(value.row.label.text, year) for value in values if (year := _year_of(value))]
    if len(set(years)) < len(years):
        return []  # two columns of a year are of different kinds
    if not _RANGE.search(query.text) or not any(map(_year_of, values)):
        return values
    if len(values) != 2:  # noqa: PLR2004 - a range has two ends
        return []
    first, last = sorted(map(_year_of, values))
    if not first:
        return values
    one, other = values
    if one.row is other.row:
        line = [Value(one.row, cell) for column in table.grid.columns for cell in cells_of(one.row, column)]
    elif one.cell.column.text == other.cell.column.text:
        line = [Value(row, cell) for row in table.grid.rows for cell in cells_of(row, one.cell.column.text)]
    else:
        return values
    between = [value for value in line if first <= _year_of(value) <= last]
    is_every_year = [_year_of(value) for value in sorted(between, key=_year_of)] == list(
        range(first, last + 1)
    )
    return between if is_every_year and alike(between) else []


def _year_of(value: Value) -> int:
    """The one year that a value's column or row names; 0 where it is none."""
    found = years_of(value.cell.column.text) | years_of(value.row.label.text)
    return int(found.pop()) if len(found) == 1 else 0


def _earlier_first(values: Sequence[Value]) -> list[Value]:
    """Two values in their order in time; where no years tell it, in that of the table."""
    years = [_year_of(value) for value in values]
    return sorted(values, key=_year_of) if all(years) and len(set(years)) == len(years) else list(values)


# --------------------------------------------------------------------- workings


def _total(query: Query, table: ReadTable) -> list[Claim]:
    values = _meant_over_time(query, table) or _column(query, table)
    if not FEWEST <= len(values) <= _MOST_OPERANDS or values[0].cell.number is None:
        return []
    if any(map(is_unlabelled, values)):
        return []
    if values[0].cell.number.percent:
        return []  # shares of different wholes, or the trivial 100 %
    result = sum((amount(value.cell)[1] for value in values), Decimal(0))
    working = f"{_added(values)} = {_written(values, result)}"
    return [
        _claim(
            query,
            table,
            values,
            (
                f"the total of {_names(query, values)} is {working}",
                f"{_names(query, values)}合计为 {working}",
            ),
        )
    ]


def _average(query: Query, table: ReadTable) -> list[Claim]:
    values = (
        _meant_over_time(query, table)
        or _column(query, table)
        or whole_row(query, table, aside=_words_of_working)
    )
    if not FEWEST <= len(values) <= _MOST_OPERANDS or any(map(is_unlabelled, values)):
        return []
    result = sum((amount(value.cell)[1] for value in values), Decimal(0)) / len(values)
    working = f"({_added(values)}) ÷ {len(values)} = {_written(values, result)}"
    return [
        _claim(
            query,
            table,
            values,
            (
                f"the average of {_names(query, values)} is {working}",
                f"{_names(query, values)}的平均值为 {working}",
            ),
        )
    ]


def _share(query: Query, table: ReadTable) -> list[Claim]:
    parts = named_values(query, table, aside=_words_of_working)
    parts = [part for part in parts if not is_total(part.row)]
    if len(parts) != 1 or not parts[0].cell.number or parts[0].cell.number.percent:
        return []
    (part,) = parts
    column = part.cell.column.text
    wholes = [
        Value(row, cell)
        for row in table.grid.rows
        if re.search(r"\btotal\b|合计|总计", normalise(row.label.text))
        for cell in cells_of(row, column)
    ]
    values = wholes or [Value(row, cell) for row in table.grid.rows for cell in cells_of(row, column)]
    if len(wholes) > 1 or len(values) > _MOST_OPERANDS or not alike([part, *values]):
        return []
    if not table.grid.is_whole or any(map(is_unlabelled, values)):
        return []
    whole = sum((amount(value.cell)[1] for value in values), Decimal(0))
    if not whole:
        return []
    share = _rounded(amount(part.cell)[1] / whole * 100)
    divisor = _added(values) if wholes else f"({_added(values)})"
    working = f"{part.cell.text} ÷ {divisor} = {share} %"
    return [
        _claim(
            query,
            table,
            [part, *values],
            (
                f"the share of {subject_of(query, part)} is {working}",
                f"{subject_of(query, part)}的占比为 {working}",
            ),
        )
    ]


def _growth(query: Query, table: ReadTable) -> list[Claim]:
    """From the earlier value to the later one, or from the one that stands first in the table to the last."""
    values = _meant(query, table)
    if len(values) != 2 or not are_positive(values):  # noqa: PLR2004 - from one to another
        return []
    values = _earlier_first(values)
    before, after = values
    has_time = _year_of(before) != _year_of(after)
    if not has_time and any(len(years_of(value.cell.column.text)) > 1 for value in values):
        return []
    if not has_time and before.row is not after.row and before.cell.span > after.cell.span:
        return []
    if is_blurred(size(before), size(after), values):
        return []
    start, end = amount(before.cell)[1], amount(after.cell)[1]
    larger, smaller = (after, before) if end >= start else (before, after)
    difference = f"{larger.cell.text} − {smaller.cell.text}"
    if _IN_PER_CENT.search(query.text) and start and not (before.cell.number and before.cell.number.percent):
        working = f"({difference}) ÷ {before.cell.text} = {_rounded(abs(end - start) / start * 100)} %"
    else:
        working = f"{difference} = {_written(values, abs(end - start))}"
    english = "rose" if end > start else "fell" if end < start else "changed"
    chinese = "增加" if end > start else "减少" if end < start else "变化"
    names = [subject_of(query, value) for value in values]
    return [
        _claim(
            query,
            table,
            values,
            (
                f"from {names[0]} to {names[1]} it {english} by {working}",
                f"从{names[0]}到{names[1]}{chinese} {working}",
            ),
        )
    ]


def _rank(query: Query, table: ReadTable) -> list[Claim]:
    match = _RANK.search(query.text)
    values = _column(query, table)
    if match is None or not values:
        return []
    place = _PLACES_OF[match["english"] or match["chinese"]]
    low = (match["kind"] or match["sort"]) in _LOW
    ranked = sorted(values, key=size, reverse=not low)
    sizes = [size(value) for value in ranked]
    if len(ranked) < place or sizes.count(sizes[place - 1]) > 1:
        return []
    value = ranked[place - 1]
    beside = ranked[max(0, place - 2) : place + 1]
    if any(map(is_unlabelled, ranked[:place])) or any(
        is_blurred(size(one), size(value), values) for one in beside if one is not value
    ):
        return []
    order = (" < " if low else " > ").join(one.cell.text for one in ranked[:place])
    label = value.row.label.text
    english = (
        f"{label} is the {match['english']} {match['kind']}: {order}"
        if match["english"]
        else f"{label} is next: {order}"
    )
    return [
        _claim(
            query,
            table,
            ranked,
            (english, f"{label}排第{match['chinese'] or place}：{order}"),
        )
    ]


def _count(query: Query, table: ReadTable) -> list[Claim]:
    """Which rows lie beyond a bound, one by one; so many are they."""
    match = _COUNT.search(query.text)
    values = _column(query, table)
    if match is None or not values or not are_positive(values):
        return []
    bound = numbers(match["bound"] or match["chinese_bound"])
    side = (match["side"] or match["chinese_side"]).removesuffix(" than")
    beyond = _SIDES[side if side in _SIDES else "above" if side in _UPWARD else "below"]
    if len(bound) != 1:
        return []
    found = [value for value in values if beyond(amount(value.cell)[1], bound[0].value)]
    near = any(is_blurred(amount(value.cell)[1], bound[0].value, values) for value in values)
    if not 0 < len(found) <= MOST_COUNTED or near:
        return []
    listed = ", ".join(f"{value.row.label.text} ({value.cell.text})" for value in found)
    working = counted(found)
    return [_claim(query, table, values, (f"these are {listed}: {working}", f"有 {listed}：{working}"))]


# ------------------------------------------------------------------------ words


def _claim(query: Query, table: ReadTable, values: Sequence[Value], texts: tuple[str, str]) -> Claim:
    english, chinese = (f"{text}{how_known(query, values)}" for text in texts)
    return Claim(in_table(query, table, english, chinese), all_quotes(table, values))


def _names(query: Query, values: Sequence[Value]) -> str:
    return ("、" if query.chinese else ", ").join(dict.fromkeys(subject_of(query, value) for value in values))


def _added(values: Sequence[Value]) -> str:
    return " + ".join(value.cell.written for value in values)


def _written(values: Sequence[Value], result: Decimal) -> str:
    """A result in the unit of its operands."""
    before, _, after = amount(values[0].cell)
    return f"{before}{_rounded(result)}{after}"


def _rounded(value: Decimal) -> str:
    exponent = value.normalize().as_tuple().exponent
    if isinstance(exponent, int) and -exponent > _DECIMALS:
        value = value.quantize(_PLACES, ROUND_HALF_UP)
    plain = value.normalize()
    return f"{plain:,f}"
