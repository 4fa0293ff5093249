"""What is certain of an answer is shown before the rest of it is made, and the answer takes its place."""

from __future__ import annotations

import asyncio
import threading

import pytest

from bots.conversation import Audience, Mention, handle_mention
from mmrag.types import Answer, Citation, Generation
from tests.bots.memory_engine import MemoryEngine
from tests.bots.recorded_chat import RecordedChat
from tests.bots.slack_stage import Here as Slack
from tests.bots.slack_stage import tell as tell_slack
from tests.bots.test_discord_story import tell as tell_discord
from tests.slack_server.bot import bot_running as slack_bot_running

ASKED = "How many days of leave, and for whom?"
SENTENCES = ("Everybody has *28* days of leave. [1]", "<!channel> Trainees have 30. [2][1]")
WHOLE = " ".join(SENTENCES)
LINKS = ("https://wiki.example/leave", "https://wiki.example/trainees")
SECONDS = 30


class SayingEngine(MemoryEngine):
    """Says its first sentence, and the rest when it is let go; `fails` instead."""

    def __init__(self, *, fails=None):
        super().__init__()
        self.go_on = threading.Event()
        self.fails = fails
        self.asked = 0
        self.before = lambda: None

    def ask(self, question, *, listener=None, said=None):
        del question
        self.asked += 1
        self.before()
        citations = tuple(
            Citation(number, f"d{number}", f"Page {number}", 1, link, "28 days", number)
            for number, link in enumerate(LINKS, start=1)
        )
        made = Generation("saying", "none", "v")
        answer = Answer(
            id="answer-1",
            text=WHOLE,
            abstained=False,
            citations=citations,
            unread=(),
            cached=False,
            generation=made,
            timings_ms={"total": 1.0},
        )
        for stage in ("searching", "answering", "checking"):
            listener(stage)
        first, *others = answer.sentences
        said(first)
        assert self.go_on.wait(SECONDS)
        if self.fails is not None:
            raise self.fails
        for sentence in others:
            said(sentence)
        self.answers[answer.id] = (None, answer)
        return answer


@pytest.fixture(autouse=True)
def quickly(monkeypatch):
    monkeypatch.setattr("bots.conversation.endings.SAID_SECONDS", 0.01)
    monkeypatch.setattr("bots.discord.chat.EDIT_SECONDS", 0.0)


def ask(chat, engine):
    mention = Mention(ASKED, "ana", Audience(("team",)))
    return asyncio.run(handle_mention(mention, chat, engine))


class LettingGo(RecordedChat):
    """Lets the engine go on when its first sentence is shown; or breaks then."""

    def __init__(self, engine, *, breaks=False):
        super().__init__()
        self.engine = engine
        self.breaks = breaks

    async def show_said(self, said, question):
        self.engine.go_on.set()
        if self.breaks:
            raise ConnectionError("the platform is away: secret words")
        await super().show_said(said, question)


def test_the_first_sentence_is_shown_before_the_second_is_made():
    engine = SayingEngine()
    chat = LettingGo(engine)
    assert ask(chat, engine) == "answered"
    shown = [(what, getattr(value, "text", value)) for what, value in chat.events if what != "status"]
    assert shown[0] == ("said", SENTENCES[0])
    assert shown[-1] == ("answer", WHOLE)


def test_what_is_whole_at_once_is_shown_as_a_whole(monkeypatch):
    monkeypatch.setattr("bots.conversation.endings.SAID_SECONDS", 20)
    engine, chat = SayingEngine(), RecordedChat()
    engine.go_on.set()
    assert ask(chat, engine) == "answered"
    assert [what for what, _ in chat.events if what != "status"] == ["answer"]


def test_a_sentence_that_cannot_be_shown_costs_no_answer(caplog):
    engine = SayingEngine()
    chat = LettingGo(engine, breaks=True)
    assert ask(chat, engine) == "answered"
    assert [what for what, _ in chat.endings] == ["answer"]
    assert "secret" not in caplog.text


# ------------------------------------------------------------------------------ Slack


async def begun_in_slack(here):
    """The question, and the stream in its thread when the first sentence is in it."""
    asked = await here.ana.mentions_bot("general", ASKED)

    def there():
        found = here.slack.answers(here.slack.world.channels[asked.channel], thread=asked)
        return found[0] if found and "28" in found[0].text else None

    return asked, await here.slack.until(there, seconds=SECONDS)


