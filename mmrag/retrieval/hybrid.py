"""The Retriever: coarse, then fine.

    question, thread, pictures -> weighted words -> BM25 ranks them  \
                               -> a vector       -> cosine ranks them > fused -> re-ranked -> diverse hits

One collection, one index: a search cannot reach what is in another collection. Several
collections are searched as if their chunks were in one.
"""

from __future__ import annotations

import hashlib
import json
import threading
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from mmrag.retrieval import dense, lexical
from mmrag.retrieval.diversity import diversified
from mmrag.retrieval.fusion import reciprocal_rank_fusion
from mmrag.retrieval.index import MEMORY_ROWS, CollectionIndex
from mmrag.retrieval.passages import rank_passages
from mmrag.retrieval.pictures import weighted_words, with_titles
from mmrag.retrieval.query import self_contained
from mmrag.text.words import content_words
from mmrag.types import Hit, standalone

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from mmrag.ports import ChunkFeed, Embedder, Reranker
    from mmrag.retrieval.fusion import Fused
    from mmrag.retrieval.index import View
    from mmrag.types import Turn

RETRIEVAL_VERSION = 2  # grows whenever the same question over the same chunks could rank otherwise

# Chosen on four development sets (FAQ entries with and without their questions, abstracts,
# follow-ups), where small k are level; with k = 60, the paper's, what both halves find halfway
# down passes what one half puts first. A little less weight for the dense half settles ties in
# favour of exact words.
RRF_K = 5
WEIGHTS = {"bm25": 1.0, "dense": 0.9}
DEPTH = 50  # ranks of each half that are fused; more change nothing in the first ten
RERANKER = "rerank"  # how hits name it among those who found them
SPARE = 2  # candidates for each hit: what stands in for hits that repeat others


class HybridRetriever:
    """BM25 and dense search over the collections of one store, fused by reciprocal ranks.

    Indexes are kept in `folder`, which may be deleted at any time between two processes.
    Up to `exact_search_rows` chunks of a collection are searched exactly, beyond by HNSW; more
    than `memory_rows` are kept on disk. A `reranker` decides the order of the best
    `rerank_candidates`; a bound in time would give one question another answer on a busy day.
    Safe to share between threads.
    """

    def __init__(
        self,
        feed: ChunkFeed,
        embedder: Embedder,
        *,
        folder: Path,
        exact_search_rows: int,
        memory_rows: int = MEMORY_ROWS,
        reranker: Reranker | None = None,
        rerank_candidates: int = 0,
    ) -> None:
        self._feed = feed
        self._embedder = embedder
        self._folder = folder
        self._exact_search_rows = exact_search_rows
        self._memory_rows = memory_rows
        self._reranker = reranker
        self._rerank_candidates = rerank_candidates
        self._opening = threading.Lock()
        self._indexes: dict[str, CollectionIndex] = {}

    def search(
        self,
        query: str,
        *,
        collections: Sequence[str],
        k: int,
        history: Sequence[Turn] = (),
        attached: Sequence[str] = (),
    ) -> tuple[Hit, ...]:
        views = self._views(collections)
        if not views:
            return ()
        question = self_contained(query, history)
        fused = self._fused(views, question, attached, depth=max(DEPTH, k))
        if self._reranker is None or not self._reranker.understands(query):
            return diversified(self._hits(fused[: SPARE * k]), k)
        candidates = self._hits(fused[: max(SPARE * k, self._rerank_candidates)])
        asked = query if question == query else standalone(query, history)
        return diversified(self._reranked(self._reranker, asked, candidates), k)

    def search_passages(self, query: str, passages: Sequence[Hit], *, k: int) -> tuple[Hit, ...]:
        return rank_passages(query, passages, k=k)

    def index_version(self, collections: Sequence[str]) -> str:
        revisions = sorted((name, self._feed.revision(name)) for name in set(collections))
        reranker = [self._reranker.name, self._rerank_candidates] if self._reranker else None
        state = [RETRIEVAL_VERSION, self._embedder.name, reranker, self._exact_search_rows, revisions]
        return hashlib.sha256(json.dumps(state).encode()).hexdigest()[:16]

    def close(self) -> None:
        """Wait for indexes that are built in the background."""
        for index in list(self._indexes.values()):
            index.close()

    def _views(self, collections: Sequence[str]) -> list[View]:
        """The collections that hold something, each once, as they are now."""
        known = [name for name in dict.fromkeys(collections) if self._feed.revision(name)]
        views = [self._index(name).view() for name in known]
        return [view for view in views if view.rows > len(view.dead)]

    def _index(self, collection: str) -> CollectionIndex:
        with self._opening:
            if collection not in self._indexes:
                self._indexes[collection] = CollectionIndex(
                    collection,
                    self._feed,
                    embedder=self._embedder.name,
                    folder=self._folder / _folder_name(collection),
                    exact_search_rows=self._exact_search_rows,
                    memory_rows=self._memory_rows,
                )
            return self._indexes[collection]

    def _fused(
        self, views: Sequence[View], question: str, pictures: Sequence[str], *, depth: int
    ) -> tuple[Fused, ...]:
        """Both halves' rankings as one; the dense half has a vote where the embedder reads the language."""
        dead = frozenset[int]().union(*(view.dead for view in views))
        indexes = [index for view in views for index in view.lexical]
        query_words = weighted_words(
            content_words(question), pictures, rarest=partial(lexical.rarest, indexes)
        )
        rankings = {"bm25": lexical.search(indexes, query_words, depth=depth, without=dead)}
        meant = with_titles(question, pictures)
        if self._embedder.understands(meant):
            rankings["dense"] = dense.search(
                [index for view in views for index in view.dense],
                self._embedder.embed_queries([meant]),
                depth=depth,
                without=dead,
            )
        return reciprocal_rank_fusion(rankings, weights=WEIGHTS, k=RRF_K)

    def _hits(self, fused: Sequence[Fused]) -> list[Hit]:
        live = self._feed.hits([found.id for found in fused])
        return [
            Hit(*live[found.id], rank=place, score=found.score, retrievers=found.retrievers)
            for place, found in enumerate(fused, start=1)
            if found.id in live  # not removed since the search began
        ]

    def _reranked(self, reranker: Reranker, question: str, candidates: Sequence[Hit]) -> list[Hit]:
        """The first of the candidates as the reranker orders them, equals as they came; then the rest."""
        looked_at = candidates[: self._rerank_candidates]
        scores = reranker.scores(question, [_read_as(hit) for hit in looked_at])
        scored = [
            replace(hit, score=score, retrievers=(*hit.retrievers, RERANKER))
            for hit, score in zip(looked_at, scores, strict=True)
        ]
        return [*sorted(scored, key=lambda hit: -hit.score), *candidates[self._rerank_candidates :]]


def _read_as(hit: Hit) -> str:
    return f"{hit.chunk.context}\n{hit.chunk.text}".strip()


def _folder_name(collection: str) -> str:
    """A name that every file system takes, whatever the collection is called."""
    return hashlib.sha256(collection.encode()).hexdigest()[:32]
