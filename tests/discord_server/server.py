"""The server: addresses, answers, faults, and what happens when something is there."""

from __future__ import annotations

import asyncio
import json
import logging
import math
import random

from aiohttp import web

from tests.chat_servers.waiting import Waiting
from tests.discord_server import commands, files, interactions, messages, places
from tests.discord_server.api import Call, Request, find, read_body, upload_limit
from tests.discord_server.faults import Faults
from tests.discord_server.files import Cdn
from tests.discord_server.gateway import (
    DM_MESSAGES,
    DM_REACTIONS,
    DM_TYPING,
    GUILD_MESSAGES,
    GUILD_REACTIONS,
    GUILD_TYPING,
    GUILDS,
    MEMBERS,
    Gateway,
    reset,
)
from tests.discord_server.interactions import Interactions
from tests.discord_server.limits import Limits, TooMany
from tests.discord_server.people import Person
from tests.discord_server.permissions import Permission
from tests.discord_server.shapes import (
    channel_json,
    emoji_json,
    member_json,
    role_json,
    thread_member_json,
    user_json,
)
from tests.discord_server.text import Pings
from tests.discord_server.world import (
    CHANNEL_TYPES,
    FORUM,
    HAS_THREAD,
    PRIVATE_THREAD,
    Clock,
    DiscordError,
    Message,
    Overwrite,
    World,
    refusal,
)

TYPING_SECONDS = 10.0
PREFIXES = ("/api/v10/", "/api/v9/", "/api/")

log = logging.getLogger(__name__)


