"""mmrag and what a user would pick instead, behind one small interface.

Each is set up as its own documentation shows (BM25 and vectors, fused by reciprocal ranks, top 10);
the only settings changed are those that keep it offline. All get the same chunks and vectors. A
peer's packages are imported where it is made: one process runs one engine.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from benchmarks.model import DIMENSION, GivenVector, PlainModel

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from mmrag.ports import Vectors

K = 10
MAIN = "main"
DOCUMENT = 100  # chunks of one document, each on a page of its own


class Engine(Protocol):
    """Chunk numbers in, chunk numbers out. A new one is empty."""

    def add(self, first: int, texts: Sequence[str], vectors: Vectors | None, scope: str = MAIN) -> None:
        """Add chunks `first`, `first` + 1, ...; the next search finds them. No vectors: embed them."""
        ...

    def search(self, question: str, vector: Vectors | None) -> list[int]:
        """Numbers of the top 10, best first; `vector` is the question's (dimension,). None: embed it."""
        ...


class Mmrag:
    """Through its public path: the store, the retriever, and the engine where it embeds itself."""

    def __init__(self, folder: Path) -> None:
        from mmrag.assemble import build_embedder
        from mmrag.config import Settings
        from mmrag.retrieval.hybrid import HybridRetriever
        from mmrag.storage.catalog import SqliteStore

        self._settings = Settings(home=folder)
        self._embedder = build_embedder(self._settings)
        self._given = GivenVector(self._embedder)
        self._engine: Any = None
        self._pool: Any = None
        self._indexes = folder / "indexes"
        self.store = SqliteStore(folder / "store.sqlite3")
        self.retriever = HybridRetriever(
            self.store,
            self._given,
            folder=self._indexes,
            exact_search_rows=self._settings.exact_search_rows,
        )

    def add(self, first: int, texts: Sequence[str], vectors: Vectors | None, scope: str = MAIN) -> None:
        for start in range(0, len(texts), DOCUMENT):
            part = texts[start : start + DOCUMENT]
            known = self._embedder.embed_documents(part) if vectors is None else vectors[start:][: len(part)]
            self.put(first + start, part, known, scope)

    def put(self, first: int, texts: Sequence[str], vectors: Vectors, scope: str = MAIN) -> None:
        """One document of these chunks."""
        from mmrag.types import ChunkDraft, Document, Page, document_id

        uri = f"made:{first}"
        pages = [Page(number, text) for number, text in enumerate(texts, start=1)]
        self.store.put(
            Document(
                id=document_id(scope, uri),
                collection=scope,
                title="Made",
                uri=uri,
                media_type="text/plain",
                pages=len(pages),
                chunks=len(pages),
                figures=0,
                added_at="2026-11-25T00:00:00Z",
            ),
            content_hash=uri,
            pages=pages,
            chunks=[ChunkDraft(page.number, 0, len(page.text), page.text) for page in pages],
            vectors=vectors,
            embedder=self._embedder.name,
        )

    def search(self, question: str, vector: Vectors | None, scope: str = MAIN) -> list[int]:
        if vector is None:
            return self._search_embedding(question, scope)
        self._given.vector = vector.reshape(1, -1)
        hits = self.retriever.search(question, collections=(scope,), k=K)
        return [int(hit.uri.removeprefix("made:")) + hit.chunk.page - 1 for hit in hits]

    def dense(self, vector: Vectors, scope: str = MAIN) -> list[int]:
        """What the dense half finds, before anything is fused or reordered."""
        from mmrag.retrieval import dense
        from mmrag.retrieval.layout import Limits
        from mmrag.retrieval.pool import IndexPool

        if self._pool is None:
            self._pool = IndexPool(
                self.store,
                embedder=self._embedder.name,
                folder=self._indexes,
                limits=Limits(self._settings.exact_search_rows),
                memory_bytes=self._settings.index_memory_bytes,
                build_dense=dense.DenseIndex.scan,
            )
        with self.store.snapshot() as now:
            view = self._pool.view(scope, now.states([scope])[scope], now)
            ids = [id_ for _, id_ in dense.search(view.dense, vector.reshape(1, -1), depth=K)]
            hits = now.hits(ids)
        return [int(uri.removeprefix("made:")) + chunk.page - 1 for chunk, _, uri in map(hits.get, ids)]

    def settle(self) -> None:
        """Wait for indexes that are built in the background."""
        self.retriever.settle()

    def close(self) -> None:
        self.retriever.close()
        self.store.close()
        if self._engine is not None:
            self._engine.close()

    def _search_embedding(self, question: str, scope: str) -> list[int]:
        from mmrag.assemble import build_engine
        from mmrag.types import Question

        if self._engine is None:
            self._engine = build_engine(self._settings, embedder=self._embedder)
        found = self._engine.search(Question(question, collections=(scope,)), k=K)
        return [int(hit.uri.removeprefix("made:")) + hit.chunk.page - 1 for hit in found.hits]


