"""The MCP server over standard input and output, for the program that started us.

Standard output carries the protocol and nothing else; what is logged goes to standard error.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from mmrag.mcp.desk import LocalDesk
from mmrag.mcp.tools import build_server

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mmrag.ports import ServedEngine


def serve(engine: ServedEngine, *, collections: Sequence[str]) -> None:
    """Serve one client until it closes our standard input."""
    asyncio.run(build_server(LocalDesk(engine, collections)).run_stdio_async())
