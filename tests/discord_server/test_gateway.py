"""The gateway against the real discord.py, and against frames that no client of its own would send."""

from __future__ import annotations

import asyncio
import json
import zlib

import aiohttp
import discord
import pytest

from tests.discord_server import DiscordServer
from tests.discord_server.client import MENTION_ONLY, Bot, ShardedBot, running
from tests.discord_server.gateway import (
    DM_MESSAGES,
    GUILD_MESSAGES,
    GUILDS,
    MEMBERS,
    MESSAGE_CONTENT,
    TIMED_OUT,
)
from tests.discord_server.world import COMPONENTS_V2

DEFAULT = GUILDS | GUILD_MESSAGES | DM_MESSAGES


def played(story, **options):
    """Run a story with a server."""

    async def told():
        async with DiscordServer(**options) as server:
            return await story(server)

    return asyncio.run(told())


# ------------------------------------------------------------------ by discord.py


def test_a_bot_hears_what_is_said_where_it_sees():
    async def story(server):
        ana = server.user("ana")
        server.channel("secret", hidden=True, members=[ana], with_bot=False)
        async with running(server, Bot()) as bot:
            await ana.mentions("secret", "nobody hears this")
            await ana.mentions("general", "hello")
            await ana.writes_to_bot("and here")
            await server.until(lambda: bot.texts() == [f"<@{server.bot}> hello", "and here"])
            assert [guild.name for guild in bot.guilds] == ["acme"]
            (connection,) = server.gateway.connections
            assert connection.compress in ("zlib-stream", "zstd-stream")

    played(story)


def test_without_the_intent_only_what_is_meant_for_the_bot_can_be_read():
    async def story(server):
        ana, bob = server.user("ana"), server.user("bob")
        async with running(server, Bot()) as bot:
            general = server.channel("general")
            mine = await bot.get_channel(int(general.id)).send("from me")
            own = general.messages[str(mine.id)]
            await ana.writes("general", "plain", files=[("a.txt", b"a")])
            await ana.replies(own, "a reply that pings")
            await ana.replies(own, "a reply that does not", pings=False)
            asked = await ana.mentions("general", "a mention", files=[("b.txt", b"b")])
            await bob.replies(asked, "no ping of the bot")
            await ana.writes_to_bot("direct")
            await server.until(lambda: bot.count("message") == 7)
            mention = f"<@{server.bot}> a mention"
            assert bot.texts() == ["from me", "", "a reply that pings", "", mention, "", "direct"]
            told = [what for event, what in bot.heard if event == "message"]
            assert [len(each.attachments) for each in told] == [0, 0, 0, 0, 1, 0, 0]
            history = [each.content async for each in told[0].channel.history(oldest_first=True)]
            assert history == bot.texts()[:-1]

    played(story)


def test_a_forwarded_message_is_a_snapshot_that_the_bot_reads_in_a_dm():
    async def story(server):
        ana = server.user("ana")
        async with running(server, Bot()) as bot:
            first = await ana.writes("general", "the numbers", files=[("n.csv", b"1,2")])
            await ana.forwards(first, "general")
            await ana.forwards(first, ana)
            hidden, shown = await server.until(lambda: _forwarded(bot, 2))
            assert hidden.message_snapshots == []
            (snapshot,) = shown.message_snapshots
            assert snapshot.content == "the numbers"
            assert await snapshot.attachments[0].read() == b"1,2"

    played(story)


def _forwarded(bot, count):
    told = [what for event, what in bot.heard if event == "message" and what.reference]
    return told if len(told) == count else None


@pytest.mark.parametrize("seed", range(4))
def test_nothing_is_lost_and_nothing_comes_twice_when_connections_drop(seed):
    async def story(server):
        ana = server.user("ana")
        expected = []
        async with running(server, Bot()) as bot:
            for number in range(60):
                text = f"<@{server.bot}> {number}"
                expected.append(text)
                if server.random.random() < 0.2:
                    before = server.random.random() < 0.5
                    server.gateway.when(lambda event, _: event == "MESSAGE_CREATE", before=before)
                elif server.random.random() < 0.1:
                    server.gateway.drop()
                await ana.writes("general", text)
                if server.random.random() < 0.3:  # else it goes on while the bot is away
                    await server.until(lambda: len(bot.texts()) >= len(expected), seconds=30)
            await server.until(lambda: len(bot.texts()) >= 60, seconds=30)
            assert bot.texts() == expected
            assert len(server.gateway.resumes) >= 5
            assert all(accepted for _, _, accepted in server.gateway.resumes)
            assert len(server.gateway.identified) == 1

    played(story, seed=seed)


