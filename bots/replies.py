"""One exchange as a `Chat` that posts nothing itself: what is said becomes rows of the outbox.

A post is kept with the job in one commit, and `delivery` sends it. An adapter adds what it fetches from its
platform and how it shows that the bot is at work.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from bots.conversation import FileRef
from bots.inbox import LeaseLostError
from bots.outcomes import RefusedError, UnsureError
from bots.records import remember_asked, remember_whisper
from mmrag.errors import NotReadable
from mmrag.wire import answer_to_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    import apsw

    from bots.conversation import Notice, Proposal, Thread
    from bots.inbox import Inbox, Job
    from mmrag.types import Answer, Question, Said

    Json = dict[str, Any]

SAID = "said"  # a message's words that are added as a document


@dataclass
class Replies(ABC):
    """What is said in one job. `platform` is what people call it."""

    job: Job
    inbox: Inbox
    platform: str
    whispers: bool = False  # answers are seen by the person alone, who may share them
    asked_by: str | None = None  # shown with the question, where nobody else has seen it
    where: Json = field(default_factory=dict)  # overrides where the job's payload says that a reply goes
    answered: Job | None = None
    known_files: dict[str, Json] = field(default_factory=dict)

    def said(self, text: str, link: str, title: str) -> FileRef:
        """A message's words as a document."""
        key = f"{SAID}:{link}"
        self.known_files[key] = {SAID: text}
        return FileRef(title, link, key)

    @abstractmethod
    async def fetch(self, known: Json) -> bytes:
        """The bytes of a file as the platform describes it. Raises NotReadable and what it runs into."""

    @abstractmethod
    async def earlier(self, thread: str, *, turns: int, files: int) -> Thread:
        """See `conversation.Chat`."""

    @abstractmethod
    async def show_status(self, text: str | None) -> None:
        """See `conversation.Chat`."""

    @abstractmethod
    async def show_said(self, said: Sequence[Said], question: Question) -> None:
        """See `conversation.Chat`."""

    @property
    def is_open(self) -> bool:
        """Whether the answer will be seen by everyone in the place where it was asked, as it is."""
        return self.job.kind == "question" and not (self.whispers or self.asked_by)

    async def is_ours(self) -> bool:
        """Whether this process still works on the job: what others show must not be written over."""
        try:
            await self.inbox.hold(self.job)
        except LeaseLostError:
            return False
        return True

    async def download(self, file: FileRef) -> bytes:
        known = self.known_files[file.key]
        if SAID in known:
            return str(known[SAID]).encode()
        try:
            return await self.fetch(known)
        except (RefusedError, UnsureError) as error:
            raise NotReadable(
                f"{self.platform} could not be reached for it: ask again in a moment."
            ) from error

    async def post_answer(self, answer: Answer, question: Question) -> None:
        payload = self.job.payload
        content: Json = {
            "kind": "answer",
            "answer": answer_to_json(answer),
            "collections": list(question.collections),
        }
        if self.asked_by:
            content["asked"] = f"{self.asked_by}: {question.text}"
        if self.whispers:
            content |= {"whispered": True, "question": question.text}
        content |= self.where
        workspace = payload["workspace"]
        asked = remember_asked(
            workspace,
            "" if question.collections == (workspace,) else payload["channel"],
            question.text,
            answered=not answer.abstained,
        )
        whisper = remember_whisper(answer.id, content) if self.whispers else _nothing

        def also(db: apsw.Connection) -> None:
            asked(db)
            whisper(db)

        self.answered = await self.inbox.answer(self.job, [content], also=also)

    async def post_notice(self, notice: Notice) -> None:
        content: Json = {
            "kind": "notice",
            "text": notice.text,
            "lines": list(notice.lines),
            "mood": notice.mood,
        }
        if self.job.kind == "approval" and notice.mood == "done":  # decided: it takes the buttons' place
            content |= {"edits": self.job.payload["message"], "aloud": True}
        await self.say(content)

    async def ask_for_correction(self, answer_id: str) -> None:
        if not self.job.payload.get("modal"):  # the click has opened it already
            await self.say({"kind": "correction", "answer": answer_id})

    async def ask_for_approval(self, proposal: Proposal) -> None:
        await self.say({"kind": "approval", "proposal": asdict(proposal), "aloud": True})

    async def say(self, content: Json) -> None:
        """Let something be said: a row of the outbox, in one commit with the job."""
        self.answered = await self.inbox.answer(self.job, [content | self.where])


def _nothing(db: apsw.Connection) -> None:
    del db
