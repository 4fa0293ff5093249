"""As much of Slack as trials by the thousand need: messages and streams of one workspace, faults on demand.

It keeps what was carried out apart from what the caller was told, which is what the trials are about. The
whole of Slack, with its rules and refusals, stands in `tests/slack_server`.
"""

from __future__ import annotations

import hashlib
import hmac
import itertools
import json
import time
from contextlib import asynccontextmanager

from aiohttp import web

SECRET = "not-a-secret"  # noqa: S105 - signs requests to a bot in a test
TOKEN = "xoxb-canary-000-token"  # noqa: S105 - looked for in logs
BOT, TEAM = "UBOT", "T1"
CARRIED_OUT_FIRST = ("cut", "hang up")


class SmallSlack:
    """`fault(method)` names what goes wrong with a call: None, cut, hang up, 503, 500, 429 or refuse."""

    def __init__(self, fault=lambda _: None):
        self.fault = fault
        self.messages = {}  # ts -> message
        self.whispers = []  # (time, text)
        self.calls = {}
        self.broken = {}
        self._numbers = itertools.count(1)
        self._begun = int(time.time())

    def ts(self):
        return f"{self._begun}.{next(self._numbers):06}"

    def ask(self, text, *, thread=None, channel="C1", user="U1"):
        """The event of a mention, as the API tells it, and its message."""
        ts = self.ts()
        message = {
            "ts": ts,
            "user": user,
            "text": f"<@{BOT}> {text}",
            "thread_ts": thread or ts,
            "channel": channel,
        }
        self.messages[ts] = message
        event = {
            "type": "app_mention",
            "user": user,
            "text": message["text"],
            "channel": channel,
            "ts": ts,
            "event_ts": ts,
        }
        return event | ({"thread_ts": thread} if thread else {})

    def replies(self, thread):
        """What the bot has in a thread."""
        return [m for m in self.messages.values() if m["user"] == BOT and m.get("thread_ts") == thread]

    # ------------------------------------------------------------------- methods

    def auth_test(self, given):
        del given
        return {"user_id": BOT, "bot_id": "B1", "team_id": TEAM}

    def users_info(self, given):
        name = given["user"]
        return {"user": {"id": name, "team_id": TEAM, "real_name": name, "profile": {"display_name": name}}}

    def conversations_info(self, given):
        return {"channel": {"id": given["channel"], "is_channel": True, "is_private": False}}

    def conversations_replies(self, given):
        found = [m for m in self.messages.values() if given["ts"] in (m["ts"], m.get("thread_ts"))]
        return {"messages": found, "has_more": False}

    def conversations_history(self, given):
        return {"messages": [m for m in self.messages.values() if m["channel"] == given["channel"]]}

    def assistant_threads_setStatus(self, given):  # noqa: N802 - Slack's name
        del given
        return {}

    def chat_postMessage(self, given):  # noqa: N802 - Slack's name
        ts = self.ts()
        kept = {key: given.get(key) for key in ("channel", "text", "blocks", "metadata", "thread_ts")}
        self.messages[ts] = kept | {"ts": ts, "user": BOT, "state": "whole"}
        return {"ts": ts, "channel": given["channel"]}

    def chat_startStream(self, given):  # noqa: N802 - Slack's name
        ts = self.ts()
        text = given.get("markdown_text", "")
        where = {"channel": given["channel"], "thread_ts": given["thread_ts"]}
        self.messages[ts] = where | {"ts": ts, "user": BOT, "text": text, "state": "streaming"}
        return {"ts": ts}

    def chat_appendStream(self, given):  # noqa: N802 - Slack's name
        self._streaming(given)["text"] += given["markdown_text"]
        return {}

    def chat_stopStream(self, given):  # noqa: N802 - Slack's name
        message = self._streaming(given)
        message["text"] += given.get("markdown_text", "")
        message |= {"state": "whole", "blocks": given.get("blocks"), "metadata": given.get("metadata")}
        self.messages[message["ts"]] = message
        return {}

    def chat_update(self, given):
        message = self.messages[given["ts"]]
        message |= {key: given.get(key) for key in ("text", "blocks", "metadata")} | {
            "state": "whole",
            "edited": True,
        }
        self.messages[given["ts"]] = message
        return {}

    def chat_postEphemeral(self, given):  # noqa: N802 - Slack's name
        self.whispers.append((time.monotonic(), given["text"], given["user"]))
        return {}

    def _streaming(self, given):
        message = self.messages[given["ts"]]
        if message["state"] != "streaming":
            raise KeyError("message_not_in_streaming_state")
        return message

    # ---------------------------------------------------------------------- HTTP

    async def _on_call(self, request):
        method = request.match_info["method"]
        self.calls[method] = self.calls.get(method, 0) + 1
        given = dict(request.query)
        if request.can_read_body:
            given |= (
                await request.json()
                if request.content_type == "application/json"
                else dict(await request.post())
            )
        fault = self.fault(method)
        if fault is not None:
            self.broken[fault] = self.broken.get(fault, 0) + 1
        if fault is not None and fault not in CARRIED_OUT_FIRST:
            return self._refusal(request, fault)
        answer = self._carried_out(method, given)
        return await self._cut(request, answer, fault) if fault else web.json_response(answer)

    def _carried_out(self, method, given):
        try:
            return {"ok": True} | getattr(self, method.replace(".", "_"))(given)
        except AttributeError:
            return {"ok": False, "error": "unknown_method"}
        except KeyError as error:
            return {"ok": False, "error": str(error.args[0])}

    def _refusal(self, request, fault):
        if fault == "429":
            return web.json_response(
                {"ok": False, "error": "ratelimited"}, status=429, headers={"Retry-After": "0"}
            )
        if fault == "reset":
            request.transport.abort()
            return web.Response(status=503)
        return web.Response(
            status=int(fault), text="<html>upstream connect error</html>", content_type="text/html"
        )

    async def _cut(self, request, answer, fault):
        """The connection ends in the middle of the answer, or before it."""
        if fault == "cut":
            body = json.dumps(answer).encode()
            response = web.StreamResponse(
                headers={"Content-Length": str(len(body)), "Content-Type": "application/json"}
            )
            await response.prepare(request)
            await response.write(body[: len(body) // 2])
        request.transport.abort()
        return web.Response()

    @asynccontextmanager
    async def served(self):
        """Its address, as long as it is served."""
        application = web.Application()
        application.router.add_route("*", "/api/{method}", self._on_call)
        runner = web.AppRunner(application, access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        try:
            yield f"http://127.0.0.1:{runner.addresses[0][1]}/api/"
        finally:
            await runner.cleanup()


def signed(body, *, secret=SECRET, at=None):
    """The headers of a request by Slack."""
    timestamp = str(int(time.time() if at is None else at))
    signature = hmac.new(
        secret.encode(), b"v0:" + timestamp.encode() + b":" + body, hashlib.sha256
    ).hexdigest()
    return {
        "X-Slack-Request-Timestamp": timestamp,
        "X-Slack-Signature": f"v0={signature}",
        "Content-Type": "application/json",
    }


def callback(event, event_id, **more):
    """An event as the body of a request."""
    authorization = {"team_id": TEAM, "user_id": BOT, "is_bot": True}
    return {
        "type": "event_callback",
        "team_id": TEAM,
        "event_id": event_id,
        "authorizations": [authorization],
        "event": event,
    } | more


async def deliver(session, url, body, *, retry=0):
    """Send a request as Slack does; its status, or None where the connection broke."""
    data = json.dumps(body | {"delivery": time.time_ns()}).encode()  # each delivery is signed anew
    headers = signed(data) | (
        {"X-Slack-Retry-Num": str(retry), "X-Slack-Retry-Reason": "http_timeout"} if retry else {}
    )
    try:
        async with session.post(url, data=data, headers=headers) as response:
            return response.status
    except (TimeoutError, OSError, Exception):  # noqa: BLE001 - whatever breaks, Slack sends it again
        return None
