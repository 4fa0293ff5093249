"""Promise: a request that Slack did not send is not accepted, and none brings an error of the server.

Requests are forged (no signature, a wrong one, another secret, a signature of another body), replayed (an
accepted request again, one of ten minutes ago) and malformed (headers and bodies that are no text, no form,
no JSON, cut, huge; signed JSON that is not Slack's). None may be answered by 2xx but what is signed and new,
none by 5xx, and none may make the bot say anything.
"""

from __future__ import annotations

import asyncio
import json
import random
import time

import aiohttp

from tests.slack_server import SlackServer
from tests.slack_server.bot import slack_with_the_app
from tests.trust.outcome import trial_run
from tests.trust.slack_bot import delivered, running

TRIALS = 10_000
SAID = "the launch is on Thursday"
GARBAGE = (
    b"",
    b"\xff\xfe\x00",
    b"{",
    b"[]",
    b"null",
    b"0",
    b"payload=%FF",
    b"payload=[]",
    b"payload={",
    b"a" * 5000,
    b"=&=&",
)
VALUES = (None, 0, -1, "", "x", [], {}, [[]], {"type": "x"}, True, 1e308, "\ud83d")


def run(trials, seed, folder):
    """Send so many requests that are not Slack's, or not any more."""
    with trial_run(seed) as outcome:
        asyncio.run(_run(trials, random.Random(seed), folder, outcome))
    return outcome


async def _run(trials, rng, folder, outcome):
    log = folder / "log"
    async with slack_with_the_app() as slack, running(slack, folder, log=log):
        slack.courier.ack_seconds = 10
        slack.mention_as = ("app_mention",)
        ana = slack.user("ana")
        _, delivery = await delivered(slack, ana.mentions_bot("general", SAID))
        accepted = await _accepted(slack.courier, delivery.payload)
        await slack.until(lambda: slack.answers("general"))
        slack.mention_as = ()  # what is said from now on, Slack does not tell
        unheard = await ana.mentions_bot("general", SAID)
        event = delivery.payload["event"] | {"ts": unheard.ts, "event_ts": unheard.ts}
        known = delivery.payload | {"event": event}
        for begin in range(0, trials, 32):
            group = [_request(rng, slack.courier, known, accepted) for _ in range(min(32, trials - begin))]
            results = await asyncio.gather(*(_send(slack.courier, *one) for _, *one in group))
            for (kind, *_), status in zip(group, results, strict=True):
                outcome.count(kind)
                outcome.check(status is None or status < 500, f"{kind}: {status}")
                if kind != "signed garbage":
                    outcome.check(status is None or status >= 400, f"{kind}: accepted by {status}")
                outcome.trials += 1
        await asyncio.sleep(0.5)
        said = [answer for place in slack.world.channels for answer in slack.answers(place)]
        outcome.check(len(said) == 1, f"the bot said {len(said)} things")
    text = log.read_text(encoding="utf-8", errors="replace")
    outcome.check(SAID not in text, "a message stands in the log")
    outcome.check(slack.bot_token not in text, "a token stands in the log")


async def _accepted(courier, known):
    """A request that was Slack's."""
    body = _body(known)
    headers = courier.signed(body)
    assert await _send(courier, body, headers) == 200
    return body, headers


def _body(known):
    """The event, under an id of its own."""
    return json.dumps(known | {"event_id": f"Ev{time.time_ns()}"}).encode()


def _request(rng, courier, known, accepted):  # noqa: PLR0911 - one for each kind of request
    """(kind, body, headers)."""
    body = _body(known)
    signed = courier.signed
    kind = rng.choice(
        (
            "unsigned",
            "wrong",
            "other secret",
            "other body",
            "replayed",
            "old",
            "future",
            "headers",
            "garbage",
            "signed garbage",
        )
    )
    match kind:
        case "unsigned":
            return kind, body, {"Content-Type": "application/json"}
        case "wrong":
            return kind, body, signed(body) | {"X-Slack-Signature": "v0=" + rng.randbytes(32).hex()}
        case "other secret":
            return kind, body, SlackServer().courier.signed(body)
        case "other body":
            return kind, body, signed(body + b" ")
        case "replayed":
            return kind, *accepted
        case "old":
            return kind, body, signed(body, timestamp=time.time() - rng.randint(301, 10**6))
        case "future":
            return kind, body, signed(body, timestamp=time.time() + rng.randint(310, 10**6))
        case "headers":
            odd = rng.choice(("", "x", "-1", "1e9", "٣", "9" * 400, "v0=", "v0=é", "\x7f", "0x10", "nan"))
            return (
                kind,
                body,
                signed(body) | {rng.choice(("X-Slack-Request-Timestamp", "X-Slack-Signature")): odd},
            )
        case "garbage":
            return (
                kind,
                rng.choice(GARBAGE),
                {"Content-Type": rng.choice(("application/json", "text/plain", "x"))},
            )
        case _:
            data = _signed_garbage(rng, known)
            kinds = ("application/json", "application/x-www-form-urlencoded", "text/plain")
            return kind, data, signed(data) | {"Content-Type": rng.choice(kinds)}


def _signed_garbage(rng, known):
    """As if Slack had sent nonsense: fields missing, of other kinds."""
    if rng.random() < 0.3:
        return rng.choice(GARBAGE) + str(rng.random()).encode()
    event = known["event"] | {"text": "hello", "channel": "C9"}
    body = known | {"event_id": f"Ev{rng.random()}", "event": event}
    body["type"] = rng.choice(
        (body["type"], "block_actions", "view_submission", "message_action", "shortcut", "x")
    )
    for place in (body, body["event"]):
        for key in list(place):
            if rng.random() < 0.3:
                place[key] = rng.choice(VALUES)
    body |= {
        key: rng.choice(VALUES)
        for key in ("actions", "view", "user", "team", "command")
        if rng.random() < 0.3
    }
    body.pop("event") if rng.random() < 0.2 else None
    if isinstance(body.get("event"), dict) and body["event"].get("type") in ("app_mention", "message"):
        body["event"]["type"] = "app_home_opened"  # a question that is well signed would be answered
    return json.dumps(body).encode()


async def _send(courier, body, headers):
    try:
        status, *_ = await courier.post(body, headers)
    except (aiohttp.ClientError, ValueError, OSError, TimeoutError):
        return None  # the client itself, or the server's parser, refuses such headers
    return status
