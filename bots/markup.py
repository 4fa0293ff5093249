"""Markdown that a model or a document wrote, as a neutral tree of text: nothing in it acts.

A platform's adapter writes the tree in its own markup and escapes it there. What would act in Markdown is
dropped here: HTML is text, a picture is its caption, a link is its text with the address beside it as
words. Only a marker of a cited source is more than text. Parsed by markdown-it-py (CommonMark, tables).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING

from bots.render import Marker
from mmrag.errors import MissingExtra
from mmrag.text.display import neutralise

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from markdown_it import MarkdownIt
    from markdown_it.tree import SyntaxTreeNode

_MARKER = re.compile(r"\[(\d{1,4})\]")
_SCHEME = re.compile(r":(?=//)")
_MAIL = re.compile(r"(?i)(mailto|javascript|\b(?:tel|sms|data|slack)(?=:[\w+])):")
_WWW = re.compile(r"(?i)(www)\.")
_STYLES = {"strong": "bold", "em": "italic", "s": "strike"}


@dataclass(frozen=True, slots=True)
class Words:
    """Text in one look: any of bold, italic, strike, code."""

    text: str
    looks: frozenset[str] = frozenset()


Inline = Words | Marker


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Running text; a heading is a paragraph that `leads`."""

    spans: tuple[Inline, ...]
    leads: bool = False


@dataclass(frozen=True, slots=True)
class Code:
    """Lines that are shown as they are."""

    text: str


@dataclass(frozen=True, slots=True)
class Listing:
    """A list; each item is its blocks. Ordered from `first`, or with bullets."""

    items: tuple[tuple[Block, ...], ...]
    first: int | None = None


@dataclass(frozen=True, slots=True)
class Quotation:
    """What somebody else said."""

    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class Grid:
    """A table; the first row is its header."""

    rows: tuple[tuple[tuple[Inline, ...], ...], ...]


Block = Paragraph | Code | Listing | Quotation | Grid


def parse(markdown: str, markers: frozenset[int]) -> tuple[Block, ...]:
    """The blocks of a text; `[1]` is a marker where 1 is among the `markers`, and text elsewhere."""
    from markdown_it.tree import SyntaxTreeNode  # noqa: PLC0415 - after `_parser`, which names the extra

    tree = SyntaxTreeNode(_parser().parse(neutralise(markdown)))
    return tuple(_blocks(tree, markers))


def unlinked(text: str) -> str:
    """Text in which no platform finds an address to make a link of."""
    return _WWW.sub(r"\1[.]", _MAIL.sub(r"\1[:]", _SCHEME.sub("[:]", text)))


def split(
    blocks: Sequence[Block], *, most: int, length: Callable[[Sequence[Block]], int]
) -> list[list[Block]]:
    """Blocks as messages of at most `most` by `length`: between blocks, else items, lines, sentences, words.

    A code block or a table that is cut goes on as one of its own, with the table's header again.
    """
    messages: list[list[Block]] = [[]]
    for block in blocks:
        for piece in _pieces(block, most=most, length=length):
            if messages[-1] and length([*messages[-1], piece]) > most:
                messages.append([])
            messages[-1].append(piece)
    return messages


# ----------------------------------------------------------------------- parsing


@cache
def _parser() -> MarkdownIt:
    try:
        from markdown_it import MarkdownIt  # noqa: PLC0415 - needs an extra
    except ModuleNotFoundError as missing:
        raise MissingExtra("markdown-it-py", "slack") from missing
    # A definition of a reference would swallow "[1]: ..." without a trace.
    return MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"]).disable("reference")


def _blocks(node: SyntaxTreeNode, markers: frozenset[int]) -> Iterator[Block]:
    for child in node.children:
        match child.type:
            case "paragraph" | "heading":
                spans = _inlines(child, markers)
                if spans:
                    yield Paragraph(spans, leads=child.type == "heading")
            case "fence" | "code_block":
                yield Code(child.content.rstrip("\n"))
            case "bullet_list" | "ordered_list":
                first = int(child.attrs.get("start", 1)) if child.type == "ordered_list" else None
                yield Listing(tuple(tuple(_blocks(item, markers)) for item in child.children), first)
            case "blockquote":
                yield Quotation(tuple(_blocks(child, markers)))
            case "table":
                rows = (row for part in child.children for row in part.children)
                yield Grid(tuple(tuple(_inlines(cell, markers) for cell in row.children) for row in rows))
            case "html_block":
                yield Paragraph(_with_markers(child.content, frozenset(), markers))
            case _:  # a rule between paragraphs is white space enough
                continue


def _inlines(node: SyntaxTreeNode, markers: frozenset[int]) -> tuple[Inline, ...]:
    return tuple(_merged(_spans(node, frozenset(), markers)))


def _spans(node: SyntaxTreeNode, looks: frozenset[str], markers: frozenset[int]) -> Iterator[Inline]:
    for child in node.children:
        match child.type:
            case "text" | "html_inline":
                yield from _with_markers(child.content, looks, markers)
            case "softbreak" | "hardbreak":
                yield Words("\n", looks)
            case "code_inline":
                yield Words(child.content, looks | {"code"})
            case "image":
                yield Words(child.content, looks)
            case "link":
                yield from _link(child, looks, markers)
            case "strong" | "em" | "s":
                yield from _spans(child, looks | {_STYLES[child.type]}, markers)
            case _:
                yield from _spans(child, looks, markers)


