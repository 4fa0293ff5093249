"""Asking the real engine: support, isolation, freshness, repeats, corrections, the thread."""

from __future__ import annotations

import threading

import pytest

from mmrag.errors import InvalidInput, NotFound, NotReadable
from mmrag.types import Attachment, Question, Rating, Source, Turn

HANDBOOK = """# Travel

A taxi from the airport is paid up to 45 euros. Hotels are booked by the office and cost at most
130 euros a night.

# Kitchen

The coffee machine on the third floor is cleaned every Friday by the facilities team.
"""
TAXI = "Up to how many euros is a taxi from the airport paid?"


def ask(engine, text, **parts):
    return engine.ask(Question(text, **parts))


def test_an_answer_cites_the_words_it_rests_on(engine, add_text):
    report = add_text(HANDBOOK, name="handbook.md")

    answer = ask(engine, TAXI)

    assert not answer.abstained
    assert "45 euros" in answer.text
    assert "[1]" in answer.text
    first = answer.citations[0]
    assert (first.marker, first.document_id, first.page) == (1, report.document_id, 1)
    assert first.title == "Travel"
    assert first.uri == "test:handbook.md"
    assert "A taxi from the airport is paid up to 45 euros." in first.quote


def test_what_the_documents_do_not_say_is_not_answered(engine, add_text):
    add_text(HANDBOOK, name="handbook.md")

    answer = ask(engine, "Which insurance covers a lost suitcase?")

    assert answer.abstained
    assert "[1]" not in answer.text
    assert {citation.title for citation in answer.citations} <= {"Travel"}


def test_an_empty_knowledge_base_abstains_without_sources(engine):
    answer = ask(engine, TAXI)

    assert answer.abstained
    assert answer.citations == ()


def test_another_collection_is_neither_found_nor_cited_nor_cached_across(engine, add_text):
    add_text(HANDBOOK, name="handbook.md", collection="finance")

    inside = ask(engine, TAXI, collections=("finance",))
    outside = ask(engine, TAXI, collections=("sales",))

    assert not inside.abstained
    assert outside.abstained
    assert outside.citations == ()
    assert not outside.cached
    assert engine.search(Question(TAXI, collections=("sales",))).hits == ()


def test_a_question_over_several_collections_uses_them_all(engine, add_text):
    add_text(HANDBOOK, name="handbook.md", collection="everyone")
    add_text(
        "The vault code of the finance team is kept by Rosa Lima.", name="vault.txt", collection="finance"
    )

    both = ("everyone", "finance")

    assert "Rosa Lima" in ask(engine, "Who keeps the vault code?", collections=both).text
    assert "45 euros" in ask(engine, TAXI, collections=both).text


def test_a_repeated_question_comes_from_the_cache(engine, add_text):
    add_text(HANDBOOK, name="handbook.md")

    first, second = ask(engine, TAXI), ask(engine, TAXI)

    assert (first.cached, second.cached) == (False, True)
    assert (second.id, second.text, second.citations) == (first.id, first.text, first.citations)


def test_no_older_answer_is_served_after_add_update_or_remove(engine, add_text):
    add_text(HANDBOOK, name="handbook.md")
    assert "45 euros" in ask(engine, TAXI).text

    report = add_text(HANDBOOK.replace("45 euros", "60 euros"), name="handbook.md")
    updated = ask(engine, TAXI)
    engine.remove([report.document_id])
    removed = ask(engine, TAXI)

    assert report.status == "updated"
    assert "60 euros" in updated.text
    assert not updated.cached
    assert removed.abstained
    assert not removed.cached


def test_the_same_content_again_is_unchanged(engine, add_text):
    first = add_text(HANDBOOK, name="handbook.md")
    again = add_text(HANDBOOK, name="handbook.md")

    assert (first.status, again.status) == ("added", "unchanged")
    assert again.document_id == first.document_id
    assert len(engine.documents()) == 1


