"""The REST API against the real discord.py: messages, limits of every kind, permissions, files, faults."""

from __future__ import annotations

import asyncio
import io

import aiohttp
import discord
import pytest
from discord.http import Route
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.discord_server import DiscordServer
from tests.discord_server.client import Bot, running
from tests.discord_server.permissions import Permission, in_channel, together
from tests.discord_server.shapes import channel_json, guild_create_json
from tests.discord_server.world import PUBLIC_THREAD, Overwrite


def played(story, **options):
    """Run a story with a server, a bot that runs there, and its general channel."""

    async def told():
        async with DiscordServer(**options) as server, running(server, Bot()) as bot:
            general = bot.get_channel(int(server.channel("general").id))
            return await story(server, bot, general)

    return asyncio.run(told())


async def refused(request):
    """(status, code, errors) of what is refused; None where it is not."""
    try:
        await request
    except discord.HTTPException as error:
        return error.status, error.code, error.text
    return None


# -------------------------------------------------------------------- messages


def test_history_is_paged_as_discord_does():
    async def story(server, bot, general):
        del bot
        ana = server.user("ana")
        said = [await ana.mentions("general", str(number)) for number in range(250)]
        ids = [int(each.id) for each in said]

        async def read(**where):
            found = await general._state.http.logs_from(general.id, **where)  # noqa: SLF001 - one page as it is
            return [int(each["id"]) for each in found]

        assert await read(limit=3) == ids[:-4:-1]
        assert await read(limit=100, before=ids[100]) == ids[99::-1]
        assert await read(limit=2, after=ids[10]) == [ids[12], ids[11]]
        assert set(await read(limit=5, around=ids[50])) == set(ids[48:53])
        assert await read(limit=100, after=ids[-1]) == []
        assert [each.id async for each in general.history(limit=None, oldest_first=True)] == ids

    played(story)


def test_the_same_nonce_posts_once_for_some_minutes():
    async def story(server, bot, general):
        del bot
        first = await general.send("once", nonce=42)
        again = await general.send("once more", nonce=42)
        assert (again.id, again.content) == (first.id, "once")
        assert len(server.answers("general")) == 1
        server.clock.advance(600)
        assert (await general.send("later", nonce=42)).id != first.id

    played(story)


def test_a_reply_needs_what_it_answers_to():
    async def story(server, bot, general):
        ana = server.user("ana")
        asked = await ana.mentions("general", "why?")
        message = await general.fetch_message(int(asked.id))
        await message.reply("because", mention_author=True)
        (answer,) = server.answers("general")
        assert answer.reference["message_id"] == asked.id
        assert ana.reads(answer).pings == ("@ana",)
        await ana.deletes(asked)
        assert (await refused(message.reply("again")))[:2] == (400, 50035)
        reference = message.to_reference(fail_if_not_exists=False)
        assert (await general.send("so be it", reference=reference)).reference is None
        await server.until(lambda: bot.count("raw_message_delete"))

    played(story)


def test_an_edit_changes_what_it_names_and_nothing_else():
    async def story(server, bot, general):
        del bot
        embed = discord.Embed(title="T")
        sent = await general.send("one", embed=embed, file=discord.File(io.BytesIO(b"x"), "x.txt"))
        await sent.edit(content="two")
        (kept,) = server.answers("general")
        assert (kept.content, kept.past, len(kept.embeds), len(kept.attachments)) == ("two", ["one"], 1, 1)
        await sent.edit(embed=None, attachments=[])
        assert (kept.content, kept.embeds, kept.attachments) == ("two", [], [])
        assert (await refused(sent.edit(content="")))[:2] == (400, 50006)

    played(story)


def test_whom_a_message_calls_is_what_its_author_allows_and_may():
    async def story(server, bot, general):
        del bot
        ana, bob = server.user("ana"), server.user("bob")
        role = server.role("team", mentionable=True)
        text = f"@everyone {ana.mention} {bob.mention} <@&{role.id}> `{bob.mention}`"
        none, some = discord.AllowedMentions.none(), discord.AllowedMentions(users=[discord.Object(ana.id)])
        sent = [
            await general.send(text, allowed_mentions=none),
            await general.send(text, allowed_mentions=some),
            await general.send(text, allowed_mentions=discord.AllowedMentions.all()),
        ]
        server.deny(server.channel("general"), server.guild, Permission.MENTION_EVERYONE)
        sent.append(await general.send(text, allowed_mentions=discord.AllowedMentions.all()))
        seen = [ana.reads(each).pings for each in server.answers("general")]
        assert seen == [
            (),
            ("@ana",),
            ("@everyone", "@ana", "@bob", "@team"),
            ("@ana", "@bob", "@team"),
        ]
        assert [bool(each.mention_everyone) for each in sent] == [False, False, True, False]

    played(story)


