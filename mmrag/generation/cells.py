"""The cells of tables and charts that a question names, and how it is compared with their labels.

Every word of the question must be found in the row, the column or the title: a table of revenue does
not answer a question about profit. It composes no answer.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING

from mmrag.generation.asked import topic_words
from mmrag.text.chart_text import NO_LABEL
from mmrag.text.numbers import numbers
from mmrag.text.words import FUNCTION_WORDS, is_han, normalise, words
from mmrag.types import Quote

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from mmrag.generation.asked import Asked
    from mmrag.generation.grids import Cell, Grid, Row, Span
    from mmrag.types import Hit

_TITLE_CHARS = 90
_BLUR = Decimal("0.01")  # of the largest value: measured ones that are closer are not told apart
_BLUR_OF_A_MODEL = Decimal("0.05")  # nor are those that a model read: within that it counts as right

_YEAR = re.compile(r"(?<!\d)(?:19|20)\d\d(?!\d)")
_YEARS = re.compile(r"(?<!\d)((?:19|20)\d\d)\s?[-–—]\s?((?:19|20)\d\d)(?!\d)")
_SHORT_YEAR = re.compile(r"\bfy?\s?['’]?(\d\d)\b")  # FY19, F19
_UNIT = re.compile(r"\([^()]*\)|（[^（）]*）")
_CURRENCY = "$€£¥₹ "
FEWEST = 2  # values that can be compared or put together
MOST_COUNTED = 40  # of what is listed one by one
_TOTAL_ROW = re.compile(r"\b(?:total|sum|all|overall|average|mean)\b|合计|总计|总额|平均|总和|全部")
_AMOUNT = re.compile(r"(?P<before>\D*)(?P<digits>\d[\d,]*(?:\.\d+)?)(?P<after>\D*)")
# Words of comparing and of kinds of rows ("which quarter"): no table need explain them.
_ASIDE = frozenset(
    words(
        """highest largest biggest greatest most maximum peak lowest smallest least fewest minimum difference gap
        more less higher lower larger fewer compared versus than bar value values quarter month country region
        category segment item row column reported came come comes received receive opened open got had reached
        recorded sold registered there amount rate year fiscal period ended company respectively thousand million"""
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


@dataclass(frozen=True, slots=True)
class Query:
    """A question as it is compared with labels: its normalised text and the words to explain."""

    text: str
    words: frozenset[str]
    topic: frozenset[str]
    chinese: bool


@dataclass(frozen=True, slots=True)
class ReadTable:
    """A grid of one hit, with its title and the text around it."""

    hit: int
    grid: Grid
    title: str
    title_spans: tuple[Span, ...]
    surroundings: str
    picture: str  # what tells the pictures and files of a question apart


@dataclass(frozen=True, slots=True)
class Value:
    """A cell with the row it stands in."""

    row: Row
    cell: Cell


def read_table(number: int, hit: Hit, grid: Grid) -> ReadTable:
    """A grid with its title and what stands around it."""
    text = hit.chunk.text
    surroundings = "\n".join([hit.title, hit.chunk.context, text[: grid.start], text[grid.end :]])
    if grid.caption is not None:
        return ReadTable(number, grid, grid.caption.text, grid.caption.spans, surroundings, hit.uri)
    return ReadTable(number, grid, hit.title[:_TITLE_CHARS], (), surroundings, hit.uri)


def query_of(asked: Asked) -> Query:
    """The question as labels are compared with it."""
    text = normalise(asked.text)
    text = _spoken_and_written(text)
    topic = topic_words(_CHINESE_ASIDE.sub(" ", text)) - _ASIDE
    return Query(text, frozenset(words(text)), topic, asked.chinese)


def labels_meet(query: Query, table: ReadTable) -> bool:
    """Whether a table is about what is asked: its labels and title hold a third of the topic's words."""
    labels = [row.label.text for row in table.grid.rows]
    known = frozenset(
        words(_spoken_and_written(normalise("\n".join([*labels, *table.grid.columns, table.surroundings]))))
    )
    return len(query.topic & known) * 3 >= len(query.topic)


def without(query: Query, words_of_asking: re.Pattern[str]) -> Query:
    """The query as if these words, which no table need explain, were not there."""
    bare = words_of_asking.sub(" ", _CHINESE_ASIDE.sub(" ", query.text))
    return replace(query, topic=topic_words(bare) - _ASIDE)


# ------------------------------------------------------- which cells are meant


