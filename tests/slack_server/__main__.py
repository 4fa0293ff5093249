"""`python -m tests.slack_server`: our Slack as a process of its own, with a page to see and to write from.

It prints one line of JSON: `url`, `api_url`, `bot_token`, `app_token`, `signing_secret`. A bot that runs in
another process may be killed and started again; the page at `url` shows the channel and takes what is said.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys

from aiohttp import web

from tests.slack_server.draw import page
from tests.slack_server.record import recorded
from tests.slack_server.server import SlackServer

CHANNEL = "general"
FORM = """<form method="post" action="/say" enctype="multipart/form-data">
<input name="text" size="60" autofocus placeholder="Message, or /ask ...">
<input type="file" name="file"><label><input type="checkbox" name="mention" checked> mention the bot</label>
<select name="thread"><option value="">in the channel</option>{threads}</select>
<button>Send</button></form>"""


class Desk:
    """The page: the channel, and a line to write in as `ana`."""

    def __init__(self, slack):
        self.slack = slack
        self.ana = slack.user("ana", is_admin=True)
        self.ana.joins(CHANNEL)

    async def show(self, _):
        heads = [each for each in self.slack.messages(CHANNEL) if not each.is_reply]
        threads = "".join(f'<option value="{each.ts}">in thread {each.ts}</option>' for each in heads)
        shown = page(recorded(self.slack, CHANNEL))
        body = shown.replace("</body>", FORM.format(threads=threads) + "</body>")
        return web.Response(text=body, content_type="text/html")

    async def say(self, request):
        given = await request.post()
        text = str(given.get("text", ""))
        if text.startswith("/"):
            await self.ana.runs(text, CHANNEL)
            raise web.HTTPSeeOther("/")
        file = given.get("file")
        files = [(file.filename, file.file.read())] if isinstance(file, web.FileField) else []
        thread = self.slack.channel(CHANNEL).messages.get(str(given.get("thread")))
        speak = self.ana.mentions_bot if given.get("mention") else self.ana.says
        await speak(CHANNEL, text, files=files, thread=thread)
        raise web.HTTPSeeOther("/")

    async def see(self, _):
        """The record, for those who script it."""
        return web.json_response(recorded(self.slack, CHANNEL))


async def serve(port):
    slack = SlackServer(port=port)
    desk = Desk(slack)
    routes = [web.get("/", desk.show), web.post("/say", desk.say), web.get("/seen", desk.see)]
    await slack.start(more=routes)
    told = {
        "url": slack.base,
        "api_url": slack.api_url,
        "bot_token": slack.bot_token,
        "app_token": slack.app_token,
        "signing_secret": slack.world.app.signing_secret,
    }
    sys.stdout.write(json.dumps(told) + "\n")
    sys.stdout.flush()
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    await stopped.wait()
    await slack.stop()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 takes any that is free")
    asyncio.run(serve(parser.parse_args().port))


if __name__ == "__main__":
    main()
