"""What an answer cites, looked up for whoever follows its link: nothing that has been removed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mmrag.errors import NotFound, NotReadable
from mmrag.ports import Cited

if TYPE_CHECKING:
    from mmrag.links import PageLinks
    from mmrag.ports import Reader, Store, StoredPage
    from mmrag.types import Document, Original

GONE = "This source was changed or removed since the answer was given: ask again for the present state."


class CitedSources:
    """The port Sources over the store."""

    def __init__(self, store: Store, links: PageLinks, reader: Reader) -> None:
        self._store = store
        self._links = links
        self._reader = reader

    def follow(self, token: str) -> Cited:
        claim = self._links.open(token)
        stored = self._store.answer(claim.answer_id)
        citations = stored.answer.citations if stored else ()
        for citation in citations:
            if citation.marker == claim.marker and citation.document_id is not None:
                document = self._store.document(citation.document_id)
                if document is not None and stored and document.collection in stored.collections:
                    return Cited(citation, document, claim.expires)
        raise NotFound(GONE)

    def page(self, document: Document, number: int) -> StoredPage:
        page = self._store.stored_page(document.id, number)
        if page is None:
            raise NotFound(f"This document has no page {number}.")
        return page

    def figure(self, document: Document, name: str) -> bytes:
        image = self._store.figure_of(document.id, name)
        if image is None:
            raise NotFound("This document has no such picture.")
        return image

    def original(self, document: Document) -> Original:
        original = self._store.original(document.id)
        if original is None:
            raise NotFound("The original of this document was not kept.")
        return original

    def facsimile(self, document: Document, number: int, *, quote: str) -> bytes:
        if document.media_type != "application/pdf":
            raise NotFound("Only pages of PDFs are shown as they look.")
        try:
            return self._reader.draw_page(self.original(document).data, number=number, quote=quote)
        except NotReadable as error:
            raise NotFound(str(error)) from None

    def has_original(self, document: Document) -> bool:
        return self._store.has_original(document.id)
