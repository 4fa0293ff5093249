"""Many sources at once: read side by side, embedded together, reported in their order."""

from __future__ import annotations

from functools import partial

import pytest

from mmrag.errors import InvalidInput, NotReadable, UserFacingError
from mmrag.types import Question, Source


def source(name, text):
    return Source(name=name, data=text.encode(), uri=f"test:{name}")


def loaders(texts):
    return [partial(source, f"{number}.txt", text) for number, text in enumerate(texts)]


def refuse():
    raise NotReadable("This one is not there.")


def statuses(outcomes):
    return [str(each) if isinstance(each, UserFacingError) else each.status for each in outcomes]


def test_reports_come_in_the_order_of_the_sources_with_the_reason_of_each_that_failed(engine):
    texts = [
        f"Gateway {number} stands in hall {number % 7}. " * (1 + number % 5 * 40) for number in range(40)
    ]
    given = loaders(texts)
    given[11] = refuse
    given[23] = partial(source, "23.txt", "")
    outcomes = list(engine.add_many(given, collection="default"))
    assert [number for number, each in enumerate(statuses(outcomes)) if each != "added"] == [11, 23]
    assert str(outcomes[11]) == "This one is not there."
    assert "empty" in str(outcomes[23])
    titles = {document.id: document.title for document in engine.documents()}
    added = {number: each for number, each in enumerate(outcomes) if number not in (11, 23)}
    assert {number: titles[each.document_id] for number, each in added.items()} == {
        number: f"{number}.txt" for number in added
    }
    assert engine.search(Question("Where is gateway 39?")).hits


def test_what_is_added_together_is_what_is_added_one_by_one(start_engine, tmp_path):
    texts = [f"Rack {number} holds {number * 3} servers. It hums." for number in range(12)]
    together, single = (start_engine(home=tmp_path / name) for name in ("together", "single"))
    many = list(together.add_many(loaders(texts), collection="default"))
    one_by_one = [single.add(load(), collection="default") for load in loaders(texts)]
    assert many == one_by_one
    question = Question("How many servers are in rack 7?")
    found = [
        {(hit.title, hit.chunk.text, round(hit.score, 5)) for hit in engine.search(question, k=12).hits}
        for engine in (together, single)
    ]
    assert found[0] == found[1]


def test_a_source_given_twice_is_added_once_and_again_nothing_is_done(engine):
    twice = [*loaders(["The same text."]), *loaders(["The same text."])]
    assert sorted(statuses(engine.add_many(twice, collection="default"))) == ["added", "unchanged"]
    assert statuses(engine.add_many(twice, collection="default")) == ["unchanged", "unchanged"]
    assert len(engine.documents()) == 1


def test_a_caller_that_stops_keeps_what_was_reported(engine):
    outcomes = engine.add_many(loaders([f"Text {number}." for number in range(200)]), collection="default")
    reported = [next(outcomes) for _ in range(3)]
    outcomes.close()
    assert {each.document_id for each in reported} <= {document.id for document in engine.documents()}


def test_more_than_may_wait_to_be_embedded_is_added_all_the_same(engine, monkeypatch):
    monkeypatch.setattr("mmrag.engine.intake.CHARACTERS_AHEAD", 10)
    monkeypatch.setattr("mmrag.engine.intake.SOURCES_AHEAD", 3)
    given = loaders([f"This text is longer than what may wait: {number}." for number in range(10)])
    assert statuses(engine.add_many(given, collection="default")) == ["added"] * 10


def test_a_name_that_can_be_no_collection_is_refused(engine):
    with pytest.raises(InvalidInput):
        list(engine.add_many(loaders(["text"]), collection="no name"))
