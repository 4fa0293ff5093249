"""The same tests against our Slack and against another one, written by others: npm `emulate`.

Its methods read POST bodies only, so a front folds what the SDK sends by query into one. It has no Socket
Mode, commands, interactions or streams: these are held to Slack's published types instead.
"""

from __future__ import annotations

import asyncio
import json
import os
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import aiohttp
import pytest
from aiohttp import web
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from bots.slack.service import SlackSettings, serve
from mmrag.types import Source
from tests.bots.memory_engine import MemoryEngine
from tests.chat_servers.bot import running
from tests.chat_servers.npm import needs
from tests.machine import free_port
from tests.slack_server import SlackServer
from tests.slack_server.world import BOT_SCOPES

OTHER = Path(__file__).parent / "emulate"
BOTH = pytest.mark.parametrize("which", ["ours", pytest.param("emulate", marks=needs(OTHER, "emulate"))])


@dataclass
class Place:
    """A Slack, whoever wrote it, with the bot in one channel; its events go to `events_port`."""

    client: AsyncWebClient
    channel: str
    person: str
    events_port: int
    secret: str
    ask: Any  # a person mentions the bot: the message's ts


@asynccontextmanager
async def ours():
    async with SlackServer() as slack:
        client = AsyncWebClient(slack.bot_token, base_url=slack.api_url)
        port = free_port()
        slack.courier.url = f"http://127.0.0.1:{port}/slack/events"
        slack.courier.retries = (0.1,) * 20
        ana = slack.user("ana")

        async def ask(text):
            return (await ana.mentions_bot("general", text)).ts

        secret = slack.world.app.signing_secret
        yield Place(client, slack.channel("general").id, ana.id, port, secret, ask)


