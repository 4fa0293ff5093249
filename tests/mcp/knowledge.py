"""A program for the tests: the real command line, with an embedder that needs no model.

    python -m tests.mcp.knowledge mcp [...]
"""

from __future__ import annotations

import sys

from mmrag import assemble
from mmrag.cli import main
from tests.retrieval.memory_feed import HashEmbedder

assemble.build_embedder = lambda _settings: HashEmbedder()
sys.stdout.write("")
sys.exit(main())
