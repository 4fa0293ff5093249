"""One conversation, held in a terminal, in Slack and in Discord: the same verbs, whatever the platform is.

A world has a person, ana, who speaks with the real adapter on an engine in memory: openly, where everybody
sees it, in a restricted place, or directly. What a platform can do beyond one person in one place stands in
`can`, and its methods in those worlds only.
"""

from __future__ import annotations

import asyncio
import io
import re
from abc import ABC, abstractmethod
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from rich.console import Console

from bots.addresses import Reach
from bots.console import Screen, Session
from bots.console.chat import LateWeb
from bots.conversation import Audience, Desk
from tests.bots.memory_engine import MemoryEngine
from tests.discord_server import bot as discord_bot
from tests.discord_server.permissions import Permission
from tests.slack_server import bot as slack_bot

SECONDS = 30
HERE = Reach.parse("127.0.0.1/32")  # where the sites of the tests are


@dataclass(frozen=True)
class Shown:
    """What ana sees of a reply: its words, and the addresses that can be followed."""

    text: str
    links: frozenset[str]
    raw: Any = None


class World(ABC):
    """One platform with the bot in it."""

    can = frozenset({"restrict", "react", "restart", "correct by reply"})

    def __init__(self, folder):
        self.folder = folder
        self.engine = MemoryEngine()

    @property
    @abstractmethod
    def everyones(self):
        """The collection that everybody may read."""

    @abstractmethod
    def running(self):
        """An async context in which the bot runs."""

    @abstractmethod
    async def asks(self, text, *, files=(), where="open"):
        """Ask the bot; where the conversation goes on."""

    @abstractmethod
    async def goes_on(self, thread, text):
        """Say something in a conversation that the bot takes part in."""

    @abstractmethod
    async def reply(self, thread, number=1):
        """The bot's reply of this number there, as it is seen."""

    @abstractmethod
    async def commands(self, text, *, where="open", files=()):
        """Type a command; what the bot says to it."""

    @abstractmethod
    async def rates_down(self, thread, correction):
        """Say that the last answer is wrong, and what would be right."""

    async def until(self, holds):
        """Until something holds in the engine."""
        async with asyncio.timeout(SECONDS):
            while not holds():  # noqa: ASYNC110 - the engine works in threads and tells nobody
                await asyncio.sleep(0.01)


class ConsoleWorld(World):
    """A terminal: one person, one place."""

    can = frozenset()
    everyones = "company"

    @asynccontextmanager
    async def running(self):
        self._out = io.StringIO()
        self._seen = 0
        console = Console(file=self._out, width=200, highlight=False, markup=False, emoji=False)
        audience = Audience(("company",))
        screen = Screen(console, person="ana")
        session = Session(
            *(self.engine, screen),
            audience=audience,
            author="ana",
            max_file_bytes=1 << 20,
            desk=Desk(web=LateWeb(HERE, 1 << 20)),
        )
        self._session = await asyncio.to_thread(session.__enter__)
        try:
            yield
        finally:
            await asyncio.to_thread(session.__exit__, None, None, None)

    async def _types(self, *lines):
        """What is shown after these lines."""
        before = len(self._out.getvalue())
        await asyncio.to_thread(self._session.play, lines, folder=self.folder)
        text = self._out.getvalue()[before:]
        links = frozenset(re.findall(r"https?://\S+", text))
        return Shown("\n".join(line.strip() for line in text.split("\n")), links)

    async def asks(self, text, *, files=(), where="open"):
        del where
        for name, data in files:
            (self.folder / name).write_bytes(data)
        if not text:
            return [await self._types(*(f"/kb add {name}" for name, _ in files))]
        return [await self._types("/new", *(f"/attach {name}" for name, _ in files), text)]

    async def goes_on(self, thread, text):
        thread.append(await self._types(text))

    async def reply(self, thread, number=1):
        return thread[number - 1]

    async def commands(self, text, *, where="open", files=()):
        del where
        for name, data in files:
            (self.folder / name).write_bytes(data)
        return await self._types(*(f"/attach {name}" for name, _ in files), text)

    async def rates_down(self, thread, correction):
        thread.append(await self._types(f"/down {correction}"))


class SlackWorld(World):
    """Slack, by Socket Mode."""

    def __init__(self, folder):
        super().__init__(folder)
        self.slack = slack_bot.slack_with_the_app()
        self.ana = self.slack.user("ana", is_admin=True)
        self.slack.channel("general").members.add(self.ana.id)

    @property
    def everyones(self):
        return f"slack-{self.slack.team.id}"

    @asynccontextmanager
    async def running(self):
        async with self.slack, slack_bot.bot_running(self.slack, self.engine, self.folder, reach=HERE):
            yield

    @asynccontextmanager
    async def running_twice(self, between):
        """The bot, stopped, and started again."""
        async with self.slack:
            async with slack_bot.bot_running(self.slack, self.engine, self.folder, reach=HERE):
                await between()
            async with slack_bot.bot_running(self.slack, self.engine, self.folder, reach=HERE):
                yield

    def _place(self, where):
        match where:
            case "restricted":
                return self.slack.channel("secret", type="group", members=[self.ana])
            case "direct":
                return self.ana.dm
            case _:
                return self.slack.channel("general")

    async def asks(self, text, *, files=(), where="open"):
        if where == "direct":
            return await self.ana.writes_to_bot(text, files=list(files))
        return await self.ana.mentions_bot(self._place(where), text, files=list(files))

    async def goes_on(self, thread, text):
        await self.ana.says(self.slack.world.channels[thread.channel], text, thread=thread)

    async def _message(self, thread, number):
        def there():
            found = self.slack.answers(self.slack.world.channels[thread.channel], thread=thread)
            whole = [each for each in found if each.stream is None or each.stream.state != "in_progress"]
            return whole[number - 1] if len(whole) >= number else None

        return await self.slack.until(there, seconds=SECONDS)

    async def reply(self, thread, number=1):
        return _of_slack(await self._message(thread, number))

    async def commands(self, text, *, where="open", files=()):
        place = self._place(where)
        before = len(self.ana.whispers(place))
        if files:
            await self.ana.runs("/kb add", place)
            await self.slack.until(lambda: self.ana.modal)
            await self.ana.submits({"files": list(files)})
        else:
            await self.ana.runs(text, place)
        seen = await self.slack.until(lambda: self.ana.whispers(place)[before:], seconds=SECONDS)
        return _of_slack(seen[0])

    async def rates_down(self, thread, correction):
        await self.ana.clicks(await self._message(thread, 1), "Bad answer")
        await self.slack.until(lambda: self.ana.modal)
        await self.ana.submits({"What would be right?": correction})

    async def reacts(self, thread, *, standing=True):
        """Put a thumb under the last answer, or take it back."""
        answer = await self._message(thread, 1)
        await (self.ana.reacts if standing else self.ana.unreacts)(answer, "+1")


