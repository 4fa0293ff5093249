"""Promise: several bots on one data folder share the work in Discord; each question is answered once.

In each trial three processes serve two or three guilds: each hears all of them, or each holds shards of its
own, or two hold one shard each and the third one both. While messages mention the bot, one process is killed
by `kill -9`, or stands still for longer than the others wait. What it had begun is finished by the others;
where it alone held a shard it is started again, and pages for what was said meanwhile. Each question must
have one whole answer in its thread, within half a minute, and no draft may be left.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from functools import partial

from tests.discord_server.bot import discord_with_the_app
from tests.trust.discord_bot import ask, check_endings, endings, running
from tests.trust.outcome import in_turn
from tests.trust.several import STALLED_SECONDS, all_of, disturb

TRIALS = 100
MESSAGES = 24
SAMPLE = 2
ANSWERED_SECONDS = 30
ENGINE_SECONDS = 0.05
SHARDS = (("", "", ""), ("0/3", "1/3", "2/3"), ("0/2", "1/2", "0-1/2"))
ALONE = 1  # of these, the one where nobody else holds the shards of a process that is gone


def run(trials, seed, folder):
    """Disturb so many times one of three."""
    messages = MESSAGES if trials > SAMPLE else 8
    return in_turn(partial(_trial, messages=messages), trials, seed, folder)


async def _trial(number, folder, rng, outcome, *, messages):
    kind = number % len(SHARDS)
    async with discord_with_the_app() as discord:
        discord.gateway.max_concurrency = 3
        places = _places(discord, 3 if kind == ALONE else 2)

        def bot(shards):
            more = {"shards": shards, "stalled_seconds": STALLED_SECONDS}
            return running(discord, folder, answering=2, more=more, apart=0.05, seconds=ENGINE_SECONDS)

        async with AsyncExitStack() as replaced, all_of(*map(bot, SHARDS[kind])) as processes:
            await discord.connected(shards=sum(2 if each == "0-1/2" else 1 for each in SHARDS[kind]))
            asked = await _ask(discord, places, rng, len(places))  # a bot pages only where it was before
            await check_endings(discord, asked, outcome, seconds=ANSWERED_SECONDS)
            which = rng.randrange(len(processes))
            disturbing = asyncio.create_task(disturb(processes[which], number, rng))
            asked += await _ask(discord, places, rng, messages, since=len(asked))
            outcome.count("answers before the question was out", len(endings(discord, asked)))
            if await disturbing:
                outcome.count("processes killed")
                if kind == ALONE:
                    await replaced.enter_async_context(bot(SHARDS[kind][which]))
            else:
                outcome.count("processes that stood still")
            asked += await _ask(discord, places, rng, len(places), since=len(asked))
            await check_endings(discord, asked, outcome, seconds=ANSWERED_SECONDS)
            outcome.count("messages", len(asked))


def _places(discord, guilds):
    """A channel in each of so many guilds, each of which belongs to another shard of so many."""
    found = {_shard(discord.guild, guilds): discord.channel("general")}
    while len(found) < guilds:
        guild = discord.add_guild("one more")
        found.setdefault(_shard(guild, guilds), discord.channel("general", guild=guild))
    return list(found.values())


def _shard(guild, count):
    return (int(guild.id) >> 22) % count


async def _ask(discord, places, rng, messages, *, since=0):
    """[(message, question)]."""
    asked = []
    for number in range(since, since + messages):
        place = places[number % len(places)]
        asked.append(await ask(discord, place, number))
        await asyncio.sleep(rng.random() * 0.05)
    return asked
