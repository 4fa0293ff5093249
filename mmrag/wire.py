"""The types as JSON: what the command line prints, the cache keeps and HTTP carries.

The field names are the interface that people script against: adding is free, renaming is not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter

from mmrag.errors import (
    EngineUnavailable,
    InvalidInput,
    InvalidSettings,
    MissingExtra,
    NotAllowed,
    NotFound,
    NotReadable,
    StoreUnavailable,
    UserFacingError,
)
from mmrag.types import AddReport, Answer, Document, Hit, RatingReceipt, Said, SearchResult

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mmrag.types import Question, Rating, Reading, Table

VERSION = 1  # grows when a reader of the old form could misunderstand the new one

_ANSWER: TypeAdapter[Answer] = TypeAdapter(Answer)
_SAID: TypeAdapter[Said] = TypeAdapter(Said)
_HIT: TypeAdapter[Hit] = TypeAdapter(Hit)
_SEARCH: TypeAdapter[SearchResult] = TypeAdapter(SearchResult)
_DOCUMENT: TypeAdapter[Document] = TypeAdapter(Document)
_REPORT: TypeAdapter[AddReport] = TypeAdapter(AddReport)
_RECEIPT: TypeAdapter[RatingReceipt] = TypeAdapter(RatingReceipt)

# What an error is called in a reply, and what it becomes again where it is read.
_PROBLEMS: dict[str, type[UserFacingError]] = {
    "invalid-input": InvalidInput,
    "not-found": NotFound,
    "not-readable": NotReadable,
    "not-allowed": NotAllowed,
    "invalid-settings": InvalidSettings,
    "store-unavailable": StoreUnavailable,
    "missing-extra": UserFacingError,  # the sentence names the command, for whoever runs the engine
    "engine-unavailable": EngineUnavailable,
}
_CODES = {kind: code for code, kind in _PROBLEMS.items() if kind is not UserFacingError} | {
    MissingExtra: "missing-extra"
}


def answer_to_json(answer: Answer) -> dict[str, Any]:
    """`ask --json`; `answer_from_json` takes it back."""
    return _ANSWER.dump_python(answer, mode="json")  # type: ignore[no-any-return]  # a dataclass dumps to a dict


def answer_from_json(value: object) -> Answer:
    """Raises ValueError where this is not an answer."""
    return _ANSWER.validate_python(value, strict=False)


def said_to_json(said: Said) -> dict[str, Any]:
    """A sentence of an answer that is being given; `said_from_json` takes it back."""
    sentence: dict[str, Any] = _SAID.dump_python(said, mode="json")
    return sentence | {"markers": [citation.marker for citation in said.citations]}


def said_from_json(value: Mapping[str, Any]) -> Said:
    """Raises ValueError where this is not a sentence of an answer."""
    return _SAID.validate_python(dict(value), strict=False)


def problem_code(error: UserFacingError) -> str:
    """What this error is called in a reply."""
    return _CODES.get(type(error), "refused")


def error_from_problem(code: object, sentence: str) -> UserFacingError:
    """The error that a reply tells of; a code that is not known is of the general kind."""
    return _PROBLEMS.get(code if isinstance(code, str) else "", UserFacingError)(sentence)


def question_to_json(question: Question) -> dict[str, Any]:
    """What is asked, without the bytes of what is attached: they travel beside it, in the same order."""
    return {
        "text": question.text,
        "collections": list(question.collections),
        "history": [{"role": turn.role, "text": turn.text} for turn in question.history],
        "attachments": [{"name": file.name, "failure": file.failure} for file in question.attachments],
    }


def rating_to_json(rating: Rating) -> dict[str, Any]:
    """A verdict, with the correction if there is one."""
    return {
        "answer_id": rating.answer_id,
        "verdict": rating.verdict,
        "correction": rating.correction,
        "author": rating.author,
    }


def document_from_json(value: Mapping[str, Any]) -> Document:
    """Raises ValueError where this is not a document."""
    return _DOCUMENT.validate_python({**value, "id": value.get("document_id")}, strict=False)


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
        "added_by": document.added_by,
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
        "start": hit.chunk.start,
        "end": hit.chunk.end,
        "context": hit.chunk.context,
        "kind": hit.chunk.kind,
        "origin": hit.origin,
    }


def hit_from_json(value: Mapping[str, Any]) -> Hit:
    """Raises ValueError where this is not a hit."""
    chunk = {**value, "id": value.get("chunk_id")}
    return _HIT.validate_python({**value, "chunk": chunk}, strict=False)


def search_to_json(result: SearchResult) -> dict[str, Any]:
    """`search --json`."""
    return {
        "hits": [hit_to_json(hit) for hit in result.hits],
        "index_version": result.index_version,
        "timings_ms": dict(result.timings_ms),
        "unread": [{"name": unread.name, "reason": unread.reason} for unread in result.unread],
    }


def search_from_json(value: Mapping[str, Any]) -> SearchResult:
    """Raises ValueError where this is not the result of a search."""
    hits = tuple(map(hit_from_json, value["hits"]))
    return _SEARCH.validate_python({**value, "hits": hits}, strict=False)


def outcome_to_json(path: str, outcome: AddReport | UserFacingError) -> dict[str, Any]:
    """A line of `add --json`: what came of a source."""
    if isinstance(outcome, UserFacingError):
        return {
            "path": path,
            "document_id": None,
            "pages": 0,
            "chunks": 0,
            "figures": 0,
            "status": "failed",
            "reason": str(outcome),
            "warnings": [],
            "code": problem_code(outcome),
        }
    return {
        "path": path,
        "document_id": outcome.document_id,
        "pages": outcome.pages,
        "chunks": outcome.chunks,
        "figures": outcome.figures,
        "status": outcome.status,
        "reason": None,
        "warnings": list(outcome.warnings),
        "code": None,
    }


def report_from_json(value: Mapping[str, Any]) -> AddReport:
    """Raises ValueError where this is not the report of a source that went in."""
    return _REPORT.validate_python(value, strict=False)


def receipt_to_json(receipt: RatingReceipt) -> dict[str, Any]:
    """`rate --json`."""
    return {
        "answer_id": receipt.answer_id,
        "verdict": receipt.verdict,
        "correction_document_id": receipt.correction_document_id,
    }


def receipt_from_json(value: Mapping[str, Any]) -> RatingReceipt:
    """Raises ValueError where this is not a receipt."""
    return _RECEIPT.validate_python(value, strict=False)


def picture_type(image: bytes) -> str:
    """The media type of a stored picture, which is PNG or JPEG."""
    return "image/png" if image.startswith(b"\x89PNG") else "image/jpeg"


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
