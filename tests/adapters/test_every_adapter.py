"""The story of a conversation, told once: what holds on one platform holds on all."""

from __future__ import annotations

import asyncio

import pytest

from mmrag.types import Attachment, Rating, Source, Turn
from tests.adapters.worlds import WORLDS
from tests.bots.site import Site, page, reply

LEAVE = "How many days of leave?"
LEAVE_PAGE = Source("leave.md", b"Everybody has 28 days of leave.", "https://wiki.example/leave")
CHART = ("chart.png", b"png")


@pytest.fixture(params=WORLDS)
def tell(request, tmp_path):
    """Tell a story in a world: `tell(story, *what the platform has to be able to do)`."""

    def told(story, *needed):
        world = WORLDS[request.param](tmp_path)
        if not world.can.issuperset(needed):
            pytest.skip(f"{request.param} has one person in one place")
        world.engine.add(LEAVE_PAGE, collection=world.everyones)

        async def run():
            async with world.running():
                await story(world)

        asyncio.run(run())

    return told


def test_a_question_is_answered_with_its_source_page_and_link_and_nothing_else_to_follow(tell):
    async def story(world):
        shown = await world.reply(await world.asks(LEAVE))
        assert "Everybody has 28 days of leave." in shown.text
        assert "leave.md" in shown.text
        assert "page 1" in shown.text
        assert shown.links == {"https://wiki.example/leave"}

    tell(story)


def test_a_chart_reaches_the_engine_under_its_name_byte_for_byte(tell):
    async def story(world):
        await world.reply(await world.asks(LEAVE, files=[CHART]))
        assert world.engine.questions[0].attachments == (Attachment(*CHART),)
        assert world.engine.questions[0].text == LEAVE

    tell(story)


def test_a_follow_up_knows_what_was_said_before_and_the_chart_that_was_shown(tell):
    async def story(world):
        thread = await world.asks(LEAVE, files=[CHART])
        await world.reply(thread)
        await world.goes_on(thread, "And leave for trainees?")
        await world.reply(thread, 2)
        question = world.engine.questions[1]
        assert question.history[0] == Turn("user", LEAVE)
        assert question.history[1].role == "assistant"
        assert question.history[1].text.startswith("Everybody has 28 days of leave.")
        assert question.attachments == (Attachment(*CHART),)

    tell(story)


def test_what_is_not_known_is_said_to_be_not_known(tell):
    async def story(world):
        shown = await world.reply(await world.asks("Who discovered Uranus?"))
        assert "I could not find this." in shown.text
        assert shown.links == frozenset()

    tell(story)


def test_an_engine_that_breaks_is_apologised_for_without_its_words(tell):
    async def story(world):
        def breaks(_):
            raise RuntimeError("the launch is on Thursday")

        world.engine.during_ask = breaks
        shown = await world.reply(await world.asks(LEAVE))
        assert "Sorry, something went wrong on my side" in shown.text
        assert "reference" in shown.text
        assert "Thursday" not in shown.text

    tell(story)


def test_a_file_without_a_question_goes_into_the_knowledge_base(tell):
    async def story(world):
        shown = await world.reply(await world.asks("", files=[("plan.txt", b"The launch is in May.")]))
        assert "1 document in the knowledge base" in shown.text
        assert "plan.txt: added" in shown.text
        assert "May" in (await world.reply(await world.asks("When is the launch?"))).text

    tell(story)


def test_the_knowledge_base_is_filled_listed_and_emptied_by_commands(tell):
    async def story(world):
        assert "Note by" in (await world.commands("/kb add The printer is on floor 3.")).text
        shown = await world.commands("/kb add", files=[("menu.txt", b"Soup on Monday.")])
        assert "menu.txt: added" in shown.text
        listed = await world.commands("/kb list")
        assert "3 documents, newest first" in listed.text
        (menu,) = [document for document in world.engine.documents() if document.title == "menu.txt"]
        assert menu.id in listed.text
        assert "1 document removed" in (await world.commands(f"/kb remove {menu.id}")).text
        assert "There is no such document" in (await world.commands(f"/kb remove {menu.id}")).text

    tell(story)


def test_a_link_adds_the_page_behind_it_and_the_same_link_its_new_version(tell):
    versions = [reply(page("Launch", f"The launch is in {month}.")) for month in ("May", "June")]

    async def story(world):
        async with Site({"/launch": versions, "/gone": reply(status=404)}) as site:
            link = f"{site.url}/launch"
            shown = await world.commands(f"/kb add {link}")
            assert "1 document in the knowledge base" in shown.text
            assert "launch.html: added" in shown.text
            shown = await world.reply(await world.asks("When is the launch?"))
            assert "May" in shown.text
            assert shown.links == {link}
            await world.commands(f"/kb add {link}#when")
            shown = await world.reply(await world.asks("In which month is the launch?"))
            assert "June" in shown.text
            assert {each.uri for each in world.engine.documents()} == {LEAVE_PAGE.uri, link}
            shown = await world.commands(f"/kb add {site.url}/gone")
            assert "There is no such page" in shown.text
            shown = await world.commands(f"/kb add See {link} for it.")
            assert "Note by" in shown.text

    tell(story)


