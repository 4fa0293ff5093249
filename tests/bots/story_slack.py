"""Slack for the story: messages, files, views, permalinks, `response_url`, both transports."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlencode

import aiohttp
from aiohttp import web

from bots.conversation import Rules
from bots.slack.service import SlackSettings, serve
from tests.trust.slack_bot import free_port
from tests.trust.small_slack import SECRET, TEAM, TOKEN, SmallSlack, callback, signed


class StorySlack(SmallSlack):
    """The workspace. `admins` are its admins; `channels` overrides what is said of a channel."""

    def __init__(self):
        super().__init__()
        self.admins = {"UADMIN"}
        self.channels = {"D1": {"id": "D1", "is_im": True, "user": "U1"}}
        self.views, self.homes, self.responses, self.downloads, self.uploads = [], [], [], [], {}
        self.files = {}
        self.socket = None
        self.acknowledged = {}
        self.base = None
        self._connected = asyncio.Event()

    def users_info(self, given):
        described = super().users_info(given)
        described["user"]["is_admin"] = given["user"] in self.admins
        return described

    def conversations_info(self, given):
        return {
            "channel": self.channels.get(given["channel"]) or super().conversations_info(given)["channel"]
        }

    def conversations_open(self, given):
        del given
        return {"channel": {"id": "D1"}}

    def chat_getPermalink(self, given):  # noqa: N802 - Slack's name
        return {"permalink": f"https://acme.slack.com/archives/{given['channel']}/p{given['message_ts']}"}

    def views_open(self, given):
        self.views.append(given["view"])
        return {"view": given["view"]}

    def views_publish(self, given):
        self.homes.append(given["view"])
        return {"view": given["view"]}

    def files_getUploadURLExternal(self, given):  # noqa: N802 - Slack's name
        return {"upload_url": f"{self.base}/upload/F{given['filename']}", "file_id": f"F{given['filename']}"}

    def files_completeUploadExternal(self, given):  # noqa: N802 - Slack's name
        return {"files": given["files"]}

    def apps_connections_open(self, given):
        del given
        return {"url": self.base.replace("http", "ws") + "/socket"}

    # ----------------------------------------------------------------- what people do

    def file(self, name, data, mimetype):
        """A file that somebody has uploaded, as messages describe it."""
        self.files[name] = data, mimetype
        url = f"{self.base}/files/{name}"
        about = {"id": f"F-{name}", "name": name, "mimetype": mimetype, "size": len(data)}
        return about | {"url_private_download": url, "permalink": f"https://acme.slack.com/files/{name}"}

    def say(self, text, *, user="U1", channel="C1", thread=None, files=()):
        """A message, and its event."""
        ts = self.ts()
        message = {"type": "message", "user": user, "text": text, "ts": ts, "channel": channel}
        message |= ({"thread_ts": thread} if thread else {}) | (
            {"files": list(files), "subtype": "file_share"} if files else {}
        )
        self.messages[ts] = message | {"thread_ts": thread or ts}
        kind = "im" if channel.startswith("D") else "channel"
        return message | {"event_ts": ts, "channel_type": kind}

    # ------------------------------------------------------------------------- sockets

    @asynccontextmanager
    async def served(self):
        application = web.Application()
        application.router.add_route("*", "/api/{method}", self._on_call)
        application.router.add_get("/files/{name}", self._on_file)
        application.router.add_post("/upload/{name}", self._on_upload)
        application.router.add_post("/respond", self._on_response)
        application.router.add_get("/socket", self._on_socket)
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.base = f"http://127.0.0.1:{runner.addresses[0][1]}"
        try:
            yield f"{self.base}/api/"
        finally:
            await runner.cleanup()

    async def _on_file(self, request):
        self.downloads.append(request.headers.get("Authorization"))
        data, mimetype = self.files[request.match_info["name"]]
        if data is None:
            return web.Response(text="<html>Sign in to Slack</html>", content_type="text/html")
        return web.Response(body=data, content_type=mimetype)

    async def _on_upload(self, request):
        self.uploads[request.match_info["name"]] = await request.read()
        return web.Response(text="OK")

    async def _on_response(self, request):
        self.responses.append(await request.json())
        return web.Response(text="ok")

    async def _on_socket(self, request):
        self.socket = web.WebSocketResponse()
        await self.socket.prepare(request)
        await self.socket.send_json({"type": "hello", "num_connections": 1})
        self._connected.set()
        async for message in self.socket:
            if message.type is aiohttp.WSMsgType.TEXT and "envelope_id" in message.data:
                given = json.loads(message.data)
                self.acknowledged[given["envelope_id"]].set_result(given.get("payload"))
        return self.socket

    async def envelope(self, kind, payload):
        """Send by Socket Mode; what the app acknowledged it with."""
        await asyncio.wait_for(self._connected.wait(), 30)
        name = f"envelope {len(self.acknowledged)}"
        self.acknowledged[name] = asyncio.get_running_loop().create_future()
        await self.socket.send_json(
            {
                "type": kind,
                "envelope_id": name,
                "payload": payload,
                "accepts_response_payload": kind != "events_api",
            }
        )
        return await asyncio.wait_for(self.acknowledged[name], 30)


class Workspace:
    """People in front of Slack, with the bot behind it."""

    def __init__(self, slack, session, url):
        self.slack = slack
        self._session = session
        self._url = url  # None: Socket Mode
        self._numbers = iter(range(10**6))

    async def event(self, event):
        body = callback(event, f"Ev{next(self._numbers)}")
        if self._url is None:
            return await self.slack.envelope("events_api", body)
        return await self._post(json.dumps(body).encode(), "application/json")

    async def command(self, name, text, *, user="U1", channel="C1"):
        body = {"command": f"/{name}", "text": text, "team_id": TEAM, "user_id": user, "channel_id": channel}
        body |= {"trigger_id": f"t{next(self._numbers)}", "response_url": f"{self.slack.base}/respond"}
        if self._url is None:
            return await self.slack.envelope("slash_commands", body)
        return await self._post(urlencode(body).encode(), "application/x-www-form-urlencoded")

    async def interact(self, kind, *, user="U1", **more):
        body = {
            "type": kind,
            "team": {"id": TEAM},
            "user": {"id": user, "team_id": TEAM},
            "channel": {"id": "C1"},
        }
        body |= {"trigger_id": f"t{next(self._numbers)}", "response_url": f"{self.slack.base}/respond"} | more
        if self._url is None:
            return await self.slack.envelope("interactive", body)
        return await self._post(
            urlencode({"payload": json.dumps(body)}).encode(), "application/x-www-form-urlencoded"
        )

    async def click(self, message, action, *, user="U1"):
        """Press the button of this name under a message."""
        (value,) = _values(message["blocks"], action)
        pressed = {"action_id": action, "value": value, "action_ts": f"{time.time():.6f}", "type": "button"}
        about = {"ts": message["ts"], "thread_ts": message.get("thread_ts")}
        await self.interact("block_actions", user=user, actions=[pressed], message=about, container={})

    async def submit(self, view, values, *, user="U1"):
        state = {name: {name: given} for name, given in values.items()}
        data = {"id": f"V{next(self._numbers)}", "type": "modal", "state": {"values": state}}
        data |= {key: view[key] for key in ("callback_id", "private_metadata")}
        return await self.interact("view_submission", user=user, view=data)

    async def replies(self, thread, number):
        """The bot's messages of a thread, once there are so many and none is being streamed."""

        def there():
            found = self.slack.replies(thread)
            return found if len(found) >= number and all(m["state"] == "whole" for m in found) else None

        return await self.until(there)

    async def until(self, holds, *, seconds=15):
        end = time.monotonic() + seconds
        while not (found := holds()):
            assert time.monotonic() < end, "it did not happen"
            await asyncio.sleep(0.01)
        return found

    async def _post(self, data, content_type):
        headers = signed(data) | {"Content-Type": content_type}
        async with self._session.post(self._url, data=data, headers=headers) as response:
            assert response.status == 200, await response.text()
            text = await response.text()
            return json.loads(text) if text.startswith("{") else None


