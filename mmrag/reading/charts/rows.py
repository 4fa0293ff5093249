"""Printed values in rows: lying bars, the segments of stacks, tables and panels beside each other.

    values on one line --bands----> rows, each with the category left of it
    values of rows     --columns--> columns by place, by colour, or by where their bars begin
    texts, samples     --headers--> names of the columns
    lengths of bars    --confirmed--> a table, without the values that their bars contradict

It knows no rectangles: a value finds its own bar by the colour around it.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING

from mmrag.reading.charts.bands import (
    FEWEST_ROWS,
    Row,
    Scene,
    are_left_over,
    bands_of,
    blocks_of,
    category_at,
    named_apart,
    rows_of,
    sides_of,
)
from mmrag.reading.charts.columns import colours_of, place
from mmrag.reading.charts.confirmed import contradicted, is_confirmed
from mmrag.reading.charts.fills import Fills, turned_pixels
from mmrag.reading.charts.headers import headers_of, legend_of, title_of
from mmrag.reading.charts.points import read_points
from mmrag.reading.charts.texts import level_texts, parted, says, turned_labels, whole_texts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mmrag.reading.charts.columns import Cells
    from mmrag.reading.charts.labels import Label
    from mmrag.reading.charts.table import Rows
    from mmrag.reading.ocr import Pixels

_MOST_GROUPED = 4  # bars of one category
_SEGMENTS = 3  # that confirm each other where there is only one bar
_BELOW = 2.5  # heights of a line between an upright bar and its category


@dataclass(frozen=True, slots=True)
class _Block:
    """Rows with a value or None in each of the named columns, and the lines of the text above them."""

    names: tuple[str, ...]
    rows: tuple[tuple[str, Cells], ...]
    above: tuple[Label, ...] = ()

    @property
    def title(self) -> str:
        return " ".join(line.text for line in self.above)


def read_rows(labels: Sequence[Label], pixels: Pixels, *, on_bars: bool = False) -> Rows | None:
    """Header and rows of printed values, "" where a row has none; None where they are not certain.

    Of upright bars, too: their picture is turned so that they lie, with the last one on top. With
    `on_bars`, most values must stand at bars: columns of numbers alone are none then.
    """
    fills = Fills(pixels)
    level = level_texts(labels)
    scene = _scene(level, level, fills, fills)
    if (not on_bars or _is_on_bars(scene)) and (rows := _lying(scene)) is not None:
        return rows
    turned = Fills(turned_pixels(pixels))
    upright = _at_bars(turned_labels(whole_texts(parted(level, fills)), pixels.shape[:2]), turned)
    rows = _lying(_scene(upright, level, turned, fills))
    return (rows[0], *reversed(rows[1:])) if rows else None


def read_line_values(labels: Sequence[Label], pixels: Pixels) -> Rows | None:
    """Header and rows of the values printed along lines, which are a part of the chart's; see `points`."""
    fills = Fills(pixels)
    return read_points(whole_texts(parted(level_texts(labels), fills)), fills)


def _scene(labels: Sequence[Label], shown: Sequence[Label], fills: Fills, legend: Fills) -> Scene:
    return Scene(
        words=tuple(label for label in labels if label.value is None and says(label.text)),
        values=tuple(label for label in labels if label.value is not None),
        fills=fills,
        shown=tuple(label for label in shown if label.value is None),
        legend=legend,
    )


def _is_on_bars(scene: Scene) -> bool:
    """Whether most values stand at or in fills of their own, which are no rules and no shades of a row."""
    own = Counter(
        (round(value.y / value.height), fill.left, fill.right)
        for value in scene.values
        if (fill := scene.fills.of(value)) is not None and (fill.is_inside or fill.drawn > value.height / 2)
    )
    return 2 * sum(count for count in own.values() if count == 1) > len(scene.values)


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


def _lying(scene: Scene) -> Rows | None:
    """The table of bars that lie, of segments and of columns of numbers."""
    if (grouped := _grouped(scene)) is not None:
        return grouped
    sides: list[list[_Block]] = []
    for side in sides_of(scene):
        read = _side(side, sides[-1][-1] if sides else None)
        if read is None:
            return _one_bar(scene)
        sides.append(read)
    return _merged(sides)


def _one_bar(scene: Scene) -> Rows | None:
    """The segments of the only bar there is, each named by a legend or by the text above it."""
    bands = [band for band in bands_of(scene.values, ()) if len(band) >= _SEGMENTS]
    if len(bands) != 1 or sum(len(band) for band in bands) < len(scene.values):
        return None
    (values,) = (tuple(band) for band in bands)
    fills = [scene.fills.of(value) for value in values]
    placed = place([Row("", values, values[:1])], scene.fills)
    if placed is None or any(fill is None or not fill.is_inside for fill in fills):
        return None
    headers = headers_of(placed, scene.words, scene)
    if headers is None or contradicted([values], scene.fills):
        return None
    return (("", ""), *((name, value.text) for name, value in zip(headers.names, values, strict=True)))


