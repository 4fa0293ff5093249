"""What was answered, sent: streamed, posted or whispered, once.

Before a part is sent for the first time the outbox notes that it may arrive. After any doubt (a broken
connection, a 5xx, a process that died) the thread is looked at first: a message that carries the job's
id has arrived; a stream that was begun is finished by an edit; only what is not there is sent again. What is
whispered nobody can look for: after a doubt it goes to the person directly, where it can be. The audience is
worked out anew just before: what a place may no longer see is not posted there.
"""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import aiohttp

from bots.conversation import Notice
from bots.delivery import Delivery, Target, answer_id_of, is_private
from bots.outcomes import RefusedError, UnsureError
from bots.records import remember_post
from bots.slack.blocks import (
    NOT_CONFIRMED,
    SHUT_OUT,
    Blocks,
    Message,
    answer_messages,
    approval_message,
    correction_message,
    directly,
    figure_block,
    human_message,
    no_figure_block,
    notice_message,
    without_picture,
)
from bots.slack.intake import message_key, workspace_key
from mmrag.errors import NotReadable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from bots.conversation import Audience
    from bots.figures import Figure
    from bots.inbox import Inbox, Job, Part
    from bots.records import DiskRecords
    from bots.slack.files import Files
    from bots.slack.places import Directory
    from bots.slack.streams import Streams
    from bots.slack.web import SlackWeb, Workspaces
    from mmrag.ports import EngineClient
    from mmrag.types import Answer

    Json = dict[str, Any]

log = logging.getLogger(__name__)

METADATA_EVENT = "mmrag_reply"
APPENDS = 8  # pieces of a streamed answer: each is a call
LEAST_PIECE_CHARS = 80
HTTP_OK = 200
SHUT = {
    *("not_in_channel", "channel_not_found", "is_archived", "thread_not_found", "cannot_reply_to_message"),
    *("restricted_action", "restricted_action_read_only_channel", "restricted_action_thread_only_channel"),
    *("restricted_action_non_threadable_channel", "restricted_action_thread_locked", "no_permission"),
    *("message_not_found", "cant_update_message"),  # what was to be edited is gone
}
GONE = Notice("I can't see the place where you asked any more: invite me, and ask again.", mood="problem")
NOT_TAKEN = ("invalid_blocks", "msg_blocks_too_long", "invalid_attachments")
_BACKTICK = re.compile(r"(?<!\\)`")
CLOCKS_APART_SECONDS = 3_600.0


