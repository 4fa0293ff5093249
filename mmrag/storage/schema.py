"""The catalogue's tables and how older files are brought up to date. It knows SQL, no rows.

    collections 1--n documents 1--n pages, figures, chunks 1--1 vectors
    answers     1--n answer_documents, ratings
    removals    ids of chunks that are gone, for indexes that still hold them
    counters    the last revision given to any collection; deletions since the file was compacted
    api_keys    who may ask over HTTP, and of which collections; secrets only as their hashes
    originals   documents as they were added, where that is wanted
    asked       when an answer was asked for, and how that went
    proposals   corrections that wait for approval

A migration, once released, is never edited: a change of the schema is a new entry at the end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import apsw

MIGRATIONS: tuple[str, ...] = (
    """
    CREATE TABLE collections (
        key INTEGER PRIMARY KEY,
        name TEXT NOT NULL UNIQUE,
        revision INTEGER NOT NULL          -- grows with every change, in the change's transaction
    ) STRICT;

    CREATE TABLE embedders (
        key INTEGER PRIMARY KEY,
        name TEXT NOT NULL UNIQUE
    ) STRICT;

    CREATE TABLE documents (
        key INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        collection INTEGER NOT NULL REFERENCES collections,
        uri TEXT NOT NULL,
        title TEXT NOT NULL,
        media_type TEXT NOT NULL,
        content_hash TEXT NOT NULL,
        embedder INTEGER NOT NULL REFERENCES embedders,  -- of all the document's vectors
        pages INTEGER NOT NULL,
        chunks INTEGER NOT NULL,
        figures INTEGER NOT NULL,
        added_at TEXT NOT NULL,
        UNIQUE (collection, uri)
    ) STRICT;

    CREATE TABLE pages (
        document INTEGER NOT NULL REFERENCES documents ON DELETE CASCADE,
        number INTEGER NOT NULL,
        text TEXT NOT NULL,
        UNIQUE (document, number)
    ) STRICT;

    CREATE TABLE figures (
        key INTEGER PRIMARY KEY AUTOINCREMENT,           -- figure 12 is known outside as "figure-12"
        document INTEGER NOT NULL REFERENCES documents ON DELETE CASCADE,
        image BLOB NOT NULL
    ) STRICT;
    CREATE INDEX figures_of_document ON figures (document);

    CREATE TABLE chunks (
        id INTEGER PRIMARY KEY AUTOINCREMENT,            -- never reused: indexes know chunks by it
        document INTEGER NOT NULL REFERENCES documents ON DELETE CASCADE,
        collection INTEGER NOT NULL REFERENCES collections,
        revision INTEGER NOT NULL,                       -- of the collection, when it was added
        page INTEGER NOT NULL,
        start INTEGER NOT NULL,
        stop INTEGER NOT NULL,
        text TEXT NOT NULL,
        context TEXT NOT NULL,
        kind TEXT NOT NULL,
        figure INTEGER                                   -- of the same document, and gone with it
    ) STRICT;
    CREATE INDEX chunks_of_document ON chunks (document);
    CREATE INDEX chunks_by_revision ON chunks (collection, revision);

    CREATE TABLE vectors (
        chunk INTEGER PRIMARY KEY REFERENCES chunks ON DELETE CASCADE,
        vector BLOB NOT NULL                             -- float32, little endian
    ) STRICT;

    CREATE TABLE removals (
        collection INTEGER NOT NULL REFERENCES collections,
        revision INTEGER NOT NULL,                       -- of the collection, when it was removed
        chunk INTEGER NOT NULL,
        added INTEGER NOT NULL,                          -- the chunk's own revision
        PRIMARY KEY (collection, revision, chunk)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE answers (
        id TEXT PRIMARY KEY,
        answer TEXT NOT NULL,                            -- JSON of mmrag.wire
        erased INTEGER NOT NULL,                         -- whether its text went with a document
        question TEXT NOT NULL,
        collections TEXT NOT NULL,                       -- JSON list of names
        cache_key TEXT NOT NULL
    ) STRICT;

    CREATE TABLE answer_documents (
        document_id TEXT NOT NULL,                       -- stays when the document goes
        answer TEXT NOT NULL REFERENCES answers ON DELETE CASCADE,
        PRIMARY KEY (document_id, answer)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX documents_of_answer ON answer_documents (answer);

    CREATE TABLE ratings (
        answer TEXT NOT NULL REFERENCES answers ON DELETE CASCADE,
        author TEXT NOT NULL,
        verdict TEXT NOT NULL CHECK (verdict IN ('up', 'down')),
        PRIMARY KEY (answer, author)
    ) STRICT;
    """,
    # Revisions are unique across collections, so a name that is forgotten and used again never
    # passes for what it was. Vectors of two models stand side by side while one replaces the other.
    """
    CREATE TABLE counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
    INSERT INTO counters SELECT 'revision', coalesce(max(revision), 0) FROM collections;
    INSERT INTO counters SELECT 'erasures', count(*) > 0 FROM removals;

    ALTER TABLE collections ADD COLUMN horizon INTEGER NOT NULL DEFAULT 0;  -- removals before are forgotten
    ALTER TABLE collections ADD COLUMN embedder INTEGER REFERENCES embedders;  -- whose vectors are searched
    UPDATE collections SET embedder = (
        SELECT embedder FROM documents WHERE documents.collection = collections.key
        ORDER BY documents.key DESC LIMIT 1
    );
    DELETE FROM removals WHERE collection IN (SELECT key FROM collections WHERE embedder IS NULL);
    DELETE FROM collections WHERE embedder IS NULL;  -- those that hold no document

    CREATE TABLE chunk_vectors (
        key INTEGER PRIMARY KEY,
        chunk INTEGER NOT NULL REFERENCES chunks ON DELETE CASCADE,
        embedder INTEGER NOT NULL REFERENCES embedders,
        vector BLOB NOT NULL,                            -- float32, little endian
        UNIQUE (chunk, embedder)
    ) STRICT;
    INSERT INTO chunk_vectors (chunk, embedder, vector)
        SELECT chunk, documents.embedder, vector FROM vectors
        JOIN chunks ON chunks.id = vectors.chunk JOIN documents ON documents.key = chunks.document
        ORDER BY chunk;
    DROP TABLE vectors;
    ALTER TABLE chunk_vectors RENAME TO vectors;

    DROP INDEX chunks_by_revision;
    CREATE INDEX chunks_of_collection ON chunks (collection);
    ALTER TABLE chunks DROP COLUMN revision;
    ALTER TABLE removals DROP COLUMN added;
    ALTER TABLE documents DROP COLUMN embedder;
    """,
    """
    CREATE TABLE api_keys (
        id TEXT PRIMARY KEY,                             -- the part of a key that may be shown
        name TEXT NOT NULL UNIQUE,
        secret_hash BLOB NOT NULL,                       -- SHA-256
        collections TEXT NOT NULL,                       -- JSON list of names; "x*" is all that begin with x
        role TEXT NOT NULL CHECK (role IN ('read', 'write', 'admin')),
        added_at TEXT NOT NULL
    ) STRICT;
    """,
    """
    CREATE TABLE originals (
        document INTEGER PRIMARY KEY REFERENCES documents ON DELETE CASCADE,
        name TEXT NOT NULL,
        data BLOB NOT NULL
    ) STRICT;

    CREATE TABLE asked (
        key INTEGER PRIMARY KEY,
        at REAL NOT NULL,                                -- seconds since 1970
        answer TEXT NOT NULL REFERENCES answers ON DELETE CASCADE,
        collection TEXT NOT NULL,                        -- the narrowest of the question's
        abstained INTEGER NOT NULL,
        cached INTEGER NOT NULL,
        timings TEXT NOT NULL                            -- JSON, milliseconds by stage
    ) STRICT;
    CREATE INDEX asked_in_collection ON asked (collection, at);
    CREATE INDEX asked_for_answer ON asked (answer, at);

    CREATE TABLE proposals (
        id TEXT PRIMARY KEY,
        answer TEXT NOT NULL REFERENCES answers ON DELETE CASCADE,
        correction TEXT NOT NULL,
        author TEXT NOT NULL,
        at REAL NOT NULL                                 -- seconds since 1970
    ) STRICT;
    CREATE INDEX proposals_of_answer ON proposals (answer);
    """,
    """
    ALTER TABLE documents ADD COLUMN added_by TEXT NOT NULL DEFAULT '';
    """,
)


class NewerSchemaError(Exception):
    """The file was written by a later version of this code."""


def migrate(db: apsw.Connection, migrations: tuple[str, ...] = MIGRATIONS) -> None:
    """Bring the file up to the last migration, inside the caller's write transaction.

    Raises NewerSchemaError if the file is ahead of this code.
    """
    version = db.execute("PRAGMA user_version").get
    if version > len(migrations):
        raise NewerSchemaError
    for number, script in enumerate(migrations[version:], start=version + 1):
        list(db.execute(script))  # apsw stops at a row that is not read
        db.execute(f"PRAGMA user_version = {number}")
