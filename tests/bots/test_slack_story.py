"""The story in Slack, through the real slack-bolt, in a Slack that keeps to Slack's rules.

Scopes, membership, limits, triggers and streams are Slack's: a story fails where Slack would refuse a call,
unless it is about that.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from bots.conversation import Rules
from mmrag.types import Attachment, Rating, Source, Turn
from tests.bots.memory_engine import MemoryEngine
from tests.slack_server.bot import bot_running, slack_with_the_app

ROOT = Path(__file__).parents[2]
BOTH = pytest.mark.parametrize("transport", ["http", "socket"])
LEAVE = "How many days of leave?"
LEAVE_PAGE = (Source("leave.md", b"Everybody has 28 days of leave.", "https://wiki.example/leave"),)
CHART = ("chart.png", b"png")


class Here:
    """A workspace with the bot in it, and people in #general; cleo is an admin."""

    def __init__(self, engine):
        self.slack = slack_with_the_app()
        self.slack.courier.retries = (0.2, 0.5, 1.0)
        self.engine = engine
        self.ana, self.bob, self.dan = map(self.slack.user, ("ana", "bob", "dan"))
        self.cleo = self.slack.user("cleo", is_admin=True)
        self.workspace = f"slack-{self.slack.team.id}"
        for person in (self.ana, self.bob, self.cleo, self.dan):
            self.slack.channel("general").members.add(person.id)

    async def reply(self, asked, number=1):
        """The bot's reply of this number in the thread, once it is whole."""

        def there():
            found = self.slack.answers(self.slack.world.channels[asked.channel], thread=asked)
            whole = len(found) >= number and all(
                each.stream is None or each.stream.state != "in_progress" for each in found
            )
            return found[number - 1] if whole else None

        return await self.slack.until(there, seconds=60)

    async def answer(self, text=LEAVE, **more):
        """What the bot replies to ana's mention in #general."""
        return await self.reply(await self.ana.mentions_bot("general", text, **more))

    async def whisper(self, person, number=1):
        """The message of this number in #general that this person alone sees."""
        seen = await self.slack.until(lambda: person.whispers("general")[number - 1 :])
        return seen[0]

    def refused(self):
        """What Slack refused to do."""
        return [
            (each.name, each.answer["error"])
            for each in self.slack.requests
            if not (each.answer or {"ok": 1})["ok"]
        ]


@pytest.fixture
def engine():
    return MemoryEngine()


def tell(story, engine, folder, transport="socket", *, flawless=True, known=LEAVE_PAGE, **settings):
    async def told():
        here = Here(engine)
        for source in known:
            engine.add(source, collection=here.workspace)
        given = {"rules": Rules(approvals=2)} | settings
        async with here.slack, bot_running(here.slack, engine, folder, transport=transport, **given):
            await story(here)
            await here.slack.settled()
            assert not flawless or here.refused() == []
            assert all(each.acked for each in here.slack.courier.log)

    asyncio.run(told())


# ------------------------------------------------------------------- questions


@BOTH
def test_a_mention_with_a_chart_is_answered_in_its_thread_with_sources_and_buttons(
    engine, tmp_path, transport
):
    async def story(here):
        answer = await here.answer(files=[CHART])
        assert answer.text.startswith("Everybody has 28 days of leave.")
        assert "<https://wiki.example/leave|leave.md>, page 1" in str(answer.blocks)
        assert "feedback_buttons" in str(answer.blocks)
        assert (answer.stream.state, answer.stream.recipient) == ("completed", here.ana.id)
        assert engine.questions[0].attachments == (Attachment(*CHART),)
        assert here.ana.status == ""

    tell(story, engine, tmp_path, transport)


@BOTH
def test_a_follow_up_needs_no_mention_and_has_the_thread_with_its_picture(engine, tmp_path, transport):
    async def story(here):
        asked = await here.ana.mentions_bot("general", LEAVE, files=[CHART])
        await here.reply(asked)
        await here.reply(await here.bob.says("general", "And leave for trainees?", thread=asked), 2)
        question = engine.questions[1]
        assert question.history[0] == Turn("user", LEAVE)
        assert question.history[1].role == "assistant"
        assert question.attachments == (Attachment(*CHART),)

    tell(story, engine, tmp_path, transport)


