"""Printed values in rows: lying bars, the segments of stacks, tables and panels beside each other.

    values on one line --band--> a category left of them --row--> columns by place or by colour
    texts above the first row, or a legend's samples --> names of the columns

What confirms a table: each bar is as long as its value says, or all columns stand apart. It knows no
rectangles: a value finds its own bar by the colour around it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from itertools import combinations, pairwise
from statistics import median
from typing import TYPE_CHECKING, Any

from mmrag.reading.charts.categories import lines_around
from mmrag.reading.charts.points import read_points
from mmrag.reading.charts.fills import Fills, alike, turned_pixels
from mmrag.reading.charts.labels import LEVEL, groups, value_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from mmrag.reading.charts.fills import Colour, Fill
    from mmrag.reading.charts.labels import Label
    from mmrag.reading.charts.table import Rows
    from mmrag.reading.ocr import Pixels

_FEWEST_ROWS = 2
_MOST_GROUPED = 4  # bars of one category
_LEAST_MEASURED = 0.6  # of the values must have a bar that says how long they are
_AGREES = 0.12  # of a value: so far from its bar's length it may be
_AGREES_PIXELS = 4.0
_MOSTLY = 0.6  # of a column's bars have its colour: some rows stand out
_CONTRADICTED = 0.2  # of the measured values at most
_HEADER_LINES = 4
_ONE_SIZE = 0.25  # of a line's height that lines of one paragraph differ in
_HEADER_AWAY = 4.0  # heights of a line between a header and the first row
_NARROW, _WIDE = frozenset("fijlrt.,:;'|()[]! "), frozenset("mwMW%@")
_CLOSE = 0.35  # of a line's height between two lines of one text
_BELOW = 2.5  # heights of a line between an upright bar and its category
_MOST_ENDS = 14  # of words in a text that is taken apart
_SAME_PLACE = 0.6  # of a line's height
_LEVEL_WITH = 0.4  # of a line's height: so far a category's middle may be from its value's
_VALUES = re.compile(r"\d[\d,.]*%?(?:\s\d[\d,.]*%?)+")
_A_YEAR = re.compile(r"[-–■□●▪◆•]?\s?(?:19|20)\d\d")  # with a legend's sign that was read as one
_WIDE_GAP = 0.9  # of a line's height between two categories that were read as one text
_NO_COLOUR = (-1000.0, -1000.0, -1000.0)
_ALIGNED = 3.0  # pixels
_VALUE_AT_END = re.compile(r"(?<=[^\W\d_])\s(\d{1,3}%?)$")
_SIGNS = "■□●▪◆•- "  # a legend's sample that was read as text


@dataclass(frozen=True, slots=True)
class _Row:
    """Values on one line, from left to right, with the category left of them or above and below."""

    name: str
    values: tuple[Label, ...]
    lines: tuple[Label, ...]  # of the category

    @property
    def begin(self) -> float:
        return min(line.left for line in self.lines)

    @property
    def edge(self) -> float:
        return max(line.right for line in self.lines)

    @property
    def y(self) -> float:
        return median(value.y for value in self.values)

    @property
    def top(self) -> float:
        return min(value.top for value in self.values)

    @property
    def bottom(self) -> float:
        return max(value.bottom for value in self.values)


def read_rows(labels: Sequence[Label], pixels: Pixels) -> Rows | None:
    """Header and rows of printed values, "" where a row has none; None where they are not certain.

    Of upright bars, too: their picture is turned so that they lie, with the last one on top.
    """
    fills = Fills(pixels)
    level = [_unless_year(part) for label in labels if _is_level(label) for part in _numbers_apart(label)]
    if (rows := _lying(level, level, fills, fills)) is not None:
        return rows
    apart = _level_texts(labels, fills)
    turned = Fills(turned_pixels(pixels))
    upright = _lying(_at_bars(_turned(apart, pixels.shape[:2]), turned), level, turned, fills)
    return (upright[0], *reversed(upright[1:])) if upright else None


def read_line_values(labels: Sequence[Label], pixels: Pixels) -> Rows | None:
    """Header and rows of the values printed along lines, as `read_points` finds them; a part of the chart's."""
    fills = Fills(pixels)
    return read_points(_whole_categories(_level_texts(labels, fills)), fills)


def _level_texts(labels: Sequence[Label], fills: Fills) -> list[Label]:
    """Level labels, each text by itself."""
    level = [_unless_year(part) for label in labels if _is_level(label) for part in _numbers_apart(label)]
    return [part for label in level for part in _cut(label, fills.gaps(label, at_least=_WIDE_GAP)) or [label]]


