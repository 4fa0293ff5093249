"""HTML: the main content with headings, tables, lists and alternative texts.

Scripts, styles, navigation and what is hidden are left out; nothing is fetched or run.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from mmrag.errors import NotReadable
from mmrag.reading.grid import Cell, flatten
from mmrag.reading.media import HTML
from mmrag.reading.page_builder import PageBuilder, one_line
from mmrag.types import Reading

if TYPE_CHECKING:
    from selectolax.lexbor import LexborNode

_DROPPED = frozenset(
    """script style noscript template nav svg math head iframe object embed canvas audio video button select
    datalist dialog""".split()
)
_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_INLINE = frozenset(
    """a abbr acronym b bdi bdo big cite code data del dfn em font i ins kbd label mark q rp rt ruby s samp
    small span strike strong sub sup time tt u var wbr output""".split()
)
_MAIN = ("main", "[role=main]", "article")
_MIN_MAIN_SHARE = 0.4  # a main element with less of the page's text than this is a teaser
_META_CHARSET = re.compile(rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?\s*([\w.:-]+)", re.IGNORECASE)
_FURNITURE = frozenset({"navigation", "banner", "search", "menu", "menubar", "toolbar"})
_MENU_LINKS = 20
_MENU_SHARE = 0.95  # of a menu's text is in its links
_MENU_REST = 8  # times a menu's text is on its page; an index of links is the page itself
_LONGEST_SPAN = 4  # digits
_SPACES = re.compile(r"[ \t\n\r\f]+")


def declared_encoding(data: bytes) -> str | None:
    """The character set that a page names in its head."""
    found = _META_CHARSET.search(data[:4096])
    return found[1].decode("ascii", errors="replace") if found else None


def read_html(text: str) -> Reading:
    """A page's main content. Raises NotReadable where it shows no text at all."""
    from selectolax.lexbor import LexborHTMLParser  # noqa: PLC0415 - only this format needs it

    tree = LexborHTMLParser(text)
    if tree.body is None:
        raise NotReadable("This HTML page shows no text: save it as PDF and send that.")
    page = PageBuilder()
    _Writer(page).write(_main_content(tree.body))
    built = page.build(1)
    title_node = tree.css_first("head > title")
    title = one_line(title_node.text()) if title_node else ""
    titles = [heading.title for heading in built.headings if heading.level == 1]
    return Reading(media_type=HTML, title=title or (titles[0] if titles else None), pages=(built,))


def visible_text(fragment: str) -> str:
    """The readable text of a fragment of HTML."""
    from selectolax.lexbor import LexborHTMLParser  # noqa: PLC0415 - only this format needs it

    body = LexborHTMLParser(fragment).body
    page = PageBuilder()
    if body is not None:
        _Writer(page).write(body)
    return page.build(1).text


def _main_content(body: LexborNode) -> LexborNode:
    """The page's main element, where it has exactly one that holds most of the text."""
    total = len(body.text())
    for selector in _MAIN:
        found = body.css(selector)
        if len(found) == 1 and len(found[0].text()) >= _MIN_MAIN_SHARE * total:
            return found[0]
    return body