@pytest.mark.parametrize("copies", [1, 3])
def test_a_mention_with_a_file_is_answered_once_however_it_is_told(engine, tmp_path, copies):
    async def story(here):
        here.slack.courier.copies, here.slack.courier.fresh_ids = lambda _: copies, True
        for told_as in (("app_mention",), ("message",), ("app_mention", "message")):
            here.slack.mention_as = told_as
            await here.answer(files=[CHART])
        await here.slack.settled()
        assert len(engine.questions) == len(here.slack.answers("general")) == 3

    tell(story, engine, tmp_path)


def test_what_people_say_elsewhere_or_to_each_other_is_not_answered(engine, tmp_path):
    async def story(here):
        await here.ana.says("general", LEAVE)
        other = await here.ana.says("general", "Shall we go for lunch?")
        await here.bob.says("general", "Yes!", thread=other)
        asked = await here.ana.mentions_bot("general", LEAVE)
        await here.reply(asked)
        await here.ana.says("general", f"<@{here.bob.id}> look at that", thread=asked)
        here.slack.user("eve").joins("general")
        await here.slack.settled()
        await here.answer("And leave for trainees?")
        assert len(engine.questions) == 2

    tell(story, engine, tmp_path)


def test_follow_ups_can_be_switched_off_for_a_channel(engine, tmp_path):
    async def story(here):
        asked = await here.ana.mentions_bot("general", LEAVE)
        await here.reply(asked)
        await here.cleo.runs("/kb set follow-ups off", "general")
        await here.whisper(here.cleo)
        await here.ana.says("general", "And leave for trainees?", thread=asked)
        await here.slack.settled()
        await here.answer("And leave for trainees?")
        assert len(engine.questions) == 2

    tell(story, engine, tmp_path)


def test_answers_are_whispered_where_the_channel_is_set_so(engine, tmp_path):
    async def story(here):
        await here.cleo.runs("/kb set ephemeral on", "general")
        await here.whisper(here.cleo)
        await here.ana.mentions_bot("general", LEAVE)
        assert "28 days" in (await here.whisper(here.ana)).text
        assert here.slack.answers("general") == []

    tell(story, engine, tmp_path)


def test_a_chart_that_comes_with_a_mention_is_read(start_engine, tmp_path):
    chart = (ROOT / "examples" / "attachments" / "tickets-per-month.png").read_bytes()

    async def story(here):
        question = "How many support tickets came in in August?"
        assert "547" in (await here.answer(question, files=[("tickets-per-month.png", chart)])).text

    tell(story, start_engine(), tmp_path / "bots", known=())


# ----------------------------------------------------------------------- files


def test_a_sign_in_page_instead_of_a_file_is_named_with_the_scope(engine, tmp_path):
    async def story(here):
        answer = await here.answer(files=[here.ana.sends_file("c.png", b"png", sign_in_page=True)])
        assert "c.png was not used" in str(answer.blocks)
        assert "files:read" in str(answer.blocks)

    tell(story, engine, tmp_path)


@pytest.mark.parametrize("how", ["external_url", "redirect"])
def test_a_file_on_another_host_is_not_fetched_and_no_token_leaves(engine, tmp_path, how):
    async def story(here):
        elsewhere = {how: f"{here.slack.elsewhere}/c.png"}
        answer = await here.answer(files=[here.ana.sends_file("c.png", b"png", **elsewhere)])
        assert "c.png was not used" in str(answer.blocks)
        assert "not one of Slack" in str(answer.blocks)
        assert here.slack.foreign == []

    tell(story, engine, tmp_path)


def test_a_file_of_another_organisation_is_asked_for_by_its_id(engine, tmp_path):
    async def story(here):
        await here.answer(files=[here.ana.sends_file("plan.png", b"outside", from_outside=True)])
        assert engine.questions[0].attachments == (Attachment("plan.png", b"outside"),)

    tell(story, engine, tmp_path)


@BOTH
def test_a_file_in_a_direct_message_goes_into_the_knowledge_of_that_place(engine, tmp_path, transport):
    async def story(here):
        sent = await here.ana.writes_to_bot("", files=[("plan.txt", b"The launch is in May.")])
        assert "plan.txt: added" in (await here.reply(sent)).text
        place = f"{here.workspace}:{here.ana.dm.id}"
        assert [d.title for d in engine.documents(collections=[place])] == ["plan.txt"]

    tell(story, engine, tmp_path, transport)


# ---------------------------------------------------------------- who may see it


