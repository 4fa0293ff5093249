"""The real command line, with an embedder that needs no model: `python -m tests.mcp.knowledge mcp`."""

from __future__ import annotations

import sys

from mmrag import assemble
from mmrag.cli import main
from tests.retrieval.memory_feed import HashEmbedder


def build_embedder(_settings):
    return HashEmbedder()


if __name__ == "__main__":
    assemble.build_embedder = build_embedder
    sys.exit(main())