def test_slack_streams_a_sentence_while_the_next_is_made(tmp_path):
    engine = SayingEngine()

    async def story(here):
        asked, message = await begun_in_slack(here)
        assert message.stream.state == "in_progress"
        assert "Trainees" not in message.text
        begun = message.text
        engine.go_on.set()
        answer = await here.reply(asked)
        assert answer is message
        assert answer.stream.state == "completed"
        assert answer.text.startswith(begun)
        assert "&lt;!channel&gt; Trainees have 30." in answer.text
        assert all(link in answer.text for link in LINKS)
        assert "feedback_buttons" in str(answer.blocks)
        assert len(here.slack.answers(here.slack.world.channels[asked.channel], thread=asked)) == 1
        assert not [each for each in here.slack.requests if each.name == "chat.update"]

    tell_slack(story, engine, tmp_path)


def test_slack_shows_the_answer_where_its_stream_is_over(tmp_path):
    engine = SayingEngine()

    async def story(here):
        asked, message = await begun_in_slack(here)
        message.stream.state = "stopped_by_user"
        engine.go_on.set()
        await here.slack.until(lambda: "feedback_buttons" in str(message.blocks), seconds=SECONDS)
        assert "Trainees have 30." in str(message.blocks)
        assert len(here.slack.answers(here.slack.world.channels[asked.channel], thread=asked)) == 1

    tell_slack(story, engine, tmp_path, flawless=False)


def test_in_slack_an_apology_takes_the_place_of_an_answer_that_broke_off(tmp_path):
    engine = SayingEngine(fails=RuntimeError("secret words"))

    async def story(here):
        asked, message = await begun_in_slack(here)
        engine.go_on.set()
        await here.slack.until(lambda: "Sorry" in message.text, seconds=SECONDS)
        assert len(here.slack.answers(here.slack.world.channels[asked.channel], thread=asked)) == 1
        assert message.stream.state == "completed"

    tell_slack(story, engine, tmp_path, flawless=False)


def test_in_slack_nothing_is_streamed_where_more_people_look_on_than_when_it_was_asked(tmp_path):
    engine = SayingEngine()

    async def story(here):
        secret = here.slack.channel("secret", type="group", members=[here.ana])
        engine.before = lambda: setattr(secret, "type", "channel")

        def looks():
            return [each for each in here.slack.requests if each.name == "conversations.info"]

        asked = await here.ana.mentions_bot(secret, ASKED)
        await here.slack.until(lambda: engine.asked and len(looks()) > 1, seconds=SECONDS)
        engine.go_on.set()
        assert "can be seen by more people" in (await here.reply(asked)).text
        assert "28" not in str([each.arguments for each in here.slack.requests])

    tell_slack(story, engine, tmp_path)


def test_in_slack_a_stream_of_a_bot_that_was_stopped_becomes_the_answer_of_the_next(tmp_path):
    engine = SayingEngine()

    async def told():
        here = Slack(engine)
        async with here.slack:
            async with slack_bot_running(here.slack, engine, tmp_path):
                asked, message = await begun_in_slack(here)
            engine.go_on.set()
            async with slack_bot_running(here.slack, engine, tmp_path):
                await here.slack.until(lambda: "feedback_buttons" in str(message.blocks), seconds=SECONDS)
            assert engine.asked == 2
            assert "Trainees have 30." in message.text
            assert len(here.slack.answers(here.slack.world.channels[asked.channel], thread=asked)) == 1

    asyncio.run(told())


# ---------------------------------------------------------------------------- Discord


def test_discord_shows_a_sentence_in_the_draft_while_the_next_is_made(tmp_path):
    engine = SayingEngine()

    async def story(here):
        thread = await here.thread(await here.ana.mentions("general", ASKED))

        def there():
            return next((each for each in here.discord.answers(thread) if "28" in each.content), None)

        draft = await here.discord.until(there, seconds=SECONDS)
        assert draft.content.startswith("-# ⏳")
        assert "Trainees" not in draft.content
        assert LINKS[0] in draft.content
        engine.go_on.set()
        answer = await here.reply(thread)
        assert answer is draft
        assert "Trainees have 30." in answer.content
        assert [each for each in here.discord.answers(thread) if each.content] == [answer]

    tell_discord(story, engine, tmp_path)
