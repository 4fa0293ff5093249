"""Promise: a question that Slack was told we have is answered once, however often the bot is killed.

In each trial fifty questions come in, some doubled, some as follow-ups in one thread. The bot is killed by
`kill -9` at any moment: while it keeps events, answers, streams, or notes that it has sent; in half of the
trials sentences are streamed while the answer is made, too. It is started again; what was not acknowledged is
delivered again, as Slack does. Then each question must have one whole answer in its thread: none lost, none
doubled, none left half streamed.
"""

from __future__ import annotations

import asyncio

from tests.slack_server.bot import slack_with_the_app
from tests.trust.outcome import in_turn
from tests.trust.slack_bot import QUICK_RETRIES, ask_some, check_endings, endings, running

TRIALS = 500
EVENTS = 50
LONGEST_SECONDS = 0.9  # of a bot's life, from its first event
ANSWERED_SECONDS = 60
PAUSE_SECONDS = 0.02  # between the sentences of an answer that is shown while it is made


def run(trials, seed, folder):
    """Kill a bot so many times."""
    return in_turn(_trial, trials, seed, folder)


async def _trial(number, folder, rng, outcome):
    async with slack_with_the_app() as slack:
        slack.courier.retries = QUICK_RETRIES
        slack.courier.hold()
        asked = await ask_some(slack, rng, EVENTS)
        pause = None if number % 2 else PAUSE_SECONDS
        async with running(slack, folder, pause=pause) as process:
            events = slack.courier.release(rng.shuffle)
            await asyncio.sleep(rng.random() ** 2 * LONGEST_SECONDS)  # often while events come in
            process.kill()
        outcome.count("events acknowledged before the kill", sum(each.acked for each in events))
        outcome.count("answers before the kill", len(endings(slack, "general")))
        async with running(slack, folder, pause=pause):
            await check_endings(slack, "general", asked, outcome, seconds=ANSWERED_SECONDS)
            await slack.settled(seconds=ANSWERED_SECONDS)
        outcome.check(all(each.acked for each in events), "an event was never acknowledged")
        outcome.count("resumed streams", sum(bool(each.edited) for each in slack.answers("general")))