def named_values(
    query: Query, table: ReadTable, *, aside: Callable[[str], bool] | None = None
) -> list[Value]:
    """The cells that the question names by row and column, if nothing in it is left unexplained.

    Words of which `aside` holds need no explanation.
    """
    labels = named(query, [row.label.text for row in table.grid.rows])
    columns = meant_columns(query, table.grid)
    rows = [row for row in table.grid.rows if row.label.text in labels]
    if len(rows) > len(labels):  # a label stands twice: only its section tells which is meant
        sections = named(query, [row.section.text for row in rows if row.section])
        rows = [row for row in rows if row.section and row.section.text in sections]
        if len(rows) != len(labels):
            return []
    known = [*labels, *columns, *(row.section.text for row in rows if row.section), table.surroundings]
    if not rows or not explains(known, query, aside=aside):
        return []
    return [Value(row, cell) for row in rows for column in columns for cell in cells_of(row, column)]


def meant_columns(query: Query, grid: Grid) -> list[str]:
    """The columns that are named, or the only one there is."""
    if len(grid.columns) == 1:
        return list(grid.columns)
    meant = named(query, grid.columns) or _of_years(query, grid.columns)
    return [column for column in grid.columns if column in meant]


def _of_years(query: Query, columns: Sequence[str]) -> set[str]:
    """Columns by their years alone, "Year ended 31 March 2019"; none where a year has no or several columns."""
    years = set(_YEAR.findall(query.text))
    own = {column: years_of(column) for column in columns}
    found = {year: [column for column in columns if own[column] == {year}] for year in years}
    return {columns[0] for columns in found.values()} if all(len(of) == 1 for of in found.values()) else set()


def years_of(label: str) -> set[str]:
    """The years that a label names: `FY19` is 2019."""
    return set(_YEAR.findall(_spoken_and_written(normalise(label))))


def cells_of(row: Row, column: str) -> list[Cell]:
    """The row's cell in a column, if there is just one."""
    cells = [cell for cell in row.cells if cell.column.text == column]
    return cells if len(cells) == 1 else []  # two columns of one name can't be told apart


def whole_column(
    query: Query, table: ReadTable, *, aside: Callable[[str], bool] | None = None
) -> list[Value]:
    """All values of the one column that is meant, without rows of totals; empty if any is unclear."""
    columns = meant_columns(query, table.grid)
    if len(columns) != 1 or not explains([columns[0], table.surroundings], query, aside=aside):
        return []
    if not table.grid.is_whole:
        return []
    rows = [row for row in table.grid.rows if not is_total(row)]
    values = [Value(row, cell) for row in rows for cell in cells_of(row, columns[0])]
    return values if len(values) == len(rows) and alike(values) else []


def whole_row(query: Query, table: ReadTable, *, aside: Callable[[str], bool] | None = None) -> list[Value]:
    """All values of the one row that is named, where every column is a time and none of them is named."""
    grid = table.grid
    labels = named(query, [row.label.text for row in grid.rows])
    rows = [row for row in grid.rows if row.label.text in labels]
    if len(rows) != 1 or len(grid.columns) < FEWEST or meant_columns(query, grid) or years_of(query.text):
        return []
    if not all(map(years_of, grid.columns)):
        return []
    if not explains([*labels, table.surroundings], query, aside=aside):
        return []
    values = [Value(rows[0], cell) for column in grid.columns for cell in cells_of(rows[0], column)]
    return values if len(values) == len(grid.columns) and alike(values) else []


def is_total(row: Row) -> bool:
    """Whether a row sums up others."""
    return sums_up(row.label.text)


def sums_up(label: str) -> bool:
    """Whether a row or a column of this name sums up others."""
    return _TOTAL_ROW.search(normalise(label)) is not None


def alike(values: Sequence[Value]) -> bool:
    """Whether these are two amounts or more, all of one kind."""
    kinds = {(amount(value.cell)[0], amount(value.cell)[2]) for value in values}
    return len(values) >= FEWEST and all(value.cell.number for value in values) and len(kinds) == 1


def are_positive(values: Iterable[Value]) -> bool:
    """Whether no amount has a sign, which reads as no working: "−5 − −3"."""
    return not any(amount(value.cell)[0].strip(_CURRENCY) for value in values)


def named(query: Query, labels: Sequence[str]) -> set[str]:
    """Labels that stand whole in the question, less those that are only part of another one there.

    What all labels share ("2025" in "Q1 2025", "Q2 2025") need not be said.
    """
    each = {label: _label_words(label) for label in labels}
    shared = frozenset.intersection(*each.values()) if len(each) > 1 else frozenset()
    held = {label: own for label, own in each.items() if own - shared and _holds(query, label, own - shared)}
    longest = {label for label, own in held.items() if not any(own < other for other in held.values())}
    return {label for label in longest if not _is_other_kind(query, label, longest, held)}


def _is_other_kind(
    query: Query, label: str, labels: Iterable[str], own: Mapping[str, frozenset[str]]
) -> bool:
    """Whether a bracket that the question does not say tells a label from one alike: `Cash (pre-tax)`."""
    alike_named = any(
        own[other] == own[label] and not _UNIT.search(other) for other in labels if other != label
    )
    return alike_named and _UNIT.search(label) is not None and not frozenset(words(label)) <= query.words


