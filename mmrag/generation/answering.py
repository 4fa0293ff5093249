"""Whether a sentence answers at all, or is merely near the question: otherwise nothing is said.

    names, codes and numbers known -> the kind of answer asked for shown -> near enough

It knows sentences and questions only.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mmrag.generation.asked import states_what_is_derived
from mmrag.generation.naming import Evidence, choices, named
from mmrag.text.words import normalise, words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mmrag.generation.asked import Asked
    from mmrag.generation.passages import Sentence
    from mmrag.generation.scoring import Features, Scored
    from mmrag.types import Hit

_VERB = r"(?:do|does|did|can|could|will|would|should|shall|may|might|must)"
_ARTICLES = r"(?:(?:the|an?|all|any|some|most|every|each|our|your|my|their)\s+)*"
# Of whom something is asked: "Do DOGS cook?", "Why could all PEOPLE fly?", "Is SUGAR sweet?"
_SUBJECT = re.compile(
    rf"(?:(?:^|\b(?:why|how|where|when|often|and|but|so|then),?\s+){_VERB}|^(?:is|are|was|were|has|have|had))"
    rf"(?:n['’]t)?\s+{_ARTICLES}([a-z][\w'’-]*)",
    re.IGNORECASE,
)

LIKELY = 0.5  # where the likelihoods of answering and of not answering weigh the same
_NAMED = 0.5  # share of a question's names that the passage itself must know; its document knows all
_SHARED = 0.3  # of the topic's weight that a passage must hold where nothing was asked before
_ROW_NAMED = 0.5  # share of a row's name that a question must hold for its numbers to answer
# Put together from several cells: a row of them does not say it.
_PUT_TOGETHER = (
    re.compile(r"\btotal\b|\bsum of\b|合计|总计|总共"),
    re.compile(r"\bhow many (?:\w+ )*(?:exceed|were (?:above|below|over|under))"),
    re.compile(r"\bpercentage\b|\bproportion\b|%|占比|百分"),
    re.compile(r"\bchanged?\b|\bdifference\b|变化|相差"),
)
_LONG = 5  # passages: evidence that is as many of one document and none of another


@dataclass(frozen=True, slots=True)
class Weights:
    """Of a logistic model of what the rules leave; `long` counts where one long document is all there is."""

    bias: float
    similarity: float
    own: float
    near: float
    long: float

    def likelihood(self, features: Features, *, is_long: bool) -> float:
        """How likely a sentence with these features answers."""
        logit = (
            self.bias
            + self.similarity * (features.similarity or 0.0)
            + self.own * features.own
            + self.near * features.near
            + self.long * is_long
        )
        return 1 / (1 + math.exp(-logit))


# Fitted by `python -m benchmarks.abstention`, and rounded. Everything in one long document is near a
# question about it: there the names tell, and closeness little. Chinese has no vector: words decide.
BY_MEANING = Weights(bias=-4.1, similarity=5.8, own=0.0, near=2.7, long=2.0)
BY_WORDS = Weights(bias=-1.1, similarity=0.0, own=2.9, near=0.5, long=0.0)


class Answering:
    """Judges the sentences of one prompt for one thing that it asks."""

    def __init__(self, asked: Asked, hits: Sequence[Hit]) -> None:
        self._asked = asked
        self._named = named(asked)
        self._choices = choices(asked.text)
        self._subject = _subject(asked)
        self._pages = [hit.chunk.page for hit in hits]
        documents: defaultdict[tuple[str, str, str], list[Hit]] = defaultdict(list)
        for hit in hits:
            documents[_document(hit)].append(hit)
        whole = {document: Evidence(own) for document, own in documents.items()}
        self._passages = [Evidence([hit]) for hit in hits]
        self._documents = [whole[_document(hit)] for hit in hits]
        found = [hit for hit in hits if hit.origin != "thread"]
        self.is_long = len(found) >= _LONG and len({_document(hit) for hit in found}) == 1

    def concerns(self, sentence: Sentence) -> bool:
        """Whether a sentence may be about what is asked: on the page that is asked about, in the row.

        Staff is not the shops that admit "employees only".
        """
        if self._named.pages and self._pages[sentence.hit] not in self._named.pages:
            return False
        if sentence.row is None:
            return True
        asked, said = normalise(self._asked.text), normalise(sentence.text)
        if any(asks.search(asked) and not asks.search(said) for asks in _PUT_TOGETHER):
            return False
        label = frozenset(words(sentence.row))
        return len(label & frozenset(words(self._asked.text))) >= _ROW_NAMED * len(label)

    def answers(self, one: Scored) -> bool:
        """Whether a sentence answers the question, rather than being merely near it."""
        return not self.rules_out(one) and self.likelihood(one.features) >= LIKELY

    def rules_out(self, one: Scored) -> bool:
        """Whether a sentence can't answer, however near it is.

        Its source does not know the names, it shows another kind of answer, or something has to be
        worked out. A follow-up is answered by what it asks itself, not by what was asked before it alone.
        """
        asked = self._asked
        is_about_it = not (asked.background and asked.topic) or bool(asked.topic & one.covered)
        return not (
            is_about_it
            and (
                self.is_long
                or bool(asked.background)
                or one.features.similarity is None
                or self._is_shared(one)
            )
            and one.features.kind >= 0
            and self._knows_the_names(one)
            and self._names_a_choice(one)
            and self._is_of_the_subject(one)
            and states_what_is_derived(asked.text, f"{one.sentence.lead} {one.sentence.text}")
        )

    def likelihood(self, features: Features) -> float:
        """How likely a sentence with these features answers, if nothing rules it out."""
        weights = BY_WORDS if features.similarity is None else BY_MEANING
        return weights.likelihood(features, is_long=self.is_long)

    def _knows_the_names(self, one: Scored) -> bool:
        """Codes and numbers stand in the passage: an answer about 2021 is none about 2022.

        Names stand in its document, and most of them in the passage.
        """
        passage, document = self._passages[one.sentence.hit], self._documents[one.sentence.hit]
        return (
            all(map(passage.knows, self._named.values))
            and passage.share(self._named.phrases) >= _NAMED
            and document.share(self._named.phrases) == 1
        )

    def _names_a_choice(self, one: Scored) -> bool:
        """Whether a sentence names one of the things to choose from, where a question lists them."""
        if not self._choices:
            return True
        said = frozenset(words(f"{one.sentence.lead} {one.sentence.text}"))
        return any(choice & said for choice in self._choices)

    def _is_of_the_subject(self, one: Scored) -> bool:
        """Whether a passage speaks of whom the question is about, or of all that is asked of them.

        "People cook with a griddle" answers neither whether dogs do, nor what dogs prefer.
        """
        passage = self._passages[one.sentence.hit]
        rest = self._asked.topic - self._subject
        return not self._subject or passage.holds_any(self._subject) or passage.holds_all(rest)

    def _is_shared(self, one: Scored) -> bool:
        """Whether enough of the topic is there, by weight or, where all sentences are alike, by number."""
        covered = one.covered & self._asked.topic
        return one.features.near >= _SHARED or 2 * len(covered) >= len(self._asked.topic)


def _subject(asked: Asked) -> frozenset[str]:
    """The topic words of whom or what is asked about; empty if the question begins otherwise."""
    match = _SUBJECT.search(asked.text)
    return asked.topic.intersection(words(match[1])) if match else frozenset()


def _document(hit: Hit) -> tuple[str, str, str]:
    """What a hit is part of: what was attached or said has no stored document."""
    return hit.origin, hit.chunk.document_id, "" if hit.chunk.document_id else hit.title
