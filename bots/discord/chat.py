"""One exchange in Discord as a `Chat`: what came before, and how the bot shows that it is at work.

Nothing that is answered is posted from here (see `replies`); only the draft is, a small message that tells
what is being done and that the answer is edited into.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bots.conversation import FileRef, Thread, may_see
from bots.discord.cards import DRAFT_SIGN, MOODS
from bots.discord.intake import SAID_BY_PEOPLE, files_of, readable
from bots.discord.markup import plain_words
from bots.outcomes import RefusedError, to_its_end
from bots.replies import Replies
from mmrag.types import Turn

if TYPE_CHECKING:
    from collections.abc import Sequence

    from discord import Message

    from bots.discord.drafts import Drafts
    from bots.discord.files import Files
    from bots.discord.history import History
    from bots.discord.places import Directory
    from mmrag.types import Question, Said

Json = dict[str, Any]

EDIT_SECONDS = 1.5  # edits that follow faster are not shown: Discord takes 5 in 5 s and channel
REPLY_CHAIN = 6  # messages that reply to each other, back from the question
DIRECT_SECONDS = 3_600  # what was written directly before that is another conversation


@dataclass
class DiscordChat(Replies):
    """The place of one job."""

    files: Files = field(kw_only=True)
    history: History = field(kw_only=True)
    drafts: Drafts = field(kw_only=True)
    directory: Directory = field(kw_only=True)
    context: list[Json] = field(
        default_factory=list
    )  # {author, text, files} of a message that is asked about
    _status_at: float = float("-inf")

    # ------------------------------------------------------------------ coming in

    def refs(self, files: list[Json]) -> tuple[FileRef, ...]:
        """Discord's files as the conversation knows them."""
        self.known_files |= {file["id"]: file for file in files}
        return tuple(FileRef(file["name"], file["link"], file["id"]) for file in files)

    async def fetch(self, known: Json) -> bytes:
        return await self.files.download(known)

    async def earlier(self, thread: str, *, turns: int, files: int) -> Thread:
        """What was said before: in the thread, in the messages replied to, in the message asked about."""
        payload = self.job.payload
        me = self.history.me
        messages: list[Message] = []
        if payload.get("in_thread"):
            since = DIRECT_SECONDS if payload["guild"] is None else None
            messages = await self.history.before(thread, payload["message"], most=turns, seconds=since)
        known = {message.id for message in messages}
        replied = await self._replied_to(payload.get("replied"))
        messages = sorted([*messages, *(m for m in replied if m.id not in known)], key=lambda m: m.id)
        spoken = [Turn("user", each["text"]) for each in self.context if each["text"]]
        sent = [file for each in self.context for file in each["files"]]
        for message in messages:
            turn = _turn(message, me)
            if turn is not None:
                spoken.append(turn)
            if message.author.id != me:
                sent += files_of(message, payload["guild"])
        return Thread(tuple(spoken[-turns:]), self.refs(sent[-files:]))

    async def _replied_to(self, reference: list[str] | None) -> list[Message]:
        """The message replied to, what that replied to, and so on."""
        found: list[Message] = []
        while reference is not None and len(found) < REPLY_CHAIN:
            try:
                message = await self.history.message(*reference)
            except RefusedError:  # deleted, or out of sight
                break
            found.append(message)
            before = message.reference
            reference = (
                [str(before.channel_id), str(before.message_id)]
                if before is not None and before.message_id is not None and message.type in SAID_BY_PEOPLE
                else None
            )
        return found

    # ------------------------------------------------------------------ going out

    async def show_status(self, text: str | None) -> None:
        payload = self.job.payload
        now = time.monotonic()
        if text is None or payload.get("token") or now - self._status_at < EDIT_SECONDS:
            return  # a command shows by itself that we think
        self._status_at = now
        if await self.is_ours():  # or an answer of another process would become a draft again
            await self.drafts.show(self.job, text, in_place=bool(self.where.get("here")))

    async def show_said(self, said: Sequence[Said], question: Question) -> None:
        payload = self.job.payload
        if payload.get("token") or not self.is_open:
            return
        await asyncio.sleep(max(0.0, self._status_at + EDIT_SECONDS - time.monotonic()))
        place = (payload["guild"], payload["channel"], payload["user"])
        audience = await to_its_end(self.directory.audience(*place))
        if may_see(audience, question.collections) and await self.is_ours():
            self._status_at = time.monotonic()
            here = bool(self.where.get("here"))
            await self.drafts.show(self.job, "answering", in_place=here, said=said)


def _turn(message: Message, me: int) -> Turn | None:
    if message.author.id == me:
        said = message.content
        if not said or said.startswith((DRAFT_SIGN, *MOODS.values())):
            return None
        return Turn("assistant", plain_words(said))
    if message.type not in SAID_BY_PEOPLE or message.author.bot:
        return None
    text = readable(message, without=me)
    return Turn("user", text) if text else None