def test_pictures_stand_where_they_are_shown():
    async def story(server, bot, general):
        embed = discord.Embed(title="T").set_image(url="attachment://e.png")
        sent = await general.send(embed=embed, files=[file("e.png"), file("other.png")])
        assert [each.filename for each in sent.attachments] == ["other.png"]
        assert await bot.http.get_from_cdn(sent.embeds[0].image.url) == b"e.png"
        view = discord.ui.LayoutView()
        view.add_item(
            discord.ui.MediaGallery(discord.MediaGalleryItem("attachment://g.png", description="G"))
        )
        view.add_item(discord.ui.File("attachment://f.txt"))
        await general.send(view=view, files=[file("g.png"), file("f.txt")])
        told = server.requests[-1].answer["components"]
        assert await bot.http.get_from_cdn(told[0]["items"][0]["media"]["url"]) == b"g.png"
        assert (told[1]["name"], told[1]["size"]) == ("f.txt", 5)

    def file(name):
        return discord.File(io.BytesIO(name.encode()), name)

    played(story)


def test_people_do_what_they_may_and_nothing_else():
    async def story(server, bot, general):
        del bot
        ana, bob = server.user("ana"), server.user("bob")
        hidden = server.channel("hidden", hidden=True, members=[bob])
        place = server.channel("general")
        for act in (
            ana.writes(hidden, "x"),
            ana.starts_thread(hidden, "x"),
            ana.deletes(await bob.writes(place, "x")),
        ):
            with pytest.raises(PermissionError):
                await act
        with pytest.raises(PermissionError):
            ana.sees(hidden)
        with pytest.raises(ValueError, match="size"):
            await ana.writes(place, "x" * 2001)
        server.time_out(ana, 60)
        with pytest.raises(PermissionError):
            await ana.writes(place, "x")
        server.clock.advance(61)
        await ana.writes(place, "I am back")
        await general.send(f"{hidden.mention} is {bob.mention}")
        assert [each.text for each in ana.sees(place)][-1] == "#hidden is @bob"

    played(story)


# ---------------------------------------------------------------------- limits

BUTTON = {"type": 2, "style": 1, "label": "A", "custom_id": "a"}
TEXT = {"type": 10, "content": "x"}
V2 = 1 << 15
MISSING = "attachment://missing.png"


def row(*inner):
    return {"type": 1, "components": list(inner)}


TOO_MUCH = [
        ({"content": "x" * 2001}, "content"),
        ({"embeds": [{"title": "x"}] * 11}, "embeds"),
        ({"embeds": [{"title": "x" * 257}]}, "title"),
        ({"embeds": [{"description": "x" * 4097}]}, "description"),
        ({"embeds": [{"description": "x" * 3500}] * 2}, "6000"),
        ({"embeds": [{"fields": [{"name": "n", "value": "v"}] * 26}]}, "fields"),
        ({"embeds": [{"fields": [{"name": "n", "value": ""}]}]}, "value"),
        ({"embeds": [{"footer": {"text": "x" * 2049}}]}, "footer"),
        ({"embeds": [{"title": "x", "url": "javascript:alert(1)"}]}, "Scheme"),
        ({"content": "x", "components": [row(BUTTON)] * 6}, "components"),
        ({"content": "x", "components": [row(*[BUTTON] * 6)]}, "components"),
        ({"content": "x", "components": [row(BUTTON, BUTTON)]}, "duplicated"),
        ({"content": "x", "components": [row(BUTTON | {"label": "x" * 81})]}, "label"),
        ({"content": "x", "components": [row(BUTTON | {"custom_id": "x" * 101})]}, "custom_id"),
        ({"content": "x", "components": [row(BUTTON | {"style": 5, "url": "https://a.b"})]}, "url"),
        ({"content": "x", "components": [TEXT]}, "type"),
        ({"flags": V2, "content": "x", "components": [TEXT]}, "content"),
        ({"flags": V2, "embeds": [{"title": "x"}], "components": [TEXT]}, "embeds"),
        ({"flags": V2, "components": [TEXT] * 41}, "40"),
        ({"flags": V2, "components": [TEXT | {"content": "x" * 2001}] * 2}, "4000"),
        ({"flags": V2, "components": [{"type": 17, "components": [{"type": 17}]}]}, "type"),
        ({"flags": V2, "components": [{"type": 12, "items": [{"media": {"url": MISSING}}]}]}, "not found"),
        ({"flags": V2, "components": [{"type": 9, "components": [TEXT]}]}, "accessory"),
        ({"content": "x", "nonce": "n" * 26}, "nonce"),
        ({"content": "x", "allowed_mentions": {"parse": ["users"], "users": ["1"]}}, "exclusive"),
        ({"content": "x", "allowed_mentions": {"parse": ["all"]}}, "parse"),
]  # fmt: skip


