"""The gate before every route: who asks, how much and how often; the log and the last fault handler.

It works before a request's body is read, so nobody without a key can make the service take in bytes.
The log has routes, figures and the ids of keys: no path, since paths may hold what was asked for, no
key and no message text.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import defaultdict
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect

from mmrag import wire
from mmrag.service.context import LOCAL, is_addressed_here, is_loopback
from mmrag.service.problems import UNAVAILABLE_SECONDS, Problem, problem_of, retry_after
from mmrag.storage.keys import ApiKey

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from mmrag.service.context import Service

_log = logging.getLogger(__name__)

_DRAINED_BYTES = 4 * 1024 * 1024  # of a refused request: a client that still sends does not see the answer
_MINUTE = 60.0
_FORGOTTEN = 1_000  # clients whose counts are kept at most; a count is good for a minute only

# Who comes to an open path; what it may see, its route decides.
VISITOR = ApiKey("visitor", "nobody in particular", (), "read", "")


class Gate:
    """ASGI middleware. Paths that begin with one of `open_paths` need no key: they answer for themselves."""

    def __init__(self, app: ASGIApp, *, service: Service, open_paths: Sequence[str]) -> None:
        self._app = app
        self._service = service
        self._open_paths = tuple(open_paths)
        self._quotas = Quotas(
            at_once=service.settings.serve_client_at_once, a_minute=service.settings.serve_client_a_minute
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = _Exchange(send)
        began = time.perf_counter()
        body = _Body(receive, most=self._service.settings.serve_request_bytes)
        client: ApiKey | None = None
        try:
            client = self._client(scope)
            scope.setdefault("state", {})["client"] = client
            with self._quotas.spent(client):
                body.check_announced(Headers(scope=scope))
                await self._app(scope, body.receive, exchange.send)
        except ClientDisconnect:
            pass
        except asyncio.CancelledError:
            if not self._service.state.stopping:
                raise
            await exchange.refuse(_stopped(), scope, body)
        except Exception as error:  # noqa: BLE001 - the last one who can answer, and log without texts
            await exchange.refuse(problem_of(error), scope, body)
        finally:
            self._note(scope, exchange.status, time.perf_counter() - began, client)

    # ------------------------------------------------------------------ who asks

    def _client(self, scope: Scope) -> ApiKey:
        headers = Headers(scope=scope)
        if scope["path"].startswith(self._open_paths):
            return replace(VISITOR, id=f"visitor {(scope.get('client') or ('unknown',))[0]}")
        scheme, _, presented = headers.get("authorization", "").partition(" ")
        presented = presented.strip() if scheme.lower() == "bearer" else ""
        client = self._service.keys.find(presented)
        if client is not None:
            return client
        if is_loopback(self._service.settings.serve_host) and not self._service.keys.exist():
            _check_is_local(headers)
            return LOCAL  # whatever was presented: clients of OpenAI's API can't do without a key
        if presented:
            raise Problem(
                401,
                "wrong-key",
                "This API key is not known: ask whoever runs the engine for one (`mmrag keys add NAME`).",
                headers={"WWW-Authenticate": 'Bearer error="invalid_token"'},
            )
        raise Problem(
            401,
            "no-key",
            "Send an API key in the header  Authorization: Bearer KEY  (`mmrag keys add NAME` makes one).",
            headers={"WWW-Authenticate": "Bearer"},
        )

    def _note(self, scope: Scope, status: int, seconds: float, client: ApiKey | None) -> None:
        route = getattr(scope.get("route"), "path", "none")
        self._service.metrics.requested(scope["method"], route, status, seconds)
        _log.info(
            "%s %s %s %.0f ms, client %s",
            scope["method"] if scope["method"].isalpha() else "?",
            route,
            status or "left",
            seconds * 1000,
            client.id if client else "none",
        )


def _check_is_local(headers: Headers) -> None:
    """Without keys a page in a browser on this machine must not act, not by rebinding, not by a form.

    Nor must a proxy on this machine let in whoever reaches it.
    """
    origin = headers.get("origin")
    foreign = origin is not None and urlsplit(origin).netloc != headers.get("host")
    if foreign or not is_addressed_here(headers):
        raise Problem(
            403,
            "not-allowed",
            "Without API keys only programs on this machine are served: `mmrag keys add NAME` makes a key.",
        )


def _stopped() -> Problem:
    return Problem(
        503,
        "engine-unavailable",
        "The service is being stopped and could not wait for this: send it again in a while.",
        headers=retry_after(UNAVAILABLE_SECONDS),
    )


# ------------------------------------------------------------------------- how much


class _Body:
    """A request's body as it comes in, up to `most` bytes."""

    def __init__(self, receive: Receive, *, most: int) -> None:
        self._receive = receive
        self._most = most
        self._taken = 0
        self.ended = False

    def check_announced(self, headers: Headers) -> None:
        """Refuse what says itself that it is too large, before it is sent."""
        announced = headers.get("content-length", "")
        if announced.isdecimal() and int(announced) > self._most:
            raise self._too_large()

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.request":
            self._taken += len(message.get("body", b""))
            self.ended = not message.get("more_body", False)
            if self._taken > self._most:
                raise self._too_large()
        return message

    async def drain(self) -> None:
        """Take a little of what is still coming, so that the client reads why it was refused."""
        left = _DRAINED_BYTES
        while not self.ended and left > 0:
            message = await self._receive()
            left -= len(message.get("body", b""))
            self.ended = message["type"] != "http.request" or not message.get("more_body", False)

    def _too_large(self) -> Problem:
        return Problem(
            413,
            "too-large",
            f"The request is larger than the {self._most:,} bytes that are taken: send less at a time, or "
            "have MMRAG_SERVE_REQUEST_BYTES raised.",
        )


