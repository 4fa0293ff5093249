"""The Retriever: coarse, then fine.

    question, thread, pictures -> weighted words -> BM25 scores them   \
                               -> a vector       -> cosine scores them > fused -> re-ranked -> diverse hits

One collection, one index: a search cannot reach what is in another collection. Several
collections are searched as if their chunks were in one.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Collection
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING

from mmrag.errors import StoreUnavailable
from mmrag.retrieval import dense, lexical
from mmrag.retrieval.dense import DenseIndex
from mmrag.retrieval.diversity import diversified, is_diverse
from mmrag.retrieval.fusion import convex_combination, normalised, stands_out
from mmrag.retrieval.index import BUILD_FAULTS
from mmrag.retrieval.layout import MEMORY_ROWS, SEGMENT_ROWS, Limits
from mmrag.retrieval.passages import rank_passages
from mmrag.retrieval.pictures import weighted_words, with_titles
from mmrag.retrieval.pool import IndexPool
from mmrag.retrieval.query import self_contained
from mmrag.text.words import content_words
from mmrag.types import Hit, standalone

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterator, Mapping, Sequence
    from pathlib import Path

    from mmrag.ports import ChunkFeed, ChunkSnapshot, Embedder, Reranker
    from mmrag.retrieval.dense import DenseBuilder
    from mmrag.retrieval.fusion import Fused, Ranking
    from mmrag.retrieval.index import View
    from mmrag.types import Turn

RETRIEVAL_VERSION = 3  # grows whenever the same question over the same chunks could rank otherwise

# Both halves count alike, unless the words single out a few chunks, as they do where the question
# names an identifier: of that the vectors know nothing. See docs/evaluation.md.
WEIGHTS = {"bm25": 0.5, "dense": 0.5}
WEIGHTS_OF_SINGLED_OUT = {"bm25": 0.7, "dense": 0.3}
STAND_OUT_PLACE, STAND_OUT_SHARE = 5, 0.6  # the fifth chunk's score is less than this share of the first's
# Scores of each half that are fused: what one half finds and the other's list lacks counts there as
# its last, so short lists say less.
DEPTH = 100
RETRIEVERS = ("bm25", "dense")
RERANKER = "rerank"  # how hits name it among those who found them
SPARE = 2  # candidates for each hit: what stands in for hits that repeat others


MEMORY_BYTES = 2 * 1024**3  # of all indexes that are open

Views = dict[str, list["View"]]  # by the embedder whose vectors they hold


class HybridRetriever:
    """BM25 and dense search over the collections of one store, fused by their scores.

    Indexes are kept in `folder`, which may be deleted at any time between two processes; those in
    memory take about `memory_bytes` at most. Up to `exact_search_rows` chunks are searched
    exactly, beyond by what `build_dense` makes; more than `memory_rows` are kept on disk. A
    collection whose vectors are of another model than `embedder` is searched by what `earlier`
    opens under its name; by words alone where that is nothing. A `reranker` decides the order of
    the best `rerank_candidates`; a bound in time would give one question another answer on a busy
    day. `retrievers` are the halves that have a vote: both, but where one is measured alone. Safe
    to share between threads.
    """

    def __init__(
        self,
        feed: ChunkFeed,
        embedder: Embedder,
        *,
        folder: Path,
        exact_search_rows: int,
        memory_rows: int = MEMORY_ROWS,
        segment_rows: int = SEGMENT_ROWS,
        memory_bytes: int = MEMORY_BYTES,
        earlier: Callable[[str], Embedder | None] = lambda _: None,
        reranker: Reranker | None = None,
        rerank_candidates: int = 0,
        build_dense: DenseBuilder = DenseIndex.scan,
        retrievers: Container[str] = RETRIEVERS,
    ) -> None:
        self._feed = feed
        self._embedder = embedder
        self._earlier = earlier
        self._exact_search_rows = exact_search_rows
        self._reranker = reranker
        self._rerank_candidates = rerank_candidates
        self._retrievers = retrievers
        self._pool = IndexPool(
            feed,
            embedder=embedder.name,
            folder=folder,
            limits=Limits(exact_search_rows, memory_rows, segment_rows),
            memory_bytes=memory_bytes,
            build_dense=build_dense,
        )

    def search(
        self,
        query: str,
        *,
        collections: Sequence[str],
        k: int,
        history: Sequence[Turn] = (),
        attached: Sequence[str] = (),
    ) -> tuple[Hit, ...]:
        question = self_contained(query, history)
        reranker = self._reranker if self._reranker and self._reranker.understands(query) else None
        candidates = max(SPARE * k, self._rerank_candidates if reranker else 0)
        with self._found(collections, question, attached, depth=max(DEPTH, k), most=candidates) as found:
            if reranker is None:
                return _diverse(*found, k)
            hits = _hits(*found)
        asked = query if question == query else standalone(query, history)
        return diversified(self._reranked(reranker, asked, hits), k)

    def search_passages(self, query: str, passages: Sequence[Hit], *, k: int) -> tuple[Hit, ...]:
        return rank_passages(query, passages, k=k)

    def index_version(self, collections: Sequence[str]) -> str:
        states = self._feed.states(set(collections))
        revisions = sorted((name, state.revision, state.embedder) for name, state in states.items())
        reranker = [self._reranker.name, self._rerank_candidates] if self._reranker else None
        state = [RETRIEVAL_VERSION, self._embedder.name, reranker, self._exact_search_rows, revisions]
        return hashlib.sha256(json.dumps(state).encode()).hexdigest()[:16]

    def catch_up(self, collection: str) -> None:
        with self._feed.snapshot() as now:
            self._views([collection], now)
        self._pool.build_what_is_due()

    def prepare(self, collection: str) -> None:
        with _disk_faults():
            self._pool.build(collection)

    def compact(self) -> None:
        with _disk_faults():
            self._pool.compact()

    def forget(self, collection: str) -> None:
        self._pool.forget(collection)

    def settle(self) -> None:
        """Wait until no index is built in the background."""
        self._pool.settle()

    def close(self) -> None:
        """Wait for indexes that are built in the background."""
        self._pool.close()

    @contextmanager
    def _found(
        self, collections: Sequence[str], question: str, pictures: Sequence[str], *, depth: int, most: int
    ) -> Iterator[tuple[tuple[Fused, ...], ChunkSnapshot]]:
        """The best `most` and the snapshot of the store that they are from: no half of an update is seen."""
        while True:
            with self._feed.snapshot() as now:
                views = self._views(collections, now)
                if views is not None:
                    yield self._fused(views, question, pictures, depth=depth, most=most), now
                    return
            self._pool.build_what_is_due()

    def _views(self, collections: Sequence[str], now: ChunkSnapshot) -> Views | None:
        """The collections that hold something, each once; None where another snapshot is needed."""
        views: Views = defaultdict(list)
        for name, state in now.states(collections).items():
            view = self._pool.view(name, state, now)
            if view is None:
                return None
            if view.live:
                views[state.embedder].append(view)
        return views

    def _fused(
        self, views: Views, question: str, pictures: Sequence[str], *, depth: int, most: int
    ) -> tuple[Fused, ...]:
        """The best of both halves' rankings."""
        every = list(chain.from_iterable(views.values()))
        dead = _AnyOf([view.dead for view in every])
        rankings: dict[str, Ranking] = {}
        nearest = self._begin_nearest(views, with_titles(question, pictures), depth=depth, without=dead)
        if "bm25" in self._retrievers:
            indexes = [index for view in every for index in view.lexical]
            asked = weighted_words(content_words(question), pictures, rarest=partial(lexical.rarest, indexes))
            rankings["bm25"] = lexical.search(indexes, asked, depth=depth, without=dead)
        if near := nearest():
            rankings["dense"] = near
        singled_out = stands_out(rankings.get("bm25", ()), place=STAND_OUT_PLACE, share=STAND_OUT_SHARE)
        weights = WEIGHTS_OF_SINGLED_OUT if singled_out else WEIGHTS
        return convex_combination(rankings, weights=weights, depth=depth, most=most)

    def _begin_nearest(
        self, views: Mapping[str, Sequence[View]], meant: str, *, depth: int, without: Collection[int]
    ) -> Callable[[], Ranking]:
        """Begin the ranking by meaning, which goes on while words are ranked; the call returned ends it.

        An embedder has no vote on a language that it does not read. Cosines of different models
        share no scale: they are normalised before they are mixed.
        """
        begun: list[Callable[[], Ranking]] = []
        for name, group in views.items() if "dense" in self._retrievers else ():
            embedder = self._embedder if name == self._embedder.name else self._earlier(name)
            if embedder is not None and embedder.understands(meant):
                indexes = [index for view in group for index in view.dense]
                vector = embedder.embed_queries([meant])
                begun.append(dense.begin(indexes, vector, depth=depth, without=without))
        if len(begun) == 1:
            return begun[0]
        return lambda: _mixed([end() for end in begun], depth=depth)

    def _reranked(self, reranker: Reranker, question: str, candidates: Sequence[Hit]) -> list[Hit]:
        """The first of the candidates as the reranker orders them, equals as they came; then the rest."""
        looked_at = candidates[: self._rerank_candidates]
        scores = reranker.scores(question, [_read_as(hit) for hit in looked_at])
        scored = [
            replace(hit, score=score, retrievers=(*hit.retrievers, RERANKER))
            for hit, score in zip(looked_at, scores, strict=True)
        ]
        return [*sorted(scored, key=lambda hit: -hit.score), *candidates[self._rerank_candidates :]]


