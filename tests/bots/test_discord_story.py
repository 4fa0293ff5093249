"""The story in Discord, through the real discord.py, in a Discord that keeps to Discord's rules.

Permissions, limits, interactions and their three seconds are Discord's: a story fails where Discord would
refuse a call, unless it is about that.
"""

from __future__ import annotations

import asyncio

import pytest

from bots.addresses import Reach
from bots.conversation import Rules
from bots.discord.service import DiscordSettings, serve
from mmrag.errors import InvalidSettings
from mmrag.types import Attachment, Rating, Source, Turn
from tests.bots.memory_engine import MemoryEngine
from tests.bots.site import Site, page, reply
from tests.discord_server.bot import bot_running, discord_with_the_app
from tests.discord_server.permissions import Permission
from tests.discord_server.pointing import pointed_at

PNG = b"\x89PNG\r\n\x1a\n" + bytes(64)
LEAVE = "How many days of leave?"
LEAVE_PAGE = (Source("leave.md", b"Everybody has 28 days of leave.", "https://wiki.example/leave"),)
CHART = ("chart.png", b"png")


def is_whole(message):
    """More than a draft, or Discord's line that says what a thread was made from."""
    return bool(message.content) and not message.content.startswith("-# ⏳")


class Here:
    """A guild with the bot in it, and people in #general; cleo manages the guild."""

    def __init__(self, engine):
        self.discord = discord_with_the_app()
        self.engine = engine
        self.ana, self.bob, self.dan, self.cleo = map(self.discord.user, ("ana", "bob", "dan", "cleo"))
        self.discord.role("admins", Permission.MANAGE_GUILD, members=[self.cleo])
        self.workspace = f"discord-{self.discord.guild.id}"
        self.discord.channel("general")

    async def reply(self, where, number=1):
        """The bot's message of this number there, once it is whole."""

        def there():
            found = [each for each in self.discord.answers(where) if is_whole(each)]
            return found[number - 1] if len(found) >= number else None

        return await self.discord.until(there, seconds=30)

    async def thread(self, asked):
        return await self.discord.until(lambda: self.discord.thread_of(asked), seconds=30)

    async def answer(self, text=LEAVE, **more):
        """What the bot replies to ana's mention in #general, in the thread that it makes."""
        return await self.reply(await self.thread(await self.ana.mentions("general", text, **more)))

    async def whisper(self, person, number=1):
        """The message of this number that this person alone sees."""
        seen = await self.discord.until(lambda: person.whispers[number - 1 :], seconds=30)
        return seen[0]

    def refused(self):
        """What Discord refused to do."""
        return [(each.name, each.status) for each in self.discord.requests if each.status >= 400]


@pytest.fixture
def engine():
    return MemoryEngine()


def tell(story, engine, folder, *, flawless=True, known=LEAVE_PAGE, hears=True, **settings):
    async def told():
        here = Here(engine)
        here.discord.world.app.message_content = hears
        for source in known:
            engine.add(source, collection=here.workspace)
        given = {"rules": Rules(approvals=2)} | settings
        async with here.discord, bot_running(here.discord, engine, folder, **given):
            await story(here)
            assert not flawless or here.refused() == []

    asyncio.run(told())


# ------------------------------------------------------------------- questions


def test_a_mention_with_a_chart_is_answered_in_a_thread_made_from_it_with_sources_and_buttons(
    engine, tmp_path
):
    async def story(here):
        answer = await here.answer(files=[CHART])
        shown = here.ana.reads(answer)
        assert shown.text.startswith("Everybody has 28 days of leave.")
        assert set(shown.links) == {"https://wiki.example/leave"}
        assert "leave.md" in str(answer.embeds)
        assert "page 1" in str(answer.embeds)
        assert shown.buttons == ("👍", "👎")
        assert answer.past[0].startswith("-# ⏳")
        assert engine.questions[0].attachments == (Attachment(*CHART),)

    tell(story, engine, tmp_path, hears=False)


