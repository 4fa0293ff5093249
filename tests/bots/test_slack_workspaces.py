"""Several workspaces by OAuth: each installs by itself, has its own token, and is forgotten when it goes."""

from __future__ import annotations

import asyncio
import re
from html import unescape

import aiohttp
import apsw
import pytest

from bots.slack.service import EVENTS, SCOPES, SlackSettings, check_settings
from mmrag.errors import InvalidSettings
from mmrag.types import Source
from tests.bots.memory_engine import MemoryEngine
from tests.bots.slack_stage import BOTH, LEAVE
from tests.slack_server.bot import bot_for_all_running
from tests.slack_server.server import SlackServer

pytestmark = pytest.mark.filterwarnings("ignore:BasicAuth is deprecated")  # slack_sdk's own call
DAYS = {"acme": 28, "globex": 30}


class Stage:
    """Two workspaces that have not installed the app yet, each with its own document."""

    def __init__(self, folder):
        self.folder = folder
        self.slack = SlackServer(install=False)
        self.slack.world.app.scopes, self.slack.world.app.events = frozenset(SCOPES), frozenset(EVENTS)
        self.teams = {"acme": self.slack.team.id, "globex": self.slack.world.add_team("globex").id}
        self.engine = MemoryEngine()
        for name, team in self.teams.items():
            page = Source("leave.md", f"Everybody has {DAYS[name]} days of leave.".encode(), f"wiki:{name}")
            self.engine.add(page, collection=f"slack-{team}")

    async def installs(self, name, *, cookie=None, twice=False):
        """Somebody of this workspace installs the app; (status, page) of what they see at last."""
        pages = self.slack.world.app.redirect_uris[0].removesuffix("/oauth_redirect")
        async with aiohttp.ClientSession() as session:
            async with session.get(f"{pages}/install", params={"team": self.teams[name]}) as shown:
                link = unescape(re.search('href="(http[^"]+)"', await shown.text())[1])
                given = shown.headers["Set-Cookie"].partition(";")[0]
            async with session.get(link, allow_redirects=False) as asked:
                back = asked.headers["Location"]
            for _ in range(1 + twice):
                async with session.get(back, headers={"Cookie": cookie or given}) as shown:
                    seen = shown.status, await shown.text()
        return seen

    async def answer(self, name):
        """What ana, who is in this workspace, is answered in its channel."""
        slack, team = self.slack, self.teams[name]
        ana = slack.user(f"ana of {name}", team=team)
        room = slack.channel(f"room of {name}", team=team, members=[ana])
        room.members.add(slack.world.installations[team].bot_user)
        asked = await ana.mentions_bot(room, LEAVE)
        (answer,) = await slack.until(lambda: slack.answers(room, thread=asked), seconds=30)
        await slack.until(lambda: answer.stream is None or answer.stream.state == "completed")
        return answer.text

    @property
    def installed(self):
        """The workspaces whose tokens the bot has."""
        database = apsw.Connection(str(self.folder / "bot.sqlite3"))
        return {name for (name,) in database.execute("SELECT workspace FROM installations")}

    @property
    def kept(self):
        """All bytes that the bot has on disk, but for the key of the tokens."""
        files = [path for path in self.folder.rglob("*") if path.is_file() and path.name != "token.key"]
        return b"".join(path.read_bytes() for path in files)


def tell(story, folder, transport="socket"):
    async def told():
        here = Stage(folder)
        async with here.slack, bot_for_all_running(here.slack, here.engine, folder, transport=transport):
            await story(here)

    asyncio.run(told())


@BOTH
def test_two_workspaces_install_the_app_and_are_answered_each_by_its_own_token(tmp_path, transport, caplog):
    async def story(here):
        for name in here.teams:
            status, page = await here.installs(name)
            assert (status, "Thank you" in page) == (200, True)
        for name, days in DAYS.items():
            assert f"{days} days" in await here.answer(name)
        tokens = [each.token for each in here.slack.world.installations.values()]
        for token in tokens:
            assert token.encode() not in here.kept
            assert token not in caplog.text
        assert [each for each in here.slack.requests if not (each.answer or {"ok": 1})["ok"]] == []

    tell(story, tmp_path, transport)


