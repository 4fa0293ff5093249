"""The port ChunkFeed: an index that follows the changes holds what the store holds."""

from __future__ import annotations

import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from mmrag.errors import StoreUnavailable
from mmrag.types import document_id
from tests.storage.samples import COLLECTIONS, EMBEDDER, expected, held, make_version, open_store


def test_a_collection_that_never_was_has_revision_zero_and_no_chunks(store):
    changes = store.changes("nowhere", since=0, embedder=EMBEDDER)
    assert (store.revision("nowhere"), changes.revision, changes.removed) == (0, 0, frozenset())
    assert (len(changes.added.ids), changes.added.texts, len(changes.added.vectors)) == (0, (), 0)


def test_a_batch_is_what_an_index_wants(store):
    version = make_version(1)
    version.put_into(store)
    batch = store.changes("shared", since=0, embedder=EMBEDDER).added
    assert batch.ids.dtype == np.int64
    assert (np.diff(batch.ids) > 0).all()
    assert batch.vectors.dtype == np.float32
    assert (batch.vectors == version.vectors).all()
    assert batch.texts == tuple(draft.searched for draft in version.chunks)


def test_every_change_of_a_collection_raises_its_revision_and_no_others(store):
    make_version(1).put_into(store)
    make_version(2).put_into(store)
    make_version(3, collection="private").put_into(store)
    assert (store.revision("shared"), store.revision("private")) == (2, 1)
    store.remove([document_id("shared", "handbook.md")], None)
    assert (store.revision("shared"), store.revision("private")) == (3, 1)


def test_only_what_changed_since_a_revision_is_told(store):
    make_version(1, uri="a.md").put_into(store)
    before = set(store.changes("shared", since=0, embedder=EMBEDDER).added.ids.tolist())
    new = make_version(2, uri="b.md")
    new.put_into(store)
    changes = store.changes("shared", since=1, embedder=EMBEDDER)
    assert changes.revision == 2
    assert changes.removed == frozenset()
    assert changes.added.texts == tuple(draft.searched for draft in new.chunks)
    assert not before & set(changes.added.ids.tolist())


def test_a_chunk_that_came_and_went_between_two_looks_is_not_told(store):
    make_version(1, uri="a.md").put_into(store)
    make_version(2, uri="b.md").put_into(store)
    store.remove([document_id("shared", "b.md")], None)
    changes = store.changes("shared", since=1, embedder=EMBEDDER)
    assert (changes.revision, changes.removed, len(changes.added.ids)) == (3, frozenset(), 0)


def test_ids_are_never_reused(store):
    seen: set[int] = set()
    for seed in range(5):
        make_version(seed).put_into(store)
        ids = set(store.changes("shared", since=0, embedder=EMBEDDER).added.ids.tolist())
        assert not ids & seen
        seen |= ids
        store.remove([document_id("shared", "handbook.md")], None)


def test_vectors_of_another_embedder_are_refused(store):
    make_version(1).put_into(store, embedder="older")
    with pytest.raises(StoreUnavailable, match="add these documents again"):
        store.changes("shared", since=0, embedder=EMBEDDER)
    make_version(1, collection="private").put_into(store)
    assert len(store.changes("private", since=0, embedder=EMBEDDER).added.ids) > 0


def test_adding_again_with_the_new_embedder_heals_a_collection(store):
    make_version(1).put_into(store, embedder="older")
    make_version(1).put_into(store)
    assert len(store.changes("shared", since=0, embedder=EMBEDDER).added.ids) > 0


def test_unknown_ids_have_no_hits_and_a_great_many_ids_are_no_problem(store):
    make_version(1).put_into(store)
    ids = store.changes("shared", since=0, embedder=EMBEDDER).added.ids
    assert store.hits([]) == {}
    assert set(store.hits([*range(100_000)])) == set(ids.tolist())


def test_readers_see_one_version_while_a_writer_replaces_it(store):
    versions = [make_version(seed) for seed in range(20)]
    versions[0].put_into(store)
    whole = [tuple(draft.searched for draft in version.chunks) for version in versions]

    def read(_):
        changes = store.changes("shared", since=0, embedder=EMBEDDER)
        return changes.added.texts == whole[changes.revision - 1]

    with ThreadPoolExecutor(4) as pool:
        looks = pool.map(read, range(200))
        for version in versions[1:]:
            version.put_into(store)
        assert all(looks)


def test_many_threads_write_one_store(store):
    versions = [make_version(seed, uri=f"{seed}.md", words=3) for seed in range(24)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda version: version.put_into(store), versions))
    assert store.revision("shared") == len(versions)
    assert held(store) == {("shared", v.document.uri): expected(v) for v in versions}


class Follower:
    """What an index keeps of a collection: ids and vectors, and how far it has read."""

    def __init__(self, collection):
        self.collection = collection
        self.revision = 0
        self.rows: dict[int, tuple[str, bytes]] = {}

    def follow(self, store):
        changes = store.changes(self.collection, since=self.revision, embedder=EMBEDDER)
        assert changes.removed <= self.rows.keys()
        for chunk in changes.removed:
            del self.rows[chunk]
        added = changes.added
        assert not self.rows.keys() & set(added.ids.tolist())
        for chunk, text, vector in zip(added.ids.tolist(), added.texts, added.vectors, strict=True):
            self.rows[chunk] = (text, vector.tobytes())
        self.revision = changes.revision


class Collections(RuleBasedStateMachine):
    """Adds, updates and removes in two collections, against a dict; and indexes that look now and then."""

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
            ids = self.store.changes(collection, since=0, embedder=EMBEDDER).added.ids
            assert {chunk.document_id for chunk, _, _ in self.store.hits(ids).values()} == mine


Collections.TestCase.settings = settings(max_examples=15, stateful_step_count=20, deadline=None)
TestCollections = Collections.TestCase
