"""A service in a thread, behind a real socket."""

from __future__ import annotations

import threading
from contextlib import contextmanager

from mmrag.service.server import Server, bind, url_of

_SECONDS = 30


@contextmanager
def served(engine, settings, *, port=0, extend=lambda _app: None):
    """The address of a service over this engine; stopped as a signal stops it."""
    listening = bind(settings.model_copy(update={"serve_port": port}))
    ready = threading.Event()
    server = Server(engine, settings, ready=ready.set, extend=extend)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, name="service")
    thread.start()
    try:
        assert ready.wait(_SECONDS), "the service did not start"
        yield url_of(listening)
    finally:
        server.should_exit = True
        thread.join(_SECONDS)
        listening.close()
        assert not thread.is_alive(), "the service did not stop"


class Stand:
    """Whatever engine stands in at the moment: one service serves many tests."""

    def __init__(self):
        self.engine = None

    def __getattr__(self, name):
        return getattr(self.engine, name)
