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

from tests.slack_server.bot import slack_with_the_app
from tests.trust.outcome import trial_run
from tests.trust.slack_bot import delivered, in_time, running

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
    async with (
        slack_with_the_app() as slack,
        running(slack, folder, bounds=BOUNDS, seconds=ENGINE_SECONDS, answering=2) as process,
    ):
        slack.mention_as = ("app_mention",)
        memory = _megabytes(process.pid)
        await _ask(slack, "warm", 3)
        idle = await _ask(slack, "idle", OTHERS)
        flood = asyncio.create_task(_flood(slack, trials, outcome))
        await asyncio.sleep(0.2)
        busy = await _ask(slack, "busy", OTHERS)
        sent = await flood
        await in_time(slack, lambda: _seen(slack) >= trials, seconds=120)
        outcome.check(_seen(slack) >= trials, f"{_seen(slack)} of {trials} questions had an ending")
        outcome.count("p95 idle, ms", round(_p95(idle) * 1000))
        outcome.count("p95 of the others in the flood, ms", round(_p95(busy) * 1000))
        outcome.check(_p95(busy) <= 2 * _p95(idle), f"p95 {_p95(idle):.3f} s became {_p95(busy):.3f} s")
        _check_refusals(slack, sent, outcome)
        grown = _megabytes(process.pid) - memory
        outcome.count("MB grown", round(grown))
        outcome.check(grown < MOST_GROWTH_MB, f"the bot grew by {grown:.0f} MB")
        outcome.trials = trials


async def _flood(slack, trials, outcome):
    """Send them as fast as they are taken; their messages, in order."""
    flooder, sent = slack.user("flooder"), []

    async def one(number):
        asked, delivery = await delivered(slack, flooder.mentions_bot("flooded", f"flood {number}"))
        sent.append(asked)
        how = delivery.attempts[0].outcome
        outcome.check(how == "acked", f"question {number} of the flood: {how}")

    for begin in range(0, trials, 32):
        await asyncio.gather(*map(one, range(begin, min(begin + 32, trials))))
    return sorted(sent, key=lambda asked: asked.ts)


async def _ask(slack, name, number):
    """Seconds from event to answer, of people who ask one after the other."""
    seconds = []
    for index in range(number):
        begun = time.monotonic()
        person = slack.user(f"person{index % 5}")
        asked, _ = await delivered(slack, person.mentions_bot(name, f"{name} {index}"))
        await slack.until(lambda: slack.answers(name, thread=asked), seconds=60)  # noqa: B023 - awaited here
        seconds.append(time.monotonic() - begun)
    return seconds


def _refusals(slack):
    """[(when, how many)] that were told not to be taken."""
    found = []
    for told in slack.user("flooder").whispers("flooded"):
        number = re.search(r"([\d,]+) questions of yours", told.text)
        found.append((float(told.ts), int(number[1].replace(",", "")) if number else 1))
    return found


def _seen(slack):
    return sum(number for _, number in _refusals(slack)) + len(slack.answers("flooded"))


def _check_refusals(slack, sent, outcome):
    """The n-th refusal, counted over all notices, came soon after the n-th question that was refused."""
    answered = {answer.thread_ts for answer in slack.answers("flooded")}
    refused = [float(asked.ts) for asked in sent if asked.ts not in answered]
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
