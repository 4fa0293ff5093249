"""The catalogue: documents with their chunks and vectors, answers and ratings. It is the truth.

It implements the ports `Store` and `ChunkFeed`. It knows no file format, no index and no model;
how the file is shared and kept durable stands in `database`, the tables in `schema`.

Every change of a collection raises its revision in the same transaction, so an index that
remembers one revision can ask for exactly what it missed. What is deleted is deleted: the
answers that quote a document lose their text with it, and `compact` leaves no byte behind.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Self

import numpy as np

from mmrag.errors import NotFound, StoreUnavailable
from mmrag.ports import Changes, ChunkBatch, StoredAnswer, StoredPage
from mmrag.storage.database import Database
from mmrag.types import Chunk, ChunkDraft, Document
from mmrag.wire import answer_from_json, answer_to_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path
    from types import TracebackType

    import apsw

    from mmrag.ports import Vectors
    from mmrag.types import Answer, Page, Rating, Verdict

# A list of any length is one binding, as JSON.
_DOCUMENTS = """
    SELECT documents.id, collections.name, title, uri, media_type, pages, chunks, figures, added_at,
        content_hash
    FROM documents JOIN collections ON collections.key = documents.collection
"""
_WITHIN = "(?1 IS NULL OR collections.name IN (SELECT value FROM json_each(?1)))"
_FIGURE_NAME = re.compile(r"figure-([1-9][0-9]{0,17})")


class SqliteStore:
    """The store in the file `path`, made if it is not there. Safe for many threads and processes.

    Every method raises StoreUnavailable where the file cannot be used.
    """

    def __init__(self, path: Path) -> None:
        self._database = Database(path)

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
                (_json_list(collections),),
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
    ) -> None:
        if vectors.shape[:1] != (len(chunks),):
            raise ValueError(f"{len(chunks)} chunks with vectors of shape {vectors.shape}")
        with self._database.writing() as db:
            collection, revision = _raise_revision(db, document.collection)
            replaced = _discard_content(db, document.id, revision)
            key = _upsert_document(db, document, collection, content_hash, embedder)
            _insert_pages(db, key, pages)
            figures = _insert_figures(db, key, pages)
            for draft, vector in zip(chunks, vectors, strict=True):
                figure = figures.get((draft.page, draft.figure))
                chunk = _insert_chunk(db, (key, collection, revision), draft, figure)
                db.execute(
                    "INSERT INTO vectors (chunk, vector) VALUES (?, ?)",
                    (chunk, vector.astype("<f4").tobytes()),
                )
        if replaced:
            self._database.checkpoint()

    def remove(self, document_ids: Sequence[str], collections: Sequence[str] | None) -> tuple[Document, ...]:
        with self._database.writing() as db:
            rows = db.execute(
                f"{_DOCUMENTS} WHERE {_WITHIN} AND documents.id IN (SELECT value FROM json_each(?2))",  # noqa: S608 - constants
                (_json_list(collections), _json_list(document_ids)),
            )
            found = {document.id: document for document in (Document(*row) for *row, _ in rows)}
            removed = [_get_document(found, document_id) for document_id in dict.fromkeys(document_ids)]
            for name in {document.collection for document in removed}:
                _, revision = _raise_revision(db, name)
                for document in removed:
                    if document.collection == name:
                        _discard_content(db, document.id, revision)
                        db.execute("DELETE FROM documents WHERE id = ?", (document.id,))
        self._database.checkpoint()
        return tuple(removed)

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

    def figure(self, name: str) -> bytes | None:
        """The picture that `Chunk.image` and `Citation.image` name, as PNG or JPEG bytes."""
        match = _FIGURE_NAME.fullmatch(name)
        if match is None:
            return None
        with self._database.reading() as db:
            image: bytes | None = db.execute("SELECT image FROM figures WHERE key = ?", (int(match[1]),)).get
        return image

    def compact(self) -> None:
        """Leave no byte of what was removed in the data folder.

        Takes time and free space in proportion to the store; readers go on, writers wait.
        """
        self._database.rewrite()

    # ----------------------------------------------------- feed of the indexes

    def revision(self, collection: str) -> int:
        with self._database.reading() as db:
            return _collection(db, collection)[1]

    def changes(self, collection: str, *, since: int, embedder: str) -> Changes:
        with self._database.reading() as db:
            key, revision = _collection(db, collection)
            _check_embedder(db, key, embedder)
            removed = db.execute(
                "SELECT chunk FROM removals WHERE collection = ? AND revision > ? AND added <= ?",
                (key, since, since),
            )
            return Changes(
                revision=revision,
                removed=frozenset(chunk for (chunk,) in removed),
                added=_chunk_batch(db, key, since),
            )

    def hits(self, ids: Sequence[int]) -> dict[int, tuple[Chunk, str, str]]:
        with self._database.reading() as db:
            rows = db.execute(
                "SELECT title, uri, chunks.id, documents.id, page, start, stop, text, context, kind, "
                "'figure-' || figure FROM chunks JOIN documents ON documents.key = chunks.document "
                "WHERE chunks.id IN (SELECT value FROM json_each(?))",
                (_json_list(int(chunk) for chunk in ids),),  # JSON knows no integer of numpy
            )
            return {fields[0]: (Chunk(*fields), title, uri) for title, uri, *fields in rows}

    # ----------------------------------------------------- answers and ratings

    def save_answer(self, stored: StoredAnswer) -> bool:
        answer = stored.answer
        cited = {(c.document_id, c.chunk_id) for c in answer.citations if c.document_id is not None}
        with self._database.writing() as db:
            live = db.execute(
                "SELECT documents.id, chunks.id FROM chunks "
                "JOIN documents ON documents.key = chunks.document "
                "WHERE chunks.id IN (SELECT value FROM json_each(?))",
                (_json_list(chunk for _, chunk in cited),),
            )
            kept = cited <= set(live)
            db.execute(
                "INSERT INTO answers (id, answer, erased, question, collections, cache_key) "
                "VALUES (?, ?, ?, ?, ?, ?)",
                (
                    answer.id,
                    _dump_answer(answer if kept else _without_text(answer)),
                    not kept,
                    stored.question,
                    json.dumps(stored.collections),
                    stored.cache_key,
                ),
            )
            db.executemany(
                "INSERT INTO answer_documents (document_id, answer) VALUES (?, ?)",
                [(document_id, answer.id) for document_id in {document_id for document_id, _ in cited}],
            )
        return kept

    def answer(self, answer_id: str) -> StoredAnswer | None:
        with self._database.reading() as db:
            row = db.execute(
                "SELECT answer, question, collections, cache_key FROM answers WHERE id = ?", (answer_id,)
            ).fetchone()
        if row is None:
            return None
        answer, question, collections, cache_key = row
        return StoredAnswer(
            answer=_load_answer(answer),
            question=question,
            collections=tuple(json.loads(collections)),
            cache_key=cache_key,
        )

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

    def cache_keys_citing(self, document_ids: Iterable[str]) -> tuple[str, ...]:
        with self._database.reading() as db:
            rows = db.execute(
                "SELECT DISTINCT cache_key FROM answer_documents "
                "JOIN answers ON answers.id = answer_documents.answer "
                "WHERE document_id IN (SELECT value FROM json_each(?)) ORDER BY cache_key",
                (_json_list(document_ids),),
            )
            return tuple(cache_key for (cache_key,) in rows)

    def verdicts(self, answer_id: str) -> tuple[tuple[str, Verdict], ...]:
        with self._database.reading() as db:
            rows = db.execute(
                "SELECT author, verdict FROM ratings WHERE answer = ? ORDER BY rowid", (answer_id,)
            )
            return tuple((author, verdict) for author, verdict in rows)


def _json_list(values: Iterable[str | int | None] | None) -> str | None:
    return None if values is None else json.dumps(list(values))


def _get_document(found: dict[str, Document], document_id: str) -> Document:
    if document_id not in found:
        raise NotFound(
            f"There is no document {document_id[:60]!r}, so nothing was removed: "
            "`mmrag documents` lists those there are."
        )
    return found[document_id]


def _collection(db: apsw.Connection, name: str) -> tuple[int, int]:
    """(key, revision) of a collection; zeros for one that never was."""
    row = db.execute("SELECT key, revision FROM collections WHERE name = ?", (name,)).fetchone()
    return row or (0, 0)


def _raise_revision(db: apsw.Connection, name: str) -> tuple[int, int]:
    """(key, revision) of a collection for the change that this transaction makes."""
    row: tuple[int, int] = db.execute(
        "INSERT INTO collections (name, revision) VALUES (?, 1) "
        "ON CONFLICT (name) DO UPDATE SET revision = revision + 1 RETURNING key, revision",
        (name,),
    ).get
    return row


def _discard_content(db: apsw.Connection, document_id: str, revision: int) -> bool:
    """Delete what belongs to a document, and what quotes it; the indexes learn of it by `removals`."""
    key = db.execute("SELECT key FROM documents WHERE id = ?", (document_id,)).get
    if key is None:
        return False
    db.execute(
        "INSERT INTO removals (collection, revision, chunk, added) "
        "SELECT collection, ?, id, revision FROM chunks WHERE document = ?",
        (revision, key),
    )
    db.execute(  # vectors go with their chunks
        "DELETE FROM chunks WHERE document = :key; "
        "DELETE FROM figures WHERE document = :key; "
        "DELETE FROM pages WHERE document = :key",
        {"key": key},
    )
    _erase_answers(db, document_id)
    return True


def _erase_answers(db: apsw.Connection, document_id: str) -> None:
    """Empty the answers that quote a document. They stay rateable, and their cache keys known."""
    db.execute(  # keys handed out at an earlier change: without this they would pile up
        "DELETE FROM answer_documents "
        "WHERE document_id = ? AND answer IN (SELECT id FROM answers WHERE erased)",
        (document_id,),
    )
    rows = db.execute(
        "SELECT id, answers.answer FROM answer_documents "
        "JOIN answers ON answers.id = answer_documents.answer WHERE document_id = ?",
        (document_id,),
    )
    for answer_id, answer in list(rows):  # read to the end before the rows change
        erased = _dump_answer(_without_text(_load_answer(answer)))
        db.execute("UPDATE answers SET answer = ?, erased = TRUE WHERE id = ?", (erased, answer_id))


def _without_text(answer: Answer) -> Answer:
    return replace(answer, text="", citations=())


def _dump_answer(answer: Answer) -> str:
    return json.dumps(answer_to_json(answer), ensure_ascii=False)


def _load_answer(text: str) -> Answer:
    return answer_from_json(json.loads(text))


def _upsert_document(
    db: apsw.Connection, document: Document, collection: int, content_hash: str, embedder: str
) -> int:
    """The key of the document's row, the same across updates."""
    db.execute("INSERT OR IGNORE INTO embedders (name) VALUES (?)", (embedder,))
    db.execute(
        "INSERT INTO documents (id, collection, uri, title, media_type, content_hash, embedder, pages, "
        "chunks, figures, added_at) "
        "VALUES (?, ?, ?, ?, ?, ?, (SELECT key FROM embedders WHERE name = ?), ?, ?, ?, ?) "
        "ON CONFLICT (id) DO UPDATE SET title = excluded.title, media_type = excluded.media_type, "
        "content_hash = excluded.content_hash, embedder = excluded.embedder, pages = excluded.pages, "
        "chunks = excluded.chunks, figures = excluded.figures, added_at = excluded.added_at",
        (
            document.id,
            collection,
            document.uri,
            document.title,
            document.media_type,
            content_hash,
            embedder,
            document.pages,
            document.chunks,
            document.figures,
            document.added_at,
        ),
    )
    key: int = db.execute("SELECT key FROM documents WHERE id = ?", (document.id,)).get
    return key


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