def _lying(labels: Sequence[Label], shown: Sequence[Label], fills: Fills, legend: Fills) -> Rows | None:
    """A picture's rows; a legend stands among the labels as they are shown."""
    words = [label for label in labels if label.value is None and _says(label.text)]
    values = [label for label in labels if label.value is not None]
    everywhere = [label for label in shown if label.value is None]
    if (grouped := _grouped(words, values, everywhere, fills, legend)) is not None:
        return grouped
    blocks: list[_Block] = []
    for side_words, side_values in _sides(words, values):
        read = _side(side_words, side_values, everywhere, fills, legend)
        if read is None:
            return None
        blocks += read
    return _merged(blocks) if blocks else None


def _turned(labels: Sequence[Label], size: tuple[int, int]) -> list[Label]:
    """Level labels where they are once the picture is turned, lines of one category as one."""
    height, width = size
    return [
        replace(
            label,
            x=height - 1 - label.y,
            y=width - 1 - label.x,
            left=height - 1 - label.bottom,
            right=height - 1 - label.top,
            top=width - 1 - label.right,
            bottom=width - 1 - label.left,
        )
        for label in _whole_categories(labels)
    ]


def _at_bars(labels: Sequence[Label], fills: Fills) -> list[Label]:
    """Labels of a turned picture without what stands further below its bars than their categories."""
    filled = [
        (label, fill) for label in labels if label.value is not None and (fill := fills.of(label)) is not None
    ]
    if not filled:
        return []
    base = min(fill.left for _, fill in filled)
    size = median(label.right - label.left for label, _ in filled)
    below = [label.right for label in labels if base - _BELOW * size < label.right < base]
    first = max(below, default=base) - 0.6 * size
    return [label for label in labels if label.right >= first]


def _whole_categories(labels: Sequence[Label]) -> list[Label]:
    """Labels with lines that stand close under each other, around one middle, as one."""
    whole: list[Label] = []
    for label in sorted(labels, key=lambda one: one.y):
        above = [
            one
            for one in whole
            if one.value is None
            and label.value is None
            and -0.4 * label.height < label.top - one.bottom < _CLOSE * label.height
            and min(abs(one.x - label.x), abs(one.left - label.left)) < _SAME_PLACE * label.height
        ]
        if not above:
            whole.append(label)
            continue
        one = above[-1]
        whole[whole.index(one)] = replace(
            one,
            text=f"{one.text} {label.text}",
            left=min(one.left, label.left),
            right=max(one.right, label.right),
            bottom=label.bottom,
            y=(one.top + label.bottom) / 2,
        )
    return whole


def _side(
    words: Sequence[Label],
    values: Sequence[Label],
    everywhere: Sequence[Label],
    fills: Fills,
    legend: Fills,
) -> list[_Block] | None:
    """The blocks of one column of categories; a legend for them may be anywhere."""
    rows, bands = _rows(words, values)
    if len(rows) < _FEWEST_ROWS or _are_left_over(bands, rows, fills):
        return None
    blocks: list[_Block] = []
    ceiling = 0.0
    for together in _apart(rows, words):
        own = _named_apart(together, words)
        block = _block(own, words, values, everywhere, fills, legend, ceiling, blocks[-1] if blocks else None)
        if block is None or not _is_confirmed([cells for _, cells in block.rows], fills):
            return None
        blocks.append(_without_contradicted(block, fills))
        ceiling = own[-1].bottom
    return blocks


def _is_level(label: Label) -> bool:
    """A single digit is as tall as text that is written upwards."""
    is_short = label.value is not None and len(label.text) <= 2  # noqa: PLR2004 - digits
    return is_short or (not label.vertical and label.tilt < LEVEL)


def _unless_year(label: Label) -> Label:
    """A year names a row or a column: it is no value."""
    return replace(label, value=None) if _A_YEAR.fullmatch(label.text) else label


def _says(text: str) -> bool:
    return sum(map(str.isalpha, text)) > 1 or any(map(str.isdigit, text))


def _numbers_apart(label: Label) -> list[Label]:
    """The values of two segments that were read as one text: `24 10`."""
    if label.value is not None or not _VALUES.fullmatch(label.text):
        return [label]
    each = (label.right - label.left) / len(label.text)
    return [
        replace(
            label,
            text=match[0],
            value=value_of(match[0]),
            left=label.left + match.start() * each,
            right=label.left + match.end() * each,
            x=label.left + (match.start() + match.end()) * each / 2,
        )
        for match in re.finditer(r"\S+", label.text)
    ]


