"""A store's feed in memory, and an embedder without a model: bags of hashed words."""

from __future__ import annotations

import hashlib
from collections import defaultdict

import numpy as np

from mmrag.ports import Changes, ChunkBatch
from mmrag.text.words import is_chinese, words
from mmrag.types import Chunk


class HashEmbedder:
    """Texts that share words have near vectors."""

    name = "hashed words"
    dimension = 64

    def embed_documents(self, texts):
        return np.stack([self._vector(text) for text in texts])

    def embed_queries(self, texts):
        return self.embed_documents(texts)

    def understands(self, text):
        return not is_chinese(text)

    def count_tokens(self, text):
        return len(words(text))

    def _vector(self, text):
        vector = np.full(self.dimension, 1e-3, dtype=np.float32)
        for word in words(text):
            digest = hashlib.blake2b(word.encode(), digest_size=2).digest()
            vector[int.from_bytes(digest) % self.dimension] += 1
        return vector / np.linalg.norm(vector)


class MemoryFeed:
    """Keeps each change with its revision, as the store does."""

    def __init__(self, embedder):
        self._embedder = embedder
        self._revisions = defaultdict(int)
        self._rows = {}  # id -> (collection, text, vector, revision when added)
        self._removed = []  # (id, collection, revision)
        self._next_id = 1
        self.reads = []  # (collection, since) of every call of `changes`

    def add(self, collection, *texts):
        vectors = self._embedder.embed_documents(texts)
        return self.add_vectors(collection, vectors, texts)

    def add_vectors(self, collection, vectors, texts):
        self._revisions[collection] += 1
        ids = list(range(self._next_id, self._next_id + len(texts)))
        self._next_id += len(texts)
        for id_, text, vector in zip(ids, texts, vectors, strict=True):
            self._rows[id_] = (collection, text, vector, self._revisions[collection])
        return ids

    def remove(self, collection, *ids):
        self._revisions[collection] += 1
        for id_ in ids:
            del self._rows[id_]
            self._removed.append((id_, collection, self._revisions[collection]))

    def revision(self, collection):
        return self._revisions.get(collection, 0)

    def changes(self, collection, *, since, embedder):
        assert embedder == self._embedder.name
        self.reads.append((collection, since))
        rows = [(i, row) for i, row in sorted(self._rows.items()) if row[0] == collection and row[3] > since]
        vectors = np.array([row[2] for _, row in rows], dtype=np.float32)
        batch = ChunkBatch(
            ids=np.array([id_ for id_, _ in rows], dtype=np.int64),
            texts=tuple(row[1] for _, row in rows),
            vectors=vectors.reshape(-1, self._embedder.dimension),
        )
        gone = frozenset(id_ for id_, name, when in self._removed if name == collection and when > since > 0)
        return Changes(self.revision(collection), gone, batch)

    def hits(self, ids):
        return {id_: (self._chunk(id_), "Title", "file:note.txt") for id_ in ids if id_ in self._rows}

    def _chunk(self, id_):
        text = self._rows[id_][1]
        return Chunk(id=id_, document_id=f"d{id_}", page=1, start=0, end=len(text), text=text)
