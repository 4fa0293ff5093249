"""The server against the real slack_sdk: what Slack takes, what it refuses, and how it breaks."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import aiohttp
import pytest
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from tests.slack_server import SlackServer
from tests.slack_server.rules import MAX_BLOCKS
from tests.slack_server.threaded import in_thread

SECTION = {"type": "section", "text": {"type": "mrkdwn", "text": "hello"}}
MODAL = {
    "type": "modal",
    "callback_id": "add",
    "title": {"type": "plain_text", "text": "Add"},
    "blocks": [SECTION],
}


def tell(story, **options):
    """Run a story with a server and the bot's client."""

    async def told():
        async with SlackServer(**options) as slack:
            await story(slack, AsyncWebClient(slack.bot_token, base_url=slack.api_url, retry_handlers=[]))

    asyncio.run(told())


async def refusal(call):
    with pytest.raises(SlackApiError) as refused:
        await call
    return refused.value.response.data


def test_arguments_come_by_query_form_and_json_alike():
    async def story(slack, _):
        channel = slack.channel("general")
        headers = {"Authorization": f"Bearer {slack.bot_token}"}
        given = {"channel": channel.id, "text": "hi"}
        url = slack.api_url + "chat.postMessage"
        async with aiohttp.ClientSession(headers=headers) as session:
            for sent in (
                session.get(url, params=given),
                session.post(url, params=given),
                session.post(url, data=given),
                session.post(url, json=given),
            ):
                async with sent as response:
                    assert (await response.json())["ok"]
                    assert "chat:write" in response.headers["x-oauth-scopes"]
        assert [each.via for each in slack.requests] == ["GET", "form", "form", "json"]
        assert [message.text for message in slack.messages("general")] == ["hi"] * 4

    tell(story)


def test_tokens_are_asked_for_known_of_the_right_kind_and_have_the_scope():
    async def story(slack, client):
        def with_token(token):
            return AsyncWebClient(token, base_url=slack.api_url)

        assert (await refusal(with_token(None).auth_test()))["error"] == "not_authed"
        assert (await refusal(with_token("xoxb-no").auth_test()))["error"] == "invalid_auth"
        opened = client.apps_connections_open(app_token=slack.bot_token)
        assert (await refusal(opened))["error"] == "not_allowed_token_type"
        poor = slack.world.add_token("bot", team=slack.team.id, user=slack.bot, scopes={"chat:write"})
        lacking = await refusal(with_token(poor.value).users_info(user=slack.user("ana").id))
        assert (lacking["error"], lacking["needed"]) == ("missing_scope", "users:read")
        poor.revoked = True
        assert (await refusal(with_token(poor.value).auth_test()))["error"] == "account_inactive"
        assert slack.bot_token not in str(slack.requests)

    tell(story)


def test_a_message_is_posted_changed_and_deleted_by_its_author_only():
    async def story(slack, client):
        channel, ana = slack.channel("general"), slack.user("ana")
        hers = await ana.says("general", "mine")
        posted = await client.chat_postMessage(channel=channel.id, text="one", thread_ts=hers.ts)
        ts = posted["ts"]
        await client.chat_update(channel=channel.id, ts=ts, text="two", blocks=[SECTION])
        (reply,) = (await client.conversations_replies(channel=channel.id, ts=hers.ts))["messages"][1:]
        assert (reply["text"], reply["blocks"][0]["text"]["text"]) == ("two", "hello")
        error = await refusal(client.chat_update(channel=channel.id, ts=hers.ts, text="no"))
        assert error["error"] == "cant_update_message"
        error = await refusal(client.chat_update(channel=channel.id, ts=ts, text="x" * 4001))
        assert error["error"] == "msg_too_long"
        await client.chat_delete(channel=channel.id, ts=ts)
        assert slack.messages("general") == [hers]

    tell(story)


def test_metadata_comes_back_where_it_is_asked_for():
    async def story(slack, client):
        channel = slack.channel("general").id
        metadata = {"event_type": "reply", "event_payload": {"job": "7"}}
        first = (await client.chat_postMessage(channel=channel, text="q"))["ts"]
        await client.chat_postMessage(channel=channel, text="a", thread_ts=first, metadata=metadata)
        for asked, wanted in ((True, metadata), (False, None)):
            found = await client.conversations_replies(channel=channel, ts=first, include_all_metadata=asked)
            assert found["messages"][1].get("metadata") == wanted
        bad = client.chat_postMessage(channel=channel, text="a", metadata={"event_type": "x y"})
        assert (await refusal(bad))["error"] == "invalid_metadata_schema"

    tell(story)


