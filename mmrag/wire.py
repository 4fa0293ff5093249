"""The types as JSON: what the command line prints, the cache keeps and HTTP will carry.

The field names are the interface that people script against: adding is free, renaming is not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter

from mmrag.types import Answer

if TYPE_CHECKING:
    from mmrag.types import AddReport, Document, Hit, RatingReceipt, Reading, SearchResult, Table

VERSION = 1  # grows when a reader of the old form could misunderstand the new one

_ANSWER: TypeAdapter[Answer] = TypeAdapter(Answer)


def answer_to_json(answer: Answer) -> dict[str, Any]:
    """`ask --json`; `answer_from_json` takes it back."""
    return _ANSWER.dump_python(answer, mode="json")  # type: ignore[no-any-return]  # a dataclass dumps to a dict


def answer_from_json(value: object) -> Answer:
    """Raises ValueError where this is not an answer."""
    return _ANSWER.validate_python(value, strict=False)


def document_to_json(document: Document) -> dict[str, Any]:
    """A row of `documents --json`."""
    return {
        "document_id": document.id,
        "collection": document.collection,
        "title": document.title,
        "uri": document.uri,
        "media_type": document.media_type,
        "pages": document.pages,
        "chunks": document.chunks,
        "figures": document.figures,
        "added_at": document.added_at,
    }


def hit_to_json(hit: Hit) -> dict[str, Any]:
    """A row of `search --json`."""
    return {
        "rank": hit.rank,
        "score": hit.score,
        "document_id": hit.chunk.document_id,
        "title": hit.title,
        "uri": hit.uri,
        "page": hit.chunk.page,
        "chunk_id": hit.chunk.id,
        "text": hit.chunk.text,
        "retrievers": list(hit.retrievers),
        "image": hit.chunk.image,
    }


def search_to_json(result: SearchResult) -> dict[str, Any]:
    """`search --json`."""
    return {
        "hits": [hit_to_json(hit) for hit in result.hits],
        "index_version": result.index_version,
        "timings_ms": dict(result.timings_ms),
        "unread": [{"name": unread.name, "reason": unread.reason} for unread in result.unread],
    }


def report_to_json(path: str, report: AddReport) -> dict[str, Any]:
    """A line of `add --json` for a source that went in."""
    return {
        "path": path,
        "document_id": report.document_id,
        "pages": report.pages,
        "chunks": report.chunks,
        "figures": report.figures,
        "status": report.status,
        "reason": None,
        "warnings": list(report.warnings),
    }


def receipt_to_json(receipt: RatingReceipt) -> dict[str, Any]:
    """`rate --json`."""
    return {
        "answer_id": receipt.answer_id,
        "verdict": receipt.verdict,
        "correction_document_id": receipt.correction_document_id,
    }


def reading_to_json(reading: Reading) -> dict[str, Any]:
    """`read --json`; a figure's `image` is its media type and size, not its bytes."""
    return {
        "media_type": reading.media_type,
        "title": reading.title,
        "pages": [
            {
                "number": page.number,
                "text": page.text,
                "tables": [[list(row) for row in table.rows] for table in page.tables],
                "figures": [
                    {
                        "text": page.text[figure.start : figure.end],
                        "table": [list(row) for row in figure.table.rows] if figure.table else None,
                        "cells": _sources(figure.table),
                        "kind": figure.kind,
                        "chart": figure.chart,
                        "reason": figure.reason,
                        "image": f"{len(figure.image)} bytes" if figure.image else None,
                        "key": figure.key,
                        "box": list(figure.box) if figure.box else None,
                    }
                    for figure in page.figures
                ],
            }
            for page in reading.pages
        ],
        "warnings": list(reading.warnings),
    }


def _sources(table: Table | None) -> list[list[dict[str, Any] | None]]:
    """Whether each value of a chart is printed or measured; as the table, without header and labels."""
    return [
        [{"origin": one.origin, "confidence": one.confidence} if one else None for one in row]
        for row in (table.sources if table else ())
    ]
