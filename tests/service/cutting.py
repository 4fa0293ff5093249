"""A way to a service on which connections break: every other one, or all, at a chosen moment."""

from __future__ import annotations

import itertools
import socket
import threading
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit

_PIECE = 65_536


@contextmanager
def cutting(url, cut, *, always=False):
    """(address, number of cuts so far) of a proxy. A connection carries one request and its reply.

    Cut are the 1st, 3rd, 5th ... of them: "before it is sent on", "before the reply" (the service has
    done its work) or "in the reply" (after its first bytes).
    """
    target = urlsplit(url)
    numbers = itertools.count()
    cuts = []
    with socket.create_server(("127.0.0.1", 0), backlog=64) as server:

        def accept():
            with suppress(OSError):
                while True:
                    client, _ = server.accept()
                    broken = always or next(numbers) % 2 == 0
                    threading.Thread(target=carry, args=(client, broken), daemon=True).start()

        def carry(client, broken):
            with client, suppress(OSError):
                request = _request(client)
                if broken:
                    cuts.append(cut)
                if broken and cut == "before it is sent on":
                    return
                with socket.create_connection((target.hostname, target.port)) as service:
                    service.sendall(request)
                    reply = b"".join(iter(lambda: service.recv(_PIECE), b""))
                if broken and cut == "before the reply":
                    return
                client.sendall(reply[:60] if broken else reply)

        threading.Thread(target=accept, daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}", lambda: len(cuts)
        server.shutdown(socket.SHUT_RDWR)


def _request(client):
    """A whole request, told to be the last of its connection."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += _received(client)
    head, _, body = data.partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    lengths = [int(line[15:]) for line in lines if line.lower().startswith(b"content-length:")]
    while lengths and len(body) < lengths[0]:
        body += _received(client)
    lines = [line for line in lines if not line.lower().startswith(b"connection:")]
    return b"\r\n".join([*lines, b"Connection: close"]) + b"\r\n\r\n" + body


def _received(client):
    piece = client.recv(_PIECE)
    if not piece:
        raise ConnectionError
    return piece
