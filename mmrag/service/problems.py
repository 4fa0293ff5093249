"""Errors as problem+json (RFC 9457): what happened, and what to do, in `detail`."""

from __future__ import annotations

import json
import logging
import secrets
import traceback
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from starlette.exceptions import HTTPException
from starlette.responses import Response

from mmrag import wire
from mmrag.errors import (
    EngineUnavailable,
    InvalidInput,
    NotAllowed,
    NotFound,
    NotReadable,
    StoreUnavailable,
    UserFacingError,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
_NAMED_FAULTS = 3
UNAVAILABLE_SECONDS = 10  # until a client should try again where the disk or the store is at fault

TITLES = {
    "invalid-input": "The request can't be answered as it is",
    "not-found": "There is no such thing",
    "not-readable": "A file could not be read",
    "not-allowed": "This key does not allow that",
    "store-unavailable": "The data folder can't be used",
    "engine-unavailable": "The engine can't answer now",
    "no-key": "An API key is needed",
    "wrong-key": "This API key is not known",
    "too-large": "The request is too large",
    "too-many": "Too many requests",
    "overloaded": "Too much is waiting already",
    "reused-key": "The idempotency key stands for another request",
    "unexpected": "This should not have happened",
}

_STATUS: tuple[tuple[type[UserFacingError], int], ...] = (
    (InvalidInput, 400),
    (NotFound, 404),
    (NotReadable, 422),
    (NotAllowed, 403),
    (StoreUnavailable, 503),
    (EngineUnavailable, 503),
)


class Problem(HTTPException):
    """An answer that is an error. `extra` are members beside those of RFC 9457."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        headers: Mapping[str, str] | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(status, detail, dict(headers or {}))
        self.code = code
        self.extra = dict(extra or {})

    def to_json(self) -> dict[str, Any]:
        """The members of the document; `error` is where clients of OpenAI's API look."""
        title = TITLES.get(self.code, "The request failed")
        return {
            "type": f"urn:mmrag:{self.code}",
            "title": title,
            "status": self.status_code,
            "detail": self.detail,
            "code": self.code,
            "error": {"message": self.detail, "type": self.code, "code": self.code, "param": None},
            **self.extra,
        }

    def response(self) -> Response:
        """The whole answer."""
        body = json.dumps(self.to_json(), ensure_ascii=False).encode()
        return Response(body, self.status_code, self.headers, MEDIA_TYPE)


def retry_after(seconds: float) -> dict[str, str]:
    """The header, in whole seconds, at least one."""
    return {"Retry-After": str(max(1, round(seconds)))}


def problem_of(error: Exception) -> Problem:
    """The answer for an error: its sentence where that may be shown, else a reference that the log has."""
    if isinstance(error, Problem):
        return error
    if not isinstance(error, UserFacingError):
        return _unexpected(error)
    status = next((status for kind, status in _STATUS if isinstance(error, kind)), 500)
    headers = retry_after(UNAVAILABLE_SECONDS) if status == HTTPStatus.SERVICE_UNAVAILABLE else {}
    return Problem(status, wire.problem_code(error), str(error), headers=headers)


def _unexpected(error: Exception) -> Problem:
    """Log where it arose, never what it says: that may be somebody's text."""
    reference = secrets.token_hex(4)
    frames = traceback.extract_tb(error.__traceback__)
    place = f"{frames[-1].filename}:{frames[-1].lineno}" if frames else "nowhere"
    _log.error("reference %s: %s at %s", reference, type(error).__name__, place)
    _log.debug("reference %s: %s", reference, "".join(traceback.format_tb(error.__traceback__)))
    return Problem(
        500,
        "unexpected",
        f"Something went wrong here. Try again; if it stays like this, tell whoever runs the engine the "
        f"reference {reference}.",
    )


def not_understood(faults: Sequence[Mapping[str, Any]]) -> Problem:
    """The answer where a request is not of the form that the OpenAPI document gives it.

    `faults` are pydantic's; what was sent is not repeated.
    """
    named = [f"{'.'.join(map(str, fault['loc'])) or 'the body'}: {fault['msg']}" for fault in faults]
    more = f" and {len(named) - _NAMED_FAULTS} more" if len(named) > _NAMED_FAULTS else ""
    return Problem(
        422,
        "invalid-input",
        f"The request is not understood ({'; '.join(named[:_NAMED_FAULTS])}{more}): /openapi.json says what "
        "is expected.",
    )
