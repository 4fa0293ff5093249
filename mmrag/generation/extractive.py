"""The extractive generator: an answer made of the evidence's own sentences and table cells.

    a correction of just this question -> tables and charts, by code -> sentences that answer

It says nothing that does not stand in the evidence, and nothing at all where the evidence
does not answer. Text that gives orders is text like any other.
"""

from __future__ import annotations

import re
from itertools import chain
from typing import TYPE_CHECKING

from mmrag.generation.asked import states_what_is_derived, understand
from mmrag.generation.corrections import corrected
from mmrag.generation.lookup import look_up
from mmrag.generation.passages import sentences
from mmrag.generation.scoring import answers, score
from mmrag.text.numbers import numbers
from mmrag.text.words import normalise, words
from mmrag.types import Claim, Draft, Quote

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from mmrag.generation.asked import Asked
    from mmrag.generation.passages import Sentence
    from mmrag.generation.scoring import Scored
    from mmrag.ports import Embedder
    from mmrag.text.numbers import Number
    from mmrag.types import Hit, Prompt

_MOST_CLAIMS = 4
_MOST_SENTENCES = 3  # of one part of the question
# Where the likelihoods of answering and of not answering weigh the same, see scoring.
_ANSWERS = 0.5
_NAMED = 0.5  # share of a question's names that a passage must know; the likelihood weighs the others
_SHARED = 0.3  # of the topic's weight that a passage must hold where nothing was asked before
_GOOD_AS_BEST = 0.75  # of the best sentence's likelihood: another one that is worth saying
_ROW_NAMED = 0.5  # share of a row's name that a question must hold for its numbers to answer
# Put together from several cells: a row of them does not say it.
_PUT_TOGETHER = (
    re.compile(r"\btotal\b|\bsum of\b|合计|总计|总共"),
    re.compile(r"\bhow many (?:\w+ )*(?:exceed|were (?:above|below|over|under))"),
    re.compile(r"\bpercentage\b|\bproportion\b|%|占比|百分"),
    re.compile(r"\bchanged?\b|\bdifference\b|变化|相差"),
)
_DUPLICATE = 0.7  # shared share of the shorter sentence's words


class ExtractiveGenerator:
    """Composes answers from sentences and cells. Implements `ports.Generator`."""

    name = "extractive"
    version = "3"

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder

    @property
    def model(self) -> str:
        return self._embedder.name

    def generate(self, prompt: Prompt) -> Draft:
        correction = corrected(prompt, self._embedder)
        if correction:
            return Draft(correction)
        parts = understand(prompt)
        found = tuple(chain.from_iterable(sentences(number, hit) for number, hit in enumerate(prompt.hits)))
        answers_to = {asked: self._answer(asked, prompt.hits, found) for asked in parts}
        claims = _without_duplicates(chain.from_iterable(answers_to.values()))
        unanswered = tuple(asked.text for asked, said in answers_to.items() if not said)
        return Draft(tuple(claims)[:_MOST_CLAIMS], unanswered if claims else ())

    def close(self) -> None:
        """The embedder is the engine's; it holds nothing of its own."""

    def _answer(self, asked: Asked, hits: Sequence[Hit], found: Sequence[Sentence]) -> tuple[Claim, ...]:
        read = look_up(asked, hits)
        if read and any(hits[quote.hit].origin == "attachment" for quote in read[0].support):
            return read
        quotable = [sentence for sentence in found if _is_row_asked_for(asked, sentence)]
        scored = score(asked, hits, quotable, self._embedder)
        nearest = max((one.features.similarity or 0.0 for one in scored), default=0.0) or None
        if not scored or not _is_answered(asked, scored[0], nearest):
            return read
        # A sentence that says all of it reads better than a cell of a stored table.
        if read and not asked.topic <= scored[0].covered:
            return read
        chosen = _composed(asked, scored, quotable, title=hits[scored[0].sentence.hit].title)
        chosen += _contradicting(asked, scored, chosen, hits)
        return tuple(
            Claim(sentence.text, tuple(Quote(sentence.hit, *span) for span in sentence.spans))
            for sentence in chosen
        )


def _is_answered(asked: Asked, best: Scored, nearest: float | None = None) -> bool:
    """Whether the best sentence answers: its passage knows the names, and nothing has to be worked out.

    Codes and numbers are all to be known: an answer about 2021 is none about 2022.

    A follow-up is answered by what it asks itself, not by what was asked before it alone.
    """
    features = best.features
    is_about_it = not (asked.background and asked.topic) or bool(asked.topic & best.covered)
    return (
        is_about_it
        and features.named >= _NAMED
        and (bool(asked.background) or features.similarity is None or _is_shared(asked, best))
        and features.numbered == 1
        and features.kind >= 0
        and answers(features, nearest=nearest) >= _ANSWERS
        and states_what_is_derived(asked.text, f"{best.sentence.lead} {best.sentence.text}")
    )


def _is_shared(asked: Asked, best: Scored) -> bool:
    """Whether enough of the topic is there, by weight or, where all sentences are alike, by number."""
    covered = best.covered & asked.topic
    return best.features.near >= _SHARED or 2 * len(covered) >= len(asked.topic)


def _is_row_asked_for(asked: Asked, sentence: Sentence) -> bool:
    """Whether the question names a table's row: staff is not the shops that admit "employees only"."""
    if sentence.row is None:
        return True
    label = frozenset(words(sentence.row))
    if any(
        asks.search(normalise(asked.text)) and not asks.search(normalise(sentence.text))
        for asks in _PUT_TOGETHER
    ):
        return False
    return len(label & frozenset(words(asked.text))) >= _ROW_NAMED * len(label)


def _composed(
    asked: Asked, scored: Sequence[Scored], found: Sequence[Sentence], *, title: str
) -> list[Sentence]:
    """The best sentence, what it leans on, and what adds to it.

    What the best one's source has in its `title` goes without saying: a report by Nike need not
    say Nike in each sentence.
    """
    best = scored[0]
    chosen = _with_what_it_leans_on(best.sentence, found)
    covered = {*best.covered, *words(title)}
    for other in scored[1:]:
        good = other.likelihood >= _GOOD_AS_BEST * best.likelihood and _is_answered(asked, other)
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
    asked: Asked, scored: Sequence[Scored], chosen: Sequence[Sentence], hits: Sequence[Hit]
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
            and _is_answered(asked, other)
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


def _without_duplicates(claims: Iterable[Claim]) -> list[Claim]:
    kept: list[Claim] = []
    for claim in claims:
        if not any(
            _says_the_same(claim.text, other.text)
            and frozenset(numbers(claim.text)) <= frozenset(numbers(other.text))
            for other in kept
        ):
            kept.append(claim)
    return kept


def _says_the_same(one: str, other: str) -> bool:
    ours, theirs = frozenset(words(one)), frozenset(words(other))
    return len(ours & theirs) >= _DUPLICATE * min(len(ours), len(theirs))