@dataclass(slots=True)
class _Quota:
    """Of one client: requests that are open, and those it may still make, as of `at`."""

    open: int = 0
    left: float = 0.0
    at: float = 0.0


class Quotas:
    """Bounds each client's requests: so many at once, so many a minute (a token bucket)."""

    def __init__(self, *, at_once: int, a_minute: int) -> None:
        self._at_once = at_once
        self._a_minute = a_minute
        self._quotas: defaultdict[str, _Quota] = defaultdict(
            lambda: _Quota(left=a_minute, at=time.monotonic())
        )

    @contextmanager
    def spent(self, client: ApiKey) -> Iterator[None]:
        """Count one request. Raises Problem where it is one too many."""
        quota = self._quotas[client.id]
        self._spend(quota)
        quota.open += 1
        try:
            yield
        finally:
            quota.open -= 1
            if len(self._quotas) > _FORGOTTEN:
                self._forget()

    def _spend(self, quota: _Quota) -> None:
        if quota.open >= self._at_once:
            raise Problem(
                429,
                "too-many",
                f"{quota.open} requests of this client are being answered: wait for one of them.",
                headers=retry_after(1),
            )
        if not self._a_minute:
            return
        now = time.monotonic()
        quota.left = min(self._a_minute, quota.left + (now - quota.at) * self._a_minute / _MINUTE)
        quota.at = now
        if quota.left < 1:
            raise Problem(
                429,
                "too-many",
                f"This client may make {self._a_minute:,} requests a minute: slow down.",
                headers=retry_after((1 - quota.left) * _MINUTE / self._a_minute),
            )
        quota.left -= 1

    def _forget(self) -> None:
        since = time.monotonic() - _MINUTE
        for id_ in [id_ for id_, quota in self._quotas.items() if not quota.open and quota.at < since]:
            del self._quotas[id_]


# --------------------------------------------------------------------- what went out


class _Exchange:
    """The way back to the client: what was begun can't be taken back."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.status = 0

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            headers["mmrag-wire"] = str(wire.VERSION)
            headers["x-content-type-options"] = "nosniff"
            headers.setdefault("cache-control", "no-store")  # whoever asks with another key sees other things
        await self._send(message)

    async def refuse(self, problem: Problem, scope: Scope, body: _Body) -> None:
        """Say why, unless an answer was begun already: that one breaks off."""
        if self.status:
            return
        try:
            await body.drain()
            await problem.response()(scope, body.receive, self.send)
        except OSError:
            return  # the client has left
