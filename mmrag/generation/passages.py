"""The sentences of the evidence, each with the exact spans it is made of.

Headings, questions (of an FAQ) and introductions are no answers: they lead the sentences
below them. A list belongs to the sentence that introduces it. It knows no question.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mmrag.generation.grids import parse_grid
from mmrag.text.chart_text import AXES
from mmrag.text.sentences import leans_on_the_one_before, sentence_spans
from mmrag.text.words import HAN, is_chinese

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mmrag.generation.grids import Grid
    from mmrag.types import Hit

_HEADING_CHARS = 80  # a longer line without a full stop is text, not a heading
_LIST_CHARS = 500  # of a list that goes with its introduction
_WIDE_ROW = 6  # cells; a wider row does not read as a sentence
_FEWEST_WORDS = 3  # an axis tick or a lone label says nothing

_WORDS_OF_A_STATEMENT = 6  # in a picture; a shorter line with a number is a label beside its value

_FOOTNOTE = re.compile(
    r"\W*(?:(?:sources?|notes?)\s?:|see\b)|\W*(?:(?:资料|数据)?来源|注)[:：]", re.IGNORECASE
)
_YEAR = re.compile(r"\b(?:19|20)\d\d\b")
_BULLET = re.compile(
    r"(?:[-*•·▪●◦‣–—>]+|\(?\d{1,2}[.)、]|[（(][一二三四五六七八九十\d]+[)）])(?:\s+|(?=[^\s\d]))"
)
_LABEL = re.compile(r"(?:A|Answer|答|回答)\s*[:：]\s*")
_MARKUP = re.compile(r"\*\*|__|`+|^#+\s*|\s*\|\s*$|^\s*\|\s*|^[>\s]+", re.MULTILINE)
_ENDING = re.compile(r"[.!?…。！？；;][\"'”’)\]」』）]*$")
_INTRODUCES = re.compile(r"[?？][\"'”’)\]」』）]*$|[:：]$")  # a question, or what went on in a table
# Who asks in a thread states nothing: "Explain in brief how it works", "I need some help with it".
_REQUEST = re.compile(
    r"(?:(?:please|ok|and|so|also|but|sorry|hi|hello)\b[\s,.]*)*"
    r"(?:(?:what|which|how|when|who|whose|where|why|explain|tell|show|list|describe|give|summari[sz]e|compare|find"
    r"|is|are|was|were|do|does|did|can|could|will|would|shall|should|may|has|have|had)\b"
    r"|i(?: am|['’]m)? (?:also )?(?:(?:would |['’]d )?like|need|want|mean|meant|wonder|wondering|ask|asking|talking"
    r"|looking|interested|trying|planning)\b|i have (?:a|some|one|another) questions?\b)|请|告诉我|解释|介绍|说说|列出|我想|我要",
    re.IGNORECASE,
)
_CONTENTS = re.compile(r"(?:\.\s?){6,}\d+\.?$")  # a line of a table of contents
_COPYRIGHT = re.compile(r"\W*(?:©|copyright\b)", re.IGNORECASE)
_HAN_BREAK = re.compile(rf"(?<=[{HAN}，。、；：！？）」])\s*\n\s*(?=[{HAN}（「])")


@dataclass(frozen=True, slots=True)
class Sentence:
    """Something the evidence says: `spans` in the text of hit number `hit`, and how it reads, tidied.

    `lead` is the heading or question above it. `depends` if it can't be understood without
    the sentence before; `position` counts a hit's sentences.
    """

    hit: int
    position: int
    text: str
    spans: tuple[tuple[int, int], ...]
    lead: str
    depends: bool
    row: str | None = None  # the name of the table row that it is, if its cells are plain numbers


def sentences(number: int, hit: Hit) -> tuple[Sentence, ...]:
    """The sentences of one hit that could be an answer or part of one."""
    grid = parse_grid(hit.chunk)
    found: list[Sentence] = []
    if grid is not None and hit.chunk.kind != "figure":  # a bar alone says nothing; look-up reads charts
        found.extend(_rows(number, grid))
    taken = [(grid.start, grid.end)] if grid is not None else []
    lead = ""
    for start, end in _units(hit.chunk.text):
        if any(start < stop and begin < end for begin, stop in taken):
            continue
        verbatim = hit.chunk.text[start:end]
        if _is_heading(verbatim, hit.chunk.text, end) or _INTRODUCES.search(verbatim):
            lead = verbatim
            continue
        if hit.origin == "thread" and _REQUEST.match(verbatim):
            continue
        text = tidy(verbatim)
        if hit.chunk.kind == "figure" and _is_of_drawing(verbatim):
            continue
        if _says_something(text) and not _repeats_title(text, hit):
            depends = leans_on_the_one_before(text)
            found.append(Sentence(number, len(found), text, ((start, end),), lead, depends))
    return tuple(found)


def tidy(verbatim: str) -> str:
    """A quoted sentence as it reads in an answer: no word is changed, marks of layout are left out."""
    items = [line for line in (_tidy_line(line) for line in _joined(verbatim)) if line]
    if not items:
        return ""
    text = items[0]
    for item in items[1:]:
        text += (" " if text.endswith((":", "：")) else "; ") + item.rstrip(";；")
    if _ENDING.search(text) or text.endswith((":", "：")) or re.search(r"[/@]\S*$", text):
        return text
    return _with_full_stop(text)


def _with_full_stop(text: str) -> str:
    return text + ("。" if is_chinese(text) else ".")


def _joined(verbatim: str) -> list[str]:
    """Lines as they were before they were wrapped: one for each list item."""
    lines: list[str] = []
    for line in _HAN_BREAK.sub("", verbatim).splitlines():
        if not lines or _BULLET.match(line.lstrip()):
            lines.append(line)
        elif line.strip():
            lines[-1] += " " + line.strip()
    return lines


def _tidy_line(line: str) -> str:
    bare = _MARKUP.sub("", line.strip())
    for mark in (_BULLET, _LABEL):
        match = mark.match(bare)  # at the start only: "on-call" and "the answer: no" keep theirs
        bare = bare[match.end() :] if match else bare
    return re.sub(r"\s+", " ", re.sub(r"\s*\|\s*", ", ", bare)).strip()


def _units(text: str) -> Iterator[tuple[int, int]]:
    """Spans of sentences; a list is one with the sentence that introduces it."""
    spans = list(sentence_spans(text))
    index = 0
    while index < len(spans):
        start, end = spans[index]
        index += 1
        if text[end - 1] in ":：":
            while index < len(spans) and _is_listed(text, spans, index, start):
                end = spans[index][1]
                index += 1
        yield start, end


def _is_listed(text: str, spans: Sequence[tuple[int, int]], index: int, start: int) -> bool:
    """Whether the span is an item of the list begun at `start`, or the only thing it introduces."""
    begin, end = spans[index]
    introduced = text[spans[index - 1][1] - 1] in ":：" and "\n\n" not in text[spans[index - 1][1] : begin]
    return end - start <= _LIST_CHARS and (introduced or _BULLET.match(text, begin) is not None)


def _is_heading(verbatim: str, text: str, end: int) -> bool:
    if verbatim.startswith("#"):
        return True
    below = text[end:].lstrip(" \t")
    stands_alone = "\n" not in verbatim and (not below or below.startswith("\n"))
    return (
        stands_alone
        and bool(below.strip())
        and len(verbatim) <= _HEADING_CHARS
        and not _ENDING.search(verbatim)
        and not _BULLET.match(verbatim)
        and not re.search(r"[:：]\s*\S|\d", verbatim)
    )


def _says_something(text: str) -> bool:
    letters = re.findall(rf"[{HAN}]|[^\W\d_]{{2,}}", text)
    return len(letters) >= _FEWEST_WORDS and not _COPYRIGHT.match(text) and not _CONTENTS.search(text)


def _is_of_drawing(verbatim: str) -> bool:
    """What stands in a picture and says nothing by itself: a title, an axis, a label with its value, a footnote."""
    if verbatim.startswith(AXES) or _FOOTNOTE.match(verbatim):
        return True
    if _ENDING.search(verbatim) and not verbatim.endswith(("...", "…", "..")):
        return False
    is_short = len(verbatim.split()) < _WORDS_OF_A_STATEMENT and not is_chinese(verbatim)
    return is_short or not re.search(r"\d", _YEAR.sub("", verbatim))


def _repeats_title(text: str, hit: Hit) -> bool:
    """A title or heading at the head of its own page answers nothing."""
    bare = text.rstrip(".。").casefold()
    titles = (hit.title, *re.split(r"\n| > ", hit.chunk.context), hit.chunk.text.strip().partition("\n")[0])
    is_first_line = hit.chunk.kind == "figure"
    return any(bare == title.strip().casefold() for title in titles[: None if is_first_line else -1])


def _rows(number: int, grid: Grid) -> Iterator[Sentence]:
    """A table's rows as sentences: each cell with the name of its column."""
    lead = grid.caption.text if grid.caption else ""
    rows = [row for row in grid.rows if len(row.cells) < _WIDE_ROW]
    for position, row in enumerate(rows):
        values = [f"{cell.column.text} {cell.text}".strip() for cell in row.cells]
        spans = {span for cell in row.cells for span in (*cell.column.spans, cell.span)} | {*row.label.spans}
        text = f"{row.label.text}: {'; '.join(values)}"
        yield Sentence(
            number,
            position,
            _with_full_stop(text),
            tuple(sorted(spans)),
            lead,
            depends=False,
            row=row.label.text if all(cell.number for cell in row.cells) else None,
        )
