"""What Discord adds to the handlers that every platform shares: who, where, which files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bots.discord.chat import DiscordChat
from bots.discord.commands import SETTINGS
from bots.discord.intake import files_of, files_of_target, readable
from bots.discord.names import linked_message, message_key, message_link
from bots.handlers import ADD_IT_THERE, Handlers, Person
from mmrag.errors import InvalidInput, NotReadable

if TYPE_CHECKING:
    from bots.conversation import Audience, FileRef, Rules, Web
    from bots.discord.places import Directory
    from bots.inbox import Job
    from bots.records import DiskRecords
    from mmrag.ports import EngineClient

Json = dict[str, Any]


class DiscordHandlers(Handlers[DiscordChat]):
    """Jobs of Discord."""

    place_settings = SETTINGS

    def __init__(
        self,
        engine: EngineClient,
        records: DiskRecords,
        directory: Directory,
        web: Web,
        *,
        rules: Rules,
        human: str,
    ) -> None:
        super().__init__(engine, records, web, rules=rules, human=human)
        self._directory = directory

    async def person(self, payload: Json) -> Person:
        return await self._directory.person(payload["guild"], payload["user"])

    async def audience(self, payload: Json) -> Audience:
        return await self._directory.audience(payload["guild"], payload["channel"], payload["user"])

    async def direct_channel(self, payload: Json) -> str:
        return await self._directory.direct_channel(payload["user"])

    async def prepare(self, job: Job, chat: DiscordChat) -> None:
        payload = job.payload
        if not payload["in_thread"] and await self._is_answered_in_place(payload):
            chat.where = {"here": True}
        if payload.get("target"):
            target = await self._records.whispered(target_key(payload["target"]))
            if target is None:
                raise InvalidInput("That message was chosen too long ago: choose it again.")
            link = message_link(payload["guild"], payload["channel"], target["id"])
            files = files_of_target(target, link, payload["channel"])
            chat.context = [{"text": f"{target['author']}: {target['text']}", "files": files}]

    async def _is_answered_in_place(self, payload: Json) -> bool:
        return await self._records.setting(payload["place"], "threads", "on") == "off"

    async def files_of(self, files: list[Json], chat: DiscordChat) -> tuple[FileRef, ...]:
        return chat.refs(files)

    async def said(self, payload: Json, chat: DiscordChat) -> FileRef:
        return chat.said(payload["said"], payload["link"], f"Message by {payload['said_by']}.md")

    async def linked(self, link: str, payload: Json, chat: DiscordChat) -> tuple[FileRef, ...] | None:
        named = linked_message(link)
        if named is None:
            return None
        guild, channel, id_ = named
        if channel == payload["channel"]:
            guild = payload["guild"]
        elif not await self._everyone_sees(guild, channel, payload["user"]):
            raise NotReadable(ADD_IT_THERE)
        message = await chat.history.message(channel, id_)
        files = chat.refs(files_of(message, guild))
        text = readable(message)
        if not text:
            return files
        address = message_link(guild, channel, id_)
        return (*files, chat.said(text, address, f"Message by {message.author.display_name}.md"))

    async def _everyone_sees(self, guild: str | None, channel: str, user: str) -> bool:
        """Whether every member of a guild may read a channel of it, and this person is one."""
        if guild is None:
            return False
        place = await self._directory.place(guild, channel)
        return place.kind == "public" and not (await self._directory.person(guild, user)).guest

    def words(self, text: str) -> str:
        return text  # read as plain words when it came in

    def thread_of(self, payload: Json) -> str | None:
        beside = payload.get("replied") or payload.get("target")
        return payload["channel"] if payload["in_thread"] or beside else None

    async def answer_meant(self, payload: Json) -> str | None:
        if payload.get("replied"):
            post = await self._records.post(message_key(payload["replied"][1]))
            if post is not None and post.answer_id is not None:
                return post.answer_id
        post = await self._records.last_answer(message_key(payload["channel"]))
        return None if post is None else post.answer_id


def target_key(message: str) -> str:
    """What a message that is asked about is kept under until the question is typed."""
    return f"target {message}"
