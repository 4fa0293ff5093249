"""The server: addresses, answers, faults, and what happens when a message is there."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import random
import secrets
from html import escape

from aiohttp import web

from tests.chat_servers.half import half_sent
from tests.chat_servers.waiting import Waiting
from tests.slack_server import chat, files, places, rules
from tests.slack_server.api import Limits, Request, TooMany, authorised, read_arguments
from tests.slack_server.delivery import Courier, SocketMode
from tests.slack_server.faults import Faults
from tests.slack_server.people import Person
from tests.slack_server.shapes import message_json
from tests.slack_server.world import MESSAGE_EVENT, Clock, Message, SlackError, World

TRIGGER_SECONDS = 3.0
RESPONSE_URL_SECONDS = 1800.0
RESPONSE_URL_USES = 5
SIGN_IN_PAGE = "<!DOCTYPE html><html><head><title>Sign in | Slack</title></head><body>Sign in</body></html>"

log = logging.getLogger(__name__)


class SlackServer(Waiting):
    """Slack on a socket of this machine: see the package's docstring."""

    def __init__(self, *, team="acme", port=0, seed=1, install=True):
        super().__init__()
        self.random = random.Random(seed)
        self.clock = Clock()
        self.world = World(self.clock)
        self.team = self.world.add_team(team)
        self.app_token = self.world.add_token("app", scopes={"connections:write"}).value
        if install:
            self.world.install(self.team.id)
        self.faults = Faults(self.random)
        self.limits = Limits(self.clock)
        self.courier = Courier(self)
        self.socket_mode = SocketMode(self, self.random)
        self.triggers = Triggers(self)
        self.sent = []  # (what, JSON) that left this server: envelopes, events, answers
        self.foreign = []  # requests that went to `elsewhere`: (path, headers)
        self.uploads = {}
        self.taking_in_seconds = 0.15  # from the end of an upload until messages may show the file
        self.codes = {}  # of OAuth: (team, user, scopes, redirect address)
        self.installs_organisations = False
        self.mention_as = ("app_mention", "message")  # how a mention is told
        self.sends_own = True  # the app hears its own messages, as it does from Slack
        self.base = None
        self._port = port
        self._response_urls = {}
        self._runners = []

    # ---------------------------------------------------------- start and stop

    async def __aenter__(self):
        await self.start()
        return self

    async def __aexit__(self, *_):
        await self.stop()

    async def start(self, *, more=()):
        """Listen; `more` are further routes of the same address."""
        application = web.Application(client_max_size=64 << 20, handler_args={"access_log": None})
        application.add_routes(
            [
                web.route("*", "/api/{name}", self._api),
                web.get("/link/", self.socket_mode.connect),
                web.get("/files-pri/{id}/{rest:.*}", self._download),
                web.post("/upload/v1/{ticket}", self._upload),
                web.post("/response/{ticket}", self._respond),
                web.get("/oauth/v2/authorize", self._authorize),
            ]
        )
        application.add_routes(more)
        self.base = await self._listen(application, self._port)
        elsewhere = web.Application()
        elsewhere.add_routes([web.route("*", "/{path:.*}", self._foreign)])
        self.elsewhere = await self._listen(elsewhere, 0)

    async def _listen(self, application, port):
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        self._runners.append(runner)
        site = web.TCPSite(runner, "127.0.0.1", port, reuse_address=True)
        await site.start()
        host, port = runner.addresses[0]
        return f"http://{host}:{port}"

    async def stop(self):
        await self.courier.close()
        await self.socket_mode.close()
        for runner in self._runners:
            await runner.cleanup()
        self._runners.clear()

    @property
    def api_url(self):
        """What the SDK takes as `base_url`."""
        return f"{self.base}/api/"

    @property
    def bot_token(self):
        return self.installation.token

    @property
    def installation(self):
        return self.world.installations[self.team.id]

    @property
    def bot(self):
        """The bot's user id."""
        return self.installation.bot_user

    # ------------------------------------------------------------- setting up

    def user(self, name, **more):
        """The person of this name, made when first spoken of."""
        team = more.pop("team", self.team.id)
        for user in self.world.users.values():
            if (user.name, user.team) == (name, team) and not user.is_bot:
                return Person(self, user)
        return Person(self, self.world.add_user(name, team, **more))

    def channel(self, name, **more):
        """The channel of this name, made when first spoken of: public, with the bot in it."""
        for channel in self.world.channels.values():
            if name in (channel.name, channel.id):
                return channel
        team = more.pop("team", self.team.id)
        with_bot = more.pop("with_bot", True)
        members = {person.id for person in more.pop("members", ())}
        made = self.world.add_channel(name, team, members=members, **more)
        if with_bot and team in self.world.installations:
            made.members.add(self.world.installations[team].bot_user)
        return made

    # ---------------------------------------------------------------- waiting

    async def settled(self, *, seconds=10.0):
        """Until every delivery is acknowledged or given up."""
        await self.until(lambda: all(each.done.is_set() for each in self.courier.log), seconds=seconds)

    # -------------------------------------------------------- what people see

    def messages(self, channel, *, thread=None):
        """The messages of a channel (of a thread: without its first), oldest first."""
        channel = self.channel(channel) if isinstance(channel, str) else channel
        return [each for each in channel.messages.values() if thread is None or _in_thread(each, thread)]

    def answers(self, channel, *, thread=None):
        """Those that the bot posted."""
        return [each for each in self.messages(channel, thread=thread) if each.bot_id]

    def shown(self, channel, *, to=None, with_metadata=False):
        """The channel as people see it, as JSON; with the ephemeral messages of the person `to`."""
        channel = self.channel(channel) if isinstance(channel, str) else channel
        seen = list(channel.messages.values())
        if to is not None:
            seen += [each for each in channel.ephemeral if each.ephemeral_to == to.id]
        return [
            message_json(self.world, each, base=self.base, with_metadata=with_metadata)
            | ({"is_ephemeral": True} if each.ephemeral_to else {})
            for each in sorted(seen, key=lambda each: each.ts)
        ]

    def calls(self, name):
        """The requests of a method that have been answered or not."""
        return [each for each in self.requests if each.name == name]

    def record(self, what, data):
        self.sent.append((what, data))

    # -------------------------------------------------------- what happens

    def add_message(self, message):
        channel = self.world.channels[message.channel]
        if message.thread_ts and message.thread_ts in channel.messages:
            parent = channel.messages[message.thread_ts]
            parent.thread_ts = parent.ts
        channel.messages[message.ts] = message
        for file_id in message.files:
            file = self.world.files[file_id]
            file.channels.add(channel.id)
            file.shares.setdefault(channel.id, []).append(message.ts)
        self._clear_status(channel, message)
        self._tell(channel, message)
        self.touch()

    def _clear_status(self, channel, message):
        if message.bot_id:
            for user in self.world.users.values():
                kept = [each for each in user.statuses if each[:2] != (channel.id, message.thread_ts)]
                user.statuses[:] = kept

    def _tell(self, channel, message):
        """The events of a new message."""
        own = message.bot_id is not None
        if own and not self.sends_own:
            return
        event = message_json(self.world, message, base=self.base, in_list=False) | {
            "channel": channel.id,
            "event_ts": message.ts,
            "channel_type": channel.type,
        }
        if message.is_reply and message.thread_ts in channel.messages:
            event["parent_user_id"] = channel.messages[message.thread_ts].user
        if message.subtype == "thread_broadcast":
            root = channel.messages[message.thread_ts]
            event["root"] = message_json(self.world, root, base=self.base)
        installation = self.world.installation_of(channel)
        if installation is None:
            return
        mention = f"<@{installation.bot_user}>" in message.text and channel.type != "im" and not own
        if mention and "app_mention" in self.mention_as:
            mentioned = {key: value for key, value in event.items() if key not in ("channel_type", "subtype")}
            self.emit("app_mention", mentioned | {"type": "app_mention"}, channel)
        if not mention or "message" in self.mention_as:
            self.emit(MESSAGE_EVENT[channel.type], event, channel)

    def emit(self, subscription, event, channel=None, *, team=None, at=None):
        """Send an event to the app, if it subscribes to it and is there. Returns the deliveries.

        `at`: when it happened, if not just now.
        """
        installation = self.world.installation_of(channel) if channel else self.world.installations.get(team)
        if installation is None or subscription not in self.world.app.events:
            return []
        payload = {
            "token": self.world.app.verification_token,
            "team_id": installation.team,
            "context_team_id": installation.team,
            "api_app_id": self.world.app.id,
            "event": event,
            "type": "event_callback",
            "event_id": self.world.new_id("Ev"),
            "event_time": int(self.clock.now() if at is None else at),
            "authorizations": [
                {
                    "enterprise_id": None,
                    "team_id": installation.team,
                    "user_id": installation.bot_user,
                    "is_bot": True,
                    "is_enterprise_install": False,
                }
            ],
            "is_ext_shared_channel": bool(channel and channel.is_shared_outside),
            "event_context": f"4-{secrets.token_hex(12)}",
        }
        self.record(event["type"], payload)
        return self.courier.send_event(payload)

    def uninstall(self, team):
        """An admin takes the app out of a workspace, of which it is told."""
        bot = self.world.installations[team].bot_user
        revoked = {"type": "tokens_revoked", "tokens": {"oauth": [], "bot": [bot]}}
        self.emit("tokens_revoked", revoked, team=team)
        self.emit("app_uninstalled", {"type": "app_uninstalled"}, team=team)
        self.world.uninstall(team)
        self.touch()

    def whisper(self, message):
        self.world.channels[message.channel].ephemeral.append(message)
        self.touch()

    def change_message(self, message, **changes):
        before = message_json(self.world, message, base=self.base, in_list=False)
        message.past.append((message.text, message.blocks))
        for name, value in changes.items():
            setattr(message, name, value)
        self.say_changed(message, before)

    def say_changed(self, message, before=None):
        channel = self.world.channels[message.channel]
        ts = self.clock.ts()
        if self.sends_own or not message.bot_id:
            now = message_json(self.world, message, base=self.base, in_list=False)
            event = {
                "type": "message",
                "subtype": "message_changed",
                "hidden": True,
                "channel": channel.id,
                "channel_type": channel.type,
                "ts": ts,
                "event_ts": ts,
                "message": now,
                "previous_message": before or now,
            }
            self.emit(MESSAGE_EVENT[channel.type], event, channel)
        self.touch()

    def delete_message(self, message):
        channel = self.world.channels[message.channel]
        del channel.messages[message.ts]
        ts = self.clock.ts()
        event = {
            "type": "message",
            "subtype": "message_deleted",
            "hidden": True,
            "channel": channel.id,
            "channel_type": channel.type,
            "ts": ts,
            "event_ts": ts,
            "deleted_ts": message.ts,
            "previous_message": message_json(self.world, message, base=self.base, in_list=False),
        }
        self.emit(MESSAGE_EVENT[channel.type], event, channel)
        self.touch()

    def react(self, message, user, name):
        users = message.reactions.setdefault(name, [])
        if user in users:
            raise SlackError("already_reacted")
        users.append(user)
        self._tell_reaction("reaction_added", message, user, name)

    def unreact(self, message, user, name):
        users = message.reactions.get(name, [])
        if user not in users:
            raise SlackError("no_reaction")
        users.remove(user)
        if not users:
            del message.reactions[name]
        self._tell_reaction("reaction_removed", message, user, name)

    def _tell_reaction(self, kind, message, user, name):
        event = {
            "type": kind,
            "user": user,
            "reaction": name,
            "item_user": message.user,
            "item": {"type": "message", "channel": message.channel, "ts": message.ts},
            "event_ts": self.clock.ts(),
        }
        self.emit(kind, event, self.world.channels[message.channel])
        self.touch()

    def join(self, channel, user):
        channel.members.add(user)
        self._tell_membership("member_joined_channel", channel, user)

    def leave(self, channel, user):
        channel.members.discard(user)
        self._tell_membership("member_left_channel", channel, user)

    def _tell_membership(self, kind, channel, user):
        event = {
            "type": kind,
            "user": user,
            "channel": channel.id,
            "channel_type": {"channel": "C", "group": "G"}.get(channel.type, "G"),
            "team": channel.team,
            "event_ts": self.clock.ts(),
        }
        self.emit(kind, event, channel)
        self.touch()

    def show_status(self, channel, thread_ts, status):
        for user in self.world.users.values():
            if user.id in channel.members and not user.is_bot:
                kept = [each for each in user.statuses if each[:2] != (channel.id, thread_ts)]
                user.statuses[:] = [*kept, (channel.id, thread_ts, status)] if status else kept
        self.touch()

    # ------------------------------------------------------------- addresses

    async def _api(self, request):
        logged = Request(request.match_info["name"], request.method, {}, "", self.clock.now())
        try:
            logged.arguments, logged.via = await read_arguments(request)
        except SlackError as refused:
            return self._refusal(logged, refused)
        value = _bearer(request) or str(logged.arguments.pop("token", "") or "")
        self.requests.append(logged)
        fault = self.faults.strike(logged)
        if fault is not None and not fault.after:
            spoiled = await self._spoil(request, logged, fault)
            if spoiled is not None:
                return spoiled
        try:
            call, chosen = authorised(self, logged.name, logged, value, _basic(request))
            answer = {"ok": True} | await chosen.run(call)
        except SlackError as refused:
            return self._refusal(logged, refused)
        logged.answer = answer
        if fault is not None and fault.after:
            spoiled = await self._spoil(request, logged, fault)
            if spoiled is not None:
                return spoiled
        self.touch()
        return self._answer(logged, answer, headers=_scopes(call))

    def _refusal(self, logged, refused):
        answer = {"ok": False, "error": refused.code} | refused.more
        if isinstance(refused, TooMany):
            return self._answer(logged, answer, status=429, headers={"Retry-After": str(refused.seconds)})
        return self._answer(logged, answer)

    def _answer(self, logged, answer, *, status=200, headers=None):
        logged.answer, logged.status = answer, status
        self.record(f"answer {logged.name}", answer)
        self.touch()
        more = {"x-slack-req-id": secrets.token_hex(16)} | (headers or {})
        return web.json_response(answer, status=status, headers=more)

    async def _spoil(self, request, logged, fault):
        """What a fault makes of a request; None where it goes on after all."""
        match fault.kind:
            case "delay":
                await asyncio.sleep(fault.value)
                return None
            case "cut":
                return await self._cut(request, logged, share=fault.value)
            case "status":
                body = web.Response(status=fault.value, text="Server Error")
            case "limit":
                body = self._refusal(logged, TooMany(fault.value))
            case "error":
                body = self._refusal(logged, SlackError(fault.value))
            case "page":
                body = web.Response(text=SIGN_IN_PAGE, content_type="text/html")
            case "garbage":
                body = web.Response(text='{"ok": tr', content_type="application/json")
        logged.status = body.status
        self.touch()
        return body

    async def _cut(self, request, logged, share):
        """This share of an answer, then nothing; before anything was done, not even that."""
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        if logged.answer is not None and share:
            whole = json.dumps(logged.answer).encode()
            response.content_length = len(whole)
            await response.prepare(request)
            await response.write(whole[: int(len(whole) * share)])
        if request.transport is not None:
            request.transport.abort()
        self.touch()
        return response

    async def _download(self, request):
        logged = Request("files.download", "GET", {"path": request.path}, "", self.clock.now())
        self.requests.append(logged)
        fault = self.faults.strike(logged)
        if fault is not None:
            logged.answer = {} if fault.after else None
            spoiled = await self._spoil(request, logged, fault)
            if spoiled is not None:
                return spoiled
        file = self.world.files.get(request.match_info["id"].partition("-")[2])
        token = self.world.tokens.get(_bearer(request))
        logged.token, logged.status = token.kind if token else "", 200
        self.touch()
        allowed = token is not None and not token.revoked and "files:read" in token.scopes
        if file is None or file.deleted:
            logged.status = 404
            return web.Response(status=404)
        if not allowed or file.sign_in_page or not self.world.can_see_file(token.user, file):
            return web.Response(text=SIGN_IN_PAGE, content_type="text/html")
        if file.redirect:
            logged.status = 302
            return web.Response(status=302, headers={"Location": file.redirect})
        if file.cut_after is not None:
            logged.answer = {}
            return await half_sent(request, file.data, content_type=file.mimetype, sent=file.cut_after)
        return web.Response(body=file.data, content_type=file.mimetype)

    async def _upload(self, request):
        logged = Request("files.upload", "POST", {}, "", self.clock.now())
        self.requests.append(logged)
        fault = self.faults.strike(logged)
        if fault is not None:
            spoiled = await self._spoil(request, logged, fault)
            if spoiled is not None:
                return spoiled
        file_id, length = self.uploads.get(request.match_info["ticket"], (None, 0))
        data = await request.read()
        if request.content_type == "multipart/form-data":
            data = next(
                (part.file.read() for part in (await request.post()).values() if hasattr(part, "file")), b""
            )
        if file_id is None or len(data) != length:
            logged.status = 400
            return web.Response(status=400, text="size mismatch" if file_id else "unknown upload")
        self.world.files[file_id].data = data
        del self.uploads[request.match_info["ticket"]]
        logged.status = 200
        self.touch()
        return web.Response(text=f"OK - {length}")

    def new_response_url(self, channel, user, *, about=None):
        """An address that takes five messages within half an hour; `about` is the message it belongs to."""
        ticket = secrets.token_urlsafe(16)
        until = self.clock.now() + RESPONSE_URL_SECONDS
        self._response_urls[ticket] = [RESPONSE_URL_USES, until, channel, user, about]
        return f"{self.base}/response/{ticket}"

    async def _respond(self, request):
        logged = Request("response_url", "json", {}, "", self.clock.now())
        self.requests.append(logged)
        fault = self.faults.strike(logged)
        if fault is not None and not fault.after:
            spoiled = await self._spoil(request, logged, fault)
            if spoiled is not None:
                return spoiled
        place = self._response_urls.get(request.match_info["ticket"])
        try:
            logged.arguments, logged.via = await read_arguments(request)
            self._use(place)
            self.take_response(logged.arguments, channel=place[2], user=place[3], about=place[4])
        except SlackError as refused:
            status = 404 if refused.code in ("used_url", "expired_url") else 400
            return self._answer(logged, {"ok": False, "error": refused.code} | refused.more, status=status)
        logged.answer = {"ok": True}
        if fault is not None:
            spoiled = await self._spoil(request, logged, fault)
            if spoiled is not None:
                return spoiled
        logged.status = 200
        self.touch()
        return web.Response(text="ok")

    def _use(self, place):
        if place is None or place[0] == 0:
            raise SlackError("used_url")
        if self.clock.now() > place[1]:
            raise SlackError("expired_url")
        place[0] -= 1

    def take_response(self, given, *, channel, user, about=None):
        """A message that answers a command or a click. Returns it, or None where one was replaced."""
        text, blocks = given.get("text") or "", given.get("blocks") or []
        if given.get("delete_original") in (True, "true") and about is not None:
            self._remove(about)
            return None
        if blocks:
            rules.check_blocks(blocks, surface="message")
            blocks = rules.named(self.world, blocks)
        elif not text:
            raise SlackError("no_text")
        if given.get("replace_original") in (True, "true") and about is not None:
            self.change_message(about, text=text, blocks=blocks)
            return None
        installation = self.world.installation_of(channel) or self.installation
        message = Message(
            channel.id,
            self.clock.ts(),
            installation.bot_user,
            text,
            installation.team,
            given.get("thread_ts"),
            blocks=blocks,
            metadata=given.get("metadata"),
            bot_id=installation.bot_id,
            app_id=self.world.app.id,
        )
        if given.get("response_type", "ephemeral") == "ephemeral":
            message.ephemeral_to = user.id
            self.whisper(message)
        else:
            self.add_message(message)
        return message

    def _remove(self, message):
        channel = self.world.channels[message.channel]
        if message in channel.ephemeral:
            channel.ephemeral.remove(message)
            self.touch()
        elif message.ts in channel.messages:
            self.delete_message(message)

    async def _authorize(self, request):
        """The page where somebody installs the app: they say yes at once, as `?as=NAME` if given."""
        app, query = self.world.app, request.query
        if query.get("client_id") != app.client_id:
            return web.Response(status=400, text=f"unknown client_id {escape(query.get('client_id', ''))}")
        wanted = frozenset(filter(None, query.get("scope", "").replace(" ", ",").split(",")))
        team = query.get("team") or self.team.id
        user = self.user(query.get("as", "installer"), team=team, is_admin=True)
        code = secrets.token_urlsafe(16)
        redirect = query.get("redirect_uri") or (app.redirect_uris or ("",))[0]
        self.codes[code] = (team, user.id, wanted, redirect)
        return web.Response(
            status=302, headers={"Location": f"{redirect}?code={code}&state={query.get('state', '')}"}
        )

    async def _foreign(self, request):
        """Any address that is not Slack's: notes what it was sent."""
        self.foreign.append((request.path, dict(request.headers)))
        self.touch()
        return web.Response(body=b"somebody else's bytes", content_type="image/png")


