"""How likely a sentence answers a question: shared words, embeddings, the kind of answer asked for.

Two small logistic models over the same features: one ranks sentences, one tells whether the
best of them answers at all. Each has weights with and without an embedder's vote. It knows
sentences and questions only.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mmrag.text.names import names
from mmrag.text.numbers import numbers
from mmrag.text.words import is_chinese, words

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mmrag.generation.asked import Asked
    from mmrag.generation.passages import Sentence
    from mmrag.ports import Embedder, Vectors
    from mmrag.types import Hit

_EMBEDDED = 12  # sentences of a question that are embedded, best first by words alone: the costly step
_BACKGROUND = 0.5  # weight of a topic word that only what was asked before named
_LEAD, _NEIGHBOUR, _PAGE = 0.9, 0.7, 0.6  # what a topic word counts above, beside and elsewhere in the chunk

_MONTH = "(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*"
_DATE = re.compile(
    rf"\b(?:1\d|20)\d\d\b|\b{_MONTH}\.? \d|\d {_MONTH}|\d\d?[:：]\d\d|\b\d\d?(?:st|nd|rd|th)\b"
    r"|\b(?:mon|tues|wednes|thurs|fri|satur|sun)day|\b\d+ ?(?:am|pm)\b|\bcentur(?:y|ies)\b|\b(?:minute|hour|day|week|month|year)s?\b"
    r"|\d\s?[年月日号点]|[一二三四五六七八九十]+[月日号点年]|周[一二三四五六日]|星期|世纪"
)
_NUMERAL = re.compile(
    r"\b(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|dozen|hundred|thousand|million|billion"
    r"|half|twice|once|daily|weekly|monthly|annually|yearly)\b"
    r"|[一二两三四五六七八九十百千万半]+[个天年月日人次名元岁种家座层倍周小分米公]"
)
_MEANING = re.compile(
    r"\bmeans?\b|\b(?:stands for|refers to|indicates|is an?|is the|when|because)\b|表示|是指|意味|意思|即"
)
_REASON = re.compile(
    r"\b(?:because|since|due to|so that|therefore|caused?|reason|in order to|as a result)\b|因为|由于|因此|所以|为了|导致|原因"
)


@dataclass(frozen=True, slots=True)
class Features:
    """What speaks for a sentence.

    Coverages are shares of the question's topic words, weighted by how rare each is in the
    evidence; a word that nothing has is the rarest.
    """

    own: float  # coverage by the sentence and its heading
    near: float  # coverage by these, the sentences beside it and the rest of its chunk, discounted
    named: float  # share of the question's names that stand in its chunk or the source's title
    kind: float  # 1: holds the kind of answer asked for; -1: certainly not; 0: can't be told
    rank: float  # 1 / rank of the hit among those of its origin
    similarity: float | None = None  # cosine of question and sentence, if the embedder reads both


@dataclass(frozen=True, slots=True)
class Scored:
    """A sentence with the likelihood that it answers, and the topic words it holds itself."""

    sentence: Sentence
    features: Features
    likelihood: float
    covered: frozenset[str]


@dataclass(frozen=True, slots=True)
class _Weights:
    """Of a logistic model."""

    bias: float
    own: float
    near: float
    named: float
    kind: float
    rank: float
    similarity: float = 0.0

    def likelihood(self, features: Features) -> float:
        logit = (
            self.bias
            + self.own * features.own
            + self.near * features.near
            + self.named * features.named
            + self.kind * features.kind
            + self.rank * features.rank
            + self.similarity * (features.similarity or 0.0)
        )
        return 1 / (1 + math.exp(-logit))


# Fitted on public question sets in English (passages, help pages, conversations) and Chinese
# (encyclopedia, news) with passages found by BM25, then rounded and in part moved by hand; no set
# was held out. Ranking learned which sentences hold the answer.
_FOREIGN = 0.5  # a sentence in another language than the question's answers where nothing else does
_RANKING = _Weights(bias=-3.3, own=1.8, near=0.0, named=0.4, kind=1.0, rank=1.9, similarity=2.4)
_RANKING_BY_WORDS = _Weights(bias=-4.3, own=4.4, near=0.0, named=0.5, kind=0.4, rank=1.8)


def score(asked: Asked, hits: Sequence[Hit], found: Sequence[Sentence], embedder: Embedder) -> list[Scored]:
    """The sentences worth a look, the likeliest first."""
    evidence = _Evidence(asked, hits, found)
    plain = [evidence.features(index) for index in range(len(found))]
    by_words = sorted(
        range(len(found)), key=lambda index: _RANKING_BY_WORDS.likelihood(plain[index]), reverse=True
    )[:_EMBEDDED]
    similarities = _similarities(asked, hits, [found[index] for index in by_words], embedder)
    scored = []
    for index, similarity in zip(by_words, similarities, strict=True):
        features = replace(plain[index], similarity=similarity)
        ranking = _RANKING_BY_WORDS if similarity is None else _RANKING
        likelihood = ranking.likelihood(features)
        if is_chinese(found[index].text) != asked.chinese:
            likelihood *= _FOREIGN
        scored.append(Scored(found[index], features, likelihood, evidence.covered(index)))
    return sorted(scored, key=lambda one: one.likelihood, reverse=True)


class _Evidence:
    """The sentences of one prompt as sets of words, with the weights of the question's words."""

    def __init__(self, asked: Asked, hits: Sequence[Hit], found: Sequence[Sentence]) -> None:
        self._asked = asked
        self._found = found
        self._own = [frozenset(words(sentence.text)) for sentence in found]
        self._leads = [frozenset(words(sentence.lead)) for sentence in found]
        self._chunks = [_chunk_words(hit) for hit in hits]
        self._ranks = _ranks(hits)
        self._from_thread = [hit.origin == "thread" for hit in hits]
        self._weights = self._topic_weights()

    def _topic_weights(self) -> Mapping[str, float]:
        """Inverse document frequency over the sentences (Robertson and Spärck Jones, kept above 0)."""
        n = len(self._found)
        df = Counter(word for own, lead in zip(self._own, self._leads, strict=True) for word in own | lead)
        parts = dict.fromkeys(self._asked.topic, 1.0) | dict.fromkeys(self._asked.background, _BACKGROUND)
        return {
            word: part * math.log(1 + (n - df[word] + 0.5) / (df[word] + 0.5)) for word, part in parts.items()
        }

    def features(self, index: int) -> Features:
        sentence = self._found[index]
        chunk = self._chunks[sentence.hit]
        # What was said in the thread has the words of what was asked before: only this question's count.
        counted = self._asked.topic if self._from_thread[sentence.hit] else frozenset(self._weights)
        named = self._asked.names
        own = [(self._own[index], 1.0), (self._leads[index], _LEAD)]
        beside = [
            (self._own[other], _NEIGHBOUR)
            for other in (index - 1, index + 1)
            if 0 <= other < len(self._found) and self._found[other].hit == sentence.hit
        ]
        return Features(
            own=self._coverage(own, counted),
            near=self._coverage([*own, *beside, (chunk, _PAGE)], counted),
            named=len(named & chunk) / len(named) if named else 1.0,
            kind=_kind_shown(self._asked, sentence.text),
            rank=1 / self._ranks[sentence.hit],
        )

    def covered(self, index: int) -> frozenset[str]:
        return frozenset(self._weights) & (self._own[index] | self._leads[index])

    def _coverage(self, places: Sequence[tuple[frozenset[str], float]], counted: frozenset[str]) -> float:
        """Share of the topic's weight that is found, each counted word in the place that counts most."""
        total = sum(self._weights.values())
        if not total:
            return 0.0
        return (
            sum(
                weight * next((worth for place, worth in places if word in place), 0.0)
                for word, weight in self._weights.items()
                if word in counted
            )
            / total
        )


