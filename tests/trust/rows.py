"""Documents made from a seed, what must be stored of them, and what is: every row, read by SQL.

The rows are read past the code under trial, so what its own methods would not show is seen too.
"""

from __future__ import annotations

import random
from collections import defaultdict
from dataclasses import dataclass

import apsw
import numpy as np

from mmrag.text.words import words
from mmrag.types import ChunkDraft, Document, Figure, Page, document_id
from tests.storage.samples import Version
from tests.trust.parts import EMBEDDER, WORDS_ONLY, store_file

VOCABULARY = [
    *"gateway rack cooling invoice travel backup certificate dashboard latency storage".split(),
    *"服务 网关 备份 差旅".split(),
]
# Words that no document has: only the vectors answer.
NOWHERE = "zzyzx qqvvq xxjjx"
# How far cosines may be off: sums of float32 depend on their order; HNSW compares vectors in 8 bits.
_EXACT, _HNSW = 1e-5, 2e-3


def make_document(seed, *, collection, uri, chunks=3, picture_bytes=2_000) -> Version:
    """Every text, picture and number of it depends on the seed."""
    rng = random.Random(str(seed))
    texts = [_make_text(rng) for _ in range(rng.randint(1, chunks))]
    page = "\n\n".join(texts)
    starts = [page.index(text) for text in texts]
    image = rng.randbytes(rng.randint(1, picture_bytes)) if rng.random() < 0.4 else None
    figures = () if image is None else (Figure("picture", 0, len(texts[0]), image=image),)
    title = f"About {rng.getrandbits(32):08x}"
    drafts = tuple(
        ChunkDraft(1, start, start + len(text), text, context=title, figure=0 if figures and not i else None)
        for i, (start, text) in enumerate(zip(starts, texts, strict=True))
    )
    document = Document(
        id=document_id(collection, uri),
        collection=collection,
        title=title,
        uri=uri,
        media_type="text/markdown",
        pages=1,
        chunks=len(drafts),
        figures=len(figures),
        added_at=f"2024-01-01T00:00:{rng.randint(10, 59)}Z",
        added_by=rng.choice(("", "ana", "bob")),
    )
    vectors = EMBEDDER.embed_documents([draft.searched for draft in drafts])
    content_hash = f"{rng.getrandbits(64):016x}"
    return Version(document, content_hash, (Page(1, page, figures=figures),), drafts, vectors)


def _make_text(rng):
    common = " ".join(rng.choices(VOCABULARY, k=rng.randint(2, 8)))
    return f"u{rng.getrandbits(48):012x} {common}"


def expected_rows(version):
    """What `read_rows` must find of a version."""
    images = [[figure.image for figure in page.figures] for page in version.pages]
    return (
        version.document,
        version.content_hash,
        [(page.number, page.text) for page in version.pages],
        sorted(image for of_page in images for image in of_page),
        [
            (
                *(draft.page, draft.start, draft.end, draft.text, draft.context, draft.kind),
                None if draft.figure is None else images[draft.page - 1][draft.figure],
                vector.astype("<f4").tobytes(),
            )
            for draft, vector in zip(version.chunks, version.vectors, strict=True)
        ],
    )


@dataclass(frozen=True)
class StoredChunk:
    """A chunk as the indexes should know it."""

    id: int
    searched: str
    vector: np.ndarray


@dataclass(frozen=True)
class Rows:
    """All that is stored: documents by (collection, uri), the chunks of each collection."""

    documents: dict
    chunks: dict
    faults: tuple[str, ...]  # what SQLite finds wrong, and rows that belong to nothing


def read_rows(home) -> Rows:
    """Read a store that nobody needs to have open."""
    db = apsw.Connection(str(store_file(home)))
    try:
        db.execute("BEGIN")
        return _read_rows(db)
    finally:
        db.close(force=True)


