"""A Slack bot in a process of its own, on a quick engine, for trials; it can be killed."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from bots.inbox import Bounds
from bots.slack.service import SlackSettings, serve
from tests.machine import free_port
from tests.trust import bot_process
from tests.trust.quick_engine import BOUNDS, in_time

QUICK_RETRIES = (0.1,) * 600  # Slack waits for minutes; a bot that was killed is back in a moment


# ------------------------------------------------------------------- its process


@asynccontextmanager
async def running(slack, folder, *, bounds=BOUNDS, answering=4, log=None, more=None, **engine):
    """The process of a bot that is ready for this Slack; `engine` is what a QuickEngine takes.

    `more` are settings that differ.
    """
    settings = SlackSettings(
        folder=Path(folder),
        bot_token=slack.bot_token,
        signing_secret=slack.world.app.signing_secret,
        transport="http",
        port=free_port(),
        api_url=slack.api_url,
        bounds=Bounds(**bounds),
        answering=answering,
    )
    settings = replace(settings, **(more or {}))
    async with bot_process.running(serve, settings, engine, log=log) as process:
        if settings.by_http:
            slack.courier.url = f"http://127.0.0.1:{settings.port}/slack/events"
        yield process


# ------------------------------------------------------- what people say and see


async def ask_some(slack, rng, events):
    """[(message, question)]; every fifth follows up in an earlier thread."""
    asked = []
    for number in range(events):
        text = f"question {number:03}"
        thread = rng.choice(asked)[0] if asked and number % 5 == 0 else None
        slack.mention_as = ("app_mention", "message") if rng.random() < 0.3 else ("app_mention",)
        person = slack.user(f"person{number % 7}")
        asked.append((await person.mentions_bot("general", text, thread=thread), text))
    return asked


async def delivered(slack, asking):
    """(message, delivery) of what somebody says, once the bot has answered its event, or Slack gave up.

    Messages are told as one event here.
    """
    message = await asking  # nothing can come between: it does not wait for anything
    delivery = slack.courier.log[-1]
    await delivery.done.wait()
    return message, delivery


def endings(slack, channel):
    """{(thread, question): how many whole answers}."""
    return Counter(filter(None, map(_answered, slack.answers(channel))))


async def check_whispers(slack, channel, people, outcome, *, seconds):
    """Each of them sees one answer: in the channel alone, directly, or where that was in doubt both."""

    def seen(person):
        there, own = person.whispers(channel), slack.answers(person.dm)
        return [len([each for each in some if _is_whole(each)]) for some in (there, own)]

    finished = await in_time(slack, lambda: all(any(seen(person)) for person in people), seconds=seconds)
    outcome.check(finished, "a command without an ending")
    await asyncio.sleep(0.2)  # a second answer would come now
    for person in people:
        outcome.check(max(seen(person)) <= 1, f"whispered and sent directly so often: {seen(person)}")


def _is_whole(message):
    return (message.text + str(message.blocks)).count("28 days of leave") >= 8


def _answered(message):
    """The question that a message answers whole, once it is finished, with its thread."""
    told = re.match(r"To ([^:]+):", message.text)
    finished = message.stream is None or message.stream.state == "completed" or message.edited
    if told is None or not finished or not _is_whole(message):
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
