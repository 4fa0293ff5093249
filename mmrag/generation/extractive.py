"""Answers in the evidence's own words: a correction, else a table's cells, else the sentences that answer.

It phrases nothing but the frame around a table's value, and says nothing where no sentence is
likely enough to answer. It knows no index and does not number its sources.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from mmrag.generation.asked import understand
from mmrag.generation.corrections import corrected
from mmrag.generation.lookup import look_up
from mmrag.generation.passages import sentences
from mmrag.generation.scoring import score
from mmrag.types import Claim, Draft, Quote, Turn

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mmrag.generation.passages import Sentence
    from mmrag.generation.scoring import Scored
    from mmrag.ports import Embedder
    from mmrag.types import Prompt

_MOST_SENTENCES = 3
_MOST_PARTS = 3  # of one question; more are answered together, as one
_BESIDE = 0.5  # a further sentence is at least this likely, relative to the first

# "How many came in, and what is the target?" asks twice; "salt and pepper" does not.
_NEXT_PART = re.compile(
    r"(?<=[?？])\s*(?=\S)"
    r"|[,;]?\s+and\s+(?=(?:what|which|who|when|where|why|how)\b)"
    r"|[，；,;]\s*(?=(?:另外|还有|以及|并且)?(?:什么|多少|谁|哪|怎么|如何|为什么|几))",
    re.IGNORECASE,
)


class ExtractiveGenerator:
    """Composes answers from sentences and cells; `embedder` compares questions with sentences."""

    name = "extractive"
    model = "none"
    version = "1"

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder

    def generate(self, prompt: Prompt) -> Draft:
        correction = corrected(prompt, self._embedder)
        if correction:
            return Draft(correction)
        found = [sentence for number, hit in enumerate(prompt.hits) for sentence in sentences(number, hit)]
        claims: dict[str, Claim] = {}
        for part in _parts(prompt):
            for claim in self._answer(part, found):
                claims.setdefault(claim.text, claim)
        return Draft(tuple(claims.values()))

    def _answer(self, prompt: Prompt, found: Sequence[Sentence]) -> tuple[Claim, ...]:
        asked = understand(prompt)
        if not asked.topic and not asked.background:
            return ()  # "and?" names nothing that a sentence could be about
        read = look_up(asked, prompt.hits)
        if read or not found:
            return read
        return tuple(_claims(score(asked, prompt.hits, found, self._embedder), found))


def _parts(prompt: Prompt) -> Iterator[Prompt]:
    """The questions that one message asks; each is a follow-up of the one before."""
    parts = [part.strip() for part in _NEXT_PART.split(prompt.question) if part.strip()]
    if not 1 < len(parts) <= _MOST_PARTS:
        yield prompt
        return
    for number, part in enumerate(parts):
        before = tuple(Turn("user", earlier) for earlier in parts[:number])
        yield replace(prompt, question=part, history=(*prompt.history, *before))


def _claims(scored: Sequence[Scored], found: Sequence[Sentence]) -> Iterator[Claim]:
    """The likeliest sentence if it answers at all, and those that add what it leaves open."""
    best = scored[0]
    if not best.answers:
        return
    said: set[str] = set()
    covered: frozenset[str] = frozenset()
    for one in scored:
        adds = one is best or (
            one.answers and one.likelihood >= _BESIDE * best.likelihood and bool(one.covered - covered)
        )
        if not adds or one.sentence.text in said or len(said) >= _MOST_SENTENCES:
            continue
        covered |= one.covered
        for sentence in (*_introduction(one.sentence, found), one.sentence):
            if sentence.text not in said:
                said.add(sentence.text)
                yield Claim(
                    sentence.text, tuple(Quote(sentence.hit, start, end) for start, end in sentence.spans)
                )


def _introduction(sentence: Sentence, found: Sequence[Sentence]) -> tuple[Sentence, ...]:
    """The sentence before one that can't be understood without it."""
    if not sentence.depends:
        return ()
    before = [
        other
        for other in found
        if other.hit == sentence.hit
        and other.position == sentence.position - 1
        and other.spans < sentence.spans
    ]
    return tuple(before)
