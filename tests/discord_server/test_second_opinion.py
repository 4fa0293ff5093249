"""The same tests against our Discord and against another one, written by others: npm `discord-digital-twin`.

discord.py needs a front before it, which fills in what it leaves out of answers; what it leaves out of
events is filled in by `twin/run.mjs`. It has no RESUME, DMs, limits, permissions or CDN: these are held to
discord.py and to the published types instead.
"""

from __future__ import annotations

import asyncio
import json
import re
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import discord
import pytest
from aiohttp import web
from discord import ui

from bots.discord.service import DiscordSettings
from mmrag.types import Source
from tests.bots.memory_engine import MemoryEngine
from tests.chat_servers.npm import needs
from tests.discord_server import DiscordServer
from tests.discord_server.bot import discord_with_the_app, running_bot
from tests.discord_server.client import Bot, running
from tests.discord_server.pointing import pointed

LARGE = re.compile(rb"(?<=[:\[ ])(\d{16,20})(?=[,\]}])")  # ids that JavaScript's numbers cannot hold
OTHER = Path(__file__).parent / "twin"
BOTH = pytest.mark.parametrize(
    "which", ["ours", pytest.param("twin", marks=needs(OTHER, "discord-digital-twin"))]
)


class Why(ui.Modal, title="Why?"):
    reason = ui.TextInput(label="Reason", custom_id="reason")

    def __init__(self, bot):
        super().__init__(custom_id="why")
        self._bot = bot

    async def on_submit(self, interaction):
        self._bot.taken.append(self.reason.value)
        await interaction.response.send_message("noted")


class Rating(ui.View):
    def __init__(self, bot):
        super().__init__(timeout=None)
        self._bot = bot

    @ui.button(label="Good", custom_id="good")
    async def good(self, interaction, _):
        self._bot.taken.append("good")
        await interaction.response.edit_message(content="thanks", view=self)

    @ui.button(label="Bad", custom_id="bad")
    async def bad(self, interaction, _):
        await interaction.response.send_modal(Why(self._bot))


class AnsweringBot(Bot):
    """Answers mentions and a command; both places have all that it needs."""

    def __init__(self):
        super().__init__()
        self.taken = []

        @self.tree.command(description="Ask a question")
        async def ask(interaction: discord.Interaction, question: str):
            await interaction.response.defer(thinking=True)
            await interaction.edit_original_response(content=f"{question}?")

    async def setup_hook(self):
        await self.tree.sync()

    async def on_message(self, message):
        if message.author != self.user and self.user in message.mentions:
            await message.reply("an answer", view=Rating(self))


@dataclass
class Place:
    """A Discord, whoever wrote it, with a bot in one channel, and a person who acts."""

    bot: AnsweringBot
    channel: int
    writes: Any  # content: the message's id
    uses: Any  # name, options
    clicks: Any  # message id, custom id
    submits: Any  # custom ids and values

    async def until(self, holds):
        """What `holds()` gives, once it gives something; the other Discord tells nobody of its changes."""
        async with asyncio.timeout(10):
            while not (found := await holds()):  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.02)
        return found

    async def said(self):
        """(by the bot, content) of the messages of the channel, oldest first."""
        channel = self.bot.get_channel(self.channel)
        found = [each async for each in channel.history(limit=50)]
        return [(each.author.id == self.bot.user.id, each.content, each.id) for each in reversed(found)]


@asynccontextmanager
async def ours():
    async with DiscordServer() as server, running(server, AnsweringBot()) as bot:
        ana, general = server.user("ana"), server.channel("general")

        async def writes(content):
            return (await ana.writes(general, content)).id

        async def uses(name, **options):
            await ana.uses(name, general, **options)

        async def clicks(message_id, custom_id):
            await ana.clicks(general.messages[message_id], custom_id)

        async def submits(_, **values):
            await server.until(lambda: ana.modal)
            await ana.submits(values)

        yield Place(bot, int(general.id), writes, uses, clicks, submits)


@asynccontextmanager
async def twin():
    async with started_twin() as (where, (url, _), act), _connected(url, where) as bot:
        yield Place(bot, int(where["channelId"]), *_acts(act))


