"""A request that is sent again gets the reply of the first time, and its work is done once.

A client names a request by the header `Idempotency-Key`. Replies are remembered for a while in memory:
what a client gives up on is over by then, and every change is such that doing it twice after a restart
leaves what doing it once leaves, unless somebody acted in between.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from mmrag.service.context import client_of
from mmrag.service.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request

T = TypeVar("T")

_SECONDS = 600.0  # longer than any client of ours tries again
_MOST = 2_000
_MOST_KEY_CHARS = 200
_LASTING = range(400, 500)  # errors that the same request would meet again
_FOR_NOW = frozenset({408, 429})


@dataclass(slots=True)
class _Reply:
    fingerprint: bytes
    since: float
    coming: asyncio.Future[Any]


class Replies:
    """The replies of the last minutes. For one event loop."""

    def __init__(self) -> None:
        self._replies: OrderedDict[tuple[str, ...], _Reply] = OrderedDict()

    async def once(self, request: Request, work: Callable[[], Awaitable[T]], *, of: bytes) -> T:
        """Do it, or take the reply of the same request; `of` is what it asks for, as bytes.

        Raises Problem where the key was used for something else.
        """
        key = request.headers.get("idempotency-key", "")[:_MOST_KEY_CHARS]
        if not key:
            return await work()
        name = (client_of(request).id, request.method, request.url.path, key)
        fingerprint = hashlib.sha256(of).digest()
        while (known := self._known(name)) is not None:
            if known.fingerprint != fingerprint:
                raise Problem(
                    422,
                    "reused-key",
                    "This Idempotency-Key was used for another request: make a new one for each request.",
                )
            try:
                result: T = await asyncio.shield(known.coming)
            except asyncio.CancelledError:
                if known.coming.cancelled() and not _is_cancelled():
                    continue  # whoever asked first has left: it is ours to do
                raise
            return result
        return await self._first(name, fingerprint, work)

    async def _first(self, name: tuple[str, ...], fingerprint: bytes, work: Callable[[], Awaitable[T]]) -> T:
        reply = _Reply(fingerprint, time.monotonic(), asyncio.get_running_loop().create_future())
        self._replies[name] = reply
        try:
            result = await work()
        except Problem as problem:
            self._fail(name, reply, problem)
            raise
        except BaseException:
            self._replies.pop(name, None)
            reply.coming.cancel()
            raise
        reply.coming.set_result(result)
        return result

    def _fail(self, name: tuple[str, ...], reply: _Reply, problem: Problem) -> None:
        if problem.status_code not in _LASTING or problem.status_code in _FOR_NOW:
            self._replies.pop(name, None)
        reply.coming.set_exception(problem)
        reply.coming.exception()  # nobody else may be waiting for it

    def _known(self, name: tuple[str, ...]) -> _Reply | None:
        oldest = time.monotonic() - _SECONDS
        while self._replies:
            first = next(iter(self._replies.values()))
            if len(self._replies) < _MOST and first.since > oldest:
                break
            self._replies.popitem(last=False)
        return self._replies.get(name)


def _is_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