def _side(scene: Scene, before: _Block | None) -> list[_Block] | None:
    """The blocks of one column of categories, beside a block `before` them or none."""
    rows, bands = rows_of(scene)
    if len(rows) < FEWEST_ROWS or are_left_over(bands, rows, scene.fills):
        return None
    blocks: list[_Block] = []
    ceiling = 0.0
    for together in blocks_of(rows, scene.words):
        own = [word for word in scene.words if word.top > ceiling]
        block = _block(named_apart(together, scene.words), own, scene, blocks[-1] if blocks else before)
        if block is None or not is_confirmed([cells for _, cells in block.rows], scene.fills):
            return None
        blocks.append(_without_contradicted(block, scene.fills))
        ceiling = together[-1].bottom
    return blocks


def _block(rows: Sequence[Row], own: Sequence[Label], scene: Scene, before: _Block | None) -> _Block | None:
    """A block's table; None where columns or names are not certain. Without names it has those `before`."""
    if all(len(row.values) == 1 for row in rows):
        above = title_of([word for word in own if word.bottom <= rows[0].top + 2])
        return _Block(("",), tuple((row.name, row.values) for row in rows), tuple(above))
    placed = place(rows, scene.fills)
    if placed is None:
        return None
    headers = headers_of(placed, own, scene)
    if headers is None and (before is None or len(before.names) != len(placed.columns)):
        return None
    names = headers.names if headers else before.names if before else ()
    top = min((line.top for line in headers.lines), default=placed.top) if headers else placed.top
    above = title_of([word for word in own if word.bottom <= top + 2])
    named = zip((row.name for row in placed.rows), placed.cells, strict=True)
    return _Block(names, tuple(named), tuple(above))


def _merged(sides: Sequence[Sequence[_Block]]) -> Rows | None:
    """All blocks as one table: a column for each name, a row for each category.

    Where two blocks have a place in common, columns are named with the text above their block; None where one
    has none.
    """
    blocks = [block for side in sides for block in side]
    for titled in (False, True):
        if titled and not _are_titled(sides):
            return None
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


def _are_titled(sides: Sequence[Sequence[_Block]]) -> bool:
    """Whether all blocks have a text above them, at one height where they are beside each other.

    What stands higher over one side than over the other is the picture's title: that side has none.
    """
    if not all(block.above for side in sides for block in side):
        return False
    first = [side[0].above for side in sides]
    return max(above[0].y for above in first) < min(above[-1].bottom for above in first)


def _without_contradicted(block: _Block, fills: Fills) -> _Block:
    """A block without values that their bars contradict: these were misread."""
    off = contradicted([cells for _, cells in block.rows], fills)
    rows = (
        (name, tuple(None if cell is None or cell in off else cell for cell in cells))
        for name, cells in block.rows
    )
    return replace(block, rows=tuple(rows))


# ------------------------------------------------------------- bars in groups


def _grouped(scene: Scene) -> Rows | None:
    """Categories of several bars, one below the other, with a value each; a legend names their colours."""
    bands = bands_of(scene.values, scene.words)
    if any(len(band) != 1 for band in bands):
        return None
    values = [band[0] for band in bands]
    for size in range(2, _MOST_GROUPED + 1):
        if len(values) % size or len(values) < 2 * size:
            continue
        clusters = [values[start : start + size] for start in range(0, len(values), size)]
        inner = [b.y - a.y for cluster in clusters for a, b in pairwise(cluster)]
        outer = [b[0].y - a[-1].y for a, b in pairwise(clusters)]
        if max(inner) < min(outer):
            return _of_clusters(clusters, scene, reach=min(outer) / 2)
    return None


def _of_clusters(clusters: Sequence[Sequence[Label]], scene: Scene, *, reach: float) -> Rows | None:
    """A row for each group of bars, its category within `reach`; None where a category is left over."""
    colours = colours_of([list(column) for column in zip(*clusters, strict=True)], scene.fills)
    legend = legend_of(colours, scene.shown, scene.legend) if colours else None
    if legend is None or not all(legend.names) or not is_confirmed(clusters, scene.fills):
        return None
    begins = [
        fill.left for cluster in clusters for one in cluster if (fill := scene.fills.of(one)) is not None
    ]
    beside = [word for word in scene.words if word.right <= min(begins) + 2]
    blocks: list[list[Label]] = []
    for cluster in clusters:
        middle = replace(cluster[0], y=(cluster[0].y + cluster[-1].y) / 2)
        near = [word for word in beside if cluster[0].y - reach < word.y < cluster[-1].y + reach]
        blocks.append(category_at(middle, near))
    if not all(blocks):
        return None
    margin = min(line.left for block in blocks for line in block)
    used = {id(line) for block in blocks for line in block}
    first, last = clusters[0][0].y, clusters[-1][-1].y
    if any(
        id(word) not in used and first < word.y < last and word.left > margin - word.height for word in beside
    ):
        return None
    rows = tuple(
        (" ".join(line.text for line in block), *(one.text for one in cluster))
        for block, cluster in zip(blocks, clusters, strict=True)
    )
    return (("", *legend.names), *rows) if len({row[0] for row in rows}) == len(rows) else None
