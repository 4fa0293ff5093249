"""The ports ChunkFeed and VectorStore: an index that follows the changes holds what the store holds."""

from __future__ import annotations

import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from mmrag.types import document_id
from tests.storage.samples import (
    COLLECTIONS,
    DIMENSION,
    EMBEDDER,
    all_rows,
    expected,
    held,
    make_version,
    open_store,
)


def revision(store, collection="shared"):
    return store.states([collection])[collection].revision


def ids_of(store, collection="shared"):
    return store.changes(collection, since=0, after=0).added.tolist()


def test_a_collection_that_never_was_has_no_state_and_no_chunks(store):
    changes = store.changes("nowhere", since=0, after=0)
    assert store.states(["nowhere"]) == {}
    assert (changes.revision, changes.anew, changes.removed, len(changes.added)) == (0, True, frozenset(), 0)
    batch = store.rows([], embedder=EMBEDDER)
    assert (len(batch.ids), batch.texts, len(batch.embedded), len(batch.vectors)) == (0, (), 0, 0)


def test_a_batch_is_what_an_index_wants(store):
    version = make_version(1)
    version.put_into(store)
    batch = all_rows(store, "shared")
    assert batch.ids.dtype == np.int64
    assert (np.diff(batch.ids) > 0).all()
    assert (batch.embedded == batch.ids).all()
    assert batch.vectors.dtype == np.float32
    assert (batch.vectors == version.vectors).all()
    assert batch.texts == tuple(draft.searched for draft in version.chunks)


def test_every_change_of_a_collection_raises_its_revision_and_no_others(store):
    make_version(1).put_into(store)
    first = revision(store)
    make_version(3, collection="private").put_into(store)
    assert revision(store) == first
    make_version(2).put_into(store)
    second = revision(store)
    assert second > first
    private = revision(store, "private")
    store.remove([document_id("shared", "handbook.md")], None)
    assert revision(store) > second
    assert revision(store, "private") == private


def test_only_what_changed_since_a_revision_is_told(store):
    make_version(1, uri="a.md").put_into(store)
    before, since = ids_of(store), revision(store)
    new = make_version(2, uri="b.md")
    new.put_into(store)
    changes = store.changes("shared", since=since, after=before[-1])
    assert (changes.revision, changes.anew, changes.removed) == (revision(store), False, frozenset())
    assert store.rows(changes.added, embedder=EMBEDDER).texts == tuple(d.searched for d in new.chunks)


def test_what_was_removed_is_told_until_the_store_may_forget_it(store):
    make_version(1, uri="a.md").put_into(store)
    make_version(2, uri="b.md").put_into(store)
    ids, since = ids_of(store), revision(store)
    store.remove([document_id("shared", "b.md")], None)
    changes = store.changes("shared", since=since, after=ids[-1])
    assert changes.removed == frozenset(ids) - frozenset(ids_of(store))
    store.forget_removals("shared", until=revision(store))
    assert store.changes("shared", since=since, after=ids[-1]).anew
    later = store.changes("shared", since=revision(store), after=ids[-1])
    assert (later.anew, later.removed, len(later.added)) == (False, frozenset(), 0)


def test_ids_are_never_reused(store):
    seen: set[int] = set()
    for seed in range(5):
        make_version(seed).put_into(store)
        ids = set(ids_of(store))
        assert not ids & seen
        seen |= ids
        if seed % 2:
            store.remove([document_id("shared", "handbook.md")], None)
        else:
            store.forget("shared")


def test_a_forgotten_name_used_again_is_anew_for_every_index_of_before(store):
    make_version(1).put_into(store)
    since, last = revision(store), ids_of(store)[-1]
    store.forget("shared")
    assert store.states(["shared"]) == {}
    make_version(2).put_into(store)
    changes = store.changes("shared", since=since, after=last)
    assert changes.anew
    assert changes.revision > since
    assert changes.added.tolist() == ids_of(store)


def test_unknown_ids_have_no_hits_and_a_great_many_ids_are_no_problem(store):
    make_version(1).put_into(store)
    assert store.hits([]) == {}
    assert set(store.hits([*range(100_000)])) == set(ids_of(store))
    assert store.rows([*range(100_000)], embedder=EMBEDDER).ids.tolist() == ids_of(store)


# ------------------------------------------------- a change of the embedding model


def test_chunks_of_an_earlier_model_have_no_vector_of_the_new_one(store):
    old, new = make_version(1, uri="old.md"), make_version(2, uri="new.md")
    old.put_into(store, embedder="older")
    new.put_into(store)
    assert store.states()["shared"].embedder == "older"
    batch = all_rows(store, "shared")
    assert len(batch.ids) == len(old.chunks) + len(new.chunks)
    assert (batch.vectors == new.vectors).all()
    assert batch.embedded.tolist() == batch.ids.tolist()[len(old.chunks) :]


