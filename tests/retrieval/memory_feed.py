"""A store's feed in memory, and an embedder without a model: bags of hashed words."""

from __future__ import annotations

import hashlib
import threading
from collections import defaultdict
from contextlib import contextmanager

import numpy as np

from mmrag.ports import Changes, ChunkBatch, CollectionState
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
        self._revisions = {}
        self._horizons = defaultdict(int)
        self._clock = 0
        self._rows = {}  # id -> (collection, text, vector)
        self._removed = []  # (id, collection, revision)
        self._next_id = 1
        self.rows_read = 0
        self._lock = threading.RLock()

    @contextmanager
    def snapshot(self):
        """Nothing changes meanwhile: whoever wants to change something waits."""
        with self._lock:
            yield self

    def add(self, collection, *texts):
        vectors = self._embedder.embed_documents(texts)
        return self.add_vectors(collection, vectors, texts)

    def add_vectors(self, collection, vectors, texts):
        with self._lock:
            return self._add_vectors(collection, vectors, texts)

    def _add_vectors(self, collection, vectors, texts):
        self._raise_revision(collection)
        ids = list(range(self._next_id, self._next_id + len(texts)))
        self._next_id += len(texts)
        for id_, text, vector in zip(ids, texts, vectors, strict=True):
            self._rows[id_] = (collection, text, vector)
        return ids

    def remove(self, collection, *ids):
        with self._lock:
            self._raise_revision(collection)
            for id_ in ids:
                del self._rows[id_]
                self._removed.append((id_, collection, self._revisions[collection]))

    def forget(self, collection):
        self._clock += 1
        del self._revisions[collection]
        self._horizons[collection] = self._clock
        self._rows = {id_: row for id_, row in self._rows.items() if row[0] != collection}

    def _raise_revision(self, collection):
        self._clock += 1
        self._revisions[collection] = self._clock

    def states(self, collections=None):
        return {
            name: CollectionState(revision, self._horizons[name], self._embedder.name)
            for name, revision in self._revisions.items()
            if collections is None or name in collections
        }

    def changes(self, collection, *, since, after):
        anew = since < max(self._horizons[collection], 1)
        ids = [i for i, row in sorted(self._rows.items()) if row[0] == collection and (anew or i > after)]
        gone = [i for i, name, when in self._removed if name == collection and when > since and not anew]
        revision = self._revisions.get(collection, 0)
        return Changes(revision, anew, frozenset(gone), np.array(ids, dtype=np.int64))

    def rows(self, ids, *, embedder):
        assert embedder == self._embedder.name
        rows = [(int(i), self._rows[int(i)]) for i in ids if int(i) in self._rows]
        self.rows_read += len(rows)
        vectors = np.array([row[2] for _, row in rows], dtype=np.float32)
        live = np.array([id_ for id_, _ in rows], dtype=np.int64)
        texts = tuple(row[1] for _, row in rows)
        return ChunkBatch(live, texts, live, vectors.reshape(-1, self._embedder.dimension))

    def hits(self, ids):
        return {id_: (self._chunk(id_), "Title", "file:note.txt") for id_ in ids if id_ in self._rows}

    def forget_removals(self, collection, *, until):
        self._removed = [row for row in self._removed if row[1] != collection or row[2] > until]
        self._horizons[collection] = max(self._horizons[collection], min(until, self._revisions[collection]))

    def _chunk(self, id_):
        text = self._rows[id_][1]
        return Chunk(id=id_, document_id=f"d{id_}", page=1, start=0, end=len(text), text=text)