def _link(node: SyntaxTreeNode, looks: frozenset[str], markers: frozenset[int]) -> Iterator[Inline]:
    text = "".join(child.content for child in node.walk() if child.type in {"text", "code_inline"})
    if text.isdecimal() and int(text) in markers:  # "[1](...)" cites, whatever address is behind it
        yield Marker(int(text))
        return
    yield from _spans(node, looks, markers)
    address = str(node.attrs.get("href", ""))
    if address and address != text:
        yield Words(f" ({address})", looks)


def _with_markers(text: str, looks: frozenset[str], markers: frozenset[int]) -> tuple[Inline, ...]:
    spans: list[Inline] = []
    shown = 0
    for match in _MARKER.finditer(text):
        if int(match[1]) in markers:
            spans += [Words(text[shown : match.start()], looks), Marker(int(match[1]))]
            shown = match.end()
    spans.append(Words(text[shown:], looks))
    return tuple(span for span in spans if isinstance(span, Marker) or span.text)


def _merged(spans: Iterator[Inline]) -> Iterator[Inline]:
    """Neighbours in one look as one span."""
    last: Inline | None = None
    for span in spans:
        if isinstance(last, Words) and isinstance(span, Words) and last.looks == span.looks:
            last = Words(last.text + span.text, span.looks)
        else:
            if last is not None:
                yield last
            last = span
    if last is not None:
        yield last


# --------------------------------------------------------------------- splitting


def _pieces(block: Block, *, most: int, length: Callable[[Sequence[Block]], int]) -> list[Block]:
    """A block in parts that fit, each of its own kind."""
    if length([block]) <= most:
        return [block]
    halves = _halves(block)
    if halves is None:
        return [block]
    return [piece for half in halves for piece in _pieces(half, most=most, length=length)]


def _halves(block: Block) -> tuple[Block, Block] | None:  # noqa: PLR0911 - one case for each kind of block
    match block:
        case Paragraph(spans):
            cut = _halved_spans(spans)
            return cut and (replace(block, spans=cut[0]), replace(block, spans=cut[1]))
        case Code(text):
            cut_text = _halved_text(text, ("\n", ""))
            return cut_text and (Code(cut_text[0].rstrip("\n")), Code(cut_text[1]))
        case Listing(items, first) if len(items) > 1:
            middle = len(items) // 2
            return Listing(items[:middle], first), Listing(items[middle:], first and first + middle)
        case Listing(items, first):
            return _halved_blocks(items[0], lambda blocks: Listing((blocks,), first))
        case Quotation(blocks):
            return _halved_blocks(blocks, Quotation)
        case Grid(rows) if len(rows) > 2:  # noqa: PLR2004 - a header and two rows can be parted
            middle = (len(rows) + 1) // 2
            return Grid(rows[:middle]), Grid((rows[0], *rows[middle:]))
        case Grid(rows):  # a row too long for any message: its cells as text
            spans = tuple(span for row in rows for cell in row for span in (*cell, Words("\n")))
            return _halves(Paragraph(spans))
    return None


def _halved_blocks(
    blocks: tuple[Block, ...], wrap: Callable[[tuple[Block, ...]], Block]
) -> tuple[Block, Block] | None:
    if len(blocks) > 1:
        middle = len(blocks) // 2
        return wrap(blocks[:middle]), wrap(blocks[middle:])
    halves = _halves(blocks[0]) if blocks else None
    return halves and (wrap((halves[0],)), wrap((halves[1],)))


def _halved_spans(spans: tuple[Inline, ...]) -> tuple[tuple[Inline, ...], tuple[Inline, ...]] | None:
    sizes = [len(span.text) if isinstance(span, Words) else 1 for span in spans]
    middle, passed = sum(sizes) // 2, 0
    for index, (span, size) in enumerate(zip(spans, sizes, strict=True)):
        if passed + size > middle:
            if isinstance(span, Words) and size > sum(sizes) // 4:
                cut = _halved_text(span.text, ("\n", ". ", "。", "; ", " ", ""))
                if cut is not None:
                    first, second = (Words(half, span.looks) for half in cut)
                    return (*spans[:index], first), (second, *spans[index + 1 :])
            at = max(index, 1)
            return (spans[:at], spans[at:]) if at < len(spans) else None
        passed += size
    return None


def _halved_text(text: str, ends: tuple[str, ...]) -> tuple[str, str] | None:
    """Cut near the middle, behind the first of these ends that stands in the middle half."""
    if len(text) < 2:  # noqa: PLR2004 - one character has no halves
        return None
    middle, slack = len(text) // 2, len(text) // 4
    for end in ends:
        at = text.rfind(end, middle - slack, middle + slack) if end else middle
        if at >= 0:
            return text[: at + len(end)], text[at + len(end) :]
    return text[:middle], text[middle:]
