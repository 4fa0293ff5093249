"""Answers read from tables and charts by code, with the cells cited.

Three questions are understood: the value of a row (and column), which row is highest or
lowest, and the difference of two values. Every word of the question must be found in the
row, the column or the title: a table of revenue does not answer a question about profit.
Anything less certain is left to quoting or to abstaining.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from mmrag.generation.asked import topic_words
from mmrag.generation.grids import parse_grid
from mmrag.text.numbers import numbers
from mmrag.text.words import CHINESE_STOP_CHARACTERS, STOP_WORDS, is_han, normalise, words
from mmrag.types import Claim, Quote

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from mmrag.generation.asked import Asked
    from mmrag.generation.grids import Cell, Grid, Row, Span
    from mmrag.types import Hit

_MOST_CLAIMS = 3  # values named in one question and answered together
_TITLE_CHARS = 90

_HIGHEST = re.compile(r"\b(?:highest|largest|biggest|greatest|most|maximum|peak)\b|最高|最大|最多")
_LOWEST = re.compile(r"\b(?:lowest|smallest|least|fewest|minimum)\b|最低|最小|最少")
_DIFFERENCE = re.compile(
    r"\bdifference\b|\bgap\b|\bhow (?:much|many) (?:more|less|higher|lower|larger|fewer)\b|相差|差多少|差距|之差|差额"
)
_RANKED = re.compile(r"\b(?:second|third|fourth|2nd|3rd|4th|next|top \d+)\b|第[二三四五2-5]|前[二三四五十\d]")
_TOTAL = re.compile(r"\b(?:total|sum|all|overall|average|mean)\b|合计|总计|总额|平均|总和|全部")
_UNIT = re.compile(r"\([^()]*\)|（[^（）]*）")
_AMOUNT = re.compile(r"(?P<before>\D*)(?P<digits>\d[\d,]*(?:\.\d+)?)(?P<after>\D*)")
# Words of comparing and of kinds of rows ("which quarter"): no table need explain them.
_ASIDE = frozenset(
    words(
        """highest largest biggest greatest most maximum peak lowest smallest least fewest minimum difference gap
        more less higher lower larger fewer compared versus than bar value values quarter month country region
        category segment item row column reported came come comes received receive opened open got had reached
        recorded sold registered there amount rate"""
    )
)
_CHINESE_ASIDE = re.compile(
    "最高|最大|最多|最低|最小|最少|相差|差多少|差距|之差|差额|数值|数据|月份|季度|国家|地区|类别|项目|相比|比较|达到|达"
)
# Spoken quarters as charts write them.
_QUARTERS = tuple(
    (re.compile(rf"\b{ordinal} quarter\b|第?{digit}季度|第{number}季度"), f" q{number} ")
    for number, (ordinal, digit) in enumerate(
        (("first", "一"), ("second", "二"), ("third", "三"), ("fourth", "四")), start=1
    )
)
# Months in full and as charts write them; the label and the question may each use either.
_MONTHS = tuple(
    (
        re.compile(rf"\b(?:{name}|{name[:3]}|{name[:4]})\b\.?|(?<!\d){number}\s?月"),
        f" {name} {name[:3]} {number}月 ",
    )
    for number, name in enumerate(
        "january february march april may june july august september october november december".split(),
        start=1,
    )
)
_FUNCTION_WORDS = frozenset(words(" ".join(STOP_WORDS))) | CHINESE_STOP_CHARACTERS


@dataclass(frozen=True, slots=True)
class _Query:
    """A question as it is compared with labels: its normalised text and the words to explain."""

    text: str
    words: frozenset[str]
    topic: frozenset[str]
    chinese: bool


@dataclass(frozen=True, slots=True)
class _Table:
    """A grid of one hit, with its title and the text around it."""

    hit: int
    grid: Grid
    title: str
    title_spans: tuple[Span, ...]
    surroundings: str


@dataclass(frozen=True, slots=True)
class _Value:
    """A cell with the row it stands in."""

    row: Row
    cell: Cell


def look_up(asked: Asked, hits: Sequence[Hit]) -> tuple[Claim, ...]:
    """What the tables among the hits answer; empty where none does for certain.

    What an attachment answers is said alone. Tables that disagree are each quoted.
    """
    attached: dict[str, Claim] = {}
    stored: dict[str, Claim] = {}
    for number, hit in enumerate(hits):
        grid = parse_grid(hit.chunk)
        if grid is None or hit.origin == "thread":
            continue
        claims = attached if hit.origin == "attachment" else stored
        for claim in _answers(asked, _table(number, hit, grid)):
            claims.setdefault(claim.text, claim)
    return tuple((attached or stored).values())[:_MOST_CLAIMS]


def _table(number: int, hit: Hit, grid: Grid) -> _Table:
    text = hit.chunk.text
    surroundings = "\n".join([hit.title, hit.chunk.context, text[: grid.start], text[grid.end :]])
    if grid.caption is not None:
        return _Table(number, grid, grid.caption.text, grid.caption.spans, surroundings)
    return _Table(number, grid, hit.title[:_TITLE_CHARS], (), surroundings)


def _query(asked: Asked) -> _Query:
    text = normalise(asked.text)
    for spoken, written in _QUARTERS:
        text = spoken.sub(written, text)
    text = _months_both_ways(text)
    topic = topic_words(_CHINESE_ASIDE.sub(" ", text)) - _ASIDE
    return _Query(text, frozenset(words(text)), topic, asked.chinese)


def _answers(asked: Asked, table: _Table) -> list[Claim]:
    query = _query(asked)
    highest, lowest = _HIGHEST.search(query.text), _LOWEST.search(query.text)
    if highest or lowest:
        return _extreme(query, table, highest=highest is not None) if not (highest and lowest) else []
    values = _named_values(query, table)
    if _DIFFERENCE.search(query.text):
        return _difference(query, table, values)
    return [_value_claim(query, table, value) for value in values] if len(values) <= _MOST_CLAIMS else []


# ------------------------------------------------------- which cells are meant


def _named_values(query: _Query, table: _Table) -> list[_Value]:
    """The cells that the question names by row and column, if nothing in it is left unexplained."""
    labels = _named(query, [row.label.text for row in table.grid.rows])
    columns = _columns(query, table.grid)
    rows = [row for row in table.grid.rows if row.label.text in labels]
    if len(rows) > len(labels):  # a label stands twice: only its section tells which is meant
        sections = _named(query, [row.section.text for row in rows if row.section])
        rows = [row for row in rows if row.section and row.section.text in sections]
        if len(rows) != len(labels):
            return []
    known = [*labels, *columns, *(row.section.text for row in rows if row.section), table.surroundings]
    if not rows or not _explains(known, query):
        return []
    return [_Value(row, cell) for row in rows for column in columns for cell in _cells(row, column)]


def _columns(query: _Query, grid: Grid) -> list[str]:
    if len(grid.columns) == 1:
        return list(grid.columns)
    named = _named(query, grid.columns)
    return [column for column in grid.columns if column in named]


def _cells(row: Row, column: str) -> list[Cell]:
    cells = [cell for cell in row.cells if cell.column.text == column]
    return cells if len(cells) == 1 else []  # two columns of one name can't be told apart


def _named(query: _Query, labels: Sequence[str]) -> set[str]:
    """Labels that stand whole in the question, less those that are only part of another one there.

    What all labels share ("2025" in "Q1 2025", "Q2 2025") need not be said.
    """
    each = {label: _label_words(label) for label in labels}
    shared = frozenset.intersection(*each.values()) if len(each) > 1 else frozenset()
    held = {label: own for label, own in each.items() if own - shared and _holds(query, label, own - shared)}
    return {label for label, own in held.items() if not any(own < other for other in held.values())}


def _holds(query: _Query, label: str, own: frozenset[str]) -> bool:
    if own <= query.words:
        return True
    bare = normalise(_UNIT.sub("", label)).replace(" ", "")
    return any(map(is_han, bare)) and bare in query.text.replace(" ", "")


def _label_words(label: str) -> frozenset[str]:
    return frozenset(words(_months_both_ways(normalise(_UNIT.sub(" ", label))))) - _FUNCTION_WORDS


def _months_both_ways(text: str) -> str:
    for month, both in _MONTHS:
        text = month.sub(both, text)
    return text


def _explains(known: Iterable[str], query: _Query) -> bool:
    """Whether every topic word of the question is among the words known."""
    text = _months_both_ways(normalise("\n".join(known)))
    known_words = frozenset(words(text))
    return all(
        word in known_words or (is_han(word[0]) and all(character in text for character in word))
        for word in query.topic
    )


# -------------------------------------------------------------------- answers


def _value_claim(query: _Query, table: _Table, value: _Value) -> Claim:
    subject, written = _subject(query, value), value.cell.text.rstrip(".。")
    text = (
        f"在“{table.title}”中，{subject}为 {written}。"
        if query.chinese
        else f"In “{table.title}”, {subject} is {written}."
    )
    return Claim(text, _quotes(table, value))


def _extreme(query: _Query, table: _Table, *, highest: bool) -> list[Claim]:
    """Which row is highest or lowest; none where the table may be incomplete or two are equal."""
    columns = _columns(query, table.grid)
    rows = [row for row in table.grid.rows if not _TOTAL.search(normalise(row.label.text))]
    if len(columns) != 1 or len({row.label.text for row in rows}) < len(rows) or _RANKED.search(query.text):
        return []
    values = [_Value(row, cell) for row in rows for cell in _cells(row, columns[0]) if cell.number]
    kinds = {(_amount(value.cell)[0], _amount(value.cell)[2]) for value in values}
    if len(values) != len(rows) or len(values) < 2 or len(kinds) != 1:  # noqa: PLR2004 - one row has no rank
        return []
    if not _explains([columns[0], table.surroundings], query):
        return []
    first, second = sorted(values, key=_size, reverse=highest)[:2]
    if _size(first) == _size(second):
        return []
    others = tuple(value for value in values if value is not first)
    return [_extreme_claim(query, table, first, others, highest=highest)]


def _extreme_claim(
    query: _Query, table: _Table, value: _Value, others: Sequence[_Value], *, highest: bool
) -> Claim:
    label, column, written = value.row.label.text, value.cell.column.text, value.cell.text.rstrip(".。")
    if query.chinese:
        of = f"的{column}" if column else ""
        text = f"在“{table.title}”中，{label}{of}{'最高' if highest else '最低'}，为 {written}。"
    else:
        of = f" {column}" if column else " value"
        text = f"In “{table.title}”, {label} has the {'highest' if highest else 'lowest'}{of}: {written}."
    compared = tuple(Quote(table.hit, *other.cell.span) for other in others)
    return Claim(text, (*_quotes(table, value), *compared))


def _difference(query: _Query, table: _Table, values: Sequence[_Value]) -> list[Claim]:
    """The difference of exactly two amounts of one kind, with the subtraction shown."""
    if len(values) != 2 or not all(value.cell.number for value in values):  # noqa: PLR2004 - a difference has two sides
        return []
    larger, smaller = sorted(values, key=_size, reverse=True)
    before, _, after = _amount(larger.cell)
    if (before, after) != (_amount(smaller.cell)[0], _amount(smaller.cell)[2]) or before.strip("$€£¥₹ "):
        return []  # other units, or an amount below zero, which does not read as a subtraction
    result = _amount(larger.cell)[1] - _amount(smaller.cell)[1]
    shown = f"{larger.cell.text} − {smaller.cell.text} = {before}{result:,f}{after}"
    names = [_subject(query, value) for value in (larger, smaller)]
    text = (
        f"在“{table.title}”中，{names[0]}与{names[1]}相差 {shown}。"
        if query.chinese
        else f"In “{table.title}”, the difference between {names[0]} and {names[1]} is {shown}."
    )
    return [Claim(text, (*_quotes(table, larger), *_quotes(table, smaller)))]


def _subject(query: _Query, value: _Value) -> str:
    label, column = value.row.label.text, value.cell.column.text
    if not column:
        return label
    return f"{label}的{column}" if query.chinese else f"{column} for {label}"


def _size(value: _Value) -> Decimal:
    return value.cell.number.value if value.cell.number else Decimal(0)


def _amount(cell: Cell) -> tuple[str, Decimal, str]:
    """What stands before the digits, the amount they write, what stands after: ("$", 4.2, " million")."""
    match = _AMOUNT.fullmatch(cell.text)
    if match is None:
        return cell.text, Decimal(0), ""
    return match["before"], numbers(match["digits"])[0].value, match["after"]


def _quotes(table: _Table, value: _Value) -> tuple[Quote, ...]:
    """The cell, its row's and column's names and the title, as far as they stand in the chunk's text."""
    labels = [table.title_spans, value.row.label.spans, value.cell.column.spans, (value.cell.span,)]
    return tuple(Quote(table.hit, *span) for spans in labels for span in spans)
