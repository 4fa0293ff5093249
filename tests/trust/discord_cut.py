"""Promise: an answer arrives in Discord once, whatever becomes of the connection that carries it.

Calls of the API fail in every way at once: the connection is reset before anything was done or after, ends in
the middle of the answer, 503, 429 with a time to wait. Each question must have one whole answer, and nothing
may be asked again before the time that Discord told has passed. A trial is a call that failed.
"""

from __future__ import annotations

import asyncio
import random

from tests.discord_server.bot import discord_with_the_app
from tests.discord_server.faults import Faults
from tests.trust.discord_bot import ask, check_endings, running
from tests.trust.outcome import trial_run

TRIALS = 500
QUESTIONS = 25  # a batch
CHANNELS = 5
BROKEN_SHARE = 0.25
WRITING = ("create_message", "edit_message", "start_thread_from_message")
READING = ("get_channel", "get_guild", "get_guild_member", "get_messages", "get_message")


def run(trials, seed, folder):
    """Let so many calls fail."""
    with trial_run(seed) as outcome:
        asyncio.run(_run(trials, seed, folder, outcome))
    return outcome


async def _run(trials, seed, folder, outcome):
    async with discord_with_the_app() as discord, running(discord, folder):
        discord.faults = faults = Faults(random.Random(seed))
        armed = [fault for name in WRITING for fault in _arm(faults, name, BROKEN_SHARE)]
        armed += [fault for name in READING for fault in _arm(faults, name, BROKEN_SHARE / 4)]
        discord.limits.on = True
        batch = 0
        while sum(fault.struck for _, fault in armed) < trials:
            asked = [await _ask(discord, batch, number) for number in range(min(QUESTIONS, trials))]
            await check_endings(discord, asked, outcome, seconds=300)
            batch += 1
            outcome.count("answers", len(asked))
        for kind, fault in armed:
            outcome.count(kind, fault.struck)
        broken = len(discord.limits.broken)
        outcome.check(not broken, f"{broken} requests did not wait as long as they were told")
        outcome.trials = sum(fault.struck for _, fault in armed)


async def _ask(discord, batch, number):
    """In several channels: each has limits of its own."""
    channel = discord.channel(f"batch-{batch}-{number % CHANNELS}")
    return await ask(discord, channel, batch * QUESTIONS + number, people=QUESTIONS)


def _arm(faults, name, share):
    """[(what it is called, a fault)] that strike this share of the calls of such a name."""
    always = {"times": None, "chance": 1 - (1 - share) ** (1 / 5)}
    return [
        ("reset before", faults.reset(name, **always)),
        ("reset after", faults.reset(name, after=True, **always)),
        ("cut", faults.cut(name, **always)),
        ("503", faults.status(name, 503, **always)),
        ("429", faults.limit(name, 0.05, **always)),
    ]
