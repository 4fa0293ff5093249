"""One exchange in Slack as a `Chat`: what came before, files, and the status; `replies` says the rest."""

from __future__ import annotations

import contextlib
import re
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bots.conversation import FileRef, Thread
from bots.outcomes import RefusedError
from bots.replies import Replies
from bots.slack.intake import SAID_BY_PEOPLE, files_of, without_mention
from mmrag.errors import NotReadable
from mmrag.types import Turn

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bots.slack.files import Files
    from bots.slack.streams import Streams
    from bots.slack.web import SlackWeb, Workspaces
    from mmrag.types import Question, Said

Json = dict[str, Any]

STATUS_SECONDS = 1.0  # statuses that follow faster are not shown: each is a call
PAGE = 200
WINDOWS_SECONDS = (3_600.0, 86_400.0, 30 * 86_400.0)
MOST_PAGES = 10

_ENTITIES = {"&lt;": "<", "&gt;": ">", "&amp;": "&"}
_REFERENCE = re.compile(r"<([@#!]?)([^<>|]*)(?:\|([^<>]*))?>")


@dataclass
class SlackChat(Replies):
    """The place of one job."""

    workspaces: Workspaces = field(kw_only=True)
    files: Files = field(kw_only=True)
    streams: Streams = field(kw_only=True)
    _status_at: float = 0.0

    async def refs(self, files: list[Json]) -> tuple[FileRef, ...]:
        """Slack's files as the conversation knows them."""
        return tuple([await self._ref(file) for file in files])

    async def _ref(self, file: Json) -> FileRef:
        with contextlib.suppress(NotReadable):  # `download` runs into it again, and says so
            file = await self.files.described(self.job.payload["team"], file)
        self.known_files[file["id"]] = file
        name = str(file.get("name") or file.get("title") or "file")
        return FileRef(name, str(file.get("permalink") or f"slack-file:{file['id']}"), file["id"])

    async def fetch(self, known: Json) -> bytes:
        return await self.files.download(self.job.payload["team"], known)

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

    async def show_status(self, text: str | None) -> None:
        payload = self.job.payload
        now = time.monotonic()
        if text is None or payload.get("private") or now - self._status_at < STATUS_SECONDS:
            return  # Slack takes a status away with the next message by itself
        self._status_at = now
        if not await self.is_ours():
            return
        web = await self.workspaces.of(payload["team"])
        await web.write(
            "assistant.threads.setStatus",
            channel_id=payload["channel"],
            thread_ts=payload["thread_ts"],
            status=f"is {text} …",
        )

    async def show_said(self, said: Sequence[Said], question: Question) -> None:
        payload = self.job.payload
        shown = self.is_open and payload.get("thread_ts") and not payload.get("private")
        if shown and await self.is_ours():
            await self.streams.show(self.job, said, question.collections)


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
