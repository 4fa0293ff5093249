"""What is kept of what was asked: times and outcomes, for a while, and nothing after its collection."""

from __future__ import annotations

import time

import pytest

from mmrag.assemble import build_engine
from mmrag.config import Settings
from mmrag.errors import NotFound
from mmrag.ports import StoredAnswer
from mmrag.storage.catalog import SqliteStore
from mmrag.storage.insight import PROPOSALS_KEPT_SECONDS
from mmrag.types import Asked, Original, Rating, document_id
from tests.retrieval.memory_feed import HashEmbedder
from tests.storage.samples import EMBEDDER, cite, make_answer, make_version, open_store

DAY = 24 * 3600
ORIGINAL = Original("canary.bin", b"\x00the canary sings at dawn\xff" * 50)


@pytest.fixture
def store(home):
    with open_store(home) as store:
        yield store


def give(store, answer_id, *, question="Which?", collections=("shared",), cited=True):
    """An answer that cites the handbook of `shared`."""
    version = make_version(1)
    if store.find(collection="shared", uri="handbook.md") is None:
        version.put_into(store)
    citations = (cite(store, version.document),) if cited else ()
    store.save_answer(
        StoredAnswer(make_answer(*citations, answer_id=answer_id), question, collections, answer_id)
    )


def asked(answer_id, *, at=None, collection="shared", abstained=False, cached=False, **timings):
    return Asked(
        time.time() if at is None else at, answer_id, collection, abstained, cached, timings or {"total": 5.0}
    )


def test_days_count_what_was_answered_abstained_cached_and_rated_down(store):
    give(store, "a1")
    give(store, "a2", cited=False)
    noon = 20_000 * DAY + DAY / 2
    store.insight.note([asked("a1", at=time.time()), asked("a1", cached=True), asked("a2", abstained=True)])
    store.save_rating(Rating("a1", "down"))
    store.save_rating(Rating("a2", "down"))
    (today,) = store.insight.days("shared", since=noon)
    assert (today.answered, today.abstained, today.cached, today.rated_down) == (2, 1, 1, 2)
    assert store.insight.days("private", since=0) == ()
    assert store.insight.days("shared", since=time.time() + 5) == ()


def test_durations_ascend_by_stage_and_the_cached_ones_stand_apart(store):
    give(store, "a1")
    store.insight.note(
        [asked("a1", search=n, total=2 * n) for n in (3.0, 1.0, 2.0)] + [asked("a1", cached=True, total=0.5)]
    )
    assert store.insight.durations("shared", since=0) == {"search": [1.0, 2.0, 3.0], "total": [2.0, 4.0, 6.0]}
    assert store.insight.durations("shared", since=0, cached=True) == {"total": [0.5]}


def test_what_was_asked_is_forgotten_in_time(home):
    with SqliteStore(home / "store.sqlite3", insight_days=2) as store:
        give(store, "a1")
        store.insight.note([asked("a1", at=time.time() - 3 * DAY)])
        store.insight.note([asked("a1")])
        assert sum(day.asked for day in store.insight.days("shared", since=0)) == 1


def test_what_was_asked_is_forgotten_in_time_where_nobody_asks_any_more(home, reader):
    with SqliteStore(home / "store.sqlite3") as store:
        give(store, "a1")
        store.insight.note([asked("a1", at=time.time() - 3 * DAY), asked("a1")])
    settings = Settings(home=home, insight_days=2)
    with build_engine(settings, embedder=HashEmbedder(), reader=reader):
        pass  # what is due is done before it ends
    with SqliteStore(home / "store.sqlite3") as store:
        assert sum(day.asked for day in store.insight.days("shared", since=0)) == 1


def test_nothing_is_kept_where_nothing_is_to_be(home):
    with SqliteStore(home / "store.sqlite3", insight_days=0) as store:
        give(store, "a1")
        store.insight.note([asked("a1")])
        assert store.insight.days("shared", since=0) == ()


def test_a_collection_that_is_forgotten_takes_its_questions_along(store):
    give(store, "a1")
    give(store, "a2", collections=("shared", "private"))
    store.insight.note([asked("a1"), asked("a2", collection="private"), asked("nobody's")])
    store.insight.propose(Rating("a2", "down", "No.", author="eva"), proposal_id="p")
    make_version(2, collection="private").put_into(store)
    store.forget("private")
    assert store.insight.days("private", since=0) == ()
    assert store.insight.proposals("private") == ()
    assert [day.asked for day in store.insight.days("shared", since=0)] == [1]
    assert store.insight.places() == ("shared",)


def test_uses_count_the_questions_of_the_place_itself(store):
    give(store, "a1")
    give(store, "a2", collections=("shared", "private"))
    make_version(3, uri="attic.md").put_into(store)
    store.insight.note([asked("a1"), asked("a1"), asked("a2", collection="private")])
    uses = store.insight.uses("shared", since=0)
    assert [(use.document.uri, use.answers, use.at is None) for use in uses] == [
        ("handbook.md", 2, False),
        ("attic.md", 0, True),
    ]


def test_a_correction_waits_once_under_its_name_and_not_for_ever(store, monkeypatch):
    give(store, "a1", question="How many?", collections=("shared", "private"))
    for text in ("Two.", "Three."):
        store.insight.propose(Rating("a1", "down", text, author="eva"), proposal_id="p")
    (proposal,) = store.insight.proposals("private")
    assert (proposal.question, proposal.correction, proposal.author) == ("How many?", "Two.", "eva")
    assert store.insight.proposals("shared") == ()
    assert store.insight.proposal("p", collections=None) == proposal
    with pytest.raises(NotFound):
        store.insight.proposal("p", collections=["shared"])
    later = time.time() + PROPOSALS_KEPT_SECONDS + 1
    monkeypatch.setattr("mmrag.storage.insight.time.time", lambda: later)
    assert store.insight.proposals("private") == ()
    with pytest.raises(NotFound):
        store.insight.proposal("p", collections=None)
    store.insight.propose(Rating("a1", "down", "Four.", author="joe"), proposal_id="q")
    assert [each.id for each in store.insight.proposals("private")] == ["q"]
    store.insight.drop_proposal("q")
    assert store.insight.proposals("private") == ()


def test_an_original_goes_with_its_document_and_with_its_version(store, home):
    version = make_version(1)
    for original in (ORIGINAL, None, ORIGINAL):
        store.put(
            version.document,
            content_hash="h",
            pages=version.pages,
            chunks=version.chunks,
            vectors=version.vectors,
            embedder=EMBEDDER,
            original=original,
        )
        assert store.original(version.document.id) == original
        assert store.has_original(version.document.id) == (original is not None)
    store.copy([version.document.id], ["shared"], into="private")
    copied = document_id("private", version.document.uri)
    assert store.original(copied) == ORIGINAL
    store.remove([version.document.id], None)
    assert store.original(version.document.id) is None
    assert store.original(copied) == ORIGINAL
    store.remove([copied], None)
    store.compact()
    assert not any(b"canary sings" in file.read_bytes() for file in home.rglob("*") if file.is_file())
