"""A Discord bot in a process of its own, on a quick engine, for trials; it can be killed."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from functools import partial
from pathlib import Path

from bots.discord import client
from bots.discord.client import GUILDS_SECONDS
from bots.discord.service import DiscordSettings, serve
from bots.inbox import Bounds
from tests.trust import bot_process
from tests.trust.quick_engine import BOUNDS, in_time

# Sessions begin five seconds apart, which no trial is about; discord.py needs as long as this to begin one.
APART_SECONDS = GUILDS_SECONDS + 0.1


def running(discord, folder, *, answering=4, log=None, more=None, apart=APART_SECONDS, **engine):
    """The process of a bot that is connected to this Discord; `engine` is what a QuickEngine takes.

    `more` are settings that differ; its sessions begin `apart` seconds apart.
    """
    settings = DiscordSettings(
        folder=Path(folder),
        token=discord.bot_token,
        api_url=discord.api_url,
        bounds=Bounds(**BOUNDS),
        answering=answering,
        **(more or {}),
    )
    return bot_process.running(partial(_serve, apart), settings, engine, log=log)


def _serve(apart, settings, engine, *, ready):
    client.IDENTIFY_SECONDS = apart
    return serve(settings, engine, ready=ready)


async def ask(discord, channel, number, *, people=7, thread=None):
    """(message, question): somebody mentions the bot in a channel, or in an earlier thread."""
    text = f"question {number:03}"
    place = discord.place(thread or channel)
    person = discord.user(f"person{number % people}", guild=discord.world.guilds[place.guild])
    return await person.mentions(place, text), text


def threads(discord, asked):
    """The ids of the threads in which these are answered."""
    return {_thread_of(discord, message) for message, _ in asked}


def _thread_of(discord, message):
    return message.channel if discord.world.channels[message.channel].is_thread else message.id


def endings(discord, asked):
    """{(thread, question): how many whole answers}."""
    return Counter(
        (thread, question)
        for thread in threads(discord, asked)
        if thread in discord.world.channels
        for question in filter(None, map(_answered, discord.answers(discord.world.channels[thread])))
    )


def _answered(message):
    """The question that a message answers whole, with sources and buttons."""
    told = re.search(r"^To ([^:]+):", message.content, re.MULTILINE)
    whole = message.content.count("28 days of leave") == 8 and message.embeds and message.components
    return told[1] if told and whole else None


async def check_endings(discord, asked, outcome, *, seconds):
    """Each of [(message, question)] has one whole answer in its thread, and there is nothing else."""
    wanted = {(_thread_of(discord, message), text) for message, text in asked}
    finished = await in_time(discord, lambda: wanted <= endings(discord, asked).keys(), seconds=seconds)
    lacking = wanted - endings(discord, asked).keys()
    outcome.check(finished, f"{len(lacking)} questions without an ending: {sorted(lacking)[:5]}")
    await asyncio.sleep(0.2)  # a second answer would come now
    found = endings(discord, asked)
    for thread, text in wanted:
        outcome.check(found[thread, text] == 1, f"{text} has {found[thread, text]} whole answers")
    said = [
        message.content[:60]
        for thread in threads(discord, asked)
        if thread in discord.world.channels
        for message in discord.answers(discord.world.channels[thread])
        if message.content
    ]
    outcome.check(len(said) == len(wanted), f"{len(said)} messages for {len(wanted)} questions: {said[:50]}")
