"""The port Store, as far as answers and ratings go."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mmrag.errors import NotFound
from mmrag.ports import StoredAnswer
from mmrag.types import Rating, Unread
from tests.storage.samples import cite, make_answer, make_version, open_store


@pytest.fixture
def document(store):
    version = make_version(1)
    version.put_into(store)
    return version.document


def keep(store, answer, *, question="Why?", cache_key="key"):
    return store.save_answer(StoredAnswer(answer, question, ("shared", "private"), cache_key))


def test_an_answer_comes_back_as_it_was(store, document):
    answer = make_answer(cite(store, document))
    answer = replace(answer, unread=(Unread("x.png", "damaged"),), text="为什么? [1]")
    assert keep(store, answer)
    assert store.answer("a1") == StoredAnswer(answer, "Why?", ("shared", "private"), "key")
    assert store.answer("a2") is None


def test_an_answer_survives_a_restart(home):
    with open_store(home) as store:
        keep(store, make_answer())
    with open_store(home) as store:
        assert store.answer("a1").answer == make_answer()


@pytest.mark.parametrize("change", ["removed", "replaced"])
def test_an_answer_loses_its_text_with_the_document_it_quotes(store, document, change):
    other = make_version(2, uri="other.md")
    other.put_into(store)
    quoting = make_answer(cite(store, document), cite(store, other.document, marker=2))
    untouched = make_answer(cite(store, other.document), answer_id="a2")
    keep(store, quoting)
    keep(store, untouched)
    store.save_rating(Rating("a1", "up", author="ann"))
    if change == "removed":
        store.remove([document.id], None)
    else:
        make_version(3).put_into(store)
    assert store.answer("a1").answer == replace(quoting, text="", citations=())
    assert store.answer("a2").answer == untouched
    assert store.verdicts("a1") == (("ann", "up"),)


def test_an_emptied_answer_can_still_be_rated(store, document):
    keep(store, make_answer(cite(store, document)))
    store.remove([document.id], None)
    store.save_rating(Rating("a1", "down", author="ann"))
    assert store.verdicts("a1") == (("ann", "down"),)
    assert store.answer("a1").question == "Why?"


@pytest.mark.parametrize("change", ["removed", "replaced"])
def test_an_answer_whose_source_went_while_it_was_made_is_kept_without_text(store, document, change):
    answer = make_answer(cite(store, document))
    if change == "removed":
        store.remove([document.id], None)
    else:
        make_version(3).put_into(store)
    assert not keep(store, answer)
    assert store.answer("a1").answer == replace(answer, text="", citations=())


def test_citations_of_attachments_need_no_document(store):
    version = make_version(1)
    version.put_into(store)
    citation = replace(
        cite(store, version.document), document_id=None, chunk_id=None, uri=None, origin="attachment"
    )
    assert keep(store, make_answer(citation))
    store.remove([version.document.id], None)
    assert store.answer("a1").answer == make_answer(citation)


def test_cache_keys_of_a_document_are_known_before_and_after_it_goes(store, document):
    other = make_version(2, uri="other.md")
    other.put_into(store)
    keep(store, make_answer(cite(store, document), answer_id="a1"), cache_key="k1")
    keep(store, make_answer(cite(store, document), answer_id="a2"), cache_key="k2")
    keep(store, make_answer(cite(store, other.document), answer_id="a3"), cache_key="k3")
    assert store.cache_keys_citing([document.id]) == ("k1", "k2")
    store.remove([document.id], None)
    assert store.cache_keys_citing([document.id]) == ("k1", "k2")
    assert store.cache_keys_citing([document.id, other.document.id]) == ("k1", "k2", "k3")
    assert store.cache_keys_citing([]) == ()


def test_cache_keys_do_not_pile_up_over_many_updates(store):
    for seed in range(5):
        version = make_version(seed)
        version.put_into(store)
        keep(store, make_answer(cite(store, version.document), answer_id=f"a{seed}"), cache_key=f"k{seed}")
    assert store.cache_keys_citing([version.document.id]) == ("k3", "k4")


def test_an_abstention_is_emptied_with_its_nearest_source(store, document):
    answer = replace(make_answer(cite(store, document)), abstained=True)
    keep(store, answer)
    store.remove([document.id], None)
    assert store.answer("a1").answer.citations == ()
    assert store.answer("a1").answer.abstained


def test_the_last_verdict_of_each_author_wins(store):
    keep(store, make_answer())
    for author, verdict in [("ann", "up"), ("bob", "down"), ("ann", "down")]:
        store.save_rating(Rating("a1", verdict, author=author))
    assert store.verdicts("a1") == (("ann", "down"), ("bob", "down"))
    assert store.verdicts("a2") == ()


def test_an_unknown_answer_cannot_be_rated(store):
    with pytest.raises(NotFound, match="a9"):
        store.save_rating(Rating("a9", "up"))
