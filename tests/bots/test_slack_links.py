"""Links that are added in Slack: to a site, and to what is in Slack itself."""

from __future__ import annotations

import asyncio

import pytest

from bots.addresses import Reach
from bots.slack.links import FileLink, MessageLink, read_link
from mmrag.errors import NotReadable
from tests.bots.memory_engine import MemoryEngine
from tests.bots.site import Site, page, reply
from tests.slack_server.bot import bot_running, slack_with_the_app


class Here:
    """A workspace with ana and bob in #general."""

    def __init__(self):
        self.engine = MemoryEngine()
        self.slack = slack_with_the_app()
        self.ana, self.bob = map(self.slack.user, ("ana", "bob"))
        self.general = self.slack.channel("general")
        self.general.members |= {self.ana.id, self.bob.id}

    def bot(self, folder):
        return bot_running(self.slack, self.engine, folder, reach=Reach.parse("127.0.0.1/32"))

    async def told(self, person, command, where="general"):
        """What the bot says to a command, to this person alone."""
        place = self.slack.channel(where) if isinstance(where, str) else where
        before = len(person.whispers(place))
        await person.runs(command, place)
        (seen,) = await self.slack.until(lambda: person.whispers(place)[before:])
        return f"{seen.text}\n{seen.blocks}"


def test_a_link_that_was_being_fetched_when_the_bot_was_stopped_is_fetched_after_its_next_start(tmp_path):
    asked = asyncio.Event()

    async def says_nothing(_):
        asked.set()
        await asyncio.Event().wait()

    async def story():
        here, launch = Here(), reply(page("Launch", "The launch is in May."))
        async with here.slack, Site({"/launch": [says_nothing, launch]}) as site:
            async with here.bot(tmp_path):
                await here.ana.runs(f"/kb add {site.url}/launch", "general")
                await asked.wait()
            async with here.bot(tmp_path):
                seen = await here.slack.until(lambda: here.ana.whispers("general"))
                assert "launch.html: added" in str(seen[0].blocks)
        assert [document.uri for document in here.engine.documents()] == [f"{site.url}/launch"]
        assert len(here.ana.whispers("general")) == 1

    asyncio.run(story())


def test_a_link_to_a_message_or_a_file_adds_it_where_everyone_may_read_it(tmp_path):
    async def story():
        here = Here()
        async with here.slack, here.bot(tmp_path):
            asked = await here.bob.says("general", "Where is the printer?")
            files = [("plan.txt", b"A plan.")]
            said = await here.bob.says("general", "On floor 3.", thread=asked, files=files)
            link = here.slack.world.permalink(here.general, said.ts, asked.ts)
            told = await here.told(here.ana, f"/kb add {link}")
            assert "2 documents in the knowledge base" in told
            assert "Message by bob.md: added" in told
            message, plan = sorted(here.engine.documents(), key=lambda document: document.title)
            assert (here.engine.texts[message], message.uri) == ("On floor 3.", link)
            assert here.engine.texts[plan] == "A plan."
            assert "plan.txt: added" in await here.told(here.ana, f"/kb add {plan.uri}")

    asyncio.run(story())


def test_a_link_to_what_not_everyone_sees_adds_it_only_where_it_is(tmp_path):
    async def story():
        here = Here()
        secret = here.slack.channel("secret", type="group", members=[here.ana])
        async with here.slack, here.bot(tmp_path):
            files = [("plan.txt", b"A plan.")]
            said = await here.ana.says(secret, "The launch is on Thursday.", files=files)
            link = here.slack.world.permalink(secret, said.ts)
            assert "2 documents in the knowledge base" in await here.told(here.ana, f"/kb add {link}", secret)
            (plan,) = [each for each in here.engine.documents() if each.title == "plan.txt"]
            for foreign in (link, plan.uri):
                assert "not everybody here sees" in await here.told(here.bob, f"/kb add {foreign}")
            nowhere = "https://other.slack.com/archives/C0NOWHERE/p1700000000000100"
            assert "Slack does not give me" in await here.told(here.ana, f"/kb add {nowhere}")
            assert len(here.engine.documents()) == 2
            workspace = f"slack-{here.slack.team.id}"
            assert {each.collection for each in here.engine.documents()} == {f"{workspace}:{secret.id}"}

    asyncio.run(story())


@pytest.mark.parametrize(
    ("link", "read"),
    [
        (
            "https://acme.slack.com/archives/C0123/p1700000000000100",
            MessageLink("C0123", "1700000000.000100"),
        ),
        (
            "https://a.enterprise.slack.com/archives/D1/p1700000000000100?thread_ts=1.2&cid=D1",
            MessageLink("D1", "1700000000.000100"),
        ),
        ("https://acme.slack.com/files/U1/F0AB/plan.pdf", FileLink("F0AB")),
        ("https://files.slack.com/files-pri/T1-F0AB/download/plan.pdf", FileLink("F0AB")),
        ("https://slack.com/help/articles/1", None),
        ("https://acme.slack.com.evil.example/archives/C0123/p1700000000000100", None),
        ("https://evil.example/acme.slack.com/archives/C0123/p1700000000000100", None),
        ("http://acme.slack.com/archives/C0123/p1700000000000100", None),
    ],
)
def test_a_link_is_slacks_by_its_host_and_its_path(link, read):
    assert read_link(link) == read


@pytest.mark.parametrize(
    "link",
    [
        "https://acme.slack.com/archives/C0123",
        "https://app.slack.com/client/T1/C1",
        "https://a.slack.com/docs/T1/F1",
    ],
)
def test_a_link_to_anything_else_in_slack_says_which_link_is_meant(link):
    with pytest.raises(NotReadable, match="Copy link in a message's menu"):
        read_link(link)