def test_asked_to_reconnect_a_client_resumes_where_it_was():
    async def story(server):
        ana = server.user("ana")
        async with running(server, Bot()) as bot:
            server.gateway.reconnect()
            await ana.mentions("general", "meanwhile")
            await server.until(lambda: bot.count("resumed") == 1)
            assert bot.texts() == [f"<@{server.bot}> meanwhile"]

    played(story)


@pytest.mark.parametrize("code", [4000, 4001, 4008])
def test_a_session_whose_connection_discord_closes_is_resumed(code):
    async def story(server):
        ana = server.user("ana")
        async with running(server, Bot()) as bot:
            server.gateway.close(code)
            await ana.mentions("general", "meanwhile")
            await server.until(lambda: bot.count("resumed") == 1)
            assert bot.texts() == [f"<@{server.bot}> meanwhile"]
            assert len(server.gateway.identified) == 1

    played(story)


@pytest.mark.parametrize("why", ["invalidated", "forgotten", "too late", "timed out"])
def test_a_session_that_is_over_is_identified_anew(why):
    async def story(server):
        ana = server.user("ana")
        async with running(server, Bot()) as bot:
            if why == "invalidated":
                server.gateway.invalidate()
            elif why == "forgotten":
                server.gateway.forget()
                server.gateway.drop()
            elif why == "timed out":
                server.gateway.close(TIMED_OUT)
            else:
                server.gateway.resume_seconds = 0.0
                server.gateway.drop()
            await ana.mentions("general", "lost")
            await server.until(lambda: len(server.gateway.identified) == 2)
            await server.until(lambda: bot.count("ready") == 2)
            await ana.mentions("general", "heard")
            await server.until(lambda: bot.texts()[-1:] == [f"<@{server.bot}> heard"])
            if why != "invalidated":
                assert server.gateway.resumes[-1][2] is False

    played(story)


def test_op_9_may_leave_the_session_to_be_resumed():
    async def story(server):
        async with running(server, Bot()) as bot:
            server.gateway.invalidate(resumable=True)
            await server.until(lambda: bot.count("resumed") == 1)
            assert len(server.gateway.identified) == 1

    played(story)


def test_each_guild_belongs_to_one_shard_and_direct_messages_to_the_first():
    async def story(server):
        ana = server.user("ana")
        server.gateway.shards = 3
        for name in ("one", "two", "three", "four"):
            ana.joins(server.add_guild(name))
        async with running(server, ShardedBot()) as bot:
            await server.connected(shards=3)
            assert bot.shard_count == 3
            assert {guild.id: guild.shard_id for guild in bot.guilds} == {
                int(each): (int(each) >> 22) % 3 for each in server.world.guilds
            }
            for guild in server.world.guilds.values():
                await ana.mentions(server.channel("general", guild=guild), guild.name)
            await ana.writes_to_bot("direct")
            await server.until(lambda: len(bot.texts()) == 6)
            session = next(each for each in server.gateway.sessions.values() if each.shard == (0, 3))
            assert "direct" in [data.get("content") for _, data in session.log]
            server.gateway.drop()
            await server.until(lambda: bot.count("shard_resumed") == 3)

    played(story)


def test_guilds_come_and_go():
    async def story(server):
        async with running(server, Bot()) as bot:
            second = server.add_guild("second")
            await server.until(lambda: bot.count("guild_join") == 1)
            server.outage(second)
            await server.until(lambda: bot.count("guild_unavailable") == 1)
            server.outage(second, over=True)
            await server.until(lambda: bot.count("guild_available") == 1)
            server.remove_bot(second)
            await server.until(lambda: bot.count("guild_remove") == 1)
            assert [guild.name for guild in bot.guilds] == ["acme"]

    played(story)


def test_what_changes_about_permissions_is_told():
    async def story(server):
        ana = server.user("ana")
        general = server.channel("general")
        async with running(server, Bot()) as bot:
            seen = bot.get_channel(int(general.id))
            server.deny(general, server.guild, server.permission.VIEW_CHANNEL)
            await server.until(lambda: not seen.permissions_for(seen.guild.default_role).view_channel)
            server.allow(general, server.bot, server.permission.VIEW_CHANNEL)
            await server.until(lambda: seen.permissions_for(seen.guild.me).view_channel)
            role = server.role("readers", members=[ana])
            known = await server.until(lambda: seen.guild.get_role(int(role.id)))
            server.set_permissions(role, server.permission.ADMINISTRATOR)
            await server.until(lambda: known.permissions.administrator)

    played(story)


