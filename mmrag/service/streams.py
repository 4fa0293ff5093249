"""Server-sent events, and what becomes of work whose client leaves."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

from starlette.requests import ClientDisconnect
from starlette.responses import Response

from mmrag.service.problems import Problem, problem_of

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from starlette.requests import Request
    from starlette.types import Receive, Scope, Send

T = TypeVar("T")

EVENT_STREAM = "text/event-stream"
HEARTBEAT_SECONDS = 15.0  # proxies and clients give up on a connection that says nothing for longer
HEARTBEAT = b": still at it\n\n"

Tell = Callable[[bytes], None]  # takes a piece of the stream, in the event loop's thread


def wants_events(request: Request) -> bool:
    """Whether the client asks for events instead of one answer."""
    return EVENT_STREAM in request.headers.get("accept", "")


def event(name: str, data: object) -> bytes:
    """One event with JSON as its data, which has no line ends."""
    return f"event: {name}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n".encode()


class EventStream(Response):
    """Sends what comes out of `pieces`; where the client leaves, `pieces` is cancelled at once."""

    media_type = EVENT_STREAM

    def __init__(self, pieces: AsyncIterator[bytes]) -> None:
        super().__init__(headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._pieces = pieces

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        del scope
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        await unless_left(receive, self._send(send))

    async def _send(self, send: Send) -> None:
        async for piece in self._pieces:
            if piece:
                await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


async def unless_left(receive: Receive, work: Coroutine[Any, Any, T]) -> T:
    """The result of `work`; where the client leaves before, it is cancelled. Raises ClientDisconnect."""
    working = asyncio.create_task(work)
    leaving = asyncio.create_task(_left(receive))
    try:
        await asyncio.wait((working, leaving), return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        raise ClientDisconnect
    finally:
        for task in (working, leaving):
            task.cancel()
        with suppress(asyncio.CancelledError, Exception):
            await working


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def error_event(problem: Problem) -> bytes:
    """The end of a stream that failed."""
    return event("error", problem.to_json())


async def events_of(
    work: Callable[[Tell], Awaitable[None]], *, failed: Callable[[Problem], bytes] = error_event
) -> AsyncIterator[bytes]:
    """What `work` tells, as soon as it does, and a sign of life where it is silent.

    It ends the stream by returning; what it raises is told by `failed`. Where nobody listens any more it is
    cancelled.
    """
    told: asyncio.Queue[bytes | None] = asyncio.Queue()

    async def run() -> None:
        try:
            await work(told.put_nowait)
        except Exception as error:  # noqa: BLE001 - whatever it is: the stream must not just break off
            told.put_nowait(failed(problem_of(error)))
        finally:
            told.put_nowait(None)

    task = asyncio.create_task(run())
    try:
        while True:
            try:
                async with asyncio.timeout(HEARTBEAT_SECONDS):
                    piece = await told.get()
            except TimeoutError:
                yield HEARTBEAT
                continue
            pieces = [piece]
            while not told.empty():  # what is there already goes out together: a client wakes up once
                pieces.append(told.get_nowait())
            yield b"".join(each for each in pieces if each is not None)
            if pieces[-1] is None:
                return
    finally:
        task.cancel()