def _holds(query: Query, label: str, own: frozenset[str]) -> bool:
    if own <= query.words:
        return True
    bare = _spoken_and_written(normalise(_UNIT.sub("", label))).replace(" ", "")
    return any(map(is_han, bare)) and bare in query.text.replace(" ", "")


def _label_words(label: str) -> frozenset[str]:
    return frozenset(words(_spoken_and_written(normalise(_UNIT.sub(" ", label))))) - FUNCTION_WORDS


def _spoken_and_written(text: str) -> str:
    for spoken, written in _QUARTERS:
        text = spoken.sub(written, text)
    for month, both in _MONTHS:
        text = month.sub(both, text)
    return _YEARS.sub(r"from \1 to \2", _SHORT_YEAR.sub(r" 20\1 ", text))


def explains(known: Iterable[str], query: Query, *, aside: Callable[[str], bool] | None = None) -> bool:
    """Whether every topic word of the question is among the words known, or is set aside."""
    text = _spoken_and_written(normalise("\n".join(known)))
    known_words = frozenset(words(text))
    return all(
        word in known_words
        or (aside is not None and aside(word))
        or (is_han(word[0]) and all(character in text for character in word))
        for word in query.topic
    )


def subject_of(query: Query, value: Value) -> str:
    """What a cell is the value of."""
    label, column = value.row.label.text, value.cell.column.text
    if not column:
        return label
    return f"{label}的{column}" if query.chinese else f"{column} for {label}"


def size(value: Value) -> Decimal:
    """What values are ranked by."""
    return value.cell.number.value if value.cell.number else Decimal(0)


def stated(query: Query, cell: Cell) -> str:
    """A value as an answer says it: one that was measured is approximate."""
    if not cell.measured:
        return cell.written
    return f"约 {cell.written}" if query.chinese else f"about {cell.written}"


def how_known(query: Query, values: Iterable[Value]) -> str:
    """What an answer adds where it rests on values that were measured, or read by a model, not printed."""
    cells = [value.cell for value in values]
    ways = []
    if any(cell.measured for cell in cells):
        ways.append("按图量得" if query.chinese else "measured from the chart")
    if any(cell.by_model for cell in cells):
        in_part = not all(cell.by_model for cell in cells)
        ways.append(
            f"{'部分' * in_part}由模型读出" if query.chinese else f"{'in part ' * in_part}read by a model"
        )
    if not ways:
        return ""
    return f"（{'，'.join(ways)}）" if query.chinese else f", {' and '.join(ways)}"


def is_blurred(a: Decimal, b: Decimal, values: Sequence[Value]) -> bool:
    """Whether measuring, or a model, cannot tell two amounts among these values apart."""
    largest = max((abs(size(value)) for value in values), default=Decimal(0))
    if any(value.cell.by_model for value in values):
        return abs(a - b) <= _BLUR_OF_A_MODEL * largest
    return any(value.cell.measured for value in values) and abs(a - b) <= _BLUR * largest


def is_unlabelled(value: Value) -> bool:
    """Whether a chart leaves the row's label out."""
    return value.row.label.text == NO_LABEL


def amount(cell: Cell) -> tuple[str, Decimal, str]:
    """What stands before the digits, the amount they write, what stands after: ("$", 4.2, " million")."""
    match = _AMOUNT.fullmatch(cell.text)
    if match is None:
        return cell.text, Decimal(0), ""
    return match["before"], numbers(match["digits"])[0].value, match["after"]


def in_table(query: Query, table: ReadTable, english: str, chinese: str) -> str:
    """A sentence of what a table says, in the question's language."""
    return f"在“{table.title}”中，{chinese}。" if query.chinese else f"In “{table.title}”, {english}."


def counted(things: Sequence[object]) -> str:
    """How many there are, as a working: "1 + 1 = 2"."""
    return f"{' + '.join('1' * len(things))} = {len(things)}" if len(things) > 1 else "1"


def all_quotes(table: ReadTable, values: Iterable[Value]) -> tuple[Quote, ...]:
    """What stands for these values in the chunk's text, each place once and in their order."""
    cited = {quote for value in values for quote in quotes(table, value)}
    return tuple(sorted(cited, key=lambda quote: (quote.start, quote.end)))


def quotes(table: ReadTable, value: Value) -> tuple[Quote, ...]:
    """The cell, its row's and column's names and the title, as far as they stand in the chunk's text."""
    labels = [table.title_spans, value.row.label.spans, value.cell.column.spans, (value.cell.span,)]
    return tuple(Quote(table.hit, *span) for spans in labels for span in spans)