class DiscordWorld(World):
    """Discord, by its gateway."""

    def __init__(self, folder):
        super().__init__(folder)
        self.discord = discord_bot.discord_with_the_app()
        self.discord.world.app.message_content = True
        self.ana = self.discord.user("ana")
        self.discord.role("admins", Permission.MANAGE_GUILD, members=[self.ana])
        self.discord.channel("general")

    @property
    def everyones(self):
        return f"discord-{self.discord.guild.id}"

    @asynccontextmanager
    async def running(self):
        async with self.discord, discord_bot.bot_running(self.discord, self.engine, self.folder, reach=HERE):
            yield

    @asynccontextmanager
    async def running_twice(self, between):
        """The bot, stopped, and started again."""
        async with self.discord:
            async with discord_bot.bot_running(self.discord, self.engine, self.folder, reach=HERE):
                await between()
            async with discord_bot.bot_running(self.discord, self.engine, self.folder, reach=HERE):
                yield

    def _place(self, where):
        match where:
            case "restricted":
                return self.discord.channel("secret", hidden=True, members=[self.ana])
            case "direct":
                return self.ana.dm
            case _:
                return self.discord.channel("general")

    async def asks(self, text, *, files=(), where="open"):
        if where == "direct":
            return await self.ana.writes_to_bot(text, files=list(files))
        return await self.ana.mentions(self._place(where), text, files=list(files))

    async def goes_on(self, thread, text):
        await self.ana.writes(await self._room(thread), text)

    async def _room(self, asked):
        """The thread made from a question; a direct conversation is one by itself."""
        channel = self.discord.world.channels[asked.channel]
        if channel.is_dm:
            return channel
        return await self.discord.until(lambda: self.discord.thread_of(asked), seconds=SECONDS)

    async def _message(self, thread, number):
        room = await self._room(thread)

        def there():
            found = [
                each
                for each in self.discord.answers(room)
                if each.content and not each.content.startswith("-# ⏳")
            ]
            return found[number - 1] if len(found) >= number else None

        return await self.discord.until(there, seconds=SECONDS)

    async def reply(self, thread, number=1):
        return self._as_seen(await self._message(thread, number))

    def _as_seen(self, message):
        seen = self.ana.reads(message)
        text = f"{seen.text}\n" + "\n".join(str(each.get("description", "")) for each in message.embeds)
        return Shown(re.sub(r"\\(?=[^\w\s])", "", text), frozenset(seen.links), message)

    async def commands(self, text, *, where="open", files=()):
        place, before = self._place(where), len(self.ana.whispers)
        command, options = _as_typed(text, files)
        await self.ana.uses(command, place, **options)
        seen = await self.discord.until(lambda: self.ana.whispers[before:], seconds=SECONDS)
        return self._as_seen(seen[0])

    async def rates_down(self, thread, correction):
        await self.ana.clicks(await self._message(thread, 1), "👎")
        await self.discord.until(lambda: self.ana.modal)
        await self.ana.submits({"What would be right?": correction})

    async def reacts(self, thread, *, standing=True):
        answer = await self._message(thread, 1)
        await (self.ana.reacts if standing else self.ana.unreacts)(answer, "👍")


def _of_slack(message):
    shown = f"{message.text}\n{message.blocks}"
    links = frozenset(re.findall(r"<(https?://[^|>]+)", shown)) | frozenset(
        re.findall(r"\]\((https?://[^)]+)\)", shown)
    )
    return Shown(re.sub(r"\\+(?=[^\w\s])", "", shown), links, message)


def _as_typed(text, files):
    """A command that is typed where commands are text, as Discord's with options."""
    name, _, rest = text.partition(" ")
    if name == "/ask":
        return "/ask", {"question": rest} | dict(zip(("image", "image2"), files, strict=False))
    verb, _, rest = rest.partition(" ")
    match verb:
        case "add":
            given = dict(zip(("file", "file2"), files, strict=False))
            return "/kb add", given | ({"text": rest} if rest else {})
        case "remove" | "share":
            return f"/kb {verb}", {"document": rest}
        case "forget-channel":
            return "/kb forget-channel", {"confirm": True} if rest else {}
    return f"/kb {verb}", {}


WORLDS = {"console": ConsoleWorld, "slack": SlackWorld, "discord": DiscordWorld}