def test_what_is_too_much_is_refused_by_the_name_of_its_field():
    async def story(server, bot, general):
        taken = []
        for body, field in TOO_MUCH:
            request = bot.http.request(Route("POST", f"/channels/{general.id}/messages"), json=body)
            failed = await refused(request)
            told = str(server.requests[-1].answer)
            if failed is None or failed[:2] != (400, 50035) or field not in told:
                taken.append((field, failed, told))
        assert taken == []
        assert server.answers("general") == []

    played(story)


def test_what_is_just_within_the_limits_is_posted():
    async def story(server, bot, general):
        buttons = [row(*[BUTTON | {"custom_id": f"{n}{m}"} for m in range(5)]) for n in range(5)]
        bodies = [
            {"content": "x" * 2000},
            {"embeds": [{"description": "x" * 4096}, {"description": "x" * 1904}]},
            {"content": "x", "components": buttons},
            {"flags": V2, "components": [TEXT | {"content": "x" * 100}] * 40},
        ]
        for body in bodies:
            await bot.http.request(Route("POST", f"/channels/{general.id}/messages"), json=body)
        assert len(server.answers("general")) == len(bodies)

    played(story)


def test_files_have_a_size_that_the_guild_decides_on():
    async def story(server, bot, general):
        del bot
        large = b"x" * ((10 << 20) + 1)

        def send():
            return general.send(file=discord.File(io.BytesIO(large), "large.bin"))

        assert (await refused(send()))[:2] == (413, 40005)
        server.guild.premium_tier = 2
        assert await refused(send()) is None
        many = [discord.File(io.BytesIO(b"x"), f"{number}") for number in range(10)]
        assert await refused(general.send(files=many)) is None

    played(story)


# ----------------------------------------------------------------- permissions


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_permissions_are_what_discord_py_computes(data):
    """discord.py's own computation, on the JSON that the server sends, is the authority."""
    chosen = st.sets(st.sampled_from(sorted(Permission)))

    def some():
        return together(data.draw(chosen))

    server = DiscordServer()
    ana, general = server.user("ana"), server.channel("general")
    server.set_permissions(server.guild.roles[server.guild.id], some())
    roles = [server.role(name) for name in ("first", "second")]
    for role in roles:
        server.set_permissions(role, some())
        if data.draw(st.booleans()):
            server.give_role(ana, role)
    for target, kind in [(server.guild.id, 0), (roles[0].id, 0), (roles[1].id, 0), (ana.id, 1)]:
        if data.draw(st.booleans()):
            server.overwrite(general, Overwrite(target, kind, some(), some()))
    thread = server.start_thread(general, "t", owner=server.guild.owner, kind=PUBLIC_THREAD)
    member, *places = as_discord_py(server, ana, general, thread)
    theirs = [Permission(each.permissions_for(member).value & int(together(Permission))) for each in places]
    assert [in_channel(server.world, each, ana.id) for each in (general, thread)] == theirs