@asynccontextmanager
async def started_twin():
    """(where everything is, the front and its address, `act`: what the person does)."""
    process = await asyncio.create_subprocess_exec(
        *("node", "run.mjs"), cwd=OTHER, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    try:
        where = json.loads(await process.stdout.readline())

        async def act(kind, **how):
            process.stdin.write(json.dumps({"act": kind, **how}).encode() + b"\n")
            return json.loads(await process.stdout.readline())

        async with front(where) as made:
            yield where, made, act
    finally:
        process.terminate()
        await process.wait()


def _acts(act):
    """What the person does, by lines that the process reads."""

    async def writes(content):
        return (await act("writes", content=content))["id"]

    async def uses(name, **options):
        given = [{"name": key, "type": 3, "value": value} for key, value in options.items()]
        await act("uses", name=name.removeprefix("/"), options=given)

    async def clicks(message_id, custom_id):
        await act("clicks", messageId=message_id, customId=custom_id)

    async def submits(modal, **values):
        async with asyncio.timeout(10):
            while not await act("modals"):  # noqa: ASYNC110 - the other tells nobody
                await asyncio.sleep(0.02)
        fields = [{"customId": key, "value": value} for key, value in values.items()]
        await act("submits", customId=modal, fields=fields)

    return writes, uses, clicks, submits


@asynccontextmanager
async def _connected(url, where):
    bot = AnsweringBot()
    with pointed(f"{url}/api/v10", where["gateway"]):
        started = asyncio.create_task(bot.start(where["token"]))
        try:
            async with asyncio.timeout(10):
                while not bot.is_ready() and not started.done():  # noqa: ASYNC110 - the other tells nobody
                    await asyncio.sleep(0.02)
            yield bot
        finally:
            await bot.close()
            await asyncio.gather(started, return_exceptions=True)


@asynccontextmanager
async def front(where):
    """What fills in what is expected of Discord's answers, behind its address: (address, front)."""
    filler = Front(where)
    application = web.Application()
    application.add_routes([web.route("*", "/{path:.*}", filler.fill)])
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    async with aiohttp.ClientSession() as filler.session:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}", filler
        await runner.cleanup()


class Front:
    """What the other Discord leaves out: the app's owner and commands, the gateway's address, what a callback
    became, and that a thread has the id of the message that it hangs on.
    """

    def __init__(self, where):
        self._base = where["rest"].rstrip("/").removesuffix("/api")
        self._gateway = where["gateway"]
        self._threads = {}  # ids there, by those of their messages
        self.session = None

    def place_of(self, channel):
        """A thread's id there."""
        return self._threads.get(channel, channel)

    async def fill(self, request):
        path = request.raw_path
        if path.endswith("/gateway"):
            return _json({"url": self._gateway})
        if path.endswith("/commands") and request.method == "GET":
            return _json([])
        for message, thread in self._threads.items():
            path = path.replace(f"/channels/{message}", f"/channels/{thread}")
        path = path.replace("/oauth2/applications/", "/applications/")
        kept = ("Authorization", "Content-Type")
        headers = {name: request.headers[name] for name in kept if name in request.headers}
        body = LARGE.sub(rb'"\1"', await request.read())
        address = self._base + path
        async with self.session.request(
            request.method, address, data=body or None, headers=headers
        ) as answer:
            text, status = await answer.read(), answer.status
        if "/callback" in path and status == 204:
            return _json(_callback(request, json.loads(body)))
        if not text:
            return web.Response(status=status)
        return _json(self._filled(path, json.loads(text)), status)

    def _filled(self, path, told):
        if path.endswith("/applications/@me"):
            owner = {"id": "1", "username": "owner", "discriminator": "0", "avatar": None}
            return {"owner": owner} | told
        if path.endswith("/threads"):
            message = path.split("/")[-2]
            self._threads[message] = told["id"]
            return told | {"id": message}
        return told


def _json(value, status=200):
    """discord.py takes an answer for JSON by this very word, with nothing behind it."""
    body = json.dumps(value).encode()
    return web.Response(body=body, status=status, headers={"Content-Type": "application/json"})


def _callback(request, body):
    """The body that `with_response` asks for."""
    interaction = request.path.split("/interactions/")[1].split("/")[0]
    told = {"id": interaction, "type": 2, "response_message_loading": body["type"] == 5}
    return {
        "interaction": told | {"response_message_ephemeral": False},
        "resource": {"type": body["type"]},
    }


def tell(story, which):
    async def told():
        async with {"ours": ours, "twin": twin}[which]() as place:
            await story(place)

    asyncio.run(told())


@BOTH
def test_messages_and_threads_tell_the_same_story(which):
    async def story(place):
        channel = place.bot.get_channel(place.channel)
        first = await channel.send("first")
        reply = await first.reply("second")
        assert reply.id > first.id
        assert reply.reference.message_id == first.id
        await reply.edit(content="changed")
        assert [content for _, content, _ in await place.said()] == ["first", "changed"]
        await first.add_reaction("👍")
        await first.remove_reaction("👍", place.bot.user)
        assert [each.emoji.name for each in await place.until(lambda: _reactions(place))] == ["👍", "👍"]
        thread = await first.create_thread(name="a thread")
        assert (thread.parent_id, thread.name) == (channel.id, "a thread")
        inside = await thread.send("inside")
        assert (await thread.fetch_message(inside.id)).content == "inside"
        await thread.edit(archived=True)
        assert (await place.bot.fetch_channel(thread.id)).archived
        await reply.delete()
        left = [content for by_bot, content, _ in await place.said() if by_bot]
        assert left == ["first"]

    tell(story, which)