def _bands(values: Sequence[Label], words: Sequence[Label]) -> list[list[Label]]:
    """Values on one line each, without those that are ticks of an axis."""
    found = groups(values, key=lambda one: one.y, reach=lambda one: 0.5 * one.height)
    ordered = [sorted(band, key=lambda one: one.left) for band in found]
    return [band for band in ordered if not _are_ticks(band) or _beside(band[0], words)]


def _are_ticks(band: Sequence[Label]) -> bool:
    """Evenly spaced numbers with even steps."""
    steps = [(b.x - a.x, (b.value or 0.0) - (a.value or 0.0)) for a, b in pairwise(band)]
    if len(steps) < 2:  # noqa: PLR2004 - one step is even by itself
        return False
    gaps, rises = [gap for gap, _ in steps], [rise for _, rise in steps]
    return min(rises) > 0 and max(rises) < 1.01 * min(rises) and max(gaps) < 1.2 * min(gaps)


# ------------------------------------------------------------------------ rows


def _sides(words: Sequence[Label], values: Sequence[Label]) -> list[tuple[Sequence[Label], Sequence[Label]]]:
    """The picture in two where categories stand again between the values: charts beside each other."""
    bands = [band for band in _bands(values, words) if _beside(band[0], words)]
    inner = [
        [
            word
            for word in words
            if abs(word.y - band[0].y) < _SAME_PLACE * word.height and word.left > band[0].right
        ]
        for band in bands
    ]
    again = [
        min(own, key=lambda word: word.left)
        for own, band in zip(inner, bands, strict=True)
        if own and band[-1].left > own[0].right
    ]
    if len(again) < max(_FEWEST_ROWS, 0.6 * len(bands)):
        return [(words, values)]
    cut = min(word.left for word in again) - 1
    if any(value.left < cut < value.right for value in values):
        return [(words, values)]

    def side(labels: Sequence[Label], *, right: bool) -> list[Label]:
        return [label for label in labels if (label.left >= cut if right else label.right < cut)]

    return [(side(words, right=right), side(values, right=right)) for right in (False, True)]


def _beside(value: Label, words: Iterable[Label]) -> bool:
    """Whether a word stands left of a value, on its line."""
    return any(
        word.right <= value.left + 2 and abs(word.y - value.y) < _SAME_PLACE * max(word.height, value.height)
        for word in words
    )


def _rows(words: Sequence[Label], values: Sequence[Label]) -> tuple[list[_Row], list[list[Label]]]:
    """Bands with the category that stands left of all their values, and all bands.

    Numbers in the column of the categories are categories, too: `<$30K`.
    """
    bands = _bands(values, words)
    rows = _with_categories(bands, words)
    ends = sorted(row.edge for row in rows)
    first = [
        min(band, key=lambda one: one.left)
        for band in groups(values, key=lambda one: one.y, reach=lambda one: 0.5 * one.height)
    ]
    left = [one for one in first if not _beside(one, words)]
    named = [one for one in left if not one.text.isdigit()]
    names = [one for one in named if any(abs(one.right - end) < one.height for end in ends)]
    if not names:
        return rows, bands
    chosen = {id(one) for one in names}
    words = [*words, *(replace(one, value=None) for one in names)]
    bands = _bands([value for value in values if id(value) not in chosen], words)
    return _with_categories(bands, words), bands


def _with_categories(bands: Sequence[Sequence[Label]], words: Sequence[Label]) -> list[_Row]:
    found = []
    for number, band in enumerate(bands):
        first = band[0]
        above = bands[number - 1][0].y if number else first.y - 10 * first.height
        below = bands[number + 1][0].y if number + 1 < len(bands) else first.y + 10 * first.height
        near = [
            word
            for word in words
            if word.right <= first.left + 2
            and (above + first.y) / 2 < word.y + 0.2 * word.height
            and word.y - 0.2 * word.height < (below + first.y) / 2
        ]
        block = _category(first, near)
        if block:
            name = " ".join(line.text for line in block).strip(_SIGNS)
            found.append(_Row(name, tuple(band), tuple(block)))
    return found