def _diverse(fused: Sequence[Fused], now: ChunkSnapshot, k: int) -> tuple[Hit, ...]:
    """The k of these that repeat nothing, best first.

    Those that could stand in for others are read only where they are needed: of a store that is not in
    memory each row costs a read of the disk.
    """
    hits = _hits(fused[:k], now)
    if len(hits) == min(k, len(fused)) and is_diverse(hits):
        return tuple(hits)
    return diversified([*hits, *_hits(fused[k:], now)], k)


def _hits(fused: Sequence[Fused], now: ChunkSnapshot) -> list[Hit]:
    live = now.hits([found.id for found in fused])
    return [
        Hit(*live[found.id], rank=place, score=found.score, retrievers=found.retrievers)
        for place, found in enumerate(fused, start=1)
        if found.id in live  # an index of a store that was put back to a backup may name others
    ]


def _read_as(hit: Hit) -> str:
    return f"{hit.chunk.context}\n{hit.chunk.text}".strip()


def _mixed(rankings: Sequence[Ranking], *, depth: int) -> Ranking:
    every = chain.from_iterable(normalised(ranking, depth=depth) for ranking in rankings)
    return sorted(every, key=lambda row: (-row[0], row[1]))[:depth]


@contextmanager
def _disk_faults() -> Iterator[None]:
    try:
        yield
    except BUILD_FAULTS as error:
        raise StoreUnavailable(
            "The indexes on disk could not be written: see that the disk is not full, that the data "
            "folder may be written to, and that no other process is building them; then try again."
        ) from error


class _AnyOf(Collection[int]):
    """Several sets that share nothing as one, without copying them."""

    def __init__(self, sets: Sequence[frozenset[int]]) -> None:
        self._sets = [members for members in sets if members]

    def __len__(self) -> int:
        return sum(map(len, self._sets))

    def __iter__(self) -> Iterator[int]:
        return chain.from_iterable(self._sets)

    def __contains__(self, member: object) -> bool:
        return any(member in members for members in self._sets)
