"""The engine behind OpenAI's chat completions, for clients that are there already.

The last message of the user is the question, those before it are the thread. A model's name says which
collections are read: `mmrag` is the default one, `mmrag:team,shared` these two. Pictures come as data URLs;
nothing is fetched. What a system message demands is not followed: every sentence comes from a document.
"""

import base64
import binascii
import json
import time
from collections.abc import Sequence
from typing import Any
from urllib.parse import unquote_to_bytes

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from mmrag import wire
from mmrag.ports import unheard
from mmrag.service import schemas
from mmrag.service.context import check_may_name, client_of, looked_up, service_of
from mmrag.service.openapi import event_stream, json_content, problems, replied
from mmrag.service.problems import Problem
from mmrag.service.questions import Told, answer, read_json
from mmrag.service.streams import EventStream, Tell, events_of, unless_left
from mmrag.types import DEFAULT_COLLECTION, Answer, Attachment, Citation, Question, Said, Stage, Turn

router = APIRouter(prefix="/v1", tags=["OpenAI-compatible"])

MODEL = "mmrag"
_EARLIER_TURNS = 20  # as the chat bots do: a follow-up leans on what was said just before
_EARLIER_PICTURES = 3
_KINDS = {
    "image/png": "png",
    "image/jpeg": "jpg",
    "image/webp": "webp",
    "image/gif": "gif",
    "image/bmp": "bmp",
}


@router.get(
    "/models",
    summary="List models",
    response_class=JSONResponse,
    responses=replied(schemas.ModelsReply, "One for each collection") | problems(401, 429, 503),
)
async def models(request: Request) -> Response:
    """`mmrag` reads the default collection, `mmrag:NAME` another."""
    client, engine = client_of(request), service_of(request).engine
    names = await looked_up(request, engine.collections)
    allowed = [name for name in names if client.may_name(name) and name != DEFAULT_COLLECTION]
    ids = [MODEL] if client.may_name(DEFAULT_COLLECTION) else []
    ids += [f"{MODEL}:{name}" for name in allowed]
    rows = [{"id": id_, "object": "model", "created": 0, "owned_by": "mmrag"} for id_ in ids]
    return JSONResponse({"object": "list", "data": rows})


@router.post(
    "/chat/completions",
    summary="Ask as a chat",
    response_class=JSONResponse,
    responses=replied(
        schemas.ChatReply,
        "The answer, its sources below, or the chunks of it",
        **event_stream('data: {"object": "chat.completion.chunk", ...}\n\ndata: [DONE]\n\n'),
    )
    | problems(400, 401, 403, 404, 413, 415, 422, 429, 503),
    openapi_extra={"requestBody": {"required": True, "content": json_content(schemas.ChatBody)}},
)
async def complete(request: Request) -> Response:
    """As OpenAI's API; with `stream` each sentence is a chunk once it is checked against its sources."""
    body, raw = await read_json(request, schemas.ChatBody)
    collections = _collections(body.model)
    check_may_name(client_of(request), collections)
    question = _question(body.messages, collections)
    replies = service_of(request).replies

    async def answered(told: Told) -> Answer:
        return await replies.once(request, lambda: answer(request, question, told), of=raw)

    if not body.stream:
        return JSONResponse(_completion(body.model, await unless_left(request.receive, answered(unheard))))

    async def work(tell: Tell) -> None:
        chunks = _Chunks(body.model)

        def told(heard: Stage | Said) -> None:
            if isinstance(heard, Said):
                tell(_data(chunks.of(heard)))

        for chunk in chunks.rest_of(await answered(told)):
            tell(_data(chunk))
        tell(b"data: [DONE]\n\n")

    return EventStream(events_of(work, failed=lambda problem: _data(problem.to_json())))


def _data(value: object) -> bytes:
    return f"data: {json.dumps(value, ensure_ascii=False)}\n\n".encode()


# --------------------------------------------------------------------- what is asked


def _collections(model: str) -> tuple[str, ...]:
    name, _, collections = model.partition(":")
    if name != MODEL:
        raise Problem(
            404,
            "not-found",
            f"There is no model {model[:60]!r}: name {MODEL}, or {MODEL}:COLLECTION; /v1/models lists them.",
        )
    return tuple(filter(None, collections.split(","))) or (DEFAULT_COLLECTION,)


