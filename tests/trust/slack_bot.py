"""A Slack bot in a process of its own, on a quick engine, for trials; it can be killed."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import time
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp

from bots.conversation import Rules
from bots.inbox import Bounds
from bots.slack.service import SlackSettings, serve
from mmrag.types import Answer, Citation, Generation, RatingReceipt, SearchResult
from tests.trust.processes import started
from tests.trust.small_slack import SECRET, TOKEN

LINK = "https://wiki.example/leave"


class QuickEngine:
    """Answers at once, by what the question asks: the engine is not what is under trial."""

    def __init__(self, seconds=0.0, *, holds_interpreter=False):
        self._seconds = seconds
        self._compute = _in_python if holds_interpreter else _in_native_code

    def ask(self, question, *, listener=None):
        if listener is not None:
            listener("searching")
        end = time.perf_counter() + self._seconds
        while time.perf_counter() < end:
            self._compute()
        citation = Citation(1, "d1", "Leave", 1, LINK, "28 days", 1)
        return Answer(
            id=f"answer to {question.text}",
            text=f"{expected(question.text)} [1]",
            abstained=False,
            citations=(citation,),
            unread=(),
            cached=False,
            generation=Generation("quick", "none", "v"),
            timings_ms={"total": 1.0},
        )

    def search(self, question, *, k=10):
        del question, k
        return SearchResult((), "v", {})

    def documents(self, *, collections=None):
        del collections
        return ()

    def rate(self, rating):
        return RatingReceipt(rating.answer_id, rating.verdict, None)

    def withdraw(self, answer_id, *, author):
        del answer_id, author

    def figure(self, name, *, collections):
        del name, collections


def _in_python():
    sum(range(1000))


def _in_native_code():
    """As a model or an index computes: on a core, without the interpreter."""
    hashlib.sha256(_BLOCK).digest()


_BLOCK = bytes(1 << 20)


def expected(text):
    """What the engine says to this, long enough to be streamed in pieces."""
    return f"To {text}: " + "everybody has 28 days of leave in a year. " * 8


def is_whole(message, text):
    """Whether a message shows the whole answer to this, once it is finished."""
    shown = message["text"] + str(message.get("blocks"))
    return message["state"] == "whole" and f"To {text}:" in shown and shown.count("28 days of leave") >= 8


def work(connection, api_url, folder, port, options):
    """The bot, until it is killed."""
    log_file = options.get("log")
    if log_file:
        logging.disable(logging.NOTSET)
        logging.basicConfig(filename=log_file, level=logging.DEBUG, force=True)
    settings = SlackSettings(
        folder=Path(folder),
        bot_token=TOKEN,
        signing_secret=SECRET,
        transport="http",
        port=port,
        api_url=api_url,
        rules=Rules(),
        bounds=Bounds(
            **options.get("bounds", {"of_a_person": 10_000, "of_a_channel": 10_000, "in_all": 20_000})
        ),
        answering=options.get("answering", 4),
    )

    engine = QuickEngine(
        options.get("seconds", 0.0), holds_interpreter=options.get("holds_interpreter", False)
    )

    async def run():
        ready = asyncio.Event()
        running = asyncio.create_task(serve(settings, engine, ready=ready))
        await asyncio.wait([asyncio.create_task(ready.wait()), running], return_when=asyncio.FIRST_COMPLETED)
        connection.send("ready")
        await running

    asyncio.run(run())


@asynccontextmanager
async def running(api_url, folder, port, **options):
    """(process, address of its events) of a bot that is ready."""
    with started(work, api_url, str(folder), port, options) as (process, connection):
        if await asyncio.to_thread(connection.poll, 60):
            try:
                connection.recv()
            except EOFError:
                raise RuntimeError("the bot ended before it was ready") from None
        yield process, f"http://127.0.0.1:{port}/slack/events"


def free_port():
    """A port that nobody listens on now."""
    import socket  # noqa: PLC0415 - used here only

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def client():
    """Connections as Slack makes them."""
    return aiohttp.ClientSession(
        timeout=aiohttp.ClientTimeout(total=10), connector=aiohttp.TCPConnector(limit=64)
    )


async def until(condition, *, seconds, step=0.02):
    """Whether the condition came to hold within this time."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        await asyncio.sleep(step)
    return True
