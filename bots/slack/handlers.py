"""What Slack adds to the handlers that every platform shares: who, where, which files; Home and settings."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

from bots.conversation import PLACE_SETTINGS, Notice, settings_of
from bots.handlers import ADD_IT_THERE, HUMAN, Handlers, Person
from bots.outcomes import RefusedError, UnsureError
from bots.slack.chat import SlackChat, readable
from bots.slack.intake import PLACE_VIEW, SETTINGS_VIEW, files_of, message_key, workspace_key
from bots.slack.links import FileLink, MessageLink, read_link
from bots.slack.places import ADMINS
from bots.slack.views import WORKSPACE_SETTINGS, Settings, Week, home_view
from mmrag.errors import InvalidInput, NotReadable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bots.conversation import Audience, FileRef, Rules, Web
    from bots.inbox import Job
    from bots.records import DiskRecords
    from bots.slack.places import Directory
    from bots.slack.web import Workspaces
    from mmrag.ports import EngineClient

    Json = dict[str, Any]


SLACK_SETTINGS = ("follow-ups", "ephemeral", "workspace-documents")


async def workspace_settings(
    records: DiskRecords, workspace: str, defaults: Mapping[str, str]
) -> dict[str, str]:
    """What is set for a workspace."""
    first = {name: choices[0] for name, (_, choices) in WORKSPACE_SETTINGS.items()}
    begin = first | {ADMINS: "", HUMAN: ""} | dict(defaults)
    return {name: await records.setting(workspace, name, value) for name, value in begin.items()}


class SlackHandlers(Handlers[SlackChat]):
    """Jobs of Slack."""

    silent = frozenset({"home"})
    place_settings = SLACK_SETTINGS

    def __init__(
        self,
        engine: EngineClient,
        records: DiskRecords,
        directory: Directory,
        workspaces: Workspaces,
        web: Web,
        *,
        rules: Rules,
        human: str,
        defaults: Mapping[str, str],
    ) -> None:
        super().__init__(engine, records, web, rules=rules, human=human)
        self._directory = directory
        self._workspaces = workspaces
        self._defaults = defaults
        self._kinds |= {
            "home": self._home,
            SETTINGS_VIEW: self._settings,
            PLACE_VIEW: self._place_settings,
        }

    # ------------------------------------------------------------- what the platform knows

    async def person(self, payload: Json) -> Person:
        return await self._directory.person(payload["team"], payload["user"])

    async def audience(self, payload: Json) -> Audience:
        return await self._directory.audience(payload["team"], payload["channel"], payload["user"])

    async def direct_channel(self, payload: Json) -> str:
        web = await self._workspaces.of(payload["team"])
        opened = await web.write("conversations.open", users=payload["user"])
        return str(opened["channel"]["id"])

    async def prepare(self, job: Job, chat: SlackChat) -> None:
        chat.whispers = not job.payload.get("aloud") and await self._is_whispering(job.payload)

    async def _is_whispering(self, payload: Json) -> bool:
        """Whether answers in this channel are seen by the person alone."""
        if payload["channel"].startswith("D"):
            return False
        return await self._records.setting(payload["place"], "ephemeral", "off") == "on"

    async def files_of(self, files: list[Json], chat: SlackChat) -> tuple[FileRef, ...]:
        return await chat.refs(files)

    async def said(self, payload: Json, chat: SlackChat) -> FileRef:
        web = await self._workspaces.of(payload["team"])
        link = await web.read("chat.getPermalink", channel=payload["channel"], message_ts=payload["message"])
        author = await self._directory.person(payload["team"], payload.get("said_by") or payload["user"])
        return chat.said(readable(payload["said"]), str(link["permalink"]), f"Message by {author.name}.md")

    async def linked(self, link: str, payload: Json, chat: SlackChat) -> tuple[FileRef, ...] | None:
        match read_link(link):
            case MessageLink(channel, ts):
                return await self._linked_message(channel, ts, payload, chat)
            case FileLink(id_):
                return await self._linked_file(id_, payload, chat)
        return None

    async def _linked_message(
        self, channel: str, ts: str, payload: Json, chat: SlackChat
    ) -> tuple[FileRef, ...]:
        if channel != payload["channel"]:
            place = await self._directory.place(payload["team"], channel, payload["user"])
            if place.kind != "public" or (await self.person(payload)).guest:
                raise NotReadable(ADD_IT_THERE)
        web = await self._workspaces.of(payload["team"])
        found = await web.read(
            *("conversations.replies",), channel=channel, ts=ts, oldest=ts, latest=ts, inclusive=True, limit=1
        )
        message = next((each for each in found.get("messages") or [] if each["ts"] == ts), None)
        if message is None:
            raise NotReadable("There is no such message any more.")
        files = await chat.refs(files_of(message))
        text = str(message.get("text") or "")
        if not text.strip():
            return files
        told = {"channel": channel, "message": ts, "said": text, "said_by": message.get("user")}
        return (*files, await self.said(payload | told, chat))

    async def _linked_file(self, id_: str, payload: Json, chat: SlackChat) -> tuple[FileRef, ...]:
        file = await chat.files.described(payload["team"], {"id": id_})
        shared_in = [each for kind in ("channels", "groups", "ims") for each in file.get(kind) or []]
        here = payload["channel"] in shared_in or file.get("user") == payload["user"]
        if not here and not (file.get("is_public") and not (await self.person(payload)).guest):
            raise NotReadable(ADD_IT_THERE)
        return await chat.refs([file])

    async def place_to_add(self, payload: Json, chat: SlackChat) -> Json:
        """From the Home tab there is no channel: what is added there belongs to the person's own."""
        if payload["channel"].startswith(("C", "D", "G")):
            return payload
        channel = await self.direct_channel(payload)
        chat.where = {"to": channel, "whispered": False}
        return payload | {"channel": channel, "place": message_key(payload["team"], channel, "")}

    def words(self, text: str) -> str:
        return readable(text)

    def thread_of(self, payload: Json) -> str | None:
        return payload["thread_ts"] if payload.get("in_thread") else None

    async def answer_meant(self, payload: Json) -> str | None:
        thread = message_key(payload["team"], payload["channel"], payload["thread_ts"])
        post = await self._records.last_answer(thread)
        return None if post is None else post.answer_id

    # ------------------------------------------------------------------ Home, settings

    async def _home(self, job: Job, chat: SlackChat) -> None:
        """The Home tab; whatever goes wrong, it only stays as it was."""
        del chat
        payload = job.payload
        own = payload.get("channel") or await self.direct_channel(payload)
        await self._publish_home(payload | {"channel": own})

    async def _publish_home(self, payload: Json) -> None:
        """What this person may read in their own channel; how the workspace fares, which no guest sees."""
        workspace = payload["workspace"]
        person, audience = await self.person(payload), await self.audience(payload)
        documents = await asyncio.to_thread(self._engine.documents, collections=audience.collections)
        week = None
        if workspace in audience.collections:
            asked, unanswered = await self._records.asked_lately(workspace)
            week = Week(asked, tuple(unanswered), await self._records.reasons_lately(workspace))
        settings = await self._set_here(payload["team"]) if person.admin else None
        web = await self._workspaces.of(payload["team"])
        view = home_view(documents, everyones=workspace, week=week, settings=settings)
        await web.write("views.publish", user_id=payload["user"], view=view)

    async def _set_here(self, team: str) -> Settings:
        places = await self._records.settings_within(message_key(team, "", "").removesuffix(":"))
        return Settings(
            await workspace_settings(self._records, workspace_key(team), self._defaults),
            {place.split(":")[2]: of_place for place, of_place in places.items()},
        )

    async def _settings(self, job: Job, chat: SlackChat) -> None:
        """What an admin set for the workspace."""
        payload = job.payload
        values = await self._of_an_admin(payload, chat)
        workspace = workspace_key(payload["team"])
        for name, (_, choices) in WORKSPACE_SETTINGS.items():
            if values.get(name) in choices:
                await self._records.set(workspace, name, values[name])
        await self._records.set(workspace, ADMINS, " ".join(values.get(ADMINS) or []))
        await self._records.set(workspace, HUMAN, (values.get(HUMAN) or "").strip())
        await self._saved(payload, chat, "The settings are saved.")

    async def _place_settings(self, job: Job, chat: SlackChat) -> None:
        """What an admin set for a channel; what they left as it was goes on following the workspace."""
        payload = job.payload
        values = await self._of_an_admin(payload, chat)
        place, workspace = payload["place"], payload["workspace"]
        before = await settings_of(self._records, place, workspace, self.place_settings)
        for name, value in before.items():
            if values.get(name) in PLACE_SETTINGS[name] and values[name] != value:
                await self._records.set(place, name, values[name])
        after = await settings_of(self._records, place, workspace, self.place_settings)
        listed = ", ".join(f"{name} {value}" for name, value in after.items())
        await self._saved(payload, chat, f"The channel's settings are saved: {listed}.")

    async def _of_an_admin(self, payload: Json, chat: SlackChat) -> Json:
        """What was filled in. Raises InvalidInput for anybody else."""
        chat.where = {"to": await self.direct_channel(payload), "whispered": False}
        if not (await self.person(payload)).admin:
            raise InvalidInput("Only admins change the settings.")
        values: Json = payload["values"]
        return values

    async def _saved(self, payload: Json, chat: SlackChat, text: str) -> None:
        with contextlib.suppress(RefusedError, UnsureError):  # it is right when it is opened again
            await self._publish_home(payload | {"channel": chat.where["to"]})
        await chat.post_notice(Notice(text))