def as_discord_py(server, person, channel, thread):
    """The person, the channel and the thread as discord.py reads them from what a new session is sent."""
    server.base = "http://unused"
    state = Bot(max_messages=None)._connection  # noqa: SLF001 - the only way to a guild without a connection
    told = guild_create_json(server.world, server.guild, all_members=True)
    guild = discord.Guild(data=told, state=state)
    (member,) = [each for each in told["members"] if each["user"]["id"] == person.id]
    return (
        discord.Member(data=member, guild=guild, state=state),
        guild.get_channel(int(channel.id)),
        discord.Thread(data=channel_json(server.world, thread), guild=guild, state=state),
    )


DENIED = [
    (Permission.VIEW_CHANNEL, "send", (403, 50001)),
    (Permission.VIEW_CHANNEL, "history", (403, 50001)),
    (Permission.SEND_MESSAGES, "send", (403, 50013)),
    (Permission.SEND_MESSAGES, "typing", (403, 50013)),
    (Permission.ATTACH_FILES, "file", (403, 50013)),
    (Permission.EMBED_LINKS, "embed", (403, 50013)),
    (Permission.CREATE_PUBLIC_THREADS, "thread", (403, 50013)),
    (Permission.SEND_MESSAGES_IN_THREADS, "in thread", (403, 50013)),
    (Permission.ADD_REACTIONS, "react", (403, 50013)),
    (Permission.READ_MESSAGE_HISTORY, "reply", (400, 160002)),
    (Permission.READ_MESSAGE_HISTORY, "history", None),
    (Permission.MANAGE_MESSAGES, "delete", (403, 50013)),
    (Permission.MANAGE_MESSAGES, "edit", (403, 50005)),
]


def test_what_the_bot_may_not_do_fails_with_discords_own_code():
    async def story(server, bot, general):
        del bot
        ana, place = server.user("ana"), server.channel("general")
        message = general.get_partial_message(int((await ana.mentions("general", "here")).id))
        thread = await message.create_thread(name="thread")
        other = general.get_partial_message(int((await ana.mentions("general", "there")).id))
        acts = {
            "send": lambda: general.send("x"),
            "history": lambda: _first(general),
            "typing": general.typing,
            "file": lambda: general.send(file=discord.File(io.BytesIO(b"x"), "x")),
            "embed": lambda: general.send(embed=discord.Embed(title="x")),
            "thread": lambda: other.create_thread(name="x"),
            "in thread": lambda: thread.send("x"),
            "react": lambda: message.add_reaction("👍"),
            "reply": lambda: general.send("x", reference=message.to_reference()),
            "delete": message.delete,
            "edit": lambda: message.edit(content="x"),
        }
        failures = []
        for denied, act, _ in DENIED:
            server.overwrite(place, Overwrite(server.bot, 1, deny=denied))
            failed = await refused(acts[act]())
            failures.append((denied, act, failed[:2] if failed else None))
        assert failures == DENIED

    played(story)


async def _first(channel):
    return [each async for each in channel.history(limit=1)]


def test_a_channel_that_opens_brings_its_threads():
    async def story(server, bot, general):
        del general
        ana = server.user("ana")
        secret = server.channel("secret", hidden=True, members=[ana], with_bot=False)
        thread = await ana.starts_thread(secret, "inside")
        server.allow(secret, server.bot, Permission.VIEW_CHANNEL)
        await server.until(lambda: bot.get_channel(int(thread.id)))
        await ana.mentions(thread, "hello")
        await server.until(lambda: bot.texts() == [f"<@{server.bot}> hello"])

    played(story)


def test_many_messages_go_at_once():
    async def story(server, bot, general):
        ana = server.user("ana")
        said = [await ana.writes("general", str(number)) for number in range(3)]
        found = [each async for each in general.history()]
        assert (await refused(general.delete_messages(found)))[:2] == (403, 50013)
        server.allow(server.channel("general"), server.bot, Permission.MANAGE_MESSAGES)
        await general.delete_messages(found)
        await server.until(lambda: bot.count("raw_bulk_message_delete"))
        assert server.messages("general") == []
        assert all(each.id in server.deleted for each in said)

    played(story)