@pytest.mark.parametrize(
    ("blocks", "complaint"),
    [
        ([{"type": "section"}], "missing required field: text"),
        ([{"type": "section", "text": {"type": "mrkdwn", "text": "x" * 3001}}], "less than 3001 characters"),
        ([{"type": "header", "text": {"type": "plain_text", "text": "x" * 151}}], "less than 151 characters"),
        ([{"type": "header", "text": {"type": "mrkdwn", "text": "x"}}], "must be one of: plain_text"),
        ([{"type": "markdown", "text": "x" * 12_001}], "less than 12001 characters"),
        ([{"type": "divider"}] * (MAX_BLOCKS["message"] + 1), "no more than 50 items"),
        ([SECTION | {"block_id": "a"}] * 2, "`block_id` must be unique"),
        ([{"type": "image", "alt_text": "x"}], "either image_url or slack_file"),
        ([{"type": "image", "alt_text": "x", "image_url": "ftp://x"}], "Invalid URL"),
        ([{"type": "image", "alt_text": "x", "slack_file": {"id": "F1"}}], "invalid slack file"),
        ([{"type": "context", "elements": [SECTION["text"]] * 11}], "less than 11 items"),
        ([{"type": "wizardry"}], "unsupported type: wizardry"),
        ([{"type": "actions", "elements": [{"type": "feedback_buttons"}]}], "unsupported type"),
    ],
)
def test_blocks_that_slack_refuses_are_refused_with_the_place(blocks, complaint):
    async def story(slack, client):
        refused = await refusal(
            client.chat_postMessage(channel=slack.channel("general").id, text="x", blocks=blocks)
        )
        assert refused["error"] == "invalid_blocks"
        assert any(complaint in each for each in refused["response_metadata"]["messages"])
        assert slack.messages("general") == []

    tell(story)


def test_long_messages_fail_together_though_each_block_is_short_enough():
    async def story(slack, client):
        long = {"type": "section", "text": {"type": "mrkdwn", "text": "x" * 2900}}
        refused = client.chat_postMessage(channel=slack.channel("general").id, text="x", blocks=[long] * 5)
        assert (await refusal(refused))["error"] == "msg_blocks_too_long"

    tell(story)


def test_who_is_not_in_a_channel_neither_posts_nor_reads_there():
    async def story(slack, client):
        public = slack.channel("elsewhere", with_bot=False).id
        private = slack.channel("secret", type="group", with_bot=False).id
        for channel, error in ((public, "not_in_channel"), (private, "channel_not_found")):
            refused = await refusal(client.chat_postMessage(channel=channel, text="hi"))
            assert refused["error"] == error
            refused = await refusal(client.conversations_history(channel=channel))
            assert refused["error"] == error
        await client.conversations_join(channel=public)
        await client.chat_postMessage(channel=public, text="hi")
        whispered = client.chat_postEphemeral(channel=public, user=slack.user("bob").id, text="psst")
        assert (await refusal(whispered))["error"] == "user_not_in_channel"

    tell(story)


def test_threads_are_paged_with_their_first_message_on_every_page():
    async def story(slack, client):
        channel = slack.channel("general").id
        first = (await client.chat_postMessage(channel=channel, text="first"))["ts"]
        for number in range(5):
            await client.chat_postMessage(channel=channel, text=str(number), thread_ts=first)
        seen, cursor = [], None
        while cursor != "":
            page = await client.conversations_replies(channel=channel, ts=first, limit=2, cursor=cursor)
            head, *rest = page["messages"]
            assert (head["text"], head["reply_count"]) == ("first", 5)
            seen += [each["text"] for each in rest]
            cursor = page["response_metadata"]["next_cursor"]
        assert seen == ["0", "1", "2", "3", "4"]

    tell(story)


# ------------------------------------------------------------------ streaming


