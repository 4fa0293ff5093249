"""Markdown: the readable text without its markup, with headings, tables, lists and code kept."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from mmrag.reading import html
from mmrag.reading.media import MARKDOWN
from mmrag.reading.page_builder import PageBuilder
from mmrag.types import Reading

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from markdown_it.token import Token

_FRONT_MATTER = re.compile(r"\A---\n(.*?)\n(?:---|\.\.\.)\s*(?:\n|\Z)", re.DOTALL)
_FRONT_TITLE = re.compile(r"^title:\s*[\"']?(.+?)[\"']?\s*$", re.MULTILINE)


def read_markdown(text: str) -> Reading:
    """A Markdown document as one page; its title is the first heading of the first level."""
    from markdown_it import MarkdownIt  # noqa: PLC0415 - only this format needs it

    page = PageBuilder()
    front = _FRONT_MATTER.match(text)
    if front:
        page.paragraph(front[1])
        text = text[front.end() :]
    parser = MarkdownIt("commonmark").enable(["table", "strikethrough"])
    _Writer(page).write(parser.parse(text))
    built = page.build(1)
    titles = [found[1] for found in [_FRONT_TITLE.search(front[1])] if found] if front else []
    titles += [heading.title for heading in built.headings if heading.level == 1]
    return Reading(media_type=MARKDOWN, title=titles[0] if titles else None, pages=(built,))


class _Writer:
    """Writes block tokens onto a page, a list as one block."""

    def __init__(self, page: PageBuilder) -> None:
        self._page = page
        self._items: list[str] = []  # lines of the list being read
        self._markers: list[int | None] = []  # of the open lists: the next number, None for a bullet
        self._pending = ""  # the marker that the next paragraph begins with

    def write(self, tokens: Sequence[Token]) -> None:
        iterator = iter(tokens)
        for token in iterator:
            match token.type:
                case "heading_open":
                    self._page.heading(_inline(next(iterator)), level=int(token.tag[1:]))
                case "table_open":
                    self._page.table(_table_rows(iterator))
                case "inline":
                    self._block(_inline(token))
                case "fence" | "code_block":
                    self._block(token.content.rstrip("\n"))
                case "html_block":
                    self._block(html.visible_text(token.content))
                case _:
                    self._follow_list(token)

    def _follow_list(self, token: Token) -> None:
        """Keep track of the open lists; the outermost is written when it closes."""
        match token.type:
            case "bullet_list_open":
                self._markers.append(None)
            case "ordered_list_open":
                self._markers.append(int(token.attrGet("start") or 1))
            case "list_item_open":
                self._pending = self._next_marker()
            case "bullet_list_close" | "ordered_list_close":
                self._markers.pop()
                if not self._markers:
                    self._page.paragraph("\n".join(self._items))
                    self._items.clear()

    def _next_marker(self) -> str:
        number = self._markers[-1]
        if number is None:
            return "- "
        self._markers[-1] = number + 1
        return f"{number}. "

    def _block(self, text: str) -> None:
        if not self._markers:
            self._page.paragraph(text)
            return
        indent = "  " * (len(self._markers) - 1)
        lines = text.split("\n")
        self._items.append(f"{indent}{self._pending}{lines[0]}")
        self._items.extend(f"{indent}  {line}" for line in lines[1:])
        self._pending = ""


def _table_rows(tokens: Iterator[Token]) -> list[list[str]]:
    rows: list[list[str]] = []
    for token in tokens:
        match token.type:
            case "tr_open":
                rows.append([])
            case "inline":
                rows[-1].append(_inline(token))
            case "table_close":
                break
    return rows


def _inline(token: Token) -> str:
    """The readable text of inline markup; a link keeps its address where its text is another."""
    parts: list[str] = []
    links: list[tuple[int, str]] = []  # of the open links: where their text begins, and the address
    for child in token.children or ():
        match child.type:
            case "text" | "code_inline":
                parts.append(child.content)
            case "softbreak":
                parts.append("\n")
            case "hardbreak":
                parts.append("\n")
            case "image":
                parts.append(child.content)  # its alternative text
            case "html_inline":
                parts.append("\n" if child.content.lower().startswith("<br") else "")
            case "link_open":
                links.append((len(parts), str(child.attrGet("href") or "")))
            case "link_close":
                start, address = links.pop()
                if _is_address(address) and address.removeprefix("mailto:") != "".join(parts[start:]):
                    parts.append(f" ({address})")
    return "".join(parts)


def _is_address(target: str) -> bool:
    return target.startswith(("https://", "http://", "mailto:"))
