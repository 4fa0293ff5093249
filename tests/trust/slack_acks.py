"""Promise: an event is on disk and acknowledged within 300 ms (99 of 100), while the engine computes.

A hundred events a second come in, half of them questions to an engine that holds the interpreter all the
time. A trial is an event.
"""

from __future__ import annotations

import asyncio
import random
import time

from tests.slack_server.bot import slack_with_the_app
from tests.trust.outcome import trial_run
from tests.trust.slack_bot import delivered, running

TRIALS = 6_000  # sixty seconds
A_SECOND = 100
LONGEST_SECONDS = 0.3
BOUNDS = {"of_a_person": 50, "of_a_channel": 300, "in_all": 500}


def run(trials, seed, folder):
    """Time so many acknowledgements."""
    with trial_run(seed) as outcome:
        asyncio.run(_run(trials, random.Random(seed), folder, outcome))
    return outcome


async def _run(trials, rng, folder, outcome):
    async with (
        slack_with_the_app() as slack,
        running(slack, folder, bounds=BOUNDS, answering=2, seconds=0.2, holds_interpreter=True),
    ):
        slack.mention_as = ("app_mention",)
        begun = time.perf_counter()
        tasks = []
        for number in range(trials):
            await asyncio.sleep(max(0.0, begun + number / A_SECOND - time.perf_counter()))
            tasks.append(asyncio.create_task(_acknowledged(slack, number, rng)))
        attempts = await asyncio.gather(*tasks)
    for number, attempt in enumerate(attempts):
        outcome.check(attempt.outcome == "acked", f"event {number}: {attempt.outcome}")
    seconds = sorted(attempt.seconds for attempt in attempts)
    p99 = seconds[int(len(seconds) * 0.99)]
    outcome.count("p50, ms", round(seconds[len(seconds) // 2] * 1000))
    outcome.count("p99, ms", round(p99 * 1000))
    outcome.check(p99 < LONGEST_SECONDS, f"the 99th percentile is {p99:.3f} s")
    outcome.trials = trials


async def _acknowledged(slack, number, rng):
    """The first attempt to deliver an event; every second is said to somebody else."""
    person, channel = slack.user(f"person{rng.randrange(100)}"), f"channel{rng.randrange(20)}"
    speak = person.says if number % 2 else person.mentions_bot
    _, delivery = await delivered(slack, speak(channel, f"question {number}"))
    return delivery.attempts[0]
