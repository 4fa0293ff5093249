"""The bot in a Slack that keeps to Slack's rules: scopes, membership, limits, triggers, streams."""

from __future__ import annotations

import asyncio

import pytest

from bots.conversation import Rules
from bots.slack.service import EVENTS, SCOPES
from mmrag.types import Attachment, Source
from tests.bots.memory_engine import MemoryEngine
from tests.slack_server import SlackServer
from tests.slack_server.bot import bot_running

BOTH = pytest.mark.parametrize("transport", ["http", "socket"])
LEAVE = "How many days of leave?"


class Here:
    """A workspace with the bot in it, as its manifest says."""

    def __init__(self, engine):
        self.slack = SlackServer(install=False)
        self.slack.world.app.scopes, self.slack.world.app.events = frozenset(SCOPES), frozenset(EVENTS)
        self.slack.world.install(self.slack.team.id)
        self.slack.courier.retries = (0.2, 0.5, 1.0)
        self.engine = engine
        self.ana, self.bob = self.slack.user("ana"), self.slack.user("bob")
        self.cleo = self.slack.user("cleo", is_admin=True)
        for person in (self.ana, self.bob, self.cleo):
            self.slack.channel("general").members.add(person.id)
        source = Source("leave.md", b"Everybody has 28 days of leave.", "https://wiki.example/leave")
        engine.add(source, collection=f"slack-{self.slack.team.id}")

    async def reply(self, asked, number=1):
        """The bot's reply of this number in the thread, once it is whole."""

        def there():
            found = self.slack.answers(self.slack.world.channels[asked.channel], thread=asked)
            whole = len(found) >= number and all(
                each.stream is None or each.stream.state != "in_progress" for each in found
            )
            return found[number - 1] if whole else None

        return await self.slack.until(there)

    def refused(self):
        """What Slack refused to do."""
        return [
            (each.name, each.answer["error"])
            for each in self.slack.requests
            if not (each.answer or {"ok": 1})["ok"]
        ]


def tell(story, folder, transport="socket", *, flawless=True, **settings):
    async def told():
        here = Here(MemoryEngine())
        async with here.slack, bot_running(here.slack, here.engine, folder, transport=transport, **settings):
            await story(here)
            await here.slack.settled()
            assert not flawless or here.refused() == []
            assert all(each.acked for each in here.slack.courier.log)

    asyncio.run(told())


@BOTH
def test_the_whole_story(tmp_path, transport):
    async def story(here):
        slack, ana, bob, cleo = here.slack, here.ana, here.bob, here.cleo
        chart = ("chart.png", b"png")

        # A mention with a chart: streamed, in the thread, with its source and buttons.
        asked = await ana.mentions_bot("general", LEAVE, files=[chart])
        answer = await here.reply(asked)
        assert answer.text.startswith("Everybody has 28 days of leave.")
        assert "https://wiki.example/leave" in str(answer.blocks)
        assert (answer.stream.state, answer.stream.recipient) == ("completed", ana.id)
        assert here.engine.questions[0].attachments == (Attachment(*chart),)
        assert ana.status == ""

        # A follow-up without a mention leans on the earlier message and its picture.
        follow_up = await bob.says("general", "And leave for trainees?", thread=asked)
        await here.reply(follow_up, 2)
        assert here.engine.questions[1].attachments == (Attachment(*chart),)

        # A file in a direct message is kept there.
        sent = await ana.writes_to_bot("", files=[("plan.txt", b"The launch is in May.")])
        assert "plan.txt: added" in (await here.reply(sent)).text

        # A command is answered for one person, who shares it.
        await ana.runs(f"/ask {LEAVE}", "general")
        (whisper,) = await slack.until(lambda: ana.whispers("general"))
        await ana.clicks(whisper, "share_answer")
        await slack.until(lambda: [m for m in slack.answers("general") if not m.is_reply])

        # A shortcut adds a message; another asks about it in a modal.
        said = await bob.says("general", "The printer is on floor 3.")
        await ana.uses_shortcut("add_to_knowledge_base", said)
        await slack.until(lambda: any("/archives/" in d.uri for d in here.engine.documents()))
        await ana.uses_shortcut("ask_about_this", said)
        await slack.until(lambda: ana.modal)
        await ana.submits({"Your question": LEAVE})
        await here.reply(said)

        # A reaction, the button and its modal; a correction, and its approval by two.
        await bob.reacts(answer, "+1")
        await slack.until(lambda: here.engine.ratings)
        await bob.unreacts(answer, "+1")
        await slack.until(lambda: not here.engine.ratings)
        await ana.clicks(answer, "Bad answer")
        await slack.until(lambda: ana.modal)
        await ana.submits(
            {"What is wrong with it?": ["It is out of date"], "What would be right?": "30 days."}
        )
        proposal = await here.reply(asked, 3)
        await bob.clicks(proposal, "approve_correction")
        await cleo.clicks(proposal, "approve_correction")
        await slack.until(lambda: any(each.correction == "30 days." for each in here.engine.ratings))
        await slack.until(lambda: "is a source" in proposal.text)

        # The Home tab.
        await cleo.opens_home()
        await slack.until(lambda: cleo.home)
        assert "leave.md" in str(cleo.home.data)
        await cleo.clicks(cleo.home, "Settings")
        await slack.until(lambda: cleo.modal)
        await cleo.submits({"Who may add and remove documents": "admins"})
        assert cleo.modal is None

    tell(story, tmp_path, transport, rules=Rules(approvals=2))