def test_who_manages_may_put_others_things_in_order():
    async def story(server, bot, general):
        ana, place = server.user("ana"), server.channel("general")
        said = await ana.mentions("general", "x")
        message = general.get_partial_message(int(said.id))
        await ana.reacts(said, "👍")
        await ana.reacts(said, "👀")
        assert (await refused(message.clear_reactions()))[:2] == (403, 50013)
        server.allow(place, server.bot, Permission.MANAGE_MESSAGES, Permission.MANAGE_ROLES)
        server.allow(place, server.bot, Permission.MANAGE_THREADS, Permission.CREATE_PRIVATE_THREADS)
        await message.remove_reaction("👍", discord.Object(int(ana.id)))
        assert list(said.reactions) == ["👀"]
        await message.clear_reactions()
        await server.until(lambda: bot.count("raw_reaction_clear"))
        private = await general.create_thread(name="private")
        await private.add_user(discord.Object(int(ana.id)))
        await ana.writes(server.world.channels[str(private.id)], "here I am")
        await private.edit(archived=True)
        for joined in (False, True):
            found = [each.name async for each in general.archived_threads(private=True, joined=joined)]
            assert found == ["private"]
        target = general.guild.default_role
        await general.set_permissions(target, send_messages=False)
        with pytest.raises(PermissionError):
            await ana.writes(place, "x")
        role = server.role("readers", Permission.ADMINISTRATOR, members=[ana])
        await ana.writes(place, "x")
        server.take_role(ana, role)
        with pytest.raises(PermissionError):
            await ana.writes(place, "x")
        await private.delete()
        assert server.threads(place) == []

    played(story)


def test_what_goes_wrong_in_the_server_itself_is_told_to_whoever_waits():
    async def story(server, bot, general):
        del bot
        server.cdn = None
        form = aiohttp.FormData({"payload_json": "{}"})
        form.add_field("files[0]", b"x", filename="x")
        url = f"{server.api_url}/channels/{general.id}/messages"
        headers = {"Authorization": f"Bot {server.bot_token}"}
        async with aiohttp.ClientSession(headers=headers) as session:
            assert (await session.post(url, data=form)).status == 500
        with pytest.raises(AttributeError):
            await server.until(lambda: False)

    played(story)


def test_what_is_not_there_is_unknown():
    async def story(server, bot, general):
        ana = server.user("ana")
        gone = general.get_partial_message(1)
        assert (await refused(gone.fetch()))[:2] == (404, 10008)
        assert (await refused(gone.edit(content="x")))[:2] == (404, 10008)
        assert (await refused(bot.fetch_channel(1)))[:2] == (404, 10003)
        assert (await refused(bot.fetch_guild(1)))[:2] == (404, 10004)
        assert (await refused(bot.fetch_user(1)))[:2] == (404, 10013)
        assert (await refused(bot.http.request(Route("GET", "/nowhere"))))[:2] == (404, 0)
        message = general.get_partial_message(int((await ana.mentions("general", "x")).id))
        assert (await refused(message.add_reaction("word")))[:2] == (400, 10014)
        await message.create_thread(name="one")
        assert (await refused(message.create_thread(name="two")))[:2] == (400, 160004)
        ana.user.closed_to_dms = True
        person = await bot.fetch_user(int(ana.id))
        assert (await refused(person.send("x")))[:2] == (403, 50007)

    played(story)


# -------------------------------------------------------------- threads, forums


def test_threads_and_forum_posts_are_places_of_their_own():
    async def story(server, bot, general):
        ana = server.user("ana")
        asked = await ana.mentions("general", "why?")
        thread = await general.get_partial_message(int(asked.id)).create_thread(name="Why")
        assert thread.id == int(asked.id)
        await thread.send("because")
        assert [each.text for each in ana.sees(server.thread_of(asked))] == ["", "because"]
        forum = server.channel("help", type="forum", tags=["bug"])
        post = await ana.posts(forum, "It breaks", f"<@{server.bot}> on start", tags=["bug"])
        seen = await server.until(lambda: bot.get_channel(int(post.id)))
        assert [tag.name for tag in seen.applied_tags] == ["bug"]
        assert (await seen.fetch_message(seen.id)).content.endswith("on start")
        assert (await refused(bot.get_partial_messageable(int(forum.id)).send("x")))[:2] == (400, 50008)
        own = await bot.get_channel(int(forum.id)).create_thread(name="Ours", content="first")
        assert own.message.id == own.thread.id

    played(story)


