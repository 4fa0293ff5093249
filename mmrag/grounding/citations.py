"""The answer's text with its markers, and the citations they stand for.

Law: markers count from 1 in the order of the text, each has one citation and each citation
is marked; every quote is verbatim text of its chunk.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from mmrag.text.sentences import sentence_spans
from mmrag.text.words import is_chinese
from mmrag.types import Citation

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from mmrag.types import Claim, Hit, Prompt

_NEAREST = 3
_QUOTE_CHARS = 600  # spans of one chunk that are further apart are cited each on their own
_MARKER_LIKE = re.compile(r"[\[［【]\s*(\d+)\s*[\]］】]")

Passage = tuple[int, int, int]  # hit, start, end


def cite(claims: Sequence[Claim], prompt: Prompt) -> tuple[str, tuple[Citation, ...]]:
    """Each claim followed by the markers of what it rests on."""
    passages = _passages(claims)
    markers: dict[Passage, int] = {}
    sentences = []
    for claim in claims:
        own = [_passage_of(passages, quote.hit, quote.start) for quote in claim.support]
        numbers = sorted({markers.setdefault(passage, len(markers) + 1) for passage in own})
        sentences.append(f"{unmarked(claim.text)} {''.join(f'[{number}]' for number in numbers)}")
    citations = tuple(
        _citation(marker, prompt.hits[hit], start, end) for (hit, start, end), marker in markers.items()
    )
    return " ".join(sentences), citations


def unmarked(text: str) -> str:
    """Text of a source that looks like a marker must not be taken for one."""
    return _MARKER_LIKE.sub(r"(\1)", text)


def abstain(prompt: Prompt) -> tuple[str, tuple[Citation, ...]]:
    """That there is no answer, in the question's language, and the nearest sources."""
    return _no_answer(prompt.question), tuple(_nearest(prompt.hits))


def _no_answer(question: str) -> str:
    if is_chinese(question):
        return "在现有的文档中没有找到这个问题的答案。"
    return "I could not find an answer to this in the documents I have."


def _nearest(hits: Sequence[Hit]) -> Iterable[Citation]:
    """The best passage of each of the first few documents."""
    best: dict[str, Hit] = {}
    for hit in hits:
        if hit.origin == "collection":
            best.setdefault(hit.chunk.document_id, hit)
    for marker, hit in enumerate(list(best.values())[:_NEAREST], start=1):
        spans = sentence_spans(hit.chunk.text)
        start, end = spans[0] if spans else (0, 0)
        yield _citation(marker, hit, start, min(end, start + _QUOTE_CHARS))


def _passages(claims: Sequence[Claim]) -> tuple[Passage, ...]:
    """The quoted spans, those close together in one chunk joined."""
    spans = sorted({(quote.hit, quote.start, quote.end) for claim in claims for quote in claim.support})
    joined: list[Passage] = []
    for hit, start, end in spans:
        if joined and joined[-1][0] == hit:
            _, begin, stop = joined[-1]
            if start < stop or max(end, stop) - begin <= _QUOTE_CHARS:
                joined[-1] = (hit, begin, max(end, stop))
                continue
        joined.append((hit, start, end))
    return tuple(joined)


def _passage_of(passages: Sequence[Passage], hit: int, start: int) -> Passage:
    return next(passage for passage in passages if passage[0] == hit and passage[1] <= start < passage[2])


def _citation(marker: int, hit: Hit, start: int, end: int) -> Citation:
    stored = hit.origin == "collection"
    return Citation(
        marker=marker,
        document_id=hit.chunk.document_id if stored else None,
        title=hit.title,
        page=None if hit.origin == "thread" else hit.chunk.page,
        uri=hit.uri or None,
        quote=hit.chunk.text[start:end],
        chunk_id=hit.chunk.id if stored else None,
        image=hit.chunk.image,
        origin=hit.origin,
    )
