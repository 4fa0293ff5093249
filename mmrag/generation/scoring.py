"""How likely a sentence answers a question: lexical evidence, embeddings, the kind of answer asked for.

Two logistic models over few features, each with and without an embedder's vote: one ranks the
sentences of the evidence, the other says whether the first of them answers at all. It knows
sentences and questions only; what to say is the generator's business.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import astuple, dataclass, replace
from typing import TYPE_CHECKING

from mmrag.text.names import names
from mmrag.text.numbers import numbers
from mmrag.text.words import words

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mmrag.generation.asked import Asked
    from mmrag.generation.passages import Sentence
    from mmrag.ports import Embedder
    from mmrag.types import Hit

_EMBEDDED = 12  # sentences of a question that are embedded, best first by words alone: the costly step
_BACKGROUND = 0.5  # weight of a topic word that only the previous question named
_LEAD, _NEIGHBOUR, _PAGE = 0.9, 0.7, 0.6  # what a topic word counts that stands above, beside, elsewhere

_MONTHS = "jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec"
_DATE = re.compile(
    rf"\b(?:1[0-9]|20)\d\d\b|\b(?:{_MONTHS})[a-z]*\.? \d|\d [{'JFMASOND'}][a-z]{{2,}}|\d\d?[:：]\d\d|\b\d\d?(?:st|nd|rd|th)\b"
    r"|(?:mon|tues|wednes|thurs|fri|satur|sun)day|\b\d+ ?(?:am|pm)\b|\bcentur(?:y|ies)\b"
    r"|\d+\s?[年月日号点]|[一二三四五六七八九十]+[月日号点年]|周[一二三四五六日]|星期|世纪|\b(?:after|before|until|by|every) "
)
_NUMERAL = re.compile(
    r"\b(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|dozen|hundred|thousand|million|billion"
    r"|half|twice|once|daily|weekly|monthly|annually|yearly|always|never)\b|[一二两三四五六七八九十百千万半]+[个天年月日人次名元岁种家座层倍周小分米公%]"
)
_REASON = re.compile(
    r"\b(?:because|since|due to|so that|therefore|caused?|reason|in order to|as a result)\b|因为|由于|因此|所以|为了|导致|原因"
)
_STEPS = re.compile(
    r"\b(?:click|open|run|use|go to|select|set|install|enter|send|ask|contact|press|type|create|add|choose|by \w+ing|you (?:can|need|should|must))\b|点击|打开|选择|可以|使用|通过|联系|输入|按照|请"
)


@dataclass(frozen=True, slots=True)
class Features:
    """What speaks for a sentence, each between -1 and 1.

    Coverages are shares of the question's topic words, weighted by how rare each is in the
    evidence; a word that nothing has is the rarest.
    """

    own: float  # coverage by the sentence itself
    near: float  # coverage with its heading, its neighbours and its page's title, discounted
    names: float  # share of the question's names that stand near
    kind: float  # 1: holds the kind of answer asked for; -1: does not; 0: no kind asked for
    rank: float  # 1 / rank of the hit among those of its origin
    similarity: float  # cosine of question and sentence; 0 without an embedder's vote


@dataclass(frozen=True, slots=True)
class Scored:
    """A sentence, how likely it is the one that answers, whether it does, and the topic words it has."""

    sentence: Sentence
    likelihood: float
    answers: bool
    covered: frozenset[str]


class Scorer:
    """Scores the sentences of one prompt's evidence against its question."""

    def __init__(self, asked: Asked, hits: Sequence[Hit], found: Sequence[Sentence]) -> None:
        self._asked = asked
        self._hits = hits
        self._found = found
        self._words = [frozenset(words(sentence.text)) for sentence in found]
        self._leads = [frozenset(words(sentence.lead)) for sentence in found]
        self._pages = [frozenset(words(f"{hit.title} {hit.chunk.context} {hit.chunk.text}")) for hit in hits]
        self._weights = self._topic_weights()
        self._ranks = _ranks(hits)

    def _topic_weights(self) -> Mapping[str, float]:
        """Inverse document frequency over the evidence's sentences (Robertson's, kept above 0)."""
        n = len(self._found)
        df = Counter(word for own, lead in zip(self._words, self._leads, strict=True) for word in own | lead)
        asked = self._asked
        share = dict.fromkeys(asked.topic, 1.0) | dict.fromkeys(asked.background, _BACKGROUND)
        return {
            word: part * math.log(1 + (n - df[word] + 0.5) / (df[word] + 0.5)) for word, part in share.items()
        }

    def lexical(self, index: int) -> Features:
        """Features of sentence `index` without the embedder's."""
        sentence, own, near = self._found[index], self._words[index], self._nearness(index)
        total = sum(self._weights.values()) or 1.0
        named = self._asked.names
        return Features(
            own=sum(self._weights[word] for word in self._weights if word in own) / total,
            near=sum(weight * near.get(word, 0.0) for word, weight in self._weights.items()) / total,
            names=sum(word in near for word in named) / len(named) if named else 1.0,
            kind=_kind_shown(self._asked, sentence.text),
            rank=1 / self._ranks[sentence.hit],
            similarity=0.0,
        )

    def covered(self, index: int) -> frozenset[str]:
        """The topic words that the sentence itself or its heading has."""
        return frozenset(self._weights) & (self._words[index] | self._leads[index])

    def _nearness(self, index: int) -> dict[str, float]:
        """How much each topic word near the sentence counts."""
        sentence = self._found[index]
        found: dict[str, float] = {}
        places = [(self._words[index], 1.0), (self._leads[index], _LEAD)]
        places += [
            (self._words[other], _NEIGHBOUR)
            for other in (index - 1, index + 1)
            if 0 <= other < len(self._found) and self._found[other].hit == sentence.hit
        ]
        places.append((self._pages[sentence.hit], _PAGE))
        for place, worth in places:
            for word in self._weights:
                if word in place:
                    found.setdefault(word, worth)
        return found