@asynccontextmanager
async def emulate():
    port, events_port = free_port(), free_port()
    events = f"http://127.0.0.1:{events_port}/slack/events"
    process = await asyncio.create_subprocess_exec(
        *("node", "run.mjs"),
        cwd=OTHER,
        env=os.environ | {"PORT": str(port), "EVENTS": events, "SCOPES": ",".join(sorted(BOT_SCOPES))},
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert (await process.stdout.readline()).startswith(b"up")
        async with front(f"http://127.0.0.1:{port}") as url:
            client = AsyncWebClient("xoxb-bot", base_url=f"{url}/api/")
            channels = (await client.conversations_list())["channels"]
            (channel,) = [each["id"] for each in channels if each["name"] == "general"]
            people = (await client.users_list())["members"]
            (ana,) = [each["id"] for each in people if each["name"] == "ana"]
            await client.conversations_join(channel=channel)
            human = AsyncWebClient("xoxp-ana", base_url=f"{url}/api/")

            async def ask(text):
                said = await human.chat_postMessage(channel=channel, text=f"<@U0MMRAG000> {text}")
                return said["ts"]

            yield Place(client, channel, ana, events_port, "secret", ask)
    finally:
        process.terminate()
        await process.wait()


@asynccontextmanager
async def front(upstream):
    """What the SDK sends by query or form, as one body; the address of this front."""

    async def fold(request):
        headers = {"Authorization": request.headers.get("Authorization", "")}
        if request.content_type == "application/json" and request.can_read_body:
            data = json.dumps(dict(request.query) | await request.json())
            headers["Content-Type"] = "application/json"
        else:
            data = urlencode(dict(request.query) | dict(await request.post()))
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        async with session.post(upstream + request.path, data=data, headers=headers) as answer:
            if answer.status == 404:  # what Slack says of a method that it has not
                return web.json_response({"ok": False, "error": "unknown_method"})
            kind = answer.headers["Content-Type"].partition(";")[0]
            return web.Response(body=await answer.read(), status=answer.status, content_type=kind)

    application = web.Application()
    application.add_routes([web.route("*", "/{path:.*}", fold)])
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    async with aiohttp.ClientSession() as session:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
        await runner.cleanup()


def tell(story, which):
    async def told():
        async with {"ours": ours, "emulate": emulate}[which]() as place:
            await story(place)

    asyncio.run(told())


async def error_of(call):
    with pytest.raises(SlackApiError) as refused:
        await call
    return refused.value.response["error"]


@BOTH
def test_the_web_api_tells_the_same_story(which):
    async def story(place):
        client, channel = place.client, place.channel
        known = await client.auth_test()
        assert {"user_id", "team_id", "bot_id", "url", "team", "user"} <= known.data.keys()

        # A thread: posted, answered, changed, read back in order.
        first = await client.chat_postMessage(channel=channel, text="first")
        assert (first["channel"], first["message"]["text"]) == (channel, "first")
        ts = first["ts"]
        reply = (await client.chat_postMessage(channel=channel, text="second", thread_ts=ts))["ts"]
        assert float(reply) > float(ts)
        await client.chat_update(channel=channel, ts=reply, text="changed")
        thread = (await client.conversations_replies(channel=channel, ts=ts))["messages"]
        assert [each["text"] for each in thread] == ["first", "changed"]
        assert thread[1]["thread_ts"] == ts
        history = (await client.conversations_history(channel=channel))["messages"]
        assert "changed" not in [each["text"] for each in history]

        # Reactions.
        await client.reactions_add(channel=channel, timestamp=ts, name="eyes")
        again = client.reactions_add(channel=channel, timestamp=ts, name="eyes")
        assert await error_of(again) == "already_reacted"
        (reaction,) = (await client.reactions_get(channel=channel, timestamp=ts))["message"]["reactions"]
        assert (reaction["name"], reaction["count"]) == ("eyes", 1)
        await client.reactions_remove(channel=channel, timestamp=ts, name="eyes")
        gone = client.reactions_remove(channel=channel, timestamp=ts, name="eyes")
        assert await error_of(gone) == "no_reaction"

        # Who and where.
        assert (await client.users_info(user=place.person))["user"]["name"] == "ana"
        assert (await client.conversations_info(channel=channel))["channel"]["name"] == "general"
        direct = (await client.conversations_open(users=[place.person]))["channel"]["id"]
        assert direct == (await client.conversations_open(users=[place.person]))["channel"]["id"]
        await client.chat_delete(channel=channel, ts=reply)
        left = (await client.conversations_replies(channel=channel, ts=ts))["messages"]
        assert [each["text"] for each in left] == ["first"]

    tell(story, which)


@BOTH
def test_the_web_api_refuses_alike(which):
    async def story(place):
        client, channel = place.client, place.channel
        nowhere = client.chat_postMessage(channel="C404", text="hi")
        assert await error_of(nowhere) == "channel_not_found"
        assert await error_of(client.api_call("chat.postMessage", json={"channel": channel})) == "no_text"
        assert await error_of(client.users_info(user="U404")) == "user_not_found"
        never = client.chat_update(channel=channel, ts="1.000000", text="hi")
        assert await error_of(never) == "message_not_found"

    tell(story, which)


@BOTH
def test_the_bot_answers_in_the_thread(which, tmp_path):
    async def story(place):
        engine = MemoryEngine()
        team = (await place.client.auth_test())["team_id"]
        leave = Source("leave.md", b"Everybody has 28 days of leave.", "https://wiki.example/leave")
        engine.add(leave, collection=f"slack-{team}")
        settings = SlackSettings(
            folder=tmp_path,
            bot_token=place.client.token,
            signing_secret=place.secret,
            transport="http",
            port=place.events_port,
            api_url=place.client.base_url,
        )
        async with running(serve, settings, engine):
            asked = await place.ask("How many days of leave?")
            async with asyncio.timeout(20):
                while not whole(thread := await _thread(place, asked)):  # noqa: ASYNC110 - the other tells nobody
                    await asyncio.sleep(0.05)
        assert thread[1]["text"].startswith("Everybody has 28 days of leave.")
        assert "https://wiki.example/leave" in str(thread[1]["blocks"])

    tell(story, which)


async def _thread(place, ts):
    return (await place.client.conversations_replies(channel=place.channel, ts=ts))["messages"]


def whole(thread):
    """Whether the answer is there, and nothing of it to come."""
    return len(thread) > 1 and thread[1].get("streaming_state", "completed") == "completed"
