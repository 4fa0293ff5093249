"""A PDF's outline (its bookmarks): which lines of which pages are headings, and of which level.

It knows titles and pages; finding a title among a page's lines is for `layout`.
"""

from __future__ import annotations

import contextlib
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from mmrag.reading.layout import heading_key
from mmrag.reading.page_builder import one_line
from mmrag.reading.pdfium import pdfium

if TYPE_CHECKING:
    from collections.abc import Mapping

_MAX_ENTRIES = 5_000
_MAX_TITLE = 200  # characters
_MAX_DEPTH = 6


def outline_of(pdf: Any) -> dict[int, dict[str, tuple[int, str]]]:  # noqa: ANN401 - pypdfium2 ships no types
    """By the index of a page: level (from 1) and title of the headings that it should hold, by their key."""
    pages: defaultdict[int, dict[str, tuple[int, str]]] = defaultdict(dict)
    with contextlib.suppress(pdfium().PdfiumError, ValueError):  # a broken outline is none from there on
        for count, bookmark in enumerate(pdf.get_toc(max_depth=_MAX_DEPTH)):
            if count == _MAX_ENTRIES:
                break
            destination = bookmark.get_dest()
            page = destination.get_index() if destination else None
            title = one_line(bookmark.get_title())[:_MAX_TITLE]
            if page is not None and page >= 0 and (key := heading_key(title)):
                pages[page].setdefault(key, (bookmark.level + 1, title))
    return dict(pages)


def depth(outline: Mapping[int, Mapping[str, tuple[int, str]]]) -> int:
    """Its deepest level; 0 for none."""
    return max((level for page in outline.values() for level, _ in page.values()), default=0)