def test_a_follow_up_needs_no_mention_and_has_the_thread_with_its_picture(engine, tmp_path):
    async def story(here):
        asked = await here.ana.mentions("general", LEAVE, files=[CHART])
        thread = await here.thread(asked)
        await here.reply(thread)
        await here.bob.writes(thread, "And leave for trainees?")
        await here.reply(thread, 2)
        question = engine.questions[1]
        assert question.history[0] == Turn("user", LEAVE)
        assert question.history[1] == Turn("assistant", "Everybody has 28 days of leave. [1]")
        assert question.attachments == (Attachment(*CHART),)

    tell(story, engine, tmp_path)


def test_without_the_intent_a_follow_up_is_answered_when_it_mentions_the_bot(engine, tmp_path):
    async def story(here):
        thread = await here.thread(await here.ana.mentions("general", LEAVE))
        await here.reply(thread)
        await here.bob.writes(thread, "And leave for trainees?")
        await here.bob.mentions(thread, "And leave for trainees?")
        await here.reply(thread, 2)
        assert [question.text for question in engine.questions] == [LEAVE, "And leave for trainees?"]

    tell(story, engine, tmp_path, hears=False)


def test_what_people_say_elsewhere_or_to_each_other_is_not_answered(engine, tmp_path):
    async def story(here):
        await here.ana.writes("general", LEAVE)
        other = await here.ana.starts_thread("general", "lunch")
        await here.bob.writes(other, "Shall we go?")
        thread = await here.thread(await here.ana.mentions("general", LEAVE))
        await here.reply(thread)
        await here.ana.writes(thread, f"{here.bob.mention} look at that")
        said = await here.bob.writes("general", "We meet at ten.")
        await here.ana.replies(said, "correction: at eleven.")
        await here.answer("And leave for trainees?")
        assert len(engine.questions) == 2
        assert here.discord.answers("general") == []

    tell(story, engine, tmp_path)


def test_follow_ups_and_threads_can_be_switched_off_for_a_channel(engine, tmp_path):
    async def story(here):
        await here.cleo.uses("/kb set", "general", name="follow-ups", value="off")
        await here.whisper(here.cleo)
        await here.cleo.uses("/kb set", "general", name="threads", value="off")
        await here.whisper(here.cleo, 2)
        asked = await here.ana.mentions("general", LEAVE)
        answer = await here.reply("general")
        assert answer.reference["message_id"] == asked.id
        assert here.discord.thread_of(asked) is None
        await here.ana.replies(answer, "And leave for trainees?")
        await here.reply("general", 2)
        assert engine.questions[1].history[-1].role == "assistant"
        await here.cleo.replies(answer, "correction: 30 days.")
        await here.discord.until(lambda: engine.ratings)
        assert engine.ratings == [Rating("answer-1", "down", "30 days.", author="Cleo")]

    tell(story, engine, tmp_path)


def test_a_pdf_in_a_direct_message_goes_into_the_knowledge_of_that_place(engine, tmp_path):
    async def story(here):
        await here.ana.writes_to_bot(files=[("plan.pdf", b"The launch is in May.")])
        assert "plan.pdf: added" in (await here.reply(here.ana.dm)).content
        await here.ana.writes_to_bot("When is the launch?")
        assert "May" in (await here.reply(here.ana.dm, 2)).content
        assert [d.title for d in engine.documents(collections=[f"discord-dm:{here.ana.dm.id}"])] == [
            "plan.pdf"
        ]
        assert engine.questions[0].collections == (here.workspace, f"discord-dm:{here.ana.dm.id}")

    tell(story, engine, tmp_path, hears=False)


def test_a_forum_post_is_answered_where_the_forum_is_set_so(engine, tmp_path):
    async def story(here):
        forum = here.discord.channel("help", type="forum")
        await here.ana.posts(forum, LEAVE, "I am new here.")
        set_in = await here.ana.posts(forum, "settings")
        await here.cleo.uses("/kb set", set_in, name="forum-posts", value="on")
        await here.whisper(here.cleo)
        post = await here.ana.posts(forum, LEAVE, "I am new here.")
        assert "28 days" in (await here.reply(post)).content
        assert [question.text for question in engine.questions] == [f"{LEAVE}\nI am new here."]

    tell(story, engine, tmp_path)


