"""Whether the service is alive, and whether it is ready for questions. No key is needed."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from mmrag.errors import UserFacingError
from mmrag.service import schemas
from mmrag.service.context import client_of, service_of
from mmrag.service.openapi import json_content, problems, replied
from mmrag.service.problems import UNAVAILABLE_SECONDS, Problem, retry_after

router = APIRouter(tags=["health"])

OPEN_PATHS = ("/healthz", "/readyz")


@router.get(
    "/healthz",
    summary="Whether the process is alive",
    response_class=JSONResponse,
    responses=replied(schemas.HealthReply, "It is") | problems(429),
)
async def healthz() -> Response:
    """Answers as long as the event loop turns."""
    return JSONResponse({"status": "ok"})


@router.get(
    "/readyz",
    summary="Whether questions are answered",
    response_class=JSONResponse,
    responses=replied(schemas.HealthReply, "They are")
    | {503: {"description": "Not now", "content": json_content(schemas.HealthReply)}}
    | problems(429),
)
async def readyz(request: Request) -> Response:
    """503 while the models load, while the service stops, and where the data folder can't be used."""
    service = service_of(request)
    status, reason = "ok", None
    if service.state.stopping:
        status, reason = "stopping", "The service is being stopped."
    elif not service.state.warm:
        status, reason = "starting", "The models are being loaded."
    else:
        try:
            await service.looking.run(client_of(request).id, service.engine.collections)
        except (UserFacingError, Problem) as error:
            status, reason = "fault", error.detail if isinstance(error, Problem) else str(error)
    reply = {"status": status, "reason": reason}
    if status == "ok":
        return JSONResponse(reply)
    return JSONResponse(reply, 503, retry_after(UNAVAILABLE_SECONDS))
