"""Tables and chart data in a chunk's text, as cells that know their row, their column and their place.

Read are rows with cells between pipes, and lines as charts give them: `Q3 2025: 4.2` or
`Q3 2025 | Revenue: 4.2`. What is not plainly one of these is no grid: a number must never
come under a wrong label. It knows no question.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mmrag.text.chart_text import BY_MODEL, COUNT, LONG, MEASURED, NO_LABEL, unsigned
from mmrag.text.numbers import numbers, sole_number
from mmrag.text.words import HAN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from mmrag.text.numbers import Number
    from mmrag.types import Chunk

Span = tuple[int, int]

_CAPTION_CHARS = 100
_NUMBERS_OF_A_TITLE = 2  # a line with more of them is a row of the picture
_FEWEST_ROWS = 2
_FEWEST_ROWS_OF_A_PICTURE = 3
_FIRST_YEAR, _LAST_YEAR = 1900, 2100  # a whole number between them heads a column rather than filling it
_SEPARATOR = re.compile(r"\|?\s*:?-{2,}:?\s*(?:\|\s*:?-{2,}:?\s*)*\|?")
_NAMED_VALUE = re.compile(r"(?P<name>.*\S)\s*[:：]\s*(?P<value>\S.*)")
_LISTED = re.compile(r"(?<= )[^,\s](?:[^,]|,(?=\d{3}(?!\d)))*")  # values between commas; 1,200 is one
_HAN = re.compile(f"[{HAN}]")
_HAN_OF_A_TITLE = 4
_WORD = re.compile(r"[^\W\d_]{2}")
_COUNT = re.compile(COUNT)


@dataclass(frozen=True, slots=True)
class Label:
    """The name of a row or a column and where it stands; a header that is only context has no spans."""

    text: str
    spans: tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class Cell:
    """A value as it is written, its place, the number it is (if it is one) and its column's name or "".

    A `measured` value of a chart is near the true one, and one that was read `by_model` may be wrong;
    `text` is its number alone, `span` holds the sign that says so, too.
    """

    text: str
    span: Span
    number: Number | None
    column: Label
    measured: bool = False
    by_model: bool = False

    @property
    def written(self) -> str:
        """The value as it stands within a sentence."""
        return self.text.rstrip(".。")


@dataclass(frozen=True, slots=True)
class Row:
    """A row; `section` is the heading row above it, as "Current assets" above "Cash"."""

    label: Label
    cells: tuple[Cell, ...]
    section: Label | None = None


@dataclass(frozen=True, slots=True)
class Grid:
    """A table at `start:end` of a chunk's text; `caption` is the title of a chart, if it has one.

    One that is not whole holds some of its rows: none of them is the highest for certain.
    """

    rows: tuple[Row, ...]
    start: int
    end: int
    caption: Label | None = None
    is_whole: bool = True

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the value columns, in the order of first appearance; "" is one without a name."""
        return tuple(dict.fromkeys(cell.column.text for row in self.rows for cell in row.cells))


@dataclass(frozen=True, slots=True)
class _Piece:
    """Text between two pipes."""

    text: str
    span: Span


@dataclass(frozen=True, slots=True)
class _Line:
    start: int
    end: int
    text: str


def parse_grid(chunk: Chunk) -> Grid | None:
    """The table of a chunk, or None where there is none that can be read for certain."""
    lines = list(_lines(chunk.text))
    run = _last_longest_run(lines, _is_chart_line if chunk.kind == "figure" else _is_piped)
    if chunk.kind == "figure" and len(run) < _FEWEST_ROWS:
        run = _last_longest_run(lines, _is_piped)
        if len(run) < _FEWEST_ROWS_OF_A_PICTURE:
            return None  # columns of a picture's layout: "LEFT KIDNEY | 1 Length 11.2 cm"
    is_table = chunk.kind != "text" or (len(run) >= _FEWEST_ROWS and _is_separator(run[1]))
    if not run or not is_table:
        return None  # pipes in running text are no table
    rows = _chart_rows(run) if all(map(_is_chart_line, run)) else _table_rows(run, chunk)
    if not rows:
        return None
    if chunk.kind != "figure":
        return Grid(rows, run[0].start, run[-1].end)
    rows += _unlabelled_rows(lines, run[-1].end)
    whole = not all(map(_is_chart_line, run)) or _is_whole(rows, lines, run)
    start, end = _extent(lines, run)
    return Grid(rows, start, end, _caption(lines, run[0].start), is_whole=whole)


def _extent(lines: Sequence[_Line], run: Sequence[_Line]) -> tuple[int, int]:
    """A chart's data with the lines around it that count its values or name no category."""
    first, last = lines.index(run[0]), lines.index(run[-1])
    while first and _COUNT.fullmatch(lines[first - 1].text.strip()):
        first -= 1
    while last + 1 < len(lines) and (
        lines[last + 1].text.startswith(NO_LABEL) or _COUNT.fullmatch(lines[last + 1].text.strip())
    ):
        last += 1
    return lines[first].start, lines[last].end


