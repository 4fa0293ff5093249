"""`python -m tests.discord_server`: our Discord as a process of its own, with a page to see and write from.

It prints one line of JSON: `url`, `api_url`, `gateway_url`, `bot_token`, `guild`, `channel`. A bot that
runs in another process may be killed and started again; the page at `url` shows the channel and takes what
is said.
"""

from __future__ import annotations

import shlex

from tests.chat_servers.process import CHANNEL, Desk, main
from tests.discord_server.draw import page
from tests.discord_server.server import DiscordServer
from tests.discord_server.transcript import transcript


class DiscordDesk(Desk):
    """A command's options are written NAME=VALUE: `/kb add title='A b'`; a file is the option `file`."""

    command = "/ask question='...'"
    drawn = staticmethod(page)

    def __init__(self, port):
        discord = DiscordServer(port=port)
        super().__init__(discord, discord.user("ana"))

    def threads(self):
        return [each.id for each in self.server.threads(CHANNEL)]

    def record(self):
        return transcript(self.server, CHANNEL)

    async def use(self, text, thread, files):
        parts = shlex.split(text)
        options = dict(each.partition("=")[::2] for each in parts if "=" in each)
        command = " ".join(each for each in parts if "=" not in each)
        await self.ana.uses(command, thread or CHANNEL, **options, **({"file": files[0]} if files else {}))

    async def speak(self, text, thread, files, *, mention):
        say = self.ana.mentions if mention else self.ana.writes
        await say(thread or CHANNEL, text, files=files)

    def told(self):
        discord = self.server
        return {
            "api_url": discord.api_url,
            "gateway_url": discord.gateway.url,
            "bot_token": discord.bot_token,
            "guild": discord.guild.id,
            "channel": discord.channel(CHANNEL).id,
        }


if __name__ == "__main__":
    main(__doc__, DiscordDesk)
