"""questions.jsonl: every row can be asked, and what it expects is what the files say."""

from __future__ import annotations

from pathlib import Path

FIELDS = {"question", "answer", "documents", "image", "history", "lang"}


def expected(row):
    return [row["answer"]] if isinstance(row["answer"], str) else row["answer"] or []


def test_every_row_has_the_fields_of_an_evaluation(questions):
    for row in questions:
        assert {"question", "answer", "documents", "lang"} <= row.keys() <= FIELDS
        assert row["lang"] in {"en", "zh"}
        assert row["answer"] is None or expected(row)


def test_every_file_that_a_row_names_exists(questions, examples):
    for row in questions:
        for name in row["documents"]:
            assert (examples / "knowledge" / name).is_file()
        assert "image" not in row or (examples / row["image"]).is_file()


def test_every_document_is_asked_about(questions, examples):
    asked = {name for row in questions for name in row["documents"]}
    texts = {path.name for path in (examples / "knowledge").iterdir() if path.suffix != ".png"}

    assert asked == texts


def test_every_readable_attachment_is_asked_about(questions, examples):
    asked = {Path(row["image"]).name for row in questions if "image" in row}
    attachments = {path.name for path in (examples / "attachments").iterdir()}

    assert attachments - asked == {"harbour.jpg", "broken-chart.png"}


def test_both_languages_have_questions_without_an_answer(questions):
    unanswerable = [row["lang"] for row in questions if row["answer"] is None]

    assert len(unanswerable) >= 6
    assert set(unanswerable) == {"en", "zh"}
    assert all(row["documents"] == [] for row in questions if row["answer"] is None)


def test_every_expected_answer_stands_in_a_named_document_or_in_the_picture(questions, read_words):
    missing = []
    for row in questions:
        sources = row["documents"] + ([row["image"]] if row["answer"] and "image" in row else [])
        seen = " ".join(read_words(name) for name in sources)
        missing += [(row["question"], answer) for answer in expected(row) if answer not in seen]

    assert missing == []


def test_a_row_with_a_picture_and_documents_is_not_answered_by_the_picture_alone(questions, read_words):
    for row in questions:
        if row["answer"] and "image" in row and row["documents"]:
            assert any(answer not in read_words(row["image"]) for answer in expected(row)), row["question"]


def test_the_harbour_has_nothing_to_read(read_words):
    assert read_words("harbour.jpg") == ""