def _is_whole(rows: Sequence[Row], lines: Sequence[_Line], run: Sequence[_Line]) -> bool:
    """Whether a chart's data is no part of a table that was cut: a long one says twice how many values it has."""
    said = [
        int(match[1])
        for line in lines
        if line not in run and (match := _COUNT.fullmatch(line.text.strip())) is not None
    ]
    count = sum(len(row.cells) for row in rows)
    return said == [count, count] if said else count <= LONG


def _lines(text: str) -> Iterator[_Line]:
    offset = 0
    for line in text.split("\n"):
        if line.strip():
            yield _Line(offset, offset + len(line), line)
        offset += len(line) + 1


def _last_longest_run(lines: Sequence[_Line], belongs: Callable[[_Line], bool]) -> list[_Line]:
    best: list[_Line] = []
    run: list[_Line] = []
    for line in lines:
        run = [*run, line] if belongs(line) else []
        if len(run) >= len(best):
            best = run
    return best


def _is_piped(line: _Line) -> bool:
    return " | " in line.text or line.text.strip().startswith("|")


def _is_separator(line: _Line) -> bool:
    """Markdown's line between header and rows."""
    return _SEPARATOR.fullmatch(line.text.strip()) is not None


def _is_chart_line(line: _Line) -> bool:
    """`Q3 2025: 4.2`, or `Q3 2025 | Revenue: 4.2` with one or more values."""
    pieces = _pieces(line)
    values = pieces[1:] or pieces
    return all(
        (match := _NAMED_VALUE.fullmatch(piece.text)) is not None
        and sole_number(unsigned(match["value"])) is not None
        for piece in values
    )


def _pieces(line: _Line, *, outer: bool = True) -> list[_Piece]:
    """The cells of a line; with `outer` pipes, as Markdown has them, the empty edges are none."""
    pieces: list[_Piece] = []
    offset = line.start
    for part in line.text.split("|"):
        bare = part.strip()
        start = offset + (part.index(bare) if bare else 0)
        pieces.append(_Piece(bare, (start, start + len(bare))))
        offset += len(part) + 1
    stripped = line.text.strip() if outer else ""
    if stripped.startswith("|"):
        pieces = pieces[1:]
    if stripped.endswith("|") and pieces and not pieces[-1].text:
        pieces = pieces[:-1]
    return pieces


# ---------------------------------------------------------------- chart lines


def _chart_rows(lines: Sequence[_Line]) -> tuple[Row, ...]:
    """Rows by label: a chart of several series has a line for each value."""
    rows: dict[str, Row] = {}
    for line in lines:
        row = _chart_row(_pieces(line))
        known = rows.get(row.label.text)
        rows[row.label.text] = row if known is None else replace(known, cells=(*known.cells, *row.cells))
    return tuple(rows.values())


def _unlabelled_rows(lines: Sequence[_Line], end: int) -> tuple[Row, ...]:
    """A row for each value in the lines just below a chart's data that name no category."""
    rows: list[Row] = []
    for line in lines:
        if line.start < end:
            continue
        if not line.text.startswith(NO_LABEL):
            break
        label = Label(NO_LABEL, ((line.start, line.start + len(NO_LABEL)),))
        head, _, _ = line.text.partition(": ")
        column = head.removeprefix(NO_LABEL).removeprefix(" | ")
        start = line.start + len(NO_LABEL) + len(" | ")
        name = Label(column, ((start, start + len(column)),) if column else ())
        for match in _LISTED.finditer(line.text, len(head) + 1):
            span = (line.start + match.start(), line.start + match.end())
            rows.append(Row(label, (_signed_cell(match[0], span, name),)))
    return tuple(rows)


def _chart_row(pieces: Sequence[_Piece]) -> Row:
    if len(pieces) == 1:
        name, cell = _named_cell(pieces[0], named_column=False)
        return Row(name, (cell,))
    label = Label(pieces[0].text, (pieces[0].span,))
    return Row(label, tuple(_named_cell(piece, named_column=True)[1] for piece in pieces[1:]))


def _named_cell(piece: _Piece, *, named_column: bool) -> tuple[Label, Cell]:
    match = _NAMED_VALUE.fullmatch(piece.text)
    if match is None:
        raise ValueError("only chart lines have named cells")
    start = piece.span[0]
    name = Label(match["name"], ((start + match.start("name"), start + match.end("name")),))
    written = match["value"].strip()
    begin = start + match.start("value")
    span = (begin, begin + len(written))
    return name, _signed_cell(written, span, name if named_column else Label("", ()))


def _signed_cell(written: str, span: Span, column: Label) -> Cell:
    """A chart's value, which a sign before it may say more of."""
    value = unsigned(written)
    return Cell(
        value,
        span,
        sole_number(value),
        column,
        measured=written.startswith(MEASURED),
        by_model=written.startswith(BY_MODEL),
    )


