"""The retriever over the real store, changed by another process."""

from __future__ import annotations

import pytest

from mmrag.retrieval.hybrid import HybridRetriever
from mmrag.storage.catalog import SqliteStore
from tests.retrieval.memory_feed import HashEmbedder

CHANGE = """
import sys
from pathlib import Path
from mmrag.storage.catalog import SqliteStore
from mmrag.types import ChunkDraft, Document, Page, document_id
from tests.retrieval.memory_feed import HashEmbedder

path, action, name, *texts = sys.argv[1:]
embedder, id_ = HashEmbedder(), document_id("team", name)
with SqliteStore(Path(path)) as store:
    if action == "remove":
        store.remove([id_], None)
    else:
        page = "\\n".join(texts)
        starts = [page.index(text) for text in texts]
        store.put(
            Document(id_, "team", name, name, "text/plain", 1, len(texts), 0, "2024-01-01T00:00:00Z"),
            content_hash=page,
            pages=[Page(1, page)],
            chunks=[ChunkDraft(1, start, start + len(text), text) for start, text in zip(starts, texts)],
            vectors=embedder.embed_documents(texts),
            embedder=embedder.name,
        )
"""


@pytest.mark.parametrize("memory_rows", [1000, 1], ids=["in memory", "on disk"])
def test_what_another_process_commits_is_seen_by_the_next_question(run_python, tmp_path, memory_rows):
    path = tmp_path / "store.db"
    with SqliteStore(path) as store:
        retriever = HybridRetriever(
            store,
            HashEmbedder(),
            folder=tmp_path / "indexes",
            exact_search_rows=100,
            memory_rows=memory_rows,
        )

        def found(question):
            return [hit.chunk.text for hit in retriever.search(question, collections=["team"], k=5)]

        assert found("port") == []
        run_python("-c", CHANGE, path, "put", "a", "The port is 8080.", "Lunch is at noon.", "It rains.")
        assert found("port")[0] == "The port is 8080."
        run_python("-c", CHANGE, path, "put", "a", "The port is 9090.", "It snows.")
        assert sorted(found("port")) == ["It snows.", "The port is 9090."]
        run_python("-c", CHANGE, path, "remove", "a")
        assert found("port") == []
        retriever.close()