@dataclass(frozen=True, slots=True)
class Place(Target):
    """A channel, a thread in it, or what a command is replied to by. `seen_in`: whose audience counts."""

    team: str
    channel: str
    seen_in: str
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
        channel = content.get("to") or payload["channel"]
        return Place(
            workspace=workspace_key(payload["team"]),
            user=payload["user"],
            team=payload["team"],
            channel=channel,
            seen_in=content.get("seen_in") or channel,
            thread_ts=None if content.get("to") else payload.get("thread_ts"),
            whispered=is_private(job, part),
            response_url=payload.get("response_url"),
        )

    async def ask_anything(self, target: Place) -> None:
        await (await self._workspaces.of(target.team)).read("auth.test")

    async def send_once(self, job: Job, part: Part, target: Place) -> None:
        web = await self._workspaces.of(target.team)
        if target.whispered:
            await self._whisper(job, part, web, target)
            return
        try:
            await self._openly(job, part, web, target)
        except RefusedError as refused:
            if refused.code not in SHUT or part.content.get("to"):
                raise
            log.info("a reply is sent directly: %s", refused.code)
            await self._directly(job, part, web, target, because=SHUT_OUT)

    async def _openly(self, job: Job, part: Part, web: SlackWeb, target: Place) -> None:
        messages = await self.messages(part, target)
        if part.content.get("edits"):
            await self._edit(web, target, part.content["edits"], messages[0], _metadata(job, part, 0))
            await self._inbox.sent(job, part, part.content["edits"])
            return
        arrived = await self._arrived(job, part, web, target) if part.unsure else {}
        posted: list[str] = []
        for number, message in enumerate(messages):
            metadata = _metadata(job, part, number)
            await self.about_to_send(job, part)
            ts = arrived.get(number) or await self._resumed(
                job, part, web, target, message=message, metadata=metadata
            )
            if ts is None:
                ts = await self._post(job, part, web, target, message=message, metadata=metadata)
            posted.append(ts)
            await self._remember(part, target, ts)
        await self._inbox.sent(job, part, " ".join(posted))

    async def _remember(self, part: Part, target: Place, ts: str) -> None:
        key = message_key(target.team, target.channel, ts)
        thread = message_key(target.team, target.channel, target.thread_ts or ts)
        await self._records.apply(remember_post(key, thread, answer_id_of(part)))

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
        del content
        return await self._directory.audience(target.team, target.seen_in, target.user)

    async def answer(self, answer: Answer, content: Json, target: Place, *, human: bool) -> list[Message]:
        figure = await self.figure(answer, content)
        return answer_messages(
            answer,
            figure=None if figure is None else await self._shown(target.team, figure),
            human=human,
            private=target.whispered,
            asked=content.get("asked"),
            narrow=target.workspace not in content["collections"],
        )

    async def _shown(self, team: str, figure: Figure) -> Json:
        """The figure as a block; where it can't be shown, a block that says why."""
        try:
            return figure_block(await self._files.id_of(team, figure), figure)
        except NotReadable as error:
            log.warning("a figure was not shown: %s", error)
            return no_figure_block(str(error))

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
        posted = await self._as_it_is_taken(
            message, lambda blocks: web.write("chat.postMessage", blocks=blocks, **arguments)
        )
        return str(posted["ts"])

    async def _as_it_is_taken(self, message: Message, send: Callable[[Blocks], Awaitable[Json]]) -> Json:
        """Send a message; without its picture, then without its buttons, where Slack does not take these."""
        try:
            return await send(message.blocks)
        except RefusedError as refused:
            if refused.code not in NOT_TAKEN:
                raise
        plainer = without_picture(message, "Slack does not take it.")
        if plainer is not message:
            for block in message.below:
                self._files.forget(block.get("slack_file", {}).get("id", ""))
            try:
                return await send(plainer.blocks)
            except RefusedError as refused:
                if refused.code not in NOT_TAKEN:
                    raise
        return await send([block for block in plainer.blocks if block["type"] != "context_actions"])

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

        async def update(blocks: Blocks) -> Json:
            try:
                return await web.write("chat.update", blocks=blocks, **arguments)
            except RefusedError as refused:
                if refused.code not in ("streaming_state_conflict", "message_is_streaming"):
                    raise
            await web.write("chat.stopStream", channel=target.channel, ts=ts)
            return await web.write("chat.update", blocks=blocks, **arguments)

        await self._as_it_is_taken(message, update)
        return ts

    async def _whisper(self, job: Job, part: Part, web: SlackWeb, target: Place) -> None:
        """Only the person sees it: once in the channel, at the most."""
        if not part.unsure:
            messages = await self.messages(part, target)
            try:
                for message in messages:
                    await self.about_to_send(job, part)
                    await self._as_it_is_taken(message, partial(self._show, web, target, message.text))
            except RefusedError as refused:  # the address has expired, they have left the channel
                log.info("a reply is sent directly: %s", refused.code)
            else:
                await self._inbox.sent(job, part, "whispered")
                return
        await self._directly(job, part, web, target, because=NOT_CONFIRMED)

    async def _show(self, web: SlackWeb, target: Place, text: str, blocks: Blocks) -> Json:
        if target.response_url:
            return await self._respond(target.response_url, text, blocks)
        return await web.write(
            "chat.postEphemeral",
            channel=target.channel,
            thread_ts=target.thread_ts,
            user=target.user,
            text=text,
            blocks=blocks,
        )

    async def _respond(self, url: str, text: str, blocks: Blocks) -> Json:
        # Whatever was clicked stays: the address of a click on an answer could replace the answer.
        body = {"response_type": "ephemeral", "replace_original": False, "text": text, "blocks": blocks}
        try:
            async with self._session.post(url, json=body) as response:
                status, said = response.status, await response.text()
        except (aiohttp.ClientError, TimeoutError, OSError, UnicodeDecodeError):
            raise UnsureError("response_url") from None
        if status >= 500 or status == 429:  # noqa: PLR2004 - HTTP's own
            raise UnsureError("response_url")
        if status != HTTP_OK:
            raise RefusedError(next((code for code in NOT_TAKEN if code in said), f"response_url {status}"))
        return {}

    async def _directly(self, job: Job, part: Part, web: SlackWeb, target: Place, *, because: str) -> None:
        """To the person's own conversation with us, where we can look whether it arrived."""
        opened = await web.write("conversations.open", users=target.user)
        there = replace(
            target, channel=str(opened["channel"]["id"]), thread_ts=None, response_url=None, whispered=False
        )
        arrived = await self._arrived(job, part, web, there)
        try:
            messages = await self.messages(part, there)
        except RefusedError:  # whoever sees that place now, we can't see it any more
            messages = [notice_message(GONE)]
        for number, message in enumerate(messages):
            ts = arrived.get(number) or await self._post_whole(
                web, there, directly(message, because), _metadata(job, part, number)
            )
            await self._remember(part, there, ts)
        await self._inbox.sent(job, part, "sent directly")

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
