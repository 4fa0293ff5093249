"""Whose turn it is, and what they may name.

Over standard input and output there is one client, on this machine, who may name what the command
line said. Over HTTP the service knows the client by its key, and works off everybody's requests in turn.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from mmrag.errors import NotAllowed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mcp.server.mcpserver import Context

    from mmrag.ports import ServedEngine
    from mmrag.types import Answer, Question, Said, Stage

T = TypeVar("T")

_AT_ONCE = 4  # requests of the one client; others wait


class Desk(Protocol):
    """Between the tools and the engine. Every method raises UserFacingError."""

    @property
    def engine(self) -> ServedEngine: ...

    async def allowed(self, context: Context[Any, Any], named: Sequence[str] | None) -> tuple[str, ...]:
        """The collections to look into: those named, or all that there are for this client."""
        ...

    async def ask(
        self, context: Context[Any, Any], question: Question, told: Callable[[Stage | Said], None]
    ) -> Answer:
        """Ask when it is this client's turn; `told` hears of stages and sentences, in the loop's thread."""
        ...

    async def look(self, context: Context[Any, Any], work: Callable[[], T]) -> T:
        """Do something short with the engine in a thread, when it is this client's turn."""
        ...


class LocalDesk:
    """One client, who may name these collections."""

    def __init__(self, engine: ServedEngine, collections: Sequence[str]) -> None:
        self.engine = engine
        self._collections = tuple(collections)
        self._threads = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="mmrag-mcp")

    async def allowed(self, context: Context[Any, Any], named: Sequence[str] | None) -> tuple[str, ...]:
        del context
        if not named:
            return self._collections
        check_named(named, may_name=self._collections.__contains__)
        return tuple(named)

    async def ask(
        self, context: Context[Any, Any], question: Question, told: Callable[[Stage | Said], None]
    ) -> Answer:
        loop = asyncio.get_running_loop()

        def hear(heard: Stage | Said) -> None:
            with suppress(RuntimeError):  # the loop may be closed when the program is stopped
                loop.call_soon_threadsafe(told, heard)

        return await self.look(context, lambda: self.engine.ask(question, listener=hear, said=hear))

    async def look(self, context: Context[Any, Any], work: Callable[[], T]) -> T:
        del context
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)


def check_named(named: Sequence[str], *, may_name: Callable[[str], bool]) -> None:
    """Raise NotAllowed where one of these may not be named; whether it exists is not said."""
    for collection in named:
        if not may_name(collection):
            raise NotAllowed(
                f"The collection {collection[:60]!r} may not be named here: leave `collections` out to look "
                "into all that may."
            )
