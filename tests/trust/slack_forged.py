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

from tests.trust.outcome import trial_run
from tests.trust.slack_bot import client, free_port, running
from tests.trust.small_slack import BOT, SmallSlack, callback, signed

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
    slack = SmallSlack()
    log = folder / "log"
    async with (
        slack.served() as api_url,
        client() as session,
        running(api_url, folder, free_port(), log=str(log)) as (_, url),
    ):
        accepted = await _accepted(session, url, slack)
        said = len(slack.messages)
        for begin in range(0, trials, 32):
            group = [_request(rng, slack, accepted) for _ in range(min(32, trials - begin))]
            results = await asyncio.gather(*(_send(session, url, *one) for _, *one in group))
            for (kind, *_), status in zip(group, results, strict=True):
                outcome.count(kind)
                outcome.check(status is None or status < 500, f"{kind}: {status}")
                if kind != "signed garbage":
                    outcome.check(status is None or status >= 400, f"{kind}: accepted by {status}")
                outcome.trials += 1
        await asyncio.sleep(0.5)
        asked = sum(m["user"] != BOT for m in slack.messages.values())
        outcome.check(len(slack.messages) - asked <= 1, f"the bot said {len(slack.messages) - said} things")
    text = log.read_text(encoding="utf-8", errors="replace")
    outcome.check(SAID not in text, "a message stands in the log")
    outcome.check("xoxb-canary" not in text, "a token stands in the log")


async def _accepted(session, url, slack):
    """A request that was Slack's."""
    body = json.dumps(callback(slack.ask(SAID), "Ev0")).encode()
    headers = signed(body)
    assert await _send(session, url, body, headers) == 200
    return body, headers


def _request(rng, slack, accepted):  # noqa: PLR0911 - one for each kind of request
    """(kind, body, headers)."""
    del slack
    event = {
        "type": "app_mention",
        "user": "U1",
        "text": f"<@{BOT}> {SAID}",
        "channel": "C1",
        "ts": "1.2",
        "event_ts": "1.2",
    }
    body = json.dumps(callback(event, f"Ev{rng.random()}")).encode()
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
            return kind, body, signed(body, secret="guessed")  # noqa: S106 - that is what is tried
        case "other body":
            return kind, body, signed(body + b" ")
        case "replayed":
            return kind, *accepted
        case "old":
            return kind, body, signed(body, at=time.time() - rng.randint(301, 10**6))
        case "future":
            return kind, body, signed(body, at=time.time() + rng.randint(310, 10**6))
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
            data = _signed_garbage(rng, event)
            kinds = ("application/json", "application/x-www-form-urlencoded", "text/plain")
            return kind, data, signed(data) | {"Content-Type": rng.choice(kinds)}


def _signed_garbage(rng, event):
    """As if Slack had sent nonsense: fields missing, of other kinds."""
    if rng.random() < 0.3:
        return rng.choice(GARBAGE) + str(rng.random()).encode()
    body = callback({**event, "user": "U1", "text": "hello", "channel": "C9"}, f"Ev{rng.random()}")
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


async def _send(session, url, body, headers):
    try:
        async with session.post(url, data=body, headers=headers) as response:
            return response.status
    except (aiohttp.ClientError, ValueError, OSError, TimeoutError):
        return None  # the client itself, or the server's parser, refuses such headers
