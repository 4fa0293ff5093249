"""The Retriever: words and meaning, each ranked on its own, fused by rank.

One collection, one index: a search cannot reach what is in another collection. Several
collections are searched as if their chunks were in one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection
from contextlib import contextmanager
from itertools import chain
from typing import TYPE_CHECKING

from mmrag.errors import StoreUnavailable
from mmrag.retrieval import dense, lexical
from mmrag.retrieval.dense import DenseIndex
from mmrag.retrieval.fusion import reciprocal_rank_fusion
from mmrag.retrieval.index import BUILD_FAULTS
from mmrag.retrieval.layout import MEMORY_ROWS, SEGMENT_ROWS, Limits
from mmrag.retrieval.passages import rank_passages
from mmrag.retrieval.pool import IndexPool
from mmrag.retrieval.query import self_contained
from mmrag.text.words import content_words
from mmrag.types import Hit

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from mmrag.ports import ChunkFeed, Embedder
    from mmrag.retrieval.dense import DenseBuilder
    from mmrag.retrieval.fusion import Fused
    from mmrag.retrieval.index import View
    from mmrag.types import Turn

RETRIEVAL_VERSION = 1  # grows whenever the same question over the same chunks could rank otherwise

# Chosen on four development sets (FAQ entries with and without their questions, abstracts,
# follow-ups), where small k are level; with k = 60, the paper's, what both halves find halfway
# down passes what one half puts first. A little less weight for the dense half settles ties in
# favour of exact words.
RRF_K = 5
WEIGHTS = {"bm25": 1.0, "dense": 0.9}
MEMORY_BYTES = 2 * 1024**3  # of all indexes that are open

DEPTH = 50  # ranks of each half that are fused; more change nothing in the first ten


class HybridRetriever:
    """BM25 and dense search over the collections of one store, fused by reciprocal ranks.

    Indexes are kept in `folder`, which may be deleted at any time between two processes; those in
    memory take about `memory_bytes` at most. Up to `exact_search_rows` chunks are searched
    exactly, beyond by HNSW, whose graphs `build_graph` makes; more than `memory_rows` are kept on disk.
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
        segment_rows: int = SEGMENT_ROWS,
        memory_bytes: int = MEMORY_BYTES,
        build_graph: DenseBuilder = DenseIndex.hnsw,
    ) -> None:
        self._feed = feed
        self._embedder = embedder
        self._exact_search_rows = exact_search_rows
        self._pool = IndexPool(
            feed,
            embedder=embedder.name,
            folder=folder,
            limits=Limits(exact_search_rows, memory_rows, segment_rows),
            memory_bytes=memory_bytes,
            build_graph=build_graph,
        )

    def search(
        self, query: str, *, collections: Sequence[str], k: int, history: Sequence[Turn] = ()
    ) -> tuple[Hit, ...]:
        views = self._views(collections)
        if not views:
            return ()
        question = self_contained(query, history)
        dead = _AnyOf([view.dead for view in views])
        depth = max(DEPTH, k)
        rankings = {
            "bm25": lexical.search(
                [index for view in views for index in view.lexical],
                content_words(question),
                depth=depth,
                without=dead,
            )
        }
        if self._embedder.understands(query):
            rankings["dense"] = dense.search(
                [index for view in views for index in view.dense],
                self._embedder.embed_queries([question]),
                depth=depth,
                without=dead,
            )
        return self._hits(reciprocal_rank_fusion(rankings, weights=WEIGHTS, k=RRF_K), k)

    def search_passages(self, query: str, passages: Sequence[Hit], *, k: int) -> tuple[Hit, ...]:
        return rank_passages(query, passages, k=k)

    def index_version(self, collections: Sequence[str]) -> str:
        states = self._feed.states(set(collections))
        revisions = sorted((name, state.revision, state.embedder) for name, state in states.items())
        state = [RETRIEVAL_VERSION, self._embedder.name, self._exact_search_rows, revisions]
        return hashlib.sha256(json.dumps(state).encode()).hexdigest()[:16]

    def settle(self) -> None:
        """Wait until no index is built in the background."""
        self._pool.settle()

    def catch_up(self, collection: str) -> None:
        self._views([collection])

    def prepare(self, collection: str) -> None:
        with _disk_faults():
            self._pool.build(collection)

    def compact(self) -> None:
        with _disk_faults():
            self._pool.compact()

    def forget(self, collection: str) -> None:
        self._pool.forget(collection)

    def close(self) -> None:
        """Wait for indexes that are built in the background."""
        self._pool.close()

    def _views(self, collections: Sequence[str]) -> list[View]:
        """The collections that hold something, each once, as they are now."""
        states = self._feed.states(collections)
        views = [self._pool.view(name, states[name]) for name in dict.fromkeys(collections) if name in states]
        return [view for view in views if view.live]

    def _hits(self, fused: Sequence[Fused], k: int) -> tuple[Hit, ...]:
        live = self._feed.hits([found.id for found in fused[:k]])
        hits: list[Hit] = []
        for found in fused[:k]:
            if found.id not in live:  # removed since the search began
                continue
            chunk, title, uri = live[found.id]
            hits.append(Hit(chunk, title, uri, len(hits) + 1, found.score, found.retrievers))
        return tuple(hits)


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
