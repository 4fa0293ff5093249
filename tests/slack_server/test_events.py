"""The server against the real slack-bolt: Socket Mode and signed HTTP, acks, redelivery, people's clicks."""

from __future__ import annotations

import asyncio
import random
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from slack_bolt.adapter.aiohttp import to_aiohttp_response, to_bolt_request
from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.async_app import AsyncApp
from slack_sdk.web.async_client import AsyncWebClient

from tests.slack_server import SlackServer

BOTH = pytest.mark.parametrize("transport", ["socket", "http"])
HEARD = (
    *("message", "reaction_added", "reaction_removed", "app_home_opened"),
    *("member_joined_channel", "member_left_channel"),
)
QUESTION = {
    "type": "modal",
    "callback_id": "why",
    "notify_on_close": True,
    "title": {"type": "plain_text", "text": "Why?"},
    "submit": {"type": "plain_text", "text": "Send"},
    "blocks": [
        {
            "type": "input",
            "block_id": "reason",
            "label": {"type": "plain_text", "text": "Reason"},
            "element": {"type": "plain_text_input", "action_id": "text"},
        },
        {
            "type": "input",
            "block_id": "proof",
            "optional": True,
            "label": {"type": "plain_text", "text": "Proof"},
            "element": {"type": "file_input", "action_id": "files"},
        },
    ],
}
FEEDBACK = {
    "type": "context_actions",
    "elements": [
        {
            "type": "feedback_buttons",
            "action_id": "rated",
            "positive_button": {"text": {"type": "plain_text", "text": "Good"}, "value": "up"},
            "negative_button": {"text": {"type": "plain_text", "text": "Bad"}, "value": "down"},
        }
    ],
}


class Bot:
    """A small bot on Bolt that keeps what it hears."""

    def __init__(self, slack):
        client = AsyncWebClient(slack.bot_token, base_url=slack.api_url)
        self.app = AsyncApp(client=client, signing_secret=slack.world.app.signing_secret)
        self.heard = []  # (kind, body)
        self.retries = []
        self.app.event({"type": "app_mention"})(self._answer)
        for kind in HEARD:
            self.app.event(kind)(self._hear)
        self.app.command("/ask")(self._ask)
        self.app.action("rated")(self._rate)
        self.app.view("why")(self._take)
        self.app.view_closed("why")(self._closed)
        self.app.shortcut("keep")(self._keep)
        self.app.shortcut("anything")(self._keep)

    async def _hear(self, body, request):
        self.heard.append((body["event"]["type"], body))
        self.retries.append(request.headers.get("x-slack-retry-num", [None])[0])

    async def _answer(self, body, request, say):
        await self._hear(body, request)
        await say(text="Yes.", blocks=[FEEDBACK], thread_ts=body["event"]["ts"])

    async def _ask(self, ack, body, respond):
        await ack("a moment")
        self.heard.append(("command", body))
        await respond("here it is")

    async def _rate(self, ack, body, client):
        await ack()
        self.heard.append(("rated", body["actions"][0]["value"]))
        if body["actions"][0]["value"] == "down":
            await client.views_open(trigger_id=body["trigger_id"], view=QUESTION)

    async def _take(self, ack, view):
        typed = view["state"]["values"]["reason"]["text"]["value"]
        if len(typed) < 3:
            await ack(response_action="errors", errors={"reason": "Say more."})
            return
        await ack()
        self.heard.append(("why", view["state"]["values"]))

    async def _closed(self, ack):
        await ack()
        self.heard.append(("closed", None))

    async def _keep(self, ack, shortcut):
        await ack()
        self.heard.append(("kept", shortcut.get("message")))

    def kinds(self):
        return [kind for kind, _ in self.heard]


@asynccontextmanager
async def connected(slack, transport="socket"):
    """A bot that listens to the server by this transport."""
    bot = Bot(slack)
    if transport == "http":
        application = web.Application()

        async def handle(request):
            return await to_aiohttp_response(await bot.app.async_dispatch(await to_bolt_request(request)))

        application.add_routes([web.post("/slack/events", handle)])
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        slack.courier.url = f"http://127.0.0.1:{runner.addresses[0][1]}/slack/events"
        yield bot
        await runner.cleanup()
    else:
        client = AsyncWebClient(slack.app_token, base_url=slack.api_url)
        handler = AsyncSocketModeHandler(bot.app, slack.app_token, web_client=client, ping_interval=0.1)
        await handler.connect_async()
        yield bot
        await handler.close_async()


def tell(story, transport="socket"):
    async def told():
        async with SlackServer() as slack, connected(slack, transport) as bot:
            await story(slack, bot)

    asyncio.run(told())


@BOTH
def test_a_mention_with_a_file_comes_as_both_events_and_is_answered_in_its_thread(transport):
    async def story(slack, bot):
        ana = slack.user("ana")
        asked = await ana.mentions_bot("general", "right?", files=[("chart.png", b"png")])
        (answer,) = await slack.until(lambda: slack.answers("general", thread=asked))
        await slack.settled()
        assert answer.text == "Yes."
        mention, message = (dict(bot.heard)[kind]["event"] for kind in ("app_mention", "message"))
        assert (mention["ts"], mention["files"][0]["name"]) == (asked.ts, "chart.png")
        assert (message["subtype"], message["channel_type"]) == ("file_share", "channel")
        assert "channel_type" not in mention

    tell(story, transport)


@BOTH
def test_a_command_is_answered_twice_only_for_who_gave_it(transport):
    async def story(slack, bot):
        ana = slack.user("ana")
        delivery = await ana.runs("/ask how many?", "general")
        assert delivery.acked
        await slack.until(lambda: len(ana.whispers("general")) == 2)
        assert {each.text for each in ana.whispers("general")} == {"a moment", "here it is"}
        assert slack.user("bob").whispers("general") == []
        assert bot.heard[0][1]["text"] == "how many?"

    tell(story, transport)


