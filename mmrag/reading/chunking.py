"""Pages become chunks: along headings, paragraphs and sentences; tables and figures by themselves.

Laws: `chunk.text == page.text[start:end]`; the chunks of a page are disjoint and ascending; every
character that is no white space is in exactly one of them. It knows tokens only by a function that
counts them, and calls it once for every sentence or line: counting is what takes the time.

A chunk of prose ends with a paragraph where that costs at most half its size. A caption goes with its
table, and what the text says about a figure is context of the figure's chunk.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mmrag.reading.page_builder import row_line
from mmrag.text.chart_text import CAPTION
from mmrag.text.sentences import sentence_spans
from mmrag.types import ChunkDraft, Heading

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from mmrag.types import ChunkKind, Page

_CONTEXT_SEPARATOR = " > "
_SLACK = 1.5  # a table or figure of up to so many targets stays whole
_CHART_SLACK = 3.0  # a chart with its data: a part of that ranks and counts nothing
_MAX_CHARACTERS_PER_TOKEN = 8  # of any text
_MENTION_SHARE = 0.5  # of the target that sentences about a figure may take in its context
_MAX_HEADER_ROWS = 3
_CAPTION = re.compile(
    r"(?:table|tab\.|fig(?:ure|\.)?|chart|exhibit|graph)\s*\d|[图圖表]\s*\d|图表\s*\d|圖表\s*\d",
    re.IGNORECASE,
)
_MAX_CAPTION = 300  # characters: a longer paragraph that begins like one is prose about it
_FIGURE_NAME = re.compile(
    r"(?P<kind>fig(?:ure|\.)?|chart|exhibit|graph|图表|圖表|[图圖])\s*(?P<number>\d+(?:[.-]\d+)*)",
    re.IGNORECASE,
)
_POINTS_DOWN = re.compile(
    r"\b(?:chart|figure|graph|diagram|picture|image|screenshot)\s+(?:below|on the next)"
    r"|\b(?:following|next)\s+(?:chart|figure|graph|diagram|picture|image|screenshot)\b"
    r"|(?:下图|下圖|如下图|下面的图|见图|見圖)",
    re.IGNORECASE,
)
_POINTS_UP = re.compile(
    r"\b(?:chart|figure|graph|diagram|picture|image|screenshot)\s+above\b"
    r"|\b(?:preceding|previous)\s+(?:chart|figure|graph|diagram|picture|image|screenshot)\b|(?:上图|上圖)",
    re.IGNORECASE,
)
_LINE = re.compile(r"[^\n]*\S[^\n]*")
_BREAKS = ("\n", "。", "；", "，", ". ", "; ", ", ", " ")  # where an overlong sentence is cut, best first


@dataclass(frozen=True, slots=True)
class _Region:
    """A stretch of a page of one kind, under one path of headings.

    `header` is its table's header line; `bare` says that it is a heading and nothing else;
    `about` is what the text says of a figure.
    """

    start: int
    end: int
    kind: ChunkKind
    path: tuple[Heading, ...]
    figure: int | None = None
    header: str = ""
    bare: bool = False
    about: str = ""


@dataclass(frozen=True, slots=True)
class _Piece:
    """A span that is not cut any further; `closes` says that a paragraph ends with it."""

    start: int
    end: int
    tokens: int
    closes: bool = False


class SentenceChunker:
    """Chunks of about `target_tokens`. Implements `ports.Chunker`."""

    def __init__(self, *, count_tokens: Callable[[str], int], target_tokens: int) -> None:
        self._count = count_tokens
        self._target = target_tokens

    def chunk(self, pages: Sequence[Page], *, title: str) -> tuple[ChunkDraft, ...]:
        drafts: list[ChunkDraft] = []
        path: tuple[Heading, ...] = ()  # a section may go on over pages
        mentions = _Mentions(pages)
        for page in pages:
            regions = _regions(page, path)
            path = _open_headings(path, page.headings)
            for region in _with_captions_attached(page.text, _with_headings_attached(regions)):
                about = mentions.of(page, region) if region.kind == "figure" else ()
                drafts.extend(self._chunk_region(page, replace(region, about=self._fitting(about)), title))
        return tuple(drafts)

    def _fitting(self, sentences: Sequence[str]) -> str:
        """As many of the sentences as the context has room for."""
        kept: list[str] = []
        left = _MENTION_SHARE * self._target
        for sentence in sentences:
            left -= self._count(sentence)
            if left < 0:
                break
            kept.append(sentence)
        return " ".join(kept)

    def _chunk_region(self, page: Page, region: _Region, title: str) -> Iterator[ChunkDraft]:
        above = [title, *(heading.title for heading in region.path)]
        context = _CONTEXT_SEPARATOR.join(filter(None, above))
        slack = _CHART_SLACK if _is_chart(page, region) else _SLACK
        for start, end in self._packed(page.text, region, slack):
            repeats = region.header and start >= region.start + len(region.header)
            yield ChunkDraft(
                page=page.number,
                start=start,
                end=end,
                text=page.text[start:end],
                context="\n".join(filter(None, [context, region.about, region.header if repeats else ""])),
                kind=region.kind,
                figure=region.figure,
            )

    def _packed(self, text: str, region: _Region, slack: float) -> Iterator[tuple[int, int]]:
        """Spans of neighbouring pieces up to the target; a table or figure whole up to `slack` targets."""
        pieces = list(self._pieces(text, region))
        total = sum(piece.tokens for piece in pieces)
        limit = total if region.kind != "text" and total <= slack * self._target else self._target
        first = 0
        while first < len(pieces):
            last = _last_that_fits(pieces, first, limit)
            if last + 1 < len(pieces):
                last = _end_of_paragraph(pieces, first, last)
            yield pieces[first].start, pieces[last].end
            first = last + 1

    def _pieces(self, text: str, region: _Region) -> Iterator[_Piece]:
        """Sentences of prose, lines of anything else, those longer than a chunk cut hard."""
        section = text[region.start : region.end]
        spans = sentence_spans(section) if region.kind == "text" else _line_spans(section)
        for start, end in spans:
            *parts, final = self._cut_to_size(text, region.start + start, region.start + end)
            yield from parts
            yield replace(final, closes=text.startswith("\n\n", final.end))

    def _cut_to_size(self, text: str, start: int, end: int) -> Iterator[_Piece]:
        """A model's caption stays whole: its second half would not say whose it is."""
        waiting = [(start, end)]
        while waiting:
            start, end = waiting.pop()
            # Never fewer than this: to a tokeniser a word of 1,000 letters is one unknown token.
            tokens = -(-(end - start) // _MAX_CHARACTERS_PER_TOKEN)
            if tokens <= self._target:
                tokens = max(tokens, self._count(text[start:end]))
            if tokens > self._target and end - start > 1 and not text.startswith(CAPTION, start):
                waiting.extend(reversed(_parts(text, start, end, -(-tokens // self._target))))
            elif text[start:end].strip():
                yield _Piece(*_trimmed(text, start, end), tokens)


def _last_that_fits(pieces: Sequence[_Piece], first: int, limit: int) -> int:
    """The last piece of a chunk that begins with `first`."""
    tokens = pieces[first].tokens
    last = first
    while last + 1 < len(pieces) and tokens + pieces[last + 1].tokens <= limit:
        last += 1
        tokens += pieces[last].tokens
    return last


def _end_of_paragraph(pieces: Sequence[_Piece], first: int, last: int) -> int:
    """The last piece up to `last` that ends a paragraph, unless the chunk would lose half of itself."""
    whole = sum(piece.tokens for piece in pieces[first : last + 1])
    lost = 0
    for index in range(last, first - 1, -1):
        if pieces[index].closes:
            return index
        lost += pieces[index].tokens
        if 2 * lost > whole:
            break
    return last


class _Mentions:
    """What the text of a document says about its figures."""

    def __init__(self, pages: Sequence[Page]) -> None:
        self._named: dict[str, list[str]] = defaultdict(list)
        self._pointing: dict[tuple[int, int], str] = {}  # (page, paragraph's end or start): sentence
        if any(page.figures for page in pages):
            for page in pages:
                self._collect(page)

    def of(self, page: Page, region: _Region) -> tuple[str, ...]:
        """Sentences that name the figure by its caption's number, or point to it from next to it."""
        caption = page.text[region.start : region.end][:_MAX_CAPTION]
        named = _FIGURE_NAME.search(caption)
        ordered = self._named.get(_number(named), []) if named else []
        before = self._pointing.get((page.number, -len(page.text[: region.start].rstrip())), "")
        after = page.text[region.end :]
        start = region.end + len(after) - len(after.lstrip())
        pointing = [before, self._pointing.get((page.number, start + 1), "")]
        return tuple(dict.fromkeys(filter(None, [*ordered, *pointing])))

    def _collect(self, page: Page) -> None:
        position = 0
        blocks = [*((f.start, f.end) for f in page.figures), *((t.start, t.end) for t in page.tables)]
        for paragraph in page.text.split("\n\n"):
            start, end = position, position + len(paragraph)
            position = end + 2
            if any(block[0] <= start < block[1] for block in blocks):
                continue
            is_caption = (
                _CAPTION.match(paragraph) and len(paragraph) <= _MAX_CAPTION and "\n" not in paragraph
            )
            for sentence_start, sentence_end in sentence_spans(paragraph):
                sentence = paragraph[sentence_start:sentence_end].replace("\n", " ")
                for name in () if is_caption else _FIGURE_NAME.finditer(sentence):
                    self._named[_number(name)].append(sentence)
                if _POINTS_DOWN.search(sentence):
                    self._pointing[page.number, -len(page.text[:end].rstrip())] = sentence
                if _POINTS_UP.search(sentence):
                    self._pointing[page.number, start + 1] = sentence


def _number(name: re.Match[str]) -> str:
    """A figure's name whatever it is called in passing: "Fig. 3" is "Figure 3", "图3" as well."""
    kind = name["kind"].casefold()
    return f"{'figure' if kind[0] in 'f图圖' else kind} {name['number']}"


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
        _Region(t.start, t.end, "table", path, header=_header(t.rows))
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


def _header(rows: Sequence[Sequence[str]]) -> str:
    """The line that names a table's columns; of several header rows all, each above its columns.

    The corner is empty in all of them but the lowest.
    """
    height = 1
    while (
        height < min(_MAX_HEADER_ROWS, len(rows) - 1)
        and not rows[height - 1][0]
        and any(map(str.isalpha, "".join(rows[height])))
        and not any(cell[:1].isdigit() for cell in rows[height][1:])
    ):
        height += 1
    if height == 1:
        return row_line(rows[0])
    names = []
    for column in range(len(rows[0])):
        above = [next((c for c in reversed(row[: column + 1]) if c), "") for row in rows[: height - 1]]
        names.append(" ".join(filter(None, [*(above if column else []), rows[height - 1][column]])))
    return row_line(names)


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


def _with_captions_attached(text: str, regions: Iterator[_Region]) -> Iterator[_Region]:
    """A caption that stands by itself above its table or figure goes with it, and below a figure too."""
    before: _Region | None = None
    for region in regions:
        current = region
        if before is not None and region.kind == "text" and before.kind == "figure":
            end = _end_of_caption(text, region.start, region.end)
            before, current = (
                replace(before, end=end or before.end),
                replace(region, start=end or region.start),
            )
        elif before is not None and before.kind == "text" and region.kind != "text":
            start = _start_of_caption(text, before.start, before.end)
            if start is not None:
                before, current = replace(before, end=start), replace(region, start=start)
        if before is not None and text[before.start : before.end].strip():
            yield before
        before = current
    if before is not None and text[before.start : before.end].strip():
        yield before


def _end_of_caption(text: str, start: int, end: int) -> int | None:
    """Where the caption ends that a stretch of text begins with."""
    paragraph = text[start:end].lstrip().partition("\n\n")[0]
    begin = end - len(text[start:end].lstrip())
    return begin + len(paragraph) if _is_caption(paragraph) else None


def _start_of_caption(text: str, start: int, end: int) -> int | None:
    """Where the caption begins that a stretch of text ends with."""
    paragraph = text[start:end].rstrip().rpartition("\n\n")[2]
    begin = start + len(text[start:end].rstrip()) - len(paragraph)
    return begin if _is_caption(paragraph) else None


def _is_caption(paragraph: str) -> bool:
    return (
        _CAPTION.match(paragraph.lstrip()) is not None
        and len(paragraph) <= _MAX_CAPTION
        and "\n" not in paragraph.strip()
        and len(sentence_spans(paragraph)) <= 2  # noqa: PLR2004 - "Figure 3. Sales by month."
    )


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


def _is_chart(page: Page, region: _Region) -> bool:
    return region.figure is not None and page.figures[region.figure].table is not None


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