@pytest.mark.parametrize("how", ["another browser", "twice", "a whole organisation", "Slack is away"])
def test_an_installation_that_cannot_be_trusted_or_finished_leaves_no_token(tmp_path, how):
    async def story(here):
        here.slack.installs_organisations = how == "a whole organisation"
        if how == "Slack is away":
            here.slack.faults.cut("oauth.v2.access", after=False)
        cookie = "slack-app-oauth-state=mine" if how == "another browser" else None
        status, page = await here.installs("acme", cookie=cookie, twice=how == "twice")
        assert status >= 400
        said = {"a whole organisation": "one workspace after the other", "Slack is away": "reference"}
        assert said.get(how, "try again") in page
        assert len(here.installed) == (how == "twice")

    tell(story, tmp_path)


@BOTH
def test_a_workspace_that_takes_the_app_out_has_no_token_here_and_may_come_back(tmp_path, transport):
    async def story(here):
        slack, team = here.slack, here.teams["acme"]
        for name in here.teams:
            await here.installs(name)
        await here.answer("acme")
        slack.uninstall(team)
        await slack.settled()
        assert all(each.acked for each in slack.courier.log)
        assert here.installed == {f"team {here.teams['globex']}"}
        assert "30 days" in await here.answer("globex")
        await here.installs("acme")
        assert "28 days" in await here.answer("acme")
        # Told late, by a retry: that was the installation before.
        slack.emit("app_uninstalled", {"type": "app_uninstalled"}, team=team, at=slack.clock.now() - 60)
        await slack.settled()
        assert "28 days" in await here.answer("acme")

    tell(story, tmp_path, transport)


def test_a_token_that_ends_is_made_new_before_it_does(tmp_path):
    async def story(here):
        app, world = here.slack.world.app, here.slack.world
        app.token_seconds = 600
        await here.installs("acme")
        (first,) = world.refresh_tokens
        app.token_seconds = 12 * 3600
        assert "28 days" in await here.answer("acme")
        assert first not in world.refresh_tokens
        assert len(world.refresh_tokens) == 1
        here.slack.clock.advance(11 * 60)  # the first token has ended
        assert "28 days" in await here.answer("acme")
        refreshed = [
            each for each in here.slack.calls("oauth.v2.access") if "refresh_token" in each.arguments
        ]
        assert len(refreshed) == 1
        for token in (*world.refresh_tokens, *world.tokens):
            assert token.encode() not in here.kept

    tell(story, tmp_path)


def test_a_token_that_slack_does_not_renew_is_used_until_it_ends(tmp_path):
    async def story(here):
        here.slack.world.app.token_seconds = 600
        await here.installs("acme")
        here.slack.faults.cut("oauth.v2.access", after=False)
        assert "28 days" in await here.answer("acme")
        assert len(here.slack.world.refresh_tokens) == 1

    tell(story, tmp_path)


def test_who_asks_when_a_token_has_ended_and_slack_is_away_hears_of_it_in_the_end(tmp_path, monkeypatch):
    monkeypatch.setattr("bots.slack.tokens.AGAIN_SECONDS", 0.0)
    monkeypatch.setattr("bots.outcomes.READ_WAITS_SECONDS", ())

    async def story(here):
        here.slack.world.app.token_seconds = 1  # less by the time it is told
        await here.installs("acme")
        here.slack.world.app.token_seconds = 12 * 3600
        here.slack.faults.status("oauth.v2.access", 503, times=3)
        assert "Sorry" in await here.answer("acme")
        assert "28 days" in await here.answer("acme")

    tell(story, tmp_path)


def test_a_token_that_rotates_is_not_taken_where_nothing_renews_it(tmp_path):
    settings = SlackSettings(folder=tmp_path, bot_token="xoxe.xoxb-1-abc", app_token="xapp-1")  # noqa: S106 - none is real
    with pytest.raises(InvalidSettings, match="expires in twelve hours"):
        check_settings(settings)