def test_writing_opens_an_archived_thread_unless_it_is_locked():
    async def story(server, bot, general):
        del bot
        thread = await general.create_thread(name="t", type=discord.ChannelType.public_thread)
        kept = server.world.channels[str(thread.id)]
        sent = await thread.send("before")
        server.change_thread(kept, archived=True)
        assert (await refused(sent.edit(content="x")))[:2] == (400, 50083)
        await thread.send("after")
        assert kept.archived is False
        server.change_thread(kept, locked=True)
        assert (await refused(thread.send("x")))[0] == 403

    played(story)


def test_a_private_thread_is_heard_of_once_the_bot_is_called_into_it():
    async def story(server, bot, general):
        del general
        ana = server.user("ana")
        thread = await ana.starts_thread("general", "private", private=True)
        await ana.writes(thread, "not for the bot")
        assert (await refused(bot.fetch_channel(int(thread.id))))[:2] == (403, 50001)
        await ana.mentions(thread, "come in")
        await server.until(lambda: bot.texts() == [f"<@{server.bot}> come in"])
        assert bot.get_channel(int(thread.id)).is_private()

    played(story)


# ----------------------------------------------------------------------- files


def test_addresses_of_files_are_signed_and_expire():
    async def story(server, bot, general):
        ana = server.user("ana")
        asked = await ana.mentions("general", "see", files=[("my file (1).txt", b"data")])
        message = await general.fetch_message(int(asked.id))
        (attachment,) = message.attachments
        assert await attachment.read() == b"data"
        for changed in (attachment.url.replace("hm=", "hm=0"), attachment.url.partition("?")[0]):
            with pytest.raises(discord.NotFound):
                await bot.http.get_from_cdn(changed)
        server.clock.advance(25 * 3600)
        with pytest.raises(discord.NotFound):
            await attachment.read()
        body = {"attachment_urls": [attachment.url]}
        told = await bot.http.request(Route("POST", "/attachments/refresh-urls"), json=body)
        assert await bot.http.get_from_cdn(told["refreshed_urls"][0]["refreshed"]) == b"data"
        fresh = await general.fetch_message(int(asked.id))
        assert await fresh.attachments[0].read() == b"data"
        await ana.deletes(asked)
        with pytest.raises(discord.NotFound):
            await fresh.attachments[0].read()

    played(story)


# ------------------------------------------------------------- limits and faults


def test_discord_py_keeps_to_the_buckets_of_the_server():
    async def story(server, bot, general):
        del bot
        server.limits.on, server.limits.scale = True, 0.1
        await asyncio.gather(*(general.send(str(number)) for number in range(7)))
        assert server.limits.refused == 0
        assert server.limits.broken == []
        assert len(server.answers("general")) == 7

    played(story)


@pytest.mark.parametrize("everywhere", [False, True])
def test_a_429_is_waited_out(everywhere):
    async def story(server, bot, general):
        del bot
        fault = server.faults.limit("create_message", 0.2, everywhere=everywhere)
        await general.send("x")
        assert fault.struck == 1
        assert server.limits.broken == []
        assert [each.status for each in server.calls("create_message")] == [429, 200]

    played(story)


def test_who_does_not_wait_is_noted():
    async def story(server, bot, general):
        del bot
        server.faults.limit("create_message", 5)
        url = f"{server.api_url}/channels/{general.id}/messages"
        headers = {"Authorization": f"Bot {server.bot_token}"}
        async with aiohttp.ClientSession(headers=headers) as session:
            first = await session.post(url, json={"content": "x"})
            assert first.status == 429
            assert (first.headers["Via"], first.headers["Retry-After"]) == ("1.1 google", "5")
            assert (await first.json())["retry_after"] == 5
            await session.post(url, json={"content": "x"})
        assert [each.name for each in server.limits.broken] == ["create_message"]

    played(story)


def raw(story):
    """A story with a server and requests that no client makes for it."""

    async def told():
        async with DiscordServer() as server:
            headers = {"Authorization": f"Bot {server.bot_token}"}
            async with aiohttp.ClientSession(headers=headers) as session:
                return await story(server, session, server.api_url)

    return asyncio.run(told())


