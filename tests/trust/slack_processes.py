"""Promise: several bots on one data folder share the work in Slack; each question is answered once.

In each trial three processes serve one app, by a Socket Mode connection each or listening on one port over
HTTP. Questions come in, some doubled, some as follow-ups in one thread, each to any of them. One process is
killed by `kill -9`, or stands still for longer than the others wait, and is not started again: the others
finish what it had begun. Each question must have one whole answer in its thread, within half a minute.
"""

from __future__ import annotations

import asyncio
import random

from tests.slack_server.bot import free_port, slack_with_the_app
from tests.trust.outcome import trial_run
from tests.trust.several import STALLED_SECONDS, all_of, disturb
from tests.trust.slack_bot import QUICK_RETRIES, check_endings, endings, running

TRIALS = 100
EVENTS = 50
PROCESSES = 3
SAMPLE = 2
ANSWERED_SECONDS = 30
ENGINE_SECONDS = 0.05


def run(trials, seed, folder):
    """Disturb so many times one of three."""
    with trial_run(seed) as outcome:
        for trial in range(trials):
            rng = random.Random(f"{seed} {trial}")
            events = EVENTS if trials > SAMPLE else 15
            asyncio.run(_trial(trial, folder / str(trial), rng, outcome, events))
            outcome.trials += 1
    return outcome


async def _trial(trial, folder, rng, outcome, events):
    transport = ("socket", "http")[trial % 2]
    async with slack_with_the_app() as slack:
        slack.courier.retries = QUICK_RETRIES
        slack.courier.hold()
        more = {
            "transport": transport,
            "port": free_port(),
            "share_port": True,
            "stalled_seconds": STALLED_SECONDS,
            "app_token": slack.app_token if transport == "socket" else "",
        }
        asked = await _ask(slack, rng, events)
        bots = [
            running(slack, folder, answering=2, more=more, seconds=ENGINE_SECONDS) for _ in range(PROCESSES)
        ]
        async with all_of(*bots) as processes:
            delivered = slack.courier.release(rng.shuffle)
            killed = await disturb(rng.choice(processes), trial, rng)
            outcome.count("processes killed" if killed else "processes that stood still")
            outcome.count("answers before that", len(endings(slack, "general")))
            await check_endings(slack, "general", asked, outcome, seconds=ANSWERED_SECONDS)
            await slack.settled(seconds=ANSWERED_SECONDS)
        outcome.check(all(each.acked for each in delivered), "an event was never acknowledged")
        outcome.count("questions", len(asked))


async def _ask(slack, rng, events):
    """[(message, question)]; every fifth follows up in an earlier thread."""
    asked = []
    for number in range(events):
        text = f"question {number:03}"
        thread = rng.choice(asked)[0] if asked and number % 5 == 0 else None
        slack.mention_as = ("app_mention", "message") if rng.random() < 0.3 else ("app_mention",)
        person = slack.user(f"person{number % 7}")
        asked.append((await person.mentions_bot("general", text, thread=thread), text))
    return asked
