"""What Slack sends to the app: events, commands and clicks, by Socket Mode or signed HTTP, until acked.

A `Delivery` is sent again when nobody has acknowledged it in time; commands and clicks never are, their
person is told instead. `Courier` holds what a test can switch: copies, other ids, order, time to answer.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import secrets
import time
from dataclasses import dataclass, field
from urllib.parse import urlencode

import aiohttp
from aiohttp import web

SOCKETS = 10  # connections at a time, Slack's bound
TICKET_SECONDS = 30.0


@dataclass
class Attempt:
    at: float
    outcome: str = ""  # acked, timeout, closed, http_error, connection_failed
    seconds: float = 0.0  # until it was known


@dataclass
class Delivery:
    """`kind` is events_api, slash_commands or interactive; `answer` what came back with the ack."""

    kind: str
    payload: dict
    accepts_answer: bool
    attempts: list[Attempt] = field(default_factory=list)
    answer: dict | None = None
    done: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def acked(self):
        return any(attempt.outcome == "acked" for attempt in self.attempts)


class Courier:
    """Brings deliveries to the app. `retries` are the seconds before each further attempt of an event."""

    def __init__(self, server):
        self.server = server
        self.ack_seconds = 3.0
        self.retries = (0.0, 60.0, 300.0)
        self.copies = lambda _payload: 1
        self.fresh_ids = False  # copies carry other event ids, as has been seen
        self.url = None  # where the app listens; None for Socket Mode
        self.log = []  # every delivery
        self._held = None
        self._tasks = set()
        self._session = None

    async def close(self):
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._session is not None:
            await self._session.close()

    # ------------------------------------------------------------ what is sent

    def send_event(self, payload):
        """An event of the Events API; its copies, too. Returns the deliveries."""
        deliveries = []
        for copy in range(self.copies(payload)):
            own = (
                payload | {"event_id": self.server.world.new_id("Ev")} if copy and self.fresh_ids else payload
            )
            deliveries.append(Delivery("events_api", own, accepts_answer=False))
        for delivery in deliveries:
            self._begin(delivery)
        return deliveries

    def send(self, kind, payload):
        """A command or an interaction."""
        delivery = Delivery(kind, payload, accepts_answer=True)
        self._begin(delivery)
        return delivery

    def hold(self):
        """Keep events back until `release`."""
        self._held = []

    def release(self, order=None):
        """Send what was kept back; `order` rearranges the list in place (random.shuffle)."""
        held, self._held = self._held, None
        if order is not None:
            order(held)
        for delivery in held:
            self._begin(delivery)
        return held

    def _begin(self, delivery):
        if self._held is not None and delivery.kind == "events_api":
            self._held.append(delivery)
            return
        self.log.append(delivery)
        task = asyncio.get_running_loop().create_task(self._bring(delivery))
        self._tasks.add(task)
        task.add_done_callback(lambda task: self._ended(task, delivery))

    def _ended(self, task, delivery):
        """A fault of this server must not look like one of the app's."""
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self.server.fault = task.exception()
        delivery.done.set()
        self.server.touch()

    async def _bring(self, delivery):
        waits = (0.0, *self.retries) if delivery.kind == "events_api" else (0.0,)
        reason = ""
        for number, wait in enumerate(waits):
            if wait:
                await asyncio.sleep(wait)
            attempt = Attempt(self.server.clock.now())
            begun = time.perf_counter()
            delivery.attempts.append(attempt)
            bring = self._by_http if self.url else self.server.socket_mode.bring
            attempt.outcome, again = await bring(delivery, number, reason)
            attempt.seconds = time.perf_counter() - begun
            self.server.touch()
            if attempt.outcome == "acked" or not again:
                break
            reason = attempt.outcome

    # -------------------------------------------------------------------- HTTP

    async def _by_http(self, delivery, number, reason):
        body, kind = http_body(delivery)
        headers = self.signed(body, content_type=kind)
        if number:
            headers |= {"X-Slack-Retry-Num": str(number), "X-Slack-Retry-Reason": reason}
        try:
            status, answered, text = await self.post(body, headers)
        except TimeoutError:
            return "http_timeout", True
        except (aiohttp.ClientError, OSError):
            return "connection_failed", True
        if status != 200:
            return "http_error", answered.get("X-Slack-No-Retry") != "1"
        delivery.answer = _json_or_text(text)
        return "acked", False

    async def post(self, body, headers):
        """(status, headers, text) of what the app answers to this request, whoever signed it."""
        if self._session is None:
            self._session = aiohttp.ClientSession()
        timeout = aiohttp.ClientTimeout(total=self.ack_seconds)
        async with self._session.post(self.url, data=body, headers=headers, timeout=timeout) as response:
            return response.status, response.headers, await response.text()

    def signed(self, body, *, content_type="application/json", timestamp=None):
        """The headers of a request, signed with the app's secret as of now."""
        timestamp = str(int(self.server.clock.now() if timestamp is None else timestamp))
        base = b"v0:" + timestamp.encode() + b":" + body
        secret = self.server.world.app.signing_secret.encode()
        return {
            "Content-Type": content_type,
            "User-Agent": "Slackbot 1.0 (+https://api.slack.com/robots)",
            "X-Slack-Request-Timestamp": timestamp,
            "X-Slack-Signature": "v0=" + hmac.new(secret, base, hashlib.sha256).hexdigest(),
        }

    async def verify_url(self):
        """Slack's question when an address is entered: whether the app gives the challenge back."""
        challenge = secrets.token_hex(16)
        token = self.server.world.app.verification_token
        body = json.dumps({"type": "url_verification", "token": token, "challenge": challenge}).encode()
        status, _, text = await self.post(body, self.signed(body))
        answer = _json_or_text(text)
        return status == 200 and challenge in (text, (answer or {}).get("challenge"))


