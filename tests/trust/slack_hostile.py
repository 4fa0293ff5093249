"""Promise: what a model or a document writes can't act in Slack: no mention, no link but a cited source's.

Hostile texts are put into every place of an answer (text, titles, addresses, quotes, names of files,
reasons), into notices, corrections, names of people, modals and the Home tab. All that would be posted,
edited, whispered or streamed of them, piece by piece, is searched by an oracle of its own (`live`).
"""

from __future__ import annotations

import random
from dataclasses import replace

from bots.conversation import Notice, Proposal
from bots.figures import figure_of
from bots.slack.blocks import (
    answer_messages,
    approval_message,
    correction_message,
    figure_block,
    notice_message,
)
from bots.slack.delivery import _slices
from bots.slack.views import Settings, Week, home_view, settings_view
from mmrag.types import Document
from tests.trust.hostile_texts import hostile_answer, hostile_texts, spellings
from tests.trust.live import faults
from tests.trust.outcome import trial_run

TRIALS = 100_000


def run(trials, seed, folder):
    """Write so many hostile answers; each payload is met in order, then mixtures of all pieces."""
    del folder
    with trial_run(seed) as outcome:
        rng = random.Random(seed)
        for trial in range(trials):
            texts = hostile_texts(rng, trial)
            for path, sent in _all_that_is_sent(texts, rng):
                outcome.count("messages")
                for fault in faults(sent, links=spellings(), mentions=frozenset()):
                    outcome.check(holds=False, failure=f"trial {trial}, {path}: {fault}")
            outcome.trials += 1
    return outcome


def _all_that_is_sent(texts, rng):
    """(path, JSON) of each message with these texts in it."""
    text, title, quote, name, _, uri = texts
    answer = hostile_answer(texts, rng)
    citations = tuple(replace(each, image="figure1") for each in answer.citations)
    figure = figure_of(replace(answer, citations=citations), lambda _: b"\x89PNG")
    for message in answer_messages(
        answer,
        figure=None if figure is None else figure_block("F0123456", figure),
        human=True,
        private=rng.random() < 0.3,
        asked=rng.choice((None, name)),
    ):
        yield "post", {"text": message.text, "blocks": message.blocks}
        pieces = _slices(message.markdown)
        for end in range(1, len(pieces) + 1):
            yield "stream", {"markdown_text": "".join(pieces[:end])}
    notice = notice_message(Notice(text, (title, quote), mood="problem"))
    yield "notice", {"text": notice.text, "blocks": notice.blocks}
    proposal = approval_message(Proposal("p", "a", text, "U1", name, 2))
    yield "approval", {"text": proposal.text, "blocks": proposal.blocks}
    question = correction_message("a1")
    yield "correction", {"text": question.text, "blocks": question.blocks}
    document = Document("d", "c", title, uri, "text/plain", 1, 1, 0, "2025-01-01T00:00:00+00:00")
    week = Week(1, (text,), {"wrong": 1})
    settings = Settings(dict.fromkeys(("adders", "follow-ups", "human"), quote) | {"admins": ""}, {})
    yield "home", home_view([document], everyones="c", week=week, settings=settings)
    yield "settings", settings_view({"human": name})
