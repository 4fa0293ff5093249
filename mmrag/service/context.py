"""What routes share: the engine, the settings, the lanes, and who is asking with which rights."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, cast
from urllib.parse import urlsplit

from fastapi import Query

from mmrag.errors import UserFacingError
from mmrag.service.problems import Problem, problem_of
from mmrag.service.schemas import MOST_COLLECTIONS, CollectionName
from mmrag.storage.keys import ApiKey

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from starlette.datastructures import Headers
    from starlette.requests import Request

    from mmrag.config import Settings
    from mmrag.ports import ServedEngine
    from mmrag.service.idempotency import Replies
    from mmrag.service.metrics import Metrics
    from mmrag.service.work import Lane
    from mmrag.storage.keys import ApiKeys

T = TypeVar("T")

CollectionQuery = Annotated[
    list[CollectionName] | tuple[()],
    Query(max_length=MOST_COLLECTIONS, description="May be given several times."),
]

# Who asks where there is no key at all and the address can only be reached from this machine.
LOCAL = ApiKey("local", "this machine", ("*",), "admin", "")

# A proxy adds one of these; then the loopback address is the proxy's, and says nothing of the person.
_FORWARDED = ("forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-real-ip")


@dataclass(slots=True)
class State:
    """What becomes of the service while it runs."""

    warm: bool = False  # the models are loaded
    stopping: bool = False


@dataclass(frozen=True, slots=True)
class Service:
    """What routes share. `answering`, `adding` and `looking` bound what is done at once."""

    engine: ServedEngine
    settings: Settings
    keys: ApiKeys
    metrics: Metrics
    replies: Replies
    answering: Lane
    adding: Lane
    looking: Lane
    state: State = field(default_factory=State)

    @property
    def lanes(self) -> tuple[Lane, ...]:
        return (self.answering, self.adding, self.looking)


def service_of(request: Request) -> Service:
    """The service that this request came to."""
    return cast("Service", request.app.state.service)


def client_of(request: Request) -> ApiKey:
    """Who is asking, as the gate found out."""
    client: Any = request.state.client
    return cast("ApiKey", client)


async def looked_up(request: Request, work: Callable[[], T]) -> T:
    """Do something short with the engine, in a thread, when it is this client's turn."""
    try:
        return await service_of(request).looking.run(client_of(request).id, work)
    except UserFacingError as error:
        raise problem_of(error) from error


async def changed(request: Request, work: Callable[[], T], *, of: bytes) -> T:
    """As `looked_up`, but once however often the same is sent; `of` is what is asked for, as bytes."""
    return await service_of(request).replies.once(request, lambda: looked_up(request, work), of=of)


def check_may_name(client: ApiKey, collections: Iterable[str]) -> None:
    """Raise Problem where the key does not allow one of these; whether it exists is not said."""
    for collection in collections:
        if not client.may_name(collection):
            raise Problem(
                403,
                "not-allowed",
                f"This API key may not name the collection {collection[:60]!r}: ask whoever runs the engine "
                "for a key that may.",
            )


def check_may_write(client: ApiKey) -> None:
    """Raise Problem where the key only reads."""
    if client.role == "read":
        raise Problem(
            403,
            "not-allowed",
            "This API key may only ask, search and rate: ask whoever runs the engine for one that may write.",
        )


def named_or_allowed(
    client: ApiKey, engine: ServedEngine, collections: Sequence[str] | None
) -> Sequence[str] | None:
    """The collections that a request means: those it names, or all that its key may name (None: all)."""
    if collections is not None or "*" in client.collections:
        return collections
    return [name for name in engine.collections() if client.may_name(name)]


def is_addressed_here(headers: Headers) -> bool:
    """Whether a request names this machine as its host and was passed on by no proxy that says so."""
    host = urlsplit(f"//{headers.get('host', '')}").hostname or ""
    return is_loopback(host) and not any(name in headers for name in _FORWARDED)


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
