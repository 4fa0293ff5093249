"""All that the server sends is of the types that are published for it."""

from __future__ import annotations

import asyncio
import copy

import discord
import pytest

from tests.discord_server import DiscordServer, published
from tests.discord_server.client import MENTION_ONLY, running
from tests.discord_server.everything import FullBot, people_do_everything

pytestmark = published.TYPES.needed


@pytest.fixture(scope="module")
def sent():
    async def told():
        async with DiscordServer() as server:
            server.world.app.members_intent = True
            intents = MENTION_ONLY | discord.Intents(members=True, guild_typing=True)
            async with running(server, FullBot(intents=intents)) as bot:
                await people_do_everything(server, bot)
            return copy.deepcopy(server.sent)

    return asyncio.run(told())


def test_everything_that_is_sent_is_of_its_published_type(sent, tmp_path):
    kinds = {what for what, _ in sent}
    assert published.EVENTS.keys() <= kinds
    assert {data["type"] for what, data in sent if what == "INTERACTION_CREATE"} == {2, 3, 4, 5}
    assert published.TYPES.complaints(published.source_of(sent), tmp_path) == ""


def test_what_is_of_no_published_type_does_not_compile(sent, tmp_path):
    what, message = next(each for each in sent if each[0] == "MESSAGE_CREATE")
    complaint = published.TYPES.complaints(
        published.source_of([(what, message | {"timestamp": 1.5})]), tmp_path
    )
    assert "Type 'number' is not assignable to type 'string'" in complaint