def _category(value: Label, words: Sequence[Label]) -> list[Label]:
    """The lines whose middle is level with a value, the most of them that are; [] where none is."""
    block = lines_around(value.y, words)
    while block:
        middle = (min(line.top for line in block) + max(line.bottom for line in block)) / 2
        if abs(middle - value.y) <= _LEVEL_WITH * max(block[0].height, value.height):
            return block
        block = block[1:] if middle < value.y else block[:-1]
    return []


def _are_left_over(bands: Sequence[Sequence[Label]], rows: Sequence[_Row], fills: Fills) -> bool:
    """Whether values among the rows, or with bars anywhere, have no category: several of them may share one."""
    first, last = rows[0].top, rows[-1].bottom
    used = {id(row.values[0]) for row in rows}
    left = min(row.values[0].left for row in rows)
    return any(
        id(band[0]) not in used
        and band[-1].right > left
        and (first < band[0].y < last or any(_has_bar(value, fills) for value in band))
        for band in bands
    )


def _has_bar(value: Label, fills: Fills) -> bool:
    fill = fills.of(value)
    return fill is not None and fill.length > value.height


def _named_apart(rows: Sequence[_Row], words: Sequence[Label]) -> list[_Row]:
    """Rows of one name told apart by the lines above them in the column of categories: `Men: Total`."""
    names = [row.name for row in rows]
    if len(set(names)) == len(names):
        return list(rows)
    used = {id(line) for row in rows for line in row.lines}
    margin, edge = min(row.begin for row in rows), max(row.edge for row in rows)
    heads = [
        word
        for word in words
        if id(word) not in used
        and abs(word.left - margin) < 3 * word.height
        and word.right <= edge + 3 * word.height
    ]
    found = []
    for row in rows:
        above = [head for head in heads if head.y < row.top and head.y > rows[0].top - 3 * head.height]
        nearest = max(above, key=lambda head: head.y) if above else None
        found.append(
            replace(row, name=f"{nearest.text}: {row.name}") if nearest and names.count(row.name) > 1 else row
        )
    return found


def _apart(rows: Sequence[_Row], words: Sequence[Label]) -> list[list[_Row]]:
    """Blocks of rows: a text between two rows that reaches over the values begins another one."""
    blocks = [[rows[0]]]
    for before, row in pairwise(rows):
        left = min(before.values[0].left, row.values[0].left)
        if any(before.bottom < word.y < row.top and word.right > left + word.height for word in words):
            blocks.append([row])
        else:
            blocks[-1].append(row)
    return blocks


# --------------------------------------------------------------------- columns


@dataclass(frozen=True, slots=True)
class _Column:
    """Where a column's values and its header are: between two places across, around a third."""

    low: float
    high: float
    centre: float


@dataclass(frozen=True, slots=True)
class _Block:
    """Rows with a value or None in each of the named columns; `title` is the text above them."""

    names: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Label | None, ...]], ...]
    title: str = ""


def _block(
    rows: Sequence[_Row],
    words: Sequence[Label],
    values: Sequence[Label],
    everywhere: Sequence[Label],
    fills: Fills,
    legend: Fills,
    ceiling: float,
    before: _Block | None,
) -> _Block | None:
    """A block's table; None where it is not certain which column a value belongs to, or what that is called."""
    width = max(len(row.values) for row in rows)
    rows = [_with_swallowed_value(row, width) for row in rows]
    full = [row for row in rows if len(row.values) == width]
    own = [word for word in words if word.top > ceiling]
    if width == 1:
        title = _title([word for word in own if word.bottom <= rows[0].top + 2])
        return _Block(("",), tuple((row.name, row.values) for row in rows), title)
    stacks = [[row.values[place] for row in full] for place in range(width)]
    colours = _colours(stacks, fills)
    columns = _columns(stacks, rows, fills, exact=colours is not None or len(full) == len(rows))
    if columns is None:
        return None
    placed = [
        _placed(
            row, width, None if colours is None else [_fitting(one, colours, fills) for one in row.values]
        )
        or _placed(row, width, [_within(one, columns) for one in row.values])
        for row in rows
    ]
    certain = [cells for cells in placed if cells is not None]
    headers = _headers(rows, full[0], columns, colours, own, values, everywhere, fills, legend)
    if len(certain) < len(rows) or (headers is None and (before is None or len(before.names) != width)):
        return None
    names = headers.names if headers else before.names if before else ()
    top = min((line.top for line in headers.lines), default=rows[0].top) if headers else rows[0].top
    title = _title([word for word in own if word.bottom <= top + 2])
    return _Block(names, tuple((row.name, cells) for row, cells in zip(rows, certain, strict=True)), title)


