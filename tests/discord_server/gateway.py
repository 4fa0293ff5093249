"""The gateway: sessions, what they are sent, resuming with replay, and how connections end.

A session outlives its connections: what happens while none is there is kept, and replayed by RESUME.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import socket
import struct
import zlib
from contextlib import suppress
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from aiohttp import WSMsgType, web

from tests.discord_server.permissions import Permission
from tests.discord_server.shapes import (
    guild_create_json,
    member_json,
    message_json,
    user_json,
)

DISPATCH, HEARTBEAT, IDENTIFY, PRESENCE, VOICE, RESUME, RECONNECT = 0, 1, 2, 3, 4, 6, 7
REQUEST_MEMBERS, INVALID_SESSION, HELLO, HEARTBEAT_ACK = 8, 9, 10, 11
UNKNOWN_OPCODE, DECODE_ERROR, NOT_AUTHENTICATED, AUTHENTICATION_FAILED = 4001, 4002, 4003, 4004
ALREADY_AUTHENTICATED, INVALID_SEQ, RATE_LIMITED, TIMED_OUT = 4005, 4007, 4008, 4009
INVALID_SHARD, SHARDING_REQUIRED, INVALID_VERSION, INVALID_INTENTS, DISALLOWED = 4010, 4011, 4012, 4013, 4014
ENDS_SESSION = (1000, 1001, INVALID_SEQ, TIMED_OUT)  # all others leave it to be resumed
SENT_A_MINUTE = 120
RESUME_SECONDS = 120.0
STARTS_A_DAY = 1000
IDENTIFY_SECONDS = 5.0
LEAST_SILENCE_SECONDS = 5.0  # before a connection is cut off, however short the interval of a test

GUILDS, MEMBERS, MODERATION = 1 << 0, 1 << 1, 1 << 2
PRESENCES, GUILD_MESSAGES, GUILD_REACTIONS, GUILD_TYPING = 1 << 8, 1 << 9, 1 << 10, 1 << 11
DM_MESSAGES, DM_REACTIONS, DM_TYPING, MESSAGE_CONTENT = 1 << 12, 1 << 13, 1 << 14, 1 << 15
KNOWN_INTENTS = (1 << 26) - 1


@dataclass
class Session:
    """What one IDENTIFY began. `log` holds every event that was sent to it, by its number from 1."""

    id: str
    shard: tuple[int, int]
    intents: int
    large: int
    log: list[tuple[str, Any]] = field(default_factory=list)
    connection: Connection | None = None
    left: float | None = None  # when its connection ended
    over: bool = False
    resumed: int = 0

    @property
    def seq(self):
        return len(self.log)

    def hears(self, guild_id):
        """Whether this shard is told of the guild; of DMs, only the first one is."""
        number, count = self.shard
        return number == (0 if guild_id is None else (int(guild_id) >> 22) % count)

    def frame(self, seq):
        event, data = self.log[seq - 1]
        return {"t": event, "s": seq, "op": DISPATCH, "d": data}


class Connection:
    """One web socket. What is sent goes through a queue, so that its order is that of the events."""

    def __init__(self, socket_, request, compress):
        self.socket = socket_
        self.session = None
        self.code = None  # that it was closed with, from here
        self.received = []  # opcodes, with their time
        self.last_heartbeat = 0.0
        self.heartbeats = 0
        self._transport = request.transport
        self._squeezed = _squeezer(compress) if compress else None
        self.compress = compress
        self.each_compressed = False
        self._queue = asyncio.Queue()
        self._writer = asyncio.create_task(self._write())

    def send(self, frame):
        self._queue.put_nowait(frame)

    def close(self, code, reason=""):
        self._queue.put_nowait((code, reason))

    def drop(self):
        """The connection is reset: nobody says goodbye."""
        reset(self._transport)

    async def _write(self):
        with suppress(ConnectionError, RuntimeError):
            while True:
                frame = await self._queue.get()
                if isinstance(frame, tuple):
                    self.code, reason = frame
                    await self.socket.close(code=self.code, message=reason.encode())
                    return
                await self._put(frame)

    async def _put(self, frame):
        text = json.dumps(frame, ensure_ascii=False)
        if self._squeezed is not None:
            await self.socket.send_bytes(self._squeezed(text.encode()))
        elif self.each_compressed and len(text) > 1024:
            await self.socket.send_bytes(zlib.compress(text.encode()))
        else:
            await self.socket.send_str(text)

    async def ended(self):
        self._writer.cancel()
        with suppress(asyncio.CancelledError):
            await self._writer


def reset(transport):
    """End a connection by RST, as a peer that went away does."""
    if transport is None or transport.is_closing():
        return
    sock = transport.get_extra_info("socket")
    if sock is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


def _squeezer(kind):
    """What compresses one frame after the other, as one stream."""
    if kind == "zlib-stream":
        stream, whole = zlib.compressobj(), zlib.Z_SYNC_FLUSH
    else:  # clients ask for zstd where this package is installed, which is nowhere required
        zstandard = import_module("zstandard")
        stream, whole = zstandard.ZstdCompressor().compressobj(), zstandard.COMPRESSOBJ_FLUSH_BLOCK
    return lambda data: stream.compress(data) + stream.flush(whole)


class Gateway:
    """All sessions and connections, and what may go wrong with them on purpose."""

    def __init__(self, server):
        self._server = server
        self.sessions = {}
        self.connections = []  # open ones
        self.heartbeat_ms = 41_250
        self.acks = True  # False: a connection that looks alive and is not
        self.shards = 1  # what gateway/bot recommends
        self.needs_shards = False  # 4011 for who comes without
        self.max_concurrency = 1
        self.paced = False  # one IDENTIFY in five seconds, sessions a day
        self.resume_seconds = RESUME_SECONDS
        self.starts_left = STARTS_A_DAY
        self.identified = []  # (time, shard) of each IDENTIFY that was accepted
        self.resumes = []  # (time, session id, accepted) of each RESUME
        self.closed = []  # (code that this server gave, or None; code that it was left with)
        self._refusals = []  # HTTP statuses for the next connections
        self._traps = []  # (predicate, what to do, before it is sent)

    @property
    def url(self):
        return self._server.base.replace("http", "ws", 1) + "/gateway/"

    @property
    def resume_url(self):
        return self._server.base.replace("http", "ws", 1) + "/resume/"

    # ------------------------------------------------------ going wrong on purpose

    def refuse(self, *statuses):
        """The next connections get no further than an HTTP error."""
        self._refusals += statuses

    def drop(self):
        """Every connection is reset, now."""
        for connection in list(self.connections):
            connection.drop()

    def close(self, code=1000, reason=""):
        for connection in list(self.connections):
            connection.close(code, reason)

    def ask_for_heartbeats(self):
        """Op 1: each client is to send one at once."""
        for connection in list(self.connections):
            connection.send({"t": None, "s": None, "op": HEARTBEAT, "d": None})

    def reconnect(self):
        """Op 7: come back by RESUME."""
        for connection in list(self.connections):
            connection.send({"t": None, "s": None, "op": RECONNECT, "d": None})

    def invalidate(self, *, resumable=False):
        """Op 9: the session is over, unless it may be resumed."""
        for connection in list(self.connections):
            if not resumable and connection.session:
                connection.session.over = True
            connection.send({"t": None, "s": None, "op": INVALID_SESSION, "d": resumable})

    def forget(self):
        """No session can be resumed any more; the connections are not told."""
        for session in self.sessions.values():
            session.over = True

    def when(self, holds, act=None, *, before=True, times=1):
        """At the next event for which `holds(event, data)`: `act(connection)`, by default a drop.

        `before`: the event is not sent on this connection any more; else the connection goes right after it.
        """
        self._traps.append([holds, act or Connection.drop, before, times])

    def _sprung(self, event, data):
        for trap in self._traps:
            if trap[3] > 0 and trap[0](event, data):
                trap[3] -= 1
                return trap
        return None

    # ----------------------------------------------------------------- sending

    def dispatch(self, event, data, *, intent, guild=None, content=None):
        """Tell the sessions that have this intent. `content` gives the data by (has content intent)."""
        world = self._server.world
        if guild is not None and world.app.id not in world.guilds[guild].members:
            return
        self._server.record(event, data)
        for session in list(self.sessions.values()):
            if session.over or not session.intents & intent or not session.hears(guild):
                continue
            told = data if content is None else content(bool(session.intents & MESSAGE_CONTENT))
            self._send(session, event, told)
        self._server.touch()

    def _send(self, session, event, data):
        session.log.append((event, data))
        connection = session.connection
        if connection is None:
            return
        trap = self._sprung(event, data)
        if trap is not None and trap[2]:
            session.connection = None
            trap[1](connection)
            return
        connection.send(session.frame(session.seq))
        if trap is not None:
            trap[1](connection)

    def tell_message(self, event, message):
        """MESSAGE_CREATE or MESSAGE_UPDATE, to each session what its intents let it read."""
        channel = self._server.world.channels[message.channel]
        if not self._server.world.may(self._server.world.app.id, channel, Permission.VIEW_CHANNEL):
            return

        def shown(intent):
            return message_json(self._server, message, intent=intent, for_event=True)

        intent = GUILD_MESSAGES if channel.guild else DM_MESSAGES
        self.dispatch(event, shown(intent=True), intent=intent, guild=channel.guild, content=shown)

    def interact(self, data, guild):
        """INTERACTION_CREATE needs no intent."""
        self.dispatch("INTERACTION_CREATE", data, intent=-1, guild=guild)

    # ------------------------------------------------------------- a connection

    async def connect(self, request):
        if self._refusals:
            return web.Response(status=self._refusals.pop(0), text="error")
        compress = request.query.get("compress")
        socket_ = web.WebSocketResponse(compress=False, max_msg_size=1 << 16)
        await socket_.prepare(request)
        if request.query.get("v") not in ("9", "10") or request.query.get("encoding") != "json":
            await socket_.close(code=INVALID_VERSION)
            return socket_
        connection = Connection(socket_, request, compress)
        connection.last_heartbeat = self._server.clock.now()
        self.connections.append(connection)
        hello = {"heartbeat_interval": self.heartbeat_ms, "_trace": ["gateway"]}
        connection.send({"t": None, "s": None, "op": HELLO, "d": hello})
        watch = asyncio.create_task(self._watch(connection))
        self._server.touch()
        try:
            await self._listen(connection)
        except Exception as error:
            self._server.fault = error
            raise
        finally:
            watch.cancel()
            self.connections.remove(connection)
            self._left(connection)
            await connection.ended()
            self._server.touch()
        return socket_

    def _left(self, connection):
        session = connection.session
        self.closed.append((connection.code, connection.socket.close_code))
        if session is None or session.connection not in (None, connection):
            return
        session.connection = None
        session.left = self._server.clock.now()
        by_client = connection.code is None  # else what it sends is only its half of our closing
        ended = connection.socket.close_code if by_client else connection.code
        if ended in ENDS_SESSION:
            session.over = True

    async def _watch(self, connection):
        """Who does not send heartbeats is cut off."""
        while True:
            await asyncio.sleep(self.heartbeat_ms / 1000)
            silent = self._server.clock.now() - connection.last_heartbeat
            if silent > max(2 * self.heartbeat_ms / 1000, LEAST_SILENCE_SECONDS):
                connection.close(TIMED_OUT, "Session timed out.")

    async def _listen(self, connection):
        async for received in connection.socket:
            if received.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
                return
            try:
                frame = json.loads(received.data)
                opcode, data = frame["op"], frame.get("d")
            except (ValueError, TypeError, KeyError):
                connection.close(DECODE_ERROR, "Error while decoding payload.")
                continue
            now = self._server.clock.now()
            connection.received.append((now, opcode))
            if sum(at > now - 60 for at, _ in connection.received[-SENT_A_MINUTE - 1 :]) > SENT_A_MINUTE:
                connection.close(RATE_LIMITED, "Rate limited.")
                continue
            self._take(connection, opcode, data)

    def _take(self, connection, opcode, data):
        match opcode:
            case _ if opcode == HEARTBEAT:
                connection.last_heartbeat = self._server.clock.now()
                connection.heartbeats += 1
                if self.acks:
                    connection.send({"t": None, "s": None, "op": HEARTBEAT_ACK, "d": None})
            case 2 | 6 if connection.session is not None:
                connection.close(ALREADY_AUTHENTICATED, "Already authenticated.")
            case 2:
                self._identify(connection, data)
            case 6:
                self._resume(connection, data)
            case _ if connection.session is None:
                connection.close(NOT_AUTHENTICATED, "Not authenticated.")
            case 8:
                self._members(connection, data)
            case 3 | 4:
                pass
            case _:
                connection.close(UNKNOWN_OPCODE, "Unknown opcode.")

    def _identify(self, connection, data):
        world = self._server.world
        intents = data.get("intents")
        shard = tuple(data.get("shard") or (0, 1))
        if data.get("token", "").removeprefix("Bot ") != world.app.token:
            connection.close(AUTHENTICATION_FAILED, "Authentication failed.")
        elif len(shard) != 2 or not 0 <= shard[0] < shard[1]:
            connection.close(INVALID_SHARD, "Invalid shard.")
        elif self.needs_shards and shard[1] < self.shards:
            connection.close(SHARDING_REQUIRED, "Sharding required.")
        elif not isinstance(intents, int) or intents & ~KNOWN_INTENTS:
            connection.close(INVALID_INTENTS, "Invalid intent(s).")
        elif self._disallowed(intents):
            connection.close(DISALLOWED, "Disallowed intent(s).")
        elif self.paced and self.starts_left <= 0:
            self._reset_token()
        elif self.paced and self._too_soon(shard):
            connection.send({"t": None, "s": None, "op": INVALID_SESSION, "d": False})
        else:
            self._begin(connection, data, shard, intents)

    def _reset_token(self):
        """Whoever begins more sessions a day than there are loses all of them, and the token."""
        self._server.world.renew_token()
        for session in self.sessions.values():
            session.over = True
        self.close(AUTHENTICATION_FAILED, "Authentication failed.")

    def _disallowed(self, intents):
        app = self._server.world.app
        privileged = (
            (MESSAGE_CONTENT, app.message_content),
            (MEMBERS, app.members_intent),
            (PRESENCES, app.presences),
        )
        return any(intents & bit and not on for bit, on in privileged)

    def _too_soon(self, shard):
        now, mine = self._server.clock.now(), shard[0] % self.max_concurrency
        lately = [each for at, each in self.identified if now - at < IDENTIFY_SECONDS]
        return any(each[0] % self.max_concurrency == mine for each in lately)

    def _begin(self, connection, data, shard, intents):
        world = self._server.world
        self.starts_left -= 1
        self.identified.append((self._server.clock.now(), shard))
        session = Session(secrets.token_hex(16), shard, intents, data.get("large_threshold", 50))
        for other in self.sessions.values():
            if other.shard == shard and other.connection is None and other.left is not None:
                other.over = other.over or self._server.clock.now() - other.left > self.resume_seconds
        self.sessions[session.id] = session
        session.connection, connection.session = connection, session
        connection.each_compressed = bool(data.get("compress"))
        guilds = [
            each for each in world.guilds.values() if world.app.id in each.members and session.hears(each.id)
        ]
        ready = {
            "v": 10,
            "user": user_json(world.users[world.app.id])
            | {"mfa_enabled": False, "verified": True, "email": None},
            "guilds": [{"id": each.id, "unavailable": True} for each in guilds],
            "session_id": session.id,
            "session_type": "normal",
            "resume_gateway_url": self.resume_url,
            "shard": list(shard),
            "application": {
                "id": world.app.id,
                "flags": world.app.flags,
                "flags_new": str(world.app.flags),
            },
            "user_settings": {},
            "relationships": [],
            "private_channels": [],
            "presences": [],
            "guild_join_requests": [],
        }
        self._server.record("READY", ready)
        self._send(session, "READY", ready)
        if intents & GUILDS:
            for guild in guilds:
                self._say_guild(session, guild)

    def _say_guild(self, session, guild, *, new=False):
        """GUILD_CREATE; of a guild that is new to the app, without a word of its being available."""
        if guild.unavailable:
            return
        shown = guild_create_json(
            self._server.world, guild, all_members=bool(session.intents & (MEMBERS | PRESENCES))
        )
        if new:
            del shown["unavailable"]
        self._server.record("GUILD_CREATE", shown)
        self._send(session, "GUILD_CREATE", shown)

    def tell_guild(self, guild, *, new):
        """The app has come into a guild, or it is there again after an outage."""
        for session in self.sessions.values():
            if not session.over and session.intents & GUILDS and session.hears(guild.id):
                self._say_guild(session, guild, new=new)
        self._server.touch()

    def _resume(self, connection, data):
        if data.get("token", "").removeprefix("Bot ") != self._server.world.app.token:
            connection.close(AUTHENTICATION_FAILED, "Authentication failed.")
            return
        session, now = self.sessions.get(data.get("session_id")), self._server.clock.now()
        seq = data.get("seq") or 0
        lost = session is not None and session.left is not None and now - session.left > self.resume_seconds
        if session is None or session.over or lost:
            self.resumes.append((now, data.get("session_id"), False))
            if session is not None:
                session.over = True
            connection.send({"t": None, "s": None, "op": INVALID_SESSION, "d": False})
            return
        if seq > session.seq:
            connection.close(INVALID_SEQ, "Invalid seq.")
            return
        self.resumes.append((now, session.id, True))
        session.resumed += 1
        if session.connection is not None and session.connection is not connection:
            session.connection.drop()
        session.connection, connection.session, session.left = connection, session, None
        for number in range(seq + 1, session.seq + 1):
            connection.send(session.frame(number))
        self._send(session, "RESUMED", {"_trace": ["gateway"]})
        self._server.touch()

    def _members(self, connection, data):
        """The members that were asked for, in one chunk."""
        world = self._server.world
        guild = world.guilds.get(str(data.get("guild_id")))
        if guild is None or world.app.id not in guild.members:
            return
        wanted = data.get("user_ids")
        if wanted is not None:
            ids = [str(each) for each in (wanted if isinstance(wanted, list) else [wanted])]
        else:
            query, limit = data.get("query", "").lower(), data.get("limit") or None
            ids = [each for each in guild.members if world.users[each].name.lower().startswith(query)][:limit]
        chunk = {
            "guild_id": guild.id,
            "members": [member_json(world, guild.members[each]) for each in ids if each in guild.members],
            "chunk_index": 0,
            "chunk_count": 1,
            "not_found": [each for each in ids if each not in guild.members],
        }
        if data.get("nonce"):
            chunk["nonce"] = data["nonce"]
        self._server.record("GUILD_MEMBERS_CHUNK", chunk)
        self._send(connection.session, "GUILD_MEMBERS_CHUNK", chunk)

    async def end(self):
        for connection in list(self.connections):
            connection.close(1001)