class DiscordServer(Waiting):
    """Discord on a socket of this machine: see the package's docstring."""

    def __init__(self, *, guild="acme", permissions=None, port=0, seed=1):
        """`permissions`: what the app asks for in its invite link, as a number or a Permission."""
        super().__init__()
        self.random = random.Random(seed)
        self.clock = Clock()
        self.world = World(self.clock)
        if permissions is not None:
            self.world.app.permissions = Permission(permissions)
        self.guild = self.world.add_guild(guild)
        self.faults = Faults(self.random)
        self.limits = Limits(self.clock)
        self.gateway = Gateway(self)
        self.interactions = Interactions(self)
        self.cdn = Cdn(self)
        self.sent = []  # (what, JSON) that left this server: events and answers
        self.nonces = {}  # (message id, time) by (channel, nonce)
        self.deleted = set()  # ids of messages
        self.names_reacted_author = True  # reaction events say whose message it is
        self.base = None
        self._typing = {}  # since when, by (channel, user)
        self._port = port
        self._runner = None
        self.channel("general")

    # ---------------------------------------------------------- start and stop

    async def __aenter__(self):
        await self.start()
        return self

    async def __aexit__(self, *_):
        await self.stop()

    async def start(self, *, more=()):
        """Listen; `more` are further routes of the same address."""
        application = web.Application(client_max_size=1 << 28)
        application.add_routes(
            [
                web.get("/gateway/", self.gateway.connect),
                web.get("/resume/", self.gateway.connect),
                web.get("/attachments/{channel}/{id}/{name}", self._download),
                web.get("/ephemeral-attachments/{channel}/{id}/{name}", self._download),
                web.get("/media/attachments/{channel}/{id}/{name}", self._download),
                web.get("/media/ephemeral-attachments/{channel}/{id}/{name}", self._download),
                web.route("*", "/api/{path:.*}", self._api),
                *more,
            ]
        )
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._port, reuse_address=True).start()
        host, port = self._runner.addresses[0][:2]
        self.base = f"http://{host}:{port}"

    async def stop(self):
        await self.gateway.end()
        await self._runner.cleanup()

    @property
    def api_url(self):
        """What stands for https://discord.com/api/v10."""
        return f"{self.base}/api/v10"

    @property
    def bot_token(self):
        return self.world.app.token

    @property
    def bot(self):
        """The bot's user id, which is the app's."""
        return self.world.app.id

    permission = Permission

    # ------------------------------------------------------------- setting up

    def user(self, name, *, guild=None, **more):
        """The person of this name, made when first spoken of, in the guild."""
        place = guild or self.guild
        for user in self.world.users.values():
            if user.name == name and user.id != self.bot:
                self.join(place, user.id)
                return Person(self, user, place)
        user = self.world.add_user(name, **more)
        self.join(place, user.id)
        return Person(self, user, place)

    @property
    def owner(self):
        """Who owns the guild, and may do everything in it."""
        return Person(self, self.world.users[self.guild.owner], self.guild)

    def join(self, guild, user_id):
        """Somebody comes into a guild."""
        if user_id in guild.members:
            return
        self.world.join(guild, user_id)
        data = member_json(self.world, guild.members[user_id]) | {"guild_id": guild.id}
        self.gateway.dispatch("GUILD_MEMBER_ADD", data, intent=MEMBERS, guild=guild.id)

    def leave(self, guild, user_id):
        """Somebody goes, or is put out."""
        del guild.members[user_id]
        data = {"guild_id": guild.id, "user": user_json(self.world.users[user_id])}
        self.gateway.dispatch("GUILD_MEMBER_REMOVE", data, intent=MEMBERS, guild=guild.id)

    def time_out(self, person, seconds, *, guild=None):
        """They, or the bot, may read and nothing else for a while."""
        place = guild or self.guild
        place.members[person.id].timed_out_until = self.clock.now() + seconds
        self._say_member(place, person.id)

    def add_guild(self, name, *, with_bot=True):
        """Another guild, in which the bot is told of it if it runs."""
        guild = self.world.add_guild(name, with_bot=False)
        self.channel("general", guild=guild)
        if with_bot:
            self.world.install(guild)
            self.gateway.tell_guild(guild, new=True)
        return guild

    def remove_bot(self, guild):
        """The app is put out of a guild."""
        self.gateway.dispatch("GUILD_DELETE", {"id": guild.id}, intent=GUILDS, guild=guild.id)
        del guild.members[self.bot]

    def outage(self, guild, *, over=False):
        """A guild is not there for a while, and comes back."""
        guild.unavailable = not over
        if over:
            self.gateway.tell_guild(guild, new=False)
        else:
            data = {"id": guild.id, "unavailable": True}
            self.gateway.dispatch("GUILD_DELETE", data, intent=GUILDS, guild=guild.id)

    def role(self, name, *permissions, guild=None, members=(), **more):
        """A role of the guild, made when first spoken of."""
        place = guild or self.guild
        for role in place.roles.values():
            if role.name == name:
                return role
        granted = Permission(0)
        for each in permissions:
            granted |= each
        role = self.world.add_role(place, name, granted, **more)
        data = {"guild_id": place.id, "role": role_json(role)}
        self.gateway.dispatch("GUILD_ROLE_CREATE", data, intent=GUILDS, guild=place.id)
        for person in members:
            self.give_role(person, role, guild=place)
        return role

    def give_role(self, person, role, *, guild=None):
        place = guild or self.guild
        place.members[person.id].roles.append(role.id)
        self._say_member(place, person.id)

    def take_role(self, person, role, *, guild=None):
        place = guild or self.guild
        place.members[person.id].roles.remove(role.id)
        self._say_member(place, person.id)

    def _say_member(self, guild, user_id):
        data = member_json(self.world, guild.members[user_id]) | {"guild_id": guild.id}
        intent = GUILDS if user_id == self.bot else MEMBERS
        self.gateway.dispatch("GUILD_MEMBER_UPDATE", data, intent=intent, guild=guild.id)

    def set_permissions(self, role, permissions, *, guild=None):
        """What a role may do in the whole guild; `guild.id` is the role of everyone."""
        place = guild or self.guild
        role.permissions = permissions
        data = {"guild_id": place.id, "role": role_json(role)}
        self.gateway.dispatch("GUILD_ROLE_UPDATE", data, intent=GUILDS, guild=place.id)

    def channel(self, name, *, type="text", guild=None, hidden=False, members=(), with_bot=True, **more):  # noqa: A002 - Discord's word
        """The channel of this name, made when first spoken of: a text channel that everyone sees.

        `hidden`: only `members` and the bot see it, the bot unless `with_bot=False`.
        """
        place = guild or self.guild
        for channel in self.world.channels.values():
            if name == channel.id or (name == channel.name and channel.guild == place.id):
                return channel
        made = self.world.add_channel(name, CHANNEL_TYPES[type], guild=place.id, **more)
        made.position = sum(each.guild == place.id for each in self.world.channels.values())
        made.tags = [tag if isinstance(tag, dict) else self._tag(tag) for tag in made.tags]
        if hidden:
            made.overwrites[place.id] = Overwrite(place.id, 0, deny=Permission.VIEW_CHANNEL)
            seen_by = [person.id for person in members] + ([self.bot] if with_bot else [])
            for user in seen_by:
                made.overwrites[user] = Overwrite(user, 1, allow=Permission.VIEW_CHANNEL)
        elif not with_bot:
            made.overwrites[self.bot] = Overwrite(self.bot, 1, deny=Permission.VIEW_CHANNEL)
        data = channel_json(self.world, made)
        self.gateway.dispatch("CHANNEL_CREATE", data, intent=GUILDS, guild=place.id)
        return made

    def _tag(self, name):
        return {
            "id": self.world.new_id(),
            "name": name,
            "moderated": False,
            "emoji_id": None,
            "emoji_name": None,
        }

    def overwrite(self, channel, overwrite):
        """Set what a role or member may do in a channel."""
        saw = self.world.may(self.bot, channel, Permission.VIEW_CHANNEL)
        channel.overwrites[overwrite.id] = overwrite
        self._say_channel(channel)
        if not saw and self.world.may(self.bot, channel, Permission.VIEW_CHANNEL):
            self._say_threads(channel)

    def _say_threads(self, channel):
        """The threads of a channel that the app sees from now on."""
        seen = [
            each
            for each in self.world.threads_of(channel)
            if not each.archived and self.world.may(self.bot, each, Permission.VIEW_CHANNEL)
        ]
        joined = [each for each in seen if self.bot in each.members]
        data = {
            "guild_id": channel.guild,
            "channel_ids": [channel.id],
            "threads": [channel_json(self.world, each) for each in seen],
            "members": [thread_member_json(self.world, each, self.bot) for each in joined],
        }
        self.gateway.dispatch("THREAD_LIST_SYNC", data, intent=GUILDS, guild=channel.guild)

    def allow(self, channel, who, *permissions):
        """`who` is a role, a person, or the bot's id; they may do this in the channel from now on."""
        self._overwrite(channel, who, permissions, allowed=True)

    def deny(self, channel, who, *permissions):
        self._overwrite(channel, who, permissions, allowed=False)

    def _overwrite(self, channel, who, permissions, *, allowed):
        target = who if isinstance(who, str) else who.id
        guild = self.world.guilds[channel.guild]
        kind = 0 if target in guild.roles else 1
        before = channel.overwrites.get(target) or Overwrite(target, kind)
        changed = Permission(0)
        for each in permissions:
            changed |= each
        allow = before.allow | changed if allowed else before.allow & ~changed
        deny = before.deny & ~changed if allowed else before.deny | changed
        self.overwrite(channel, Overwrite(target, kind, allow, deny))

    def _say_channel(self, channel):
        data = channel_json(self.world, channel)
        self.gateway.dispatch("CHANNEL_UPDATE", data, intent=GUILDS, guild=channel.guild)

    # ---------------------------------------------------------------- waiting

    async def connected(self, *, shards=1, seconds=10.0):
        """Until the bot has this many sessions that are connected."""

        def there():
            return sum(each.connection is not None for each in self.gateway.sessions.values()) >= shards

        await self.until(there, seconds=seconds)

    # -------------------------------------------------------- what is to be seen

    def place(self, where):
        """A channel by its name or id, the channel of a message, a person's DM with the bot."""
        if isinstance(where, str):
            return self.channel(where)
        if isinstance(where, Message):
            return self.world.channels[where.channel]
        return where.dm if isinstance(where, Person) else where

    def thread_of(self, message):
        """The thread that hangs on a message, or None."""
        return self.world.channels.get(message.id)

    def threads(self, channel):
        return self.world.threads_of(self.place(channel))

    def messages(self, where):
        """The messages of a channel, DM or thread, oldest first."""
        return list(self.place(where).messages.values())

    def answers(self, where):
        """Those of the bot that are more than "is thinking ..."."""
        return [each for each in self.messages(where) if each.author == self.bot and not each.is_loading]

    def calls(self, name):
        """The requests of a handler that have been answered or not."""
        return [each for each in self.requests if each.name == name]

    def record(self, what, data):
        self.sent.append((what, data))

    def upload_limit(self, channel):
        return upload_limit(self.world.guild_of(channel))

    # -------------------------------------------------------- what happens

    def add_message(self, message):
        channel = self.world.channels[message.channel]
        if message.pings is None:
            message.pings = Pings()
        if channel.is_thread:
            self._into_thread(channel, message)
        channel.messages[message.id] = message
        channel.last_message = message.id
        self._typing.pop((channel.id, message.author), None)
        self.gateway.tell_message("MESSAGE_CREATE", message)
        self.touch()

    def _into_thread(self, thread, message):
        """Writing opens a thread again, and brings in who writes and who is called."""
        if thread.archived:
            self.change_thread(thread, archived=False)
        if message.id != thread.id and message.type != 21:
            message.position = thread.sent
            thread.sent += 1
        parent = self.world.channels[thread.parent]
        for user in (message.author, *message.pings.users):
            if user not in thread.members and self.world.may(user, parent, Permission.VIEW_CHANNEL):
                self.join_thread(thread, user)

    def change_message(self, message, **changes):
        message.past.append(message.content)
        flags = message.flags
        for name, value in changes.items():
            setattr(message, name, value)
        if message.content != message.past[-1] or flags == message.flags:
            message.edited = self.clock.now()
        if message.ephemeral_to is None:
            self.gateway.tell_message("MESSAGE_UPDATE", message)
        self.touch()

    def delete_message(self, message):
        channel = self.world.channels[message.channel]
        self._forget(channel, message)
        if message.ephemeral_to is not None:
            self.world.users[message.ephemeral_to].whispers.remove(message)
            self.touch()
            return
        data = {"id": message.id, "channel_id": channel.id} | _guild_id(channel)
        self._tell(channel, "MESSAGE_DELETE", data, GUILD_MESSAGES, DM_MESSAGES)

    def whisper(self, message):
        """A message that one person sees."""
        self.world.users[message.ephemeral_to].whispers.append(message)
        self.touch()

    def _tell(self, channel, event, data, in_guild, in_dm):
        """An event of a channel that the app sees."""
        if self.world.may(self.bot, channel, Permission.VIEW_CHANNEL):
            intent = in_guild if channel.guild else in_dm
            self.gateway.dispatch(event, data, intent=intent, guild=channel.guild)
        self.touch()

    def react(self, message, user, emoji):
        users = message.reactions.setdefault(emoji, [])
        if user in users:
            return
        users.append(user)
        channel = self.world.channels[message.channel]
        data = self._reaction(message, user, emoji) | {"burst": False, "type": 0}
        if self.names_reacted_author and message.webhook is None:
            data["message_author_id"] = message.author
        if channel.guild:
            data["member"] = member_json(self.world, self.world.guilds[channel.guild].members[user])
        self._tell(channel, "MESSAGE_REACTION_ADD", data, GUILD_REACTIONS, DM_REACTIONS)

    def unreact(self, message, user, emoji):
        users = message.reactions.get(emoji, [])
        if user not in users:
            return
        users.remove(user)
        if not users:
            del message.reactions[emoji]
        channel = self.world.channels[message.channel]
        data = self._reaction(message, user, emoji) | {"burst": False, "type": 0}
        self._tell(channel, "MESSAGE_REACTION_REMOVE", data, GUILD_REACTIONS, DM_REACTIONS)

    def _reaction(self, message, user, emoji):
        channel = self.world.channels[message.channel]
        return {
            "user_id": user,
            "channel_id": message.channel,
            "message_id": message.id,
            "emoji": emoji_json(emoji),
        } | _guild_id(channel)

    def clear_reactions(self, message):
        """All of them, as those who manage messages can."""
        message.reactions.clear()
        channel = self.world.channels[message.channel]
        data = {"channel_id": message.channel, "message_id": message.id} | _guild_id(channel)
        self._tell(channel, "MESSAGE_REACTION_REMOVE_ALL", data, GUILD_REACTIONS, DM_REACTIONS)

    def delete_messages(self, messages):
        """Many of one channel at once."""
        channel = self.world.channels[messages[0].channel]
        for message in messages:
            self._forget(channel, message)
        data = {"ids": [each.id for each in messages], "channel_id": channel.id} | _guild_id(channel)
        self._tell(channel, "MESSAGE_DELETE_BULK", data, GUILD_MESSAGES, DM_MESSAGES)

    def _forget(self, channel, message):
        self.deleted.add(message.id)
        for each in message.attachments:
            each.gone = True
        channel.messages.pop(message.id, None)

    def show_typing(self, channel, user):
        self._typing[channel.id, user] = self.clock.now()
        data = {"channel_id": channel.id, "user_id": user, "timestamp": int(self.clock.now())}
        data |= _guild_id(channel)
        if channel.guild:
            data["member"] = member_json(self.world, self.world.guilds[channel.guild].members[user])
        if user != self.bot:
            self._tell(channel, "TYPING_START", data, GUILD_TYPING, DM_TYPING)
        self.touch()

    def is_typing(self, channel, user):
        since = self._typing.get((channel.id, user))
        return since is not None and self.clock.now() - since < TYPING_SECONDS

    # ------------------------------------------------------------------ threads

    def start_thread(self, parent, name, *, owner, kind, message=None, **more):
        """A thread on a message, or by itself; its starter is in it."""
        thread = self.world.add_channel(name, kind, guild=parent.guild, parent=parent.id, owner=owner, **more)
        thread.archive_changed = thread.created
        if message is not None:
            del self.world.channels[thread.id]
            thread.id = message.id
            self.world.channels[thread.id] = thread
            message.flags |= HAS_THREAD
        thread.members[owner] = self.clock.now()
        data = channel_json(self.world, thread) | {"newly_created": True}
        self._tell(thread, "THREAD_CREATE", data, GUILDS, GUILDS)
        if owner == self.bot:
            self._say_joined(thread, owner)
        if message is not None:
            self.gateway.tell_message("MESSAGE_UPDATE", message)
            self._begin_with(thread, message)
        elif kind != PRIVATE_THREAD and parent.type != FORUM:
            self._say_begun(parent, thread)
        self.touch()
        return thread

    def _begin_with(self, thread, message):
        """The first line of a thread shows what it hangs on."""
        reference = {
            "type": 0,
            "channel_id": message.channel,
            "message_id": message.id,
            "guild_id": thread.guild,
        }
        starter = Message(self.world.new_id(), thread.id, thread.owner, "", type=21, reference=reference)
        self.add_message(starter)

    def _say_begun(self, parent, thread):
        reference = {"type": 0, "channel_id": thread.id, "guild_id": thread.guild}
        said = Message(
            self.world.new_id(), parent.id, thread.owner, thread.name, type=18, reference=reference
        )
        self.add_message(said)

    def join_thread(self, thread, user):
        if user in thread.members:
            return
        knew = self.world.may(self.bot, thread, Permission.VIEW_CHANNEL)
        thread.members[user] = self.clock.now()
        if user == self.bot and not knew:  # a private one, which the bot had not heard of
            data = channel_json(self.world, thread)
            self._tell(thread, "THREAD_CREATE", data, GUILDS, GUILDS)
        self._say_joined(thread, user)

    def _say_joined(self, thread, user):
        data = {
            "id": thread.id,
            "guild_id": thread.guild,
            "member_count": len(thread.members),
            "added_members": [thread_member_json(self.world, thread, user)],
        }
        intent = GUILDS if user == self.bot else MEMBERS
        self._tell(thread, "THREAD_MEMBERS_UPDATE", data, intent, intent)

    def leave_thread(self, thread, user):
        if user not in thread.members:
            return
        del thread.members[user]
        data = {
            "id": thread.id,
            "guild_id": thread.guild,
            "member_count": len(thread.members),
            "removed_member_ids": [user],
        }
        intent = GUILDS if user == self.bot else MEMBERS
        if user == self.bot:  # it is told, also of a private thread that it sees no more
            self.gateway.dispatch("THREAD_MEMBERS_UPDATE", data, intent=intent, guild=thread.guild)
        else:
            self._tell(thread, "THREAD_MEMBERS_UPDATE", data, intent, intent)

    def change_thread(self, thread, **changes):
        if "archived" in changes and changes["archived"] != thread.archived:
            thread.archive_changed = self.clock.now()
        for name, value in changes.items():
            setattr(thread, name, value)
        self._tell(thread, "THREAD_UPDATE", channel_json(self.world, thread), GUILDS, GUILDS)

    def change_channel(self, channel, **changes):
        for name, value in changes.items():
            setattr(channel, name, value)
        self._say_channel(channel)

    def delete_channel(self, channel):
        """A channel or thread goes, with what was said in it."""
        data = channel_json(self.world, channel)
        for thread in self.world.threads_of(channel):
            del self.world.channels[thread.id]
        del self.world.channels[channel.id]
        for message in channel.messages.values():
            self.deleted.add(message.id)
        if channel.is_thread:
            data = {key: data[key] for key in ("id", "guild_id", "parent_id", "type")}
        event = "THREAD_DELETE" if channel.is_thread else "CHANNEL_DELETE"
        self.gateway.dispatch(event, data, intent=GUILDS, guild=channel.guild)

    # --------------------------------------------------------------- over HTTP

    async def _api(self, request):
        prefix = next(each for each in PREFIXES if request.path.startswith(each))
        path = request.raw_path.partition("?")[0].removeprefix(prefix)
        logged = Request("unknown", request.method, path, self.clock.now(), query=dict(request.query))
        self.requests.append(logged)
        headers = {}
        try:
            chosen, logged.parameters = find(request.method, path)
            logged.name = chosen.name
            key = (chosen.bucket, logged.major)
            self.limits.watch(logged, key)
            fault = self.faults.strike(logged)
            if fault is not None and not fault.after:
                await read_body(request, logged)
                spoiled = await self._spoil(request, logged, fault, key)
                if spoiled is not None:
                    return spoiled
            self._need_token(chosen, request)
            headers = self.limits.take(chosen, logged)
            await read_body(request, logged)
            logged.answer = await chosen.run(Call(self, logged))
            logged.status = 204 if logged.answer is None else 200
        except TooMany as refused:
            return self._too_many(logged, refused)
        except DiscordError as refused:
            logged.status, logged.answer = refused.status, refused.as_json()
            return self._answer(logged, headers)
        except Exception as error:
            self.fault = error
            raise
        if fault is not None and fault.after:
            spoiled = await self._spoil(request, logged, fault, key)
            if spoiled is not None:
                return spoiled
        return self._answer(logged, headers)

    def _need_token(self, chosen, request):
        kind, _, token = request.headers.get("Authorization", "").partition(" ")
        if chosen.needs_token and (kind, token) != ("Bot", self.bot_token):
            raise refusal("unauthorized")

    def _answer(self, logged, headers):
        if self.limits.count_invalid(logged.status, headers.get("X-RateLimit-Scope", "")):
            return _ban(3600)
        self.touch()
        self.record(f"answer {logged.name}" if logged.status < 300 else f"error {logged.name}", logged.answer)
        headers = headers | {"Via": "1.1 google"}
        if logged.answer is None:
            return web.Response(status=logged.status, headers=headers)
        text = json.dumps(logged.answer, ensure_ascii=False)
        headers["Content-Type"] = "application/json"
        return web.Response(status=logged.status, body=text.encode(), headers=headers)

    def _too_many(self, logged, refused):
        logged.status = 429
        logged.answer = {
            "message": "You are being rate limited.",
            "retry_after": round(refused.seconds, 3),
            "global": refused.everywhere,
        }
        headers = {
            "Retry-After": str(math.ceil(refused.seconds)),
            "X-RateLimit-Scope": refused.scope,
        }
        if refused.everywhere:
            headers["X-RateLimit-Global"] = "true"
        return self._answer(logged, headers)

    async def _spoil(self, request, logged, fault, key):
        """What a fault makes of the answer; None where it is only late."""
        if fault.kind == "delay":
            await asyncio.sleep(fault.value)
            return None
        if fault.kind == "limit":
            seconds, everywhere, scope = fault.value
            self.limits.tell_to_wait(None if everywhere else key, seconds)
            return self._too_many(logged, TooMany(seconds, everywhere=everywhere, scope=scope))
        if fault.kind == "cut" and logged.answer is not None:
            return await self._half(request, logged, fault.value)
        if fault.kind in ("cut", "reset"):
            reset(request.transport)
            self.touch()
            return web.StreamResponse()
        spoiled = _spoiled(fault)
        logged.status = spoiled.status
        self.touch()
        return spoiled

    async def _half(self, request, logged, share):
        """The answer breaks off."""
        body = json.dumps(logged.answer).encode()
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        response.content_length = len(body)
        await response.prepare(request)
        await response.write(body[: int(len(body) * share)])
        reset(request.transport)
        return response

    async def _download(self, request):
        logged = Request("download", "GET", request.path, self.clock.now())
        self.requests.append(logged)
        fault = self.faults.strike(logged)
        if fault is not None:
            spoiled = await self._spoil(request, logged, fault, ("download", ()))
            if spoiled is not None:
                return spoiled
        response = await self.cdn.serve(request)
        logged.status = response.status
        self.touch()
        return response


def _guild_id(channel):
    return {"guild_id": channel.guild} if channel.guild else {}


def _spoiled(fault):
    """What comes instead of an answer."""
    match fault.kind:
        case "status":
            return web.Response(status=fault.value, text="upstream connect error")
        case "page":
            return web.Response(text="<html>error</html>", content_type="text/html")
        case "garbage":
            return web.Response(text='{"id": "12', content_type="application/json")
    return _ban(fault.value)


def _ban(seconds):
    """What the firewall says: it knows no JSON."""
    return web.Response(
        status=429, text="error code: 1015", content_type="text/plain", headers={"Retry-After": str(seconds)}
    )


REGISTERED = (commands, files, interactions, messages, places)  # importing them registers their routes
