"""One exchange in Slack as a `Chat`: what the conversation needs of Slack, and what it says as outbox rows.

Nothing is posted from here: a post is kept with the job in one commit, and `delivery` sends it.
"""

from __future__ import annotations

import contextlib
import re
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bots.conversation import FileRef, Thread
from bots.records import remember_asked, remember_whisper
from bots.slack.intake import SAID_BY_PEOPLE, files_of, without_mention, workspace_key
from bots.slack.web import RefusedError, UnsureError
from mmrag.errors import NotReadable
from mmrag.types import Turn
from mmrag.wire import answer_to_json

if TYPE_CHECKING:
    import apsw

    from bots.conversation import Notice, Proposal
    from bots.inbox import Inbox, Job
    from bots.slack.files import Files
    from bots.slack.web import SlackWeb, Workspaces
    from mmrag.types import Answer, Question

Json = dict[str, Any]

STATUS_SECONDS = 1.0  # statuses that follow faster are not shown: each is a call
PAGE = 200
WINDOWS_SECONDS = (3_600.0, 86_400.0, 30 * 86_400.0)
MOST_PAGES = 10
TEXT_FILE = "text"  # the key of a message that is added as a document

_ENTITIES = {"&lt;": "<", "&gt;": ">", "&amp;": "&"}
_REFERENCE = re.compile(r"<([@#!]?)([^<>|]*)(?:\|([^<>]*))?>")


@dataclass
class SlackChat:
    """The place of one job."""

    job: Job
    inbox: Inbox
    workspaces: Workspaces
    files: Files
    whispers: bool = False  # answers are seen by the person alone, who may share them
    asked_by: str | None = None  # shown with the question, where nobody else has seen it
    where: Json = field(default_factory=dict)  # overrides where the job's payload says that a reply goes
    answered: Job | None = None
    known_files: dict[str, Json] = field(default_factory=dict)
    _status_at: float = 0.0

    # ------------------------------------------------------------------ coming in

    async def refs(self, files: list[Json]) -> tuple[FileRef, ...]:
        """Slack's files as the conversation knows them."""
        return tuple([await self._ref(file) for file in files])

    def said(self, text: str, link: str, title: str) -> FileRef:
        """A message's words as a document."""
        key = f"{TEXT_FILE}:{link}"
        self.known_files[key] = {TEXT_FILE: text}
        return FileRef(title, link, key)

    async def _ref(self, file: Json) -> FileRef:
        with contextlib.suppress(NotReadable):  # `download` runs into it again, and says so
            file = await self.files.described(self.job.payload["team"], file)
        self.known_files[file["id"]] = file
        name = str(file.get("name") or file.get("title") or "file")
        return FileRef(name, str(file.get("permalink") or f"slack-file:{file['id']}"), file["id"])

    async def download(self, file: FileRef) -> bytes:
        known = self.known_files[file.key]
        if TEXT_FILE in known:
            return str(known[TEXT_FILE]).encode()
        try:
            return await self.files.download(self.job.payload["team"], known)
        except (RefusedError, UnsureError) as error:
            raise NotReadable("Slack could not be reached for it: ask again in a moment.") from error

    async def earlier(self, thread: str, *, turns: int, files: int) -> Thread:
        """What was said before, newest pages only: a thread may hold thousands of messages."""
        payload = self.job.payload
        web = await self.workspaces.of(payload["team"])
        bot = await self.workspaces.bot_user(payload["team"])
        before = float(payload.get("ts") or time.time())
        messages = await _messages_before(web, payload["channel"], thread, before, wanted=turns)
        said = [message for message in messages if message["ts"] != payload.get("ts")]
        spoken = [turn for turn in (_turn(message, bot) for message in said) if turn is not None]
        sent = [file for message in said if message.get("user") != bot for file in files_of(message)]
        return Thread(tuple(spoken[-turns:]), await self.refs(sent[-files:]))

    # ------------------------------------------------------------------ going out

    async def show_status(self, text: str | None) -> None:
        payload = self.job.payload
        now = time.monotonic()
        if text is None or payload.get("private") or now - self._status_at < STATUS_SECONDS:
            return  # Slack takes a status away with the next message by itself
        self._status_at = now
        web = await self.workspaces.of(payload["team"])
        await web.write(
            "assistant.threads.setStatus",
            channel_id=payload["channel"],
            thread_ts=payload["thread_ts"],
            status=f"is {text} …",
        )

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
            content["whispered"] = True
        content |= self.where
        asked = remember_asked(
            *(
                workspace_key(payload["team"]),
                "" if question.collections == (workspace_key(payload["team"]),) else payload["channel"],
            ),
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
        await self.say(
            {
                "kind": "approval",
                "proposal": {name: getattr(proposal, name) for name in proposal.__dataclass_fields__},
                "aloud": True,
            }
        )

    async def say(self, content: Json) -> None:
        """Let something be said: a row of the outbox, in one commit with the job."""
        self.answered = await self.inbox.answer(self.job, [content | self.where])


def _nothing(db: apsw.Connection) -> None:
    del db


async def _messages_before(
    web: SlackWeb, channel: str, thread: str, before: float, *, wanted: int
) -> list[Json]:
    """The thread's first message and its last ones before a moment, oldest first."""
    found: dict[str, Json] = {}
    pages = 0
    for window in (*WINDOWS_SECONDS, None):
        oldest = None if window is None else f"{max(0.0, before - window):.6f}"
        cursor: str | None = None
        while pages < MOST_PAGES:
            pages += 1
            try:
                page = await web.read(
                    *("conversations.replies",),
                    channel=channel,
                    ts=thread,
                    oldest=oldest,
                    latest=f"{before:.6f}",
                    inclusive=True,
                    limit=PAGE,
                    cursor=cursor,
                )
            except RefusedError as refused:
                if refused.code in (
                    "thread_not_found",
                    "channel_not_found",
                    "not_in_channel",
                    "missing_scope",
                ):
                    return []
                raise
            found |= {message["ts"]: message for message in page.get("messages") or []}
            cursor = (page.get("response_metadata") or {}).get("next_cursor") or None
            if cursor is None:
                break
        if len(found) > wanted or thread_is_within(thread, before, window):
            break
    return [found[ts] for ts in sorted(found, key=float) if float(ts) <= before]


def thread_is_within(thread: str, before: float, window: float | None) -> bool:
    """Whether the window reaches back to the thread's beginning."""
    return window is None or float(thread) >= before - window


def _turn(message: Json, bot: str) -> Turn | None:
    if message.get("user") == bot:
        text = _words_of_ours(message)
        return Turn("assistant", text) if text else None
    if message.get("subtype") not in SAID_BY_PEOPLE or message.get("bot_id"):
        return None
    text = readable(without_mention(str(message.get("text") or ""), bot))
    return Turn("user", text) if text else None


def _words_of_ours(message: Json) -> str:
    """Our own answer: what notifications show of it is its text without buttons and sources."""
    return readable(str(message.get("text") or ""))


def readable(text: str) -> str:
    """Slack's mark-up of a person's message as plain words."""

    def named(match: re.Match[str]) -> str:
        sign, target, label = match.groups()
        if sign == "!":
            return f"@{label or target.split('^')[0]}"
        return (
            f"{sign}{label or target}"
            if sign
            else (f"{label} ({target})" if label and label != target else target)
        )

    text = _REFERENCE.sub(named, text)
    for entity, character in _ENTITIES.items():
        text = text.replace(entity, character)
    return text.strip()
