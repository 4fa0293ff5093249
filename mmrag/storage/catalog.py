"""The catalogue: documents with their chunks and vectors, answers and ratings. It is the truth.

It implements the ports `Store`, `ChunkFeed` and `VectorStore`. It knows no file format, no index
and no model; how the file is shared and kept durable stands in `database`, the tables in `schema`,
what indexes read in `feed`, and answers in `answers`.

Every change of a collection raises its revision in the same transaction, so an index that
remembers one revision can ask for exactly what it missed. What is deleted is deleted: the
answers that quote a document lose their text with it, and `compact` leaves no byte behind.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

from mmrag.errors import NotFound
from mmrag.ports import StoredPage
from mmrag.storage import answers, feed
from mmrag.storage.database import Database
from mmrag.storage.feed import json_list
from mmrag.storage.insight import StoreInsight, settle
from mmrag.types import Chunk, Document, Original, document_id

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path
    from types import TracebackType

    import apsw
    import numpy as np
    from numpy.typing import NDArray

    from mmrag.ports import Changes, ChunkBatch, ChunkSnapshot, CollectionState, StoredAnswer, Vectors
    from mmrag.types import ChunkDraft, Page, Rating, Verdict

_DOCUMENTS = """
    SELECT documents.id, collections.name, title, uri, media_type, pages, chunks, figures, added_at,
        added_by, content_hash
    FROM documents JOIN collections ON collections.key = documents.collection