def test_a_forwarded_message_is_answered_with_its_picture(engine, tmp_path):
    async def story(here):
        said = await here.bob.writes("general", LEAVE, files=[CHART])
        await here.ana.forwards(said, here.ana.dm)
        assert "28 days" in (await here.reply(here.ana.dm)).content
        assert engine.questions[0].text == LEAVE
        assert engine.questions[0].attachments == (Attachment(*CHART),)

    tell(story, engine, tmp_path, hears=False)


def test_the_message_replied_to_is_read_with_its_picture(engine, tmp_path):
    async def story(here):
        said = await here.bob.writes("general", "We plan our holidays.", files=[CHART])
        asked = await here.ana.replies(said, f"<@{here.discord.bot}> {LEAVE}")
        await here.reply(await here.thread(asked))
        assert engine.questions[0].history == (Turn("user", "We plan our holidays."),)
        assert engine.questions[0].attachments == (Attachment(*CHART),)

    tell(story, engine, tmp_path)


def test_the_figure_that_an_answer_rests_on_is_shown_with_it(engine, tmp_path):
    async def story(here):
        engine.picture = PNG
        answer = await here.answer()
        assert here.ana.reads(answer).files == ("figure1.png",)
        assert answer.embeds[0]["image"]["url"].endswith("figure1.png") or answer.attachments
        await here.ana.uses("/ask", "general", question="And leave for trainees?")
        assert here.ana.reads(await here.whisper(here.ana)).files == ("figure1.png",)

    tell(story, engine, tmp_path, hears=False)


def test_an_address_of_a_file_that_has_expired_is_asked_for_anew(engine, tmp_path):
    async def story(here):
        here.discord.faults.status("download", 403, times=1)
        await here.answer(files=[CHART])
        assert engine.questions[0].attachments[0].name == CHART[0]

    tell(story, engine, tmp_path, flawless=False)


# ---------------------------------------------------------------- who may see it


def test_what_is_added_in_a_restricted_channel_is_not_answered_in_an_open_one(engine, tmp_path):
    async def story(here):
        secret = here.discord.channel("secret", hidden=True, members=[here.ana])
        await here.ana.uses("/kb add", secret, text="The launch is on Thursday.")
        assert "added" in (await here.whisper(here.ana)).content
        inside = await here.ana.mentions(secret, "When is the launch?")
        assert "Thursday" in (await here.reply(await here.thread(inside))).content
        assert "Thursday" not in (await here.answer("When is the launch?")).content
        here.discord.allow(secret, here.discord.guild.id, Permission.VIEW_CHANNEL)
        opened = await here.ana.mentions(secret, "When is the launch, then?")
        assert "Thursday" not in (await here.reply(await here.thread(opened))).content

    tell(story, engine, tmp_path)


def test_what_is_private_is_not_answered_where_the_channel_has_been_opened_meanwhile(engine, tmp_path):
    async def story(here):
        secret = here.discord.channel("secret", hidden=True, members=[here.ana])
        plan = Source("plan.md", b"The launch is on Thursday.", "https://wiki.example/plan")
        engine.add(plan, collection=f"{here.workspace}:{secret.id}")
        engine.during_ask = lambda _: here.discord.allow(
            secret, here.discord.guild.id, Permission.VIEW_CHANNEL
        )
        answer = await here.reply(await here.thread(await here.ana.mentions(secret, "When is the launch?")))
        assert "can be seen by more people" in answer.content
        assert "Thursday" not in str(here.discord.answers(answer.channel))

    tell(story, engine, tmp_path)


