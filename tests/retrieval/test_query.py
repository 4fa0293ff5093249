from __future__ import annotations

import pytest

from mmrag.retrieval.query import self_contained
from mmrag.types import Turn

THREAD = (
    Turn("user", "Which regions does the quarterly report of Northwind cover?"),
    Turn("assistant", "It covers Europe and Asia."),
)


@pytest.mark.parametrize(
    "question",
    [
        "And in 2023?",
        "How much did it earn?",
        "Why?",
        "What about Asia?",
        "Is there another one with more detail on the costs?",
        "Which is larger?",
        "它是多少？",
        "那第三季度呢？",
        "为什么？",
    ],
)
def test_a_follow_up_carries_the_users_turn_before_it(question):
    completed = self_contained(question, THREAD)
    assert completed.startswith(question)
    assert "Northwind" in completed
    assert "Europe" not in completed  # what the bot said would answer itself


@pytest.mark.parametrize(
    "question",
    [
        "How many vacation days does a new employee in Berlin get?",
        "Which port does the payment gateway use for health checks?",
        "新员工入职第一年可以休多少天年假？",
    ],
)
def test_a_question_with_its_own_topic_stays_as_it_is(question):
    assert self_contained(question, THREAD) == question


def test_the_first_question_of_a_thread_stays_as_it_is():
    assert self_contained("Why?", ()) == "Why?"
    assert self_contained("Why?", [Turn("assistant", "Hello, ask me about the handbook.")]) == "Why?"


def test_the_last_of_the_users_turns_counts():
    history = [*THREAD, Turn("user", "Who wrote it?"), Turn("assistant", "Ada.")]
    assert self_contained("When?", history).endswith("Who wrote it?")
