"""Judging answers: what is counted, and what a faulty file is told."""

from __future__ import annotations

import json

import pytest

from mmrag.errors import InvalidInput
from mmrag.evaluation.answers import AnswerRow, AnswersReport, judge, load
from mmrag.types import Answer, Citation, Generation

GENERATION = Generation("g", "m", "1")


def answer(text, *quotes, abstained=False):
    citations = tuple(
        Citation(number, "d", "Report", 1, "u", quote, 1) for number, quote in enumerate(quotes, start=1)
    )
    return Answer("1", text, abstained, citations, (), cached=False, generation=GENERATION, timings_ms={})


def row(*expected, numeric=False):
    return AnswerRow("How many tickets came in 2024?", (), expected, numeric=numeric)


def test_a_sentence_rests_on_the_quotes_that_hold_its_words_and_numbers():
    said = answer(
        "547 tickets came in. [1] The office is in Porto. [2]", "547 tickets came in.", "Lunch at noon."
    )
    judged = judge(row("547", numeric=True), said)
    assert [sentence.held for sentence in judged.sentences] == [True, False]
    assert judged.right is True
    assert not judged.wrong_number


def test_a_number_without_a_source_is_counted_and_one_that_is_worked_out_is_not():
    said = answer("It was 5 − 3 = 2. [1] It was 9. [1]", "From 3 to 5")
    judged = judge(row("2", numeric=True), said)
    assert [sentence.stray for sentence in judged.sentences] == [(), ("9",)]


def test_a_marker_that_adds_nothing_lowers_precision_but_not_recall():
    said = answer("The valve is red. [1][2]", "The valve is red.", "Lunch at noon.")
    figures = AnswersReport((judge(row("red"), said),), ()).to_json()
    assert figures["citation_recall"] == 1.0
    assert figures["citation_precision"] == 0.5


def test_numbers_of_the_question_do_not_make_an_answer_right_or_wrong():
    judged = judge(row("2024", numeric=True), answer("It was in 2024. [1]", "It was in 2024."))
    assert judged.right is False
    assert not judged.wrong_number


def test_balanced_accuracy_weighs_answers_and_refusals_alike():
    refused = answer("I could not find an answer.", abstained=True)
    said = answer("The valve is red. [1]", "The valve is red.")
    judged = [judge(row("red"), said)] * 3 + [judge(row("red"), refused), judge(row(), refused)]
    figures = AnswersReport(tuple(judged), ()).to_json()
    assert figures["abstention"] == {
        "answerable_answered": 0.75,
        "unanswerable_refused": 1.0,
        "balanced_accuracy": 0.875,
    }


GOOD = {"question": "Q?", "documents": ["text"], "answer": None}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"question": " "}, "'question' is empty"),
        ({"documents": "text"}, "'documents' must be a list"),
        ({"documents": [3]}, "a document is a text"),
        ({"documents": [{"path": "missing.pdf"}]}, "missing.pdf is not beside"),
        ({"image": "missing.png"}, "missing.png is not beside"),
        ({"answer": [""]}, "'answer' is a text, a list"),
        ({"history": [{"role": "bot", "text": "x"}]}, "'history' is a list"),
    ],
)
def test_a_faulty_row_is_named_with_its_line(tmp_path, change, says):
    file = tmp_path / "rows.jsonl"
    file.write_text(json.dumps(GOOD) + "\n" + json.dumps(GOOD | change) + "\n", "utf-8")
    with pytest.raises(InvalidInput, match="line 2") as raised:
        load(file)
    assert says in str(raised.value)


def test_a_row_without_an_answer_field_is_a_fault_and_numbers_are_seen(tmp_path):
    file = tmp_path / "rows.jsonl"
    file.write_text(json.dumps(GOOD | {"answer": 28}) + "\n", "utf-8")
    assert load(file)[0].numeric
    file.write_text(json.dumps({"question": "Q?", "documents": []}) + "\n", "utf-8")
    with pytest.raises(InvalidInput, match="'answer' is missing"):
        load(file)
