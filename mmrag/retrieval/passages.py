"""Ranks what came with the question itself: attached files, the thread. It keeps no index."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from mmrag.text.words import content_words, words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mmrag.types import Hit

RETRIEVER = "attachment"


def rank_passages(query: str, passages: Sequence[Hit], *, k: int) -> tuple[Hit, ...]:
    """The k best by BM25, best first; those that share no word with the query last, in their order.

    They stay in because a chart was attached for a reason, whatever words it shares.
    """
    scores = _scores(content_words(query), [words(_searched_text(hit)) for hit in passages])
    order = sorted(range(len(passages)), key=lambda i: -scores[i])[:k]
    return tuple(
        replace(passages[i], rank=place, score=scores[i], retrievers=(RETRIEVER,))
        for place, i in enumerate(order, start=1)
    )


def _searched_text(hit: Hit) -> str:
    return f"{hit.title}\n{hit.chunk.context}\n{hit.chunk.text}"


def _scores(query: Sequence[str], documents: Sequence[Sequence[str]]) -> list[float]:
    from rank_bm25 import BM25Plus  # noqa: PLC0415 - an engine dependency, absent in a light install

    if not any(documents):  # rank_bm25 divides by their number and by their mean length
        return [0.0] * len(documents)
    # BM25Plus for its weight ln((N + 1) / n), always positive. BM25Okapi's is zero or negative for
    # a word of half the documents, so of one or two attached files the right one would come last.
    # delta = 0 leaves Okapi's formula otherwise: a document that shares no word scores 0.
    return [float(score) for score in BM25Plus(documents, delta=0).get_scores(query)]