def test_a_private_thread_reads_its_own_and_somebody_who_left_reads_nothing_of_the_guild(engine, tmp_path):
    async def story(here):
        within = await here.ana.starts_thread("general", "plans", private=True)
        await here.ana.invites(within, here.discord.bot)
        await here.ana.mentions(within, LEAVE)
        await here.reply(within)
        assert engine.questions[0].collections == (here.workspace, f"{here.workspace}:{within.id}")
        del here.discord.guild.members[here.dan.id]
        await here.dan.writes_to_bot(LEAVE)
        assert "28 days" not in (await here.reply(here.dan.dm)).content

    tell(story, engine, tmp_path, flawless=False)  # Discord answers 404 for who is not a member


# ------------------------------------------------------------- commands, menus


def test_ask_with_a_picture_answers_the_person_alone_who_may_share_it(engine, tmp_path):
    async def story(here):
        await here.ana.uses("/ask", "general", question=LEAVE, image=CHART)
        whisper = await here.whisper(here.ana)
        assert "28 days" in whisper.content
        assert here.discord.answers("general") == []
        await here.ana.clicks(whisper, "Share with the channel")
        (shared,) = await here.discord.until(lambda: here.discord.answers("general"))
        assert f"> Ana: {LEAVE}" not in shared.content
        assert "shared by Ana" in shared.content
        assert engine.questions[0].attachments == (Attachment(*CHART),)

    tell(story, engine, tmp_path, hears=False)


def test_the_knowledge_base_is_filled_listed_and_emptied_by_commands_that_offer_titles(engine, tmp_path):
    async def story(here):
        files = {"file": ("plan.txt", b"The launch is in May."), "file2": ("menu.txt", b"Soup on Monday.")}
        async with Site({"/printer": reply(page("Printers", "They are on floor 3."))}) as site:
            note = {"text": "The printer is on floor 3.", "url": f"{site.url}/printer"}
            await here.ana.uses("/kb add", "general", **files, **note)
            assert "4 documents in the knowledge base" in (await here.whisper(here.ana)).content
        assert site.url + "/printer" in {each.uri for each in engine.documents()}
        await here.ana.uses("/kb list", "general")
        assert "menu.txt" in (await here.whisper(here.ana, 2)).content
        (offered,) = await here.ana.is_offered("/kb remove", "general", "document", "MENU")
        assert offered["name"] == "menu.txt"
        await here.ana.uses("/kb remove", "general", document=offered)
        assert "1 document removed" in (await here.whisper(here.ana, 3)).content
        assert "menu.txt" not in {document.title for document in engine.documents()}
        await here.ana.uses("/kb help", "general")
        assert "Mention me" in (await here.whisper(here.ana, 4)).content

    tell(story, engine, tmp_path, hears=False, reach=Reach.parse("127.0.0.1/32"))


def test_a_link_to_a_message_adds_it_where_everyone_may_read_it_and_no_other(engine, tmp_path):
    async def story(here):
        secret = here.discord.channel("secret", hidden=True, members=[here.ana])
        link = "https://discord.com/channels/{}/{}/{}".format
        guild = here.discord.guild.id
        said = await here.bob.writes(
            "general", "The printer is on floor 3.", files=[("plan.txt", b"A plan.")]
        )
        hidden = await here.ana.writes(secret, "The launch is on Thursday.")
        await here.ana.uses("/kb add", secret, url=link(guild, said.channel, said.id))
        assert "2 documents in the knowledge base" in (await here.whisper(here.ana)).content
        printer, plan = sorted(engine.documents(), key=lambda document: document.title)
        assert (printer.uri, plan.title) == (link(guild, said.channel, said.id), "plan.txt")
        await here.ana.uses("/kb add", "general", url=link(guild, secret.id, hidden.id))
        assert "not everybody here sees" in (await here.whisper(here.ana, 2)).content
        await here.ana.uses("/kb add", secret, text=link(guild, secret.id, hidden.id))
        assert "1 document in the knowledge base" in (await here.whisper(here.ana, 3)).content
        channel = f"https://discord.com/channels/{guild}/{said.channel}"
        for nowhere in (link("@me", 5, 7), link(guild, 5, 7), link(7, said.channel, said.id), channel):
            before = len(here.ana.whispers)
            await here.ana.uses("/kb add", secret, url=nowhere)
            shown = await here.discord.until(lambda before=before: here.ana.whispers[before:])
            assert "0 documents in the knowledge base, 1 not" in shown[0].content
        assert {each.collection for each in engine.documents()} == {f"{here.workspace}:{secret.id}"}

    tell(story, engine, tmp_path, known=(), flawless=False)


