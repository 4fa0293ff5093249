"""All that the server sends is of the types that Slack publishes for it."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from slack_sdk.web.async_client import AsyncWebClient

from bots.figures import Figure
from bots.slack.blocks import figure_block
from bots.slack.views import (
    Settings,
    Week,
    add_view,
    ask_view,
    down_view,
    home_view,
    place_settings_view,
    settings_view,
)
from mmrag.types import Document
from tests.slack_server import SlackServer, published
from tests.slack_server.test_events import FEEDBACK, QUESTION, connected

MANIFEST = Path(__file__).parents[2] / "deploy/slack/manifest.json"

pytestmark = published.TYPES.needed


async def people_do_everything(slack):
    """Each kind of event and interaction is sent once."""
    ana, bob = slack.user("ana"), slack.user("bob", is_admin=True)
    ana.joins("general")
    bob.joins("general")
    asked = await ana.mentions_bot("general", "what is it?", files=[("chart.png", b"png")])
    plain = await ana.says("general", "plain")
    (answer,) = await slack.until(lambda: slack.answers("general", thread=asked))
    await ana.says("general", "to all", thread=plain, broadcast=True)
    await ana.edits(asked, "what is that?")
    await ana.reacts(answer, "+1")
    await ana.unreacts(answer, "+1")
    await ana.clicks(answer, "Good")
    await ana.clicks(answer, "Bad")
    await slack.until(lambda: ana.modal)
    await ana.submits({"Reason": "too old", "Proof": [("new.pdf", b"%PDF-")]})
    await ana.clicks(answer, "Bad")
    await slack.until(lambda: ana.modal)
    await ana.closes()
    await ana.runs("/ask why", "general")
    await ana.uses_shortcut("keep", asked)
    await ana.uses_global_shortcut("anything")
    await ana.opens_home()
    await ana.writes_to_bot("hello")
    slack.leave(slack.channel("general"), bob.id)
    await ana.deletes(await ana.says("general", "a mistake"))


async def the_app_calls_everything(slack, client):
    """Each method answers once."""
    ana = slack.user("ana")
    asked = await ana.says("general", "why?")
    channel = asked.channel
    there = {"channel": channel, "thread_ts": asked.ts}
    to = {"recipient_user_id": ana.id, "recipient_team_id": slack.team.id}
    await client.chat_postEphemeral(channel=channel, user=ana.id, text="psst")
    ts = (await client.chat_startStream(**there, **to, markdown_text="so"))["ts"]
    await client.chat_appendStream(channel=channel, ts=ts, markdown_text=" it is")
    await client.chat_stopStream(channel=channel, ts=ts, blocks=[FEEDBACK])
    await client.chat_update(channel=channel, ts=ts, text="so it is")
    await client.chat_getPermalink(channel=channel, message_ts=ts)
    await client.reactions_add(channel=channel, timestamp=ts, name="eyes")
    await client.reactions_get(channel=channel, timestamp=ts)
    await client.reactions_remove(channel=channel, timestamp=ts, name="eyes")
    await client.conversations_replies(channel=channel, ts=asked.ts, include_all_metadata=True)
    await client.conversations_history(channel=channel)
    await client.conversations_info(channel=channel, include_num_members=True)
    await client.conversations_info(channel=ana.dm.id)
    await client.conversations_members(channel=channel)
    await client.conversations_list()
    await client.users_conversations()
    await client.conversations_open(users=[ana.id])
    await client.conversations_join(channel=channel)
    await client.users_info(user=ana.id)
    await client.users_list()
    await client.team_info()
    await client.bots_info(bot=slack.installation.bot_id)
    done = await client.files_upload_v2(filename="a.txt", content="hello", channel=channel)
    await client.files_info(file=done["file"]["id"])
    await client.files_delete(file=done["file"]["id"])
    await client.views_publish(user_id=ana.id, view={"type": "home", "blocks": QUESTION["blocks"][:0]})
    view = (await client.views_open(trigger_id=slack.triggers.new(ana.user), view=QUESTION))["view"]
    await client.views_update(view_id=view["id"], view=QUESTION)
    await client.views_push(trigger_id=slack.triggers.new(ana.user), view=QUESTION)
    await client.assistant_threads_setStatus(channel_id=channel, thread_ts=asked.ts, status="reading")
    await client.chat_delete(channel=channel, ts=ts)


@pytest.fixture(scope="module")
def sent():
    async def told():
        async with SlackServer() as slack, connected(slack):
            client = AsyncWebClient(slack.bot_token, base_url=slack.api_url)
            await people_do_everything(slack)
            await the_app_calls_everything(slack, client)
            await slack.settled()
            slack.courier.hold()  # the app that would hear of it has no token to look it up by
            slack.uninstall(slack.team.id)
            return slack.sent

    return asyncio.run(told())


def test_everything_that_is_sent_is_of_its_published_type(sent, tmp_path):
    kinds = {what for what, _ in sent}
    assert published.EVENTS.keys() | published.INTERACTIONS.keys() <= kinds
    subtypes = {data["event"].get("subtype") for what, data in sent if what == "message"}
    assert published.MESSAGES.keys() <= subtypes
    manifest = json.loads(MANIFEST.read_text(encoding="utf-8"))
    held = f"void ({json.dumps(manifest)} satisfies api.AppsManifestCreateArguments['manifest'])\n"
    assert published.TYPES.complaints(published.source_of(sent) + held, tmp_path) == ""


def test_what_the_bot_opens_is_of_its_published_type(tmp_path):
    chosen = {"adders": "everyone", "follow-ups": "on", "admins": "U0123456", "human": "S0123456"}
    settings = Settings(chosen, {"C0123456": {"ephemeral": "on"}})
    week = Week(2, ("Why?",), {"wrong": 1})
    document = Document("d", "c", "a.md", "a", "text/markdown", 1, 1, 0, "2025-01-01T00:00:00+00:00")
    home = home_view([document], everyones="c", week=week, settings=settings)
    channel = place_settings_view("C0123456", {"follow-ups": "on", "ephemeral": "off"})
    modals = [add_view({}), ask_view({}), down_view({}), settings_view(settings.workspace), channel]
    shown = figure_block("F0123456", Figure("a.png", b"", "a.pdf, page 1", "A chart."))
    lines = [
        *(f"void ({json.dumps(view)} satisfies slack.ModalView)" for view in modals),
        f"void ({json.dumps(home)} satisfies slack.HomeView)",
        f"void ({json.dumps(shown)} satisfies slack.KnownBlock)",
    ]
    assert published.TYPES.complaints(published.HEAD + "\n".join(lines) + "\n", tmp_path) == ""


def test_what_is_of_no_published_type_does_not_compile(sent, tmp_path):
    what, mention = next(each for each in sent if each[0] == "app_mention")
    wrong = mention | {"event": mention["event"] | {"ts": 1.5}}
    complaint = published.TYPES.complaints(published.source_of([(what, wrong)]), tmp_path)
    assert "Type 'number' is not assignable to type 'string'" in complaint
