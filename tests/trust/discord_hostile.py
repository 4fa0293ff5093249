"""Promise: what a model or a document writes can't act in Discord: no mention, no link but a cited source's.

Hostile texts are put into every place of an answer (text, titles, addresses, quotes, names of files,
reasons), into notices, corrections, drafts, names of people and the titles that are offered. All that would
be posted, edited or whispered of them is searched by an oracle of its own (`live_discord`), which also knows
Discord's limits and fences that stay open.
"""

from __future__ import annotations

import random
from dataclasses import replace

from bots.conversation import Notice, Proposal
from bots.discord.cards import (
    answer_messages,
    approval_message,
    ask_modal,
    correction_message,
    down_modal,
    draft_message,
    notice_message,
)
from bots.discord.commands import choices
from bots.figures import figure_of
from bots.wording import REASONS
from mmrag.types import Document
from tests.trust.hostile_texts import hostile_answer, hostile_texts, spellings
from tests.trust.live_discord import faults
from tests.trust.outcome import trial_run

TRIALS = 100_000
LONG_EVERY = 50  # trials: a text of many pieces, which has to be split

# Whole payloads, as somebody who knows Discord would write them.
PAYLOADS = (
    *("@everyone", "@here", "@EVERYONE", "\\@everyone", "@\u200beveryone", "@**everyone**", "`@everyone`"),
    *("<@123456789012345678>", "<@!123>", "<@&123>", "<#123>", "<\\@123>", "\\<@123>", "<@\u2060123>"),
    *(
        "</ask:123>",
        "<id:customize>",
        "<id:browse>",
        "<t:0:R>",
        "<:smile:123>",
        "<a:dance:123>",
        "<sound:0:1>",
    ),
    *("<https://evil.example>", "[click](<https://evil.example>)", "[click](https://evil.example 'x')"),
    *("[`click`](https://evil.example)", "[cl[ic]k](https://evil.example)", "[1](<https://evil.example>)"),
    *("||https://evil.example||", "-# <@123>", "# @here", ">>> <@123>", "> > <@123>", "<mail@evil.example>"),
    *("```\n@everyone", "```py\n<@123>\n```", "``` ` ```", "````\n```\n````", "~~~\n```\n~~~", "`` ` ``<@1>"),
    *("| a | b |\n|---|---|\n| <@123> | ``` |", "discord://evil", "https:/\\/evil.example", "steam://run/1"),
)
PIECES = (
    "||",
    "```\n",
    "`",
    "<@",
    "<@&",
    "<#",
    "123",
    ">",
    "@",
    "everyone",
    "here",
    "-# ",
    ">>> ",
    "](<",
    "😀",
)


def run(trials, seed, folder):
    """Write so many hostile answers; each payload is met in order, then mixtures of all pieces."""
    del folder
    with trial_run(seed) as outcome:
        rng = random.Random(seed)
        for trial in range(trials):
            texts = hostile_texts(rng, trial, PAYLOADS, PIECES)
            if trial % LONG_EVERY == 0:
                texts[0] = "".join(f"{text}\n\n" for _ in range(40) for text in texts)
            for path, sent, limits in _all_that_is_sent(texts, rng):
                outcome.count("messages")
                for fault in faults(sent, links=spellings(), limits=limits):
                    outcome.check(holds=False, failure=f"trial {trial}, {path}: {fault}")
            outcome.trials += 1
    return outcome


def _all_that_is_sent(texts, rng):
    """(path, JSON, which limits hold) of each message with these texts in it."""
    text, title, quote, name, _, uri = texts
    answer = hostile_answer(texts, rng)
    citations = tuple(replace(each, image="figure1") for each in answer.citations)
    messages = answer_messages(
        answer,
        figure=rng.choice((None, figure_of(replace(answer, citations=citations), lambda _: b"\x89PNG"))),
        human=True,
        private=rng.random() < 0.3,
        asked=rng.choice((None, name)),
        late=rng.random() < 0.2,
    )
    for message in messages:
        yield "answer", message.body(), "message"
        yield "plain answer", message.plain.body(), "message"
    yield "notice", notice_message(Notice(text, (title, quote), mood="problem")).body(), "message"
    yield "approval", approval_message(Proposal("p", "a", text, "1", name, 2)).body(), "message"
    yield "correction", correction_message("a1").body(), "message"
    yield "draft", draft_message(text).body(), "message"
    document = Document("d", "c", title, uri, "text/plain", 1, 1, 0, "2025-01-01T00:00:00+00:00")
    yield "titles", choices([document], ""), "choices"
    yield "modal", ask_modal("1"), "modal"
    yield "modal", down_modal("a1", REASONS), "modal"
