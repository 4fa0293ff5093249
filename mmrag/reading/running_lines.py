"""Running headers and footers: what stands at the edge of many pages says nothing on any of them.

It knows lines and pages. The first page that shows a running line keeps it, so that no word is lost.
"""

from __future__ import annotations

import re
from collections import defaultdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mmrag.reading.layout import Line

_EDGE_LINES = 2  # lines at the top and at the bottom of a page that may be running ones
_MIN_PAGES = 3
_MIN_SHARE = 0.3  # of the pages: headers of left and right pages take turns
_LONGEST = 120  # characters: a longer line says something
_DRIFT = 6.0  # points by which a running line's place varies from page to page
_DIGITS = re.compile(r"\d+")
_PAGE_NUMBER = re.compile(r"\W*(?:page|seite|第)?\s*#\s*(?:(?:of|/|-|页|共)\s*#?\s*页?)?\W*", re.IGNORECASE)


def without_running_lines(pages: Sequence[Sequence[Line]]) -> list[tuple[Line, ...]]:
    """The lines of each page without those that repeat at one place of many pages."""
    places: defaultdict[str, list[tuple[int, Line]]] = defaultdict(list)
    for number, lines in enumerate(pages):
        for line in _edges(lines):
            places[_key(line)].append((number, line))
    needed = max(_MIN_PAGES, _MIN_SHARE * sum(1 for lines in pages if lines))
    dropped: set[int] = set()
    for key, found in places.items():
        for _, same in _by_place(found):
            if len({number for number, _ in same}) >= needed:
                kept = 0 if _PAGE_NUMBER.fullmatch(key) else 1
                dropped.update(id(line) for _, line in same[kept:])
    return [tuple(line for line in lines if id(line) not in dropped) for lines in pages]


def _edges(lines: Sequence[Line]) -> list[Line]:
    """A page's highest and lowest lines."""
    ordered = sorted((line for line in lines if len(line.text) <= _LONGEST), key=lambda line: line.top)
    if len(lines) <= _EDGE_LINES:  # a page of so few lines is all edge: a slide's title is its content
        return []
    return [*ordered[:_EDGE_LINES], *ordered[max(_EDGE_LINES, len(ordered) - _EDGE_LINES) :]]


def _key(line: Line) -> str:
    return " ".join(_DIGITS.sub("#", line.text).casefold().split())


def _by_place(found: Sequence[tuple[int, Line]]) -> list[tuple[float, list[tuple[int, Line]]]]:
    """Lines of one wording by their height on the page, in the order of the pages."""
    groups: list[tuple[float, list[tuple[int, Line]]]] = []
    for number, line in found:
        for top, members in groups:
            if abs(top - line.top) < _DRIFT:
                members.append((number, line))
                break
        else:
            groups.append((line.top, [(number, line)]))
    return groups
