"""A Slack bot in a process of its own, on a quick engine, for trials; it can be killed."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import re
import time
from collections import Counter
from contextlib import asynccontextmanager
from pathlib import Path

from bots.inbox import Bounds
from bots.slack.service import SlackSettings, serve
from mmrag.types import Answer, Citation, Generation, RatingReceipt, SearchResult
from tests.slack_server.bot import free_port
from tests.trust.processes import started

LINK = "https://wiki.example/leave"
QUICK_RETRIES = (0.1,) * 600  # Slack waits for minutes; a bot that was killed is back in a moment
BOUNDS = {"of_a_person": 10_000, "of_a_channel": 10_000, "in_all": 20_000}


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


# ------------------------------------------------------------------- its process


def work(connection, settings, engine, log):
    """The bot, until it is killed; it logs all it can to this file, if one is given."""
    if log is not None:
        logging.disable(logging.NOTSET)
        logging.basicConfig(filename=log, level=logging.DEBUG, force=True)

    async def run():
        ready = asyncio.Event()
        running = asyncio.create_task(serve(SlackSettings(**settings), QuickEngine(**engine), ready=ready))
        await asyncio.wait([asyncio.create_task(ready.wait()), running], return_when=asyncio.FIRST_COMPLETED)
        connection.send("ready")
        await running

    asyncio.run(run())


@asynccontextmanager
async def running(slack, folder, *, bounds=BOUNDS, answering=4, log=None, **engine):
    """The process of a bot that is ready for this Slack; `engine` is what a QuickEngine takes."""
    port = free_port()
    settings = {
        "folder": Path(folder),
        "bot_token": slack.bot_token,
        "signing_secret": slack.world.app.signing_secret,
        "transport": "http",
        "port": port,
        "api_url": slack.api_url,
        "bounds": Bounds(**bounds),
        "answering": answering,
    }
    with started(work, settings, engine, log) as (process, connection):
        if await asyncio.to_thread(connection.poll, 60):
            try:
                connection.recv()
            except EOFError:
                raise RuntimeError("the bot ended before it was ready") from None
        slack.courier.url = f"http://127.0.0.1:{port}/slack/events"
        yield process


# ------------------------------------------------------------- what people see of it


async def delivered(slack, asking):
    """(message, delivery) of what somebody says, once the bot has answered its event, or Slack gave up.

    Messages are told as one event here.
    """
    message = await asking  # nothing can come between: it does not wait for anything
    delivery = slack.courier.log[-1]
    await delivery.done.wait()
    return message, delivery


async def in_time(slack, holds, *, seconds):
    """Whether it came to hold within this time."""
    try:
        return bool(await slack.until(holds, seconds=seconds))
    except TimeoutError:
        return False


def endings(slack, channel):
    """{(thread, question): how many whole answers}."""
    return Counter(filter(None, map(_answered, slack.answers(channel))))


def _answered(message):
    """The question that a message answers whole, once it is finished, with its thread."""
    told = re.match(r"To ([^:]+):", message.text)
    shown = message.text + str(message.blocks)
    finished = message.stream is None or message.stream.state == "completed" or message.edited
    if told is None or not finished or shown.count("28 days of leave") < 8:
        return None
    return message.thread_ts, told[1]


async def check_endings(slack, channel, asked, outcome, *, seconds):
    """Each message of {message: question} has one whole answer in its thread, and there is nothing else."""
    wanted = {(message.thread_ts or message.ts, text) for message, text in asked}
    finished = await in_time(slack, lambda: wanted <= endings(slack, channel).keys(), seconds=seconds)
    outcome.check(finished, f"{len(wanted - endings(slack, channel).keys())} questions without an ending")
    await asyncio.sleep(0.2)  # a second answer would come now
    found = endings(slack, channel)
    for thread, text in wanted:
        outcome.check(found[thread, text] == 1, f"{text} has {found[thread, text]} whole answers")
    said = [(each.stream and each.stream.state, each.text[:60]) for each in slack.answers(channel)]
    outcome.check(len(said) == len(wanted), f"{len(said)} messages for {len(wanted)} questions: {said[:50]}")
