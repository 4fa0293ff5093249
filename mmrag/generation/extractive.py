"""The extractive generator: an answer made of the evidence's own sentences and table cells.

    a correction of just this question -> tables and charts, by code -> sentences that answer

It says nothing that does not stand in the evidence, and nothing at all where the evidence
does not answer. Text that gives orders is text like any other.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING

from mmrag.generation.answering import Answering
from mmrag.generation.asked import understand
from mmrag.generation.corrections import corrected
from mmrag.generation.lookup import look_up
from mmrag.generation.passages import sentences
from mmrag.generation.scoring import score
from mmrag.ports import unheard
from mmrag.text.evidence import evidence
from mmrag.text.numbers import numbers
from mmrag.text.words import words
from mmrag.types import Claim, Draft, Quote

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from mmrag.generation.asked import Asked
    from mmrag.generation.passages import Sentence
    from mmrag.generation.scoring import Scored
    from mmrag.ports import ClaimListener, Embedder
    from mmrag.text.numbers import Number
    from mmrag.types import Hit, Prompt

_MOST_CLAIMS = 4
_MOST_SENTENCES = 3  # of one part of the question
_GOOD_AS_BEST = 0.75  # of the best sentence's likelihood: another one that is worth saying
_DUPLICATE = 0.7  # shared share of the shorter sentence's words


class ExtractiveGenerator:
    """Composes answers from sentences and cells. Implements `ports.Generator`."""

    name = "extractive"
    version = "5"

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder

    @property
    def model(self) -> str:
        return self._embedder.name

    def generate(self, prompt: Prompt, *, drafted: ClaimListener = unheard) -> Draft:
        prompt = replace(prompt, hits=evidence(prompt.hits))
        correction = corrected(prompt, self._embedder)
        for claim in correction:
            drafted(claim)
        if correction:
            return Draft(correction)
        found = tuple(chain.from_iterable(sentences(number, hit) for number, hit in enumerate(prompt.hits)))
        claims: list[Claim] = []
        unanswered: list[str] = []
        for asked in dict.fromkeys(understand(prompt)):  # each part is said before the next is looked for
            answer = self._answer(asked, prompt.hits, found)
            if not answer:
                unanswered.append(asked.text)
            for claim in answer:
                if len(claims) < _MOST_CLAIMS and not _is_said(claim, claims):
                    claims.append(claim)
                    drafted(claim)
        return Draft(tuple(claims), tuple(unanswered) if claims else ())

    def close(self) -> None:
        """The embedder is the engine's; it holds nothing of its own."""

    def _answer(self, asked: Asked, hits: Sequence[Hit], found: Sequence[Sentence]) -> tuple[Claim, ...]:
        read = look_up(asked, hits)
        if read and any(hits[quote.hit].origin == "attachment" for quote in read[0].support):
            return read
        answering = Answering(asked, hits)
        quotable = [sentence for sentence in found if answering.concerns(sentence)]
        scored = score(asked, hits, quotable, self._embedder)
        if not scored or not answering.answers(scored[0]):
            return read
        # A sentence that says all of it reads better than a cell of a stored table.
        if read and not asked.topic <= scored[0].covered:
            return read
        chosen = _composed(answering, scored, quotable, title=hits[scored[0].sentence.hit].title)
        chosen += _contradicting(asked, answering, scored, chosen, hits)
        return tuple(
            Claim(sentence.text, tuple(Quote(sentence.hit, *span) for span in sentence.spans))
            for sentence in chosen
        )


def _composed(
    answering: Answering, scored: Sequence[Scored], found: Sequence[Sentence], *, title: str
) -> list[Sentence]:
    """The best sentence, what it leans on, and what adds to it.

    What the best one's source has in its `title` goes without saying: a report by Nike need not
    say Nike in each sentence.
    """
    best = scored[0]
    chosen = _with_what_it_leans_on(best.sentence, found)
    covered = {*best.covered, *words(title)}
    for other in scored[1:]:
        good = other.likelihood >= _GOOD_AS_BEST * best.likelihood and answering.answers(other)
        if (
            good
            and other.covered - covered
            and other.sentence not in chosen
            and len(chosen) < _MOST_SENTENCES
        ):
            chosen.append(other.sentence)
            covered |= other.covered
    return chosen


def _contradicting(
    asked: Asked,
    answering: Answering,
    scored: Sequence[Scored],
    chosen: Sequence[Sentence],
    hits: Sequence[Hit],
) -> list[Sentence]:
    """The best sentence of another document that says the same of other numbers, where a number is asked for.

    Whoever reads sees both with their sources; which of them is right, no sentence tells.
    """
    if asked.kind not in {"number", "date"}:
        return []
    best = scored[0]
    for other in scored[1:]:
        if (
            other.sentence not in chosen
            and hits[other.sentence.hit].chunk.document_id != hits[best.sentence.hit].chunk.document_id
            and best.covered <= other.covered
            and answering.answers(other)
            and _says_the_same(_without_numbers(best.sentence.text), _without_numbers(other.sentence.text))
            and _own_numbers(asked, best.sentence).isdisjoint(_own_numbers(asked, other.sentence))
            and _own_numbers(asked, other.sentence)
        ):
            return [other.sentence]
    return []


def _own_numbers(asked: Asked, sentence: Sentence) -> frozenset[Number]:
    return frozenset(numbers(sentence.text)) - frozenset(numbers(asked.text))


def _without_numbers(text: str) -> str:
    return " ".join(word for word in words(text) if not numbers(word))


def _with_what_it_leans_on(sentence: Sentence, found: Sequence[Sentence]) -> list[Sentence]:
    """A sentence, after the one before it if it begins with "It" or 该 and both are under one heading."""
    if not sentence.depends:
        return [sentence]
    before = [
        other
        for other in found
        if (other.hit, other.position, other.lead) == (sentence.hit, sentence.position - 1, sentence.lead)
    ]
    return [*before, sentence]


def _is_said(claim: Claim, claims: Iterable[Claim]) -> bool:
    """Whether one of these says the same, with all its numbers."""
    return any(
        _says_the_same(claim.text, other.text)
        and frozenset(numbers(claim.text)) <= frozenset(numbers(other.text))
        for other in claims
    )


def _says_the_same(one: str, other: str) -> bool:
    ours, theirs = frozenset(words(one)), frozenset(words(other))
    return len(ours & theirs) >= _DUPLICATE * min(len(ours), len(theirs))
