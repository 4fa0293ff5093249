"""Promise: one question has one visible ending, however often and in whatever order its events come.

Each message is told as one event type or another or both, each delivered one to three times, by the same
event id or by others, all of them shuffled, to one bot over real sockets. Each must have exactly one answer.
A trial is a message.
"""

from __future__ import annotations

import asyncio
import random

from tests.slack_server.bot import slack_with_the_app
from tests.trust.outcome import trial_run
from tests.trust.slack_bot import QUICK_RETRIES, check_endings, running

TRIALS = 4_000  # about 10,000 deliveries
BATCH = 200
TOLD_AS = (("app_mention",), ("app_mention",), ("message",), ("app_mention", "message"))


def run(trials, seed, folder):
    """Deliver so many messages, each several times."""
    with trial_run(seed) as outcome:
        asyncio.run(_run(trials, random.Random(seed), folder, outcome))
    return outcome


async def _run(trials, rng, folder, outcome):
    async with slack_with_the_app() as slack, running(slack, folder):
        slack.courier.retries = QUICK_RETRIES
        for begin in range(0, trials, BATCH):
            channel = f"batch {begin}"
            slack.courier.copies = lambda _: rng.randint(1, 3)
            slack.courier.hold()
            asked = [
                await _ask(slack, channel, number, rng) for number in range(begin, min(begin + BATCH, trials))
            ]
            slack.courier.copies = lambda _: 1  # of the bot's own messages
            events = slack.courier.release(rng.shuffle)
            outcome.count("deliveries", len(events))
            await slack.settled(seconds=120)  # one copy may be answered before another is acknowledged
            await check_endings(slack, channel, asked, outcome, seconds=120)
            outcome.check(all(each.acked for each in events), "an event was never acknowledged")
        outcome.trials = trials


async def _ask(slack, channel, number, rng):
    slack.mention_as, slack.courier.fresh_ids = rng.choice(TOLD_AS), rng.random() < 0.5
    text = f"question {number}"
    return await slack.user(f"person{number % 50}").mentions_bot(channel, text), text