def test_there_is_a_limit_on_all_requests_together():
    async def story(server, session, api):
        server.limits.on = True
        paths = [f"{api}/users/@me", f"{api}/gateway", f"{api}/applications/@me"]
        answers = [await session.get(paths[number % 3]) for number in range(55)]
        told = [each for each in answers if each.status == 429]
        assert 0 < len(told) <= 5
        assert (await told[0].json())["global"] is True
        assert told[0].headers["X-RateLimit-Global"] == "true"
        assert told[0].headers["X-RateLimit-Scope"] == "global"
        assert len(server.limits.broken) == len(told) - 1
        server.clock.advance(1)
        assert (await session.get(paths[0])).status == 200

    raw(story)


def test_who_is_refused_ten_thousand_times_is_banned():
    async def story(server, session, api):
        for _ in range(10_000):
            server.limits.count_invalid(403)
            server.limits.count_invalid(429, "shared")
        assert (await session.get(f"{api}/users/@me")).status == 200
        assert (await session.get(f"{api}/channels/{server.channel('x', with_bot=False).id}")).status == 429
        banned = await session.get(f"{api}/users/@me")
        assert (banned.status, "Via" in banned.headers) == (429, False)
        server.clock.advance(601)
        assert (await session.get(f"{api}/users/@me")).status == 200

    raw(story)


def test_an_answer_can_come_late_or_be_nothing_that_discord_says():
    async def story(server, session, api):
        server.faults.delay("get_current_user", 0.05)
        began = server.clock.now()
        assert (await session.get(f"{api}/users/@me")).status == 200
        assert server.clock.now() - began >= 0.05
        server.faults.page("get_*")
        assert "<html>" in await (await session.get(f"{api}/users/@me")).text()
        server.faults.garbage("get_current_user", when=lambda request: request.method == "GET")
        with pytest.raises(ValueError, match=r"JSON|Unterminated"):
            await (await session.get(f"{api}/users/@me")).json()
        server.faults.status("get_current_user", 502, times=None)
        server.faults.clear()
        assert (await session.get(f"{api}/users/@me")).status == 200
        assert (await session.post(f"{api}/users/@me")).status == 405
        broken = await session.post(
            f"{api}/users/@me/channels", data="{", headers={"Content-Type": "application/json"}
        )
        assert (await broken.json())["code"] == 50109

    raw(story)


def test_people_see_the_bot_typing_until_it_has_written():
    async def story(server, bot, general):
        del bot
        ana = server.user("ana")
        async with general.typing():
            assert ana.sees_typing("general")
            server.clock.advance(11)
            assert not ana.sees_typing("general")
            await general.typing()
            assert ana.sees_typing("general")
            await general.send("here")
            assert not ana.sees_typing("general")

    played(story)


def test_the_firewalls_429_has_no_via_and_is_no_json():
    async def story(server, bot, general):
        del bot
        server.faults.ban("create_message")
        status, code, text = await refused(general.send("x"))
        assert (status, code) == (429, 0)
        assert "1015" in text

    played(story)


@pytest.mark.parametrize(
    ("fault", "posted"),
    [
        (lambda faults: faults.reset("create_message"), 0),
        (lambda faults: faults.reset("create_message", after=True), 1),
        (lambda faults: faults.cut("create_message"), 1),
        (lambda faults: faults.status("create_message", 503), 0),
        (lambda faults: faults.status("create_message", 503, after=True), 1),
    ],
)
def test_what_fails_has_happened_or_not_as_the_fault_says(fault, posted):
    async def story(server, bot, general):
        del bot
        fault(server.faults)
        with pytest.raises((aiohttp.ClientError, OSError, discord.DiscordServerError)):
            await general.send("x", nonce=1)
        assert len(server.answers("general")) == posted
        await general.send("x", nonce=1)
        assert len(server.answers("general")) == 1

    played(story)


def test_a_download_can_break_off():
    async def story(server, bot, general):
        ana = server.user("ana")
        asked = await ana.mentions("general", "see", files=[("a.bin", b"x" * 100_000)])
        asked.attachments[0].cut_after = 10
        message = await general.fetch_message(int(asked.id))
        with pytest.raises(aiohttp.ClientError):
            await message.attachments[0].read()
        server.faults.reset("download")
        with pytest.raises((aiohttp.ClientError, OSError)):
            await bot.http.get_from_cdn(message.attachments[0].url)

    played(story)
