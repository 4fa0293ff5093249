"""Promise: a dropped connection to Discord's gateway loses nothing.

Messages mention the bot all the time. At random points, also in place of an event, the gateway's connection
is reset, closed with a code, or told to reconnect. The session must be resumed each time, and each message
have one whole answer. A trial is a connection that ended.
"""

from __future__ import annotations

import asyncio
import random

from tests.discord_server.bot import discord_with_the_app
from tests.trust.discord_bot import ask, check_endings, running
from tests.trust.outcome import trial_run

TRIALS = 200
BETWEEN = 4  # messages between two drops, on average
BATCH = 10  # drops


def run(trials, seed, folder):
    """Drop the connection so many times."""
    with trial_run(seed) as outcome:
        asyncio.run(_run(trials, random.Random(seed), folder, outcome))
    return outcome


async def _run(trials, rng, folder, outcome):
    async with discord_with_the_app() as discord, running(discord, folder):
        while outcome.trials < trials:
            channel = f"batch-{outcome.trials}"
            discord.channel(channel)
            asked = []
            for _ in range(min(BATCH, trials - outcome.trials)):
                before = _begun(discord)
                _drop(discord, rng)
                for _ in range(rng.randint(1, 2 * BETWEEN)):
                    asked.append(await ask(discord, channel, len(asked)))
                    await asyncio.sleep(rng.random() * 0.05)
                await discord.until(lambda: _begun(discord) > before, seconds=60)  # noqa: B023 - awaited here
                outcome.trials += 1
            await check_endings(discord, asked, outcome, seconds=60)
            outcome.count("messages", len(asked))
        sessions = len(discord.gateway.sessions)
        outcome.check(sessions == 1, f"{sessions} sessions were begun")


def _begun(discord):
    """How often a connection has begun or resumed a session."""
    sessions = discord.gateway.sessions.values()
    return len(sessions) + sum(session.resumed for session in sessions)


def _drop(discord, rng):
    """One of the ways in which a connection ends; some strike at the next event."""
    match rng.randrange(4):
        case 0:
            discord.gateway.drop()
        case 1:
            discord.gateway.reconnect()
        case 2:
            discord.gateway.when(lambda event, _: event == "MESSAGE_CREATE", before=rng.random() < 0.5)
        case 3:
            discord.gateway.close(4000)