def test_what_is_private_is_shared_or_forgotten_by_whoever_manages_the_guild(engine, tmp_path):
    async def story(here):
        secret = here.discord.channel("secret", hidden=True, members=[here.ana, here.cleo])
        await here.ana.uses("/kb add", secret, text="The launch is on Thursday.")
        await here.whisper(here.ana)
        (document,) = await here.ana.is_offered("/kb share", secret, "document", "launch")
        await here.ana.uses("/kb share", secret, document=document)
        assert "Only an admin" in (await here.whisper(here.ana, 2)).content
        await here.cleo.uses("/kb share", secret, document=document)
        assert "shared with everyone" in (await here.whisper(here.cleo)).content
        await here.cleo.uses("/kb forget-channel", secret)
        assert "for good" in (await here.whisper(here.cleo, 2)).content
        await here.cleo.uses("/kb forget-channel", secret, confirm=True)
        assert "1 document forgotten" in (await here.whisper(here.cleo, 3)).content
        assert {document.collection for document in engine.documents()} == {here.workspace}

    tell(story, engine, tmp_path, hears=False)


def test_a_message_is_added_by_its_menu_with_a_link_to_it(engine, tmp_path):
    async def story(here):
        said = await here.bob.writes("general", "The printer is on floor 3.", files=[("map.txt", b"Floor 3")])
        await here.ana.uses_menu("Add to knowledge base", said)
        assert "2 documents" in (await here.whisper(here.ana)).content
        link = f"https://discord.com/channels/{here.discord.guild.id}/{said.channel}/{said.id}"
        assert link in {document.uri for document in engine.documents()}

    tell(story, engine, tmp_path, hears=False)


def test_ask_about_this_answers_in_a_thread_on_the_message_and_shows_what_was_asked(engine, tmp_path):
    async def story(here):
        said = await here.bob.writes("general", "We plan our holidays.", files=[CHART])
        await here.ana.uses_menu("Ask about this", said)
        await here.discord.until(lambda: here.ana.modal)
        await here.ana.submits({"Your question": LEAVE})
        answer = await here.reply(await here.thread(said))
        assert answer.content.startswith(f"> Ana: {LEAVE}")
        assert engine.questions[0].history == (Turn("user", "Bob: We plan our holidays."),)
        assert engine.questions[0].attachments == (Attachment(*CHART),)

    tell(story, engine, tmp_path, hears=False)


def test_commands_are_told_to_discord_only_when_they_have_changed(engine, tmp_path):
    async def told():
        discord = discord_with_the_app()
        async with discord:
            for _ in range(2):
                async with bot_running(discord, engine, tmp_path):
                    await discord.until(lambda: discord.calls("list_commands"))
                    await discord.until(lambda: discord.world.app.commands)
            assert len(discord.calls("list_commands")) == 2
            assert len(discord.calls("bulk_overwrite_commands")) == 1

    asyncio.run(told())


# ------------------------------------------------------- ratings, corrections


def test_a_thumb_by_a_reaction_can_be_taken_back(engine, tmp_path):
    async def story(here):
        answer = await here.answer()
        await here.bob.reacts(answer, "👍🏽")
        await here.discord.until(lambda: engine.ratings)
        await here.bob.unreacts(answer, "👍🏽")
        await here.discord.until(lambda: not engine.ratings)

    tell(story, engine, tmp_path, hears=False)