def test_members_can_be_asked_for():
    async def story(server):
        ana = server.user("ana")
        server.user("bob")
        async with running(server, Bot()) as bot:
            (found,) = await bot.guilds[0].query_members("an")
            assert str(found.id) == ana.id
            (again,) = await bot.guilds[0].query_members(user_ids=[int(ana.id), 12])
            assert again == found

    played(story)


def test_heartbeats_are_sent_and_answered():
    async def story(server):
        server.gateway.heartbeat_ms = 20
        async with running(server, Bot()) as bot:
            (connection,) = server.gateway.connections
            await server.until(lambda: connection.heartbeats > 3)
            assert 0 <= bot.latency < 5
            server.gateway.heartbeat_ms = 60_000
            server.gateway.reconnect()
            await server.until(lambda: bot.count("resumed"))
            (connection,) = server.gateway.connections
            before = connection.heartbeats
            server.gateway.ask_for_heartbeats()
            await server.until(lambda: connection.heartbeats > before)

    played(story)


def test_a_connection_that_has_gone_silent_is_given_up_and_resumed():
    async def story(server):
        ana = server.user("ana")
        server.gateway.heartbeat_ms = 50
        async with running(server, Bot(heartbeat_timeout=0.4)) as bot:
            server.gateway.acks = False
            await server.until(lambda: server.gateway.resumes)
            server.gateway.acks = True
            await ana.mentions("general", "still there?")
            await server.until(lambda: bot.texts() == [f"<@{server.bot}> still there?"])

    played(story)


@pytest.mark.parametrize(
    ("intents", "error"),
    [
        (MENTION_ONLY | discord.Intents(message_content=True), discord.PrivilegedIntentsRequired),
        (MENTION_ONLY | discord.Intents(members=True), discord.PrivilegedIntentsRequired),
    ],
)
def test_privileged_intents_have_to_be_switched_on(intents, error):
    async def story(server):
        with pytest.raises(error):
            async with running(server, Bot(intents=intents)):
                pass
        server.world.app.message_content = server.world.app.members_intent = True
        ana = server.user("ana")
        async with running(server, Bot(intents=intents)) as bot:
            await ana.writes("general", "plain")
            await server.until(lambda: bot.count("message") == 1)
            assert bot.texts() == (["plain"] if intents.message_content else [""])

    played(story)


def test_a_wrong_token_does_not_log_in():
    async def story(server):
        with pytest.raises(discord.LoginFailure):
            async with running(server, Bot(), token="wrong"):  # noqa: S106 - it is none
                pass

    played(story)


# ---------------------------------------------------------------- frame by frame


class Raw:
    """A connection without a client: what is sent, and what comes back."""

    def __init__(self, server, socket):
        self.server = server
        self.socket = socket

    async def frame(self):
        received = await self.socket.receive(timeout=5)
        if received.type == aiohttp.WSMsgType.BINARY:
            return json.loads(zlib.decompress(received.data))
        return json.loads(received.data)

    async def send(self, op, data=None):
        await self.socket.send_str(json.dumps({"op": op, "d": data}))

    async def identify(self, **more):
        await self.send(2, {"token": self.server.bot_token, "intents": DEFAULT, "properties": {}} | more)

    async def code(self):
        """The code that the connection is closed with."""
        while not self.socket.closed:
            await self.socket.receive(timeout=5)
        return self.socket.close_code


def raw(story, **query):
    async def told(server):
        url = server.gateway.url + "?" + "&".join(f"{key}={value}" for key, value in query.items())
        async with aiohttp.ClientSession() as session, session.ws_connect(url) as socket:
            return await story(Raw(server, socket))

    return played(told)


def closed_after(*frames, **identity):
    """The code after HELLO and these frames."""

    async def story(gateway):
        assert (await gateway.frame())["op"] == 10
        for frame in frames:
            if frame == "identify":
                await gateway.identify(**identity)
            elif isinstance(frame, str):
                await gateway.socket.send_str(frame)
            else:
                await gateway.send(*frame)
        return await gateway.code()

    return raw(story, v=10, encoding="json")


