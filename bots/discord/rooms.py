"""Where a reply stands: in a thread made from the question, or beside it."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bots.discord.names import message_key
from bots.discord.web import HAS_A_THREAD
from bots.outcomes import RefusedError
from mmrag.text.display import one_line

if TYPE_CHECKING:
    from bots.discord.web import DiscordWeb

Json = dict[str, Any]

THREAD_NAME_CHARS = 90
ARCHIVE_MINUTES = 1_440  # without a word for a day, a thread leaves the list; it goes on with the next one
MOST_KEPT = 1_000


@dataclass(frozen=True, slots=True)
class Room:
    """A channel, and the message there that is replied to. `thread` is what the records call the exchange."""

    channel: str
    reply_to: str | None
    thread: str

    def reference(self) -> Json:
        """As a message's body tells it."""
        if self.reply_to is None:
            return {}
        return {
            "message_reference": {
                "type": 0,
                "message_id": self.reply_to,
                "channel_id": self.channel,
                "fail_if_not_exists": False,
            }
        }


class Rooms:
    """Opens rooms for questions; the same question gets the same room."""

    def __init__(self, web: DiscordWeb) -> None:
        self._web = web
        self._known: OrderedDict[str, Room] = OrderedDict()

    async def of(self, payload: Json, *, here: bool) -> Room:
        """Where the reply to a job of this payload stands. Raises UnsureError."""
        channel, message = payload["channel"], payload.get("message")
        if message is None:
            return Room(channel, None, message_key(channel))
        if payload.get("in_thread"):
            return Room(channel, message, message_key(channel))
        if here or "in_thread" not in payload:
            return Room(channel, message, message_key(message))
        if message not in self._known:
            self._known[message] = await self._thread(payload)
            if len(self._known) > MOST_KEPT:
                self._known.popitem(last=False)
        return self._known[message]

    async def _thread(self, payload: Json) -> Room:
        """A thread made from the message; beside it where there can be none, or we may not make one."""
        channel, message = payload["channel"], payload["message"]
        try:
            await self._web.write(
                "POST",
                "/channels/{channel_id}/messages/{message_id}/threads",
                {"name": _name(payload["text"]), "auto_archive_duration": ARCHIVE_MINUTES},
                channel_id=channel,
                message_id=message,
            )
        except RefusedError as refused:
            if refused.code != HAS_A_THREAD:  # in a thread, a voice channel, without the permission ...
                return Room(channel, message, message_key(message))
        return Room(message, None, message_key(message))  # a thread has the id of what it was made from


def _name(text: str) -> str:
    name = one_line(text)
    if len(name) > THREAD_NAME_CHARS:
        name = f"{name[:THREAD_NAME_CHARS].rsplit(' ', 1)[0]}…"
    return name or "Question"
