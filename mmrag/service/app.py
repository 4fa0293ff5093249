"""The application: every router, the gate before them, the OpenAPI document.

A new part of the service is a router in a module of its own, named in `ROUTERS`; paths that must be
reached without an API key, because they check who comes themselves, in `OPEN_PATHS`.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from mmrag import __version__, links
from mmrag.assemble import build_keys, build_links
from mmrag.errors import UserFacingError
from mmrag.service import asking, chat, collections, documents, health, html, metrics, openapi, ratings
from mmrag.service.admin import routes as admin
from mmrag.service.context import Service
from mmrag.service.gate import Gate
from mmrag.service.idempotency import Replies
from mmrag.service.pages import routes as pages
from mmrag.service.problems import Problem, not_understood
from mmrag.service.work import Lane

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from fastapi import APIRouter
    from starlette.requests import Request
    from starlette.responses import Response

    from mmrag.config import Settings
    from mmrag.ports import ServedEngine

_log = logging.getLogger(__name__)

_LOOKING = 8  # short requests of the store and the indexes that run at once: searches, lists

ROUTERS = (
    asking.router,
    documents.router,
    ratings.router,
    collections.router,
    chat.router,
    metrics.router,
    health.router,
)
OPEN_PATHS: tuple[str, ...] = (*health.OPEN_PATHS, f"{links.PATH}/", admin.PATH, f"{html.ASSETS_PATH}/")


def create_app(engine: ServedEngine, settings: Settings) -> FastAPI:
    """The service over an engine, which is closed by whoever built it, after the application has ended.

    Raises StoreUnavailable where the data folder of these settings cannot be used.
    """
    service = _service(engine, settings)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        warming = asyncio.create_task(_warm_up(service))
        yield
        service.state.stopping = True
        await warming
        for lane in service.lanes:
            await asyncio.to_thread(lane.close)
        service.keys.close()

    app = FastAPI(
        title="mmrag",
        version=__version__,
        lifespan=lifespan,
        docs_url=None,  # their pages fetch programs from elsewhere
        redoc_url=None,
        redirect_slashes=False,
        # Traces would carry addresses, which may hold what was asked for, to wherever the environment says.
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
    )
    app.state.service = service
    for router in (*ROUTERS, *_for_people(service)):
        app.include_router(router)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(RequestValidationError, _not_understood)
    app.add_middleware(Gate, service=service, open_paths=OPEN_PATHS)
    app.openapi = lambda: openapi.describe(app)  # type: ignore[method-assign]  # as FastAPI's documentation does
    return app


def _for_people(service: Service) -> tuple[APIRouter, ...]:
    """The pages: what a citation's link opens, and the look inside."""
    engine, settings = service.engine, service.settings
    secret = build_links(settings).key
    return (
        html.router,
        pages.pages_router(engine, settings),
        admin.admin_router(engine, settings, service.keys, secret),
    )


def _service(engine: ServedEngine, settings: Settings) -> Service:
    waiting = settings.serve_waiting
    answering = Lane("answering", at_once=settings.serve_answering, waiting=waiting)
    adding = Lane("adding", at_once=settings.serve_adding, waiting=waiting)
    looking = Lane("looking", at_once=_LOOKING, waiting=waiting)
    return Service(
        engine=engine,
        settings=settings,
        keys=build_keys(settings),
        metrics=metrics.Metrics((answering, adding, looking), engine.batch_sizes),
        replies=Replies(),
        answering=answering,
        adding=adding,
        looking=looking,
    )


async def _warm_up(service: Service) -> None:
    """Have the models loaded before the first question."""
    try:
        await asyncio.to_thread(service.engine.warm_up)
    except UserFacingError as error:
        _log.warning("The models could not be loaded ahead: %s", error)
    except Exception as error:  # noqa: BLE001 - the first question will meet it again, and be answered
        _log.error("The models could not be loaded ahead: %s", type(error).__name__)
    service.state.warm = True


async def _http_error(_: Request, error: Exception) -> Response:
    """Errors of routing and of reading a body, as all others."""
    if isinstance(error, Problem):
        return error.response()
    if not isinstance(error, HTTPException):
        raise error
    details = {
        404: ("not-found", "There is nothing at this path: /openapi.json describes those there are."),
        405: ("invalid-input", "This path does not take this method: /openapi.json says which it takes."),
    }
    code, detail = details.get(error.status_code, ("invalid-input", f"{error.detail}".rstrip(".") + "."))
    return Problem(error.status_code, code, detail, headers=error.headers).response()


async def _not_understood(_: Request, error: Exception) -> Response:
    if not isinstance(error, RequestValidationError):
        raise error
    return not_understood(error.errors()).response()