def _ranks(hits: Sequence[Hit]) -> list[int]:
    """The rank of each hit among those of its origin: an attachment does not push documents back."""
    seen: Counter[str] = Counter()
    ranks = []
    for hit in hits:
        seen[hit.origin] += 1
        ranks.append(seen[hit.origin])
    return ranks


def _chunk_words(hit: Hit) -> frozenset[str]:
    # What a correction corrects is no part of it: else it would answer every related question.
    context = "" if hit.chunk.kind == "correction" else hit.chunk.context
    return frozenset(words(f"{hit.title}\n{context}\n{hit.chunk.text}"))


def _similarities(
    asked: Asked, hits: Sequence[Hit], found: Sequence[Sentence], embedder: Embedder
) -> list[float | None]:
    """Cosine of the question and each sentence; None where the embedder can't read one of them.

    The nearer of the question alone and with what it leans on counts; but what was said in the thread
    is near itself, and is compared with the question alone.
    """
    if not embedder.understands(asked.text):
        return [None] * len(found)
    texts = [f"{sentence.lead} {sentence.text}".strip() for sentence in found]
    readable = [embedder.understands(text) for text in texts]
    if not any(readable):
        return [None] * len(found)
    questions = embedder.embed_queries(
        list(dict.fromkeys([asked.text, asked.context]))
    )  # (1 or 2, dimension)
    vectors = embedder.embed_documents(
        [text for text, can_read in zip(texts, readable, strict=True) if can_read]
    )
    rows = iter(vectors @ questions.T)
    return [
        _nearer(next(rows), in_thread=hits[sentence.hit].origin == "thread") if can_read else None
        for sentence, can_read in zip(found, readable, strict=True)
    ]


def _nearer(cosines: Vectors, *, in_thread: bool) -> float:
    return float(cosines[0] if in_thread else cosines.max())


def _kind_shown(asked: Asked, text: str) -> float:
    """Whether a sentence holds the kind of answer asked for; what the question said doesn't count."""
    lowered = text.casefold()
    match asked.kind:
        case "number":
            shown = bool(set(numbers(text)) - set(numbers(asked.text)) or _NUMERAL.search(lowered))
        case "date":
            shown = _DATE.search(lowered) is not None
        case "person":  # a role ("the on-call engineer") or a Chinese name can't be told from other words
            return 1.0 if set(names(text)) - set(names(asked.text)) else 0.0
        case "meaning":  # a definition has many forms
            return 1.0 if _MEANING.search(lowered) else 0.0
        case "reason":  # not every reason says "because"
            return 1.0 if _REASON.search(lowered) else 0.0
        case _:
            return 0.0
    return 1.0 if shown else -1.0
