"""Promise: what is asked while Discord has no session with the bot is answered once, and says so.

The session is made invalid, or forgotten while the connection is dropped; messages mention the bot until it
has begun a new one, in a channel and in a thread. Each must have one whole answer. A trial is a session that
was lost.
"""

from __future__ import annotations

import asyncio
import random

from tests.discord_server.bot import discord_with_the_app
from tests.trust.discord_bot import ask, check_endings, running
from tests.trust.outcome import trial_run

TRIALS = 100
MESSAGES = 6


def run(trials, seed, folder):
    """Lose so many sessions."""
    with trial_run(seed) as outcome:
        asyncio.run(_run(trials, random.Random(seed), folder, outcome))
    return outcome


async def _run(trials, rng, folder, outcome):
    async with discord_with_the_app() as discord, running(discord, folder):
        discord.channel("general")
        opened = [await ask(discord, "general", 0)]
        await check_endings(discord, opened, outcome, seconds=60)
        for trial in range(trials):
            asked = []
            begun = len(discord.gateway.sessions)
            if rng.random() < 0.5:
                discord.gateway.invalidate()
            else:
                discord.gateway.forget()
                discord.gateway.drop()
            for number in range(1, MESSAGES):
                thread = discord.world.channels[opened[0][0].id] if number % 3 == 0 else None
                asked.append(await ask(discord, "general", trial * MESSAGES + number, thread=thread))
                await asyncio.sleep(rng.random() * 0.1)
            await discord.until(lambda: len(discord.gateway.sessions) > begun, seconds=60)  # noqa: B023 - awaited here
            await check_endings(discord, [*opened, *asked], outcome, seconds=60)
            opened += [each for each in asked if each[0].channel == opened[0][0].id]
            outcome.trials += 1
            outcome.count("messages", len(asked))
