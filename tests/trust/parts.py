"""The parts under trial, and the one place that knows how they are called."""

from __future__ import annotations

from contextlib import contextmanager

from mmrag.assemble import build_engine
from mmrag.config import Settings
from mmrag.retrieval.dense import DenseIndex
from mmrag.retrieval.hybrid import HybridRetriever
from mmrag.storage.catalog import SqliteStore
from tests.retrieval.memory_feed import HashEmbedder

COLLECTIONS = ("shared", "private", "草稿")
# So few rows that indexes are written, merged and dropped all the time.
_SMALL = {"memory_rows": 8, "segment_rows": 40, "memory_bytes": 60_000}
WORDS_ONLY = "§ "  # a question that starts so has no vector


class TrialEmbedder(HashEmbedder):
    """No model; a question can be asked by its words alone."""

    def understands(self, text):
        return not text.startswith(WORDS_ONLY)


EMBEDDER = TrialEmbedder()


def store_file(home):
    return home / "store.sqlite3"


def open_store(home, kind=SqliteStore):
    return kind(store_file(home))


def open_retriever(store, home, *, exact=True):
    """Exact search, or HNSW for all that is on disk."""
    return HybridRetriever(
        store,
        EMBEDDER,
        folder=home / "indexes",
        exact_search_rows=10_000 if exact else 0,
        build_dense=DenseIndex.hnsw,  # the scan, which is the default, is exact for as few rows
        **_SMALL,
    )


@contextmanager
def opened(home, *, exact=True):
    """A store and a retriever on one data folder, as one process has them."""
    with open_store(home) as store:
        retriever = open_retriever(store, home, exact=exact)
        try:
            yield store, retriever
        finally:
            retriever.close()


def settle(retriever):
    """Wait for indexes that are built in the background; the retriever stays usable."""
    retriever.settle()


def compact(store, retriever):
    """Leave nothing of what was removed in the data folder."""
    retriever.compact()
    store.compact()


def forget(store, retriever, collection):
    """Remove a collection whole."""
    store.forget(collection)
    retriever.forget(collection)


# -------------------------------------------------------------------- the engine


def open_engine(home, embedder):
    """The engine as it is assembled; its index is in memory while another process writes it to disk."""
    return build_engine(Settings(home=home), embedder=embedder)
