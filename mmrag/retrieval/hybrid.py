"""The Retriever: words and meaning, each scored on its own, fused by score.

One collection, one index: a search cannot reach what is in another collection. Several
collections are searched as if their chunks were in one.
"""

from __future__ import annotations

import hashlib
import json
import threading
from typing import TYPE_CHECKING

from mmrag.retrieval import dense, lexical
from mmrag.retrieval.fusion import convex_combination, stands_out
from mmrag.retrieval.index import MEMORY_ROWS, CollectionIndex
from mmrag.retrieval.passages import rank_passages
from mmrag.retrieval.query import self_contained
from mmrag.text.words import content_words
from mmrag.types import Hit

if TYPE_CHECKING:
    from collections.abc import Container, Sequence
    from pathlib import Path

    from mmrag.ports import ChunkFeed, Embedder
    from mmrag.retrieval.fusion import Fused
    from mmrag.retrieval.index import View
    from mmrag.types import Turn

RETRIEVAL_VERSION = 2  # grows whenever the same question over the same chunks could rank otherwise

# Both halves count alike, unless the words single out a few chunks, as they do where the question
# names an identifier: of that the vectors know nothing. See docs/evaluation.md.
WEIGHTS = {"bm25": 0.5, "dense": 0.5}
WEIGHTS_OF_SINGLED_OUT = {"bm25": 0.7, "dense": 0.3}
STAND_OUT_PLACE, STAND_OUT_SHARE = 5, 0.6  # the fifth chunk's score is less than this share of the first's
# Scores of each half that are fused: what one half finds and the other's list lacks counts there as
# its last, so short lists say less. HNSW looks at more than this anyway.
DEPTH = 100
RETRIEVERS = ("bm25", "dense")


class HybridRetriever:
    """BM25 and dense search over the collections of one store, fused by their scores.

    Indexes are kept in `folder`, which may be deleted at any time between two processes.
    Up to `exact_search_rows` chunks of a collection are searched exactly, beyond by HNSW; more
    than `memory_rows` are kept on disk. `retrievers` are the halves that have a vote: both, but
    where one is measured alone. Safe to share between threads.
    """

    def __init__(
        self,
        feed: ChunkFeed,
        embedder: Embedder,
        *,
        folder: Path,
        exact_search_rows: int,
        memory_rows: int = MEMORY_ROWS,
        retrievers: Container[str] = RETRIEVERS,
    ) -> None:
        self._feed = feed
        self._embedder = embedder
        self._folder = folder
        self._exact_search_rows = exact_search_rows
        self._memory_rows = memory_rows
        self._retrievers = retrievers
        self._opening = threading.Lock()
        self._indexes: dict[str, CollectionIndex] = {}

    def search(
        self, query: str, *, collections: Sequence[str], k: int, history: Sequence[Turn] = ()
    ) -> tuple[Hit, ...]:
        views = self._views(collections)
        if not views:
            return ()
        question = self_contained(query, history)
        dead = frozenset[int]().union(*(view.dead for view in views))
        depth = max(DEPTH, k)
        rankings: dict[str, list[tuple[float, int]]] = {}
        if "bm25" in self._retrievers:
            rankings["bm25"] = lexical.search(
                [index for view in views for index in view.lexical],
                content_words(question),
                depth=depth,
                without=dead,
            )
        if "dense" in self._retrievers and self._embedder.understands(query):
            rankings["dense"] = dense.search(
                [index for view in views for index in view.dense],
                self._embedder.embed_queries([question]),
                depth=depth,
                without=dead,
            )
        singled_out = stands_out(rankings.get("bm25", ()), place=STAND_OUT_PLACE, share=STAND_OUT_SHARE)
        weights = WEIGHTS_OF_SINGLED_OUT if singled_out else WEIGHTS
        return self._hits(convex_combination(rankings, weights=weights, depth=depth), k)

    def search_passages(self, query: str, passages: Sequence[Hit], *, k: int) -> tuple[Hit, ...]:
        return rank_passages(query, passages, k=k)

    def index_version(self, collections: Sequence[str]) -> str:
        revisions = sorted((name, self._feed.revision(name)) for name in set(collections))
        state = [RETRIEVAL_VERSION, self._embedder.name, self._exact_search_rows, revisions]
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

    def _hits(self, fused: Sequence[Fused], k: int) -> tuple[Hit, ...]:
        live = self._feed.hits([found.id for found in fused[:k]])
        hits: list[Hit] = []
        for found in fused[:k]:
            if found.id not in live:  # removed since the search began
                continue
            chunk, title, uri = live[found.id]
            hits.append(Hit(chunk, title, uri, len(hits) + 1, found.score, found.retrievers))
        return tuple(hits)


def _folder_name(collection: str) -> str:
    """A name that every file system takes, whatever the collection is called."""
    return hashlib.sha256(collection.encode()).hexdigest()[:32]