def _with_swallowed_value(row: _Row, width: int) -> _Row:
    """A row whose category was read as one text with its first value: `Germany 58`."""
    match = _VALUE_AT_END.search(row.name)
    if match is None or len(row.values) >= width:
        return row
    size = row.values[0]
    each = size.height * 0.55
    value = replace(
        size,
        text=match[1],
        value=value_of(match[1]),
        left=row.edge - each * len(match[1]),
        right=row.edge,
        x=row.edge - each * len(match[1]) / 2,
    )
    return replace(row, name=row.name[: match.start()], values=(value, *row.values))


def _colours(stacks: Sequence[Sequence[Label]], fills: Fills) -> list[Colour] | None:
    """The one colour of each column's bars, `_NO_COLOUR` for a column of totals or of bare numbers.

    None where a column has several colours or neighbours share one.
    """
    found: list[Colour] = []
    for column in stacks:
        own = [fill for one in column if (fill := fills.of(one)) is not None]
        totals = [fill for fill in own if not fill.is_inside and fill.drawn > fill.length + _AGREES_PIXELS]
        if 2 * len(own) < len(column) or 2 * len(totals) > len(own):
            found.append(_NO_COLOUR)
            continue
        common = max(own, key=lambda one: sum(alike(one.colour, other.colour) for other in own)).colour
        if sum(alike(common, other.colour) for other in own) < _MOSTLY * len(own):
            return None
        found.append(common)
    known = [colour for colour in found if colour is not _NO_COLOUR]
    return found if known and not any(alike(a, b) for a, b in pairwise(known)) else None


def _columns(
    stacks: Sequence[Sequence[Label]], rows: Sequence[_Row], fills: Fills, *, exact: bool
) -> list[_Column] | None:
    """Where the columns are: where bars begin, or between values that stand apart.

    With colours that tell them (`exact`) the first full row's values do.
    """
    edge = min(row.edge for row in rows)
    if (starts := _baselines(rows, fills, len(stacks))) is not None:
        ends = [*starts[1:], float("inf")]
        return [_Column(start - 3, end - 3, start) for start, end in zip(starts, ends, strict=True)]
    lows, highs = (
        [min(one.left for one in stack) for stack in stacks],
        [max(one.right for one in stack) for stack in stacks],
    )
    apart = len(stacks[0]) > 1 and all(a < b for a, b in zip(highs, lows[1:], strict=False))
    if not apart and not exact:
        return None
    centres = (
        [(a + b) / 2 for a, b in zip(lows, highs, strict=True)] if apart else [stack[0].x for stack in stacks]
    )
    between = [(a + b) / 2 for a, b in pairwise(centres)]
    return [
        _Column(low, high, centre)
        for low, high, centre in zip([edge - 1, *between], [*between, float("inf")], centres, strict=True)
    ]


def _baselines(rows: Sequence[_Row], fills: Fills, width: int) -> list[float] | None:
    """Where each panel's bars begin; None unless they do so at just as many places as there are columns."""
    begins = sorted(fill.left for row in rows for one in row.values if (fill := fills.of(one)) is not None)
    if len(begins) < _LEAST_MEASURED * sum(len(row.values) for row in rows):
        return None
    places = [[begins[0]]]
    for begin in begins[1:]:
        if begin - places[-1][-1] <= _ALIGNED:
            places[-1].append(begin)
        else:
            places.append([begin])
    return [median(place) for place in places] if len(places) == width else None


def _fitting(value: Label, colours: Sequence[Colour], fills: Fills) -> list[int]:
    fill = fills.of(value)
    return [place for place, colour in enumerate(colours) if fill is not None and alike(fill.colour, colour)]


def _within(value: Label, columns: Sequence[_Column]) -> list[int]:
    return [place for place, column in enumerate(columns) if column.low <= value.x < column.high]


def _placed(
    row: _Row, width: int, fitting: Sequence[Sequence[int]] | None
) -> tuple[Label | None, ...] | None:
    """A row's values in their columns, in order; None where one fits none or several."""
    if len(row.values) == width:
        return row.values
    if fitting is None or any(len(places) != 1 for places in fitting):
        return None
    chosen = [places[0] for places in fitting]
    if any(a >= b for a, b in pairwise(chosen)):
        return None
    by_place = dict(zip(chosen, row.values, strict=True))
    return tuple(by_place.get(place) for place in range(width))


