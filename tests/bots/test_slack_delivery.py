"""Slack: the figure of an answer, and what only one person sees, whatever becomes of the connection."""

from __future__ import annotations

import pytest

from mmrag.config import Settings
from mmrag.types import Source
from tests.bots.engines import OverHttp
from tests.bots.memory_engine import MemoryEngine
from tests.bots.slack_stage import BOTH, LEAVE, tell
from tests.service.serving import served

PNG = b"\x89PNG\r\n\x1a\n and so on"


@pytest.fixture
def engine():
    return MemoryEngine()


# ------------------------------------------------------------- the figure of an answer


def figures(message):
    """The pictures in a message: (file, words for it)."""
    shown = [block for block in message.blocks if block["type"] == "image"]
    return [(block["slack_file"]["id"], block["alt_text"]) for block in shown]


@BOTH
def test_the_figure_that_an_answer_rests_on_is_shown_with_words_for_it_and_sent_up_once(
    engine, tmp_path, transport
):
    async def story(here):
        engine.picture = PNG
        answer = await here.answer()
        ((shown, alt),) = figures(answer)
        file = here.slack.world.files[shown]
        assert (file.name, file.data, file.channels) == ("figure1.png", PNG, set())
        words = "Figure of leave.md, page 1: Everybody has 28 days of leave."
        assert alt == file.alt_text == words
        assert "leave.md, page 1" in str([block.get("title") for block in answer.blocks])
        await here.ana.runs("/ask And leave for trainees?", "general")
        assert figures(await here.whisper(here.ana)) == figures(await here.answer("And leave?"))
        assert len(here.slack.calls("files.upload")) == 1

    tell(story, engine, tmp_path, transport)


def test_the_figure_comes_through_a_remote_engine_as_well(tmp_path):
    memory = MemoryEngine()
    memory.picture = PNG
    with served(memory, Settings(home=tmp_path / "service")) as url:
        remote = OverHttp(url, memory)

        async def story(here):
            assert figures(await here.answer())

        tell(story, remote, tmp_path / "bots")
        remote.close()


def test_an_answer_without_a_source_shows_no_figure(engine, tmp_path):
    async def story(here):
        engine.picture = PNG
        assert figures(await here.answer("Who discovered Uranus?")) == []

    tell(story, engine, tmp_path)


def test_a_figure_is_not_shown_where_the_audience_has_become_wider(engine, tmp_path):
    async def story(here):
        engine.picture = PNG
        secret = here.slack.channel("secret", type="group", members=[here.ana])
        plan = Source("plan.md", b"The launch is on Thursday.", "https://wiki.example/plan")
        engine.add(plan, collection=f"{here.workspace}:{secret.id}")
        engine.during_ask = lambda _: setattr(secret, "type", "channel")
        answer = await here.reply(await here.ana.mentions_bot(secret, "When is the launch?"))
        assert figures(answer) == here.slack.calls("files.upload") == []

    tell(story, engine, tmp_path)


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (lambda faults: faults.error("files.getUploadURLExternal", "missing_scope"), "the scope files:write"),
        (lambda faults: faults.status("files.upload", 500), "Slack answered 500"),
        (lambda faults: faults.error("chat.stopStream", "invalid_blocks"), None),
        (
            lambda faults: faults.error("chat.*", "invalid_blocks", times=3, when=_shows_a_picture),
            "not take it",
        ),
    ],
)
def test_where_a_figure_cannot_be_shown_the_answer_says_why(engine, tmp_path, fault, said):
    async def story(here):
        engine.picture = PNG
        fault(here.slack.faults)
        asked = await here.ana.mentions_bot("general", LEAVE)
        answer = await here.reply(asked)
        await here.slack.until(lambda: "feedback_buttons" in str(answer.blocks))
        assert bool(figures(answer)) is (said is None)
        assert said is None or "The figure is not shown: " in str(answer.blocks)
        assert said is None or said in str(answer.blocks)
        assert "28 days" in answer.text

    tell(story, engine, tmp_path, flawless=False)


def _shows_a_picture(request):
    return any(block["type"] == "image" for block in request.arguments.get("blocks") or ())


# ------------------------------------------------------------ what only one person sees