def test_a_correction_answers_its_question_from_then_on(engine, add_text):
    add_text(HANDBOOK, name="handbook.md")
    wrong = ask(engine, TAXI)

    receipt = engine.rate(Rating(wrong.id, "down", "A taxi is paid up to 55 euros since June.", author="ana"))
    corrected = ask(engine, TAXI)

    assert "55 euros" in corrected.text
    assert "45 euros" not in corrected.text
    assert corrected.citations[0].document_id == receipt.correction_document_id
    assert corrected.citations[0].title == "Correction by ana"


def test_a_rating_of_an_unknown_answer_says_so(engine):
    with pytest.raises(NotFound, match="no answer 'nope'"):
        engine.rate(Rating("nope", "up"))


def test_a_follow_up_is_understood_from_its_thread(engine, add_text):
    add_text(
        "The Lisbon office opens at 9:00. The Lisbon office closes at 18:30.\n\n"
        "The Oslo office opens at 8:00. The Oslo office closes at 16:00.",
        name="offices.txt",
    )
    thread = (Turn("user", "When does the Oslo office open?"), Turn("assistant", "It opens at 8:00. [1]"))

    assert "16:00" in ask(engine, "And when does it close?", history=thread).text


def test_a_statement_of_the_thread_can_be_cited(engine):
    thread = (
        Turn("user", "For your information: the spare projector is in cabinet 17 on the second floor."),
    )

    answer = ask(engine, "In which cabinet is the spare projector?", history=thread)

    assert "17" in answer.text
    assert answer.citations[0].origin == "thread"
    assert answer.citations[0].document_id is None


def test_an_attached_file_is_evidence_and_is_not_kept(engine):
    attached = Attachment("minutes.txt", b"The next board meeting is on 14 March in room Aurora.")

    answer = ask(engine, "When is the next board meeting?", attachments=(attached,))

    assert "14 March" in answer.text
    assert answer.citations[0].origin == "attachment"
    assert answer.citations[0].title == "minutes.txt"
    assert engine.documents() == ()
    assert ask(engine, "When is the next board meeting?").abstained


def test_the_cache_tells_attachments_apart(engine):
    question = "When is the next board meeting?"
    march = Attachment("minutes.txt", b"The next board meeting is on 14 March in room Aurora.")
    april = Attachment("minutes.txt", b"The next board meeting is on 21 April in room Aurora.")

    assert "14 March" in ask(engine, question, attachments=(march,)).text
    assert "21 April" in ask(engine, question, attachments=(april,)).text


def test_every_attachment_beyond_the_limit_is_named(start_engine):
    engine = start_engine(max_attachments=1)
    notes = tuple(Attachment(f"{n}.txt", b"The door code is 4711 for everyone.") for n in range(3))

    answer = ask(engine, "What is the door code?", attachments=notes)

    assert [unread.name for unread in answer.unread] == ["1.txt", "2.txt"]


def test_the_same_question_asked_at_once_is_answered_once(engine, add_text):
    add_text(HANDBOOK, name="handbook.md")
    start = threading.Barrier(20)
    answers = []

    def one():
        start.wait()
        answers.append(ask(engine, TAXI))

    threads = [threading.Thread(target=one) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(answers) == 20
    assert len({answer.id for answer in answers}) == 1


@pytest.mark.parametrize(
    ("question", "sentence"),
    [
        (Question("   "), "The question is empty"),
        (Question("x" * 100_000), "has 100,000 characters and at most 8,000"),
        (Question("fine", collections=("no/slash",)), "is no collection name"),
    ],
)
def test_a_bad_question_is_refused_with_what_to_do(engine, question, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        engine.ask(question)


def test_a_document_without_text_is_refused(engine):
    with pytest.raises(NotReadable, match="empty"):
        engine.add(Source("empty.txt", b"", "test:empty"), collection="default")


def test_two_engines_on_one_data_folder_see_each_others_changes(start_engine):
    one, two = start_engine(), start_engine()
    one.add(Source("a.txt", HANDBOOK.encode(), "test:a"), collection="default")

    assert "45 euros" in ask(two, TAXI).text

    (document,) = two.documents()
    two.remove([document.id])

    assert ask(one, TAXI).abstained