@pytest.mark.parametrize(
    ("code", "frames", "identity"),
    [
        (4001, ["identify", (42,)], {}),
        (4002, ["no json"], {}),
        (4003, [(8, {})], {}),
        (4004, ["identify"], {"token": "wrong"}),
        (4005, ["identify", "identify"], {}),
        (4008, ["identify", *[(1,)] * 121], {}),
        (4010, ["identify"], {"shard": [3, 2]}),
        (4013, ["identify"], {"intents": 1 << 40}),
        (4014, ["identify"], {"intents": DEFAULT | MESSAGE_CONTENT}),
        (4014, ["identify"], {"intents": DEFAULT | MEMBERS}),
    ],
)
def test_what_breaks_the_protocol_is_closed_with_its_code(code, frames, identity):
    assert closed_after(*frames, **identity) == code


def test_another_version_of_the_gateway_is_refused():
    async def story(gateway):
        return await gateway.code()

    assert raw(story, v=5, encoding="json") == 4012


def test_sharding_can_be_required():
    async def story(gateway):
        gateway.server.gateway.shards, gateway.server.gateway.needs_shards = 2, True
        await gateway.frame()
        await gateway.identify()
        return await gateway.code()

    assert raw(story, v=10, encoding="json") == 4011


def test_a_sequence_number_that_was_never_sent_is_refused():
    async def story(gateway):
        await gateway.frame()
        await gateway.identify()
        ready = (await gateway.frame())["d"]
        async with aiohttp.ClientSession() as session:
            url = f"{ready['resume_gateway_url']}?v=10&encoding=json"
            async with session.ws_connect(url) as socket:
                other = Raw(gateway.server, socket)
                await other.frame()
                given = {"token": gateway.server.bot_token, "session_id": ready["session_id"]}
                await other.send(6, given | {"seq": 99})
                return await other.code()

    assert raw(story, v=10, encoding="json") == 4007


def test_who_sends_no_heartbeat_is_cut_off():
    async def story(gateway):
        await gateway.frame()
        gateway.server.clock.advance(200)
        return await gateway.code()

    async def told(server):
        server.gateway.heartbeat_ms = 30
        url = f"{server.gateway.url}?v=10&encoding=json"
        async with aiohttp.ClientSession() as session, session.ws_connect(url) as socket:
            return await story(Raw(server, socket))

    assert played(told) == 4009


def test_large_payloads_are_compressed_for_who_asks_for_it():
    async def story(gateway):
        await gateway.frame()
        await gateway.identify(compress=True)
        await gateway.frame()
        received = await gateway.socket.receive(timeout=5)
        assert received.type == aiohttp.WSMsgType.BINARY
        return json.loads(zlib.decompress(received.data))["t"]

    assert raw(story, v=10, encoding="json") == "GUILD_CREATE"


def test_identifying_again_too_soon_is_refused_where_the_server_minds():
    async def story(gateway):
        gateway.server.gateway.paced = True
        await gateway.frame()
        await gateway.identify()
        await gateway.frame()
        async with aiohttp.ClientSession() as session:
            url = f"{gateway.server.gateway.url}?v=10&encoding=json"
            async with session.ws_connect(url) as socket:
                other = Raw(gateway.server, socket)
                await other.frame()
                await other.identify()
                refused = await other.frame()
                gateway.server.clock.advance(6)
                await other.identify()
                return refused, (await other.frame())["t"]

    refused, then = raw(story, v=10, encoding="json")
    assert (refused["op"], refused["d"], then) == (9, False, "READY")


def test_who_begins_more_sessions_than_there_are_loses_the_token():
    async def story(server):
        server.gateway.paced, server.gateway.starts_left = True, 1
        token = server.bot_token
        async with running(server, Bot()) as bot:
            _, _, limit = await bot.http.get_bot_gateway()
            assert (limit["total"], limit["remaining"], limit["max_concurrency"]) == (1000, 0, 1)
            server.gateway.invalidate()
            await server.until(bot.is_closed)
        await server.until(lambda: 4004 in [given for given, _ in server.gateway.closed])
        assert server.bot_token != token
        with pytest.raises(discord.LoginFailure):
            async with running(server, Bot(), token=token):
                pass

    played(story)


def test_components_v2_survive_the_way_to_discord_py():
    async def story(server):
        async with running(server, Bot()) as bot:
            view = discord.ui.LayoutView()
            view.add_item(discord.ui.Container(discord.ui.TextDisplay("**bold**"), accent_color=5))
            channel = bot.get_channel(int(server.channel("general").id))
            sent = await channel.send(view=view)
            assert sent.flags.value == COMPONENTS_V2
            assert server.user("ana").sees("general")[0].text == "**bold**"

    played(story)