def test_a_stream_grows_and_ends_with_blocks():
    async def story(slack, client):
        ana = slack.user("ana")
        asked = await ana.says("general", "why?")
        stream = await client.chat_stream(
            channel=asked.channel,
            thread_ts=asked.ts,
            recipient_team_id=slack.team.id,
            recipient_user_id=ana.id,
            buffer_size=4,
        )
        await stream.append(markdown_text="**Because")
        (growing,) = slack.answers("general", thread=asked)
        assert (growing.text, growing.stream.state) == ("**Because", "in_progress")
        edit = client.chat_update(channel=asked.channel, ts=growing.ts, text="no")
        assert (await refusal(edit))["error"] == "streaming_state_conflict"
        await stream.append(markdown_text="** of it")
        await stream.stop(blocks=[SECTION])
        assert (growing.text, growing.stream.state) == ("**Because** of it", "completed")
        assert [block["type"] for block in growing.blocks] == ["markdown", "section"]

    tell(story)


def test_a_stream_needs_its_recipient_dies_of_age_and_can_be_stopped_by_a_person():
    async def story(slack, client):
        ana = slack.user("ana")
        asked = await ana.says("general", "why?")
        where = {"channel": asked.channel, "thread_ts": asked.ts}
        assert (await refusal(client.chat_startStream(**where)))["error"] == "missing_recipient_user_id"
        there = {"recipient_user_id": ana.id, "recipient_team_id": slack.team.id}
        for ends, error in ((None, "message_not_in_streaming_state"), (ana, "stopped_by_user")):
            ts = (await client.chat_startStream(**where, **there, markdown_text="well"))["ts"]
            if ends is None:
                slack.clock.advance(310)
            else:
                await ana.stops(slack.answers("general")[-1])
            more = client.chat_appendStream(channel=asked.channel, ts=ts, markdown_text=" then")
            assert (await refusal(more))["error"] == error
            await client.chat_update(channel=asked.channel, ts=ts, text="the whole of it")

    tell(story)


# ---------------------------------------------------------------------- files


def test_files_go_up_in_three_steps_and_come_down_with_the_token_only():
    async def story(slack, client):
        channel = slack.channel("general").id
        done = await client.files_upload_v2(filename="a.txt", content="hello", channel=channel)
        file = (await client.files_info(file=done["file"]["id"]))["file"]
        assert (file["size"], file["channels"]) == (5, [channel])
        async with aiohttp.ClientSession() as session:
            url = file["url_private_download"]
            token = {"Authorization": f"Bearer {slack.bot_token}"}
            for headers, wanted in ((token, "text/plain"), ({}, "text/html")):
                async with session.get(url, headers=headers) as response:
                    assert (response.status, response.content_type) == (200, wanted)
            slack.world.files[file["id"]].redirect = f"{slack.elsewhere}/a.txt"
            async with session.get(url, headers=token, allow_redirects=False) as response:
                assert response.status == 302
                assert response.headers["Location"].startswith(slack.elsewhere)

    tell(story)


def test_a_file_of_another_organisation_has_to_be_asked_for():
    async def story(slack, client):
        ana = slack.user("ana")
        file = ana.sends_file("plan.pdf", b"%PDF-", from_outside=True)
        await ana.says("general", "see", files=[file])
        (shown,) = slack.shown("general")[-1]["files"]
        assert shown["file_access"] == "check_file_info"
        assert "url_private" not in shown
        assert "url_private" in (await client.files_info(file=file.id))["file"]

    tell(story)


# ---------------------------------------------------------------- views, OAuth


def test_a_trigger_opens_one_modal_within_three_seconds():
    async def story(slack, client):
        ana = slack.user("ana")
        trigger = slack.triggers.new(ana.user)
        opened = await client.views_open(trigger_id=trigger, view=MODAL)
        again = client.views_open(trigger_id=trigger, view=MODAL)
        assert (await refusal(again))["error"] == "exchanged_trigger_id"
        late = slack.triggers.new(ana.user)
        slack.clock.advance(4)
        assert (await refusal(client.views_open(trigger_id=late, view=MODAL)))[
            "error"
        ] == "expired_trigger_id"
        stale = client.views_update(view_id=opened["view"]["id"], hash="old", view=MODAL)
        assert (await refusal(stale))["error"] == "hash_conflict"
        no_title = client.views_open(trigger_id=slack.triggers.new(ana.user), view=MODAL | {"title": None})
        assert "/view/title" in str((await refusal(no_title))["response_metadata"])
        await client.views_publish(user_id=ana.id, view={"type": "home", "blocks": [SECTION]})
        assert ana.home.data["blocks"][0]["text"] == SECTION["text"]

    tell(story)