@pytest.mark.parametrize("copies", [1, 3])
def test_a_mention_with_a_file_is_answered_once_however_it_is_told(tmp_path, copies):
    async def story(here):
        here.slack.courier.copies, here.slack.courier.fresh_ids = lambda _: copies, True
        for told_as in (("app_mention",), ("message",), ("app_mention", "message")):
            here.slack.mention_as = told_as
            asked = await here.ana.mentions_bot("general", LEAVE, files=[("chart.png", b"png")])
            await here.reply(asked)
        await here.slack.settled()
        assert len(here.engine.questions) == len(here.slack.answers("general")) == 3

    tell(story, tmp_path)


def test_a_file_of_another_organisation_and_one_behind_a_redirect(tmp_path):
    async def story(here):
        slack, ana = here.slack, here.ana
        outside = ana.sends_file("plan.png", b"outside", from_outside=True)
        moved = ana.sends_file("moved.png", b"moved", redirect=f"{slack.elsewhere}/moved.png")
        asked = await ana.mentions_bot("general", LEAVE, files=[outside, moved])
        answer = await here.reply(asked)
        assert [each.data for each in here.engine.questions[0].attachments] == [b"outside", b""]
        assert "moved.png was not used" in str(answer.blocks)
        assert slack.foreign == []

    tell(story, tmp_path)


def test_a_stream_that_slack_ends_is_finished_by_an_edit(tmp_path):
    async def story(here):
        here.slack.faults.delay("chat.stopStream", 0.2)
        asked = await here.ana.mentions_bot("general", LEAVE)
        (growing,) = await here.slack.until(lambda: here.slack.answers("general"))
        await here.ana.stops(growing)
        await here.slack.until(lambda: growing.edited)
        assert ("chat.stopStream", "stopped_by_user") in here.refused()
        assert (await here.reply(asked)).text.startswith("Everybody has 28 days of leave.")
        assert "feedback_buttons" in str(growing.blocks)

    tell(story, tmp_path, flawless=False)


@pytest.mark.parametrize("method", ["chat.startStream", "chat.stopStream"])
@pytest.mark.parametrize("after", [False, True])
def test_an_answer_whose_connection_breaks_is_there_once(tmp_path, method, after):
    async def story(here):
        here.slack.faults.cut(method, after=after)
        asked = await here.ana.mentions_bot("general", LEAVE)
        await here.slack.until(lambda: here.slack.answers("general", thread=asked))
        answer = await here.reply(asked)
        await here.slack.until(
            lambda: "feedback_buttons" in str(answer.blocks) or len(here.slack.messages("general")) > 2
        )
        assert len(here.slack.answers("general", thread=asked)) == 1

    tell(story, tmp_path, flawless=False)


def test_what_is_added_in_a_private_channel_is_not_answered_in_a_public_one(tmp_path):
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

    tell(story, tmp_path)