def test_a_thumbs_down_by_a_reaction_asks_what_would_be_right(engine, tmp_path):
    async def story(here):
        answer = await here.answer()
        await here.bob.reacts(answer, "👎")
        asked = await here.reply(answer.channel, 2)
        await here.bob.clicks(asked, "Correct it")
        await here.discord.until(lambda: here.bob.modal)
        await here.bob.submits({"What would be right?": "30 days."})
        await here.reply(answer.channel, 3)
        assert Rating("answer-1", "down", author="Bob") in engine.ratings

    tell(story, engine, tmp_path, hears=False)


def test_buttons_work_after_a_restart_and_a_correction_needs_the_approval_of_two_others(engine, tmp_path):
    async def told():
        here = Here(engine)
        engine.add(LEAVE_PAGE[0], collection=here.workspace)
        async with here.discord:
            async with bot_running(here.discord, engine, tmp_path, rules=Rules(approvals=2)):
                answer = await here.answer()
            async with bot_running(here.discord, engine, tmp_path, rules=Rules(approvals=2)):
                await here.bob.clicks(answer, "👍")
                assert "noted" in (await here.whisper(here.bob)).content
                await here.ana.clicks(answer, "👎")
                await here.discord.until(lambda: here.ana.modal)
                reasons = ["It is out of date", "The sources do not fit"]
                await here.ana.submits(
                    {"What is wrong with it?": reasons, "What would be right?": "30 days."}
                )
                proposal = await here.reply(answer.channel, 2)
                assert "30 days." in str(proposal.embeds)
                await here.bob.clicks(proposal, "Approve")
                assert "it takes 2 people" in (await here.whisper(here.bob, 2)).content
                await here.dan.clicks(proposal, "Approve")
                await here.discord.until(lambda: "is a source" in proposal.content)
                assert proposal.components == []
                assert Rating("answer-1", "down", "30 days.", author="Ana") in engine.ratings
                assert here.ana.notices == here.bob.notices == []

    asyncio.run(told())


def test_a_correction_by_reply_needs_no_button_and_an_admins_no_approval(engine, tmp_path):
    async def story(here):
        answer = await here.answer()
        await here.cleo.replies(answer, "correction: 30 days.")
        await here.discord.until(
            lambda: Rating("answer-1", "down", "30 days.", author="Cleo") in engine.ratings
        )

    tell(story, engine, tmp_path)


def test_where_no_answer_is_known_a_configured_role_can_be_called(engine, tmp_path):
    async def story(here):
        answer = await here.answer("Who discovered Uranus?")
        await here.ana.clicks(answer, "Ask a human")
        called = await here.reply(answer.channel, 2)
        assert called.content.startswith("<@&123456789012345678> somebody could use your help")

    tell(story, engine, tmp_path, human="&123456789012345678")


# ------------------------------------------------------------------- what goes wrong


def test_what_was_asked_while_the_bot_was_away_is_answered_once_and_says_so(engine, tmp_path):
    async def told():
        here = Here(engine)
        engine.add(LEAVE_PAGE[0], collection=here.workspace)
        async with here.discord:
            async with bot_running(here.discord, engine, tmp_path):
                await here.answer()
                await here.bob.writes_to_bot(LEAVE)
                await here.reply(here.bob.dm)
            missed = await here.ana.mentions("general", "And leave for trainees?")
            await here.bob.writes_to_bot("And how many days of leave for trainees?")
            async with bot_running(here.discord, engine, tmp_path):
                answer = await here.reply(await here.thread(missed))
                assert answer.content.startswith("-# I was away when you asked this.\nEverybody has 28 days")
                assert "I was away" in (await here.reply(here.bob.dm, 2)).content
            async with bot_running(here.discord, engine, tmp_path):
                await here.answer("How many days of leave, once more?")
            assert len(engine.questions) == 5

    asyncio.run(told())


def test_what_is_said_before_the_history_is_paged_hides_nothing_of_a_long_absence(engine, tmp_path):
    async def told():
        here = Here(engine)
        engine.add(LEAVE_PAGE[0], collection=here.workspace)
        async with here.discord:
            async with bot_running(here.discord, engine, tmp_path):
                await here.answer()
            missed = await here.ana.mentions("general", "And leave for trainees?")
            here.discord.clock.advance(3 * 3600)
            async with bot_running(here.discord, engine, tmp_path):
                await here.answer("How many days of leave, now?")
                answer = await here.reply(await here.thread(missed))
                assert answer.content.startswith("-# I was away")

    asyncio.run(told())


