"""A server as a process of its own, with a page to see a channel and write into it."""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
from abc import ABC, abstractmethod

from aiohttp import web

from tests.chat_servers.draw import page

CHANNEL = "general"
FORM = """<form method="post" action="/say" enctype="multipart/form-data">
<input name="text" size="60" autofocus placeholder="Message, or {command}">
<input type="file" name="file"><label><input type="checkbox" name="mention" checked> mention the bot</label>
<select name="thread"><option value="">in the channel</option>{threads}</select>
<button>Send</button></form>"""


class Desk(ABC):
    """The page: the channel with its threads, and a line to write in as `ana`."""

    command = "/ask ..."
    drawn = staticmethod(page)

    def __init__(self, server, ana):
        self.server = server
        self.ana = ana

    @abstractmethod
    def threads(self):
        """The ids of the threads that can be written in."""

    @abstractmethod
    def record(self):
        """What was seen, as JSON."""

    @abstractmethod
    async def use(self, text, thread, files):
        """Type a command."""

    @abstractmethod
    async def speak(self, text, thread, files, *, mention):
        """Say it in the channel, or in the thread of this id."""

    @abstractmethod
    def told(self):
        """What a bot needs to know to connect."""

    async def show(self, _):
        threads = "".join(f'<option value="{each}">in thread {each}</option>' for each in self.threads())
        form = FORM.format(command=self.command, threads=threads)
        body = self.drawn(self.record()).replace("</body>", form + "</body>")
        return web.Response(text=body, content_type="text/html")

    async def say(self, request):
        given = await request.post()
        text, thread = str(given.get("text", "")), str(given.get("thread", ""))
        file = given.get("file")
        files = [(file.filename, file.file.read())] if isinstance(file, web.FileField) else []
        try:
            if text.startswith("/"):
                await self.use(text, thread, files)
            else:
                await self.speak(text, thread, files, mention=bool(given.get("mention")))
        except (LookupError, ValueError, PermissionError) as refused:
            raise web.HTTPBadRequest(text=str(refused)) from None
        raise web.HTTPSeeOther("/")

    async def see(self, _):
        """The record, for those who script it."""
        return web.json_response(self.record())

    async def serve(self):
        """Until the process is told to end; what a bot needs to know is printed first."""
        routes = [web.get("/", self.show), web.post("/say", self.say), web.get("/seen", self.see)]
        await self.server.start(more=routes)
        sys.stdout.write(json.dumps({"url": self.server.base} | self.told()) + "\n")
        sys.stdout.flush()
        stopped = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stopped.set)
        await stopped.wait()
        await self.server.stop()


def main(description, desk_at):
    """Serve `desk_at(port)`."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--port", type=int, default=0, help="0 takes any that is free")
    port = parser.parse_args().port

    async def serve():
        await desk_at(port).serve()

    asyncio.run(serve())