"""
_WITHIN = "(?1 IS NULL OR collections.name IN (SELECT value FROM json_each(?1)))"
_FIGURE_NAME = re.compile(r"figure-([1-9][0-9]{0,17})")


class SqliteStore:
    """The store in the file `path`, made if it is not there. Safe for many threads and processes.

    `insight` tells of its use in the last `insight_days`. Every method raises StoreUnavailable where
    the file cannot be used.
    """

    def __init__(self, path: Path, *, insight_days: float = 365) -> None:
        self._database = Database(path)
        self.insight = StoreInsight(self._database, kept_days=insight_days)

    def close(self) -> None:
        """Release the file; another store may go on using it."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # -------------------------------------------------------------- documents

    def find(self, *, collection: str, uri: str) -> tuple[Document, str] | None:
        with self._database.reading() as db:
            row = db.execute(
                f"{_DOCUMENTS} WHERE collections.name = ? AND uri = ?", (collection, uri)
            ).fetchone()
        return row and (Document(*row[:-1]), row[-1])

    def documents(self, collections: Sequence[str] | None) -> tuple[Document, ...]:
        with self._database.reading() as db:
            rows = db.execute(
                f"{_DOCUMENTS} WHERE {_WITHIN} ORDER BY added_at DESC, documents.key DESC",
                (json_list(collections),),
            )
            return tuple(Document(*row) for *row, _ in rows)

    def put(
        self,
        document: Document,
        *,
        content_hash: str,
        pages: Sequence[Page],
        chunks: Sequence[ChunkDraft],
        vectors: Vectors,
        embedder: str,
        original: Original | None = None,
        settles: str | None = None,
    ) -> None:
        if vectors.shape[:1] != (len(chunks),):
            raise ValueError(f"{len(chunks)} chunks with vectors of shape {vectors.shape}")
        with self._database.writing() as db:
            if settles is not None:  # first: it would go with an answer that quotes what is replaced
                settle(db, settles)
            collection, revision = _raise_revision(db, document.collection, embedder=embedder)
            replaced = _discard_content(db, document.id, revision)
            key = _upsert_document(db, document, collection, content_hash)
            _insert_pages(db, key, pages)
            figures = _insert_figures(db, key, pages)
            ids = [
                _insert_chunk(db, (key, collection), draft, figures.get((draft.page, draft.figure)))
                for draft in chunks
            ]
            feed.insert_vectors(db, ids, vectors, embedder=embedder)
            if original is not None:
                db.execute("INSERT INTO originals VALUES (?, ?, ?)", (key, original.name, original.data))
        if replaced:
            self._database.checkpoint()

    def vectors_of(self, document_id: str, *, embedder: str) -> dict[str, NDArray[np.float32]]:
        with self._database.reading() as db:
            batch = feed.rows_of_document(db, document_id, embedder=embedder)
        texts = dict(zip(batch.ids.tolist(), batch.texts, strict=True))
        return {
            texts[chunk]: vector for chunk, vector in zip(batch.embedded.tolist(), batch.vectors, strict=True)
        }

    def remove(self, document_ids: Sequence[str], collections: Sequence[str] | None) -> tuple[Document, ...]:
        with self._database.writing() as db:
            removed = [document for document, _ in _get_documents(db, document_ids, collections)]
            for name in {document.collection for document in removed}:
                _, revision = _raise_revision(db, name)
                for document in removed:
                    if document.collection == name:
                        _discard_content(db, document.id, revision)
                        db.execute("DELETE FROM documents WHERE id = ?", (document.id,))
        self._database.checkpoint()
        return tuple(removed)

    def copy(
        self, document_ids: Sequence[str], collections: Sequence[str] | None, *, into: str
    ) -> tuple[Document, ...]:
        with self._database.writing() as db:
            return tuple(
                _copy(db, original, content_hash, into=into)
                for original, content_hash in _get_documents(db, document_ids, collections)
            )

    def forget(self, collection: str) -> tuple[tuple[Document, ...], tuple[str, ...]]:
        with self._database.writing() as db:
            rows = db.execute(f"{_DOCUMENTS} WHERE collections.name = ?", (collection,))
            documents = tuple(Document(*row) for *row, _ in rows)
            for document in documents:  # also answers of other collections' questions that quote it
                answers.erase_answers(db, document.id)
            cache_keys = answers.delete_answers_of(db, collection)
            _delete_collection(db, collection)
            _count_erasure(db)
        self._database.checkpoint()
        return documents, cache_keys

    def document(self, document_id: str) -> Document | None:
        with self._database.reading() as db:
            row = db.execute(f"{_DOCUMENTS} WHERE documents.id = ?", (document_id,)).fetchone()
        return row and Document(*row[:-1])

    def original(self, document_id: str) -> Original | None:
        with self._database.reading() as db:
            row = db.execute(
                "SELECT name, data FROM originals JOIN documents ON documents.key = originals.document "
                "WHERE documents.id = ?",
                (document_id,),
            ).fetchone()
        return row and Original(*row)

    def has_original(self, document_id: str) -> bool:
        with self._database.reading() as db:
            row = db.execute(
                "SELECT 1 FROM originals JOIN documents ON documents.key = originals.document "
                "WHERE documents.id = ?",
                (document_id,),
            ).fetchone()
        return row is not None

    def page(self, document_id: str, number: int) -> str | None:
        """The canonical text of a page: offsets of chunks count its characters."""
        with self._database.reading() as db:
            text: str | None = db.execute(
                "SELECT text FROM pages JOIN documents ON documents.key = pages.document "
                "WHERE documents.id = ? AND number = ?",
                (document_id, number),
            ).get
        return text

    def stored_page(self, document_id: str, number: int) -> StoredPage | None:
        with self._database.reading() as db:
            row = db.execute(
                "SELECT document, text FROM pages JOIN documents ON documents.key = pages.document "
                "WHERE documents.id = ? AND number = ?",
                (document_id, number),
            ).fetchone()
            if row is None:
                return None
            document, text = row
            chunks = db.execute(  # their texts are parts of the page's: they are not read again
                "SELECT id, start, stop, context, kind, 'figure-' || figure FROM chunks "
                "WHERE document = ? AND page = ? ORDER BY start",
                (document, number),
            )
            return StoredPage(
                text,
                tuple(
                    Chunk(id_, document_id, number, start, stop, text[start:stop], *rest)
                    for id_, start, stop, *rest in chunks
                ),
            )

    def figure(self, name: str, collections: Sequence[str] | None = None) -> bytes | None:
        """The picture that `Chunk.image` and `Citation.image` name, as PNG or JPEG bytes."""
        match = _FIGURE_NAME.fullmatch(name)
        if match is None:
            return None
        with self._database.reading() as db:
            image: bytes | None = db.execute(
                "SELECT image FROM figures JOIN documents ON documents.key = figures.document "  # noqa: S608 - constants
                f"JOIN collections ON collections.key = documents.collection "
                f"WHERE {_WITHIN} AND figures.key = ?2",
                (json_list(collections), int(match[1])),
            ).get
        return image

    def figure_of(self, document_id: str, name: str) -> bytes | None:
        match = _FIGURE_NAME.fullmatch(name)
        if match is None:
            return None
        with self._database.reading() as db:
            image: bytes | None = db.execute(
                "SELECT image FROM figures JOIN documents ON documents.key = figures.document "
                "WHERE documents.id = ? AND figures.key = ?",
                (document_id, int(match[1])),
            ).get
        return image

    def erasures(self) -> int:
        with self._database.reading() as db:
            return _erasures(db)

    def compact(self) -> None:
        """Leave no byte of what was removed in the store's files.

        Takes time and free space in proportion to the store; readers go on, writers wait.
        """
        seen = self.erasures()
        self._database.rewrite()
        with self._database.writing() as db:  # what was deleted meanwhile is left for the next time
            db.execute("UPDATE counters SET value = max(value - ?, 0) WHERE name = 'erasures'", (seen,))

    # ----------------------------------------------------- feed of the indexes

    @contextmanager
    def snapshot(self) -> Iterator[ChunkSnapshot]:
        with self._database.reading() as db:
            yield feed.Snapshot(db)

    def states(self, collections: Iterable[str] | None = None) -> dict[str, CollectionState]:
        with self.snapshot() as now:
            return now.states(collections)

    def changes(self, collection: str, *, since: int, after: int) -> Changes:
        with self.snapshot() as now:
            return now.changes(collection, since=since, after=after)

    def rows(self, ids: Sequence[int] | NDArray[np.int64], *, embedder: str) -> ChunkBatch:
        with self.snapshot() as now:
            return now.rows(ids, embedder=embedder)

    def hits(self, ids: Sequence[int]) -> dict[int, tuple[Chunk, str, str]]:
        with self.snapshot() as now:
            return now.hits(ids)

    def forget_removals(self, collection: str, *, until: int) -> None:
        with self._database.writing() as db:
            feed.forget_removals(db, collection, until=until)

    # ------------------------------------------- a change of the embedding model

    def without_vector(self, collection: str, *, embedder: str, after: int, limit: int) -> dict[int, str]:
        with self._database.reading() as db:
            return feed.without_vector(db, collection, embedder=embedder, after=after, limit=limit)

    def put_vectors(self, ids: Sequence[int], vectors: Vectors, *, embedder: str) -> None:
        with self._database.writing() as db:
            feed.insert_vectors(db, ids, vectors, embedder=embedder)

    def switch_embedder(self, collection: str, *, embedder: str) -> bool:
        with self._database.writing() as db:
            switched = feed.switch_embedder(db, collection, embedder=embedder)
            if switched:
                _count_erasure(db)
        return switched

    # ----------------------------------------------------- answers and ratings

    def save_answer(self, stored: StoredAnswer) -> bool:
        with self._database.writing() as db:
            return answers.save_answer(db, stored)

    def answer(self, answer_id: str) -> StoredAnswer | None:
        with self._database.reading() as db:
            return answers.answer(db, answer_id)

    def cache_keys_citing(self, document_ids: Iterable[str]) -> tuple[str, ...]:
        with self._database.reading() as db:
            return answers.cache_keys_citing(db, document_ids)

    def save_rating(self, rating: Rating) -> None:
        # The correction is not kept here: it becomes a document, and is gone when that is removed.
        with self._database.writing() as db:
            if db.execute("SELECT 1 FROM answers WHERE id = ?", (rating.answer_id,)).fetchone() is None:
                raise NotFound(f"There is no answer {rating.answer_id[:60]!r} to rate.")
            db.execute(
                "INSERT INTO ratings (answer, author, verdict) VALUES (?, ?, ?) "
                "ON CONFLICT (answer, author) DO UPDATE SET verdict = excluded.verdict",
                (rating.answer_id, rating.author, rating.verdict),
            )

    def withdraw_rating(self, answer_id: str, *, author: str) -> None:
        with self._database.writing() as db:
            db.execute("DELETE FROM ratings WHERE answer = ? AND author = ?", (answer_id, author))

    def verdicts(self, answer_id: str) -> tuple[tuple[str, Verdict], ...]:
        with self._database.reading() as db:
            rows = db.execute(
                "SELECT author, verdict FROM ratings WHERE answer = ? ORDER BY rowid", (answer_id,)
            )
            return tuple((author, verdict) for author, verdict in rows)