def _read_rows(db):
    pages, figures, contents, chunks = (defaultdict(list) for _ in range(4))
    for document, number, text in db.execute("SELECT document, number, text FROM pages ORDER BY 1, 2"):
        pages[document].append((number, text))
    images = {}
    for key, document, image in db.execute("SELECT key, document, image FROM figures"):
        images[key] = image
        figures[document].append(image)
    rows = db.execute(
        "SELECT chunks.document, name, chunks.id, page, start, stop, text, context, kind, figure, vector "
        "FROM chunks JOIN collections ON collections.key = chunks.collection "
        "LEFT JOIN vectors ON vectors.chunk = chunks.id ORDER BY chunks.id"
    )
    for document, collection, chunk, page, start, stop, text, context, kind, figure, vector in rows:
        image = None if figure is None else images[figure]
        contents[document].append((page, start, stop, text, context, kind, image, vector))
        searched = ChunkDraft(page, start, stop, text, context).searched
        chunks[collection].append(StoredChunk(chunk, searched, np.frombuffer(vector or b"", "<f4")))
    documents = {}
    keys = set()
    for key, content_hash, *fields in db.execute(
        "SELECT documents.key, content_hash, documents.id, name, title, uri, media_type, pages, chunks, "
        "figures, added_at, added_by "
        "FROM documents JOIN collections ON collections.key = documents.collection"
    ):
        keys.add(key)
        document = Document(*fields)
        documents[document.collection, document.uri] = (
            document,
            content_hash,
            pages[key],
            sorted(figures[key]),
            contents[key],
        )
    return Rows(documents, dict(chunks), tuple(_faults(db, keys, {*pages, *figures, *contents})))


def _faults(db, documents, owners):
    if owners - documents:
        yield "rows of documents that are not there"
    if list(db.execute("PRAGMA foreign_key_check")):
        yield "rows that refer to nothing"
    check = db.execute("PRAGMA integrity_check").get
    if check != "ok":
        yield f"SQLite: {check}"
    if db.execute("SELECT count(*) FROM vectors").get != db.execute("SELECT count(*) FROM chunks").get:
        yield "vectors and chunks do not match"


def index_faults(retriever, rows, rng, *, collections, exact=True):
    """What the retriever answers otherwise than the stored rows, searched one by one, would.

    By vectors: all rows in the order of their cosines, of which HNSW may leave some out. By words:
    exactly the rows that hold the word.
    """
    chunks = [chunk for name in collections for chunk in rows.chunks.get(name, [])]
    by_id = {chunk.id: chunk for chunk in chunks}
    yield from _dense_faults(retriever, by_id, collections, exact=exact)
    asked = [rng.choice(VOCABULARY)]
    asked += [rng.choice(chunks).searched.split()[-1]] if chunks else []
    asked += [next(word for word in rng.choice(chunks).searched.split() if word[0] == "u")] if chunks else []
    for word in asked:
        found = {hit.chunk.id for hit in _ask(retriever, WORDS_ONLY + word, collections)}
        wanted = set(words(word))
        holding = {chunk.id for chunk in chunks if wanted & set(words(chunk.searched))}
        if found != holding:
            yield f"{word!r} found {len(found)} chunks, {len(found - holding)} wrong, of {len(holding)}"


def _dense_faults(retriever, by_id, collections, *, exact):
    found = [hit.chunk.id for hit in _ask(retriever, NOWHERE, collections)]
    if set(found) - by_id.keys():
        yield "a removed or foreign chunk was found"
        return
    if len(found) != len(set(found)):
        yield "a chunk was found twice"
    if exact and len(found) != len(by_id):
        yield f"the vectors of {len(by_id) - len(found)} chunks were not found"
    question = EMBEDDER.embed_queries([NOWHERE])[0]
    cosines = np.array([by_id[chunk].vector @ question for chunk in found])
    tolerance = _EXACT if exact else _HNSW
    if (np.diff(cosines) > tolerance).any():
        yield "neighbours came in a wrong order"
    best = max((chunk.vector @ question for chunk in by_id.values()), default=0.0)
    if by_id and not (len(cosines) and cosines[0] > best - tolerance):
        yield "the nearest neighbour was not found"


def _ask(retriever, question, collections):
    return retriever.search(question, collections=collections, k=10_000)
