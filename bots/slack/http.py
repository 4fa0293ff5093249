"""Slack over HTTP: signed requests at one address, installation at two others.

What is not signed by Slack, or was answered before, gets a 401 whatever it looks like; what is signed and
not understood gets a 400. Bodies are never logged.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from collections import OrderedDict
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from aiohttp import web
from slack_bolt.adapter.aiohttp import to_aiohttp_response, to_bolt_request
from slack_bolt.request.async_request import AsyncBoltRequest

from bots.conversation import log_fault
from bots.slack.app import NOT_KEPT
from mmrag.errors import UserFacingError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from slack_bolt.async_app import AsyncApp
    from slack_bolt.oauth.async_oauth_flow import AsyncOAuthFlow
    from slack_bolt.response import BoltResponse

EVENTS_PATH = "/slack/events"
MOST_BYTES = 4 << 20
OLDEST_SECONDS = 300  # Slack's own bound for a request's time


class Signatures:
    """Knows Slack's requests by the signing secret, and those that came before by their signature."""

    def __init__(self, secret: str) -> None:
        self._secret = secret.encode()
        self._accepted: OrderedDict[str, float] = OrderedDict()

    def accepts(self, headers: Mapping[str, str], body: bytes) -> bool:
        """Whether Slack sent this, lately, and it was not accepted before."""
        timestamp = headers.get("X-Slack-Request-Timestamp", "")
        signature = headers.get("X-Slack-Signature", "")
        if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 12):  # noqa: PLR2004 - seconds
            return False
        now = time.time()
        if abs(now - int(timestamp)) > OLDEST_SECONDS or not signature.isascii():
            return False
        signed = b"v0:" + timestamp.encode() + b":" + body
        expected = "v0=" + hmac.new(self._secret, signed, hashlib.sha256).hexdigest()
        if not hmac.compare_digest(expected.encode(), signature.encode()):
            return False
        return self._is_new(expected, now)

    def forget(self, headers: Mapping[str, str]) -> None:
        """It could not be kept: the same request may come again."""
        self._accepted.pop(headers.get("X-Slack-Signature", ""), None)

    def _is_new(self, signature: str, now: float) -> bool:
        while self._accepted and now - next(iter(self._accepted.values())) > 2 * OLDEST_SECONDS:
            self._accepted.popitem(last=False)
        if signature in self._accepted:
            return False
        self._accepted[signature] = now
        return True


def web_app(app: AsyncApp, *, signing_secret: str | None) -> web.Application:
    """The addresses that Slack calls, and those by which people install the app where several may.

    `signing_secret`: None where events come by Socket Mode.
    """
    application = web.Application(client_max_size=MOST_BYTES)
    application.add_routes([web.get("/healthz", _on_health)])
    if signing_secret is not None:
        application.add_routes([web.post(EVENTS_PATH, _Endpoint(app, Signatures(signing_secret)).on_post)])
    flow = app.oauth_flow
    if flow is not None:
        pages = _Pages(flow)
        application.add_routes(
            [web.get(flow.install_path, pages.install), web.get(flow.redirect_uri_path, pages.installed)]
        )
    return application


class _Pages:
    """What somebody sees who installs the app: Bolt's pages, and a sentence where something is in the way."""

    def __init__(self, flow: AsyncOAuthFlow) -> None:
        self._flow = flow

    async def install(self, request: web.Request) -> web.StreamResponse:
        return await self._shown(self._flow.handle_installation, request)

    async def installed(self, request: web.Request) -> web.StreamResponse:
        return await self._shown(self._flow.handle_callback, request)

    async def _shown(
        self, handle: Callable[[AsyncBoltRequest], Awaitable[BoltResponse]], request: web.Request
    ) -> web.StreamResponse:
        try:
            return await to_aiohttp_response(await handle(await to_bolt_request(request)))
        except UserFacingError as error:
            return self._failed(str(error), status=400)
        except Exception as error:  # noqa: BLE001 - Slack that is away, a full disk
            return self._failed(f"something went wrong, reference {log_fault(error)}", status=503)

    def _failed(self, reason: str, *, status: int) -> web.StreamResponse:
        page = self._flow.settings.redirect_uri_page_renderer.render_failure_page(reason)
        return web.Response(text=page, status=status, content_type="text/html", charset="utf-8")


async def _on_health(_: web.Request) -> web.StreamResponse:
    return web.Response(text="ok")


class _Endpoint:
    """Lets Bolt have what Slack signed and what has the form of a request of Slack's."""

    def __init__(self, app: AsyncApp, signatures: Signatures) -> None:
        self._app = app
        self._signatures = signatures

    async def on_post(self, request: web.Request) -> web.StreamResponse:
        try:
            body = await request.read()
        except web.HTTPRequestEntityTooLarge:
            return web.Response(status=413)
        except Exception:  # noqa: BLE001 - a body that can't be read is nobody's
            return web.Response(status=400)
        if not self._signatures.accepts(request.headers, body):
            return web.json_response({"error": "invalid request"}, status=401)
        text = _understood(body, request.content_type)
        return web.Response(status=400) if text is None else await self._dispatch(request, text)

    async def _dispatch(self, request: web.Request, text: str) -> web.StreamResponse:
        try:
            to_bolt = AsyncBoltRequest(body=text, query=request.query_string, headers=dict(request.headers))
            response = await self._app.async_dispatch(to_bolt)
        except Exception as error:  # noqa: BLE001 - Bolt reads some fields before it looks whether they are there
            log_fault(error)
            return web.Response(status=400)
        if to_bolt.context.get(NOT_KEPT):
            self._signatures.forget(request.headers)  # Slack shall send it again
            return web.Response(status=503)
        if response.status >= 500:  # noqa: PLR2004 - Bolt stumbled over its form; again, it would again
            return web.Response(status=400)
        return await to_aiohttp_response(response)


def _understood(body: bytes, content_type: str) -> str | None:
    """The body as text, if it has the form of one of Slack's."""
    try:
        text = body.decode("utf-8")
        if content_type == "application/json":
            return text if isinstance(json.loads(text), dict) else None
        form = parse_qs(text, keep_blank_values=True, strict_parsing=True)
        if "payload" in form and not isinstance(json.loads(form["payload"][0]), dict):
            return None
    except (ValueError, RecursionError):
        return None
    return text
