"""Promise: an answer arrives once, whatever becomes of the connection that carries it.

Calls of the Web API fail in every way at once: the connection ends in the middle of the answer or before it
(the call was carried out), is reset before it (it was not), 500, 503, 429. Each question must have one whole
answer. What one person alone sees, they see at most once where they asked and once in their own messages, and
nowhere is it missing. A trial is a call that failed.
"""

from __future__ import annotations

import asyncio
import random

from tests.slack_server.bot import slack_with_the_app
from tests.slack_server.faults import Faults
from tests.trust.outcome import trial_run
from tests.trust.slack_bot import check_endings, check_whispers, running

TRIALS = 1_000
QUESTIONS = 25  # a batch
WHISPERED = 5  # likewise
BROKEN_SHARE = 0.25


def run(trials, seed, folder):
    """Let so many calls fail."""
    with trial_run(seed) as outcome:
        asyncio.run(_run(trials, seed, folder, outcome))
    return outcome


async def _run(trials, seed, folder, outcome):
    async with slack_with_the_app() as slack, running(slack, folder):
        slack.faults = faults = Faults(random.Random(seed))
        armed = _arm(faults, "chat.*", BROKEN_SHARE)
        armed += _arm(faults, "response_url", BROKEN_SHARE)
        for reading in ("conversations.*", "users.*"):  # what reads is repeated a few times only
            armed += _arm(faults, reading, BROKEN_SHARE / 4)
        batch = 0
        while sum(fault.struck for _, fault in armed) < trials:
            channel = f"batch {batch}"
            asked = [await _ask(slack, channel, number) for number in range(QUESTIONS)]
            alone = [await _ask_alone(slack, channel, batch, number) for number in range(WHISPERED)]
            await check_endings(slack, channel, asked, outcome, seconds=240)
            await check_whispers(slack, channel, alone, outcome, seconds=240)
            batch += 1
            outcome.count("answers", len(asked))
            outcome.count("whispers", len(alone))
        for kind, fault in armed:
            outcome.count(kind, fault.struck)
        outcome.trials = sum(fault.struck for _, fault in armed)


async def _ask(slack, channel, number):
    text = f"question {number}"
    return await slack.user(f"person{number}").mentions_bot(channel, text), text


async def _ask_alone(slack, channel, batch, number):
    """A command, by somebody who asks nothing else."""
    person = slack.user(f"person{batch}.{number}")
    await person.runs(f"/ask question {number}", channel)
    return person


def _arm(faults, name, share):
    """[(what it is called, a fault)] that strike this share of the calls of such a name."""
    always = {"times": None, "chance": 1 - (1 - share) ** (1 / 6)}
    return [
        ("cut", faults.cut(name, **always)),
        ("hang up", faults.cut(name, sent=0, **always)),
        ("reset", faults.cut(name, after=False, **always)),
        ("500", faults.status(name, 500, **always)),
        ("503", faults.status(name, 503, **always)),
        ("429", faults.limit(name, 0, **always)),
    ]