def _caption(lines: Sequence[_Line], start: int) -> Label | None:
    """The first line above a chart's data that reads as a title: two words, or as many Chinese characters."""
    for line in lines:
        text = line.text.strip()
        if line.start >= start:
            return None
        is_title = len(text.split()) > 1 or len(_HAN.findall(text)) >= _HAN_OF_A_TITLE
        is_row = len(numbers(text)) > _NUMBERS_OF_A_TITLE or _COUNT.fullmatch(text) is not None
        if _WORD.search(text) and is_title and len(text) <= _CAPTION_CHARS and not is_row:
            offset = line.start + line.text.index(text)
            return Label(text.lstrip("# "), ((offset, offset + len(text)),))
    return None


# --------------------------------------------------------------------- tables


def _table_rows(lines: Sequence[_Line], chunk: Chunk) -> tuple[Row, ...]:
    outer = all(map(_has_outer_pipes, lines))  # else a line begins with a pipe where its first cell is empty
    rows = [_pieces(line, outer=outer) for line in lines if not _is_separator(line)]
    width = max(len(row) for row in rows)
    if any(len(row) != width for row in rows) or width < 2:  # noqa: PLR2004 - a label and a value
        return ()  # cells have moved: no column can be told
    known = _context_header(chunk.context, width)
    if known and known != [piece.text for piece in rows[0]]:
        head, headers = 0, [Label(text, ()) for text in known[1:]]
    else:
        head = _header_height(rows, lines)
        headers = _columns(rows[:head], width)
    found: list[Row] = []
    section: Label | None = None
    for pieces in rows[head:]:
        label = Label(pieces[0].text, (pieces[0].span,))
        cells = tuple(
            Cell(piece.text, piece.span, sole_number(piece.text), header)
            for piece, header in zip(pieces[1:], headers, strict=True)
            if piece.text
        )
        if label.text and not cells:
            section = label
        elif label.text:
            found.append(Row(label, cells, section))
    return tuple(found)


def _has_outer_pipes(line: _Line) -> bool:
    bare = line.text.strip()
    return bare.startswith("|") and bare.endswith("|")


def _header_height(rows: Sequence[Sequence[_Piece]], lines: Sequence[_Line]) -> int:
    """How many rows at the top name the columns."""
    if len(lines) > 1 and _is_separator(lines[1]):
        return 1
    height = 0
    for number, row in enumerate(rows[:-1]):
        values = [piece.text for piece in row[1:] if piece.text]
        if not values and not height and _names_columns(rows[number + 1]):
            continue  # the table's title stands in a row of its own
        if not values or not all(_can_name_a_column(value) for value in values):
            break
        height = number + 1
        if row[0].text:
            break  # a corner cell is filled in the last row of a header only
    return height


def _names_columns(row: Sequence[_Piece]) -> bool:
    values = [piece.text for piece in row[1:] if piece.text]
    years = all(sole_number(value) is not None for value in values)
    return bool(values) and all(map(_can_name_a_column, values)) and (years or not row[0].text)


def _can_name_a_column(text: str) -> bool:
    number = sole_number(text)
    if number is None:
        return any(character.isalnum() for character in text)
    return text.isdigit() and _FIRST_YEAR <= number.value <= _LAST_YEAR


def _columns(head: Sequence[Sequence[_Piece]], width: int) -> list[Label]:
    """Names of the value columns: the lowest of the fullest header rows', with all above where it names two alike.

    What stands below it over a few of them is a unit: "(in millions)".
    """
    filled = [sum(bool(piece.text) for piece in row[1:]) for row in head]
    fullest = max((number for number, count in enumerate(filled) if count == max(filled)), default=-1)
    head = head[: fullest + 1]
    lowest = [_lowest(head, index) for index in range(1, width)]
    texts = [piece.text if piece else "" for piece in lowest]
    if len(head) <= 1 or len(set(texts)) == len(texts):
        return [Label(piece.text, (piece.span,)) if piece else Label("", ()) for piece in lowest]
    return [_full_column(head, index) for index in range(1, width)]


def _lowest(head: Sequence[Sequence[_Piece]], index: int) -> _Piece | None:
    return next((row[index] for row in reversed(head) if row[index].text), None)


def _full_column(head: Sequence[Sequence[_Piece]], index: int) -> Label:
    """All that heads a column; a name that spans several columns stands above the first of them."""
    parts: list[_Piece] = []
    for row in head[:-1]:
        spanning = [piece for piece in row[1 : index + 1] if piece.text]
        parts.extend(spanning[-1:])
    parts.extend(piece for piece in [head[-1][index]] if piece.text)
    return Label(" ".join(part.text for part in parts), tuple(part.span for part in parts))


def _context_header(context: str, width: int) -> list[str] | None:
    """The header of a table that was cut: a line with pipes in the chunk's context."""
    for text in reversed(context.split("\n")):
        line = _Line(0, len(text), text)
        if _is_piped(line):
            for outer in (True, False):
                names = [piece.text for piece in _pieces(line, outer=outer)]
                if len(names) == width:
                    return names
            return None
    return None
