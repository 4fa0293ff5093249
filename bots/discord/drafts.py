"""The draft: a small message that says what is being done, and that the reply is edited into."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bots.discord.cards import DRAFT_SIGN, draft_message
from bots.discord.web import MESSAGES
from bots.outcomes import RefusedError, UnsureError, to_its_end

if TYPE_CHECKING:
    from collections.abc import Sequence

    from discord import Message

    from bots.discord.cards import Message as Card
    from bots.discord.history import History
    from bots.discord.rooms import Room, Rooms
    from bots.discord.web import DiscordWeb
    from bots.inbox import Job
    from mmrag.types import Said

Json = dict[str, Any]

TYPING_SECONDS = 8.0  # Discord shows it for ten
PAGES = 5  # of messages since a question that are looked through


@dataclass
class Draft:
    """A job's draft: the message that is there, or that may be there."""

    message: str | None = None
    unsure: bool = False
    typed_at: float = float("-inf")
    is_over: bool = False
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)


class Drafts:
    """Posts and edits drafts, and finds what an earlier attempt or process has posted."""

    def __init__(self, web: DiscordWeb, rooms: Rooms, history: History) -> None:
        self._web = web
        self._rooms = rooms
        self._history = history
        self._drafts: dict[str, Draft] = {}

    async def taken(self, job: Job) -> Draft:
        """The job's draft, which `show` changes no more: the reply is edited into it."""
        draft = self._drafts.setdefault(job.key, Draft())
        draft.is_over = True
        async with draft.turn:
            return draft

    def forget(self, job: Job) -> None:
        """The job had its ending."""
        self._drafts.pop(job.key, None)

    async def show(self, job: Job, text: str, *, in_place: bool, said: Sequence[Said] = ()) -> None:
        """Show a status and what is `said` already. Raises RefusedError, UnsureError."""
        await to_its_end(self._show(job, text, in_place, said))

    async def _show(self, job: Job, text: str, in_place: bool, said: Sequence[Said]) -> None:  # noqa: FBT001 - handed on
        draft = self._drafts.setdefault(job.key, Draft(unsure=job.attempts > 1))
        async with draft.turn:
            room = await self._rooms.of(job.payload, here=in_place)
            if time.monotonic() - draft.typed_at > TYPING_SECONDS:
                draft.typed_at = time.monotonic()
                await self._web.write("POST", "/channels/{channel_id}/typing", channel_id=room.channel)
            if draft.message is None and draft.unsure:
                draft.message = begun(await self.ours(job, room))
                draft.unsure = False
            if draft.is_over:
                return
            if draft.message is None:
                await self._post(job, room, draft, draft_message(text, said))
            else:
                await self._web.write(
                    "PATCH",
                    "/channels/{channel_id}/messages/{message_id}",
                    draft_message(text, said).body(),
                    channel_id=room.channel,
                    message_id=draft.message,
                )

    async def _post(self, job: Job, room: Room, draft: Draft, shown: Card) -> None:
        body = shown.body() | room.reference()
        body |= {"nonce": nonce(job, 0, 0), "enforce_nonce": True}
        try:
            posted = await self._web.write("POST", MESSAGES, body, channel_id=room.channel)
        except UnsureError:
            draft.unsure = True
            raise
        draft.message = str(posted["id"])

    async def ours(self, job: Job, room: Room) -> list[Message]:
        """Our messages in a room that reply to this job, oldest first. Raises UnsureError."""
        since = job.payload.get("interaction") or job.payload.get("message") or room.channel
        found: list[Message] = []
        after = int(since)
        for _ in range(PAGES):
            try:
                page = await self._history.page(room.channel, after=after)
            except RefusedError:
                return found  # we can't look, so we can't have written
            if not page:
                break
            found += page
            after = page[-1].id
        return [
            message
            for message in found
            if message.author.id == self._history.me and _replies_to(message) == room.reply_to
        ]


def begun(messages: list[Message]) -> str | None:
    """The draft among our messages."""
    drafts = [message for message in messages if message.content.startswith(DRAFT_SIGN)]
    return str(drafts[-1].id) if drafts else None


def nonce(job: Job, part: int, number: int) -> str:
    """Discord makes one message of two with the same: at most 25 characters."""
    return f"{job.key[:16]}.{part}.{number}"


def _replies_to(message: Message) -> str | None:
    reference = message.reference
    return None if reference is None or reference.message_id is None else str(reference.message_id)
