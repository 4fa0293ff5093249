"""What was answered, sent: streamed, posted or whispered, once.

Before a part is sent for the first time the outbox notes that it may arrive. After any doubt (a broken
connection, a 5xx, a process that died) the thread is looked at first: a message that carries the job's
id has arrived; a stream that was begun is finished by an edit; only what is not there is sent again. The
audience is worked out anew just before: what a place may no longer see is not posted there.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import aiohttp

from bots.delivery import Delivery, Target, answer_id_of, is_private
from bots.outcomes import RefusedError, UnsureError
from bots.records import remember_post
from bots.slack.blocks import (
    Message,
    answer_messages,
    approval_message,
    correction_message,
    human_message,
    notice_message,
)
from bots.slack.intake import message_key, workspace_key

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from bots.conversation import Audience
    from bots.inbox import Inbox, Job, Part
    from bots.records import DiskRecords
    from bots.slack.files import Files
    from bots.slack.places import Directory
    from bots.slack.streams import Streams
    from bots.slack.web import SlackWeb, Workspaces
    from mmrag.ports import EngineClient
    from mmrag.types import Answer

    Json = dict[str, Any]

METADATA_EVENT = "mmrag_reply"
APPENDS = 8  # pieces of a streamed answer: each is a call
LEAST_PIECE_CHARS = 80
HTTP_OK = 200
_BACKTICK = re.compile(r"(?<!\\)`")
CLOCKS_APART_SECONDS = 3_600.0


@dataclass(frozen=True, slots=True)
class Place(Target):
    """A channel, a thread in it, or what a command is replied to by."""

    team: str
    channel: str
    thread_ts: str | None
    response_url: str | None


class SlackDelivery(Delivery[Place, Message]):
    """Sends the parts of answered jobs."""

    def __init__(
        self,
        inbox: Inbox,
        records: DiskRecords,
        engine: EngineClient,
        *,
        human_of: Callable[[str], Awaitable[str]],
        workspaces: Workspaces,
        directory: Directory,
        files: Files,
        session: aiohttp.ClientSession,
        streams: Streams,
    ) -> None:
        super().__init__(inbox, records, engine, platform="Slack", human_of=human_of)
        self._workspaces = workspaces
        self._directory = directory
        self._files = files
        self._session = session
        self._streams = streams

    def target(self, job: Job, part: Part) -> Place:
        payload, content = job.payload, part.content
        return Place(
            workspace=workspace_key(payload["team"]),
            user=payload["user"],
            team=payload["team"],
            channel=content.get("to") or payload["channel"],
            thread_ts=None if content.get("to") else payload.get("thread_ts"),
            whispered=is_private(job, part),
            response_url=payload.get("response_url"),
        )

    async def send_once(self, job: Job, part: Part, target: Place) -> None:
        messages = await self.messages(part, target)
        web = await self._workspaces.of(target.team)
        if target.whispered:
            await self._whisper(job, part, web, target, messages)
            return
        if part.content.get("edits"):
            await self._edit(web, target, part.content["edits"], messages[0], _metadata(job, part, 0))
            await self._inbox.sent(job, part, part.content["edits"])
            return
        arrived = await self._arrived(job, part, web, target) if part.unsure else {}
        if not part.unsure:
            await self._inbox.sending(job, part)
        posted: list[str] = []
        for number, message in enumerate(messages):
            metadata = _metadata(job, part, number)
            ts = arrived.get(number) or await self._resumed(
                job, part, web, target, message=message, metadata=metadata
            )
            if ts is None:
                ts = await self._post(job, part, web, target, message=message, metadata=metadata)
            posted.append(ts)
            key = message_key(target.team, target.channel, ts)
            thread = message_key(target.team, target.channel, target.thread_ts or ts)
            await self._records.apply(remember_post(key, thread, answer_id_of(part)))
        await self._inbox.sent(job, part, " ".join(posted))

    async def _resumed(
        self, job: Job, part: Part, web: SlackWeb, target: Place, *, message: Message, metadata: Json
    ) -> str | None:
        """A stream that was begun and not finished, made the whole message; None where there is none."""
        stream = await self._streams.taken(job)
        if not part.unsure and stream.ts is not None:
            begun = _Begun(stream.ts, _slices(message.markdown.removeprefix(stream.markdown)))
            stream.ts, stream.unsure = None, True  # should this break off, it is looked for
            await self._inbox.sending(job, part, receipt=f"stream {begun.ts}")
            if message.markdown.startswith(stream.markdown):
                await self._finish_stream(web, target, begun, message, metadata)
            else:
                await self._edit(web, target, begun.ts, message, metadata)
            stream.unsure = False
            return begun.ts
        # Of a question whose earlier attempt broke off, or whose stream may have begun, whatever is said now.
        left = job.kind == "question" and target.thread_ts is not None and (job.attempts > 1 or stream.unsure)
        if not left and not (part.unsure and part.content["kind"] == "answer"):
            return None
        orphan = await self._orphan(job, part, web, target)
        if orphan is None:
            return None
        return await self._edit(web, target, orphan, message, metadata)

    # -------------------------------------------------------------------- what is said

    async def audience(self, content: Json, target: Place) -> Audience:
        seen_in = content.get("seen_in") or target.channel
        return await self._directory.audience(target.team, seen_in, target.user)

    async def answer(self, answer: Answer, content: Json, target: Place, *, human: bool) -> list[Message]:
        figure = None if target.whispered else await self.figure(answer, content)
        return answer_messages(
            answer,
            figure_id=None if figure is None else await self._files.upload(target.team, *figure),
            human=human,
            private=target.whispered,
            asked=content.get("asked"),
        )

    correction = staticmethod(correction_message)
    approval = staticmethod(approval_message)
    human = staticmethod(human_message)
    notice = staticmethod(notice_message)

    # --------------------------------------------------------------------- how it goes out

    async def _post(
        self, job: Job, part: Part, web: SlackWeb, target: Place, *, message: Message, metadata: Json
    ) -> str:
        stream = part.content["kind"] == "answer"
        if stream and target.thread_ts is not None and message.markdown:
            begun = await self._begin_stream(job, part, web, target, message)
            if begun is not None:
                return await self._finish_stream(web, target, begun, message, metadata)
        return await self._post_whole(web, target, message, metadata)

    async def _post_whole(self, web: SlackWeb, target: Place, message: Message, metadata: Json) -> str:
        arguments: Json = {
            "channel": target.channel,
            "thread_ts": target.thread_ts,
            "text": message.text,
            "metadata": metadata,
            "unfurl_links": False,
            "unfurl_media": False,
        }
        try:
            posted = await web.write("chat.postMessage", blocks=message.blocks, **arguments)
        except RefusedError as refused:
            if refused.code not in ("invalid_blocks", "msg_blocks_too_long", "invalid_attachments"):
                raise
            posted = await web.write("chat.postMessage", blocks=_plain_blocks(message), **arguments)
        return str(posted["ts"])

    async def _begin_stream(
        self, job: Job, part: Part, web: SlackWeb, target: Place, message: Message
    ) -> _Begun | None:
        """A stream with the first piece in it; None where Slack has none to give, and nothing is there."""
        pieces = _slices(message.markdown)
        try:
            begun = await web.write(
                "chat.startStream",
                channel=target.channel,
                thread_ts=target.thread_ts,
                recipient_team_id=target.team,
                recipient_user_id=target.user,
                markdown_text=pieces[0],
            )
        except RefusedError:
            return None
        ts = str(begun["ts"])
        await self._inbox.sending(job, part, receipt=f"stream {ts}")
        return _Begun(ts, pieces[1:])

    async def _finish_stream(
        self, web: SlackWeb, target: Place, stream: _Begun, message: Message, metadata: Json
    ) -> str:
        """Append the rest and stop; where the stream has died, the message is edited into the whole."""
        try:
            for piece in stream.rest:
                await web.write(
                    "chat.appendStream", channel=target.channel, ts=stream.ts, markdown_text=piece
                )
            await web.write(
                "chat.stopStream",
                channel=target.channel,
                ts=stream.ts,
                blocks=message.below,
                metadata=metadata,
            )
        except (RefusedError, UnsureError):
            return await self._edit(web, target, stream.ts, message, metadata)
        return stream.ts

    async def _edit(self, web: SlackWeb, target: Place, ts: str, message: Message, metadata: Json) -> str:
        """Make a message of ours the whole one; the same edit twice is one."""
        arguments: Json = {"channel": target.channel, "ts": ts, "text": message.text, "metadata": metadata}
        try:
            await web.write("chat.update", blocks=message.blocks, **arguments)
        except RefusedError as refused:
            if refused.code in ("streaming_state_conflict", "message_is_streaming"):
                await web.write("chat.stopStream", channel=target.channel, ts=ts)
                await web.write("chat.update", blocks=message.blocks, **arguments)
            elif refused.code in ("invalid_blocks", "msg_blocks_too_long"):
                await web.write("chat.update", blocks=_plain_blocks(message), **arguments)
            else:
                raise
        return ts

    async def _whisper(
        self, job: Job, part: Part, web: SlackWeb, target: Place, messages: list[Message]
    ) -> None:
        """Only the person sees it. Nobody can look whether it arrived, so a repetition replaces the first."""
        for message in messages:
            if target.response_url:
                await self._respond(target.response_url, message, replace=part.unsure)
            else:
                if not part.unsure:
                    await self._inbox.sending(job, part)
                await web.write(
                    "chat.postEphemeral",
                    channel=target.channel,
                    thread_ts=target.thread_ts,
                    user=target.user,
                    text=message.text,
                    blocks=message.blocks,
                )
        await self._inbox.sent(job, part, "whispered")

    async def _respond(self, url: str, message: Message, *, replace: bool) -> None:
        body = {
            "response_type": "ephemeral",
            "replace_original": replace,
            "text": message.text,
            "blocks": message.blocks,
        }
        try:
            async with self._session.post(url, json=body) as response:
                status = response.status
        except (aiohttp.ClientError, TimeoutError, OSError):
            raise UnsureError("response_url") from None
        if status >= 500 or status == 429:  # noqa: PLR2004 - HTTP's own
            raise UnsureError("response_url")
        if status != HTTP_OK:
            raise RefusedError(f"response_url {status}")

    # -------------------------------------------------------------- what is there already

    async def _arrived(self, job: Job, part: Part, web: SlackWeb, target: Place) -> dict[int, str]:
        """{number: ts} of this part's messages that are there, by the job's id in their metadata."""
        found: dict[int, str] = {}
        for message in await self._ours(job, web, target):
            metadata = message.get("metadata") or {}
            payload = metadata.get("event_payload") or {}
            if (
                metadata.get("event_type") == METADATA_EVENT
                and payload.get("job") == job.key
                and payload.get("part") == part.number
            ):
                found[int(payload["message"])] = str(message["ts"])
        return found

    async def _orphan(self, job: Job, part: Part, web: SlackWeb, target: Place) -> str | None:
        """A message of ours in the thread that nobody knows of: a stream whose beginning was not confirmed.

        Jobs of one thread run one after the other, so it can only be this job's.
        """
        thread = message_key(target.team, target.channel, target.thread_ts or "")
        known = await self._records.messages_in(thread)
        kind, _, begun = part.receipt.partition(" ")
        if kind == "stream" and message_key(target.team, target.channel, begun) not in known:
            return begun
        for message in await self._ours(job, web, target):
            key = message_key(target.team, target.channel, str(message["ts"]))
            if key not in known and not message.get("metadata"):
                return str(message["ts"])
        return None

    async def _ours(self, job: Job, web: SlackWeb, target: Place) -> list[Json]:
        """Our messages in this place since the job came in."""
        bot = await self._workspaces.bot_user(target.team)
        # Slack's own clock where there is one: ours may have been set meanwhile.
        since = str(job.payload.get("ts") or target.thread_ts or f"{job.received - CLOCKS_APART_SECONDS:.6f}")
        method = "conversations.replies" if target.thread_ts else "conversations.history"
        where: Json = {"ts": target.thread_ts} if target.thread_ts else {}
        messages: list[Json] = []
        cursor: str | None = None
        for _ in range(20):  # a busy channel; a thread rarely has a second page
            page = await web.read(
                method,
                channel=target.channel,
                oldest=since,
                limit=200,
                include_all_metadata=True,
                cursor=cursor,
                **where,
            )
            messages += page.get("messages") or []
            cursor = (page.get("response_metadata") or {}).get("next_cursor") or None
            if cursor is None:
                break
        return [
            message
            for message in messages
            if message.get("user") == bot and message["ts"] != target.thread_ts
        ]


@dataclass(frozen=True, slots=True)
class _Begun:
    """A stream that was begun, and what has still to be appended."""

    ts: str
    rest: tuple[str, ...]


def _metadata(job: Job, part: Part, number: int) -> Json:
    return {
        "event_type": METADATA_EVENT,
        "event_payload": {"job": job.key, "part": part.number, "message": number},
    }


def _slices(markdown: str) -> tuple[str, ...]:
    """A text in at most `APPENDS` + 1 pieces that end with white space; together they are the text."""
    least = max(LEAST_PIECE_CHARS, len(markdown) // APPENDS)
    pieces, begin = [], 0
    while begin < len(markdown):
        end = begin + least
        while end < len(markdown) and not _may_end(markdown, end):
            end += 1
        pieces.append(markdown[begin:end])
        begin = end
    return tuple(pieces)


def _may_end(markdown: str, end: int) -> bool:
    """Behind white space, and not inside code: half of it would be read as text until the rest comes."""
    return markdown[end - 1].isspace() and len(_BACKTICK.findall(markdown, 0, end)) % 2 == 0


def _plain_blocks(message: Message) -> list[Json]:
    """Without what Slack may not know or take yet: a picture that is not ready, feedback buttons."""
    kept = [block for block in message.below if block["type"] not in ("image", "context_actions")]
    return [*([{"type": "markdown", "text": message.markdown}] if message.markdown else []), *kept]
