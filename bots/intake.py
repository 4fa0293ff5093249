"""What comes in, kept: an adapter says what an event asks for; it is on disk before it is acknowledged."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from bots.inbox import Event
from bots.records import take_part_in

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import apsw

    from bots.inbox import Inbox, Pace
    from bots.records import DiskRecords, Post

    Json = dict[str, Any]

MOST_FILES = 20  # of a message
MOST_TEXT_CHARS = 40_000
_CORRECTION = re.compile(r"\s*(?:correction|更正)\s*[:：]\s*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Arrival:
    """An event, and what it depends on.

    Its payload names its `workspace` and `place` as the records call them. `follows`: it is one for us only
    if we take part in that thread. `about`: only if that message is an answer of ours. `joins`: from now on
    we take part in that thread.
    """

    event: Event
    follows: str | None = None
    about: str | None = None
    joins: str | None = None


class Intake:
    """Keeps arrivals. `of_answer` says what a job is told of the answer that it is about."""

    def __init__(
        self, inbox: Inbox, records: DiskRecords, *, of_answer: Callable[[Post], Mapping[str, Any]]
    ) -> None:
        self._inbox = inbox
        self._records = records
        self._of_answer = of_answer

    async def keep(
        self, arrival: Arrival, *, also: Callable[[apsw.Connection], object] | None = None
    ) -> bool:
        """On disk when this returns, with `also` in the same commit; whether it is a new job of ours.

        Raises StoreUnavailable: then the platform must not be told that we have it.
        """
        event = arrival.event
        if arrival.follows is not None and not await self._is_for_us(arrival.follows, event):
            return False
        if arrival.about is not None:
            post = await self._records.post(arrival.about)
            if post is None or post.answer_id is None:
                return False
            known = {"answer": post.answer_id, **self._of_answer(post)}
            event = replace(event, payload={**event.payload, **known})
        joins = None if arrival.joins is None else take_part_in(arrival.joins)

        def change(db: apsw.Connection) -> None:
            for each in (joins, also):
                if each is not None:
                    each(db)

        return await self._inbox.put(event, also=change) == "taken"

    async def _is_for_us(self, thread: str, event: Event) -> bool:
        if not await self._records.takes_part_in(thread):
            return False
        if event.kind == "correction":
            return True
        default = await self._records.setting(event.payload["workspace"], "follow-ups", "on")
        return await self._records.setting(event.payload["place"], "follow-ups", default) == "on"


def event_of(
    kind: str,
    keys: tuple[str, ...],
    payload: Json,
    *,
    scope: str,
    thread: str | None = None,
    pace: Pace = "slow",
) -> Event:
    """An event whose payload tells who and where; ids are its own within `scope` only.

    Without a channel it is one of the person's own, without a thread it waits for no other.
    """
    return Event(
        kind=kind,
        keys=keys,
        person=f"{scope}:{payload['user']}",
        channel=f"{scope}:{payload.get('channel') or payload['user']}",
        thread=thread or _turn(kind, payload, scope) or keys[0],
        payload=payload,
        pace=pace,
    )


def _turn(kind: str, payload: Json, scope: str) -> str | None:
    """The thumbs of a person under a message take effect one after the other, or the last might not count."""
    if kind != "mark":
        return None
    return f"{kind} {scope}:{payload.get('channel')}:{payload.get('message')}:{payload['user']}"


def correction_in(text: str) -> str | None:
    """What stands after "correction:", if a message begins with it."""
    match = _CORRECTION.match(text)
    return text[match.end() :] if match else None
