"""`python -m tests.slack_server`: our Slack as a process of its own, with a page to see and to write from.

It prints one line of JSON: `url`, `api_url`, `bot_token`, `app_token`, `signing_secret`. A bot that runs in
another process may be killed and started again; the page at `url` shows the channel and takes what is said.
"""

from __future__ import annotations

from tests.chat_servers.process import CHANNEL, Desk, main
from tests.slack_server.record import recorded
from tests.slack_server.server import SlackServer


class SlackDesk(Desk):
    """A command is typed in the channel: Slack has none in threads, and none with files."""

    def __init__(self, port):
        slack = SlackServer(port=port)
        super().__init__(slack, slack.user("ana", is_admin=True))
        self.ana.joins(CHANNEL)

    def threads(self):
        return [each.ts for each in self.server.messages(CHANNEL) if not each.is_reply]

    def record(self):
        return recorded(self.server, CHANNEL)

    async def use(self, text, thread, files):
        del thread, files
        await self.ana.runs(text, CHANNEL)

    async def speak(self, text, thread, files, *, mention):
        say = self.ana.mentions_bot if mention else self.ana.says
        head = self.server.channel(CHANNEL).messages.get(thread)
        await say(CHANNEL, text, files=files, thread=head)

    def told(self):
        slack = self.server
        return {
            "api_url": slack.api_url,
            "bot_token": slack.bot_token,
            "app_token": slack.app_token,
            "signing_secret": slack.world.app.signing_secret,
        }


if __name__ == "__main__":
    main(__doc__, SlackDesk)
