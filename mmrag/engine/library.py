"""What the engine knows: documents that are added and removed, and corrections that people give."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from mmrag.engine.stages import check_collection
from mmrag.errors import InvalidInput, NotFound, NotReadable
from mmrag.types import AddReport, ChunkDraft, Document, Original, Page, document_id

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mmrag.engine.stages import Stages
    from mmrag.engine.upkeep import Upkeep
    from mmrag.ports import PageListener, StoredAnswer, Vectors
    from mmrag.types import AddStatus, Source


_INCOMPLETE = " incomplete"  # ends the hash of what is to be read again where it is added again


@dataclass(frozen=True, slots=True)
class Prepared:
    """A source that was read and cut, and is still to be embedded and stored."""

    document: Document
    content_hash: str
    pages: Sequence[Page]
    chunks: Sequence[ChunkDraft]
    warnings: tuple[str, ...] = ()
    original: Original | None = None

    @property
    def size(self) -> int:
        """About how much memory it takes: characters of text, bytes of pictures and of the file."""
        pictures = sum(len(figure.image or b"") for page in self.pages for figure in page.figures)
        kept = len(self.original.data) if self.original else 0
        return kept + pictures + sum(len(page.text) for page in self.pages)


class Library:
    """Keeps the collections. Safe to use from many threads."""

    def __init__(self, stages: Stages, upkeep: Upkeep) -> None:
        self._stages = stages
        self._upkeep = upkeep

    def add(self, source: Source, *, collection: str) -> AddReport:
        """Read, chunk, embed and store a source; nothing of that where its content is known."""
        prepared = self.prepare(source, collection=collection)
        if not isinstance(prepared, Prepared):
            return prepared
        (vectors,) = self.embed([prepared])
        return self.keep(prepared, vectors)

    def prepare(
        self, source: Source, *, collection: str, progress: PageListener | None = None
    ) -> Prepared | AddReport:
        """All that comes before embedding; the report where the source's content is known."""
        check_collection(collection)
        content_hash = self._content_hash(source)
        known = self._stages.store.find(collection=collection, uri=source.uri)
        if known is not None and known[1] == content_hash:
            return _report(known[0], "unchanged")
        reading = self._stages.reader.read(source.data, name=source.name, progress=progress)
        title = (reading.title or source.name) if source.title is None else source.title
        chunks = self._stages.chunker.chunk(reading.pages, title=title)
        if not chunks:
            raise NotReadable(" ".join(reading.warnings) or f"No text was found in {source.name}.")
        document = Document(
            id=document_id(collection, source.uri),
            collection=collection,
            title=title,
            uri=source.uri,
            media_type=reading.media_type,
            pages=len(reading.pages),
            chunks=len(chunks),
            figures=sum(len(page.figures) for page in reading.pages),
            added_at=_now(),
            added_by=source.added_by,
        )
        if not reading.complete:
            content_hash += _INCOMPLETE
        original = Original(source.name, source.data) if self._stages.keep_originals else None
        return Prepared(document, content_hash, reading.pages, chunks, reading.warnings, original)

    def embed(self, several: Sequence[Prepared]) -> list[Vectors]:
        """The vectors of their chunks, a row each, made together; what is known is not embedded again."""
        import numpy as np  # noqa: PLC0415 - heavy

        embedder = self._stages.embedder
        known = [self._stages.store.vectors_of(each.document.id, embedder=embedder.name) for each in several]
        texts = [[chunk.searched for chunk in each.chunks] for each in several]
        missing = (text for of, kept in zip(texts, known, strict=True) for text in of if text not in kept)
        new = list(dict.fromkeys(missing))
        made = dict(zip(new, embedder.embed_documents(new), strict=True)) if new else {}
        return [
            np.stack([kept[text] if text in kept else made[text] for text in of])
            for of, kept in zip(texts, known, strict=True)
        ]

    def keep(self, prepared: Prepared, vectors: Vectors) -> AddReport:
        """Store it, unless just this was stored meanwhile."""
        document = prepared.document
        known = self._stages.store.find(collection=document.collection, uri=document.uri)
        if known is not None and known[1] == prepared.content_hash:
            return _report(known[0], "unchanged")
        self._put(prepared, vectors)
        if known:
            self._upkeep.after_deletion()
        return replace(_report(document, "updated" if known else "added"), warnings=prepared.warnings)

    def correct(
        self, stored: StoredAnswer, correction: str, *, author: str, settles: str | None = None
    ) -> str:
        """Index a correction as a source of its own, found by the question that it answers; its id.

        With it the proposal `settles` is decided. Raises NotFound, and nothing is kept, where it is already.
        """
        if not stored.collections:
            raise InvalidInput("This answer read no collection: there is none to keep a correction in.")
        collection = stored.collections[-1]
        uri = "correction:" + hashlib.blake2b(stored.question.encode(), digest_size=8).hexdigest()
        document = Document(
            id=document_id(collection, uri),
            collection=collection,
            title=f"Correction by {author}",
            uri=uri,
            media_type="text/plain",
            pages=1,
            chunks=1,
            figures=0,
            added_at=_now(),
            added_by=author,
        )
        chunk = ChunkDraft(
            page=1,
            start=0,
            end=len(correction),
            text=correction,
            context=stored.question,
            kind="correction",
        )
        content_hash = hashlib.blake2b(correction.encode(), digest_size=20).hexdigest()
        prepared = Prepared(document, content_hash, (Page(1, correction),), (chunk,))
        (vectors,) = self.embed([prepared])
        self._put(prepared, vectors, settles=settles)
        return document.id

    def remove(self, document_ids: Sequence[str], collections: Sequence[str] | None) -> tuple[Document, ...]:
        """Remove documents, and the answers that quote them."""
        removed = self._stages.store.remove(document_ids, collections)
        self._forget_answers(document_ids)
        self._upkeep.after_deletion()
        return removed

    def share(
        self, document_ids: Sequence[str], collections: Sequence[str], *, into: str
    ) -> tuple[Document, ...]:
        """Copy documents into another collection; answers that quote what they replace are forgotten."""
        check_collection(into)
        shared = self._stages.store.copy(document_ids, collections, into=into)
        self._forget_answers([document.id for document in shared])
        self._upkeep.after_addition(into, sum(document.chunks for document in shared))
        return shared

    def forget(self, collection: str) -> tuple[Document, ...]:
        """Remove a collection with its documents, and the answers that were given from it."""
        if collection not in self._stages.store.states([collection]):
            raise NotFound(
                f"There is no collection {collection[:60]!r}: `mmrag documents` names those there are."
            )
        removed, cache_keys = self._stages.store.forget(collection)
        self._stages.retriever.forget(collection)
        self._stages.cache.delete(cache_keys)
        self._forget_answers([document.id for document in removed])
        self._upkeep.after_deletion()
        return removed

    def _put(self, prepared: Prepared, vectors: Vectors, *, settles: str | None = None) -> None:
        document = prepared.document
        self._stages.store.put(
            document,
            content_hash=prepared.content_hash,
            pages=prepared.pages,
            chunks=prepared.chunks,
            vectors=vectors,
            embedder=self._stages.embedder.name,
            original=prepared.original,
            settles=settles,
        )
        self._forget_answers([document.id])
        self._upkeep.after_addition(document.collection, len(prepared.chunks))

    def _forget_answers(self, document_ids: Sequence[str]) -> None:
        """Nobody asks for them again, since the index version has changed; their bytes go as well."""
        self._stages.cache.delete(self._stages.store.cache_keys_citing(document_ids))

    def _content_hash(self, source: Source) -> str:
        """Of all that decides what would be stored for this source."""
        kept = "kept" if self._stages.keep_originals else ""
        parts = (self._stages.reading_version + kept, source.name, source.title or "")
        digest = hashlib.blake2b("\0".join(parts).encode(), digest_size=20)
        digest.update(b"\0" + source.data)
        return digest.hexdigest()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _report(document: Document, status: AddStatus) -> AddReport:
    return AddReport(document.id, document.pages, document.chunks, document.figures, status)
