"""Text that is added to a figure of a page that was built already, every offset of the page with it.

Law: whatever has a place on the page (headings, tables, figures) holds the same text as before.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from mmrag.types import Figure, Table

if TYPE_CHECKING:
    from collections.abc import Callable

    from mmrag.types import Page

    Span = tuple[int, int]

Placed = TypeVar("Placed", Figure, Table)
_APART = "\n\n"  # between blocks of a page


def with_block(page: Page, number: int, text: str) -> tuple[Page, Span]:
    """A page with a block of text at the end of figure `number`, and the block's place."""
    figure = page.figures[number]
    place = figure.end
    before = _APART if place else ""
    after = _APART if not place and page.text else ""
    start = place + len(before)
    longer = _spliced(page, number, (place, place), f"{before}{text}{after}")
    own = replace(figure, start=figure.start if figure.end > figure.start else start, end=start + len(text))
    return with_figure(longer, number, own), (start, start + len(text))


def with_table_text(page: Page, number: int, text: str) -> tuple[Page, Span]:
    """A page in which the data of figure `number` stands as `text`, and its place."""
    figure = page.figures[number]
    if figure.table is None:
        raise ValueError("only a table's text is replaced")
    start, end = figure.table.start, figure.table.end
    changed = _spliced(page, number, (start, end), text)
    table = replace(figure.table, end=start + len(text))
    own = replace(figure, end=figure.end + len(text) - (end - start), table=table)
    return with_figure(changed, number, own), (start, table.end)


def with_figure(page: Page, number: int, figure: Figure) -> Page:
    """A page with another figure `number`."""
    figures = (*page.figures[:number], figure, *page.figures[number + 1 :])
    return replace(page, figures=figures)


def _spliced(page: Page, number: int, place: Span, text: str) -> Page:
    """`text` instead of what stands at `place`; figure `number` itself is left to the caller."""
    start, end = place
    shift = len(text) - (end - start)

    def moved(span: Span) -> Span:
        if span[0] >= end:
            return span[0] + shift, span[1] + shift
        return (span[0], span[1] + shift) if span[1] > start else span

    def moved_figure(index: int, figure: Figure) -> Figure:
        # An empty figure that comes first stays where it is.
        if index < number and figure.end <= start:
            return figure
        return replace(_at(figure, moved), table=figure.table and _at(figure.table, moved))

    return replace(
        page,
        text=page.text[:start] + text + page.text[end:],
        headings=tuple(
            replace(heading, offset=moved((heading.offset, heading.offset))[0]) for heading in page.headings
        ),
        tables=tuple(_at(table, moved) for table in page.tables),
        figures=tuple(moved_figure(index, figure) for index, figure in enumerate(page.figures)),
    )


def _at(placed: Placed, moved: Callable[[Span], Span]) -> Placed:
    start, end = moved((placed.start, placed.end))
    return replace(placed, start=start, end=end)
