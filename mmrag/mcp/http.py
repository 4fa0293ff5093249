"""The MCP server over streamable HTTP: a route of the service, behind its gate.

So the same API keys are asked for, each may name the same collections, and the same limits, metrics and
log hold. It keeps no session: any request may go to any process.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, TypeVar, cast

from mcp.server.transport_security import TransportSecuritySettings
from starlette.routing import Route

from mmrag.errors import EngineUnavailable, InvalidInput
from mmrag.mcp.desk import check_named
from mmrag.mcp.tools import build_server
from mmrag.service.context import client_of, service_of
from mmrag.service.problems import Problem
from mmrag.service.questions import answer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from fastapi import FastAPI
    from mcp.server.mcpserver import Context
    from starlette.requests import Request
    from starlette.types import Receive, Scope, Send

    from mmrag.ports import ServedEngine
    from mmrag.types import Answer, Question, Said, Stage

T = TypeVar("T")

PATH = "/mcp"


def add_mcp(app: FastAPI, engine: ServedEngine) -> None:
    """Have the service answer MCP at `/mcp`, as long as its own lifespan lasts."""
    largest: int = app.state.service.settings.serve_request_bytes
    server = build_server(ServiceDesk(engine))
    server.streamable_http_app(
        stateless_http=True,
        max_request_body_size=largest,
        # The gate has looked at the host and the origin where there is no key.
        transport_security=TransportSecuritySettings(enable_dns_rebinding_protection=False),
    )
    manager = server.session_manager
    of_the_service = app.router.lifespan_context

    class Endpoint:  # an instance, since Starlette takes a function for one of its own handlers
        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            await manager.handle_request(scope, receive, send)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[Any]:
        async with of_the_service(app) as state, manager.run():
            yield state

    app.router.routes.append(Route(PATH, Endpoint(), include_in_schema=False))
    app.router.lifespan_context = lifespan


class ServiceDesk:
    """The clients that the service knows, in its lanes."""

    def __init__(self, engine: ServedEngine) -> None:
        self.engine = engine

    async def allowed(self, context: Context[Any, Any], named: Sequence[str] | None) -> tuple[str, ...]:
        client = client_of(_request(context))
        if named:
            check_named(named, may_name=client.may_name)
            return tuple(named)
        existing = await self.look(context, self.engine.collections)
        return tuple(name for name in existing if client.may_name(name))

    async def ask(
        self, context: Context[Any, Any], question: Question, told: Callable[[Stage | Said], None]
    ) -> Answer:
        try:
            return await answer(_request(context), question, told)
        except Problem as problem:
            raise _shown(problem) from problem

    async def look(self, context: Context[Any, Any], work: Callable[[], T]) -> T:
        request = _request(context)
        try:
            return await service_of(request).looking.run(client_of(request).id, work)
        except Problem as problem:
            raise _shown(problem) from problem


def _request(context: Context[Any, Any]) -> Request:
    return cast("Request", context.request_context.request)


def _shown(problem: Problem) -> InvalidInput | EngineUnavailable:
    """A problem's sentence as an error that may be shown."""
    busy = (
        problem.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR
        or problem.status_code == HTTPStatus.TOO_MANY_REQUESTS
    )
    return (EngineUnavailable if busy else InvalidInput)(problem.detail)
