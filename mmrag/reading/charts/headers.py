"""What columns of printed values are called: by a legend's samples, or by the texts above them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mmrag.reading.charts.categories import lines_around
from mmrag.reading.charts.columns import NO_COLOUR
from mmrag.reading.charts.fills import alike
from mmrag.reading.charts.texts import SAME_PLACE, SIGNS, cut_at

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mmrag.reading.charts.bands import Scene
    from mmrag.reading.charts.columns import Placed
    from mmrag.reading.charts.fills import Colour, Fills
    from mmrag.reading.charts.labels import Label

_HEADER_LINES = 4
_OVERLAP = 1.5  # heights of a line that a header reaches over the next column's middle
_HEADER_AWAY = 4.0  # heights of a line between a header and the first row
_ONE_SIZE = 0.25  # of a line's height that lines of one paragraph differ in


@dataclass(frozen=True, slots=True)
class Headers:
    """What the columns are called, and the lines that say so."""

    names: tuple[str, ...]
    lines: tuple[Label, ...]


@dataclass(frozen=True, slots=True)
class _Legend:
    """The names of colours, "" for a column without one, and the lines that say so."""

    names: tuple[str, ...]
    lines: tuple[Label, ...]


def headers_of(placed: Placed, own: Sequence[Label], scene: Scene) -> Headers | None:
    """What a legend calls the columns' colours, or what stands above them among their `own` words.

    None unless each column has just one name.
    """
    over = [word for word in own if word.bottom <= placed.top + 2]
    legend = _legend_for(placed, over, scene)
    if legend is None:
        return _names_above(placed, over, scene.fills, range(len(placed.columns)))
    wanted = [place for place, name in enumerate(legend.names) if not name]
    if not wanted:
        return Headers(legend.names, legend.lines)
    rest = [label for label in over if label not in legend.lines]
    above = _names_above(placed, rest, scene.fills, wanted)
    if above is None:
        return None
    by_place = dict(zip(wanted, above.names, strict=True))
    names = tuple(name or by_place[place] for place, name in enumerate(legend.names))
    return Headers(names, (*legend.lines, *above.lines)) if len(set(names)) == len(names) else None


def _legend_for(placed: Placed, over: Sequence[Label], scene: Scene) -> _Legend | None:
    if placed.colours is None:
        return None
    beside = [
        word
        for word in scene.shown
        if scene.is_turned or all(not row.top <= word.y <= row.bottom for row in placed.rows)
    ]
    fills = [scene.fills.of(one) for row in placed.rows for one in row.values]
    others = [fill.colour for fill in fills if fill is not None]
    near = None if scene.is_turned else legend_of(placed.colours, over, scene.legend, others)
    return near or legend_of(placed.colours, beside, scene.legend, others)


def _names_above(
    placed: Placed, over: Sequence[Label], fills: Fills, places: Sequence[int]
) -> Headers | None:
    """The text above each column at these places; None unless each has its own, all on the same lines.

    None, too, where one column has its label alone that is the last line of another's: what stands above
    several columns would be the name of one of them.
    """
    centres = [value.x for value in placed.full.values]
    margin, top = min(row.begin for row in placed.rows), placed.top
    over = _parts(over, top, len(places), fills)
    lines: list[Label] = []
    names: list[str] = []
    below: set[str] = set()
    bottoms: list[float] = []
    for place in places:
        column = placed.columns[place]
        reach = _OVERLAP * placed.full.values[0].height
        left = centres[place - 1] - reach if place else margin + 1
        right = centres[place + 1] + reach if place + 1 < len(centres) else float("inf")
        low = column.low if place else min(column.low, margin)
        near = [label for label in over if low <= label.x < column.high and label.right < right]
        own = [label for label in near if label.left > left] or ([] if place else near)
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
        names.append(_text_of(block))
        last = _text_of(
            [label for label in block if nearest.bottom - label.bottom < SAME_PLACE * label.height]
        )
        below |= {last} - {names[-1]}
        lines += block
        bottoms.append(nearest.bottom)
    on_one_line = max(bottoms) - min(bottoms) <= 2 * placed.full.values[0].height
    is_certain = on_one_line and len(set(names)) == len(names) and below.isdisjoint(names)
    return Headers(tuple(names), tuple(lines)) if is_certain else None


def _text_of(lines: Sequence[Label]) -> str:
    return " ".join(label.text for label in lines).strip(SIGNS)


def _parts(over: Sequence[Label], top: float, width: int, fills: Fills) -> list[Label]:
    """What stands above columns; where the last line has too few texts for them, taken apart at its gaps."""
    near = [label for label in over if top - label.bottom < 2 * label.height]
    last = max((label.bottom for label in near), default=0.0)
    line = [label for label in near if last - label.bottom < SAME_PLACE * label.height]
    if not 0 < len(line) < width:
        return list(over)
    apart = _by_words(line[0], width) if len(line) == 1 else []
    apart = apart or [part for label in line for part in cut_at(label, fills.gaps(label)) or [label]]
    return [*(label for label in over if label not in line), *apart]


def _by_words(label: Label, width: int) -> list[Label]:
    """A line of as many words as there are columns, one by one; [] where it has others."""
    ends = [match.end() for match in re.finditer(r"\S+", label.text)]
    each = (label.right - label.left) / len(label.text)
    return cut_at(label, [label.left + (end + 0.5) * each for end in ends[:-1]]) if len(ends) == width else []


def title_of(over: Sequence[Label]) -> list[Label]:
    """The last paragraph of what stands above a block's headers: a question, as a rule."""
    if not over:
        return []
    lowest = max(over, key=lambda word: word.bottom)
    alike_tall = [word for word in over if abs(word.height - lowest.height) < _ONE_SIZE * lowest.height]
    return lines_around(lowest.y, alike_tall)[-_HEADER_LINES:]


def legend_of(
    colours: Sequence[Colour], words: Sequence[Label], fills: Fills, others: Sequence[Colour] = ()
) -> _Legend | None:
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
    names = [list({part.text.strip(SIGNS) for part in own}) for own in samples]
    if any(len(own) != 1 for own, colour in zip(names, colours, strict=True) if colour is not NO_COLOUR):
        return None
    lines = tuple(part for own in samples for part in own)
    found = tuple(own[0] if own else "" for own in names)
    said = [name for name in found if name]
    return _Legend(found, lines) if said and len(set(said)) == len(said) else None


def _entries(label: Label, samples: Sequence[tuple[float, int]]) -> list[tuple[int, Label]]:
    """A legend's entries in one text, each with its colour: what follows each sample, up to the next."""
    begin = label.left + 0.8 * label.height
    first = [place for x, place in samples if x < begin][-1:]
    within = [(x, place) for x, place in samples if x >= begin]
    parts = cut_at(label, [x for x, _ in within], taken=label.height)
    return list(zip([*first, *(place for _, place in within)], parts, strict=True)) if first and parts else []