def _get_documents(
    db: apsw.Connection, document_ids: Iterable[str], collections: Sequence[str] | None
) -> list[tuple[Document, str]]:
    """Each of these documents once, with the hash of its content; NotFound if one is not there."""
    wanted = list(dict.fromkeys(document_ids))
    rows = db.execute(
        f"{_DOCUMENTS} WHERE {_WITHIN} AND documents.id IN (SELECT value FROM json_each(?2))",  # noqa: S608 - constants
        (json_list(collections), json_list(wanted)),
    )
    found = {row[0]: (Document(*row[:-1]), row[-1]) for row in rows}
    for id_ in wanted:
        if id_ not in found:
            raise NotFound(
                f"There is no document {id_[:60]!r}, so nothing was changed: `mmrag documents` lists those "
                "there are."
            )
    return [found[id_] for id_ in wanted]


def _raise_revision(db: apsw.Connection, name: str, *, embedder: str | None = None) -> tuple[int, int]:
    """(key, revision) of a collection for the change that this transaction makes.

    Without an embedder the collection must be there; with one it is made if it is not.
    """
    revision: int = db.execute(
        "UPDATE counters SET value = value + 1 WHERE name = 'revision' RETURNING value"
    ).get
    if embedder is not None:
        db.execute("INSERT OR IGNORE INTO embedders (name) VALUES (?)", (embedder,))
        db.execute(
            "INSERT OR IGNORE INTO collections (name, revision, horizon, embedder) "
            "SELECT ?, ?, ?, key FROM embedders WHERE name = ?",
            (name, revision, revision, embedder),
        )
    key: int = db.execute(
        "UPDATE collections SET revision = ? WHERE name = ? RETURNING key", (revision, name)
    ).get
    return key, revision


