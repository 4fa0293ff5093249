"""Promise: an answer arrives once, whatever becomes of the connection that carries it.

Calls of the Web API fail in every way at once: the connection ends in the middle of the answer or before it
(the call was carried out), is reset before it (it was not), 500, 503 with a page of HTML, 429. Each question
must have one whole answer. A trial is a call that failed.
"""

from __future__ import annotations

import asyncio
import random

from tests.trust.outcome import trial_run
from tests.trust.slack_bot import client, free_port, is_whole, running, until
from tests.trust.small_slack import SmallSlack, callback, deliver

TRIALS = 1_000
QUESTIONS = 25  # a batch
FAULTS = ("cut", "cut", "hang up", "reset", "500", "503", "429")
BROKEN_SHARE = 0.25
POSTING = {"chat.postMessage", "chat.startStream", "chat.appendStream", "chat.stopStream", "chat.update"}


def run(trials, seed, folder):
    """Let so many calls fail."""
    with trial_run(seed) as outcome:
        asyncio.run(_run(trials, random.Random(seed), folder, outcome))
    return outcome


async def _run(trials, rng, folder, outcome):
    share = 0.0

    def fault(method):
        reads = BROKEN_SHARE / 4  # what reads is repeated a few times only
        return (
            rng.choice(FAULTS) if rng.random() < (share if method in POSTING else min(share, reads)) else None
        )

    slack = SmallSlack(fault)
    async with (
        slack.served() as api_url,
        client() as session,
        running(api_url, folder, free_port()) as (_, url),
    ):
        share = BROKEN_SHARE
        batch = 0
        while sum(slack.broken.values()) < trials:
            questions = {f"question {batch} {n}": None for n in range(QUESTIONS)}
            for number, text in enumerate(questions):
                questions[text] = slack.ask(text, user=f"U{number}")
                await deliver(session, url, callback(questions[text], f"Ev{batch}-{number}"))
            finished = await until(lambda: _all_whole(slack, questions), seconds=240)  # noqa: B023 - awaited here
            outcome.check(finished, f"batch {batch}: not all were answered")
            await asyncio.sleep(0.1)
            for text, event in questions.items():
                answers = slack.replies(event["ts"])
                shown = [(answer["state"], answer["text"][:60]) for answer in answers]
                outcome.check(len(answers) == 1, f"{text} has {len(answers)} answers: {shown}")
                outcome.check(
                    any(is_whole(answer, text) for answer in answers), f"{text} has no whole answer: {shown}"
                )
            batch += 1
            outcome.count("answers", len(questions))
        for kind, number in slack.broken.items():
            outcome.count(kind, number)
        outcome.trials = sum(slack.broken.values())


def _all_whole(slack, questions):
    return all(
        any(is_whole(a, text) for a in slack.replies(event["ts"])) for text, event in questions.items()
    )
