"""Documents made up from a seed, a history of changes that can be replayed, and all that a store holds."""

from __future__ import annotations

import random
from dataclasses import dataclass

import numpy as np

from mmrag.storage.catalog import SqliteStore
from mmrag.types import Answer, ChunkDraft, Citation, Document, Figure, Generation, Page, document_id

EMBEDDER = "tiny"
DIMENSION = 8
COLLECTIONS = ("shared", "private")


@dataclass(frozen=True)
class Version:
    """One version of a document, as `put` takes it."""

    document: Document
    content_hash: str
    pages: tuple[Page, ...]
    chunks: tuple[ChunkDraft, ...]
    vectors: np.ndarray

    def put_into(self, store, *, embedder=EMBEDDER):
        store.put(
            self.document,
            content_hash=self.content_hash,
            pages=self.pages,
            chunks=self.chunks,
            vectors=self.vectors,
            embedder=embedder,
        )


def make_version(seed, *, collection="shared", uri="handbook.md", words=30) -> Version:
    """Every text, picture and number of it depends on the seed."""
    rng = random.Random(str(seed))
    pages = tuple(_make_page(rng, number, words) for number in range(1, rng.randint(2, 4)))
    chunks = tuple(chunk for page in pages for chunk in _cut(page))
    document = Document(
        id=document_id(collection, uri),
        collection=collection,
        title=f"Title {rng.random()}",
        uri=uri,
        media_type="text/markdown",
        pages=len(pages),
        chunks=len(chunks),
        figures=sum(len(page.figures) for page in pages),
        added_at=f"2024-01-01T00:00:{rng.randint(10, 59)}Z",
        added_by=rng.choice(("", "ana", "bob")),
    )
    vectors = np.random.default_rng(rng.getrandbits(32)).random((len(chunks), DIMENSION), dtype=np.float32)
    return Version(document, f"hash {rng.random()}", pages, chunks, vectors)


def _make_page(rng, number, words) -> Page:
    text = " ".join(f"{rng.getrandbits(40):x}" for _ in range(words)) + " 你好"
    pictures = [rng.randbytes(rng.randint(1, 6000)), None][: rng.randint(1, 2)]
    figures = tuple(Figure("chart", 0, 10, image=image) for image in pictures)
    return Page(number, text, figures=figures)


def _cut(page) -> list[ChunkDraft]:
    middle = len(page.text) // 2
    spans = [(0, middle), (middle, len(page.text))]
    drafts = [ChunkDraft(page.number, a, b, page.text[a:b], context=f"Page {page.number}") for a, b in spans]
    for index, figure in enumerate(page.figures):
        text = page.text[figure.start : figure.end]
        drafts.append(ChunkDraft(page.number, figure.start, figure.end, text, kind="figure", figure=index))
    return drafts


# ------------------------------------------------------- all that a store holds


def expected(version) -> dict:
    """What `held` must find of a version."""
    images = {
        (page.number, index): figure.image
        for page in version.pages
        for index, figure in enumerate(page.figures)
    }
    return {
        "document": version.document,
        "hash": version.content_hash,
        "pages": [page.text for page in version.pages],
        "chunks": [
            (d.page, d.start, d.end, d.text, d.context, d.kind, images.get((d.page, d.figure)))
            for d in version.chunks
        ],
        "searched": [draft.searched for draft in version.chunks],
        "vectors": version.vectors.tobytes(),
    }


def held(store) -> dict:
    """Every row of a store that its methods can reach, by (collection, uri)."""
    return {
        (document.collection, document.uri): _held_document(store, document)
        for document in store.documents(None)
    }


def all_rows(store, collection):
    """All chunks of a collection as an index wants them."""
    return store.rows(store.changes(collection, since=0, after=0).added, embedder=EMBEDDER)


def _held_document(store, document) -> dict:
    batch = all_rows(store, document.collection)
    hits = store.hits(batch.ids)
    rows = [i for i, chunk in enumerate(batch.ids) if hits[chunk][0].document_id == document.id]
    chunks = [hits[batch.ids[i]][0] for i in rows]
    return {
        "document": document,
        "hash": store.find(collection=document.collection, uri=document.uri)[1],
        "pages": [store.page(document.id, number) for number in range(1, document.pages + 1)],
        "chunks": [
            (c.page, c.start, c.end, c.text, c.context, c.kind, c.image and store.figure(c.image))
            for c in chunks
        ],
        "searched": [batch.texts[i] for i in rows],
        "vectors": batch.vectors[rows].tobytes(),
    }


# ------------------------------------------------------- a history of changes


def change(store, who, step) -> None:
    """Do step number `step` of the history named `who`."""
    collection, uri, remove = _plan(who, step)
    if remove and store.find(collection=collection, uri=uri):
        store.remove([document_id(collection, uri)], [collection])
    else:
        make_version((who, step), collection=collection, uri=uri).put_into(store)


def model(who, steps) -> dict:
    """What a store holds after the first `steps` of that history."""
    state: dict = {}
    for step in range(steps):
        collection, uri, remove = _plan(who, step)
        if remove and (collection, uri) in state:
            del state[collection, uri]
        else:
            state[collection, uri] = expected(make_version((who, step), collection=collection, uri=uri))
    return state


def _plan(who, step):
    rng = random.Random(f"{who} {step}")
    return rng.choice(COLLECTIONS), f"{who}-{rng.randrange(5)}.md", rng.random() < 0.35


# ------------------------------------------------------------------- answers


def cite(store, document, *, marker=1) -> Citation:
    """A citation of a document's first chunk."""
    batch = all_rows(store, document.collection)
    for chunk, title, uri in store.hits(batch.ids).values():
        if chunk.document_id == document.id:
            return Citation(marker, document.id, title, chunk.page, uri, chunk.text, chunk.id, chunk.image)
    raise LookupError(document.id)


def make_answer(*citations, answer_id="a1", text="It is so. [1]") -> Answer:
    return Answer(
        id=answer_id,
        text=text,
        abstained=not citations,
        citations=citations,
        unread=(),
        cached=False,
        generation=Generation("extractive", "none", "7"),
        timings_ms={"total": 1.5},
    )


def open_store(home) -> SqliteStore:
    return SqliteStore(home / "store.sqlite3")
