"""Collections: what is indexed and forgotten together, and the unit of visibility."""

from collections import Counter

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from mmrag import wire
from mmrag.service import schemas
from mmrag.service.context import (
    changed,
    check_may_name,
    check_may_write,
    client_of,
    looked_up,
    service_of,
)
from mmrag.service.openapi import problems, replied

router = APIRouter(prefix="/v1", tags=["collections"])


@router.get(
    "/collections",
    summary="List collections",
    response_class=JSONResponse,
    responses=replied(schemas.CollectionsReply, "Those that the key may name, by name")
    | problems(401, 422, 429, 503),
)
async def collections(request: Request) -> Response:
    """Each with the number of its documents."""
    client, engine = client_of(request), service_of(request).engine

    def count() -> dict[str, int]:
        names = [name for name in engine.collections() if client.may_name(name)]
        held = Counter(document.collection for document in engine.documents(collections=names))
        return {name: held[name] for name in names}

    counted = await looked_up(request, count)
    rows = [{"name": name, "documents": documents} for name, documents in counted.items()]
    return JSONResponse({"collections": rows})


@router.delete(
    "/collections/{name}",
    summary="Forget a collection",
    response_class=JSONResponse,
    responses=replied(schemas.DocumentsReply, "The documents that were removed")
    | problems(401, 403, 404, 422, 429, 503),
)
async def forget(request: Request, name: str) -> Response:
    """Documents, corrections, indexes, and all answers that were given from it."""
    client, engine = client_of(request), service_of(request).engine
    check_may_write(client)
    check_may_name(client, [name])
    removed = await changed(request, lambda: engine.forget(name), of=b"")
    return JSONResponse({"documents": [wire.document_to_json(document) for document in removed]})
