"""The story in Slack, told through the real slack-bolt over both transports."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from mmrag.types import Attachment, Rating, Source, Turn
from tests.bots.memory_engine import MemoryEngine
from tests.bots.story_slack import workspace
from tests.trust.small_slack import BOT

ROOT = Path(__file__).parents[2]
HELLO = f"<@{BOT}> How many days of leave?"
BOTH = pytest.mark.parametrize("transport", ["http", "socket"])


@pytest.fixture
def engine():
    engine = MemoryEngine()
    source = Source("leave.md", b"Everybody has 28 days of leave.", "https://wiki.example/leave")
    engine.add(source, collection="slack-T1")
    return engine


def tell(story, engine, folder, transport="http", **settings):
    async def told():
        async with workspace(engine, folder, transport, **settings) as here:
            await story(here)

    asyncio.run(told())


async def asked(here, text=HELLO, **more):
    """A mention and its answer."""
    event = here.slack.say(text, **more)
    await here.event(event | {"type": "app_mention"})
    return event, (await here.replies(event.get("thread_ts", event["ts"]), 1))[-1]


def text_of(view):
    return str(view)


# ------------------------------------------------------------------- questions


@BOTH
def test_a_mention_with_a_chart_is_answered_in_its_thread_with_sources_and_buttons(
    engine, tmp_path, transport
):
    async def story(here):
        chart = here.slack.file("chart.png", b"png", "image/png")
        event, answer = await asked(here, files=[chart])
        await here.event(event | {"type": "message"})  # the same message as another event
        assert answer["thread_ts"] == event["ts"]
        assert answer["text"].startswith("Everybody has 28 days of leave.")
        assert "<https://wiki.example/leave|leave.md>, page 1" in text_of(answer["blocks"])
        assert "feedback_buttons" in text_of(answer["blocks"])
        assert engine.questions[0].attachments == (Attachment("chart.png", b"png"),)
        assert here.slack.downloads == ["Bearer xoxb-canary-000-token"]
        assert here.slack.calls["chat.startStream"] == 1

    tell(story, engine, tmp_path, transport)


@BOTH
def test_a_follow_up_needs_no_mention_and_has_the_thread_with_its_picture(engine, tmp_path, transport):
    async def story(here):
        chart = here.slack.file("chart.png", b"png", "image/png")
        event, answer = await asked(here, files=[chart])
        follow_up = here.slack.say("And leave for trainees?", user="U2", thread=event["ts"])
        await here.event(follow_up)
        await here.replies(event["ts"], 2)
        question = engine.questions[1]
        assert question.history[0] == Turn("user", "How many days of leave?")
        assert question.history[1].role == "assistant"
        assert question.attachments == (Attachment("chart.png", b"png"),)
        assert answer["ts"]

    tell(story, engine, tmp_path, transport)


def test_what_people_say_elsewhere_or_to_each_other_is_not_answered(engine, tmp_path):
    async def story(here):
        await here.event(here.slack.say("How many days of leave?"))
        other = here.slack.say("Shall we go for lunch?")
        await here.event(here.slack.say("Yes!", thread=other["ts"]))
        event, _ = await asked(here)
        await here.event(here.slack.say("<@U2> look at that", thread=event["ts"]))
        await here.event(here.slack.say("joined", thread=event["ts"]) | {"subtype": "channel_join"})
        await asked(here, f"<@{BOT}> And leave for trainees?")
        assert len(engine.questions) == 2

    tell(story, engine, tmp_path)


def test_follow_ups_can_be_switched_off_for_a_channel(engine, tmp_path):
    async def story(here):
        event, _ = await asked(here)
        await here.command("kb", "set follow-ups off", user="UADMIN")
        await here.until(lambda: here.slack.responses)
        await here.event(here.slack.say("And leave for trainees?", thread=event["ts"]))
        await asked(here, f"<@{BOT}> And leave for trainees?")
        assert len(engine.questions) == 2

    tell(story, engine, tmp_path)


def test_a_sign_in_page_instead_of_a_file_is_named_with_the_scope(engine, tmp_path):
    async def story(here):
        chart = (
            here.slack.file("chart.png", None, "image/png")
            if False
            else here.slack.file("c.png", b"", "image/png")
        )
        here.slack.files["c.png"] = None, "image/png"
        _, answer = await asked(here, files=[chart])
        assert "c.png was not used" in text_of(answer["blocks"])
        assert "files:read" in text_of(answer["blocks"])

    tell(story, engine, tmp_path)


def test_a_file_on_another_host_is_not_fetched_and_no_token_leaves(engine, tmp_path):
    async def story(here):
        evil = here.slack.file("c.png", b"png", "image/png") | {
            "url_private_download": "https://evil.example/c.png"
        }
        _, answer = await asked(here, files=[evil])
        assert "not one of Slack" in text_of(answer["blocks"])
        assert here.slack.downloads == []

    tell(story, engine, tmp_path)


@BOTH
def test_a_file_in_a_direct_message_goes_into_the_knowledge_of_that_place(engine, tmp_path, transport):
    async def story(here):
        event = here.slack.say(
            "", channel="D1", files=[here.slack.file("plan.txt", b"The launch is in May.", "text/plain")]
        )
        await here.event(event)
        [notice] = await here.replies(event["ts"], 1)
        assert "plan.txt: added" in notice["text"]
        assert [d.title for d in engine.documents(collections=["slack-T1:D1"])] == ["plan.txt"]

    tell(story, engine, tmp_path, transport)


def test_what_is_private_is_not_answered_where_the_channel_has_become_public(engine, tmp_path):
    engine.add(
        Source("plan.md", b"The launch is on Thursday.", "https://wiki.example/plan"),
        collection="slack-T1:G1",
    )

    async def story(here):
        here.slack.channels["G1"] = {"id": "G1", "is_private": True}
        engine.during_ask = lambda _: here.slack.channels.update(G1={"id": "G1", "is_private": False})
        _, answer = await asked(here, f"<@{BOT}> When is the launch?", channel="G1")
        assert "can be seen by more people" in answer["text"]
        assert "Thursday" not in str(here.slack.replies(answer["thread_ts"]))

    tell(story, engine, tmp_path)


# ------------------------------------------------------------- commands, shortcuts


@BOTH
def test_slash_commands_answer_the_person_alone_who_may_share_it(engine, tmp_path, transport):
    async def story(here):
        await here.command("ask", "How many days of leave?")
        await here.until(lambda: here.slack.responses)
        answer = here.slack.responses[0]
        assert answer["response_type"] == "ephemeral"
        await here.click(answer | {"ts": "1.1"}, "share_answer")
        shared = await here.until(lambda: [m for m in here.slack.messages.values() if m["user"] == BOT])
        assert "28 days" in str(shared)
        await here.command("kb", "list")
        await here.until(lambda: len(here.slack.responses) > 1)
        assert "leave.md" in here.slack.responses[1]["text"]

    tell(story, engine, tmp_path, transport)


@BOTH
def test_the_modal_adds_files_and_says_so_where_nothing_is_filled_in(engine, tmp_path, transport):
    async def story(here):
        await here.command("kb", "add")
        [view] = await here.until(lambda: here.slack.views)
        nothing = {
            "files": {"type": "file_input", "files": []},
            "text": {"type": "plain_text_input", "value": None},
        }
        refused = await here.submit(view, nothing)
        assert refused["response_action"] == "errors"
        file = here.slack.file("plan.txt", b"The launch is in May.", "text/plain")
        await here.submit(view, nothing | {"files": {"type": "file_input", "files": [file]}})
        await here.until(lambda: here.slack.whispers)
        assert "plan.txt: added" in here.slack.whispers[0][1]

    tell(story, engine, tmp_path, transport)


def test_a_message_is_added_by_its_shortcut_with_a_link_to_it(engine, tmp_path):
    async def story(here):
        message = {"ts": "5.5", "text": "The printer is on floor 3.", "user": "U2"}
        await here.interact("message_action", callback_id="add_to_knowledge_base", message=message)
        await here.until(lambda: here.slack.responses)
        assert engine.documents()[0].uri == "https://acme.slack.com/archives/C1/p5.5"

    tell(story, engine, tmp_path)


def test_ask_about_this_answers_in_the_messages_thread_and_shows_what_was_asked(engine, tmp_path):
    async def story(here):
        message = here.slack.say("We plan our holidays.", user="U2")
        await here.interact("message_action", callback_id="ask_about_this", message=message)
        [view] = await here.until(lambda: here.slack.views)
        await here.submit(view, {"text": {"type": "plain_text_input", "value": "How many days of leave?"}})
        [answer] = await here.replies(message["ts"], 1)
        assert answer["text"].startswith("> U1: How many days of leave?")

    tell(story, engine, tmp_path)


# ------------------------------------------------------- ratings, corrections, Home


@BOTH
def test_thumbs_a_correction_and_its_approval(engine, tmp_path, transport):
    async def story(here):
        event, answer = await asked(here)
        thumb = {"user": "U2", "item": {"type": "message", "channel": "C1", "ts": answer["ts"]}}
        await here.event(thumb | {"type": "reaction_added", "reaction": "+1", "event_ts": "10.1"})
        await here.until(lambda: engine.ratings)
        await here.event(thumb | {"type": "reaction_removed", "reaction": "+1", "event_ts": "10.2"})
        await here.until(lambda: not engine.ratings)
        await here.click(answer, "feedback")
        [view] = await here.until(lambda: here.slack.views)
        await here.until(lambda: engine.ratings)
        await here.submit(view, {"correction": {"type": "plain_text_input", "value": "30 days."}})
        proposal = (await here.replies(event["ts"], 2))[-1]
        await here.click(proposal, "approve_correction", user="U2")
        await here.until(
            lambda: any("it takes 2 people" in response["text"] for response in here.slack.responses)
        )
        await here.click(proposal, "approve_correction", user="U3")
        await here.until(lambda: Rating("answer-1", "down", "30 days.", author="U1") in engine.ratings)
        await here.until(lambda: "is a source" in here.slack.messages[proposal["ts"]]["text"])

    tell(story, engine, tmp_path, transport)


def test_a_correction_by_reply_needs_no_button_and_an_admins_no_approval(engine, tmp_path):
    async def story(here):
        event, _ = await asked(here)
        await here.event(here.slack.say("correction: 30 days.", user="UADMIN", thread=event["ts"]))
        await here.until(lambda: Rating("answer-1", "down", "30 days.", author="UADMIN") in engine.ratings)

    tell(story, engine, tmp_path)


def test_where_no_answer_is_known_a_configured_group_can_be_called(engine, tmp_path):
    async def story(here):
        event, answer = await asked(here, f"<@{BOT}> Who discovered Uranus?")
        await here.click(answer, "ask_human")
        called = (await here.replies(event["ts"], 2))[-1]
        assert called["text"].startswith("<!subteam^S0HELP>")

    tell(story, engine, tmp_path, human="S0HELP")


@BOTH
def test_the_home_tab_shows_what_is_known_and_what_was_not_answered(engine, tmp_path, transport):
    async def story(here):
        await asked(here, f"<@{BOT}> Who discovered Uranus?")
        await here.event({"type": "app_home_opened", "user": "UADMIN", "tab": "home"})
        [home] = await here.until(lambda: here.slack.homes)
        assert "leave.md" in text_of(home)
        assert "Who discovered Uranus?" in text_of(home)
        assert "open_settings" in text_of(home)

    tell(story, engine, tmp_path, transport)


def test_answers_are_whispered_where_the_channel_is_set_so(engine, tmp_path):
    async def story(here):
        await here.command("kb", "set ephemeral on", user="UADMIN")
        await here.until(lambda: here.slack.responses)
        event = here.slack.say(HELLO)
        await here.event(event | {"type": "app_mention"})
        await here.until(lambda: here.slack.whispers)
        assert "28 days" in here.slack.whispers[0][1]
        assert here.slack.replies(event["ts"]) == []

    tell(story, engine, tmp_path)


# ------------------------------------------------------------- with the real engine


def test_a_chart_that_comes_with_a_mention_is_read(start_engine, tmp_path):
    engine = start_engine()
    chart = (ROOT / "examples" / "attachments" / "tickets-per-month.png").read_bytes()

    async def story(here):
        file = here.slack.file("tickets-per-month.png", chart, "image/png")
        _, answer = await asked(here, f"<@{BOT}> How many support tickets came in in August?", files=[file])
        assert "547" in answer["text"]

    tell(story, engine, tmp_path / "bots")
