"""Evidence written by hand, and the real generator over the real embedder."""

from __future__ import annotations

import pytest

from mmrag.generation.extractive import ExtractiveGenerator
from mmrag.types import Chunk, Hit, Prompt


@pytest.fixture
def hit():
    def make(text, *, title="Handbook", context="", kind="text", origin="collection", number=1):
        chunk = Chunk(number, f"document {number}", 1, 0, len(text), text, context or title, kind)
        return Hit(chunk, title, f"test:{number}", number, 1.0, ("bm25",), origin)

    return make


@pytest.fixture
def draft(embedder):
    """The drafted claims for a question over some hits."""

    def make(question, *hits, history=()):
        return ExtractiveGenerator(embedder).generate(Prompt(question, hits, history)).claims

    return make
