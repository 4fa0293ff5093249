"""Documents: uploads with progress, lists, removal, sharing."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

from fastapi import APIRouter, Request
from starlette.datastructures import FormData, UploadFile
from starlette.responses import JSONResponse, Response

from mmrag import wire
from mmrag.errors import UserFacingError
from mmrag.ports import AddOutcome, unheard
from mmrag.service import schemas
from mmrag.service.context import (
    CollectionQuery,
    Service,
    changed,
    check_may_name,
    check_may_write,
    client_of,
    looked_up,
    named_or_allowed,
    service_of,
)
from mmrag.service.openapi import event_stream, problems, replied, upload_body
from mmrag.service.problems import Problem, problem_of
from mmrag.service.questions import body_of
from mmrag.service.streams import EventStream, Tell, event, events_of, wants_events
from mmrag.storage.keys import ApiKey
from mmrag.types import DEFAULT_COLLECTION, Document, Source

router = APIRouter(prefix="/v1", tags=["documents"])

_MOST_FILES = 1_000
_MOST_FIELD_BYTES = 100_000  # of a uri or title


@router.get(
    "/documents",
    summary="List documents",
    response_class=JSONResponse,
    responses=replied(schemas.DocumentsReply, "Documents, newest first") | problems(401, 403, 422, 429, 503),
)
async def documents(request: Request, collection: CollectionQuery = ()) -> Response:
    """Of these collections, or of all that the key may name."""
    client, engine = client_of(request), service_of(request).engine
    check_may_name(client, collection)

    def listed() -> bytes:  # written in the thread, too: there may be very many
        found = engine.documents(collections=named_or_allowed(client, engine, collection or None))
        return body_of({"documents": [wire.document_to_json(document) for document in found]})

    return Response(await looked_up(request, listed), media_type="application/json")


@router.post(
    "/documents",
    summary="Upload documents",
    response_class=JSONResponse,
    responses=replied(
        schemas.OutcomesReply,
        "What came of each file; at least one went in",
        **event_stream(
            'event: progress\ndata: {"file": 0, "page": 3, "pages": 12}\n\n'
            'event: document\ndata: {"path": "handbook.pdf", ...}\n\n'
            'event: done\ndata: {"outcomes": [...]}\n\n'
        ),
    )
    | problems(400, 401, 403, 413, 415, 422, 429, 503),
    openapi_extra=upload_body(),
)
async def upload(request: Request) -> Response:
    """Files that are read, indexed and stored, each whole or not at all.

    Parts `file` (one or many), `collection`, and for each file in the same order, if at all, a `name`, a
    `uri`, a `title`, and in `added_by` who adds it. The same `uri` replaces what was there. With
    `Accept: text/event-stream` the pages that are read come as events `progress`, each file's outcome as
    `document`, and all of them as `done`. Once the files have arrived they are added, whether the client
    waits or not. Where no file goes in, the answer is the problem of the first.
    """
    client = client_of(request)
    check_may_write(client)
    if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        raise Problem(415, "invalid-input", "Send the files as multipart/form-data, each in a part `file`.")
    async with request.form(max_files=_MOST_FILES, max_part_size=_MOST_FIELD_BYTES) as form:
        collection, sources = await _read(form)
    check_may_name(client, [collection])
    identity = b"\0".join((collection.encode(), *(repr((s.name, s.uri, s.title)).encode() for s in sources)))
    identity += b"".join(source.data for source in sources)

    async def add(tell: Tell) -> list[dict[str, Any]]:
        service = service_of(request)
        # A task of its own: what has arrived goes in, also where the client does not wait for it.
        adding = asyncio.create_task(
            service.replies.once(
                request, lambda: _add(service, client, collection, sources, tell), of=identity
            )
        )
        return await asyncio.shield(adding)

    if not wants_events(request):
        return JSONResponse({"outcomes": await add(unheard)})

    async def work(tell: Tell) -> None:
        tell(event("done", {"outcomes": await add(tell)}))

    return EventStream(events_of(work))


async def _read(form: FormData) -> tuple[str, list[Source]]:
    collection = form.get("collection", DEFAULT_COLLECTION)
    names, uris, titles = form.getlist("name"), form.getlist("uri"), form.getlist("title")
    adders = form.getlist("added_by")
    files = [part for part in form.getlist("file") if isinstance(part, UploadFile)]
    if not files:
        raise Problem(422, "invalid-input", "There is no file: send each in a part `file` with its name.")
    if not isinstance(collection, str):
        raise Problem(422, "invalid-input", "The part `collection` is a file: send the name as text.")
    for name, values in (("name", names), ("uri", uris), ("title", titles), ("added_by", adders)):
        if values and len(values) != len(files):
            raise Problem(
                422,
                "invalid-input",
                f"There are {len(files)} files and {len(values)} parts `{name}`: send one each, or none.",
            )
        if not all(isinstance(value, str) for value in values):
            raise Problem(422, "invalid-input", f"A part `{name}` is a file: send it as text.")
    sources = []
    for number, file in enumerate(files):
        name = str(names[number]) if names else file.filename or "document"
        sources.append(
            Source(
                name=name,
                data=await file.read(),
                uri=str(uris[number]) if uris else f"upload:{name}",
                title=str(titles[number]) if titles else None,
                added_by=str(adders[number]) if adders else "",
            )
        )
    return collection, sources


async def _add(
    service: Service, client: ApiKey, collection: str, sources: list[Source], tell: Tell
) -> list[dict[str, Any]]:
    """Every outcome as JSON. Raises Problem where nothing went in."""
    loop = asyncio.get_running_loop()

    def told(piece: bytes) -> None:
        loop.call_soon_threadsafe(tell, piece)

    def listener(number: int, page: int, pages: int) -> None:
        told(event("progress", {"file": number, "page": page, "pages": pages}))

    def add() -> list[tuple[AddOutcome, dict[str, Any]]]:
        loaders = [partial(_same, source) for source in sources]
        done = []
        added = service.engine.add_many(loaders, collection=collection, listener=listener)
        for source, outcome in zip(sources, added, strict=True):
            reply = wire.outcome_to_json(source.name, outcome)
            told(event("document", reply))
            done.append((outcome, reply))
        return done

    try:
        done = await service.adding.run(client.id, add)
    except UserFacingError as error:
        raise problem_of(error) from error
    replies = [reply for _, reply in done]
    for reply in replies:
        service.metrics.added(reply["status"])
    first = done[0][0]
    if isinstance(first, UserFacingError) and all(reply["status"] == "failed" for reply in replies):
        problem = problem_of(first)
        problem.extra["outcomes"] = replies
        raise problem
    return replies


def _same(source: Source) -> Source:
    return source


@router.delete(
    "/documents/{document_id}",
    summary="Remove a document",
    response_class=JSONResponse,
    responses=replied(schemas.DocumentsReply, "What was removed") | problems(401, 403, 404, 422, 429, 503),
)
async def remove_one(request: Request, document_id: str, collection: CollectionQuery = ()) -> Response:
    """It and all that was derived from it; the answers that quote it lose their text."""
    return await _remove(request, [document_id], list(collection) or None)


@router.post(
    "/documents/remove",
    summary="Remove documents",
    response_class=JSONResponse,
    responses=replied(schemas.DocumentsReply, "What was removed")
    | problems(400, 401, 403, 404, 413, 422, 429, 503),
)
async def remove(request: Request, body: schemas.DocumentIdsBody) -> Response:
    """All of them or, where one is not there, none."""
    return await _remove(request, body.document_ids, body.collections)


async def _remove(request: Request, ids: list[str], collections: list[str] | None) -> Response:
    client, engine = client_of(request), service_of(request).engine
    check_may_write(client)
    check_may_name(client, collections or ())

    def work() -> tuple[Document, ...]:
        return engine.remove(ids, collections=named_or_allowed(client, engine, collections))

    return await _changed(request, work, of=body_of([ids, collections]))


@router.post(
    "/documents/share",
    summary="Copy documents into another collection",
    response_class=JSONResponse,
    responses=replied(schemas.DocumentsReply, "The copies")
    | problems(400, 401, 403, 404, 413, 422, 429, 503),
)
async def share(request: Request, body: schemas.ShareBody) -> Response:
    """All of them or, where one is not there, none."""
    client, engine = client_of(request), service_of(request).engine
    check_may_write(client)
    check_may_name(client, [*body.collections, body.into])

    def work() -> tuple[Document, ...]:
        return engine.share(body.document_ids, collections=body.collections, into=body.into)

    return await _changed(request, work, of=body.model_dump_json().encode())


async def _changed(request: Request, work: Callable[[], tuple[Document, ...]], *, of: bytes) -> Response:
    found = await changed(request, work, of=of)
    return JSONResponse({"documents": [wire.document_to_json(document) for document in found]})
