"""Text that is data for programs: notebooks and feeds, as what a person would see of them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from mmrag.reading import html, markdown
from mmrag.reading.media import FEED, NOTEBOOK
from mmrag.reading.ooxml import parse_text
from mmrag.reading.page_builder import PageBuilder, one_line
from mmrag.types import Reading

if TYPE_CHECKING:
    from collections.abc import Iterator
    from xml.etree.ElementTree import Element

_ITEMS = ("item", "entry")
_TITLE = "title"
_BODIES = ("encoded", "content", "description", "summary")
_REMARKS = ("pubDate", "published", "updated", "creator", "author", "category", "link")


def read_notebook(text: str) -> Reading | None:
    """A notebook's Markdown, code and printed results; None where this is none."""
    try:
        cells = json.loads(text)["cells"]
        blocks = [(str(cell["cell_type"]), _joined(cell["source"]), list(_outputs(cell))) for cell in cells]
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    page = PageBuilder()
    for kind, source, outputs in blocks:
        if kind == "markdown":
            _copy(markdown.read_markdown(source), page)
        else:
            page.paragraph(source)
            for output in outputs:
                page.paragraph(output)
    built = page.build(1)
    titles = [heading.title for heading in built.headings if heading.level == 1]
    return Reading(NOTEBOOK, titles[0] if titles else None, (built,))


def _joined(source: Any) -> str:  # noqa: ANN401 - any JSON value
    return source if isinstance(source, str) else "".join(map(str, source))


def _outputs(cell: dict[str, Any]) -> Iterator[str]:
    for output in cell.get("outputs", ()):
        yield _joined(output.get("text") or output.get("data", {}).get("text/plain", ""))


def _copy(reading: Reading, page: PageBuilder) -> None:
    """Blocks of a text once more: headings and tables by their offsets, the rest as paragraphs."""
    source = reading.pages[0]
    headings = {heading.offset: heading for heading in source.headings}
    tables = {table.start: table for table in source.tables}
    position = 0
    for block in source.text.split("\n\n"):
        if position in headings:
            page.heading(headings[position].title, level=headings[position].level)
        elif position in tables:
            page.table(tables[position].rows)
        else:
            page.paragraph(block)
        position += len(block) + 2


def read_feed(text: str) -> Reading | None:
    """An RSS or Atom feed: each entry under its title; None where it is damaged."""
    root = parse_text(text)
    if root is None:
        return None
    page = PageBuilder()
    channel = next((node for node in root if _name(node) == "channel"), root)
    title = _child_text(channel, (_TITLE,))
    page.heading(title, level=1)
    page.paragraph(html.visible_text(_child_text(channel, ("description", "subtitle"))))
    for item in (node for node in root.iter() if _name(node) in _ITEMS):
        page.heading(html.visible_text(_child_text(item, (_TITLE,))), level=2)
        page.lines(["".join(node.itertext()) for node in item if _name(node) in _REMARKS])
        page.paragraph(html.visible_text(_child_text(item, _BODIES)))
    return Reading(FEED, title or None, (page.build(1),))


def _child_text(element: Element, names: tuple[str, ...]) -> str:
    for name in names:
        for node in element:
            if _name(node) == name and (text := "".join(node.itertext()).strip()):
                return text if name != _TITLE else one_line(text)
    return ""


def _name(element: Element) -> str:
    return str(element.tag).rpartition("}")[2]