# ----------------------------------------------------------------------- names


@dataclass(frozen=True, slots=True)
class _Headers:
    """What the columns are called, and the lines that say so."""

    names: tuple[Any, ...]
    lines: tuple[Label, ...]


def _headers(
    rows: Sequence[_Row],
    full: _Row,
    columns: Sequence[_Column],
    colours: Sequence[Colour] | None,
    own: Sequence[Label],
    values: Sequence[Label],
    everywhere: Sequence[Label],
    fills: Fills,
    legend: Fills,
) -> _Headers | None:
    """A legend's names of the colours, of the block's own or of the picture's; else the texts above the columns."""
    top = rows[0].top
    over = [word for word in own if word.bottom <= top + 2]
    margin = min(row.begin for row in rows)
    if colours is None:
        return _names_above(columns, full, top, over, margin, fills)
    beside = [
        word
        for word in everywhere
        if legend is not fills or all(not row.top <= word.y <= row.bottom for row in rows)
    ]
    others = [fill.colour for row in rows for one in row.values if (fill := fills.of(one)) is not None]
    named = (_legend(colours, over, fills, others) if legend is fills else None) or _legend(
        colours, beside, legend, others
    )
    if named is None or None not in named.names:
        return named or _names_above(columns, full, top, over, margin, fills)
    rest = [label for label in over if label not in named.lines]
    wanted = [place for place, name in enumerate(named.names) if name is None]
    above = _names_above([columns[place] for place in wanted], full, top, rest, margin, fills, places=wanted)
    if above is None:
        return None
    by_place = dict(zip(wanted, above.names, strict=True))
    names = tuple(name or by_place[place] for place, name in enumerate(named.names))
    return _Headers(names, (*named.lines, *above.lines)) if len(set(names)) == len(names) else None


def _title(over: Sequence[Label]) -> str:
    """The last paragraph of what stands above a block's headers: a question, as a rule."""
    if not over:
        return ""
    lowest = max(over, key=lambda word: word.bottom)
    alike_tall = [word for word in over if abs(word.height - lowest.height) < _ONE_SIZE * lowest.height]
    return " ".join(line.text for line in lines_around(lowest.y, alike_tall)[-_HEADER_LINES:])


def _names_above(
    columns: Sequence[_Column],
    full: _Row,
    top: float,
    over: Sequence[Label],
    margin: float,
    fills: Fills,
    *,
    places: Sequence[int] | None = None,
) -> _Headers | None:
    """The text above each column; None unless each has one of its own, all on the same lines.

    `places` are those of the columns among all of them, if they are only some.
    """
    centres = [value.x for value in full.values]
    over = _parts(over, top, len(columns), fills)
    lines: list[Label] = []
    names: list[str] = []
    bottoms: list[float] = []
    for place, column in zip(places or range(len(columns)), columns, strict=True):
        left = centres[place - 1] if place else margin + 1
        right = centres[place + 1] if place + 1 < len(centres) else float("inf")
        own = [
            label
            for label in over
            if column.low <= label.x < column.high and label.left > left and label.right < right
        ]
        if not own:
            return None
        nearest = max(own, key=lambda label: label.bottom)
        block = [
            label
            for label in lines_around(nearest.y, own)[-_HEADER_LINES:]
            if abs(label.x - nearest.x) < 2 * nearest.height
            or abs(label.left - nearest.left) < nearest.height
        ]
        if top - nearest.bottom > _HEADER_AWAY * nearest.height:
            return None
        names.append(" ".join(label.text for label in block).strip(_SIGNS))
        lines += block
        bottoms.append(nearest.bottom)
    on_one_line = max(bottoms) - min(bottoms) <= 2 * full.values[0].height
    return _Headers(tuple(names), tuple(lines)) if on_one_line and len(set(names)) == len(names) else None


def _parts(over: Sequence[Label], top: float, width: int, fills: Fills) -> list[Label]:
    """What stands above columns, with texts taken apart at their gaps where the last line has too few of them."""
    near = [label for label in over if top - label.bottom < 2 * label.height]
    last = max((label.bottom for label in near), default=0.0)
    line = [label for label in near if last - label.bottom < _SAME_PLACE * label.height]
    if not 0 < len(line) < width:
        return list(over)
    apart = [part for label in line for part in _cut(label, fills.gaps(label)) or [label]]
    return [*(label for label in over if label not in line), *apart]


