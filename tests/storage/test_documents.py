"""The port Store, as far as documents go."""

from __future__ import annotations

import numpy as np
import pytest

from mmrag.errors import InvalidInput, NotFound
from mmrag.types import document_id
from tests.storage.samples import expected, held, make_version, open_store


def test_what_was_put_is_found_whole(store):
    version = make_version(1)
    version.put_into(store)
    assert held(store) == {("shared", "handbook.md"): expected(version)}
    assert store.find(collection="shared", uri="handbook.md") == (version.document, version.content_hash)


def test_what_was_put_is_there_after_a_restart(home):
    version = make_version(1)
    with open_store(home) as store:
        version.put_into(store)
    with open_store(home) as store:
        assert held(store) == {("shared", "handbook.md"): expected(version)}


def test_an_unknown_source_is_not_found(store):
    make_version(1).put_into(store)
    assert store.find(collection="private", uri="handbook.md") is None
    assert store.find(collection="shared", uri="other.md") is None


def test_a_new_version_replaces_the_old_one_and_keeps_its_id(store):
    old, new = make_version(1), make_version(2)
    old.put_into(store)
    before = store.changes("shared", since=0, after=0).added
    new.put_into(store)
    assert held(store) == {("shared", "handbook.md"): expected(new)}
    assert new.document.id == old.document.id
    assert store.hits(before) == {}


def test_the_same_source_in_two_collections_is_two_documents(store):
    shared, private = make_version(1), make_version(2, collection="private")
    shared.put_into(store)
    private.put_into(store)
    assert shared.document.id != private.document.id
    assert store.documents(["private"]) == (private.document,)
    assert store.documents(["shared"]) == (shared.document,)
    assert store.documents([]) == ()
    assert len(store.documents(None)) == 2


def test_documents_are_listed_newest_first(store):
    versions = [make_version(seed, uri=f"{seed}.md") for seed in range(6)]
    for version in versions:
        version.put_into(store)
    listed = [document.added_at for document in store.documents(None)]
    assert listed == sorted(listed, reverse=True)
    assert len(set(listed)) > 1


def test_remove_returns_what_it_removed_in_the_order_asked_for(store):
    first, second, third = versions = [make_version(seed, uri=f"{seed}.md") for seed in range(3)]
    for version in versions:
        version.put_into(store)
    asked = [third.document.id, first.document.id, third.document.id]
    assert store.remove(asked, None) == (third.document, first.document)
    assert store.documents(None) == (second.document,)


def test_an_unknown_id_removes_nothing(store):
    version = make_version(1)
    version.put_into(store)
    with pytest.raises(NotFound, match="nope"):
        store.remove([version.document.id, "nope"], None)
    assert held(store) == {("shared", "handbook.md"): expected(version)}


def test_a_document_outside_the_collections_is_unknown_to_remove(store):
    version = make_version(1, collection="private")
    version.put_into(store)
    with pytest.raises(NotFound):
        store.remove([version.document.id], ["shared"])
    assert store.documents(None) == (version.document,)


def test_removing_leaves_no_row_of_the_document_behind(store):
    version = make_version(1)
    version.put_into(store)
    ids = store.changes("shared", since=0, after=0).added
    names = {chunk.image for chunk, _, _ in store.hits(ids).values() if chunk.image}
    assert names
    assert all(store.figure(name) for name in names)
    store.remove([version.document.id], None)
    assert store.page(version.document.id, 1) is None
    assert not any(store.figure(name) for name in names)
    assert store.hits(ids) == {}


def test_a_document_that_fails_half_way_leaves_the_old_version(store):
    old, new = make_version(1), make_version(2)
    old.put_into(store)
    broken = [*new.pages, new.pages[0]]  # the same page number twice
    with pytest.raises(Exception, match="UNIQUE"):
        store.put(
            new.document,
            content_hash="x",
            pages=broken,
            chunks=new.chunks,
            vectors=new.vectors,
            embedder="tiny",
        )
    assert held(store) == {("shared", "handbook.md"): expected(old)}
    assert store.states()["shared"].revision == 1


def test_chunks_and_vectors_must_match(store):
    version = make_version(1)
    with pytest.raises(ValueError, match="chunks with vectors"):
        store.put(
            version.document,
            content_hash="x",
            pages=version.pages,
            chunks=version.chunks,
            vectors=np.zeros((1, 8), np.float32),
            embedder="tiny",
        )
    assert store.documents(None) == ()


def test_text_that_is_not_unicode_is_refused_with_a_sentence(store):
    with pytest.raises(InvalidInput, match="not Unicode"):
        store.find(collection="shared", uri="caf\udce9.md")  # how Python spells a name that is not UTF-8
    assert store.documents(None) == ()


@pytest.mark.parametrize(
    "name", ["figure-0", "figure-1 ", "figure-x", "../figure-1", "figure-" + "9" * 30, ""]
)
def test_a_name_that_is_no_figure_has_no_picture(store, name):
    make_version(1).put_into(store)
    assert store.figure(name) is None


def test_the_folder_and_the_file_are_for_their_owner_only(store, home):
    make_version(1).put_into(store)
    assert home.stat().st_mode & 0o777 == 0o700
    assert {file.stat().st_mode & 0o777 for file in home.iterdir()} == {0o600}


def test_ids_depend_on_collection_and_source_and_not_on_how_they_join():
    assert document_id("a", "bc") != document_id("ab", "c")
    assert document_id("a", "b") == document_id("a", "b")


def test_a_page_comes_with_its_chunks_in_their_order(store):
    version = make_version(1)
    version.put_into(store)
    for page in version.pages:
        stored = store.stored_page(version.document.id, page.number)
        assert stored.text == page.text
        drafts = sorted((c for c in version.chunks if c.page == page.number), key=lambda c: c.start)
        assert [(c.start, c.end, c.text, c.context, c.kind) for c in stored.chunks] == [
            (d.start, d.end, d.text, d.context, d.kind) for d in drafts
        ]
        live = store.hits([chunk.id for chunk in stored.chunks])
        assert [live[chunk.id][0] for chunk in stored.chunks] == list(stored.chunks)
    assert store.stored_page(version.document.id, 99) is None
    assert store.stored_page("nobody", 1) is None


def test_a_copy_in_another_collection_is_the_same_document_there(store):
    version = make_version(1)
    version.put_into(store)
    [copied] = store.copy([version.document.id], ["shared"], into="everyone")
    assert copied.id == document_id("everyone", "handbook.md")
    assert held(store) == {
        ("shared", "handbook.md"): expected(version),
        ("everyone", "handbook.md"): expected(version) | {"document": copied},
    }


def test_a_copy_replaces_what_was_shared_before_and_lives_on_without_the_original(store):
    old, new = make_version(1), make_version(2)
    for version in (old, new):
        version.put_into(store)
        [copied] = store.copy([version.document.id], None, into="everyone")
    store.remove([new.document.id], None)
    assert held(store) == {("everyone", "handbook.md"): expected(new) | {"document": copied}}


def test_nothing_is_copied_if_one_document_is_not_there(store):
    version = make_version(1)
    version.put_into(store)
    with pytest.raises(NotFound):
        store.copy([version.document.id, "unknown"], ["shared"], into="everyone")
    with pytest.raises(NotFound):
        store.copy([version.document.id], ["private"], into="everyone")
    assert list(held(store)) == [("shared", "handbook.md")]