def _question(messages: Sequence[schemas.ChatMessage], collections: tuple[str, ...]) -> Question:
    """The last message of the user, with its pictures and those of the last few before."""
    said = [message for message in messages if message.role in ("user", "assistant")]
    if not said or said[-1].role != "user":
        raise Problem(400, "invalid-input", "The last message must be the user's: it is the question.")
    *before, last = said
    earlier = [picture for message in before for picture in _pictures(message)]
    return Question(
        text=_text(last),
        collections=collections,
        attachments=(*_named(_pictures(last)), *_named(earlier[-_EARLIER_PICTURES:], "earlier ")),
        history=tuple(
            Turn("user" if message.role == "user" else "assistant", _text(message))
            for message in before[-_EARLIER_TURNS:]
        ),
    )


def _text(message: schemas.ChatMessage) -> str:
    if isinstance(message.content, list):
        return "\n".join(part.text for part in message.content if part.type == "text" and part.text)
    return message.content or ""


def _pictures(message: schemas.ChatMessage) -> list[tuple[str, bytes]]:
    """(file ending, bytes) of each."""
    if not isinstance(message.content, list):
        return []
    return [_opened(part.image_url.url) for part in message.content if part.image_url is not None]


def _opened(url: str) -> tuple[str, bytes]:
    head, comma, data = url.partition(",")
    if not (head.lower().startswith("data:") and comma):
        raise Problem(
            400,
            "invalid-input",
            "Pictures are taken as data URLs (data:image/png;base64,...): none is fetched.",
        )
    kind, _, parameters = head[len("data:") :].lower().partition(";")
    try:
        decoded = unquote_to_bytes(data)
        picture = base64.b64decode(decoded, validate=True) if parameters.endswith("base64") else decoded
    except (binascii.Error, ValueError):
        raise Problem(400, "invalid-input", "A picture's data URL is not base64: encode it again.") from None
    return _KINDS.get(kind, "png"), picture


def _named(pictures: Sequence[tuple[str, bytes]], which: str = "") -> list[Attachment]:
    return [
        Attachment(f"{which}picture {number}.{ending}", data)
        for number, (ending, data) in enumerate(pictures, start=1)
    ]


# ---------------------------------------------------------------------- what is said


def _sources(citations: Sequence[Citation], *, heading: str) -> str:
    lines = [
        f"[{citation.marker}] {citation.title}"
        + (f", page {citation.page}" if citation.page else "")
        + (f": {citation.link}" if citation.link else "")
        for citation in citations
    ]
    return "\n".join([heading, *lines]) if lines else ""


def _pieces(said: Answer) -> list[str]:
    """Sentences, then what was not read, then the sources; joined they are the whole message."""
    first, *others = [sentence.text for sentence in said.sentences] or [said.text]
    pieces = [first, *(f" {sentence}" for sentence in others)]
    pieces += [f"\n\n{unread.name} was not used: {unread.reason}" for unread in said.unread]
    sources = _sources(said.citations, heading="Nearest sources:" if said.abstained else "Sources:")
    return [*pieces, f"\n\n{sources}"] if sources else pieces


def _head(model: str, answer_id: str, kind: str) -> dict[str, Any]:
    return {"id": f"chatcmpl-{answer_id}", "object": kind, "created": int(time.time()), "model": model}


def _completion(model: str, said: Answer) -> dict[str, Any]:
    message = {"role": "assistant", "content": "".join(_pieces(said))}
    choice = {"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}
    answered = wire.answer_to_json(said)
    return _head(model, said.id, "chat.completion") | {"choices": [choice], "usage": None, "mmrag": answered}


class _Chunks:
    """The message in pieces: its sentences as they are said, then what else is in it."""

    def __init__(self, model: str) -> None:
        self._model = model
        self._created = int(time.time())
        self._told = 0  # of the message's pieces

    def of(self, said: Said) -> dict[str, Any]:
        """The chunk of the next sentence."""
        return self._piece(said.answer_id, f" {said.text}" if self._told else said.text)

    def rest_of(self, said: Answer) -> list[dict[str, Any]]:
        """The chunks that end the message."""
        chunks = [self._piece(said.id, piece) for piece in _pieces(said)[self._told :]]
        end = self._chunk(said.id, {}, "stop") | {"mmrag": wire.answer_to_json(said)}
        return [*chunks, end]

    def _piece(self, answer_id: str, text: str) -> dict[str, Any]:
        role = {} if self._told else {"role": "assistant"}
        self._told += 1
        return self._chunk(answer_id, role | {"content": text})

    def _chunk(self, answer_id: str, delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, "finish_reason": finish, "logprobs": None}
        head = _head(self._model, answer_id, "chat.completion.chunk")
        return head | {"created": self._created, "choices": [choice]}
