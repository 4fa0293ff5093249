"""The retriever of LangChain: its own standard tests, and what a citation needs of each document."""

from __future__ import annotations

import asyncio

import pytest

from mmrag.assemble import build_engine
from mmrag.config import Settings
from mmrag.errors import NotReadable
from mmrag.types import Attachment, Source, Turn
from tests.retrieval.memory_feed import HashEmbedder
from tests.service.serving import served

TEXTS = (
    ("gateway.txt", "The gateway is renewed every 14 days.", "team"),
    ("leave.txt", "Leave is 28 days a year.", "team"),
    ("secret.txt", "The gateway is secret.", "board"),
)

pytest.importorskip("langchain_core", reason="needs the extra langchain")


@pytest.fixture(scope="module")
def retrievers(reader, tmp_path_factory):
    """One over an engine in this process, one over the same engine behind HTTP."""
    from mmrag.integrations.langchain import MmragRetriever  # noqa: PLC0415 - needs the extra

    settings = Settings(home=tmp_path_factory.mktemp("home"))
    options = {"collections": ("team",), "k": 3}
    with build_engine(settings, embedder=HashEmbedder(), reader=reader) as engine:
        for name, text, collection in TEXTS:
            engine.add(Source(name, text.encode(), f"test:{name}"), collection=collection)
        with served(engine, settings) as url:
            remote = MmragRetriever.from_url(url, **options)
            yield {"in process": MmragRetriever(engine=engine, **options), "by URL": remote}
            remote.engine.close()


@pytest.fixture(params=["in process", "by URL"])
def retriever(request, retrievers):
    return retrievers[request.param]


def test_a_document_says_where_it_stands(retriever):
    first, *_ = retriever.invoke("How often is the gateway renewed?")
    assert first.page_content == "The gateway is renewed every 14 days."
    assert first.metadata["title"] == "gateway.txt"
    assert first.metadata["source"] == "test:gateway.txt"
    assert (first.metadata["page"], first.metadata["rank"]) == (1, 1)
    assert first.id == str(first.metadata["chunk_id"])


def test_only_its_own_collections_are_searched(retriever):
    found = retriever.invoke("secret gateway") + asyncio.run(retriever.ainvoke("secret gateway"))
    assert found
    assert not [document for document in found if "secret" in document.page_content]


def test_async_and_sync_find_the_same_and_take_the_same_options(retriever):
    async def both():
        return await asyncio.gather(*(retriever.ainvoke("gateway days", k=k) for k in (1, 2)))

    assert asyncio.run(both()) == [retriever.invoke("gateway days", k=k) for k in (1, 2)]


def test_a_follow_up_is_completed_from_its_thread(retriever):
    history = (Turn("user", "How often is the gateway renewed?"), Turn("assistant", "Every 14 days."))
    first, *_ = retriever.invoke("And why?", history=history)
    assert "gateway" in first.page_content


def test_attachments_that_cannot_be_read_are_named(retriever):
    broken = Attachment("chart.png", b"\x89PNG\r\n\x1a\n broken")
    documents = retriever.invoke("gateway", attachments=[broken])
    assert documents[0].metadata["unread"][0]["name"] == "chart.png"
    nothing = type(retriever)(engine=retriever.engine, collections=("empty",))
    with pytest.raises(NotReadable, match=r"chart\.png"):
        nothing.invoke("gateway", attachments=[broken])


def test_it_composes_with_langchains_own_parts(retriever):
    chain = retriever | (lambda documents: [document.metadata["title"] for document in documents])
    assert chain.invoke("gateway renewed", k=1)[0] == "gateway.txt"
    assert "engine" not in repr(retriever)