def http_body(delivery):
    """(bytes, content type) of a delivery, as each kind is posted."""
    if delivery.kind == "events_api":
        return json.dumps(delivery.payload).encode(), "application/json"
    fields = delivery.payload
    if delivery.kind == "interactive":
        fields = {"payload": json.dumps(delivery.payload)}
    return urlencode(fields).encode(), "application/x-www-form-urlencoded"


def _json_or_text(text):
    if not text.strip():
        return None
    try:
        given = json.loads(text)
    except ValueError:
        return {"text": text}
    return given if isinstance(given, dict) else {"text": text}


class SocketMode:
    """The connections of apps.connections.open. Each envelope goes to one of them, at random."""

    def __init__(self, server, random):
        self.server = server
        self.enabled = True
        self.connections = []  # open web sockets
        self.opened = 0  # ever
        self._random = random
        self._tickets = {}
        self._waiting = {}  # envelope id: (connection, future of its ack)

    def new_address(self):
        """A ws:// address that lets one connection in, for half a minute."""
        ticket = secrets.token_urlsafe(16)
        self._tickets[ticket] = self.server.clock.now() + TICKET_SECONDS
        host = self.server.base.removeprefix("http")
        return f"ws{host}/link/?ticket={ticket}&app_id={self.server.world.app.id}"

    async def connect(self, request):
        """The handler of such an address."""
        until = self._tickets.pop(request.query.get("ticket"), 0.0)
        if self.server.clock.now() > until or not self.enabled:
            raise web.HTTPUnauthorized
        socket = web.WebSocketResponse(heartbeat=30)
        await socket.prepare(request)
        if len(self.connections) >= SOCKETS:
            await socket.send_json(self._goodbye("too_many_websockets"))
            await socket.close()
            return socket
        self.connections.append(socket)
        self.opened += 1
        await socket.send_json(self._hello())
        self.server.touch()
        try:
            async for message in socket:
                if message.type == aiohttp.WSMsgType.TEXT:
                    self._take(message.data)
        finally:
            if socket in self.connections:
                self.connections.remove(socket)
            self._lose(socket)
            self.server.touch()
        return socket

    def _hello(self):
        return {
            "type": "hello",
            "num_connections": len(self.connections),
            "debug_info": {"host": "applink-1", "build_number": 100, "approximate_connection_time": 18060},
            "connection_info": {"app_id": self.server.world.app.id},
        }

    def _goodbye(self, reason):
        return {"type": "disconnect", "reason": reason, "debug_info": {"host": "applink-1"}}

    def _take(self, text):
        """An ack, or something that is none: Slack ignores that."""
        try:
            given = json.loads(text)
        except ValueError:
            return
        _, waiting = self._waiting.get(
            given.get("envelope_id") if isinstance(given, dict) else None, (None, None)
        )
        if waiting is not None and not waiting.done():
            waiting.set_result(given.get("payload"))

    def _lose(self, socket):
        for connection, waiting in self._waiting.values():
            if connection is socket and not waiting.done():
                waiting.set_exception(ConnectionResetError())

    async def bring(self, delivery, number, reason):
        """Send it to one connection and wait for the ack: (outcome, whether to try again)."""
        socket = await self._any_connection()
        if socket is None:
            return "connection_failed", True
        envelope = {
            "envelope_id": secrets.token_hex(16),
            "payload": delivery.payload,
            "type": delivery.kind,
            "accepts_response_payload": delivery.accepts_answer,
        }
        if delivery.kind == "events_api":
            envelope |= {"retry_attempt": number, "retry_reason": reason}
        waiting = asyncio.get_running_loop().create_future()
        self._waiting[envelope["envelope_id"]] = (socket, waiting)
        self.server.record("envelope", envelope)
        try:
            await socket.send_json(envelope)
            async with asyncio.timeout(self.server.courier.ack_seconds):
                delivery.answer = await waiting
        except TimeoutError:
            return "timeout", True
        except (ConnectionError, aiohttp.ClientError):
            return "closed", True
        finally:
            del self._waiting[envelope["envelope_id"]]
        return "acked", False

    async def _any_connection(self):
        """One of the open connections; waits for the first as long as for an ack."""
        try:
            await self.server.until(lambda: self.connections, seconds=self.server.courier.ack_seconds)
        except TimeoutError:
            return None
        return self._random.choice(self.connections)

    async def warn(self, reason="warning"):
        """Tell every connection that it will end soon; it stays open until the client goes."""
        for socket in list(self.connections):
            await socket.send_json(self._goodbye(reason))

    async def refresh(self):
        """Ask every connection to come anew, and close it."""
        for socket in list(self.connections):
            self.connections.remove(socket)
            await socket.send_json(self._goodbye("refresh_requested"))
            await socket.close()

    async def cut(self):
        """All connections break, without a word."""
        for socket in list(self.connections):
            self.connections.remove(socket)
            self._lose(socket)
            if socket._req is not None and socket._req.transport is not None:  # noqa: SLF001 - aiohttp has no other way
                socket._req.transport.abort()  # noqa: SLF001 - as above

    async def close(self):
        for socket in list(self.connections):
            await socket.close()
