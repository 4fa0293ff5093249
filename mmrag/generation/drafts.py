"""From what a model wrote to claims, which grounding ties to the evidence or drops."""

from __future__ import annotations

import re
from contextlib import closing
from typing import TYPE_CHECKING

from mmrag.generation.prompting import NO_ANSWER
from mmrag.text.display import one_line
from mmrag.text.sentences import sentence_spans
from mmrag.types import Claim, Draft

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator

    from mmrag.ports import ClaimListener

_MOST_CLAIMS = 8
_MARKERS = re.compile(r"\s*[\[【]\s*\d+(?:\s*[,，、-]\s*\d+)*\s*[\]】]")
_ROLES = re.compile(r"^(?:assistant|answer|answered|回答|答案)\s*[:：]\s*", re.IGNORECASE)
_END = re.compile(r"[.!?…。！？；]['\"”’」』）)\]]*$")


def draft_of(claims: Generator[Claim, None, None], drafted: ClaimListener) -> Draft:
    """The draft of claims as they come; where `drafted` raises, who makes them is stopped at once."""
    kept: list[Claim] = []
    with closing(claims):
        for claim in claims:
            drafted(claim)
            kept.append(claim)
    return Draft(tuple(kept))


def claims_of(pieces: Iterable[str], *, cut_off: Callable[[], bool]) -> Generator[Claim, None, None]:
    """The claims of a text that arrives in pieces, each as soon as it is whole.

    They have no support: who phrased freely does not know what it rests on. A model's own source
    numbers are no proof and are left out; so are repetitions, and where the text was `cut_off` at
    the limit of its length, the sentence that has no end.
    """
    said: set[str] = set()
    for sentence, is_last in _sentences(pieces):
        text = _bare(sentence)
        if _says_no(text):
            return
        unfinished = is_last and cut_off() and not _END.search(text)
        if not text or text.casefold() in said or unfinished:
            continue
        said.add(text.casefold())
        yield Claim(text)
        if len(said) >= _MOST_CLAIMS:
            return


def _sentences(pieces: Iterable[str]) -> Iterator[tuple[str, bool]]:
    """Whole sentences, each with whether it is the last; one is whole when the next has begun."""
    text = ""
    for piece in pieces:
        text += piece
        spans = sentence_spans(text)
        for start, end in spans[:-1]:
            yield text[start:end], False
        if len(spans) > 1:
            text = text[spans[-1][0] :]
    spans = sentence_spans(text)
    for number, (start, end) in enumerate(spans, start=1):
        yield text[start:end], number == len(spans)


def _bare(sentence: str) -> str:
    return _ROLES.sub("", one_line(_MARKERS.sub("", sentence))).strip()


def _says_no(text: str) -> bool:
    return any(sentinel.casefold() in text.casefold() for sentinel in NO_ANSWER.values())