@pytest.mark.parametrize("after", [False, True])
def test_an_ephemeral_answer_whose_connection_breaks_is_in_the_channel_once_and_surely_sent(
    engine, tmp_path, after
):
    async def story(here):
        await here.cleo.runs("/kb set ephemeral on", "general")
        await here.whisper(here.cleo)
        here.slack.faults.cut("chat.postEphemeral", after=after)
        here.slack.faults.cut("chat.postMessage", after=True)
        await here.ana.mentions_bot("general", LEAVE)
        (sent,) = await here.slack.until(lambda: here.slack.answers(here.ana.dm))
        await here.slack.until(lambda: len(here.slack.calls("conversations.history")) == 2)
        await here.slack.settled()
        assert "28 days" in sent.text
        assert "did not confirm" in str(sent.blocks)
        assert "feedback_buttons" in str(sent.blocks)
        assert len(here.ana.whispers("general")) == after
        assert here.slack.answers(here.ana.dm) == [sent]
        await here.ana.clicks(sent, "Good answer")
        await here.slack.until(lambda: engine.ratings)

    tell(story, engine, tmp_path, flawless=False)


def test_a_click_whose_reply_is_in_doubt_never_takes_the_answers_place(engine, tmp_path):
    async def story(here):
        answer = await here.answer("Who discovered Uranus?")
        before = answer.blocks
        here.slack.faults.cut("response_url", after=True)
        delivery = await here.ana.clicks(answer, "Bad answer")
        assert delivery.acked
        await here.slack.until(lambda: here.ana.modal)
        await here.ana.submits({"What would be right?": " x "})
        here.slack.faults.status("response_url", 500)
        proposal = await here.reply(answer, 2)
        await here.ana.clicks(proposal, "approve_correction")
        (told,) = await here.slack.until(lambda: here.slack.answers(here.ana.dm))
        assert "Somebody else has to approve" in told.text
        assert answer.blocks == before

    tell(story, engine, tmp_path, flawless=False)


def test_a_command_whose_address_has_expired_is_answered_directly(engine, tmp_path):
    async def story(here):
        engine.during_ask = lambda _: here.slack.clock.advance(3_600)
        await here.ana.runs(f"/ask {LEAVE}", "general")
        (sent,) = await here.slack.until(lambda: here.slack.answers(here.ana.dm))
        assert "28 days" in sent.text

    tell(story, engine, tmp_path, flawless=False)


@pytest.mark.parametrize("how", ["taken out", "archived", "asked about elsewhere"])
def test_where_the_bot_may_not_write_whoever_asked_hears_of_it_directly(engine, tmp_path, how):
    async def story(here):
        slack, ana = here.slack, here.ana
        room = slack.channel("room", members=[ana])

        def shuts(_):
            room.archived = how == "archived"
            if how == "taken out":
                room.members.discard(slack.bot)

        engine.during_ask = shuts
        if how == "asked about elsewhere":
            room.members.discard(slack.bot)
            await ana.uses_shortcut("ask_about_this", await ana.says(room, "We plan our holidays."))
            await slack.until(lambda: ana.modal)
            await ana.submits({"Your question": LEAVE})
        else:
            await ana.mentions_bot(room, LEAVE)
        (sent,) = await slack.until(lambda: slack.answers(ana.dm))
        assert "28 days" in sent.text
        assert "does not let me write where you asked" in str(sent.blocks)

    tell(story, engine, tmp_path, flawless=False)


def test_what_only_one_person_saw_can_be_asked_of_a_human_with_the_question(engine, tmp_path):
    async def story(here):
        await here.ana.runs("/ask Who discovered <!here> Uranus?", "general")
        await here.ana.clicks(await here.whisper(here.ana), "ask_human")
        (called,) = await here.slack.until(lambda: here.slack.answers("general"))
        assert called.text.startswith("<!subteam^S0HELP>")
        assert ">ana: Who discovered @here Uranus?" in str(called.blocks)

    tell(story, engine, tmp_path, human="S0HELP")


def test_an_answer_waits_for_a_slack_that_is_away_for_long(engine, tmp_path, monkeypatch):
    monkeypatch.setattr("bots.delivery.WAITS_SECONDS", (0.01,))
    monkeypatch.setattr("bots.outcomes.READ_WAITS_SECONDS", ())

    async def story(here):
        engine.during_ask = lambda _: here.slack.faults.status("*", 503, times=None)
        asked = await here.ana.mentions_bot("general", LEAVE)
        await here.slack.until(lambda: len(here.slack.calls("auth.test")) > 5)
        here.slack.faults.clear()
        assert "28 days" in (await here.reply(asked)).text

    tell(story, engine, tmp_path, flawless=False)