def test_what_is_added_in_a_private_channel_is_not_answered_in_a_public_one(engine, tmp_path):
    async def story(here):
        slack, ana = here.slack, here.ana
        secret = slack.channel("secret", type="group", members=[ana])
        sent = await ana.mentions_bot(secret, "", files=[("plan.txt", b"The launch is on Thursday.")])
        await slack.until(lambda: slack.answers(secret, thread=sent))
        await ana.runs("/kb add The launch is on Thursday, in the evening.", secret)
        await slack.until(lambda: ana.whispers(secret))
        inside = await ana.mentions_bot(secret, "When is the launch?")
        assert "Thursday" in (await here.reply(inside)).text
        outside = await ana.mentions_bot("general", "When is the launch?")
        assert "Thursday" not in (await here.reply(outside)).text

    tell(story, engine, tmp_path)


def test_what_is_private_is_not_answered_where_the_channel_has_become_public(engine, tmp_path):
    async def story(here):
        secret = here.slack.channel("secret", type="group", members=[here.ana])
        plan = Source("plan.md", b"The launch is on Thursday.", "https://wiki.example/plan")
        engine.add(plan, collection=f"{here.workspace}:{secret.id}")
        engine.during_ask = lambda _: setattr(secret, "type", "channel")
        answer = await here.reply(await here.ana.mentions_bot(secret, "When is the launch?"))
        assert "can be seen by more people" in answer.text
        assert "Thursday" not in str(here.slack.answers(secret))

    tell(story, engine, tmp_path)


@pytest.mark.parametrize("where", ["group message", "direct message", "Slack Connect"])
def test_where_people_from_elsewhere_look_on_the_workspaces_documents_stay_out(engine, tmp_path, where):
    async def story(here):
        slack, ana, cleo = here.slack, here.ana, here.cleo
        guest = slack.user("gus", is_restricted=True)
        match where:
            case "group message":
                place, asks = slack.channel("talk", type="mpim", members=[ana, cleo, guest]), ana
            case "direct message":
                place, asks = guest.dm, guest
            case _:
                place, asks = slack.channel("partners", members=[ana], connected_teams=("T0ELSEWHERE",)), ana
        answer = await here.reply(await asks.mentions_bot(place, LEAVE))
        assert "28 days" not in str(slack.answers(place))
        assert "could not" in answer.text
        if where == "Slack Connect":
            await cleo.runs("/kb set workspace-documents on", place)
            await slack.until(lambda: cleo.whispers(place))
            assert "28 days" in (await here.reply(await asks.mentions_bot(place, LEAVE))).text

    tell(story, engine, tmp_path)


# ------------------------------------------------------------- commands, shortcuts


@BOTH
def test_slash_commands_answer_the_person_alone_who_may_share_it(engine, tmp_path, transport):
    async def story(here):
        await here.ana.runs(f"/ask {LEAVE}", "general")
        await here.ana.clicks(await here.whisper(here.ana), "share_answer")
        (shared,) = await here.slack.until(lambda: here.slack.answers("general"))
        assert "28 days" in str(shared.blocks)
        await here.ana.runs("/kb list", "general")
        assert "leave.md" in (await here.whisper(here.ana, 2)).text

    tell(story, engine, tmp_path, transport)


@BOTH
def test_the_modal_adds_files_and_says_so_where_nothing_is_filled_in(engine, tmp_path, transport):
    async def story(here):
        await here.ana.runs("/kb add", "general")
        modal = await here.slack.until(lambda: here.ana.modal)
        await here.ana.submits()
        assert modal.errors == {"text": "Choose a file, or write a text."}
        await here.ana.submits({"files": [("plan.txt", b"The launch is in May.")]})
        assert "plan.txt: added" in (await here.whisper(here.ana)).text

    tell(story, engine, tmp_path, transport)


def test_a_message_is_added_by_its_shortcut_with_a_link_to_it(engine, tmp_path):
    async def story(here):
        said = await here.bob.says("general", "The printer is on floor 3.")
        await here.ana.uses_shortcut("add_to_knowledge_base", said)
        await here.whisper(here.ana)
        link = here.slack.world.permalink(here.slack.channel("general"), said.ts)
        assert engine.documents()[0].uri == link

    tell(story, engine, tmp_path)


@BOTH
def test_ask_about_this_answers_in_the_messages_thread_and_shows_what_was_asked(engine, tmp_path, transport):
    async def story(here):
        said = await here.bob.says("general", "We plan our holidays.")
        await here.ana.uses_shortcut("ask_about_this", said)
        await here.slack.until(lambda: here.ana.modal)
        await here.ana.submits({"Your question": LEAVE})
        assert (await here.reply(said)).text.startswith(f"> ana: {LEAVE}")

    tell(story, engine, tmp_path, transport)


# ------------------------------------------------------- ratings, corrections, Home