def _insert_chunk(
    db: apsw.Connection, place: tuple[int, int, int], draft: ChunkDraft, figure: int | None
) -> int:
    """The new chunk's id; `place` is the keys of document and collection, and the revision."""
    db.execute(
        "INSERT INTO chunks (document, collection, revision, page, start, stop, text, context, kind, figure) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
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


def _check_embedder(db: apsw.Connection, collection: int, embedder: str) -> None:
    other = db.execute(
        "SELECT 1 FROM documents JOIN embedders ON embedders.key = documents.embedder "
        "WHERE collection = ? AND chunks > 0 AND embedders.name <> ? LIMIT 1",
        (collection, embedder),
    ).fetchone()
    if other is not None:
        raise StoreUnavailable(
            "Some documents were stored with another embedding model, whose vectors cannot be "
            "compared with this one's: add these documents again."
        )


def _chunk_batch(db: apsw.Connection, collection: int, since: int) -> ChunkBatch:
    """The chunks of a collection that are younger than a revision.

    The arrays are filled row by row: at a million chunks a list of blobs beside them would be
    a second copy of all vectors in memory.
    """
    count: int = db.execute(
        "SELECT count(*) FROM chunks WHERE collection = ? AND revision > ?", (collection, since)
    ).get
    dimension: int | None = db.execute(
        "SELECT length(vector) / 4 FROM chunks JOIN vectors ON vectors.chunk = chunks.id "
        "WHERE collection = ? LIMIT 1",
        (collection,),
    ).get
    ids = np.empty(count, dtype=np.int64)
    texts: list[str] = []
    vectors = np.empty((count, dimension or 0), dtype=np.float32)
    rows = db.execute(
        "SELECT id, vector, page, start, stop, text, context FROM chunks "
        "JOIN vectors ON vectors.chunk = chunks.id WHERE collection = ? AND revision > ? ORDER BY id",
        (collection, since),
    )
    for row, (chunk, vector, *draft) in enumerate(rows):
        ids[row] = chunk
        texts.append(ChunkDraft(*draft).searched)
        vectors[row] = np.frombuffer(vector, dtype="<f4")
    return ChunkBatch(ids, tuple(texts), vectors)
