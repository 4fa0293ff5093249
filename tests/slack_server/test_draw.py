"""A conversation is drawn from its record alone, and nothing in it can act on the page."""

from __future__ import annotations

import asyncio
import io
import json
from pathlib import Path

from PIL import Image
from slack_sdk.web.async_client import AsyncWebClient

from tests.chat_servers.draw import page, picture
from tests.slack_server import SlackServer
from tests.slack_server.record import recorded
from tests.slack_server.test_events import FEEDBACK

DOCS = Path(__file__).parents[2] / "docs"
BLOCKS = [
    {"type": "header", "text": {"type": "plain_text", "text": "A head"}},
    {
        "type": "markdown",
        "text": "**Bold** and [a link](https://x.example)\n\n- one\n- two\n\n| a | b |\n|-|-|\n| 1 | 2 |",
    },
    {
        "type": "section",
        "text": {"type": "mrkdwn", "text": "<script>alert(1)</script> &amp; <https://x.example|here>"},
    },
    {"type": "divider"},
    FEEDBACK,
]


def recording():
    async def told():
        async with SlackServer() as slack:
            client = AsyncWebClient(slack.bot_token, base_url=slack.api_url)
            ana = slack.user("ana")
            png = io.BytesIO()
            Image.new("RGB", (900, 300), "red").save(png, "PNG")
            asked = await ana.mentions_bot("general", "look", files=[("red.png", png.getvalue())])
            there = {"channel": asked.channel, "thread_ts": asked.ts}
            await client.chat_postMessage(**there, text="x", blocks=BLOCKS)
            await client.chat_postEphemeral(**there, user=ana.id, text="psst")
            await ana.reacts(asked, "eyes")
            return recorded(slack, "general")

    return asyncio.run(told())


def test_a_record_holds_all_that_was_seen_and_no_address_of_this_machine():
    record = recording()
    assert [each.get("is_ephemeral", False) for each in record["messages"]] == [False, False, True]
    assert "127.0.0.1" not in json.dumps(record)
    assert json.loads(json.dumps(record)) == record


def test_the_page_shows_every_block_and_runs_nothing():
    shown = page(recording())
    for words in ("A head", "<b>Bold</b>", "a link", "only visible to ana", "Bad", ":eyes: 1", "@mmrag"):
        assert words in shown
    assert "<script" not in shown
    assert "data:image/png;base64," in shown


def test_the_picture_holds_the_picture_in_the_conversation():
    with Image.open(io.BytesIO(picture(recording()))) as drawn:
        assert drawn.width == 900
        counted = drawn.convert("RGB").getcolors(1 << 16)
        reds = sum(number for number, (red, green, blue) in counted if red > 200 and green < 60 > blue)
        assert reds >= 360 * 100


def test_the_recorded_conversation_of_the_docs_is_what_is_drawn_beside_it():
    record = json.loads((DOCS / "slack-conversation.json").read_text(encoding="utf-8"))
    assert (DOCS / "slack-conversation.html").read_text(encoding="utf-8") == page(record)
    said = [each["text"] for each in record["messages"] if each.get("bot_id")]
    assert any("547" in text for text in said)