@BOTH
def test_a_thumb_by_a_reaction_can_be_taken_back(engine, tmp_path, transport):
    async def story(here):
        answer = await here.answer()
        await here.bob.reacts(answer, "+1")
        await here.slack.until(lambda: engine.ratings)
        await here.bob.unreacts(answer, "+1")
        await here.slack.until(lambda: not engine.ratings)

    tell(story, engine, tmp_path, transport)


@BOTH
def test_a_correction_needs_the_approval_of_two_others(engine, tmp_path, transport):
    async def story(here):
        answer = await here.answer()
        await here.ana.clicks(answer, "Bad answer")
        await here.slack.until(lambda: here.ana.modal and engine.ratings)
        reasons = ["It is out of date", "The sources do not fit"]
        await here.ana.submits({"What is wrong with it?": reasons, "What would be right?": "30 days."})
        proposal = await here.reply(answer, 2)
        await here.bob.clicks(proposal, "approve_correction")
        assert "it takes 2 people" in (await here.whisper(here.bob)).text
        await here.dan.clicks(proposal, "approve_correction")
        await here.slack.until(lambda: "is a source" in proposal.text)
        assert Rating("answer-1", "down", "30 days.", author="ana") in engine.ratings
        await here.dan.opens_home()
        home = await here.slack.until(lambda: here.dan.home)
        assert all(f"{reason}: 1" in str(home.data) for reason in reasons)

    tell(story, engine, tmp_path, transport)


def test_a_correction_by_reply_needs_no_button_and_an_admins_no_approval(engine, tmp_path):
    async def story(here):
        answer = await here.answer()
        await here.cleo.says("general", "correction: 30 days.", thread=answer)
        await here.slack.until(
            lambda: Rating("answer-1", "down", "30 days.", author="cleo") in engine.ratings
        )

    tell(story, engine, tmp_path)


def test_where_no_answer_is_known_a_configured_group_can_be_called(engine, tmp_path):
    async def story(here):
        answer = await here.answer("Who discovered Uranus?")
        await here.ana.clicks(answer, "ask_human")
        assert (await here.reply(answer, 2)).text.startswith("<!subteam^S0HELP>")

    tell(story, engine, tmp_path, human="S0HELP")


@BOTH
def test_the_home_tab_shows_what_is_known_and_not_answered_and_admins_the_settings(
    engine, tmp_path, transport
):
    async def story(here):
        await here.answer("Who discovered Uranus?")
        await here.cleo.opens_home()
        home = await here.slack.until(lambda: here.cleo.home)
        assert "leave.md" in str(home.data)
        assert "Who discovered Uranus?" in str(home.data)
        await here.cleo.clicks(home, "Settings")
        await here.slack.until(lambda: here.cleo.modal)
        await here.cleo.submits({"Who may add and remove documents": "admins"})
        assert here.cleo.modal is None
        (saved,) = await here.slack.until(lambda: here.slack.answers(here.cleo.dm))
        assert "The settings are saved." in saved.text
        await here.ana.runs("/kb add The launch is in May.", "general")
        assert "admin" in (await here.whisper(here.ana)).text

    tell(story, engine, tmp_path, transport)


# ------------------------------------------------------------------- what goes wrong


def test_a_stream_that_slack_ends_is_finished_by_an_edit(engine, tmp_path):
    async def story(here):
        here.slack.faults.delay("chat.stopStream", 0.2)
        asked = await here.ana.mentions_bot("general", LEAVE)
        (growing,) = await here.slack.until(lambda: here.slack.answers("general"))
        await here.ana.stops(growing)
        await here.slack.until(lambda: growing.edited)
        assert ("chat.stopStream", "stopped_by_user") in here.refused()
        assert (await here.reply(asked)).text.startswith("Everybody has 28 days of leave.")
        assert "feedback_buttons" in str(growing.blocks)

    tell(story, engine, tmp_path, flawless=False)


@pytest.mark.parametrize("method", ["chat.startStream", "chat.stopStream"])
@pytest.mark.parametrize("after", [False, True])
def test_an_answer_whose_connection_breaks_is_there_once(engine, tmp_path, method, after):
    async def story(here):
        here.slack.faults.cut(method, after=after)
        answer = await here.answer()
        await here.slack.until(
            lambda: "feedback_buttons" in str(answer.blocks) or len(here.slack.messages("general")) > 2
        )
        assert len(here.slack.answers("general", thread=answer)) == 1

    tell(story, engine, tmp_path, flawless=False)
