"""LangChain's own standard tests over our retriever."""

from __future__ import annotations

import pytest

from mmrag.assemble import build_engine
from mmrag.config import Settings
from mmrag.types import Source
from tests.retrieval.memory_feed import HashEmbedder

pytest.importorskip("langchain_tests", reason="needs the extra dev")

from langchain_tests.integration_tests import RetrieversIntegrationTests

from mmrag.integrations.langchain import MmragRetriever

TEXTS = (
    "The office opens at 8.",
    "Leave is 28 days a year.",
    "The rack has 4 gateways.",
    "Invoices are paid in 30 days.",
)


class TestMmragRetriever(RetrieversIntegrationTests):
    @pytest.fixture(autouse=True)
    def knowledge(self, tmp_path, reader):
        with build_engine(Settings(home=tmp_path), embedder=HashEmbedder(), reader=reader) as engine:
            for number, text in enumerate(TEXTS):
                source = Source(f"{number}.txt", text.encode(), f"test:{number}")
                engine.add(source, collection="team")
            self._engine = engine
            yield

    @property
    def retriever_constructor(self):
        return MmragRetriever

    @property
    def retriever_constructor_params(self):
        return {"engine": self._engine, "collections": ("team",)}

    @property
    def retriever_query_example(self):
        return "How many days of leave are there in a year?"
