"""Promise: a question in Discord is answered once, however often the bot is killed.

In each trial fifty messages mention the bot, some as follow-ups in one thread. The bot is killed by `kill -9`
at any moment: while it keeps events, makes threads, posts drafts, edits answers, or notes that it has sent;
in half of the trials drafts show sentences while the rest of the answer is made, too. Discord brings nothing
again to a session that is lost: the bot, started again, pages for it. Then each question must have one whole
answer in its thread: none lost, none doubled, no draft left.
"""

from __future__ import annotations

import asyncio
from functools import partial

from tests.discord_server.bot import discord_with_the_app
from tests.trust.discord_bot import ask, check_endings, endings, running
from tests.trust.outcome import in_turn

TRIALS = 500
MESSAGES = 50
OF_A_SAMPLE = 15  # messages, where there are a few trials only
SAMPLE = 3
LONGEST_SECONDS = 1.2  # of a bot's life, from its first message
ANSWERED_SECONDS = 90
PAUSE_SECONDS = 0.02  # between the sentences of an answer that is shown while it is made


def run(trials, seed, folder):
    """Kill a bot so many times."""
    messages = MESSAGES if trials > SAMPLE else OF_A_SAMPLE
    return in_turn(partial(_trial, messages=messages), trials, seed, folder)


async def _trial(number, folder, rng, outcome, *, messages):
    async with discord_with_the_app() as discord:
        discord.channel("general")
        pause = None if number % 2 else PAUSE_SECONDS
        async with running(discord, folder, pause=pause) as process:
            first = [await ask(discord, "general", 0)]
            await check_endings(discord, first, outcome, seconds=ANSWERED_SECONDS)
            killing = asyncio.create_task(_kill(process, rng))
            asked = first + await _ask(discord, first[0][0], rng, messages)
            await killing
        outcome.count("answers before the kill", len(endings(discord, asked)))
        async with running(discord, folder, pause=pause):
            await check_endings(discord, asked, outcome, seconds=ANSWERED_SECONDS)


async def _kill(process, rng):
    await asyncio.sleep(rng.random() ** 2 * LONGEST_SECONDS)  # often while messages come in
    process.kill()


async def _ask(discord, first, rng, messages):
    """[(message, question)]; every fifth follows up in the first one's thread."""
    asked = []
    for number in range(1, messages):
        thread = discord.world.channels[first.id] if number % 5 == 0 else None
        asked.append(await ask(discord, "general", number, thread=thread))
        await asyncio.sleep(rng.random() * 0.01)
    return asked