class _Writer:
    """Walks the tree without recursion (pages nest thousands deep) and writes blocks onto a page."""

    def __init__(self, page: PageBuilder) -> None:
        self._page = page
        self._text: list[str] = []
        self._lists: list[int | None] = []  # of the open lists: the next number, None for a bullet

    def write(self, root: LexborNode) -> None:
        # Entries are nodes to open, or names of elements to close.
        stack: list[LexborNode | str] = [root]
        while stack:
            entry = stack.pop()
            if isinstance(entry, str):
                self._close(entry)
                continue
            if self._open(entry):
                stack.append(entry.tag or "")
                stack.extend(reversed(list(entry.iter(include_text=True))))
        self._flush()

    def _open(self, node: LexborNode) -> bool:
        """Begin a node; whether its children are to be walked."""
        tag = node.tag or ""
        if tag != "-text" and _is_dropped(node, tag):
            return False
        if tag in _HEADINGS or tag == "pre" or (tag == "table" and _is_data(node)):
            self._flush()
            self._write_block(node, tag)
            return False
        if text := _replacement(node, tag):
            self._text.append(text)
            return False
        self._open_block(tag)
        return True

    def _write_block(self, node: LexborNode, tag: str) -> None:
        if tag == "pre":
            self._page.paragraph(node.text())
        elif tag == "table":
            self._page.paragraph("\n".join(map(_text_of, node.css("caption"))))
            self._page.table(_rows(node))
        else:
            self._page.heading(_text_of(node), level=_HEADINGS[tag])

    def _open_block(self, tag: str) -> None:
        if tag in ("ul", "ol"):
            if not self._lists:
                self._flush()
            self._lists.append(1 if tag == "ol" else None)
        elif tag == "li":
            self._text.append(f"\n{self._marker()}")
        elif tag in ("td", "th"):
            self._text.append(" ")
        elif tag in ("tr", "dd", "dt") or (tag not in _INLINE and self._lists):
            self._text.append("\n")
        elif tag not in _INLINE:
            self._flush()

    def _close(self, tag: str) -> None:
        if tag in ("ul", "ol"):
            self._lists.pop()
            if not self._lists:
                self._flush()
        elif tag not in _INLINE and tag not in ("td", "th", "tr", "li", "dd", "dt") and not self._lists:
            self._flush()

    def _marker(self) -> str:
        indent = "  " * (len(self._lists) - 1)
        if not self._lists or self._lists[-1] is None:
            return f"{indent}- "
        number = self._lists[-1]
        self._lists[-1] = number + 1
        return f"{indent}{number}. "

    def _flush(self) -> None:
        lines = (_tidy(line) for line in "".join(self._text).split("\n"))
        self._page.paragraph("\n".join(line for line in lines if line.strip(" -")))
        self._text.clear()


def _tidy(line: str) -> str:
    """A line without the white space that a browser would not show; a list's indent stays."""
    indent = len(line) - len(line.lstrip()) if line.lstrip()[:2] == "- " else 0
    return " " * indent + _SPACES.sub(" ", line).strip()


def _text_of(node: LexborNode) -> str:
    """Text of a heading or a cell, with the alternative texts of its pictures."""
    parts: list[str] = []
    stack = [node]
    while stack:
        current = stack.pop()
        tag = current.tag or ""
        if text := _replacement(current, tag):
            parts.append(text)
        elif not _is_dropped(current, tag):
            parts.append("" if tag in _INLINE else " ")
            stack.extend(reversed(list(current.iter(include_text=True))))
    return one_line("".join(parts))


def _is_dropped(node: LexborNode, tag: str) -> bool:
    """Whether a node is a script, a comment, navigation, or hidden."""
    attributes = node.attributes
    return (
        tag in _DROPPED
        or tag.startswith(("!", "-"))
        or "hidden" in attributes
        or attributes.get("aria-hidden") == "true"
        or attributes.get("role") in _FURNITURE
        or (tag in ("ul", "ol") and _is_menu(node))
    )


def _replacement(node: LexborNode, tag: str) -> str:
    """The text that a node without children of its own stands for."""
    if tag == "-text":
        return _SPACES.sub(" ", node.text_content or "")
    if tag == "img":
        return f" {one_line(node.attributes.get('alt') or '')} "
    return "\n" if tag in ("br", "hr", "input", "textarea") else ""


def _is_data(table: LexborNode) -> bool:
    """Whether a table holds data; many only lay out a page."""
    if table.css_first("table table") is not None or table.css_first("h1, h2, h3") is not None:
        return False
    return sum(len(row) > 1 for row in _rows(table)) > 1


def _rows(table: LexborNode) -> list[list[str]]:
    return flatten(
        [[_cell(cell) for cell in row.iter() if cell.tag in ("td", "th")] for row in table.css("tr")]
    )


def _cell(node: LexborNode) -> Cell:
    spans = (node.attributes.get(name) or "" for name in ("colspan", "rowspan"))
    columns, rows = (int(span) if span.isdigit() and len(span) <= _LONGEST_SPAN else 1 for span in spans)
    return Cell(_text_of(node), columns=columns, rows=rows)


def _is_menu(items: LexborNode) -> bool:
    """Many links and nothing else, on a page that holds far more: other languages, other pages."""
    links = items.css("li a")
    if len(links) < _MENU_LINKS:
        return False
    length = len("".join(items.text().split()))
    linked = len("".join("".join(link.text() for link in links).split()))
    page = items
    while page.parent is not None:
        page = page.parent
    return linked > _MENU_SHARE * length and len(page.text()) > _MENU_REST * length
