"""Jobs as the conversation's events: one short translator for each kind, the same for every platform.

An adapter says who and where, and adds the kinds that it alone has. All that is said goes through the chat.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from bots.conversation import (
    Command,
    Desk,
    Mark,
    Mention,
    Notice,
    Rules,
    handle_approval,
    handle_command,
    handle_correction,
    handle_mark,
    handle_mention,
)
from bots.outcomes import RefusedError, UnsureError
from bots.replies import Replies
from mmrag.errors import InvalidInput, NotReadable
from mmrag.types import Source

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from bots.conversation import Audience, FileRef, Web
    from bots.inbox import Job
    from bots.records import DiskRecords
    from mmrag.ports import EngineClient

    Json = dict[str, Any]

ADD_IT_THERE = (
    "It is in a place that not everybody here sees: add it there by the menu of the message, and share it by "
    "/kb share if everyone may read it."
)
HUMAN = "human"  # the setting of a workspace that names whom to ask
Chat = TypeVar("Chat", bound=Replies)


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody in a workspace. A `guest` sees some channels only; an admin looks after the bot."""

    id: str
    name: str
    admin: bool
    guest: bool = False


class Handlers(ABC, Generic[Chat]):
    """What is done for each kind of job."""

    silent: frozenset[str] = frozenset()  # nobody waits for a word about these kinds
    place_settings: tuple[str, ...]  # what `/kb set` knows here

    def __init__(
        self, engine: EngineClient, records: DiskRecords, web: Web, *, rules: Rules, human: str
    ) -> None:
        self._engine = engine
        self._records = records
        self._web = web
        self._rules = rules
        self._human = human
        self._kinds: dict[str, Callable[[Job, Chat], Awaitable[object]]] = {
            "question": self._question,
            "command": self._command,
            "add": self._add,
            "mark": self._mark,
            "correction": self._correction,
            "approval": self._approval,
            "ask_human": self._ask_human,
            "share_answer": self._share_answer,
            "keep_answer": self._keep_answer,
            "refusal": self._refusal,
        }

    async def handle(self, job: Job, chat: Chat) -> None:
        """Tell the story of a job, up to what is to be sent. Raises UserFacingError and what it runs into."""
        await self._kinds[job.kind](job, chat)

    async def human_of(self, workspace: str) -> str:
        """Whom to ask where there is no answer; "" for nobody."""
        return await self._records.setting(workspace, HUMAN, self._human)

    # ------------------------------------------------------------- what the platform knows

    @abstractmethod
    async def person(self, payload: Json) -> Person:
        """Who acts."""

    @abstractmethod
    async def audience(self, payload: Json) -> Audience:
        """Everyone who sees the place now. Raises RefusedError, UnsureError."""

    @abstractmethod
    async def direct_channel(self, payload: Json) -> str:
        """The person's own conversation with the bot."""

    @abstractmethod
    async def prepare(self, job: Job, chat: Chat) -> None:
        """What the chat has to know of a question's place."""

    @abstractmethod
    async def files_of(self, files: list[Json], chat: Chat) -> tuple[FileRef, ...]:
        """Files as the conversation knows them."""

    @abstractmethod
    async def said(self, payload: Json, chat: Chat) -> FileRef:
        """What a message says, as a document that links to it."""

    @abstractmethod
    async def linked(self, link: str, payload: Json, chat: Chat) -> tuple[FileRef, ...] | None:
        """The message or file of the platform that a link leads to; None where it leads elsewhere.

        Nothing but what everyone of the place may read. Raises NotReadable, RefusedError, UnsureError.
        """

    @abstractmethod
    def words(self, text: str) -> str:
        """A person's text without the platform's markup."""

    @abstractmethod
    def thread_of(self, payload: Json) -> str | None:
        """What the chat's `earlier` finds the thread by; None outside of any."""

    @abstractmethod
    async def answer_meant(self, payload: Json) -> str | None:
        """The answer that a correction by reply is about."""

    # ---------------------------------------------------------------- questions, documents

    async def _question(self, job: Job, chat: Chat) -> None:
        payload = job.payload
        person = await self.person(payload)
        audience = await self.audience(payload)
        chat.asked_by = person.name if payload.get("aloud") else None
        await self.prepare(job, chat)
        mention = Mention(
            text=self.words(payload["text"]),
            author=payload["user"],
            audience=audience,
            thread=self.thread_of(payload),
            files=await self.files_of(payload["files"], chat),
            name=person.name,
            admin=person.admin,
        )
        await handle_mention(mention, chat, self._engine, await self._desk(payload))

    async def _command(self, job: Job, chat: Chat) -> None:
        payload = job.payload
        chat.whispers = True
        command = await self._as_command(payload, await self.files_of(payload.get("files") or [], chat))
        await handle_command(command, chat, self._engine, await self._desk_with_links(payload, chat))

    async def _as_command(self, payload: Json, files: tuple[FileRef, ...] = ()) -> Command:
        person = await self.person(payload)
        return Command(
            name=payload.get("name") or "kb",
            text=self.words(payload.get("text") or ""),
            author=payload["user"],
            audience=await self.audience(payload),
            files=files,
            author_name=person.name,
            admin=person.admin,
            place=payload["place"],
            workspace=payload["workspace"],
            links=tuple(payload.get("links") or ()),
        )

    async def _add(self, job: Job, chat: Chat) -> None:
        """Files, and what a message says, as a source that links to it."""
        payload = await self.place_to_add(job.payload, chat)
        files = list(await self.files_of(payload["files"], chat))
        if (payload.get("said") or "").strip():
            files.append(await self.said(payload, chat))
        text = (payload.get("text") or "").strip()
        if not text and not files:
            raise InvalidInput("There is nothing in it to add: choose a message with words or files.")
        command = await self._as_command(payload | {"text": ""}, tuple(files))
        command = replace(command, text=f"add {text}".strip())
        await handle_command(command, chat, self._engine, await self._desk_with_links(payload, chat))

    async def place_to_add(self, payload: Json, chat: Chat) -> Json:
        """The payload with the place whose collection takes what is added."""
        del chat
        return payload

    # ------------------------------------------------------------------------------ ratings

    async def _mark(self, job: Job, chat: Chat) -> None:
        payload = job.payload
        mark = Mark(
            answer_id=payload["answer"],
            author=payload["user"],
            by=payload["by"],
            verdict=payload["verdict"],
            standing=payload["standing"],
            at=payload["at"],
            name=(await self.person(payload)).name,
            silent=not payload.get(
                "thanked"
            ),  # a reaction is seen; not every button shows that it was pressed
        )
        await handle_mark(mark, chat, self._engine, await self._desk(payload))

    async def _correction(self, job: Job, chat: Chat) -> None:
        payload = job.payload
        answer_id = payload.get("answer") or await self.answer_meant(payload)
        if payload.get("reasons") and answer_id is not None:
            await self._records.note_reasons(
                payload["workspace"], answer_id, payload["user"], payload["reasons"]
            )
        if not payload["text"].strip() and payload.get("answer"):  # the thumb is noted already
            if payload.get("thanked"):
                await chat.post_notice(Notice("Thank you, noted."))
            return
        if answer_id is None:
            raise InvalidInput("There is no answer of mine in this thread to correct.")
        person = await self.person(payload)
        await handle_correction(
            answer_id,
            self.words(payload["text"]),
            chat,
            self._engine,
            author=payload["user"],
            name=person.name,
            admin=person.admin,
            desk=await self._desk(payload),
        )

    async def _approval(self, job: Job, chat: Chat) -> None:
        payload = job.payload
        person = await self.person(payload)
        await handle_approval(
            payload["proposal"],
            chat,
            self._engine,
            await self._desk(payload),
            person=payload["user"],
            admin=person.admin,
            approved=payload["approved"],
        )

    # ----------------------------------------------------------------------------- buttons

    async def _ask_human(self, job: Job, chat: Chat) -> None:
        group = await self.human_of(job.payload["workspace"])
        if not group:
            raise InvalidInput("Nobody is named who could be asked: whoever runs me can set one.")
        content: Json = {"kind": "human", "group": group, "aloud": True}
        whispered = await self._records.whispered(job.payload["answer"])
        if whispered is not None and whispered.get("question"):
            person = await self.person(job.payload)
            content["asked"] = f"{person.name}: {whispered['question']}"
        await chat.say(content)

    async def _share_answer(self, job: Job, chat: Chat) -> None:
        content = await self._whispered(job)
        person = await self.person(job.payload)
        shown = content | {
            "whispered": False,
            "aloud": True,
            "asked": content.get("asked") or f"shared by {person.name}",
        }
        await chat.say(shown)

    async def _keep_answer(self, job: Job, chat: Chat) -> None:
        """In the person's own messages: they see the place where they asked, so they may."""
        content = await self._whispered(job)
        channel = await self.direct_channel(job.payload)
        kept = {"whispered": False, "aloud": True, "to": channel, "seen_in": job.payload["channel"]}
        await chat.say(content | kept)

    async def _whispered(self, job: Job) -> Json:
        content = await self._records.whispered(job.payload["answer"])
        if content is None:
            raise InvalidInput("This answer is too old: ask again.")
        return content

    async def _refusal(self, job: Job, chat: Chat) -> None:
        refused = int(job.payload["refused"])
        chat.where = {"whispered": True}
        what = "One question of yours was" if refused == 1 else f"{refused:,} questions of yours were"
        text = f"{what} not taken, because too many are waiting: ask again when these are answered."
        await chat.post_notice(Notice(text, mood="problem"))

    # --------------------------------------------------------------------------- the rules

    async def _desk(self, payload: Json) -> Desk:
        adders = await self._records.setting(payload["workspace"], "adders", self._rules.adders)
        rules = replace(self._rules, adders="admins" if adders == "admins" else "everyone")
        return Desk(rules, self._records, self.place_settings)

    async def _desk_with_links(self, payload: Json, chat: Chat) -> Desk:
        return replace(await self._desk(payload), web=_Links(self, self._web, payload, chat))


@dataclass(frozen=True, slots=True)
class _Links(Generic[Chat]):
    """Links as they are opened in a place: the platform's own by its API, all others as anybody would."""

    handlers: Handlers[Chat]
    web: Web
    payload: Json
    chat: Chat

    async def fetch(self, link: str) -> Sequence[Source]:
        try:
            files = await self.handlers.linked(link, self.payload, self.chat)
        except (RefusedError, UnsureError):
            raise NotReadable(
                f"{self.chat.platform} does not give me what it leads to: invite me there, or add it by the "
                "menu of the message."
            ) from None
        if files is None:
            return await self.web.fetch(link)
        return [Source(file.name, await self.chat.download(file), uri=file.uri) for file in files]
