"""The running service: binds the port, warms the engine up, stops without losing what was begun.

One process with one engine: its models are in memory once, and its questions are answered together.
"""

from __future__ import annotations

import errno
import logging
import signal
import socket
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import uvicorn

from mmrag.assemble import build_keys
from mmrag.errors import InvalidSettings
from mmrag.service.app import create_app
from mmrag.service.context import is_loopback

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fastapi import FastAPI

    from mmrag.config import Settings
    from mmrag.ports import ServedEngine

_KEPT_SECONDS = 75  # an idle connection: a client that keeps it should be the one who gives it up
_BACKLOG = 1_024  # connections that wait to be accepted


def bind(settings: Settings) -> socket.socket:
    """The socket to listen on. Raises InvalidSettings where it can't be had, or would let anybody in."""
    host, port = settings.serve_host, settings.serve_port
    _check_has_key(settings)
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except (socket.gaierror, UnicodeError):
        raise InvalidSettings(
            f"There is no address {host!r}: set serve_host to one of this machine."
        ) from None
    listening = socket.socket(family, kind, protocol)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(_BACKLOG)
    except OSError as error:
        listening.close()
        raise InvalidSettings(_why_not(error, host, port)) from None
    return listening


def _check_has_key(settings: Settings) -> None:
    if is_loopback(settings.serve_host):
        return
    with build_keys(settings) as keys:
        if not keys.exist():
            raise InvalidSettings(
                f"Whoever reaches {settings.serve_host} could read everything: make an API key first "
                "(`mmrag keys add NAME`), or listen on 127.0.0.1."
            )


def _why_not(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"Port {port} on {host} is in use: stop what uses it, or choose another with --port."
    if error.errno == errno.EACCES:
        return f"Port {port} needs more rights: choose one from 1024 with --port."
    return f"{host} can't be listened on ({error.strerror}): set serve_host to an address of this machine."


def url_of(listening: socket.socket) -> str:
    """Where it is reached, as a person types it."""
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def with_address(settings: Settings, url: str) -> Settings:
    """The settings, links of citations leading to this service where only this machine can reach it."""
    if settings.public_url or not is_loopback(settings.serve_host):
        return settings
    return settings.model_copy(update={"public_url": url})


class Server(uvicorn.Server):
    """Says when it serves, and marks the service as stopping as soon as it is told to stop."""

    def __init__(
        self,
        engine: ServedEngine,
        settings: Settings,
        *,
        ready: Callable[[], None],
        extend: Callable[[FastAPI], None] = lambda _app: None,
    ) -> None:
        app = create_app(engine, settings)
        extend(app)
        self._state = app.state.service.state
        self._ready = ready
        super().__init__(
            uvicorn.Config(
                app,
                log_config=None,
                access_log=False,  # it writes paths, which may hold what was asked for
                server_header=False,
                proxy_headers=False,  # who is at the other end is not for a header to say
                timeout_keep_alive=_KEPT_SECONDS,
                lifespan="on",
                timeout_graceful_shutdown=settings.serve_shutdown_seconds,
            )
        )

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop when told to, without dying of it: uvicorn raises the signal anew, and no engine is closed."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {each: signal.signal(each, self.handle_exit) for each in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for each, handler in before.items():
                signal.signal(each, handler)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._state.stopping = True
        await super().shutdown(sockets)


def serve(
    engine: ServedEngine,
    settings: Settings,
    listening: socket.socket,
    *,
    ready: Callable[[], None],
    extend: Callable[[FastAPI], None] = lambda _app: None,
) -> None:
    """Serve until a signal says to stop; then finish what was begun, within `serve_shutdown_seconds`.

    `extend` adds routes of its own before the first request.
    """
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)  # it announces each start and stop
    with listening:
        Server(engine, settings, ready=ready, extend=extend).run(sockets=[listening])
