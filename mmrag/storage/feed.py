"""What indexes read of the catalogue: a collection's state, its changes, its chunks with their vectors.

Functions over a connection inside a transaction of the caller. They know no index.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np

from mmrag.ports import Changes, ChunkBatch, CollectionState
from mmrag.types import Chunk, ChunkDraft

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import apsw
    from numpy.typing import NDArray

    from mmrag.ports import Vectors

_SEARCHED = "page, start, stop, text, context"  # the fields of a ChunkDraft that `searched` needs


def json_list(values: Iterable[str | int | None] | None) -> str | None:
    """A list of any length as one binding, for `json_each`."""
    return None if values is None else json.dumps(list(values))


def states(db: apsw.Connection, names: Iterable[str] | None) -> dict[str, CollectionState]:
    """The state of each of these collections that exists; `None` means all."""
    rows = db.execute(
        "SELECT collections.name, revision, horizon, embedders.name FROM collections "
        "JOIN embedders ON embedders.key = collections.embedder "
        "WHERE ?1 IS NULL OR collections.name IN (SELECT value FROM json_each(?1))",
        (json_list(names),),
    )
    return {name: CollectionState(*state) for name, *state in rows}


def changes(db: apsw.Connection, name: str, *, since: int, after: int) -> Changes:
    """See `ChunkSnapshot.changes`; a collection that is not there has no chunks at revision 0."""
    row = db.execute("SELECT key, revision, horizon FROM collections WHERE name = ?", (name,)).fetchone()
    if row is None:
        return Changes(revision=0, anew=True, removed=frozenset(), added=np.empty(0, dtype=np.int64))
    key, revision, horizon = row
    anew = since < max(horizon, 1)
    removed = db.execute("SELECT chunk FROM removals WHERE collection = ? AND revision > ?", (key, since))
    added = db.execute(
        "SELECT id FROM chunks WHERE collection = ? AND id > ? ORDER BY id", (key, 0 if anew else after)
    )
    return Changes(
        revision=revision,
        anew=anew,
        removed=frozenset() if anew else frozenset(chunk for (chunk,) in removed),
        added=np.fromiter((chunk for (chunk,) in added), dtype=np.int64),
    )


def rows(db: apsw.Connection, ids: Sequence[int] | NDArray[np.int64], *, embedder: str) -> ChunkBatch:
    """See `ChunkSnapshot.rows`."""
    found = db.execute(
        f"SELECT chunks.id, {_SEARCHED}, vector FROM chunks "  # noqa: S608 - constants
        "LEFT JOIN vectors ON vectors.chunk = chunks.id "
        "AND vectors.embedder = (SELECT key FROM embedders WHERE name = ?2) "
        "WHERE chunks.id IN (SELECT value FROM json_each(?1)) ORDER BY chunks.id",
        (json_list(map(int, ids)), embedder),
    )
    live: list[int] = []
    texts: list[str] = []
    embedded: list[int] = []
    vectors: list[bytes] = []
    for chunk, *draft, vector in found:
        live.append(chunk)
        texts.append(ChunkDraft(*draft).searched)
        if vector is not None:
            embedded.append(chunk)
            vectors.append(vector)
    return ChunkBatch(
        ids=np.array(live, dtype=np.int64),
        texts=tuple(texts),
        embedded=np.array(embedded, dtype=np.int64),
        vectors=_as_array(vectors),
    )


def rows_of_document(db: apsw.Connection, document_id: str, *, embedder: str) -> ChunkBatch:
    """All chunks of a document."""
    ids = db.execute(
        "SELECT id FROM chunks WHERE document = (SELECT key FROM documents WHERE documents.id = ?)",
        (document_id,),
    )
    return rows(db, [chunk for (chunk,) in ids], embedder=embedder)


def _as_array(vectors: list[bytes]) -> Vectors:
    dimension = len(vectors[0]) // 4 if vectors else 0
    return np.frombuffer(b"".join(vectors), dtype="<f4").reshape(len(vectors), dimension)


def hits(db: apsw.Connection, ids: Sequence[int]) -> dict[int, tuple[Chunk, str, str]]:
    """See `ChunkSnapshot.hits`."""
    found = db.execute(
        "SELECT title, uri, chunks.id, documents.id, page, start, stop, text, context, kind, "
        "'figure-' || figure FROM chunks JOIN documents ON documents.key = chunks.document "
        "WHERE chunks.id IN (SELECT value FROM json_each(?))",
        (json_list(map(int, ids)),),  # JSON knows no integer of numpy
    )
    return {fields[0]: (Chunk(*fields), title, uri) for title, uri, *fields in found}


def forget_removals(db: apsw.Connection, name: str, *, until: int) -> None:
    """See `ChunkFeed.forget_removals`."""
    db.execute(
        "DELETE FROM removals WHERE revision <= :until "
        "AND collection = (SELECT key FROM collections WHERE name = :name); "
        "UPDATE collections SET horizon = max(horizon, min(:until, revision)) WHERE name = :name",
        {"name": name, "until": until},
    )


class Snapshot:
    """The port ChunkSnapshot over one read transaction."""

    def __init__(self, db: apsw.Connection) -> None:
        self._db = db

    def states(self, collections: Iterable[str] | None = None) -> dict[str, CollectionState]:
        return states(self._db, collections)

    def changes(self, collection: str, *, since: int, after: int) -> Changes:
        return changes(self._db, collection, since=since, after=after)

    def rows(self, ids: Sequence[int] | NDArray[np.int64], *, embedder: str) -> ChunkBatch:
        return rows(self._db, ids, embedder=embedder)

    def hits(self, ids: Sequence[int]) -> dict[int, tuple[Chunk, str, str]]:
        return hits(self._db, ids)


# ------------------------------------------------- a change of the embedding model


def without_vector(
    db: apsw.Connection, name: str, *, embedder: str, after: int, limit: int
) -> dict[int, str]:
    """See `VectorStore.without_vector`."""
    found = db.execute(
        f"SELECT id, {_SEARCHED} FROM chunks "  # noqa: S608 - constants
        "WHERE collection = (SELECT key FROM collections WHERE name = ?1) AND id > ?4 AND NOT EXISTS ("
        "SELECT 1 FROM vectors WHERE vectors.chunk = chunks.id "
        "AND vectors.embedder = (SELECT key FROM embedders WHERE name = ?2)) "
        "ORDER BY id LIMIT ?3",
        (name, embedder, limit, after),
    )
    return {chunk: ChunkDraft(*draft).searched for chunk, *draft in found}


def insert_vectors(db: apsw.Connection, ids: Iterable[int], vectors: Vectors, *, embedder: str) -> None:
    """One vector for each chunk that is live; a second one of the same embedder is passed over."""
    db.execute("INSERT OR IGNORE INTO embedders (name) VALUES (?)", (embedder,))
    key = db.execute("SELECT key FROM embedders WHERE name = ?", (embedder,)).get
    db.executemany(
        "INSERT OR IGNORE INTO vectors (chunk, embedder, vector) SELECT id, ?2, ?3 FROM chunks WHERE id = ?1",
        [
            (int(chunk), key, vector.astype("<f4").tobytes())
            for chunk, vector in zip(ids, vectors, strict=True)
        ],
    )


def switch_embedder(db: apsw.Connection, name: str, *, embedder: str) -> bool:
    """See `VectorStore.switch_embedder`."""
    if without_vector(db, name, embedder=embedder, after=0, limit=1):
        return False
    db.execute(
        "UPDATE collections SET embedder = (SELECT key FROM embedders WHERE name = :embedder) "
        "WHERE name = :name; "
        "DELETE FROM vectors WHERE embedder <> (SELECT key FROM embedders WHERE name = :embedder) "
        "AND chunk IN (SELECT id FROM chunks "
        "WHERE collection = (SELECT key FROM collections WHERE name = :name))",
        {"name": name, "embedder": embedder},
    )
    return True
