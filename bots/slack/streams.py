"""Answers that are streamed while they are made: what is certain already stands in the thread.

A stream is begun by a job's first attempt alone. `delivery` takes it over when the reply is there: it appends
what is missing and stops it, or edits it into the reply. Should the process die before, the next attempt's
delivery finds the message and edits it.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bots.conversation import may_see
from bots.outcomes import UnsureError, to_its_end
from bots.slack.blocks import TEXT_CHARS, said_markdown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bots.inbox import Job
    from bots.slack.places import Directory
    from bots.slack.web import Workspaces
    from mmrag.types import Said


@dataclass
class Stream:
    """A job's stream: its message and the Markdown in it.

    `unsure`: there may be a message that we don't know. `is_broken`: a piece may be missing.
    """

    ts: str | None = None
    markdown: str = ""
    unsure: bool = False
    is_broken: bool = False
    is_over: bool = False
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)


class Streams:
    """The streams of the jobs that are worked on."""

    def __init__(self, workspaces: Workspaces, directory: Directory) -> None:
        self._workspaces = workspaces
        self._directory = directory
        self._streams: dict[str, Stream] = {}

    async def show(self, job: Job, said: Sequence[Said], collections: Sequence[str]) -> None:
        """Show these sentences, where everyone who sees the place may. Raises RefusedError, UnsureError."""
        if job.attempts > 1:  # what the first one has begun, delivery looks for
            return
        stream = self._streams.setdefault(job.key, Stream())
        await to_its_end(self._extend(job, stream, said, collections))

    async def taken(self, job: Job) -> Stream:
        """The job's stream, into which nothing more is written by `show`."""
        stream = self._streams.setdefault(job.key, Stream())
        stream.is_over = True
        async with stream.turn:
            return stream

    def forget(self, job: Job) -> None:
        """The job had its ending."""
        self._streams.pop(job.key, None)

    async def _extend(
        self, job: Job, stream: Stream, said: Sequence[Said], collections: Sequence[str]
    ) -> None:
        payload = job.payload
        async with stream.turn:
            markdown = said_markdown(said)
            fits = markdown.startswith(stream.markdown) and len(markdown) <= TEXT_CHARS
            if stream.is_over or stream.is_broken or not fits:
                return  # what is not shown now comes with the whole
            audience = await self._directory.audience(payload["team"], payload["channel"], payload["user"])
            if not may_see(audience, tuple(collections)):
                return
            stream.is_broken = True  # unless all goes well
            web = await self._workspaces.of(payload["team"])
            if stream.ts is None:
                try:
                    begun = await web.write(
                        "chat.startStream",
                        channel=payload["channel"],
                        thread_ts=payload["thread_ts"],
                        recipient_team_id=payload["team"],
                        recipient_user_id=payload["user"],
                        markdown_text=markdown,
                    )
                except UnsureError:
                    stream.unsure = True
                    raise
                stream.ts = str(begun["ts"])
            else:
                await web.write(
                    "chat.appendStream",
                    channel=payload["channel"],
                    ts=stream.ts,
                    markdown_text=markdown.removeprefix(stream.markdown),
                )
            stream.markdown = markdown
            stream.is_broken = False
