"""Retrievers over a store's feed in memory."""

from __future__ import annotations

import subprocess
import sys

import pytest

from mmrag.retrieval.hybrid import HybridRetriever
from tests.retrieval.memory_feed import HashEmbedder, MemoryFeed


@pytest.fixture
def feed():
    return MemoryFeed(HashEmbedder())


@pytest.fixture
def start_retriever(feed, tmp_path):
    """Start retrievers on one folder of indexes, as two processes have them; closed after the test."""
    started = []

    def start(**options):
        chosen = {"folder": tmp_path / "indexes", "exact_search_rows": 10_000} | options
        started.append(HybridRetriever(feed, HashEmbedder(), **chosen))
        return started[-1]

    yield start
    for retriever in started:
        retriever.close()


@pytest.fixture
def retriever(start_retriever):
    return start_retriever()


@pytest.fixture
def run_python():
    """Run this very Python with these arguments; it must end well."""
    return lambda *arguments: subprocess.run(
        [sys.executable, *map(str, arguments)], capture_output=True, text=True, check=True, timeout=100
    )