def _count_erasure(db: apsw.Connection) -> None:
    db.execute("UPDATE counters SET value = value + 1 WHERE name = 'erasures'")


def _erasures(db: apsw.Connection) -> int:
    count: int = db.execute("SELECT value FROM counters WHERE name = 'erasures'").get
    return count


def _delete_collection(db: apsw.Connection, name: str) -> None:
    key = db.execute("SELECT key FROM collections WHERE name = ?", (name,)).get
    db.execute(  # in an order that leaves the cascades of `documents` little to do
        "DELETE FROM removals WHERE collection = :key; "
        "DELETE FROM chunks WHERE collection = :key; "
        "DELETE FROM documents WHERE collection = :key; "
        "DELETE FROM collections WHERE key = :key",
        {"key": key},
    )


def _discard_content(db: apsw.Connection, document_id: str, revision: int) -> bool:
    """Delete what belongs to a document, and what quotes it; the indexes learn of it by `removals`."""
    key = db.execute("SELECT key FROM documents WHERE id = ?", (document_id,)).get
    if key is None:
        return False
    db.execute(
        "INSERT INTO removals (collection, revision, chunk) "
        "SELECT collection, ?, id FROM chunks WHERE document = ?",
        (revision, key),
    )
    db.execute(  # vectors go with their chunks
        "DELETE FROM chunks WHERE document = :key; "
        "DELETE FROM figures WHERE document = :key; "
        "DELETE FROM originals WHERE document = :key; "
        "DELETE FROM pages WHERE document = :key",
        {"key": key},
    )
    answers.erase_answers(db, document_id)
    _count_erasure(db)
    return True