@dataclass
class Home:
    """A Discord without a bot of ours yet."""

    api_url: str
    gateway_url: str
    token: str
    app: str
    guild: str
    writes: Any
    clicks: Any  # channel, message and custom id
    uses: Any

    async def said(self, channel):
        """The messages of a channel, newest first, as the API tells them; none where there is no channel."""
        headers = {"Authorization": f"Bot {self.token}"}
        async with (
            aiohttp.ClientSession(headers=headers) as session,
            session.get(f"{self.api_url}/channels/{channel}/messages") as answer,
        ):
            return await answer.json() if answer.status == 200 else []


@asynccontextmanager
async def our_home():
    async with discord_with_the_app() as server:
        ana = server.user("ana")

        async def writes(content):
            return (await ana.writes("general", content)).id

        async def clicks(channel, message, custom_id):
            await ana.clicks(server.channel(channel).messages[message], custom_id)

        async def uses(name, **options):
            await ana.uses(name, "general", **options)

        told = server.api_url, server.gateway.url, server.bot_token, server.bot, server.guild.id
        yield Home(*told, writes, clicks, uses)


@asynccontextmanager
async def twins_home():
    async with started_twin() as (where, (url, filler), act):
        writes, uses, *_ = _acts(act)

        async def clicks(channel, message, custom_id):
            there = filler.place_of(channel)
            await act("clicks", channelId=there, messageId=message, customId=custom_id)

        told = f"{url}/api/v10", where["gateway"], where["token"], where["bot"], where["guild"]
        yield Home(*told, writes, clicks, uses)


@BOTH
def test_the_real_bot_answers_in_a_thread_and_takes_a_click_and_a_command(which, tmp_path):
    async def story():
        async with {"ours": our_home, "twin": twins_home}[which]() as home:
            engine = MemoryEngine()
            leave = Source("leave.md", b"Everybody has 28 days of leave.", "https://wiki.example/leave")
            engine.add(leave, collection=f"discord-{home.guild}")
            settings = DiscordSettings(folder=tmp_path, token=home.token, api_url=home.api_url)
            async with running_bot(settings, engine, home.api_url, home.gateway_url):
                asked = await home.writes(f"<@{home.app}> How many days of leave?")
                async with asyncio.timeout(20):
                    while not (answer := whole(await home.said(asked))):  # noqa: ASYNC110 - the other tells nobody
                        await asyncio.sleep(0.05)
                    thumb = answer["components"][0]["components"][0]["custom_id"]
                    await home.clicks(asked, answer["id"], thumb)
                    await home.uses("/ask", question="And leave for trainees?")
                    while not (engine.ratings and len(engine.questions) == 2):  # noqa: ASYNC110 - as above
                        await asyncio.sleep(0.05)
        assert answer["content"].startswith("Everybody has 28 days of leave.")
        assert "https://wiki.example/leave" in str(answer["embeds"])
        assert [each.verdict for each in engine.ratings] == ["up"]

    asyncio.run(story())


def whole(messages):
    """The answer among them, once there is nothing to come."""
    return next((each for each in messages if each["embeds"]), None)


@BOTH
def test_what_is_not_there_is_refused_alike(which):
    async def story(place):
        channel = place.bot.get_channel(place.channel)
        refusals = []
        for request in (channel.fetch_message(1), place.bot.fetch_channel(1)):
            with pytest.raises(discord.NotFound) as refused:
                await request
            refusals.append(refused.value.code)
        assert refusals == [10008, 10003]

    tell(story, which)


@BOTH
def test_a_mention_a_command_buttons_and_a_modal_are_answered(which):
    async def story(place):
        await place.writes(f"<@{place.bot.user.id}> why?")
        answer = await place.until(lambda: _answer(place, "an answer"))
        await place.clicks(str(answer), "good")
        await place.until(lambda: _answer(place, "thanks"))
        await place.clicks(str(answer), "bad")
        await place.submits("why", reason="too old")
        await place.until(lambda: _answer(place, "noted"))
        assert place.bot.taken == ["good", "too old"]
        await place.uses("/ask", question="why")
        await place.until(lambda: _answer(place, "why?"))

    tell(story, which)


async def _reactions(place):
    """The two events of a reaction, once they have come."""
    told = [what for event, what in place.bot.heard if event.startswith("raw_reaction")]
    return told if len(told) == 2 else None


async def _answer(place, content):
    """The id of the bot's message that says this."""
    return next((each for by_bot, said, each in await place.said() if by_bot and said == content), None)