class LangChain:
    """EnsembleRetriever of BM25Retriever, which cannot grow and is made anew, and FAISS."""

    def __init__(self, folder: Path) -> None:
        from langchain_core.embeddings import Embeddings

        del folder  # all of it is in memory
        model = PlainModel()

        class OneModel(Embeddings):
            given: Vectors | None = None

            def embed_documents(self, texts: list[str]) -> list[list[float]]:
                return model.embed(texts).tolist()  # type: ignore[no-any-return] # numpy's own gap

            def embed_query(self, text: str) -> list[float]:
                vector = model.embed([text])[0] if self.given is None else self.given
                return vector.tolist()  # type: ignore[no-any-return] # as above

        self._embeddings = OneModel()
        self._texts: list[str] = []
        self._numbers: list[dict[str, Any]] = []
        self._faiss: Any = None
        self._retriever: Any = None

    def add(self, first: int, texts: Sequence[str], vectors: Vectors | None, scope: str = MAIN) -> None:
        from langchain_classic.retrievers import EnsembleRetriever
        from langchain_community.retrievers import BM25Retriever
        from langchain_community.vectorstores import FAISS

        numbers = [{"n": first + i, "scope": scope} for i in range(len(texts))]
        if vectors is None:
            vectors = np.array(self._embeddings.embed_documents(list(texts)), dtype=np.float32)
        pairs = zip(texts, vectors.tolist(), strict=True)
        if self._faiss is None:
            self._faiss = FAISS.from_embeddings(pairs, self._embeddings, metadatas=numbers)
        else:
            self._faiss.add_embeddings(pairs, metadatas=numbers)
        self._texts += texts
        self._numbers += numbers
        words = BM25Retriever.from_texts(self._texts, metadatas=self._numbers, k=K)
        vector_search = self._faiss.as_retriever(search_kwargs={"k": K})
        self._retriever = EnsembleRetriever(retrievers=[words, vector_search], weights=[0.5, 0.5])

    def search(self, question: str, vector: Vectors | None) -> list[int]:
        self._embeddings.given = vector
        return [document.metadata["n"] for document in self._retriever.invoke(question)[:K]]


class LlamaIndex:
    """QueryFusionRetriever of its BM25 and a FAISS index: its default store compares in Python."""

    def __init__(self, folder: Path) -> None:
        import faiss
        from llama_index.core import StorageContext, VectorStoreIndex
        from llama_index.core.embeddings import BaseEmbedding
        from llama_index.vector_stores.faiss import FaissVectorStore

        del folder  # all of it is in memory
        self._model = PlainModel()
        model = self._model
        given: list[Vectors | None] = [None]

        class OneModel(BaseEmbedding):
            def _get_query_embedding(self, query: str) -> list[float]:
                vector = model.embed([query])[0] if given[0] is None else given[0]
                return vector.tolist()  # type: ignore[no-any-return] # numpy's own gap

            def _get_text_embedding(self, text: str) -> list[float]:
                return model.embed([text])[0].tolist()  # type: ignore[no-any-return] # as above

            async def _aget_query_embedding(self, query: str) -> list[float]:
                return self._get_query_embedding(query)

        self._given = given
        self._nodes: list[Any] = []
        store = FaissVectorStore(faiss_index=faiss.IndexFlatIP(DIMENSION))
        self._index = VectorStoreIndex(
            [], storage_context=StorageContext.from_defaults(vector_store=store), embed_model=OneModel()
        )
        self._retriever: Any = None

    def add(self, first: int, texts: Sequence[str], vectors: Vectors | None, scope: str = MAIN) -> None:
        import Stemmer
        from llama_index.core.llms import MockLLM
        from llama_index.core.retrievers import QueryFusionRetriever
        from llama_index.core.schema import TextNode
        from llama_index.retrievers.bm25 import BM25Retriever

        if vectors is None:
            vectors = self._model.embed(texts)
        nodes = [
            TextNode(text=text, embedding=vector, metadata={"n": first + i, "scope": scope})
            for i, (text, vector) in enumerate(zip(texts, vectors.tolist(), strict=True))
        ]
        for node in nodes:
            node.excluded_embed_metadata_keys = node.excluded_llm_metadata_keys = ["n", "scope"]
        self._index.insert_nodes(nodes)
        self._nodes += nodes
        words = BM25Retriever.from_defaults(
            nodes=self._nodes, similarity_top_k=K, stemmer=Stemmer.Stemmer("english"), language="english"
        )
        self._retriever = QueryFusionRetriever(
            [self._index.as_retriever(similarity_top_k=K), words],
            llm=MockLLM(),
            similarity_top_k=K,
            num_queries=1,
            mode="reciprocal_rerank",
            use_async=False,
        )

    def search(self, question: str, vector: Vectors | None) -> list[int]:
        self._given[0] = vector
        return [found.node.metadata["n"] for found in self._retriever.retrieve(question)]


