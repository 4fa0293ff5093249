"""One alternative reader in its own environment: PDF paths in, seconds and text out, a JSON line each.

    PYTHON benchmarks/reading_peer.py markitdown|docling-parse

It imports nothing of mmrag, which is not installed there.
"""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def markitdown() -> Callable[[str], str]:
    """As its documentation shows it."""
    from markitdown import MarkItDown

    converter = MarkItDown(enable_plugins=False)
    return lambda path: str(converter.convert(path).text_content)


def docling_parse() -> Callable[[str], str]:
    """Its lines, page by page."""
    from docling_core.types.doc.page import TextCellUnit
    from docling_parse.pdf_parser import DoclingPdfParser

    parser = DoclingPdfParser()

    def read(path: str) -> str:
        document = parser.load(path)
        lines = [
            cell.text
            for _, page in document.iterate_pages()
            for cell in page.iterate_cells(unit_type=TextCellUnit.LINE)
        ]
        document.unload()
        return "\n".join(lines)

    return read


PEERS = {"markitdown": markitdown, "docling-parse": docling_parse}


def main() -> None:
    """Serve until standard input ends."""
    read = PEERS[sys.argv[1]]()
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        begun = time.perf_counter()
        text = read(json.loads(line))
        print(json.dumps({"seconds": time.perf_counter() - begun, "text": text}), flush=True)


if __name__ == "__main__":
    main()