def test_many_guilds_are_served_in_shards(engine, tmp_path):
    async def told():
        here = Here(engine)
        here.discord.gateway.shards = here.discord.gateway.max_concurrency = 2
        other = here.discord.add_guild("other")
        shards = {(int(guild.id) >> 22) % 2 for guild in (here.discord.guild, other)}
        while len(shards) < 2:
            other = here.discord.add_guild("one more")
            shards.add((int(other.id) >> 22) % 2)
        async with here.discord, bot_running(here.discord, engine, tmp_path):
            await here.discord.connected(shards=2, seconds=30)
            await here.answer()
            eve = here.discord.user("eve", guild=other)
            await here.reply(
                await here.thread(await eve.mentions(here.discord.channel("hall", guild=other), LEAVE))
            )
            assert engine.questions[1].collections == (f"discord-{other.id}",)

    asyncio.run(told())


def test_too_few_shards_are_told_in_a_sentence(engine, tmp_path):
    async def told():
        here = Here(engine)
        here.discord.gateway.shards, here.discord.gateway.needs_shards = 4, True
        async with here.discord, asyncio.timeout(30):
            given = {"token": here.discord.bot_token, "api_url": here.discord.api_url, "shards": "0/2"}
            with pointed_at(here.discord):
                await serve(DiscordSettings(folder=tmp_path, **given), engine)

    with pytest.raises(InvalidSettings, match="more shards"):
        asyncio.run(told())


def test_a_process_with_some_of_the_shards_answers_directly_from_all_servers(engine, tmp_path):
    async def told():
        here = Here(engine)
        other = here.discord.guild
        while (int(other.id) >> 22) % 2 == 0:  # another process would be told of it
            other = here.discord.add_guild("other")
        eve = here.discord.user("eve", guild=other)
        engine.add(LEAVE_PAGE[0], collection=f"discord-{other.id}")
        async with here.discord, bot_running(here.discord, engine, tmp_path, shards="0/2"):
            await here.discord.connected()
            await eve.writes(eve.dm, LEAVE)
            assert "28 days" in (await here.reply(eve.dm)).content
            assert [session.shard for session in here.discord.gateway.sessions.values()] == [(0, 2)]

    asyncio.run(told())


def test_two_processes_on_one_inbox_answer_each_question_once(engine, tmp_path, monkeypatch):
    monkeypatch.setattr("bots.discord.client.IDENTIFY_SECONDS", 0.1)  # apart: this Discord asks for none

    async def told():
        here = Here(engine)
        engine.add(LEAVE_PAGE[0], collection=here.workspace)
        async with (
            here.discord,
            bot_running(here.discord, engine, tmp_path),
            bot_running(here.discord, engine, tmp_path),
        ):
            await here.discord.connected(shards=2)
            for number in range(5):
                answer = await here.answer(f"{LEAVE} {number}")
                assert [each for each in here.discord.answers(answer.channel) if each.content] == [answer]
            await here.ana.uses("/ask", "general", question=LEAVE)
            await here.whisper(here.ana)
            assert len(engine.questions) == 6
            await here.bob.reacts(answer, "👎")  # both processes hear of it
            asked = await here.reply(answer.channel, 2)
            assert "What would be right?" in asked.content
            await here.bob.unreacts(answer, "👎")
            async with asyncio.timeout(30):
                while engine.ratings:  # noqa: ASYNC110 - the engine tells nobody
                    await asyncio.sleep(0.01)
            await here.answer()
            said = [each for each in here.discord.answers(answer.channel) if each.content]
            assert said == [answer, asked]
            assert here.ana.notices == []

    asyncio.run(told())