class Haystack:
    """A pipeline of its BM25 and its embedding retriever over InMemoryDocumentStore, joined by ranks."""

    def __init__(self, folder: Path) -> None:
        from haystack import Pipeline
        from haystack.components.joiners import DocumentJoiner
        from haystack.components.retrievers import InMemoryBM25Retriever, InMemoryEmbeddingRetriever
        from haystack.document_stores.in_memory import InMemoryDocumentStore

        del folder  # all of it is in memory
        self._model = PlainModel()
        self._store = InMemoryDocumentStore()
        self._pipeline = Pipeline()
        self._pipeline.add_component("words", InMemoryBM25Retriever(self._store, top_k=K))
        self._pipeline.add_component("meaning", InMemoryEmbeddingRetriever(self._store, top_k=K))
        self._pipeline.add_component("join", DocumentJoiner("reciprocal_rank_fusion", top_k=K))
        self._pipeline.connect("words", "join")
        self._pipeline.connect("meaning", "join")

    def add(self, first: int, texts: Sequence[str], vectors: Vectors | None, scope: str = MAIN) -> None:
        from haystack import Document

        if vectors is None:
            vectors = self._model.embed(texts)
        self._store.write_documents(
            [
                Document(id=str(first + i), content=text, embedding=vector, meta={"scope": scope})
                for i, (text, vector) in enumerate(zip(texts, vectors.tolist(), strict=True))
            ]
        )

    def search(self, question: str, vector: Vectors | None) -> list[int]:
        known = self._model.embed([question])[0] if vector is None else vector
        asked = {"words": {"query": question}, "meaning": {"query_embedding": known.tolist()}}
        return [int(document.id) for document in self._pipeline.run(asked)["join"]["documents"]]


class Chroma:
    """The embedded client on disk. It has no hybrid search: its dense search alone."""

    def __init__(self, folder: Path) -> None:
        import chromadb
        from chromadb.config import Settings

        self._model = PlainModel()
        self._client = chromadb.PersistentClient(str(folder), settings=Settings(anonymized_telemetry=False))
        self._most = self._client.get_max_batch_size()
        self._chunks = self._client.create_collection(
            MAIN, embedding_function=None, configuration={"hnsw": {"space": "cosine"}}
        )

    def add(self, first: int, texts: Sequence[str], vectors: Vectors | None, scope: str = MAIN) -> None:
        known = self._model.embed(texts) if vectors is None else vectors
        for start in range(0, len(texts), self._most):
            part = range(start, min(start + self._most, len(texts)))
            self._chunks.add(
                ids=[str(first + i) for i in part],
                documents=[texts[i] for i in part],
                embeddings=known[part.start : part.stop],
                metadatas=[{"scope": scope} for _ in part],
            )

    def search(self, question: str, vector: Vectors | None, scope: str | None = None) -> list[int]:
        known = self._model.embed([question])[0] if vector is None else vector
        found = self._chunks.query(
            query_embeddings=[known], n_results=K, where=None if scope is None else {"scope": scope}
        )
        return [int(number) for number in found["ids"][0]]


ENGINES: dict[str, Callable[[Path], Engine]] = {
    "mmrag": Mmrag,
    "LangChain": LangChain,
    "LlamaIndex": LlamaIndex,
    "Haystack": Haystack,
    "Chroma": Chroma,
}


def stay_offline() -> None:
    """Nobody reports home and nobody looks for a model on a hub."""
    os.environ |= {
        "ANONYMIZED_TELEMETRY": "False",
        "HAYSTACK_TELEMETRY_ENABLED": "False",
        "HF_HUB_OFFLINE": "1",
        "LANGSMITH_TRACING": "false",
        "TRANSFORMERS_OFFLINE": "1",
    }
