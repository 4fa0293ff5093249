"""From a request to a question, and from a question to its answer, for every route that asks."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import ValidationError
from starlette.datastructures import UploadFile

from mmrag.errors import GenerationFailed
from mmrag.service.context import check_may_name, client_of, service_of
from mmrag.service.problems import UNAVAILABLE_SECONDS, Problem, not_understood, problem_of, retry_after
from mmrag.service.schemas import MOST_ATTACHMENTS, decoded
from mmrag.service.work import Withdrawal, Withdrawn
from mmrag.types import Answer, Attachment, Question, Said, Stage, Turn

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pydantic import BaseModel
    from starlette.requests import Request

    from mmrag.ports import ServedEngine
    from mmrag.service.schemas import AskBody, AttachmentBody, SearchBody

B = TypeVar("B", bound="BaseModel")
Q = TypeVar("Q", "AskBody", "SearchBody")

Told = Callable[[Stage | Said], None]  # called in the event loop's thread

_MOST_QUESTION_BYTES = 16 * 1024 * 1024  # of the JSON part of a multipart request: a long thread
_PARSED_ASIDE = 256 * 1024  # larger JSON is decoded in a thread: others must not wait for it


async def read_json(request: Request, kind: type[B]) -> tuple[B, bytes]:
    """The body, and its bytes. Raises Problem where it is not of this kind."""
    if not _is(request, "application/json"):
        raise Problem(415, "invalid-input", "Send JSON with the header  Content-Type: application/json")
    body = await request.body()
    if len(body) > _PARSED_ASIDE:
        return await asyncio.to_thread(_parsed, kind, body), body
    return _parsed(kind, body), body


async def read_question(request: Request, kind: type[Q]) -> tuple[Q, Question, bytes]:
    """The body, the question in it, and bytes that tell it from others.

    It is JSON, or multipart with the JSON in the part `question` and files in parts `attachment`.
    Raises Problem where it is neither, or names what the key does not allow.
    """
    files: tuple[Attachment, ...] = ()
    if _is(request, "multipart/form-data"):
        async with request.form(max_files=MOST_ATTACHMENTS, max_part_size=_MOST_QUESTION_BYTES) as form:
            part = form.get("question")
            text = (await part.read()).decode("utf-8", "replace") if isinstance(part, UploadFile) else part
            if text is None:
                raise Problem(
                    422, "invalid-input", "The part `question` is missing: send the question in it."
                )
            raw = text.encode("utf-8", "replace")
            body = _parsed(kind, raw)
            files = tuple([await _attachment(each) for each in form.getlist("attachment")])
    elif _is(request, "application/json"):
        body, raw = await read_json(request, kind)
    else:
        raise Problem(
            415, "invalid-input", "Send JSON (Content-Type: application/json) or multipart/form-data."
        )
    question = _question(body, files)
    check_may_name(client_of(request), question.collections)
    return body, question, b"\0".join((raw, *(file.data for file in files)))


def _is(request: Request, media_type: str) -> bool:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower() == media_type


def _parsed(kind: type[B], body: bytes) -> B:
    try:
        return kind.model_validate_json(body)
    except ValidationError as error:
        faults: Sequence[Any] = error.errors(include_url=False, include_context=False, include_input=False)
    raise not_understood(faults)


async def _attachment(part: UploadFile | str) -> Attachment:
    if isinstance(part, str):
        raise Problem(422, "invalid-input", "A part `attachment` is no file: give it a file name.")
    return Attachment(part.filename or "attachment", await part.read())


def _question(body: AskBody | SearchBody, files: tuple[Attachment, ...]) -> Question:
    return Question(
        text=body.text,
        collections=tuple(body.collections),
        attachments=_attachments(body.attachments, files),
        history=tuple(Turn(turn.role, turn.text) for turn in body.history),
    )


def _attachments(named: Sequence[AttachmentBody], files: tuple[Attachment, ...]) -> tuple[Attachment, ...]:
    """What the JSON names, with the bytes of the parts that follow; without names, the parts."""
    if not named:
        return files
    parts = iter(files)
    attachments = tuple(_with_bytes(each, parts) for each in named)
    if next(parts, None) is not None:
        raise Problem(422, "invalid-input", "There are more parts `attachment` than `attachments` names.")
    return attachments


def _with_bytes(named: AttachmentBody, parts: Iterator[Attachment]) -> Attachment:
    if named.failure is not None:
        return Attachment(named.name, b"", named.failure)
    if named.data is not None:
        return Attachment(named.name, decoded(named.data))
    part = next(parts, None)
    if part is None:
        raise Problem(
            422,
            "invalid-input",
            f"The attachment {named.name[:60]!r} has no bytes: give `data` in base64, or a part.",
        )
    return Attachment(named.name, part.data)


# -------------------------------------------------------------------------- answers


async def answer(request: Request, question: Question, told: Told) -> Answer:
    """Ask when it is the client's turn; `told` hears of the stages, and of each sentence once it is certain.

    Where the caller is cancelled, the engine stops before its next stage or sentence. Raises Problem.
    """
    metrics, began = service_of(request).metrics, time.monotonic()
    has_begun = False

    def heard(what: Stage | Said) -> None:
        nonlocal has_begun
        if isinstance(what, Said) and not has_begun:
            has_begun = True
            metrics.began(time.monotonic() - began)
        told(what)

    try:
        answered = await _answered(request, question, heard)
    except asyncio.CancelledError:
        metrics.unanswered("withdrawn")
        raise
    except GenerationFailed as error:
        metrics.unanswered("failed")
        sentence = f"The model gave no answer: {error}."
        raise Problem(
            503, "engine-unavailable", sentence, headers=retry_after(UNAVAILABLE_SECONDS)
        ) from error
    except Exception as error:
        metrics.unanswered("failed")
        raise problem_of(error) from error
    metrics.answered(answered)
    return answered


async def _answered(request: Request, question: Question, told: Told) -> Answer:
    service, client = service_of(request), client_of(request)
    loop = asyncio.get_running_loop()
    while True:
        asked = _Asked(service.engine, question, loop, told)
        try:
            return await service.answering.run(client.id, asked.ask)
        except Withdrawn:
            continue  # somebody else's, who asked just the same and has left: it is ours to ask
        except asyncio.CancelledError:
            asked.withdrawal.withdraw()
            raise


class _Asked:
    """A question on its way through the engine, in a thread."""

    def __init__(
        self, engine: ServedEngine, question: Question, loop: asyncio.AbstractEventLoop, told: Told
    ) -> None:
        self.withdrawal = Withdrawal()
        self._engine = engine
        self._question = question
        self._loop = loop
        self._told = told

    def ask(self) -> Answer:
        """The answer. Raises Withdrawn before the next stage or sentence once nobody waits any more."""
        self.withdrawal.check()
        return self._engine.ask(self._question, listener=self._hear, said=self._hear)

    def _hear(self, heard: Stage | Said) -> None:
        self.withdrawal.check()
        with suppress(RuntimeError):  # the loop may be closed when a forced stop cuts this off
            self._loop.call_soon_threadsafe(self._told, heard)


def body_of(value: object) -> bytes:
    """JSON as it is sent."""
    return json.dumps(value, ensure_ascii=False).encode()
