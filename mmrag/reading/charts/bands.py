"""Values on one line with the category left of them, and which lines belong together.

It knows no columns and no names of columns.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING

from mmrag.reading.charts.categories import lines_around
from mmrag.reading.charts.labels import groups
from mmrag.reading.charts.texts import SAME_PLACE, SIGNS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from mmrag.reading.charts.fills import Fills
    from mmrag.reading.charts.labels import Label

FEWEST_ROWS = 2
_LEVEL_WITH = 0.4  # of a line's height: so far a category's middle may be from its value's


@dataclass(frozen=True, slots=True)
class Scene:
    """Words and values of a picture in which bars lie, and what they stand in.

    Where the picture was turned for that, `shown` are its words as they were, for a `legend` among them.
    """

    words: tuple[Label, ...]
    values: tuple[Label, ...]
    fills: Fills
    shown: tuple[Label, ...]
    legend: Fills

    @property
    def is_turned(self) -> bool:
        return self.legend is not self.fills

    def part(self, words: Sequence[Label], values: Sequence[Label]) -> Scene:
        """One side of the picture, with all of it for a legend."""
        return replace(self, words=tuple(words), values=tuple(values))


@dataclass(frozen=True, slots=True)
class Row:
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
    def top(self) -> float:
        return min(value.top for value in self.values)

    @property
    def bottom(self) -> float:
        return max(value.bottom for value in self.values)


def bands_of(values: Sequence[Label], words: Sequence[Label]) -> list[list[Label]]:
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


def _beside(value: Label, words: Iterable[Label]) -> bool:
    """Whether a word stands left of a value, on its line."""
    return any(
        word.right <= value.left + 2 and abs(word.y - value.y) < SAME_PLACE * max(word.height, value.height)
        for word in words
    )


def sides_of(scene: Scene) -> list[Scene]:
    """The picture in two where categories stand again between the values: charts beside each other.

    What stands over the right one may begin left of its categories; what reaches over both is neither's.
    """
    words, values = scene.words, scene.values
    bands = [band for band in bands_of(values, words) if _beside(band[0], words)]
    inner = [
        [
            word
            for word in words
            if abs(word.y - band[0].y) < SAME_PLACE * word.height and word.left > band[0].right
        ]
        for band in bands
    ]
    again = [
        min(own, key=lambda word: word.left)
        for own, band in zip(inner, bands, strict=True)
        if own and band[-1].left > own[0].right
    ]
    if len(again) < max(FEWEST_ROWS, 0.6 * len(bands)):
        return [scene]
    cut = min(word.left for word in again) - 1
    if any(value.left < cut < value.right for value in values):
        return [scene]

    end = max(value.right for value in values if value.left < cut)
    left = [word for word in words if word.right < cut]
    right = [word for word in words if word.right >= cut and word.left >= end]
    return [
        scene.part(left, [value for value in values if value.left < cut]),
        scene.part(right, [value for value in values if value.left >= cut]),
    ]


def rows_of(scene: Scene) -> tuple[list[Row], list[list[Label]]]:
    """Bands with the category that stands left of all their values, and all bands.

    Numbers in the column of the categories are categories, too: `<$30K`.
    """
    words, values = scene.words, scene.values
    bands = bands_of(values, words)
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
    words = (*words, *(replace(one, value=None) for one in names))
    bands = bands_of([value for value in values if id(value) not in chosen], words)
    return _with_categories(bands, words), bands


def _with_categories(bands: Sequence[Sequence[Label]], words: Sequence[Label]) -> list[Row]:
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
        block = category_at(first, near)
        if block:
            name = " ".join(line.text for line in block).strip(SIGNS)
            found.append(Row(name, tuple(band), tuple(block)))
    return found


def category_at(value: Label, words: Sequence[Label]) -> list[Label]:
    """The lines whose middle is level with a value, the most of them that are; [] where none is."""
    block = lines_around(value.y, words)
    while block:
        middle = (min(line.top for line in block) + max(line.bottom for line in block)) / 2
        if abs(middle - value.y) <= _LEVEL_WITH * max(block[0].height, value.height):
            return block
        block = block[1:] if middle < value.y else block[:-1]
    return []


def are_left_over(bands: Sequence[Sequence[Label]], rows: Sequence[Row], fills: Fills) -> bool:
    """Whether values among the rows, or with bars anywhere, have no category: some may share one."""
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


def named_apart(rows: Sequence[Row], words: Sequence[Label]) -> list[Row]:
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


def blocks_of(rows: Sequence[Row], words: Sequence[Label]) -> list[list[Row]]:
    """Blocks of rows: a text between two rows that reaches over the values begins another one."""
    blocks = [[rows[0]]]
    for before, row in pairwise(rows):
        left = min(before.values[0].left, row.values[0].left)
        if any(before.bottom < word.y < row.top and word.right > left + word.height for word in words):
            blocks.append([row])
        else:
            blocks[-1].append(row)
    return blocks
