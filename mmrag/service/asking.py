"""Questions and searches."""

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from mmrag import wire
from mmrag.ports import unheard
from mmrag.service import schemas
from mmrag.service.context import CollectionQuery, check_may_name, client_of, looked_up, service_of
from mmrag.service.openapi import bytes_of, event_stream, problems, question_body, replied
from mmrag.service.problems import Problem
from mmrag.service.questions import Told, answer, read_question
from mmrag.service.streams import EventStream, Tell, event, events_of, unless_left, wants_events
from mmrag.types import Answer, Question, Said, Stage

router = APIRouter(prefix="/v1", tags=["questions"])


@router.post(
    "/ask",
    summary="Ask a question",
    response_class=JSONResponse,
    responses=replied(
        schemas.AnswerReply,
        "The answer, or the events that lead to it",
        **event_stream(
            'event: progress\ndata: {"stage": "searching"}\n\n'
            'event: claim\ndata: {"answer_id": "5f2c9d1e8a7b6c50", "text": "Everybody has 28 days. [1]", '
            '"markers": [1], "citations": [...]}\n\n'
            'event: answer\ndata: {"id": "5f2c9d1e8a7b6c50", ...}\n\n'
        ),
    )
    | problems(400, 401, 403, 413, 415, 422, 429, 503),
    openapi_extra=question_body(schemas.AskBody),
)
async def ask(request: Request) -> Response:
    """Answer with cited sources, or abstain.

    With `Accept: text/event-stream` the answer comes as events: `progress` with each stage (waiting, where
    others come first; reading, searching, answering, checking), `claim` with each sentence as soon as it is
    checked against its sources, and at the end either `answer` or, with a problem document, `error`. What a
    `claim` said stands: joined by spaces, they are the answer's text. A client that leaves withdraws its
    question.
    """
    _, question, raw = await read_question(request, schemas.AskBody)
    if not wants_events(request):
        answered = await unless_left(request.receive, _answer_once(request, question, raw, unheard))
        return JSONResponse(wire.answer_to_json(answered))

    async def work(tell: Tell) -> None:
        if service_of(request).answering.is_full:
            tell(event("progress", {"stage": "waiting"}))
        said = 0

        def told(heard: Stage | Said) -> None:
            nonlocal said
            if isinstance(heard, Said):
                said += 1
                tell(event("claim", wire.said_to_json(heard)))
            else:
                tell(event("progress", {"stage": heard}))

        answered = await _answer_once(request, question, raw, told)
        for sentence in answered.sentences[said:]:  # all, where it is the reply to the same request before
            tell(event("claim", wire.said_to_json(sentence)))
        tell(event("answer", wire.answer_to_json(answered)))

    return EventStream(events_of(work))


async def _answer_once(request: Request, question: Question, raw: bytes, told: Told) -> Answer:
    service = service_of(request)
    return await service.replies.once(request, lambda: answer(request, question, told), of=raw)


@router.post(
    "/search",
    summary="Find passages without answering",
    response_class=JSONResponse,
    responses=replied(schemas.SearchReply, "The hits, best first")
    | problems(400, 401, 403, 413, 415, 422, 429, 503),
    openapi_extra=question_body(schemas.SearchBody),
)
async def search(request: Request) -> Response:
    """The passages that answer best, with scores; nothing is phrased."""
    body, question, _ = await read_question(request, schemas.SearchBody)
    engine = service_of(request).engine
    result = await looked_up(request, lambda: engine.search(question, k=body.k))
    return JSONResponse(wire.search_to_json(result))


@router.get(
    "/figures/{name}",
    summary="A picture that a citation names",
    response_class=Response,
    responses=bytes_of("The picture", "image/png", "image/jpeg") | problems(401, 403, 404, 422, 429, 503),
)
async def figure(request: Request, name: str, collection: CollectionQuery = ()) -> Response:
    """`image` of a citation or a hit; the collections are those that may be looked into."""
    check_may_name(client_of(request), collection)
    engine = service_of(request).engine
    data = await looked_up(request, lambda: engine.figure(name, collections=tuple(collection)))
    if data is None:
        raise Problem(
            404, "not-found", "There is no such figure in these collections: name both as a citation does."
        )
    return Response(data, media_type=wire.picture_type(data))
