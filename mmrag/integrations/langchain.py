"""mmrag as a retriever of LangChain: its hits as LangChain's documents.

    from mmrag.integrations.langchain import MmragRetriever

    with build_engine(load_settings()) as engine:
        retriever = MmragRetriever(engine=engine, collections=("team",), k=5)
        retriever.invoke("How many days of leave do we have?")

    MmragRetriever.from_url("http://127.0.0.1:8000", key="mmrag_...", collections=("team",))

The engine may be any `mmrag.ports.EngineClient`: one in this process, or a client of a remote one.
What `invoke` is given beyond the query (`k`, `attachments`, `history`) counts for that call.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Self

from pydantic import ConfigDict, Field

from mmrag.errors import MissingExtra, NotReadable
from mmrag.types import DEFAULT_COLLECTION, Question

try:
    from langchain_core.documents import Document
    from langchain_core.retrievers import BaseRetriever
except ModuleNotFoundError as missing:
    raise MissingExtra(missing.name or "langchain-core", "langchain") from missing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from langchain_core.callbacks import AsyncCallbackManagerForRetrieverRun, CallbackManagerForRetrieverRun

    from mmrag.types import Attachment, Hit, SearchResult, Turn


class MmragRetriever(BaseRetriever):
    """Finds the `k` best chunks of these collections; raises UserFacingError.

    Each document's text is the chunk's, verbatim. Its metadata hold what a citation needs: `title`,
    `source` (the address), `page`, `document_id`, `chunk_id`, `image` (the name of the figure), and
    `rank`, `score`, `retrievers`. Attachments that could not be read are named in `unread`.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True, frozen=True, extra="forbid")

    engine: Any = Field(exclude=True, repr=False)  # an EngineClient; a Protocol can't be checked by pydantic
    collections: tuple[str, ...] = Field(default=(DEFAULT_COLLECTION,), min_length=1)
    k: int = Field(default=4, ge=1)

    @classmethod
    def from_url(cls, url: str, *, key: str = "", **options: Any) -> Self:  # noqa: ANN401 - the fields
        """A retriever that asks the engine at this address (`mmrag serve`) with an API key.

        Raises InvalidInput where this is no address, MissingExtra.
        """
        try:
            from mmrag.remote import RemoteEngine  # noqa: PLC0415 - needs an extra; named by the error
        except ModuleNotFoundError as lacking:
            raise MissingExtra(lacking.name or "httpx2", "remote") from lacking
        return cls(engine=RemoteEngine(url, key=key), **options)

    def _get_relevant_documents(
        self,
        query: str,
        *,
        run_manager: CallbackManagerForRetrieverRun,
        k: int | None = None,
        attachments: Sequence[Attachment] = (),
        history: Sequence[Turn] = (),
    ) -> list[Document]:
        del run_manager  # it hears of the whole run; there are no steps within
        return self._find(query, self.k if k is None else k, attachments, history)

    async def _aget_relevant_documents(
        self,
        query: str,
        *,
        run_manager: AsyncCallbackManagerForRetrieverRun,
        k: int | None = None,
        attachments: Sequence[Attachment] = (),
        history: Sequence[Turn] = (),
    ) -> list[Document]:
        """As `_get_relevant_documents`, in a thread: the engine is synchronous."""
        del run_manager
        return await asyncio.to_thread(self._find, query, self.k if k is None else k, attachments, history)

    def _find(
        self, query: str, k: int, attachments: Sequence[Attachment], history: Sequence[Turn]
    ) -> list[Document]:
        question = Question(query, self.collections, tuple(attachments), tuple(history))
        result: SearchResult = self.engine.search(question, k=k)
        if result.unread and not result.hits:
            raise NotReadable(" ".join(f"{one.name}: {one.reason}" for one in result.unread))
        unread = [{"name": one.name, "reason": one.reason} for one in result.unread]
        return [_document(hit, {"unread": unread} if unread else {}) for hit in result.hits]


def _document(hit: Hit, more: dict[str, Any]) -> Document:
    return Document(
        id=str(hit.chunk.id),
        page_content=hit.chunk.text,
        metadata={
            "title": hit.title,
            "source": hit.uri,
            "page": hit.chunk.page,
            "document_id": hit.chunk.document_id,
            "chunk_id": hit.chunk.id,
            "image": hit.chunk.image,
            "rank": hit.rank,
            "score": hit.score,
            "retrievers": list(hit.retrievers),
            **more,
        },
    )