def _written_width(text: str) -> float:
    """How wide a text is, in letters of middle width."""
    return sum(
        0.5 if letter in _NARROW else 1.4 if letter in _WIDE else 1.2 if letter.isupper() else 1.0
        for letter in text
    )


def _cut(label: Label, places: Sequence[float], *, taken: float = 0.0) -> list[Label]:
    """A text in pieces that are parted at these places: at ends of words, as many letters as there is room for.

    So much of each room is `taken` by a legend's sign.
    """
    ends = [
        place
        for place in range(1, len(label.text))
        if label.text[place - 1] == " "
        or (label.text[place].isupper() and not label.text[place - 1].isupper())
    ]
    lefts, rights = [label.left, *places], [*places, label.right]
    rooms = [right - left - taken for left, right in zip(lefts, rights, strict=True)]
    each = sum(rooms) / _written_width(label.text)
    if not len(places) <= len(ends) <= _MOST_ENDS or min(rooms) <= 0:
        return []

    def pieces(cuts: Sequence[int]) -> list[str]:
        return [label.text[a:b].strip() for a, b in pairwise([0, *cuts, len(label.text)])]

    def off(cuts: Sequence[int]) -> float:
        return sum(
            abs(_written_width(text) * each - room) for text, room in zip(pieces(cuts), rooms, strict=True)
        )

    best = min(combinations(ends, len(places)), key=off)
    return [
        replace(label, text=text, left=left, right=right, x=(left + right) / 2)
        for text, left, right in zip(pieces(best), lefts, rights, strict=True)
    ]


def _legend(
    colours: Sequence[Colour], words: Sequence[Label], fills: Fills, others: Sequence[Colour] = ()
) -> _Headers | None:
    """The text right of each colour's sample; None unless each colour has one.

    Samples of `others` part texts, too.
    """
    known = list(colours)
    for other in others:
        if not any(alike(other, colour) for colour in known):
            known.append(other)
    samples: list[list[Label]] = [[] for _ in known]
    for label in words:
        for place, part in _entries(label, fills.samples(label, known)):
            samples[place].append(part)
    samples = samples[: len(colours)]
    names = [list({part.text.strip(_SIGNS) for part in own}) for own in samples]
    if any(len(own) != 1 for own, colour in zip(names, colours, strict=True) if colour is not _NO_COLOUR):
        return None
    lines = tuple(part for own in samples for part in own)
    found = tuple(own[0] if own else None for own in names)
    known = [name for name in found if name]
    return _Headers(found, lines) if known and len(set(known)) == len(known) else None


def _entries(label: Label, samples: Sequence[tuple[float, int]]) -> list[tuple[int, Label]]:
    """A legend's entries in one text, each with its colour: what follows each sample, up to the next."""
    begin = label.left + 0.8 * label.height
    first = [place for x, place in samples if x < begin][-1:]
    within = [(x, place) for x, place in samples if x >= begin]
    parts = _cut(label, [x for x, _ in within], taken=label.height)
    return list(zip([*first, *(place for _, place in within)], parts, strict=True)) if first and parts else []


# ------------------------------------------------------------- bars in groups


def _grouped(
    words: Sequence[Label], values: Sequence[Label], everywhere: Sequence[Label], fills: Fills, legend: Fills
) -> Rows | None:
    """Categories of several bars, one below the other, with a value each; a legend names their colours."""
    bands = _bands(values, words)
    if any(len(band) != 1 for band in bands):
        return None
    values = [band[0] for band in bands]
    for size in range(2, _MOST_GROUPED + 1):
        if len(values) % size or len(values) < 2 * size:
            continue
        clusters = [values[start : start + size] for start in range(0, len(values), size)]
        inner = [b.y - a.y for cluster in clusters for a, b in pairwise(cluster)]
        outer = [b[0].y - a[-1].y for a, b in pairwise(clusters)]
        if max(inner) >= min(outer):
            continue
        columns = [[cluster[place] for cluster in clusters] for place in range(size)]
        colours = _colours(columns, fills)
        headers = _legend(colours, everywhere, legend) if colours else None
        if headers is None or not _is_confirmed(clusters, fills):
            return None
        reach = min(outer) / 2
        rows = []
        used: set[int] = set()
        margin = float("inf")
        for cluster in clusters:
            middle = replace(cluster[0], y=(cluster[0].y + cluster[-1].y) / 2)
            left = min(fill.left for one in cluster if (fill := fills.of(one)) is not None)
            beside = [
                word
                for word in words
                if word.right <= left + 2 and cluster[0].y - reach < word.y < cluster[-1].y + reach
            ]
            block = _category(middle, beside)
            if not block:
                return None
            used.update(map(id, block))
            margin = min(margin, *(line.left for line in block))
            rows.append((" ".join(line.text for line in block), *(one.text for one in cluster)))
        idle = [word for word in words if id(word) not in used and word.right <= left + 2]
        left_over = any(
            values[0].y < word.y < values[-1].y and word.left > margin - word.height for word in idle
        )
        if left_over or len({row[0] for row in rows}) < len(rows):
            return None
        return (("", *headers.names), *rows)
    return None


