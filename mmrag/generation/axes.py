"""What an attached chart's axes say: their ticks and labels, counted, compared and subtracted by code.

"What is the highest tick on the vertical axis of the second chart?" An axis is answered from only
where all its ticks were read, and the labels below bars only where the chart's data is whole.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from mmrag.generation.cells import MOST_COUNTED, counted, is_total
from mmrag.generation.grids import parse_grid
from mmrag.text.chart_text import AXES, NO_LABEL
from mmrag.text.numbers import sole_number
from mmrag.text.words import normalise
from mmrag.types import Claim, Quote

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mmrag.generation.cells import Query
    from mmrag.generation.grids import Span
    from mmrag.types import Hit

_AXIS = re.compile(r"\b(?P<side>vertical|horizontal) ax(?:is|es)\b|(?P<chinese>[纵竖横])轴")
_SIDES = {"vertical": 0, "纵": 0, "竖": 0, "horizontal": 1, "横": 1}
_ORDINALS = {"first": 1, "second": 2, "third": 3, "fourth": 4, "fifth": 5, "一": 1, "二": 2, "三": 3, "四": 4}
_CHART = re.compile(
    r"\b(?P<ordinal>first|second|third|fourth|fifth) (?:chart|graph|figure|picture|image)\b"
    r"|第(?P<chinese>[一二三四])[张幅个]?图"
)
_IN_CHART = re.compile(rf"(?:,?\s*\b(?:in|of|from|on)\s+)?(?:\bthe\s+)?(?:{_CHART.pattern})", re.IGNORECASE)
_SHARED = re.compile(r"\bhow many (?:of the )?(?:same|identical|common|shared)\b|\bin common\b|相同")
_STEP = re.compile(r"\bdifference between consecutive\b|相邻")
_RANGE = re.compile(r"\bdifference between the maximum and (?:the )?minimum\b|最大.*最小.*差")
_HIGHEST = re.compile(r"\b(?:highest|largest|maximum|topmost)\b|最高|最大")
_LOWEST = re.compile(r"\b(?:lowest|smallest|minimum)\b|最低|最小")
_COUNT = re.compile(r"\bhow many\b|\bnumber of\b|多少个|几个")
_NAMED = re.compile(r"\bticks?\b|\blabel(?:s|led|ed)?\b|\bcountries\b|\bcategories\b|刻度|标签")
_COUNTRIES = re.compile(r"\bcountries\b|国家")
_CONDITION = re.compile(
    r"\b(?:above|below|over|under|than|exceeds?|if|where|whose|with|define|first calculate|colou?rs?)\b|超过|高于|低于|大于|小于"
)
_TICK = re.compile(r"[^,\s](?:[^,]|,(?! ))*")


@dataclass(frozen=True, slots=True)
class _Axis:
    """What stands along an axis of one picture, in order; `name` is where the text calls it `title`."""

    hit: int
    name: Span | None
    texts: tuple[tuple[str, Span], ...]
    title: str = ""

    def quotes(self, texts: Sequence[str]) -> tuple[Quote, ...]:
        """The axis' name and those of its texts."""
        named = (Quote(self.hit, *self.name),) if self.name else ()
        return named + tuple(Quote(self.hit, *span) for text, span in self.texts if text in texts)


def asks_of_axes(query: Query) -> bool:
    """Whether ticks or labels of an axis are asked for: no row of a chart's data is meant then."""
    return _AXIS.search(query.text) is not None and _NAMED.search(query.text) is not None


def read_axes(query: Query, hits: Sequence[Hit]) -> tuple[Claim, ...]:
    """The claim about axes that answers; empty where it is not certain."""
    sides = {_SIDES[match["side"] or match["chinese"]] for match in _AXIS.finditer(query.text)}
    if len(sides) != 1 or _CONDITION.search(query.text):
        return ()
    axes = _axes(query, hits)
    places = dict.fromkeys(places_named(query.text) or sorted({place for place, _ in axes}))
    chosen = [axes[place, side] for place in places for side in sides if (place, side) in axes]
    if len(chosen) < len(places):
        return ()
    if _SHARED.search(query.text):
        return _shared(*chosen) if len(chosen) == 2 else ()  # noqa: PLR2004 - compared in pairs
    return _one(query, chosen[0]) if len(chosen) == 1 else ()


