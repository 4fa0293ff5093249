"""A conversation is drawn from its record alone, and nothing in it can act on the page."""

from __future__ import annotations

import asyncio
import io
import json
from pathlib import Path

import discord
import pytest
from PIL import Image

from tests.discord_server import DiscordServer
from tests.discord_server.client import running
from tests.discord_server.draw import page, picture
from tests.discord_server.everything import FullBot
from tests.discord_server.transcript import transcript

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def record():
    async def told():
        async with DiscordServer() as server, running(server, FullBot()) as bot:
            ana = server.user("ana")
            png = io.BytesIO()
            Image.new("RGB", (900, 300), "red").save(png, "PNG")
            asked = await ana.mentions("general", "look", files=[("red.png", png.getvalue())])
            await server.until(lambda: server.answers("general"))
            await ana.reacts(asked, "👀")
            thread = (
                await bot.get_channel(int(asked.channel))
                .get_partial_message(int(asked.id))
                .create_thread(name="t")
            )
            embed = discord.Embed(
                title="Sources", description="**Bold** [a link](https://x.example)\n- one\n- two"
            )
            embed.set_image(url="attachment://in.png").set_footer(text="the end")
            await thread.send(
                "<script>alert(1)</script>\n-# tiny",
                embed=embed,
                file=discord.File(io.BytesIO(png.getvalue()), "in.png"),
            )
            view = discord.ui.LayoutView()
            view.add_item(
                discord.ui.Container(discord.ui.TextDisplay("shown in a box"), discord.ui.Separator())
            )
            await thread.send(view=view)
            await ana.uses("/kb remove", "general", title="x")
            return transcript(server, "general")

    return asyncio.run(told())


def test_a_record_holds_all_that_was_seen_and_no_address_of_this_machine(record):
    assert ["ephemeral_to" in each for each in record["messages"]].count(True) == 1
    assert "127.0.0.1" not in json.dumps(record)
    assert "https://cdn.discordapp.com/attachments/" in json.dumps(record)


def test_the_page_shows_everything_and_runs_nothing(record):
    shown = page(record)
    words = (
        "<b>Sources</b>",
        "<b>Bold</b>",
        "a link",
        "only visible to ana",
        "Bad",
        "@mmrag",
        "shown in a box",
    )
    for each in (*words, "👀 1", '<p class="small">tiny</p>', "the end"):
        assert each in shown
    assert "<script" not in shown
    assert shown.count("data:image/png;base64,") == 3
    assert shown.index("look") < shown.index("shown in a box") < shown.index("an answer")


def test_the_picture_holds_the_pictures_in_the_conversation(record):
    with Image.open(io.BytesIO(picture(record))) as drawn:
        counted = drawn.convert("RGB").getcolors(1 << 16)
        reds = sum(number for number, (red, green, blue) in counted if red > 200 and green < 60 > blue)
        assert reds >= 2 * 360 * 100


def test_the_recorded_conversation_of_the_docs_is_what_is_drawn_beside_it():
    record = json.loads((DOCS / "discord-conversation.json").read_text(encoding="utf-8"))
    assert (DOCS / "discord-conversation.html").read_text(encoding="utf-8") == page(record)
    said = [each["content"] for each in record["messages"] if each["author"].get("bot")]
    assert any("547" in text for text in said)
    assert any("240" in text for text in said)