def score(asked: Asked, hits: Sequence[Hit], found: Sequence[Sentence], embedder: Embedder) -> list[Scored]:
    """All sentences with their likelihood to answer, the likeliest first."""
    scorer = Scorer(asked, hits, found)
    plain = [scorer.lexical(index) for index in range(len(found))]
    order = sorted(
        range(len(found)), key=lambda index: _likelihood(plain[index], _RANK_BY_WORDS), reverse=True
    )
    considered = order[:_EMBEDDED]
    similarity = _similarities(asked, [found[index] for index in considered], embedder)
    scored = []
    for index, cosine in zip(considered, similarity, strict=True):
        features = plain[index] if cosine is None else replace(plain[index], similarity=cosine)
        ranking, answering = (_RANK_BY_WORDS, _ANSWERS_BY_WORDS) if cosine is None else (_RANK, _ANSWERS)
        scored.append(
            Scored(
                found[index],
                likelihood=_likelihood(features, ranking),
                answers=_likelihood(features, answering) >= _ANSWERED,
                covered=scorer.covered(index),
            )
        )
    return sorted(scored, key=lambda one: one.likelihood, reverse=True)


def _similarities(asked: Asked, found: Sequence[Sentence], embedder: Embedder) -> list[float | None]:
    """Cosine of the question and each sentence; None where the embedder can't read one of them."""
    if not embedder.understands(asked.text):
        return [None] * len(found)
    texts = [f"{sentence.lead} {sentence.text}".strip() for sentence in found]
    readable = [text for text in texts if embedder.understands(text)]
    if not readable:
        return [None] * len(found)
    question = embedder.embed_queries([asked.text])[0]  # (dimension,)
    cosines = iter(embedder.embed_documents(readable) @ question)
    return [float(next(cosines)) if embedder.understands(text) else None for text in texts]


def _likelihood(features: Features, weights: Sequence[float]) -> float:
    bias, *slopes = weights
    logit = bias + sum(slope * value for slope, value in zip(slopes, astuple(features), strict=True))
    return 1 / (1 + math.exp(-logit))


def _kind_shown(asked: Asked, text: str) -> float:
    """Whether a sentence holds the kind of answer asked for; numbers of the question don't count."""
    if asked.kind is None:
        return 0.0
    shown = {
        "number": lambda: (
            bool(set(numbers(text)) - set(numbers(asked.text))) or bool(_NUMERAL.search(text.casefold()))
        ),
        "date": lambda: bool(_DATE.search(text.casefold())),
        "person": lambda: bool(set(names(text)) - set(names(asked.text))) or asked.chinese,
        "reason": lambda: bool(_REASON.search(text.casefold())),
        "steps": lambda: bool(_STEPS.search(text.casefold())),
    }[asked.kind]()
    return 1.0 if shown else -1.0


def _ranks(hits: Sequence[Hit]) -> list[int]:
    """The rank of each hit among those of its origin: what is attached does not push documents back."""
    seen: Counter[str] = Counter()
    ranks = []
    for hit in hits:
        seen[hit.origin] += 1
        ranks.append(seen[hit.origin])
    return ranks


# Bias and one slope a feature, in the order of Features. Fitted by logistic regression on public
# question sets in English (with the embedder's vote) and in Chinese (by words alone); the models
# that answer weigh questions with and without an answer in their evidence the same.
_RANK = (-3.29, 3.31, -3.10, 0.41, 1.04, 1.90, 1.39)
_RANK_BY_WORDS = (-4.29, 5.34, -1.55, 0.46, 0.40, 1.77, 0.0)
_ANSWERS = (-4.84, 1.38, 2.23, 1.27, 0.0, 0.0, 4.44)
_ANSWERS_BY_WORDS = (-5.16, 2.42, 3.59, 2.80, 0.0, 0.0, 0.0)
_ANSWERED = 0.5
