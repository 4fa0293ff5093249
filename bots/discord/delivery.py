"""What was answered, sent to Discord once: by an edit of the draft or the command's reply, or posted.

An edit twice is one. A message that is posted carries a nonce, of which Discord makes one message for some
minutes; after any doubt we look for those that reply to the same question first. What a command said
expires after a quarter of an hour: then its reply goes to the person directly.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from bots.delivery import Delivery, Target, answer_id_of, is_private
from bots.discord.cards import (
    FILE_BYTES,
    LATE,
    Message,
    answer_messages,
    approval_message,
    correction_message,
    human_message,
    notice_message,
)
from bots.discord.drafts import begun, nonce
from bots.discord.names import message_key
from bots.discord.rooms import Room
from bots.discord.web import (
    BAD_WEBHOOK,
    INVALID_FORM,
    MESSAGES,
    NO_ACCESS,
    NO_PERMISSION,
    TOO_LARGE,
    UNKNOWN_CHANNEL,
    UNKNOWN_INTERACTION,
    UNKNOWN_MESSAGE,
    UNKNOWN_WEBHOOK,
)
from bots.outcomes import RefusedError, UnsureError
from bots.records import remember_post

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import discord

    from bots.conversation import Audience
    from bots.discord.drafts import Drafts
    from bots.discord.places import Directory
    from bots.discord.rooms import Rooms
    from bots.discord.web import DiscordWeb
    from bots.inbox import Inbox, Job, Part
    from bots.records import DiskRecords
    from mmrag.ports import EngineClient
    from mmrag.types import Answer

Json = dict[str, Any]

_EXPIRED = {UNKNOWN_WEBHOOK, BAD_WEBHOOK, UNKNOWN_MESSAGE, UNKNOWN_INTERACTION, "404", "401"}
NO_THREADS = {"refusal", "correction"}  # a word to what was said is worth none
_SHUT = {NO_ACCESS, NO_PERMISSION, UNKNOWN_CHANNEL}
ACKNOWLEDGED_SECONDS = 3.5  # Discord waits three for an acknowledgement
CLOSING_WAITS_SECONDS = (0.5, 2.0, 0.0)
_NOT_TAKEN = {INVALID_FORM, TOO_LARGE, "413"}


@dataclass(frozen=True, slots=True)
class Place(Target):
    """The question's room, beside the question where `here`, or `to` somebody directly.

    What is whispered is the reply to their command.
    """

    payload: Json
    here: bool
    to: str | None


class DiscordDelivery(Delivery[Place, Message]):
    """Sends the parts of answered jobs."""

    def __init__(
        self,
        inbox: Inbox,
        records: DiskRecords,
        engine: EngineClient,
        *,
        human_of: Callable[[str], Awaitable[str]],
        web: DiscordWeb,
        directory: Directory,
        rooms: Rooms,
        drafts: Drafts,
    ) -> None:
        super().__init__(inbox, records, engine, platform="Discord", human_of=human_of)
        self._web = web
        self._directory = directory
        self._rooms = rooms
        self._drafts = drafts

    def target(self, job: Job, part: Part) -> Place:
        payload, content = job.payload, part.content
        return Place(
            workspace=payload["workspace"],
            user=payload["user"],
            payload=payload,
            here=bool(content.get("here")) or job.kind in NO_THREADS,
            to=content.get("to"),
            whispered=is_private(job, part) and bool(payload.get("token")),
        )

    async def ask_anything(self, target: Place) -> None:
        del target
        await self._web.read("/users/@me")

    async def send_once(self, job: Job, part: Part, target: Place) -> None:
        messages = await self.messages(part, target)
        if target.whispered:
            await self._whisper(job, part, target, messages)
        elif part.content.get("edits"):
            await self._edit(target.payload["channel"], part.content["edits"], messages[0])
            await self._inbox.sent(job, part, part.content["edits"])
        elif target.to:
            await self._say(job, part, _direct_room(target.to), messages)
        else:
            await self._openly(job, part, target, messages)
        if not target.whispered and target.payload.get("token"):
            await self._close(target)

    # -------------------------------------------------------------------- what is said

    async def audience(self, content: Json, target: Place) -> Audience:
        seen_in = content.get("seen_in") or target.payload["channel"]
        return await self._directory.audience(target.payload["guild"], seen_in, target.user)

    async def answer(self, answer: Answer, content: Json, target: Place, *, human: bool) -> list[Message]:
        figure = await self.figure(answer, content)
        return answer_messages(
            answer,
            figure=figure if figure is not None and len(figure.data) <= FILE_BYTES else None,
            human=human,
            private=target.whispered,
            asked=content.get("asked"),
            late=bool(target.payload.get("late")),
        )

    correction = staticmethod(correction_message)
    approval = staticmethod(approval_message)
    human = staticmethod(human_message)
    notice = staticmethod(notice_message)

    # --------------------------------------------------------------------- how it goes out

    async def _openly(self, job: Job, part: Part, target: Place, messages: list[Message]) -> None:
        """Where it was asked; directly, where we may not write there: whoever asked sees that place."""
        room = await self._rooms.of(target.payload, here=target.here)
        try:
            await self._say(job, part, room, messages)
        except RefusedError as refused:
            if refused.code not in _SHUT or target.payload["guild"] is None:
                raise
            await self._directly(job, part, target, messages)

    async def _directly(self, job: Job, part: Part, target: Place, messages: list[Message]) -> None:
        room = _direct_room(await self._directory.direct_channel(target.user))
        await self._say(job, part, room, messages)

    async def _say(self, job: Job, part: Part, room: Room, messages: list[Message]) -> None:
        """In a channel or thread, in as many messages as it takes."""
        if job.payload.get("late") and part.content["kind"] != "answer":
            messages = [replace(messages[0], content=f"{LATE}\n{messages[0].content}"), *messages[1:]]
        draft = await self._drafts.taken(job)
        doubtful = part.unsure or draft.unsure or job.attempts > 1
        there = await self._drafts.ours(job, room) if doubtful else []
        posted = []
        for number, message in enumerate(messages):
            await self.about_to_send(job, part)
            id_ = _arrived(there, message)
            if id_ is None and number == part.number == 0:
                id_ = await self._into_draft(room, draft.message or begun(there), message)
            if id_ is None:
                id_ = await self._post(room, message, nonce(job, part.number, number))
            posted.append(id_)
            await self._records.apply(remember_post(message_key(id_), room.thread, answer_id_of(part)))
        await self._inbox.sent(job, part, " ".join(posted))

    async def _into_draft(self, room: Room, draft: str | None, message: Message) -> str | None:
        """The draft as the message; None where it is gone."""
        if draft is None:
            return None
        try:
            await self._edit(room.channel, draft, message)
        except RefusedError as refused:
            if refused.code != UNKNOWN_MESSAGE:
                raise
            return None
        return draft

    async def _post(self, room: Room, message: Message, name: str) -> str:
        more = room.reference() | {"nonce": name, "enforce_nonce": True}

        async def send(message: Message) -> Json:
            posted: Json = await self._web.write(
                "POST",
                MESSAGES,
                message.body() | more,
                files=_uploads(message),
                channel_id=room.channel,
            )
            return posted

        posted = await _as_it_is_taken(send, message)
        if str(posted.get("content", "")) != message.content:  # an earlier one of this nonce: the draft
            await self._edit(room.channel, str(posted["id"]), message)
        return str(posted["id"])

    async def _edit(self, channel: str, id_: str, message: Message) -> None:
        """Make a message of ours this one; the same edit twice is one."""

        async def send(message: Message) -> Json:
            edited: Json = await self._web.write(
                "PATCH",
                "/channels/{channel_id}/messages/{message_id}",
                message.body(),
                files=_uploads(message),
                channel_id=channel,
                message_id=id_,
            )
            return edited

        await _as_it_is_taken(send, message)

    async def _whisper(self, job: Job, part: Part, target: Place, messages: list[Message]) -> None:
        """As the reply to the person's command; directly, where that has expired."""
        try:
            await _as_it_is_taken(lambda message: self._reply(target, message), messages[0])
        except RefusedError as refused:
            if refused.code not in _EXPIRED:
                raise
            if time.time() - job.received < ACKNOWLEDGED_SECONDS:  # we are quicker than our acknowledgement
                raise UnsureError("not acknowledged yet") from None
            await self._directly(job, part, target, messages)
        else:
            await self._inbox.sent(job, part, "whispered")

    async def _reply(self, target: Place, message: Message) -> Json:
        replied: Json = await self._web.write(
            "PATCH",
            "/webhooks/{webhook_id}/{webhook_token}/messages/@original",
            message.body(),
            files=_uploads(message),
            webhook_id=target.payload["application"],
            webhook_token=target.payload["token"],
        )
        return replied

    async def _close(self, target: Place) -> None:
        """What was clicked is done, and everybody sees it: the click's own reply says no more."""
        for wait in CLOSING_WAITS_SECONDS:
            try:
                await self._reply(target, Message("✅ Done."))
            except (RefusedError, UnsureError):
                await asyncio.sleep(wait)  # as above
            else:
                return


async def _as_it_is_taken(send: Callable[[Message], Awaitable[Json]], message: Message) -> Json:
    """Send a message; without its embeds and files where Discord does not take these."""
    try:
        return await send(message)
    except RefusedError as refused:
        if refused.code not in _NOT_TAKEN:
            raise
        return await send(message.plain)


def _arrived(there: list[discord.Message], message: Message) -> str | None:
    """A message that is there already and says this; it is taken out of the list."""
    for each in there:
        if each.content.strip() == message.content.strip():
            there.remove(each)
            return str(each.id)
    return None


def _direct_room(channel: str) -> Room:
    return Room(channel, None, message_key(channel))


def _uploads(message: Message) -> list[tuple[str, bytes]]:
    return [] if message.file is None else [(message.file.name, message.file.data)]