@pytest.mark.filterwarnings("ignore:BasicAuth is deprecated")  # slack_sdk's own call
def test_an_app_is_installed_by_its_code_once():
    async def story(slack, _):
        app = slack.world.app
        other = slack.world.add_team("globex")
        query = {
            "client_id": app.client_id,
            "scope": "chat:write,commands",
            "state": "s1",
            "team": other.id,
            "redirect_uri": "http://127.0.0.1:9/back",
        }
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"{slack.base}/oauth/v2/authorize", params=query, allow_redirects=False) as back,
        ):
            code = back.headers["Location"].partition("code=")[2].partition("&")[0]
        client = AsyncWebClient(base_url=slack.api_url)
        given = {"client_id": app.client_id, "client_secret": app.client_secret, "code": code}
        installed = await client.oauth_v2_access(**given)
        assert installed["scope"] == "chat:write,commands"
        known = await AsyncWebClient(installed["access_token"], base_url=slack.api_url).auth_test()
        assert known["team_id"] == other.id
        assert (await refusal(client.oauth_v2_access(**given)))["error"] == "invalid_code"

    tell(story)


# --------------------------------------------------------- limits and faults


def test_limits_say_how_long_to_wait():
    async def story(slack, client):
        slack.limits.on = True
        channel = slack.channel("general").id
        for _ in range(5):
            await client.chat_postMessage(channel=channel, text="hi")
        with pytest.raises(SlackApiError) as refused:
            await client.chat_postMessage(channel=channel, text="hi")
        assert refused.value.response.status_code == 429
        slack.clock.advance(int(refused.value.response.headers["Retry-After"]))
        await client.chat_postMessage(channel=channel, text="hi")

    tell(story)


@pytest.mark.parametrize("after", [False, True])
def test_an_answer_that_breaks_off_leaves_what_was_done(after):
    async def story(slack, client):
        slack.faults.cut("chat.postMessage", after=after)
        with pytest.raises((aiohttp.ClientError, SlackApiError)):
            await client.chat_postMessage(channel=slack.channel("general").id, text="hi")
        assert len(slack.messages("general")) == after

    tell(story)


def test_each_fault_strikes_as_often_as_it_was_armed():
    async def story(slack, client):
        channel = slack.channel("general").id
        slack.faults.status("chat.*", 503)
        slack.faults.error("chat.postMessage", "fatal_error")
        slack.faults.page("chat.postMessage")
        slack.faults.limit("chat.postMessage", 7)
        slack.faults.garbage("chat.postMessage")
        for _ in range(5):
            with pytest.raises((SlackApiError, aiohttp.ClientError)):
                await client.chat_postMessage(channel=channel, text="hi")
        await client.chat_postMessage(channel=channel, text="hi")
        assert [each.fault for each in slack.requests] == ["status", "error", "page", "limit", "garbage", ""]
        assert len(slack.messages("general")) == 1

    tell(story)


def test_a_response_address_takes_five_messages_and_half_an_hour():
    async def story(slack, _):
        ana, channel = slack.user("ana"), slack.channel("general")
        async with aiohttp.ClientSession() as session:

            async def respond(url, **given):
                async with session.post(url, json={"text": "hi"} | given) as response:
                    return response.status

            url = slack.new_response_url(channel, ana.user)
            assert [await respond(url) for _ in range(6)] == [200] * 5 + [404]
            late = slack.new_response_url(channel, ana.user)
            slack.clock.advance(1801)
            assert await respond(late) == 404
        assert len(ana.whispers("general")) == 5
        assert slack.messages("general") == []

    tell(story)


def test_clients_that_block_are_served_from_a_thread():
    with in_thread() as (slack, run):
        channel = run(lambda: slack.channel("general"))
        client = WebClient(slack.bot_token, base_url=slack.api_url)
        ts = client.chat_postMessage(channel=channel.id, text="hi")["ts"]
        client.reactions_add(channel=channel.id, timestamp=ts, name="eyes")
        with suppress(SlackApiError):
            client.reactions_add(channel=channel.id, timestamp=ts, name="eyes")
        assert client.reactions_get(channel=channel.id, timestamp=ts)["message"]["reactions"][0]["count"] == 1
