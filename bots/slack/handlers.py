"""Jobs as the conversation's events: one short translator for each kind."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any

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
from bots.slack.chat import readable
from bots.slack.intake import message_key, workspace_key
from bots.slack.views import HUMAN, WORKSPACE_SETTINGS, home_view
from mmrag.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from bots.conversation import FileRef
    from bots.inbox import Inbox, Job
    from bots.records import DiskRecords
    from bots.slack.chat import SlackChat
    from bots.slack.places import Directory, Person
    from bots.slack.web import Workspaces
    from mmrag.ports import EngineClient

    Json = dict[str, Any]


class Handlers:
    """What is done for each kind of job; all that is said goes through the chat."""

    def __init__(
        self,
        engine: EngineClient,
        inbox: Inbox,
        records: DiskRecords,
        directory: Directory,
        workspaces: Workspaces,
        *,
        rules: Rules,
        human: str,
    ) -> None:
        self._engine = engine
        self._inbox = inbox
        self._records = records
        self._directory = directory
        self._workspaces = workspaces
        self._rules = rules
        self._human = human
        self._kinds: dict[str, Callable[[Job, SlackChat], Awaitable[object]]] = {
            "question": self._question,
            "command": self._command,
            "add": self._add,
            "mark": self._mark,
            "correction": self._correction,
            "approval": self._approval,
            "home": self._home,
            "settings": self._settings,
            "ask_human": self._ask_human,
            "share_answer": self._share_answer,
            "keep_answer": self._keep_answer,
            "refusal": self._refusal,
        }

    async def handle(self, job: Job, chat: SlackChat) -> None:
        """Tell the story of a job, up to what is to be sent. Raises UserFacingError and what it runs into."""
        await self._kinds[job.kind](job, chat)

    async def human_of(self, team: str) -> str:
        """Whom to ask where there is no answer; "" for nobody."""
        return await self._records.setting(workspace_key(team), HUMAN, self._human)

    # ---------------------------------------------------------------- questions, documents

    async def _question(self, job: Job, chat: SlackChat) -> None:
        payload = job.payload
        person = await self._person(payload)
        audience = await self._directory.audience(payload["team"], payload["channel"], payload["user"])
        chat.whispers = not payload.get("aloud") and await self._is_whispering(payload)
        chat.asked_by = person.name if payload.get("aloud") else None
        mention = Mention(
            text=readable(payload["text"]),
            author=payload["user"],
            audience=audience,
            thread=payload["thread_ts"] if payload.get("in_thread") else None,
            files=await chat.refs(payload["files"]),
            name=person.name,
            admin=person.admin,
        )
        await handle_mention(mention, chat, self._engine, await self._desk(payload))

    async def _is_whispering(self, payload: Json) -> bool:
        """Whether answers in this channel are seen by the person alone."""
        if payload["channel"].startswith("D"):
            return False
        channel = message_key(payload["team"], payload["channel"], "")
        return await self._records.setting(channel, "ephemeral", "off") == "on"

    async def _command(self, job: Job, chat: SlackChat) -> None:
        payload = job.payload
        chat.whispers = True
        await handle_command(await self._as_command(payload), chat, self._engine, await self._desk(payload))

    async def _as_command(self, payload: Json, files: tuple[FileRef, ...] = ()) -> Command:
        person = await self._person(payload)
        return Command(
            name=payload.get("name") or "kb",
            text=readable(payload.get("text") or ""),
            author=payload["user"],
            audience=await self._directory.audience(payload["team"], payload["channel"], payload["user"]),
            files=files,
            author_name=person.name,
            admin=person.admin,
            place=message_key(payload["team"], payload["channel"], ""),
        )

    async def _add(self, job: Job, chat: SlackChat) -> None:
        """From the modal or the shortcut: files, and what a message says, as a source that links to it."""
        payload = job.payload
        if not payload["channel"].startswith(("C", "D", "G")):
            payload = payload | {"channel": await self._direct_channel(payload)}
            chat.where = {"to": payload["channel"], "whispered": False}
        files = list(await chat.refs(payload["files"]))
        if (payload.get("said") or "").strip():
            files.append(await self._said(payload, chat))
        text = (payload.get("text") or "").strip()
        if not text and not files:
            raise InvalidInput("There is nothing in it to add: choose a message with words or files.")
        command = await self._as_command(payload | {"text": ""}, tuple(files))
        command = replace(command, text=f"add {text}".strip())
        await handle_command(command, chat, self._engine, await self._desk(payload))

    async def _said(self, payload: Json, chat: SlackChat) -> FileRef:
        web = await self._workspaces.of(payload["team"])
        link = await web.read("chat.getPermalink", channel=payload["channel"], message_ts=payload["message"])
        author = await self._directory.person(payload["team"], payload.get("said_by") or payload["user"])
        return chat.said(readable(payload["said"]), str(link["permalink"]), f"Message by {author.name}.md")

    # ------------------------------------------------------------------------------ ratings

    async def _mark(self, job: Job, chat: SlackChat) -> None:
        payload = job.payload
        mark = Mark(
            answer_id=payload["answer"],
            author=payload["user"],
            by=payload["by"],
            verdict=payload["verdict"],
            standing=payload["standing"],
            at=payload["at"],
            name=(await self._person(payload)).name,
            silent=True,  # a reaction is seen, and a button shows that it was pressed
        )
        await handle_mark(mark, chat, self._engine, await self._desk(payload))

    async def _correction(self, job: Job, chat: SlackChat) -> None:
        payload = job.payload
        answer_id = payload.get("answer")
        if answer_id:  # it comes from the modal, whose fields may both stay empty: the thumb is noted already
            await self._records.note_reasons(
                workspace_key(payload["team"]), answer_id, payload["user"], payload["reasons"]
            )
            if not payload["text"].strip():
                return
        else:
            answer_id = await self._last_answer(payload)
        if answer_id is None:
            raise InvalidInput("There is no answer of mine in this thread to correct.")
        person = await self._person(payload)
        await handle_correction(
            answer_id,
            readable(payload["text"]),
            chat,
            self._engine,
            author=payload["user"],
            name=person.name,
            admin=person.admin,
            desk=await self._desk(payload),
        )

    async def _last_answer(self, payload: Json) -> str | None:
        post = await self._records.last_answer(
            message_key(payload["team"], payload["channel"], payload["thread_ts"])
        )
        return None if post is None else post.answer_id

    async def _approval(self, job: Job, chat: SlackChat) -> None:
        payload = job.payload
        person = await self._person(payload)
        await handle_approval(
            payload["proposal"],
            chat,
            self._engine,
            await self._desk(payload),
            person=payload["user"],
            admin=person.admin,
            approved=payload["approved"],
        )

    # ----------------------------------------------------------- Home, settings, buttons

    async def _home(self, job: Job, chat: SlackChat) -> None:
        """The Home tab; whatever goes wrong, it only stays as it was."""
        del chat
        payload = job.payload
        workspace = workspace_key(payload["team"])
        person = await self._person(payload)
        documents = (
            () if person.guest else await asyncio.to_thread(self._engine.documents, collections=[workspace])
        )
        asked, unanswered = (0, []) if person.guest else await self._records.asked_lately(workspace)
        wrong = {} if person.guest else await self._records.reasons_lately(workspace)
        view = home_view(documents, asked=asked, unanswered=unanswered, wrong=wrong, admin=person.admin)
        web = await self._workspaces.of(payload["team"])
        await web.write("views.publish", user_id=payload["user"], view=view)

    async def _settings(self, job: Job, chat: SlackChat) -> None:
        payload = job.payload
        chat.where = {"to": await self._direct_channel(payload), "whispered": False}
        if not (await self._person(payload)).admin:
            raise InvalidInput("Only admins change the settings.")
        workspace = workspace_key(payload["team"])
        for name, (_, choices) in WORKSPACE_SETTINGS.items():
            if payload["values"].get(name) in choices:
                await self._records.set(workspace, name, payload["values"][name])
        await self._records.set(workspace, HUMAN, (payload["values"].get(HUMAN) or "").strip())
        await chat.post_notice(Notice("The settings are saved."))

    async def _ask_human(self, job: Job, chat: SlackChat) -> None:
        group = await self.human_of(job.payload["team"])
        if not group:
            raise InvalidInput(
                "Nobody is named who could be asked: an admin can, in the settings of my Home tab."
            )
        await chat.say({"kind": "human", "group": group, "aloud": True})

    async def _share_answer(self, job: Job, chat: SlackChat) -> None:
        content = await self._whispered(job)
        person = await self._person(job.payload)
        shown = content | {
            "whispered": False,
            "aloud": True,
            "asked": content.get("asked") or f"shared by {person.name}",
        }
        await chat.say(shown)

    async def _keep_answer(self, job: Job, chat: SlackChat) -> None:
        """In the person's own messages: they see the place where they asked, so they may."""
        content = await self._whispered(job)
        channel = await self._direct_channel(job.payload)
        kept = {"whispered": False, "aloud": True, "to": channel, "seen_in": job.payload["channel"]}
        await chat.say(content | kept)

    async def _whispered(self, job: Job) -> Json:
        content = await self._records.whispered(job.payload["answer"])
        if content is None:
            raise InvalidInput("This answer is too old: ask again.")
        return content

    async def _refusal(self, job: Job, chat: SlackChat) -> None:
        refused = int(job.payload["refused"])
        chat.where = {"whispered": True}
        what = "One question of yours was" if refused == 1 else f"{refused:,} questions of yours were"
        text = f"{what} not taken, because too many are waiting: ask again when these are answered."
        await chat.post_notice(Notice(text, mood="problem"))

    # --------------------------------------------------------------------------- who, where

    async def _person(self, payload: Json) -> Person:
        return await self._directory.person(payload["team"], payload["user"])

    async def _direct_channel(self, payload: Json) -> str:
        web = await self._workspaces.of(payload["team"])
        opened = await web.write("conversations.open", users=payload["user"])
        return str(opened["channel"]["id"])

    async def _desk(self, payload: Json) -> Desk:
        adders = await self._records.setting(workspace_key(payload["team"]), "adders", self._rules.adders)
        return Desk(
            replace(self._rules, adders="admins" if adders == "admins" else "everyone"), self._records
        )