@BOTH
def test_a_click_opens_a_modal_that_comes_back_filled_in(transport):
    async def story(slack, bot):
        ana = slack.user("ana")
        asked = await ana.mentions_bot("general", "right?")
        (answer,) = await slack.until(lambda: slack.answers("general", thread=asked))
        await ana.clicks(answer, "Good")
        await ana.clicks(answer, "negative")
        await slack.until(lambda: ana.modal)
        assert await ana.submits() is None
        assert ana.modal.errors == {"reason": "Please complete this required field."}
        await ana.submits({"Reason": "no"})
        assert ana.modal.errors == {"reason": "Say more."}
        await ana.submits({"Reason": "too old", "Proof": [("new.pdf", b"%PDF-")]})
        assert ana.modal is None
        kind, values = bot.heard[-1]
        assert (kind, values["reason"]["text"]["value"]) == ("why", "too old")
        assert values["proof"]["files"]["files"][0]["name"] == "new.pdf"
        await ana.clicks(answer, "Bad")
        await slack.until(lambda: ana.modal)
        await ana.closes()
        assert bot.kinds()[-2:] == ["rated", "closed"]

    tell(story, transport)


@BOTH
def test_reactions_shortcuts_edits_and_the_home_tab_are_told(transport):
    async def story(slack, bot):
        ana = slack.user("ana")
        said = await ana.says("general", "hello")
        await ana.reacts(said, "eyes")
        await ana.unreacts(said, "eyes")
        await ana.edits(said, "hello!")
        await ana.uses_shortcut("keep", said)
        await ana.opens_home()
        await ana.deletes(said)
        await slack.settled()
        subtypes = [body["event"].get("subtype") for kind, body in bot.heard if kind == "message"]
        assert sorted(subtypes, key=str) == [None, "message_changed", "message_deleted"]
        assert {"reaction_added", "reaction_removed", "kept", "app_home_opened"} <= set(bot.kinds())

    tell(story, transport)


def test_what_is_not_acknowledged_comes_again_and_says_so():
    async def story(slack, bot):
        ana = slack.user("ana")
        slack.courier.retries = (0.05, 0.05)
        wanted = slack.courier.url
        slack.courier.url = wanted.replace("/slack/events", "/nothing")  # 404
        await ana.says("general", "hello")
        (delivery,) = slack.courier.log
        await slack.until(lambda: delivery.attempts and delivery.attempts[0].outcome)
        slack.courier.url = wanted
        await slack.settled()
        assert [attempt.outcome for attempt in delivery.attempts] == ["http_error", "acked"]
        assert bot.retries == ["1"]

    tell(story, "http")


def test_a_command_that_nobody_takes_is_said_to_have_failed():
    async def story():
        async with SlackServer() as slack:
            slack.courier.ack_seconds = 0.05
            ana = slack.user("ana")
            await ana.runs("/ask why", "general")
            assert ana.user.notices == ["/ask failed: connection_failed"]

    asyncio.run(story())


def test_connections_that_are_refreshed_or_cut_come_again_and_nothing_is_lost():
    async def story(slack, bot):
        slack.courier.retries = (0.05,) * 40
        ana = slack.user("ana")
        for number, end in enumerate((slack.socket_mode.refresh, slack.socket_mode.cut)):
            await end()
            await ana.says("general", f"hello {number}")
            await slack.settled()
        assert slack.socket_mode.opened >= 3
        assert {body["event"]["text"] for _, body in bot.heard} == {"hello 0", "hello 1"}

    tell(story)


def test_events_come_in_any_order_and_more_than_once_if_a_test_wants_it():
    async def story(slack, bot):
        ana = slack.user("ana")
        slack.courier.copies, slack.courier.fresh_ids = lambda _: 2, True
        slack.courier.hold()
        for number in range(10):
            await ana.says("general", str(number))
        slack.courier.release(random.Random(3).shuffle)
        await slack.settled()
        said = [body["event"]["text"] for _, body in bot.heard]
        assert sorted(said) == sorted([*map(str, range(10))] * 2)
        assert said != sorted(said)
        assert len({body["event_id"] for _, body in bot.heard}) == 20

    tell(story)


def test_requests_are_signed_and_the_address_is_verified():
    async def story(slack, bot):
        assert await slack.courier.verify_url()
        body = b'{"type":"event_callback"}'
        forged = slack.courier.signed(body) | {"X-Slack-Signature": "v0=" + "0" * 64}
        old = slack.courier.signed(body, timestamp=slack.clock.now() - 400)
        for headers in (forged, old):
            status, _, _ = await slack.courier.post(body, headers)
            assert status == 401
        assert bot.heard == []

    tell(story, "http")


def test_the_eleventh_connection_is_turned_away():
    async def story():
        async with SlackServer() as slack:
            client = AsyncWebClient(slack.app_token, base_url=slack.api_url)
            handlers = [
                AsyncSocketModeHandler(AsyncApp(client=client), slack.app_token, web_client=client)
                for _ in range(10)
            ]
            for handler in handlers:
                await handler.connect_async()
            await slack.until(lambda: len(slack.socket_mode.connections) == 10)
            url = (await client.apps_connections_open(app_token=slack.app_token))["url"]
            async with handlers[0].client.aiohttp_client_session.ws_connect(url) as socket:
                assert (await socket.receive_json())["reason"] == "too_many_websockets"
            for handler in handlers:
                await handler.close_async()

    asyncio.run(story())
