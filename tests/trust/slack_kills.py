"""Promise: a question that Slack was told we have is answered once, however often the bot is killed.

In each trial fifty questions come in, some doubled, some as follow-ups in one thread. The bot is killed by
`kill -9` at any moment: while it keeps events, answers, streams, or notes that it has sent. It is started
again; what was not acknowledged is delivered again, as Slack does. Then each question must have one whole
answer in its thread: none lost, none doubled, none left half streamed.
"""

from __future__ import annotations

import asyncio
import random

from tests.trust.outcome import trial_run
from tests.trust.slack_bot import client, free_port, is_whole, running, until
from tests.trust.small_slack import SmallSlack, callback, deliver

TRIALS = 500
EVENTS = 50
LONGEST_SECONDS = 0.9  # of a bot's life, from its first event
ANSWERED_SECONDS = 60


def run(trials, seed, folder):
    """Kill a bot so many times."""
    with trial_run(seed) as outcome:
        for trial in range(trials):
            asyncio.run(_trial(folder / str(trial), random.Random(f"{seed} {trial}"), outcome, trial))
            outcome.trials += 1
    return outcome


async def _trial(folder, rng, outcome, trial):
    slack = SmallSlack()
    port = free_port()
    async with slack.served() as api_url, client() as session:
        questions = _questions(slack, rng)
        pending = dict(questions)
        async with running(api_url, folder, port) as (process, url):
            sending = asyncio.create_task(_send(session, url, pending, rng))
            await asyncio.sleep(rng.random() ** 2 * LONGEST_SECONDS)  # often while events come in
            process.kill()
            await sending
        outcome.count("events acknowledged before the kill", len(questions) - len(pending))
        outcome.count(
            "answers before the kill", sum(bool(slack.replies(e["ts"])) for e, _ in questions.values())
        )
        async with running(api_url, folder, port) as (_, url):
            await _send(session, url, pending, rng)
            finished = await until(lambda: _all_answered(slack, questions), seconds=ANSWERED_SECONDS)
            outcome.check(
                finished, f"trial {trial}: {_unanswered(slack, questions)} questions without an ending"
            )
            await asyncio.sleep(0.2)  # a second answer would come now
        _compare(slack, questions, outcome, trial)


def _questions(slack, rng):
    """{event id: (event, text)}; every fifth follows up in an earlier thread."""
    questions, threads = {}, []
    for number in range(EVENTS):
        text = f"question {number:03}"
        thread = rng.choice(threads) if threads and number % 5 == 0 else None
        event = slack.ask(text, thread=thread, user=f"U{number % 7}")
        threads.append(event.get("thread_ts", event["ts"]))
        questions[f"Ev{number}"] = (event, text)
    return questions


async def _send(session, url, pending, rng):
    """Deliver what is pending until it is acknowledged, or the bot is gone; some of it twice."""

    async def one(event_id):
        event, _ = pending[event_id]
        for retry in range(3):
            if await deliver(session, url, callback(event, event_id), retry=retry) == 200:
                pending.pop(event_id, None)
                break
        if rng.random() < 0.3:
            await deliver(
                session, url, callback(event | {"type": "message", "channel_type": "channel"}, f"{event_id}b")
            )

    order = list(pending)
    rng.shuffle(order)
    for begin in range(0, len(order), 8):
        await asyncio.gather(*map(one, order[begin : begin + 8]))


def _answers(slack, event, text):
    return [m for m in slack.replies(event.get("thread_ts", event["ts"])) if f"To {text}:" in m["text"]]


def _all_answered(slack, questions):
    return all(
        any(is_whole(m, text) for m in _answers(slack, event, text)) for event, text in questions.values()
    )


def _unanswered(slack, questions):
    return sum(not _answers(slack, event, text) for event, text in questions.values())


def _compare(slack, questions, outcome, trial):
    for event, text in questions.values():
        answers = _answers(slack, event, text)
        outcome.check(len(answers) == 1, f"trial {trial}: {text} has {len(answers)} answers")
        for message in answers:
            outcome.check(
                is_whole(message, text),
                f"trial {trial}: {text} is {message['state']}: {message['text'][:60]!r}",
            )
    threads = {event.get("thread_ts", event["ts"]) for event, _ in questions.values()}
    messages = sum(len(slack.replies(thread)) for thread in threads)
    outcome.check(
        messages == len(questions), f"trial {trial}: {messages} messages for {len(questions)} questions"
    )
    outcome.count("resumed streams", sum("edited" in m for m in slack.messages.values()))
