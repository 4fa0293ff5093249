"""Slack's Home tab: what is known and was asked, to whom it is shown, and what admins set there."""

from __future__ import annotations

import pytest

from tests.bots.memory_engine import MemoryEngine
from tests.bots.slack_stage import BOTH, LEAVE, tell


@pytest.fixture
def engine():
    return MemoryEngine()


async def home_of(here, person):
    """What this person sees in the Home tab, as one text."""
    await person.opens_home()
    view = await here.slack.until(lambda: person.home)
    return str(view.data)


async def opened(here, person, what, **chosen):
    """The modal that something in the Home tab opens."""
    await person.clicks(person.home, what, **chosen)
    return await here.slack.until(lambda: person.modal)


@BOTH
def test_home_shows_what_a_person_may_read_and_what_was_not_answered(engine, tmp_path, transport):
    async def story(here):
        await here.reply(await here.ana.writes_to_bot("", files=[("plan.txt", b"The launch is in May.")]))
        await here.answer("Who discovered Uranus?")
        secret = here.slack.channel("secret", type="group", members=[here.ana])
        await here.reply(await here.ana.mentions_bot(secret, "Who discovered Pluto?"))
        seen = await home_of(here, here.ana)
        assert "• leave.md, 1 page" in seen
        assert "• plan.txt, 1 page, in our own messages only" in seen
        assert "1 question in" in seen
        assert "Who discovered Uranus?" in seen
        assert "Pluto" not in seen
        assert "Settings" not in seen
        assert "plan.txt" not in await home_of(here, here.bob)
        guest = here.slack.user("gus", is_restricted=True)
        seen = await home_of(here, guest)
        assert "leave.md" not in seen
        assert "Uranus" not in seen

    tell(story, engine, tmp_path, transport)


def test_an_admin_sets_who_may_add_who_else_is_admin_and_whom_to_ask(engine, tmp_path):
    async def story(here):
        await home_of(here, here.cleo)
        modal = await opened(here, here.cleo, "Settings")
        group = "Whom to ask where I know no answer (ID of a user group or a person)"
        await here.cleo.submits({group: "the helpdesk"})
        assert "begins with S" in modal.errors["human"]
        given = {"Who may add and remove documents": "admins", "Who else looks after me": [here.bob]}
        follow = "Answer follow-ups in a thread without a mention"
        await here.cleo.submits(given | {group: "S0HELP0", follow: "off"})
        (saved,) = await here.slack.until(lambda: here.slack.answers(here.cleo.dm))
        assert "The settings are saved." in saved.text
        shown = str(here.cleo.home.data)
        assert f"Who else looks after me: <@{here.bob.id}>" in shown
        assert "know no answer: <!subteam^S0HELP0>" in shown
        await here.ana.runs("/kb add The launch is in May.", "general")
        assert "Only admins" in (await here.whisper(here.ana)).text
        await here.bob.runs("/kb add The launch is in May.", "general")
        assert "1 document" in (await here.whisper(here.bob)).text
        await here.bob.runs("/kb settings", "general")
        assert "follow-ups off" in (await here.whisper(here.bob, 2)).text
        answer = await here.answer("Who discovered Uranus?")
        await here.ana.clicks(answer, "ask_human")
        assert (await here.reply(answer, 2)).text.startswith("<!subteam^S0HELP0>")
        modal = await opened(here, here.cleo, "Settings")
        assert [block["element"].get("initial_users") for block in modal.data["blocks"]][2] == [here.bob.id]

    tell(story, engine, tmp_path)


def test_an_admin_sets_what_holds_in_one_channel(engine, tmp_path):
    async def story(here):
        slack, ana, cleo = here.slack, here.ana, here.cleo
        general = slack.channel("general")
        await home_of(here, cleo)
        await opened(here, cleo, "open_place_settings", channel=general)
        await cleo.submits({"Show an answer to the person who asked only": "on"})
        (saved,) = await slack.until(lambda: slack.answers(cleo.dm))
        assert "follow-ups on, ephemeral on, workspace-documents off" in saved.text
        assert f"In <#{general.id}>: ephemeral on" in str(cleo.home.data)
        await ana.mentions_bot("general", LEAVE)
        assert "28 days" in (await here.whisper(ana)).text
        # What was left alone goes on following the workspace.
        await opened(here, cleo, "Settings")
        await cleo.submits({"Answer follow-ups in a thread without a mention": "off"})
        await slack.until(lambda: len(slack.answers(cleo.dm)) == 2)
        await cleo.runs("/kb settings", "general")
        assert "follow-ups off" in (await here.whisper(cleo)).text

    tell(story, engine, tmp_path)
