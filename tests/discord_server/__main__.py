"""`python -m tests.discord_server`: our Discord as a process of its own, with a page to see and write from.

It prints one line of JSON: `url`, `api_url`, `gateway_url`, `bot_token`, `guild`, `channel`. A bot that
runs in another process may be killed and started again; the page at `url` shows the channel and takes what
is said.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shlex
import signal
import sys

from aiohttp import web

from tests.discord_server.draw import page
from tests.discord_server.server import DiscordServer
from tests.discord_server.transcript import transcript

CHANNEL = "general"
FORM = """<form method="post" action="/say" enctype="multipart/form-data">
<input name="text" size="60" autofocus placeholder="Message, or /ask question='...'">
<input type="file" name="file"><label><input type="checkbox" name="mention" checked> mention the bot</label>
<select name="thread"><option value="">in the channel</option>{threads}</select>
<button>Send</button></form>"""


class Desk:
    """The page: the channel with its threads, and a line to write in as `ana`."""

    def __init__(self, discord):
        self.discord = discord
        self.ana = discord.user("ana")

    async def show(self, _):
        threads = "".join(
            f'<option value="{each.id}">in thread {each.id}</option>'
            for each in self.discord.threads(CHANNEL)
        )
        shown = page(transcript(self.discord, CHANNEL))
        body = shown.replace("</body>", FORM.format(threads=threads) + "</body>")
        return web.Response(text=body, content_type="text/html")

    async def say(self, request):
        given = await request.post()
        text = str(given.get("text", ""))
        where = str(given.get("thread") or CHANNEL)
        file = given.get("file")
        files = [(file.filename, file.file.read())] if isinstance(file, web.FileField) else []
        try:
            if text.startswith("/"):
                await self._use(text, where, files)
            else:
                speak = self.ana.mentions if given.get("mention") else self.ana.writes
                await speak(where, text, files=files)
        except (LookupError, ValueError, PermissionError) as refused:
            raise web.HTTPBadRequest(text=str(refused)) from None
        raise web.HTTPSeeOther("/")

    async def _use(self, text, where, files):
        """`/kb add title='A b'`: options are written NAME=VALUE; a file is the option `file`."""
        parts = shlex.split(text)
        options = dict(each.partition("=")[::2] for each in parts if "=" in each)
        command = " ".join(each for each in parts if "=" not in each)
        await self.ana.uses(command, where, **options, **({"file": files[0]} if files else {}))

    async def see(self, _):
        """The record, for those who script it."""
        return web.json_response(transcript(self.discord, CHANNEL))


async def serve(port):
    discord = DiscordServer(port=port)
    desk = Desk(discord)
    routes = [web.get("/", desk.show), web.post("/say", desk.say), web.get("/seen", desk.see)]
    await discord.start(more=routes)
    told = {
        "url": discord.base,
        "api_url": discord.api_url,
        "gateway_url": discord.gateway.url,
        "bot_token": discord.bot_token,
        "guild": discord.guild.id,
        "channel": discord.channel(CHANNEL).id,
    }
    sys.stdout.write(json.dumps(told) + "\n")
    sys.stdout.flush()
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    await stopped.wait()
    await discord.stop()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 takes any that is free")
    asyncio.run(serve(parser.parse_args().port))


if __name__ == "__main__":
    main()