def test_a_reply_to_a_command_whose_time_is_over_goes_to_the_person_directly(engine, tmp_path):
    async def story(here):
        engine.during_ask = lambda _: here.discord.clock.advance(16 * 60)
        await here.ana.uses("/ask", "general", question=LEAVE)
        assert "28 days" in (await here.reply(here.ana.dm)).content

    tell(story, engine, tmp_path, flawless=False)


def test_where_no_thread_can_be_made_the_answer_replies_to_the_question(engine, tmp_path):
    async def story(here):
        here.discord.deny(here.discord.channel("general"), here.discord.bot, Permission.CREATE_PUBLIC_THREADS)
        asked = await here.ana.mentions("general", LEAVE)
        answer = await here.reply("general")
        assert answer.reference["message_id"] == asked.id

    tell(story, engine, tmp_path, flawless=False)


def test_where_the_bot_may_not_write_whoever_asked_is_answered_directly(engine, tmp_path):
    async def story(here):
        general = here.discord.channel("general")
        here.discord.deny(
            *(general, here.discord.bot, Permission.SEND_MESSAGES, Permission.CREATE_PUBLIC_THREADS)
        )
        await here.ana.mentions(general, LEAVE)
        assert "28 days" in (await here.reply(here.ana.dm)).content

    tell(story, engine, tmp_path, flawless=False)


def test_a_click_whose_acknowledgement_is_slower_than_the_work_has_its_reply(engine, tmp_path):
    async def story(here):
        here.discord.faults.delay("create_interaction_response", 0.6)
        await here.ana.uses("/kb help", "general")
        assert "Mention me" in (await here.whisper(here.ana)).content
        assert here.discord.answers(here.ana.dm) == []

    tell(story, engine, tmp_path, flawless=False)


def test_a_long_answer_is_split_where_no_code_and_no_table_is_cut(engine, tmp_path):
    rows = "\n".join(f"| {number} | some words of row {number} |" for number in range(90))
    code = "\n".join(f"line {number} of the code" for number in range(120))
    text = f"The leave is so.\n\n| a | b |\n|---|---|\n{rows}\n\n```\n{code}\n```\n\nThat is all the leave."

    async def story(here):
        thread = await here.thread(await here.ana.mentions("general", LEAVE))
        await here.discord.until(lambda: any(each.components for each in here.discord.answers(thread)))
        parts = [each for each in here.discord.answers(thread) if is_whole(each)]
        assert len(parts) > 2
        assert all(here.ana.reads(each).open_fences == 0 for each in parts)
        shown = "\n".join(each.content for each in parts)
        assert all(f"some words of row {number}" in shown for number in range(90))
        assert all(f"line {number} of the code" in shown for number in range(120))
        assert [bool(each.components) for each in parts] == [False] * (len(parts) - 1) + [True]

    tell(story, engine, tmp_path, known=(Source("leave.md", text.encode(), "https://wiki.example/leave"),))


@pytest.mark.parametrize("call", ["start_thread_from_message", "create_message", "edit_message"])
@pytest.mark.parametrize("after", [False, True])
def test_an_answer_whose_connection_breaks_is_there_once(engine, tmp_path, call, after):
    async def story(here):
        here.discord.faults.reset(call, after=after)
        thread = await here.thread(await here.ana.mentions("general", LEAVE))
        await here.discord.until(lambda: any(each.components for each in here.discord.answers(thread)))
        assert len([each for each in here.discord.answers(thread) if each.content]) == 1

    tell(story, engine, tmp_path, flawless=False)


def test_what_a_document_says_calls_nobody_and_leads_nowhere(engine, tmp_path):
    hostile = "Leave @everyone <@1> <@&2> https://evil.example [leave](https://evil.example) ```leave"
    page = Source("[leave](https://evil.example) @here", hostile.encode(), "https://wiki.example/leave")

    async def story(here):
        shown = here.ana.reads(await here.answer())
        assert shown.pings == ()
        assert set(shown.links) == {"https://wiki.example/leave"}
        assert shown.previews == ()
        assert shown.open_fences == 0

    tell(story, engine, tmp_path, known=(page,))
