"""Promise: several bots on one data folder share the work in Slack; each question is answered once.

In each trial three processes serve one app, by a Socket Mode connection each or listening on one port over
HTTP. Questions come in, some doubled, some as follow-ups in one thread, each to any of them. One process is
killed by `kill -9`, or stands still for longer than the others wait, and is not started again: the others
finish what it had begun. Each question must have one whole answer in its thread, within half a minute.
"""

from __future__ import annotations

from functools import partial

from tests.machine import free_port
from tests.slack_server.bot import slack_with_the_app
from tests.trust.outcome import in_turn
from tests.trust.several import STALLED_SECONDS, all_of, disturb
from tests.trust.slack_bot import QUICK_RETRIES, ask_some, check_endings, endings, running

TRIALS = 100
EVENTS = 50
PROCESSES = 3
SAMPLE = 2
ANSWERED_SECONDS = 30
ENGINE_SECONDS = 0.05


def run(trials, seed, folder):
    """Disturb so many times one of three."""
    events = EVENTS if trials > SAMPLE else 15
    return in_turn(partial(_trial, events=events), trials, seed, folder)


async def _trial(number, folder, rng, outcome, *, events):
    transport = ("socket", "http")[number % 2]
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
        asked = await ask_some(slack, rng, events)
        bots = [
            running(slack, folder, answering=2, more=more, seconds=ENGINE_SECONDS) for _ in range(PROCESSES)
        ]
        async with all_of(*bots) as processes:
            delivered = slack.courier.release(rng.shuffle)
            killed = await disturb(rng.choice(processes), number, rng)
            outcome.count("processes killed" if killed else "processes that stood still")
            outcome.count("answers before that", len(endings(slack, "general")))
            await check_endings(slack, "general", asked, outcome, seconds=ANSWERED_SECONDS)
            await slack.settled(seconds=ANSWERED_SECONDS)
        outcome.check(all(each.acked for each in delivered), "an event was never acknowledged")
        outcome.count("questions", len(asked))