def places_named(text: str) -> list[int]:
    """Which of the attached charts a question speaks of: "the second chart" is 2."""
    return [_ORDINALS[match["ordinal"] or match["chinese"]] for match in _CHART.finditer(text)]


def without_places(text: str) -> str:
    """A question without the words that say which chart is meant."""
    return _IN_CHART.sub(" ", text)


def place_of(hit: Hit) -> int | None:
    """Which of the attached files a hit is, counted from 1; None where it is none."""
    _, _, place = hit.uri.partition("attachment:")
    return int(place) if hit.origin == "attachment" and place.isdigit() else None


def asks_of_countries(query: Query) -> bool:
    """Whether countries are asked for: what sums them up is none."""
    return _COUNTRIES.search(query.text) is not None


def _axes(query: Query, hits: Sequence[Hit]) -> Mapping[tuple[int, int], _Axis]:
    """The axes of attached charts by (place of the picture, 0 for vertical or 1 for horizontal)."""
    found: dict[tuple[int, int], _Axis] = {}
    for number, hit in enumerate(hits):
        place = place_of(hit)
        if place is None:
            continue
        for side, name in enumerate(AXES):
            match = re.search(rf"^(?P<name>{name}): (?P<ticks>.+)$", hit.chunk.text, re.MULTILINE)
            if match is None:
                continue
            ticks = tuple(
                (tick[0], tick.span()) for tick in _TICK.finditer(hit.chunk.text, *match.span("ticks"))
            )
            found[place, side] = _Axis(number, match.span("name"), ticks, name)
            grid = parse_grid(hit.chunk)
            if grid is not None and grid.is_whole:
                rows = [row for row in grid.rows if not (asks_of_countries(query) and is_total(row))]
                labels = [row.label for row in rows if row.label.text != NO_LABEL]
                texts = tuple((label.text, label.spans[0]) for label in labels)
                found[place, 1 - side] = _Axis(number, None, texts)
    return found


def _shared(ours: _Axis, theirs: _Axis) -> tuple[Claim, ...]:
    """What stands on both axes, one by one."""
    known = {normalise(text): text for text, _ in theirs.texts}
    both = [text for text, _ in ours.texts if normalise(text) in known]
    if not 0 < len(both) <= MOST_COUNTED:
        return ()
    support = (*ours.quotes(both), *theirs.quotes([known[normalise(text)] for text in both]))
    both_have = f"{ours.title}: {_counted(both)}" if ours.title else f"Both charts have {_counted(both)}"
    return (Claim(f"{both_have}.", support),)


def _one(query: Query, axis: _Axis) -> tuple[Claim, ...]:
    """About a single axis: a step, the range, an end, how many there are."""
    texts = [text for text, _ in axis.texts]
    values = [number.value for text in texts if (number := sole_number(text)) is not None]
    is_numeric = axis.name is not None and len(values) == len(texts) > 1
    if _STEP.search(query.text):
        is_even = is_numeric and len({b - a for a, b in pairwise(values)}) == 1
        return _subtracted(axis, texts[1], texts[0]) if is_even else ()
    if _RANGE.search(query.text):
        return _subtracted(axis, texts[-1], texts[0]) if is_numeric else ()
    highest, lowest = _HIGHEST.search(query.text), _LOWEST.search(query.text)
    if highest or lowest:
        if not is_numeric or (highest and lowest):
            return ()
        ranked = " > ".join(reversed(texts)) if highest else " < ".join(texts)
        return (Claim(f"{axis.title}: {texts[-1 if highest else 0]} ({ranked}).", axis.quotes(texts)),)
    if _COUNT.search(query.text) and 0 < len(texts) <= MOST_COUNTED:
        return (Claim(f"These are {_counted(texts)}.", axis.quotes(texts)),)
    return ()


def _subtracted(axis: _Axis, larger: str, smaller: str) -> tuple[Claim, ...]:
    a, b = sole_number(larger), sole_number(smaller)
    if a is None or b is None or a.percent != b.percent:
        return ()
    result = f"{a.value - b.value:,f}{'%' if a.percent else ''}"
    return (Claim(f"{larger} − {smaller} = {result}.", axis.quotes([larger, smaller])),)


def _counted(texts: Sequence[str]) -> str:
    """The texts and how many they are: `0, 20, 40: 1 + 1 + 1 = 3`."""
    return f"{', '.join(texts)}: {counted(texts)}"
