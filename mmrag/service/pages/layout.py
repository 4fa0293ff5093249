"""A page's canonical text as blocks that a browser lays out, with the quoted words marked.

Pure functions. Law: the blocks hold every character of the text but white space at the edges of lines,
the bars between cells and the signs before items, in order, each once; the marked ones are those of
the quote.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import TYPE_CHECKING, Literal

from mmrag.text.display import neutralise, one_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mmrag.ports import StoredPage
    from mmrag.types import Citation

Kind = Literal["heading", "paragraph", "items", "table", "picture"]

_GAP = re.compile(r"\n[ \t]*\n\s*")
_ITEM = re.compile(r"\s*[-*•‣▪–]\s+")
_BAR = " | "
_HEADING_CHARS = 200
_FEWEST_ROWS = 2
_DEEPEST_HEADING = 4


@dataclass(frozen=True, slots=True)
class Run:
    """Text that is quoted or not; `first` and `last` where the whole quote begins and ends."""

    text: str
    quoted: bool = False
    first: bool = False
    last: bool = False


Line = tuple[Run, ...]


@dataclass(frozen=True, slots=True)
class Block:
    """A piece of a page.

    `lines` are those of a heading, a paragraph, or the items of a list; `rows` are cells of a table, the
    first row its header; a picture has a `name` and the `parts` that were read in it.
    """

    kind: Kind
    lines: tuple[Line, ...] = ()
    rows: tuple[tuple[Line, ...], ...] = ()
    level: int = 0
    name: str = ""
    parts: tuple[Block, ...] = ()

    @property
    def quoted(self) -> bool:
        """Whether any of it is quoted."""
        lines = [*self.lines, *(cell for row in self.rows for cell in row)]
        return any(run.quoted for line in lines for run in line) or any(part.quoted for part in self.parts)

    @property
    def text(self) -> str:
        """All that can be read in it, on one line."""
        lines = [*self.lines, *(cell for row in self.rows for cell in row)]
        return one_line(
            " ".join(
                ["".join(run.text for run in line) for line in lines] + [part.text for part in self.parts]
            )
        )


@dataclass(frozen=True, slots=True)
class Quote:
    """The place of the quoted words in the page's text, and the picture that is cited, if one is."""

    start: int
    end: int
    image: str | None = None


NOTHING = Quote(0, 0)


def find_quote(page: StoredPage, citation: Citation) -> Quote:
    """Where the quote stands; of several places that closest to the chunk that was cited."""
    if not citation.quote:
        return Quote(0, 0, citation.image)
    places = [match.start() for match in re.finditer(re.escape(citation.quote), page.text)]
    if not places:
        return Quote(0, 0, citation.image)
    cited = next((chunk.start for chunk in page.chunks if chunk.id == citation.chunk_id), 0)
    start = min(places, key=lambda place: abs(place - cited))
    return Quote(start, start + len(citation.quote), citation.image)


def lay_out(page: StoredPage, quote: Quote = NOTHING) -> tuple[Block, ...]:
    """The page from top to bottom."""
    return tuple(_Layout(page, quote).blocks())


class _Layout:
    def __init__(self, page: StoredPage, quote: Quote) -> None:
        self._text = page.text
        self._quote = quote
        self._pictures = _pictures(page)
        self._levels = _heading_levels(page)
        self._begun = False  # whether any of the quote has been laid out

    def blocks(self) -> Iterator[Block]:
        written = 0
        for name, (start, end) in self._pictures:
            yield from self._flow(written, start)
            yield Block("picture", name=name, parts=tuple(self._flow(max(start, written), end)))
            written = max(written, end)
        yield from self._flow(written, len(self._text))

    def _flow(self, start: int, end: int) -> Iterator[Block]:
        """Blocks of running text: what blank lines part, and tables within."""
        while start < end:
            gap = _GAP.search(self._text, start, end)
            stop = gap.start() if gap else end
            yield from self._piece(start, stop)
            start = gap.end() if gap else end

    def _piece(self, start: int, end: int) -> Iterator[Block]:
        lines = list(self._lines(start, end))
        (heading,) = lines[:1] if len(lines) == 1 else [(0, 0)]
        level = self._levels.get(one_line(self._text[slice(*heading)]))
        if level is not None:
            yield Block("heading", (self._runs(*heading),), level=level)
            return
        for kind, group in groupby(lines, self._kind):
            yield from self._group(kind, list(group))

    def _group(self, kind: Kind, lines: Sequence[tuple[int, int]]) -> Iterator[Block]:
        if kind == "table" and len(lines) >= _FEWEST_ROWS:
            yield Block("table", rows=tuple(tuple(self._cells(*line)) for line in lines))
        elif kind == "items":
            yield Block("items", tuple(self._runs(self._behind_sign(*line), line[1]) for line in lines))
        else:
            yield Block("paragraph", tuple(self._runs(*line) for line in lines))

    def _kind(self, line: tuple[int, int]) -> Kind:
        start, end = line
        if _BAR in self._text[start:end]:
            return "table"
        return "items" if _ITEM.match(self._text, start, end) else "paragraph"

    def _behind_sign(self, start: int, end: int) -> int:
        match = _ITEM.match(self._text, start, end)
        return match.end() if match else start

    def _lines(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        for match in re.compile(r"[^\n]+").finditer(self._text, start, end):
            line = match.group()
            if line.strip():
                left = len(line) - len(line.lstrip())
                yield match.start() + left, match.end() - (len(line) - len(line.rstrip()))

    def _cells(self, start: int, end: int) -> Iterator[Line]:
        while True:
            bar = self._text.find(_BAR, start, end)
            yield self._runs(start, end if bar < 0 else bar)
            if bar < 0:
                return
            start = bar + len(_BAR)

    def _runs(self, start: int, end: int) -> Line:
        quote = self._quote
        cuts = sorted({start, end, *(cut for cut in (quote.start, quote.end) if start < cut < end)})
        return tuple(self._run(a, b) for a, b in pairwise(cuts))

    def _run(self, start: int, end: int) -> Run:
        text = neutralise(self._text[start:end])
        if not (self._quote.start <= start and end <= self._quote.end):
            return Run(text)
        first, self._begun = not self._begun, True
        return Run(text, quoted=True, first=first, last=not self._text[end : self._quote.end].strip(" |\n\t"))


def _pictures(page: StoredPage) -> list[tuple[str, tuple[int, int]]]:
    """The stored pictures in the order of their places, each with what was read in it."""
    places: dict[str, tuple[int, int]] = {}
    for chunk in page.chunks:
        if chunk.image is not None:
            start, end = places.get(chunk.image, (chunk.start, chunk.end))
            places[chunk.image] = min(start, chunk.start), max(end, chunk.end)
    return sorted(places.items(), key=lambda item: item[1])


def _heading_levels(page: StoredPage) -> dict[str, int]:
    """Titles of headings, as the contexts of the page's chunks name them, with their level from 2."""
    levels: dict[str, int] = {}
    for chunk in page.chunks:
        path = chunk.context.split("\n")[0].split(" > ")
        for depth, title in enumerate(path[1:], start=2):
            if 0 < len(title) <= _HEADING_CHARS:
                levels.setdefault(one_line(title), min(depth, _DEEPEST_HEADING))
    return levels
