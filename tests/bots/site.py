"""A web site of the tests: raw replies over real sockets, whatever a site might send."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from dataclasses import dataclass, field

from aiohttp.abc import AbstractResolver


def reply(body=b"", *, status=200, kind="text/html; charset=utf-8", **headers):
    """A whole reply; `headers` with underscores for hyphens."""
    lines = [f"HTTP/1.1 {status} Said", f"Content-Length: {len(body)}", "Connection: close"]
    if kind is not None:
        lines.append(f"Content-Type: {kind}")
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


def moved(to, status=302):
    """A redirect."""
    return reply(status=status, kind=None, Location=to)


def page(title, text, *, more=""):
    """A page of HTML."""
    head = f"<!doctype html><html><head><title>{title}</title></head>"
    return f"{head}<body><p>{text}</p>{more}</body></html>".encode()


@dataclass
class Site:
    """Answers each path by bytes, by several in turn, or by a function that is given the writer."""

    pages: dict = field(default_factory=dict)
    host: str = "127.0.0.1"
    port: int = 0
    asked: list = field(default_factory=list)  # (path, {header: value})
    _answering: set = field(default_factory=set)

    async def __aenter__(self):
        self._server = await asyncio.start_server(self._answer, self.host, self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        self.url = f"http://{self.host}:{self.port}"
        return self

    async def __aexit__(self, *_):
        self._server.close()
        for task in self._answering:
            task.cancel()
        await asyncio.gather(*self._answering, return_exceptions=True)

    async def _answer(self, reader, writer):
        self._answering.add(asyncio.current_task())
        try:
            await self._say(reader, writer)
        finally:
            writer.close()

    async def _say(self, reader, writer):
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            path = head[0].split(" ")[1]
            self.asked.append((path, dict(line.split(": ", 1) for line in head[1:] if line)))
            answer = self.pages.get(path, reply(status=404))
            if isinstance(answer, list):
                answer = answer.pop(0) if len(answer) > 1 else answer[0]
            if isinstance(answer, bytes):
                writer.write(answer)
                await writer.drain()
            else:
                await answer(writer)


@dataclass
class Names(AbstractResolver):
    """A resolver: {name: addresses}, or a list of what it says in turn; numbers are the system's."""

    known: dict
    asked: list = field(default_factory=list)

    def __call__(self):
        return self

    async def resolve(self, host, port=0, family=0):
        del family
        self.asked.append(host)
        numeric = () if host in self.known else socket.getaddrinfo(host, port, flags=socket.AI_NUMERICHOST)
        addresses = self.known.get(host) or list({where[0] for *_, where in numeric})
        if addresses and isinstance(addresses[0], list):
            addresses = addresses.pop(0) if len(addresses) > 1 else addresses[0]
        return [
            {"hostname": host, "host": each, "port": port, "family": 10 if ":" in each else 2}
            | {"proto": 6, "flags": 4}
            for each in addresses
        ]

    async def close(self):
        pass
