"""From claims to the answer that people read: markers in the text, a citation for each.

Laws: every marker `[n]` in the text has exactly one citation and every citation a marker,
numbered from 1 in order of first appearance; every quote is verbatim text of its chunk.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from mmrag.text.display import BRACKETED_NUMBER
from mmrag.text.words import is_chinese
from mmrag.types import Citation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mmrag.types import Claim, Hit, Prompt

_NEAREST = 3
_NEAREST_QUOTE_CHARS = 300

_LETTER = re.compile(r"[^\W\d_]")


def cite(
    claims: Sequence[Claim], prompt: Prompt, *, unanswered: Sequence[str] = ()
) -> tuple[str, tuple[Citation, ...]]:
    """The text with markers after each sentence, and its citations, one for each cited chunk.

    Without claims: an abstention and the nearest sources. A citation's quote is the stretch
    of its chunk from the first to the last span that any sentence cites.
    """
    if not claims:
        return abstention_text(prompt.question), nearest_sources(prompt.hits)
    markers: dict[int, int] = {}  # hit -> marker
    sentences: list[str] = []
    for claim in claims:
        cited = dict.fromkeys(quote.hit for quote in claim.support)
        shown = "".join(f"[{markers.setdefault(hit, len(markers) + 1)}]" for hit in cited)
        sentences.append(f"{neutral(claim.text)} {shown}")
    sentences += [_left_open(neutral(part), prompt.question) for part in unanswered]
    return " ".join(sentences), tuple(
        _citation(prompt.hits[hit], marker, *_stretch(claims, hit)) for hit, marker in markers.items()
    )


def nearest_sources(hits: Sequence[Hit], *, limit: int = _NEAREST) -> tuple[Citation, ...]:
    """Citations of the best hits of different documents: where to look further after an abstention."""
    nearest: dict[tuple[str, str], Hit] = {}
    for hit in hits:
        if hit.origin != "thread" and hit.chunk.text.strip():
            nearest.setdefault((hit.chunk.document_id, hit.title), hit)
    return tuple(
        _citation(hit, marker, 0, _word_end(hit.chunk.text, _NEAREST_QUOTE_CHARS))
        for marker, hit in enumerate(list(nearest.values())[:limit], start=1)
    )


def abstention_text(question: str) -> str:
    """What is said instead of an answer, in the question's language."""
    if is_chinese(question):
        return "在现有的文档中，我没有找到这个问题的答案。"
    return "I could not find an answer to this in the documents I have."


def _left_open(part: str, question: str) -> str:
    if is_chinese(question):
        return f"关于“{part}”，没有找到答案。"
    return f"I found no answer to “{part}”."


def neutral(text: str) -> str:
    """Text of a claim without what could be taken for a marker: `[1]` becomes `(1)`, `[B2]` stays."""
    return BRACKETED_NUMBER.sub(
        lambda match: match.group() if _LETTER.search(match[1]) else f"({match[1]})", text
    )


def _stretch(claims: Sequence[Claim], hit: int) -> tuple[int, int]:
    quotes = [quote for claim in claims for quote in claim.support if quote.hit == hit]
    return min(quote.start for quote in quotes), max(quote.end for quote in quotes)


def _citation(hit: Hit, marker: int, start: int, end: int) -> Citation:
    stored = hit.origin == "collection"
    return Citation(
        marker=marker,
        document_id=hit.chunk.document_id if stored else None,
        title=hit.title,
        page=None if hit.origin == "thread" else hit.chunk.page,
        uri=hit.uri if stored else None,
        quote=hit.chunk.text[start:end],
        chunk_id=hit.chunk.id if stored else None,
        image=hit.chunk.image,
        origin=hit.origin,
    )


def _word_end(text: str, most: int) -> int:
    """Where to cut so that no English word is cut in two."""
    if len(text) <= most:
        return len(text)
    space = text.rfind(" ", most // 2, most)
    return space if space > 0 else most
