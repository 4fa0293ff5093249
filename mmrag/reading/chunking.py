"""Pages become chunks: along headings, paragraphs and sentences; tables and figures by themselves.

Laws: `chunk.text == page.text[start:end]`; the chunks of a page are disjoint and ascending; every
character that is no white space is in exactly one of them. It knows tokens only by a function that
counts them, and calls it once for every sentence or line: counting is what takes the time.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mmrag.reading.page_builder import row_line
from mmrag.text.sentences import sentence_spans
from mmrag.types import ChunkDraft, Heading

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from mmrag.types import ChunkKind, Page

_CONTEXT_SEPARATOR = " > "
_SLACK = 1.5  # a table or figure of up to so many targets stays whole
_MAX_CHARACTERS_PER_TOKEN = 8  # of any text
_LINE = re.compile(r"[^\n]*\S[^\n]*")
_BREAKS = ("\n", "。", "；", "，", ". ", "; ", ", ", " ")  # where an overlong sentence is cut, best first


@dataclass(frozen=True, slots=True)
class _Region:
    """A stretch of a page of one kind, under one path of headings.

    `header` is its table's header line; `bare` says that it is a heading and nothing else.
    """

    start: int
    end: int
    kind: ChunkKind
    path: tuple[Heading, ...]
    figure: int | None = None
    header: str = ""
    bare: bool = False


@dataclass(frozen=True, slots=True)
class _Piece:
    """A span that is not cut any further."""

    start: int
    end: int
    tokens: int


class SentenceChunker:
    """Chunks of about `target_tokens`. Implements `ports.Chunker`."""

    def __init__(self, *, count_tokens: Callable[[str], int], target_tokens: int) -> None:
        self._count = count_tokens
        self._target = target_tokens

    def chunk(self, pages: Sequence[Page], *, title: str) -> tuple[ChunkDraft, ...]:
        drafts: list[ChunkDraft] = []
        path: tuple[Heading, ...] = ()  # a section may go on over pages
        for page in pages:
            regions = _regions(page, path)
            path = _open_headings(path, page.headings)
            for region in _with_headings_attached(regions):
                drafts.extend(self._chunk_region(page, region, title))
        return tuple(drafts)

    def _chunk_region(self, page: Page, region: _Region, title: str) -> Iterator[ChunkDraft]:
        above = [title, *(heading.title for heading in region.path)]
        context = _CONTEXT_SEPARATOR.join(filter(None, above))
        for start, end in self._packed(page.text, region):
            repeats = region.header and start > region.start
            yield ChunkDraft(
                page=page.number,
                start=start,
                end=end,
                text=page.text[start:end],
                context=f"{context}\n{region.header}".strip() if repeats else context,
                kind=region.kind,
                figure=region.figure,
            )

    def _packed(self, text: str, region: _Region) -> Iterator[tuple[int, int]]:
        """Spans of neighbouring pieces up to the target; a table or figure whole where it nearly fits."""
        pieces = list(self._pieces(text, region))
        total = sum(piece.tokens for piece in pieces)
        limit = total if region.kind != "text" and total <= _SLACK * self._target else self._target
        first = tokens = 0
        for index, piece in enumerate(pieces):
            if index > first and tokens + piece.tokens > limit:
                yield pieces[first].start, pieces[index - 1].end
                first, tokens = index, 0
            tokens += piece.tokens
        if pieces:
            yield pieces[first].start, pieces[-1].end

    def _pieces(self, text: str, region: _Region) -> Iterator[_Piece]:
        """Sentences of prose, lines of anything else, those longer than a chunk cut hard."""
        section = text[region.start : region.end]
        spans = sentence_spans(section) if region.kind == "text" else _line_spans(section)
        for start, end in spans:
            yield from self._cut_to_size(text, region.start + start, region.start + end)

    def _cut_to_size(self, text: str, start: int, end: int) -> Iterator[_Piece]:
        waiting = [(start, end)]
        while waiting:
            start, end = waiting.pop()
            # Never fewer than this: to a tokeniser a word of 1,000 letters is one unknown token.
            tokens = -(-(end - start) // _MAX_CHARACTERS_PER_TOKEN)
            if tokens <= self._target:
                tokens = max(tokens, self._count(text[start:end]))
            if tokens > self._target and end - start > 1:
                waiting.extend(reversed(_parts(text, start, end, -(-tokens // self._target))))
            elif text[start:end].strip():
                yield _Piece(*_trimmed(text, start, end), tokens)


def _regions(page: Page, path: tuple[Heading, ...]) -> Iterator[_Region]:
    """The page cut at headings, tables and figures, in order."""
    position = 0
    under: Heading | None = None
    for cut in _cuts(page, path):
        yield from _prose(page, position, cut.start, path, under)
        under = None
        if cut.kind == "text":  # a heading: what follows stands under it
            position, path = cut.start, cut.path
            under = path[-1]
        else:
            yield replace(cut, path=path)
            position = cut.end
    yield from _prose(page, position, len(page.text), path, under)


def _cuts(page: Page, path: tuple[Heading, ...]) -> list[_Region]:
    """Figures, tables outside of them, and headings outside of both (empty regions), in order."""
    figures = [
        _Region(f.start, f.end, "figure", path, figure=index)
        for index, f in enumerate(page.figures)
        if f.end > f.start
    ]
    tables = [
        _Region(t.start, t.end, "table", path, header=row_line(t.rows[0]))
        for t in page.tables
        if t.end > t.start and not _inside(t.start, figures)
    ]
    blocks = figures + tables
    headings = []
    for heading in page.headings:
        if not _inside(heading.offset, blocks):
            path = _open_headings(path, [heading])
            headings.append(_Region(heading.offset, heading.offset, "text", path))
    return sorted(blocks + headings, key=lambda region: region.start)


def _inside(offset: int, regions: Sequence[_Region]) -> bool:
    return any(region.start <= offset < region.end for region in regions)


def _prose(
    page: Page, start: int, end: int, path: tuple[Heading, ...], under: Heading | None
) -> Iterator[_Region]:
    """A stretch of text, if there is any; `under` is the heading that it begins with."""
    if text := page.text[start:end].strip():
        yield _Region(start, end, "text", path, bare=under is not None and text == under.title)


def _with_headings_attached(regions: Iterator[_Region]) -> Iterator[_Region]:
    """A heading without text of its own goes with what comes next: alone it answers nothing."""
    waiting: _Region | None = None
    for region in regions:
        whole = region if waiting is None else replace(region, start=waiting.start)
        if region.bare:
            waiting = whole
        else:
            yield whole
            waiting = None
    if waiting is not None:
        yield waiting


def _open_headings(path: tuple[Heading, ...], headings: Sequence[Heading]) -> tuple[Heading, ...]:
    """The path of headings after some more of them."""
    for heading in headings:
        path = (*(above for above in path if above.level < heading.level), heading)
    return path


def _line_spans(text: str) -> list[tuple[int, int]]:
    return [match.span() for match in _LINE.finditer(text)]


def _parts(text: str, start: int, end: int, count: int) -> list[tuple[int, int]]:
    """A span in about `count` parts of equal length, cut behind the best mark near their ends."""
    length = -(-(end - start) // count)
    parts = []
    while end - start > length:
        cut = _cut(text, start, start + length)
        parts.append((start, cut))
        start = cut
    return [*parts, (start, end)]


def _cut(text: str, start: int, target: int) -> int:
    """Behind the best mark in the last quarter before `target`; there where none is."""
    earliest = target - (target - start) // 4
    for mark in _BREAKS:
        found = text.rfind(mark, earliest, target)
        if found >= 0:
            return found + len(mark)
    return target


def _trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    piece = text[start:end]
    return start + len(piece) - len(piece.lstrip()), end - len(piece) + len(piece.rstrip())
