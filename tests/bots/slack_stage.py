"""A Slack with the bot in it, and people who use it: what stories in Slack begin with."""

from __future__ import annotations

import asyncio

import pytest

from bots.conversation import Rules
from mmrag.types import Source
from tests.slack_server.bot import bot_running, slack_with_the_app

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