def test_ask_answers_outside_of_the_thread(tell):
    async def story(world):
        await world.reply(await world.asks("And who is ana?"))
        assert "28 days" in (await world.commands(f"/ask {LEAVE}")).text
        assert world.engine.questions[-1].history == ()

    tell(story)


def test_a_thumbs_down_with_a_correction_is_counted_and_becomes_a_source(tell):
    async def story(world):
        thread = await world.asks(LEAVE)
        await world.reply(thread)
        await world.rates_down(thread, "30 days.")
        ratings = world.engine.ratings
        await world.until(lambda: any(rating.correction == "30 days." for rating in ratings))
        last = ratings[-1]
        assert last == Rating("answer-1", "down", "30 days.", author=last.author)
        assert last.author.casefold() == "ana"

    tell(story)


def test_what_a_document_says_acts_nowhere(tell):
    hostile = (
        "The holidays are @everyone <!channel> <@U1> <@1> [x](https://evil.example) <https://evil.example|y> "
        "https://evil.example `<@1>` ```"
    )

    async def story(world):
        page = Source("holidays <!here> @here", hostile.encode(), "https://wiki.example/holidays")
        world.engine.add(page, collection=world.everyones)
        shown = await world.reply(await world.asks("When are the holidays?"))
        assert "The holidays are" in shown.text
        followed = {link for link in shown.links if "evil" in link}
        assert followed == set() or isinstance(world, WORLDS["console"])  # a terminal is text

    tell(story)


# ------------------------------------------------------- where there are places and people


def test_what_is_added_in_a_restricted_place_stays_there(tell):
    async def story(world):
        await world.commands("/kb add The launch is on Thursday.", where="restricted")
        inside = await world.asks("When is the launch?", where="restricted")
        assert "Thursday" in (await world.reply(inside)).text
        assert "Thursday" not in (await world.reply(await world.asks("When is the launch?"))).text
        direct = await world.asks("When is the launch?", where="direct")
        assert "Thursday" not in (await world.reply(direct)).text

    tell(story, "restrict")


def test_what_is_shared_is_found_by_everyone_and_what_is_forgotten_by_nobody(tell):
    async def story(world):
        await world.commands("/kb add The launch is on Thursday.", where="restricted")
        (plan,) = [each for each in world.engine.documents() if each.collection != world.everyones]
        refused = await world.commands("/kb forget-channel", where="restricted")
        assert "for good" in refused.text
        shown = await world.commands(f"/kb share {plan.id}", where="restricted")
        assert "1 document shared with everyone" in shown.text
        assert "Thursday" in (await world.reply(await world.asks("When is the launch?"))).text
        shown = await world.commands("/kb forget-channel confirm", where="restricted")
        assert "1 document forgotten" in shown.text
        assert {each.collection for each in world.engine.documents()} == {world.everyones}

    tell(story, "restrict")


def test_a_direct_conversation_reads_what_everyone_may_and_its_own(tell):
    async def story(world):
        thread = await world.asks("", files=[("plan.txt", b"The launch is in May.")], where="direct")
        await world.reply(thread)
        assert "28 days" in (await world.commands(f"/ask {LEAVE}", where="direct")).text
        shared, own = world.engine.questions[-1].collections
        assert shared == world.everyones
        assert [each.title for each in world.engine.documents(collections=[own])] == ["plan.txt"]

    tell(story, "restrict")


def test_a_thumb_by_a_reaction_counts_until_it_is_taken_back(tell):
    async def story(world):
        thread = await world.asks(LEAVE)
        await world.reply(thread)
        await world.reacts(thread)
        await world.until(lambda: world.engine.ratings)
        await world.reacts(thread, standing=False)
        await world.until(lambda: not world.engine.ratings)

    tell(story, "react")


def test_a_correction_by_reply_needs_no_button(tell):
    async def story(world):
        thread = await world.asks(LEAVE)
        await world.reply(thread)
        await world.goes_on(thread, "correction: 30 days.")
        await world.until(lambda: any(each.correction == "30 days." for each in world.engine.ratings))

    tell(story, "correct by reply")


@pytest.mark.parametrize("platform", ["slack", "discord"])
def test_thumbs_of_before_a_restart_count_after_it(platform, tmp_path):
    async def told():
        world = WORLDS[platform](tmp_path)
        world.engine.add(LEAVE_PAGE, collection=world.everyones)
        threads = []

        async def before():
            threads.append(await world.asks(LEAVE))
            await world.reply(threads[0])
            await world.reacts(threads[0])
            await world.until(lambda: world.engine.ratings)
            await world.reacts(threads[0], standing=False)
            await world.until(lambda: not world.engine.ratings)

        async with world.running_twice(before):
            await world.reacts(threads[0])
            await world.until(lambda: world.engine.ratings)
            await world.rates_down(threads[0], "30 days.")
            await world.until(lambda: any(each.correction == "30 days." for each in world.engine.ratings))

    asyncio.run(told())
