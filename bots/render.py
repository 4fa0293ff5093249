"""An answer as a neutral layout, and foreign text made harmless. Pure functions.

A platform's adapter turns the layout into its own blocks, escapes what its markup would act
on and splits at its limits. This module knows no platform; what it returns is already free of
characters that act on a terminal or hide: control characters, bidi controls, invisible ones.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from mmrag.text.display import neutralise, one_line, shorten, shorten_quote
from mmrag.types import Answer, Generation

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mmrag.types import Citation, Said, Unread

SNIPPET_CHARS = 160

_WEB = re.compile("https?://")
_LINK = re.compile("(?:https?|file)://", re.IGNORECASE)
_MARKER = re.compile(r"\[(\d{1,4})\]")
_SECOND_MS = 1000


@dataclass(frozen=True, slots=True)
class Marker:
    """A reference to a source, where it stands in the text."""

    number: int


@dataclass(frozen=True, slots=True)
class SourceLine:
    """A cited source. `place` says where in it, or how it came along; `link` is safe to follow."""

    marker: int
    title: str
    place: str
    link: str | None
    snippet: str


@dataclass(frozen=True, slots=True)
class Layout:
    """An answer's parts in the order in which they are shown.

    A paragraph is text with markers in between. `notes` name what could not be read; `footer`
    says who answered and how long it took.
    """

    paragraphs: tuple[tuple[str | Marker, ...], ...]
    sources_heading: str
    sources: tuple[SourceLine, ...]
    notes: tuple[str, ...]
    footer: str


def lay_out(answer: Answer) -> Layout:
    """Everything that is shown of an answer."""
    markers = frozenset(citation.marker for citation in answer.citations)
    paragraphs = re.split(r"\n[ \t]*\n", neutralise(answer.text).strip())
    return Layout(
        paragraphs=tuple(_spans(paragraph.strip("\n"), markers) for paragraph in paragraphs),
        sources_heading="Nearest in the documents" if answer.abstained else "Sources",
        sources=tuple(_source_line(citation, nearest=answer.abstained) for citation in answer.citations),
        notes=tuple(_note(unread) for unread in answer.unread),
        footer=_footer(answer),
    )


def so_far(said: Sequence[Said]) -> Answer:
    """What is certain already of an answer, as an answer that says no more."""
    cited = {citation.marker: citation for sentence in said for citation in sentence.citations}
    return Answer(
        id=said[0].answer_id,
        text=" ".join(sentence.text for sentence in said),
        abstained=False,
        citations=tuple(cited.values()),
        unread=(),
        cached=False,
        generation=Generation("", "", ""),
        timings_ms={},
    )


def safe_link(uri: str | None) -> str | None:
    """The URI percent-encoded where it may be a link, else None: no scheme that runs or hides."""
    if not uri or not _LINK.match(uri):
        return None
    try:
        urlsplit(uri)
    except ValueError:  # not a URI at all, e.g. an unclosed bracket in its host
        return None
    return quote(uri, safe="/:?#[]@!$&'()*+,;=%~", errors="replace")


def web_links(layout: Layout, *, most: int) -> dict[int, str | None]:
    """{marker: link} of sources; None where it is too long, or a file on our own disk: nobody's business."""
    return {
        source.marker: source.link
        if source.link is not None and _WEB.match(source.link) and len(source.link) <= most
        else None
        for source in layout.sources
    }


def fitting(lines: Sequence[str], most: int, *, length: Callable[[str], int] = len) -> str:
    """As many lines as there is room for, and how many there are beyond."""
    shown: list[str] = []
    for number, line in enumerate(lines):
        rest = f"… and {len(lines) - number:,} more"
        if sum(length(each) + 1 for each in shown) + length(line) + length(rest) + 1 > most:
            return "\n".join([*shown, rest])
        shown.append(line)
    return "\n".join(shown)


def duration(milliseconds: float) -> str:
    """A time as people read it: "4 ms", "1.2 s"."""
    whole = max(1, round(milliseconds))
    return f"{whole} ms" if whole < _SECOND_MS else f"{milliseconds / _SECOND_MS:.1f} s"


def _spans(paragraph: str, markers: frozenset[int]) -> tuple[str | Marker, ...]:
    """Text and markers; a bracketed number that cites nothing stays text."""
    spans: list[str | Marker] = []
    shown = 0
    for match in _MARKER.finditer(paragraph):
        number = int(match[1])
        if number not in markers:
            continue
        spans += [paragraph[shown : match.start()], Marker(number)]
        shown = match.end()
    spans.append(paragraph[shown:])
    return tuple(span for span in spans if span)


def _source_line(citation: Citation, *, nearest: bool) -> SourceLine:
    shortened = shorten if nearest else shorten_quote  # of what is merely near, only the beginning is shown
    return SourceLine(
        marker=citation.marker,
        title=one_line(citation.title),
        place=_place(citation),
        link=safe_link(citation.link or citation.uri),
        snippet=shortened(one_line(citation.quote), SNIPPET_CHARS),
    )


def _place(citation: Citation) -> str:
    if citation.origin == "thread":
        return "this thread"
    parts = []
    if citation.page is not None:
        parts.append(f"page {citation.page}")
    if citation.origin == "attachment":
        parts.append("attached")
    return ", ".join(parts)


def _note(unread: Unread) -> str:
    reason = one_line(unread.reason)
    return f"{one_line(unread.name)} was not used. {reason[:1].upper()}{reason[1:]}"


def _footer(answer: Answer) -> str:
    total = answer.timings_ms.get("total")
    if answer.cached:
        return "from the cache" if total is None else f"from the cache in {duration(total)}"
    name = one_line(answer.generation.generator)
    if answer.generation.note:
        name = f"{name}, since {one_line(answer.generation.note)}"
    return name if total is None else f"{name} · {duration(total)}"
