"""What the OpenAPI document says of every route: errors, keys, examples."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi.openapi.utils import get_openapi

from mmrag import __version__, wire
from mmrag.service import schemas
from mmrag.types import DEFAULT_COLLECTION

if TYPE_CHECKING:
    from fastapi import FastAPI
    from pydantic import BaseModel

DESCRIPTION = f"""Answers from your own documents and charts, with a source for every sentence.

Send an API key as `Authorization: Bearer KEY` (`mmrag keys add NAME` makes one; without any key only this
machine is served). Every error is `application/problem+json` whose `detail` says what to do. A POST or
DELETE with an `Idempotency-Key` may be sent again: its work is done once. The header `Mmrag-Wire` is the
version of the format, now {wire.VERSION}: fields may be added within a version, never renamed.
"""

_MEANINGS = {
    400: "The request can't be answered as it is",
    401: "No API key, or one that is not known",
    403: "The key does not allow that",
    404: "There is no such thing, or the key may not see it",
    413: "The request is too large",
    415: "The body is of another media type than this route takes",
    422: "The request is not understood, or a file can't be read",
    429: "Too many requests of this client; see Retry-After",
    503: "Not now; see Retry-After",
}


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route that may fail so."""
    return {
        status: {
            "description": _MEANINGS[status],
            "content": {"application/problem+json": {"schema": _ref(schemas.ProblemDocument)}},
        }
        for status in statuses
    }


def _ref(model: type[BaseModel]) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{model.__name__}"}


def json_content(model: type[BaseModel], examples: dict[str, Any] | None = None) -> dict[str, Any]:
    """Content of application/json; the model's own examples where none are given."""
    content: dict[str, Any] = {"schema": _ref(model)}
    if examples:
        content["examples"] = examples
    return {"application/json": content}


def replied(model: type[BaseModel], description: str, **other: Any) -> dict[int | str, dict[str, Any]]:  # noqa: ANN401 - other media types
    """The `responses` of a route that succeeds so."""
    return {200: {"description": description, "content": json_content(model) | other}}


def bytes_of(description: str, *media_types: str) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route that succeeds with what is not JSON."""
    schema = {"type": "string", "format": "binary"}
    return {200: {"description": description, "content": {each: {"schema": schema} for each in media_types}}}


def event_stream(example: str) -> dict[str, Any]:
    """Content of text/event-stream; the schema is that of each event, whose data is JSON."""
    text = {"type": "string"}
    schema = {"type": "object", "properties": {"event": text, "data": text}, "required": ["data"]}
    return {"text/event-stream": {"schema": schema, "example": example}}


def question_body(model: type[BaseModel]) -> dict[str, Any]:
    """The request of a route that takes a question as JSON, or as multipart with files."""
    files = {"type": "array", "items": {"type": "string", "format": "binary"}}
    multipart = {
        "type": "object",
        "properties": {"question": _ref(model), "attachment": files},
        "required": ["question"],
        "additionalProperties": False,
    }
    encoding = {"question": {"contentType": "application/json"}}
    content = json_content(model) | {"multipart/form-data": {"schema": multipart, "encoding": encoding}}
    return {"requestBody": {"required": True, "content": content}}


def upload_body() -> dict[str, Any]:
    """The request of an upload."""
    texts = {"type": "array", "items": {"type": "string"}}
    schema = {
        "type": "object",
        "properties": {
            "file": {"type": "array", "items": {"type": "string", "format": "binary"}, "minItems": 1},
            "collection": {"type": "string", "default": DEFAULT_COLLECTION},
            "name": texts,
            "uri": texts,
            "title": texts,
            "added_by": texts,
        },
        "required": ["file"],
    }
    return {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": schema}}}}


def describe(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document."""
    if app.openapi_schema is None:
        document = get_openapi(
            title="mmrag",
            version=__version__,
            description=DESCRIPTION,
            routes=app.routes,
            license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
        )
        components = document.setdefault("components", {})
        components["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
        described = components.setdefault("schemas", {})
        for model in schemas.ALL:
            schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
            described.update(schema.pop("$defs", {}))
            described[model.__name__] = schema
        for unused in ("HTTPValidationError", "ValidationError"):
            described.pop(unused, None)
        document["security"] = [{"key": []}, {}]
        app.openapi_schema = document
    return app.openapi_schema