class Triggers:
    """What lets the app open a modal: once, for three seconds."""

    def __init__(self, server):
        self._server = server
        self._open = {}

    def new(self, user):
        trigger = f"{secrets.randbelow(10**12)}.{secrets.randbelow(10**12)}.{secrets.token_hex(16)}"
        self._open[trigger] = (user, self._server.clock.now() + TRIGGER_SECONDS)
        return trigger

    def take(self, trigger):
        """The person whose trigger it is. Raises what Slack says of those that are of no use."""
        if not trigger or trigger not in self._open:
            raise SlackError("invalid_trigger_id")
        user, until = self._open[trigger]
        if user is None:
            raise SlackError("exchanged_trigger_id")
        if self._server.clock.now() > until:
            raise SlackError("expired_trigger_id")
        self._open[trigger] = (None, 0.0)
        return user


def _in_thread(message, thread):
    ts = thread if isinstance(thread, str) else thread.thread_ts or thread.ts
    return message.thread_ts == ts and message.ts != ts


def _bearer(request):
    kind, _, value = request.headers.get("Authorization", "").partition(" ")
    return value.strip() if kind.lower() == "bearer" else ""


def _basic(request):
    kind, _, value = request.headers.get("Authorization", "").partition(" ")
    if kind.lower() != "basic":
        return None
    name, _, password = base64.b64decode(value).decode().partition(":")
    return name, password


def _scopes(call):
    if call.token is None:
        return {}
    return {
        "x-oauth-scopes": ",".join(sorted(call.token.scopes)),
        "x-accepted-oauth-scopes": ",".join(places.scopes_of(call.request.name)),
    }


REGISTERED = (chat, files, places)  # importing them is what registers their methods
