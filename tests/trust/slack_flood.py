"""Promise: overload is fair and bounded, and an event is acknowledged at once however busy the engine is.

First the others ask one after the other with nobody else there; then one user floods the bot with questions,
all at once, while they ask again. Their 95th percentile may double; each question of the flood must be
answered or refused, refusals within two seconds of their events; the bot's memory must stay bounded. Every
acknowledgement is timed. A trial is a question of the flood.
"""

from __future__ import annotations

import asyncio
import re
import time
from pathlib import Path

from tests.trust.outcome import trial_run
from tests.trust.slack_bot import client, free_port, running, until
from tests.trust.small_slack import SmallSlack, callback, deliver

TRIALS = 10_000
OTHERS = 40  # questions of the others, idle and while the flood lasts
ENGINE_SECONDS = 0.3  # of computing without the interpreter, as models and indexes do
MOST_GROWTH_MB = 200
REFUSED_SECONDS = 2.0
BOUNDS = {"of_a_person": 20, "of_a_channel": 1_000, "in_all": 2_000}


def run(trials, seed, folder):
    """Flood a bot with so many questions."""
    del seed
    with trial_run(0) as outcome:
        asyncio.run(_run(trials, folder, outcome))
    return outcome


async def _run(trials, folder, outcome):
    slack = SmallSlack()
    async with (
        slack.served() as api_url,
        client() as session,
        running(api_url, folder, free_port(), bounds=BOUNDS, seconds=ENGINE_SECONDS, answering=2) as (
            process,
            url,
        ),
    ):
        memory = _megabytes(process.pid)
        await _ask(slack, session, url, "warm", 3)
        idle = await _ask(slack, session, url, "idle", OTHERS)
        flood = asyncio.create_task(_flood(slack, session, url, trials, outcome))
        await asyncio.sleep(0.2)
        busy = await _ask(slack, session, url, "busy", OTHERS)
        sent = await flood
        await until(lambda: _seen(slack, sent) >= trials, seconds=120)
        outcome.check(
            _seen(slack, sent) >= trials, f"{_seen(slack, sent)} of {trials} questions had an ending"
        )
        outcome.count("p95 idle, ms", round(_p95(idle) * 1000))
        outcome.count("p95 of the others in the flood, ms", round(_p95(busy) * 1000))
        outcome.check(_p95(busy) <= 2 * _p95(idle), f"p95 {_p95(idle):.3f} s became {_p95(busy):.3f} s")
        _check_refusals(slack, sent, outcome)
        grown = _megabytes(process.pid) - memory
        outcome.count("MB grown", round(grown))
        outcome.check(grown < MOST_GROWTH_MB, f"the bot grew by {grown:.0f} MB")
        outcome.trials = trials


async def _flood(slack, session, url, trials, outcome):
    """Send them as fast as they are taken; when each was sent, in order."""
    sent = []

    async def one(number):
        event = slack.ask(f"flood {number}", user="UFLOOD", channel="CFLOOD")
        sent.append((time.monotonic(), event["ts"]))
        status = await deliver(session, url, callback(event, f"EvF{number}"))
        outcome.check(status == 200, f"question {number} of the flood was answered by {status}")

    for begin in range(0, trials, 32):
        await asyncio.gather(*map(one, range(begin, min(begin + 32, trials))))
    return sent


async def _ask(slack, session, url, name, number):
    """Seconds from event to answer, of people who ask one after the other."""
    seconds = []
    for index in range(number):
        event = slack.ask(f"{name} {index}", user=f"U{index % 5}", channel="C2")
        begun = time.monotonic()
        await deliver(session, url, callback(event, f"Ev{name}{index}"))
        await until(lambda: slack.replies(event["ts"]), seconds=60, step=0.005)  # noqa: B023 - awaited here
        seconds.append(time.monotonic() - begun)
    return seconds


def _refusals(slack):
    """[(when, how many)] that were told not to be taken."""
    found = []
    for at, text, user in slack.whispers:
        if user == "UFLOOD":
            number = re.search(r"([\d,]+) questions of yours", text)
            found.append((at, int(number[1].replace(",", "")) if number else 1))
    return found


def _seen(slack, sent):
    return sum(number for _, number in _refusals(slack)) + sum(bool(slack.replies(ts)) for _, ts in sent)


def _check_refusals(slack, sent, outcome):
    """The n-th refusal, counted over all notices, came soon after the n-th question that was refused."""
    refused = [at for at, ts in sent if not slack.replies(ts)]
    covered, slowest = 0, 0.0
    for at, number in _refusals(slack):
        for sent_at in refused[covered : covered + number]:
            slowest = max(slowest, at - sent_at)
        covered += number
    outcome.count("refused", covered)
    outcome.count("slowest refusal, ms", round(slowest * 1000))
    outcome.check(slowest <= REFUSED_SECONDS, f"a refusal took {slowest:.1f} s")


def _p95(seconds):
    return sorted(seconds)[int(len(seconds) * 0.95)]


def _megabytes(pid):
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) / 1024