def _values(value, action):
    """The value of each element of this action; of feedback buttons the negative one."""
    if isinstance(value, dict):
        if value.get("action_id") == action:
            yield value.get("value") or value["negative_button"]["value"]
        else:
            for inner in value.values():
                yield from _values(inner, action)
    elif isinstance(value, list):
        for inner in value:
            yield from _values(inner, action)


@asynccontextmanager
async def workspace(engine, folder, transport, **settings):
    """A workspace with the bot running on this engine."""
    slack = StorySlack()
    async with slack.served() as api_url, aiohttp.ClientSession() as session:
        chosen = SlackSettings(
            folder=folder,
            bot_token=TOKEN,
            app_token="xapp-1" if transport == "socket" else "",
            signing_secret=SECRET,
            transport=transport,
            port=free_port(),
            api_url=api_url,
            **({"rules": Rules(approvals=2)} | settings),
        )
        ready = asyncio.Event()
        running = asyncio.create_task(serve(chosen, engine, ready=ready))
        try:
            waiting = asyncio.create_task(ready.wait())
            await asyncio.wait([running, waiting], return_when=asyncio.FIRST_COMPLETED)
            if running.done():
                running.result()
            url = None if transport == "socket" else f"http://127.0.0.1:{chosen.port}/slack/events"
            yield Workspace(slack, session, url)
        finally:
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running
