"""Promise: one question has one visible ending, however often and in whatever order its events come.

Each message is delivered one to four times, by retries with the same event id and as another event type
with another id, all of them shuffled, to one bot over real sockets. Each must have exactly one answer.
A trial is a message.
"""

from __future__ import annotations

import asyncio
import random

from tests.trust.outcome import trial_run
from tests.trust.slack_bot import client, free_port, is_whole, running, until
from tests.trust.small_slack import SmallSlack, callback, deliver

TRIALS = 4_000  # about 10,000 deliveries
BATCH = 500


def run(trials, seed, folder):
    """Deliver so many messages, each several times."""
    with trial_run(seed) as outcome:
        asyncio.run(_run(trials, random.Random(seed), folder, outcome))
    return outcome


async def _run(trials, rng, folder, outcome):
    slack = SmallSlack()
    async with (
        slack.served() as api_url,
        client() as session,
        running(api_url, folder, free_port()) as (_, url),
    ):
        for begin in range(0, trials, BATCH):
            questions = {
                n: slack.ask(f"question {n}", user=f"U{n % 50}")
                for n in range(begin, min(begin + BATCH, trials))
            }
            deliveries = [one for n, event in questions.items() for one in _deliveries(n, event, rng)]
            rng.shuffle(deliveries)
            for first in range(0, len(deliveries), 16):
                await asyncio.gather(
                    *(_acknowledged(session, url, *one, outcome) for one in deliveries[first : first + 16])
                )
            outcome.count("deliveries", len(deliveries))
            finished = await until(
                lambda: all(slack.replies(e["ts"]) for e in questions.values()),  # noqa: B023 - awaited here
                seconds=120,
            )
            outcome.check(finished, f"messages {begin} and more: not all were answered")
        await asyncio.sleep(1)  # a second answer would come now
        _compare(slack, trials, outcome)


def _deliveries(number, event, rng):
    """(body, retry) of each time that this message comes."""
    message = callback(event | {"type": "message", "channel_type": "channel"}, f"Ev{number}m")
    mention = callback(event, f"Ev{number}")
    first = (mention if rng.random() < 0.7 else message, 0)
    again = [
        (rng.choice((mention, message, callback(event, f"Ev{number}r{retry}"))), retry)
        for retry in range(1, rng.randint(1, 4))
    ]
    return [first, *again]


async def _acknowledged(session, url, body, retry, outcome):
    for _ in range(5):
        if await deliver(session, url, body, retry=retry) == 200:
            return
    outcome.check(holds=False, failure=f"{body['event_id']} was not acknowledged")


def _compare(slack, trials, outcome):
    asked = [m for m in list(slack.messages.values()) if m["user"] != "UBOT"]
    for message in asked:
        text = message["text"].partition("> ")[2]
        answers = slack.replies(message["ts"])
        outcome.check(len(answers) == 1, f"{text} has {len(answers)} answers")
        outcome.check(all(is_whole(answer, text) for answer in answers), f"{text} is not answered whole")
    outcome.trials = trials