def _upsert_document(db: apsw.Connection, document: Document, collection: int, content_hash: str) -> int:
    """The key of the document's row, the same across updates."""
    db.execute(
        "INSERT INTO documents (id, collection, uri, title, media_type, content_hash, pages, chunks, "
        "figures, added_at, added_by) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
        "ON CONFLICT (id) DO UPDATE SET title = excluded.title, media_type = excluded.media_type, "
        "content_hash = excluded.content_hash, pages = excluded.pages, chunks = excluded.chunks, "
        "figures = excluded.figures, added_at = excluded.added_at, "
        "added_by = excluded.added_by",
        (
            document.id,
            collection,
            document.uri,
            document.title,
            document.media_type,
            content_hash,
            document.pages,
            document.chunks,
            document.figures,
            document.added_at,
            document.added_by,
        ),
    )
    key: int = db.execute("SELECT key FROM documents WHERE id = ?", (document.id,)).get
    return key


def _copy(db: apsw.Connection, original: Document, content_hash: str, *, into: str) -> Document:
    """The document with all that belongs to it, vectors too, as one of another collection."""
    embedder: str = db.execute(
        "SELECT embedders.name FROM collections JOIN embedders ON embedders.key = collections.embedder "
        "WHERE collections.name = ?",
        (original.collection,),
    ).get
    copied = replace(original, id=document_id(into, original.uri), collection=into)
    collection, revision = _raise_revision(db, into, embedder=embedder)
    _discard_content(db, copied.id, revision)
    source: int = db.execute("SELECT key FROM documents WHERE id = ?", (original.id,)).get
    key = _upsert_document(db, copied, collection, content_hash)
    db.execute("INSERT INTO pages SELECT ?, number, text FROM pages WHERE document = ?", (key, source))
    db.execute("INSERT INTO originals SELECT ?, name, data FROM originals WHERE document = ?", (key, source))
    figures: dict[Any, int] = {}
    for (figure,) in db.execute("SELECT key FROM figures WHERE document = ?", (source,)).fetchall():
        db.execute(
            "INSERT INTO figures (document, image) SELECT ?, image FROM figures WHERE key = ?", (key, figure)
        )
        figures[figure] = db.last_insert_rowid()
    for chunk, figure in db.execute(
        "SELECT id, figure FROM chunks WHERE document = ? ORDER BY id", (source,)
    ).fetchall():
        db.execute(
            "INSERT INTO chunks (document, collection, page, start, stop, text, context, kind, figure) "
            "SELECT ?, ?, page, start, stop, text, context, kind, ? FROM chunks WHERE id = ?",
            (key, collection, figures.get(figure), chunk),
        )
        db.execute(
            "INSERT INTO vectors (chunk, embedder, vector) "
            "SELECT ?, embedder, vector FROM vectors WHERE chunk = ?",
            (db.last_insert_rowid(), chunk),
        )
    return copied


def _insert_pages(db: apsw.Connection, document: int, pages: Sequence[Page]) -> None:
    db.executemany(
        "INSERT INTO pages (document, number, text) VALUES (?, ?, ?)",
        [(document, page.number, page.text) for page in pages],
    )


def _insert_figures(
    db: apsw.Connection, document: int, pages: Sequence[Page]
) -> dict[tuple[int, int | None], int]:
    """The key of each stored picture by (page number, index on the page)."""
    keys: dict[tuple[int, int | None], int] = {}
    for page in pages:
        for index, figure in enumerate(page.figures):
            if figure.image is not None:
                db.execute("INSERT INTO figures (document, image) VALUES (?, ?)", (document, figure.image))
                keys[page.number, index] = db.last_insert_rowid()
    return keys


def _insert_chunk(db: apsw.Connection, place: tuple[int, int], draft: ChunkDraft, figure: int | None) -> int:
    """The new chunk's id; `place` is the keys of document and collection."""
    db.execute(
        "INSERT INTO chunks (document, collection, page, start, stop, text, context, kind, figure) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            *place,
            draft.page,
            draft.start,
            draft.end,
            draft.text,
            draft.context,
            draft.kind,
            figure,
        ),
    )
    return db.last_insert_rowid()