def test_a_collection_is_switched_once_every_chunk_has_its_new_vector(store):
    version = make_version(1)
    version.put_into(store, embedder="older")
    assert not store.switch_embedder("shared", embedder=EMBEDDER)
    before = revision(store)
    vectors = np.random.default_rng(3).random((len(version.chunks), DIMENSION), dtype=np.float32)
    texts, start = {}, 0
    while missing := store.without_vector("shared", embedder=EMBEDDER, after=0, limit=2):
        texts |= missing
        store.put_vectors([*missing], vectors[start : start + len(missing)], embedder=EMBEDDER)
        start += len(missing)
    assert [texts[id_] for id_ in sorted(texts)] == [draft.searched for draft in version.chunks]
    assert store.states()["shared"].embedder == "older"
    assert store.switch_embedder("shared", embedder=EMBEDDER)
    assert (store.states()["shared"].embedder, revision(store)) == (EMBEDDER, before)
    assert (all_rows(store, "shared").vectors == vectors).all()
    assert len(store.rows(ids_of(store), embedder="older").embedded) == 0


def test_new_vectors_of_chunks_that_went_meanwhile_are_passed_over(store):
    version = make_version(1)
    version.put_into(store, embedder="older")
    ids = ids_of(store)
    store.remove([version.document.id], None)
    store.put_vectors(ids, version.vectors, embedder=EMBEDDER)
    assert len(store.rows(ids, embedder=EMBEDDER).ids) == 0


# ------------------------------------------------------------------ many at once


def test_readers_see_one_version_while_a_writer_replaces_it(store):
    versions = [make_version(seed) for seed in range(20)]
    whole = {}
    for version in versions:
        version.put_into(store)
        whole[revision(store)] = ids_of(store)

    def read(_):
        changes = store.changes("shared", since=0, after=0)
        return changes.revision not in whole or changes.added.tolist() == whole[changes.revision]

    with ThreadPoolExecutor(4) as pool:
        looks = pool.map(read, range(200))
        for version in versions[1:]:
            version.put_into(store)
            texts = all_rows(store, "shared").texts
            assert texts == tuple(draft.searched for draft in version.chunks)
        assert all(looks)


def test_many_threads_write_one_store(store):
    versions = [make_version(seed, uri=f"{seed}.md", words=3) for seed in range(24)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda version: version.put_into(store), versions))
    assert revision(store) == len(versions)
    assert held(store) == {("shared", v.document.uri): expected(v) for v in versions}


class Follower:
    """What an index keeps of a collection: ids and texts, and how far it has read."""

    def __init__(self, collection):
        self.collection = collection
        self.revision = self.covered = 0
        self.rows: dict[int, tuple[str, bytes]] = {}

    def follow(self, store):
        changes = store.changes(self.collection, since=self.revision, after=self.covered)
        if changes.anew:
            self.rows, self.covered = {}, 0
        for chunk in changes.removed & self.rows.keys():
            del self.rows[chunk]
        added = store.rows(changes.added, embedder=EMBEDDER)
        assert not self.rows.keys() & set(added.ids.tolist())
        for chunk, text, vector in zip(added.ids.tolist(), added.texts, added.vectors, strict=True):
            self.rows[chunk] = (text, vector.tobytes())
        self.revision, self.covered = changes.revision, max([self.covered, *added.ids.tolist()])


class Collections(RuleBasedStateMachine):
    """Two collections that change, against a dict; and indexes that look now and then."""

    def __init__(self):
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.store = open_store(Path(self.folder.name) / "home")
        self.model: dict = {}
        self.followers = [Follower(name) for name in COLLECTIONS]

    def teardown(self):
        self.store.close()
        self.folder.cleanup()

    @rule(collection=st.sampled_from(COLLECTIONS), name=st.integers(0, 3), seed=st.integers(0, 10**6))
    def put(self, collection, name, seed):
        version = make_version(seed, collection=collection, uri=f"{name}.md", words=3)
        version.put_into(self.store)
        self.model[collection, version.document.uri] = expected(version)

    @rule(data=st.data())
    def remove(self, data):
        names = data.draw(st.sets(st.sampled_from(sorted(self.model)))) if self.model else set()
        self.store.remove([document_id(*name) for name in names], None)
        for name in names:
            del self.model[name]

    @rule(collection=st.sampled_from(COLLECTIONS))
    def forget(self, collection):
        documents, _ = self.store.forget(collection)
        assert {document.uri for document in documents} == {u for c, u in self.model if c == collection}
        self.model = {name: rows for name, rows in self.model.items() if name[0] != collection}

    @rule(collection=st.sampled_from(COLLECTIONS))
    def forget_removals(self, collection):
        for state in self.store.states([collection]).values():
            self.store.forget_removals(collection, until=state.revision)

    @rule()
    def compact(self):
        self.store.compact()
        assert self.store.erasures() == 0

    @rule()
    def restart(self):
        self.store.close()
        self.store = open_store(Path(self.folder.name) / "home")

    @rule(collection=st.sampled_from(COLLECTIONS))
    def follow_from_here(self, collection):
        follower = Follower(collection)
        follower.follow(self.store)
        self.followers.append(follower)

    @rule(data=st.data())
    def catch_up(self, data):
        follower = data.draw(st.sampled_from(self.followers))
        follower.follow(self.store)
        whole = Follower(follower.collection)
        whole.follow(self.store)
        assert follower.rows == whole.rows

    @invariant()
    def the_store_holds_the_model_and_nothing_foreign(self):
        assert held(self.store) == self.model
        for collection in COLLECTIONS:
            mine = {document.id for document in self.store.documents([collection])}
            ids = ids_of(self.store, collection)
            assert {chunk.document_id for chunk, _, _ in self.store.hits(ids).values()} == mine


Collections.TestCase.settings = settings(max_examples=15, stateful_step_count=20, deadline=None)
TestCollections = Collections.TestCase
