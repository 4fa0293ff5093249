"""Running headers and footers: what stands at the edge of many pages says nothing on any of them.

It knows lines and pages. The first page that shows a running line keeps it, so that no word is lost.
"""

from __future__ import annotations

import re
from collections import defaultdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from mmrag.reading.layout import Line

_EDGE_LINES = 2  # lines at the top and at the bottom of a page that may be running ones
_MIN_LINES = 3  # a page of fewer lines is all edge: a slide's title is its content
_MIN_PAGES = 3
_MIN_SHARE = 0.3  # of the pages: headers of left and right pages take turns
_LONGEST = 120  # characters: a longer line says something
_DRIFT = 6.0  # points by which a running line's place varies from page to page
_NUMBERED = re.compile(r"(?:\D*?)(?P<first>\d+)(?:\D*\d+)?\D*")


def without_running_lines(pages: Sequence[Sequence[Line]]) -> list[tuple[Line, ...]]:
    """The lines of each page without those that repeat at one place of many pages."""
    needed = max(_MIN_PAGES, _MIN_SHARE * sum(1 for lines in pages if lines))
    dropped: set[int] = set()
    for is_numbered, found in _candidates(pages):
        for same in _by_place(found):
            if len({page for page, _ in same}) >= needed:
                # Of "Page 3 of 12" the first one says no more than the others.
                dropped.update(id(line) for _, line in same[0 if is_numbered else 1 :])
    return [tuple(line for line in lines if id(line) not in dropped) for lines in pages]


def _candidates(pages: Sequence[Sequence[Line]]) -> Iterator[tuple[bool, list[tuple[int, Line]]]]:
    """Lines of the pages' edges that say the same, and outermost ones that count the pages."""
    same: defaultdict[str, list[tuple[int, Line]]] = defaultdict(list)
    numbered: defaultdict[tuple[str, int], list[tuple[int, Line]]] = defaultdict(list)
    for page, lines in enumerate(pages):
        edges = _edges(lines)
        for line in edges:
            same[" ".join(line.text.casefold().split())].append((page, line))
        for line in (*edges[:1], *edges[-1:]):
            if key := _page_number_key(line, page):
                numbered[key].append((page, line))
    yield from ((False, found) for found in same.values())
    yield from ((True, found) for found in numbered.values())


def _page_number_key(line: Line, page: int) -> tuple[str, int] | None:
    """What lines that number their pages share: the words around, and how far the number is ahead.

    Other lines that differ in a number alone are told apart by it: a total at the foot of each
    page does not grow by one from page to page.
    """
    match = _NUMBERED.fullmatch(line.text)
    if match is None or len(match["first"]) > len("12345"):
        return None
    return re.sub(r"\d+", "#", line.text).casefold(), int(match["first"]) - page


def _edges(lines: Sequence[Line]) -> list[Line]:
    """A page's highest and lowest lines, top to bottom, without those that head a table."""
    if len(lines) < _MIN_LINES:
        return []
    ordered = sorted(lines, key=lambda line: line.top)
    edges = [*enumerate(ordered)][:_EDGE_LINES] + [*enumerate(ordered)][_EDGE_LINES:][-_EDGE_LINES:]
    return [
        line for place, line in edges if len(line.text) <= _LONGEST and not _is_of_a_table(ordered, place)
    ]


def _is_of_a_table(lines: Sequence[Line], place: int) -> bool:
    """Whether a neighbour has as many cells: a table that goes on repeats its header on every page."""
    cells = len(lines[place].cells)
    neighbours = (*lines[max(0, place - 1) : place], *lines[place + 1 : place + 2])
    return cells > 1 and any(len(line.cells) == cells for line in neighbours)


def _by_place(found: Iterable[tuple[int, Line]]) -> list[list[tuple[int, Line]]]:
    """Lines of one wording by their height on the page, in the order of the pages."""
    groups: list[tuple[float, list[tuple[int, Line]]]] = []
    for page, line in found:
        for top, members in groups:
            if abs(top - line.top) < _DRIFT:
                members.append((page, line))
                break
        else:
            groups.append((line.top, [(page, line)]))
    return [members for _, members in groups]
