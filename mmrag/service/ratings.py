"""Ratings of answers. An answer is seen by who may name every collection that it was given from."""

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from mmrag import wire
from mmrag.errors import NotFound
from mmrag.ports import ServedEngine
from mmrag.service import schemas
from mmrag.service.context import changed, check_may_write, client_of, service_of
from mmrag.service.openapi import problems, replied
from mmrag.storage.keys import ApiKey
from mmrag.types import Rating, RatingReceipt

router = APIRouter(prefix="/v1", tags=["ratings"])


@router.post(
    "/ratings",
    summary="Rate an answer, and correct it",
    response_class=JSONResponse,
    responses=replied(schemas.ReceiptReply, "What it did") | problems(400, 401, 403, 404, 413, 422, 429, 503),
)
async def rate(request: Request, body: schemas.RatingBody) -> Response:
    """The last verdict of an author counts; a correction becomes a source at once."""
    client, service = client_of(request), service_of(request)
    rating = Rating(body.answer_id, body.verdict, body.correction, body.author)
    if (body.correction or "").strip():
        check_may_write(client)

    def work() -> RatingReceipt:
        _check_may_see(client, service.engine, body.answer_id)
        return service.engine.rate(rating)

    receipt = await changed(request, work, of=body.model_dump_json().encode())
    service.metrics.rated(body.verdict)
    return JSONResponse(wire.receipt_to_json(receipt))


@router.delete(
    "/ratings/{answer_id}",
    summary="Take a rating back",
    response_class=JSONResponse,
    responses=replied(schemas.WithdrawnReply, "Nothing is said of it by this author any more")
    | problems(401, 404, 422, 429, 503),
)
async def withdraw(request: Request, answer_id: str, author: schemas.Author = "someone") -> Response:
    """What this author said of the answer; nothing happens where nothing was said."""
    client, engine = client_of(request), service_of(request).engine

    def work() -> None:
        _check_may_see(client, engine, answer_id)
        engine.withdraw(answer_id, author=author)

    await changed(request, work, of=author.encode())
    return JSONResponse({"answer_id": answer_id})


@router.post(
    "/proposals",
    summary="Propose a correction that somebody has to approve",
    response_class=JSONResponse,
    responses=replied(schemas.ProposalReply, "It waits, for 30 days at most")
    | problems(400, 401, 403, 404, 413, 422, 429, 503),
)
async def propose(request: Request, body: schemas.ProposalBody) -> Response:
    """The answer is rated down at once; its correction becomes a source when it is approved."""
    client, engine = client_of(request), service_of(request).engine
    check_may_write(client)

    def work() -> None:
        _check_may_see(client, engine, body.answer_id)
        rating = Rating(body.answer_id, "down", body.correction, body.author)
        engine.propose(rating, proposal_id=body.proposal_id)

    await changed(request, work, of=body.model_dump_json().encode())
    return JSONResponse({"proposal_id": body.proposal_id})


@router.post(
    "/proposals/{proposal_id}",
    summary="Approve or reject a correction that waits",
    response_class=JSONResponse,
    responses=replied(schemas.ReceiptReply, "What it did") | problems(400, 401, 403, 404, 413, 422, 429, 503),
)
async def decide(request: Request, proposal_id: str, body: schemas.DecisionBody) -> Response:
    """Approved, it becomes a source at once; rejected, it is forgotten."""
    client, service = client_of(request), service_of(request)
    check_may_write(client)

    def work() -> RatingReceipt:
        named = [name for name in service.engine.insight.places() if client.may_name(name)]
        return service.engine.decide(proposal_id, approved=body.approved, collections=named)

    receipt = await changed(request, work, of=body.model_dump_json().encode())
    return JSONResponse(wire.receipt_to_json(receipt))


def _check_may_see(client: ApiKey, engine: ServedEngine, answer_id: str) -> None:
    """Raise NotFound as if there were no such answer."""
    if not all(map(client.may_name, engine.answered_from(answer_id))):
        raise NotFound(f"There is no answer {answer_id[:60]!r}: take the `id` of an answer to this client.")