# ------------------------------------------------------------------ certainty


def _is_confirmed(rows: Sequence[Sequence[Label | None]], fills: Fills) -> bool:
    """Whether most values have a bar and nearly all bars are as long as their values; or, in a table, columns."""
    values = [value for row in rows for value in row if value is not None]
    measured = [value for value in values if fills.of(value) is not None]
    if min(map(len, rows)) == 1 and len(measured) > _FEWEST_ROWS and not _begin_together(measured, fills):
        return False  # pieces of lines are no bars
    if len(measured) < _LEAST_MEASURED * len(values):
        return not measured and min(map(len, rows)) > 1 and len(rows) > _FEWEST_ROWS
    return len(_contradicted(rows, fills)) <= _CONTRADICTED * len(measured)


def _begin_together(values: Sequence[Label], fills: Fills) -> bool:
    """Whether nearly all bars begin on one line."""
    begins = [fill.left for value in values if (fill := fills.of(value)) is not None]
    base = median(begins)
    return sum(abs(begin - base) <= _ALIGNED for begin in begins) >= (1 - _CONTRADICTED) * len(begins)


def _contradicted(rows: Sequence[Sequence[Label | None]], fills: Fills) -> list[Label]:
    """Values whose bars are not as long as they say: by what a pixel is worth in their column, or in all."""
    whole = _worth([value for row in rows for value in row if value is not None], fills)
    found: list[Label] = []
    for column in zip(*rows, strict=True):
        own = [value for value in column if value is not None and fills.of(value) is not None]
        worth = _worth(own, fills) if len(own) > _FEWEST_ROWS else whole
        off = [value for value in own if not _fits(value, fills.of(value), worth)]
        found += min((off, [value for value in own if not _fits(value, fills.of(value), whole)]), key=len)
    return found


def _worth(values: Sequence[Label], fills: Fills) -> float:
    ratios = [
        abs(value.value or 0.0) / fill.length
        for value in values
        if (fill := fills.of(value)) is not None and fill.length > _AGREES_PIXELS
    ]
    return median(ratios) if ratios else 0.0


def _fits(value: Label, fill: Fill | None, worth: float) -> bool:
    if fill is None or not worth:
        return True
    length = abs(value.value or 0.0) / worth
    near = max(_AGREES * length, _AGREES_PIXELS)
    if fill.is_inside and fill.length <= value.right - value.left + 2:
        return length <= fill.length + near  # a segment that is narrower than its value
    return abs(length - fill.length) <= near or (not fill.is_inside and abs(length - fill.drawn) <= near)


def _without_contradicted(block: _Block, fills: Fills) -> _Block:
    """A block without values that their bars contradict: these were misread."""
    off = _contradicted([cells for _, cells in block.rows], fills)
    rows = (
        (name, tuple(None if cell is None or cell in off else cell for cell in cells))
        for name, cells in block.rows
    )
    return replace(block, rows=tuple(rows))


def _merged(blocks: Sequence[_Block]) -> Rows | None:
    """All blocks as one table: a column for each name, a row for each category.

    Where two blocks have a place in common, columns are named with the text above their block.
    """
    for titled in (False, True):
        cells: dict[str, dict[str, str]] = {}
        columns: dict[str, None] = {}
        is_one = True
        for block in blocks:
            names = [f"{block.title} {name}".strip() if titled else name for name in block.names]
            columns |= dict.fromkeys(names)
            for category, values in block.rows:
                row = cells.setdefault(category, {})
                is_one &= row.keys().isdisjoint(names)
                row |= {
                    name: value.text for name, value in zip(names, values, strict=True) if value is not None
                }
        if is_one:
            listed = ((name, *(row.get(column, "") for column in columns)) for name, row in cells.items())
            return (("", *columns), *listed)
    return None
