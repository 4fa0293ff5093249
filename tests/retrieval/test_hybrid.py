from __future__ import annotations

import threading
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from mmrag.retrieval.hybrid import HybridRetriever
from mmrag.types import Turn
from tests.retrieval.memory_feed import HashEmbedder, MemoryFeed


def texts_found(retriever, question, *collections, k=10, history=()):
    found = retriever.search(question, collections=collections or ("team",), k=k, history=history)
    return [hit.chunk.text for hit in found]


def test_hits_come_best_first_with_rank_score_and_finders(feed, retriever):
    feed.add("team", "The gateway restarts at night.", "Lunch is at noon.", "The gateway is in Berlin.")
    hits = retriever.search("When does the gateway restart?", collections=["team"], k=3)
    assert hits[0].chunk.text == "The gateway restarts at night."
    assert [hit.rank for hit in hits] == [1, 2, 3]
    assert all(above.score >= below.score for above, below in pairwise(hits))
    assert hits[0].retrievers == ("bm25", "dense")
    assert (hits[0].title, hits[0].uri, hits[0].origin) == ("Title", "file:note.txt", "collection")


def test_an_identifier_is_not_outvoted_by_what_resembles_the_rest_of_the_question(feed, retriever):
    feed.add("team", *(f"How to fix the problem number {i} of the gateway, step by step" for i in range(150)))
    feed.add("team", "Overheated boilers report ERR-4042 until they have cooled down.")
    assert "ERR-4042" in texts_found(retriever, "How do I fix the problem ERR-4042?", k=3)[0]


def test_only_the_halves_that_were_chosen_have_a_vote(feed, start_retriever):
    feed.add("team", "The gateway restarts at night.", "Lunch is at noon.")
    for half in ("bm25", "dense"):
        hits = start_retriever(retrievers=[half]).search("gateway", collections=["team"], k=5)
        assert {name for hit in hits for name in hit.retrievers} == {half}


def test_a_chunk_without_the_questions_words_is_found_by_meaning_alone(feed, retriever):
    feed.add("team", "The gateway restarts at night.", "Lunch is at noon.")
    hits = retriever.search("gateway", collections=["team"], k=5)
    assert {hit.chunk.text: hit.retrievers for hit in hits}["Lunch is at noon."] == ("dense",)


def test_an_embedder_that_does_not_read_chinese_has_no_vote_on_it(feed, retriever):
    feed.add("team", "退款将在七个工作日内到账。", "Refunds arrive within seven working days.")
    hits = retriever.search("退款多久到账？", collections=["team"], k=5)
    assert [(hit.chunk.text, hit.retrievers) for hit in hits] == [("退款将在七个工作日内到账。", ("bm25",))]


def test_a_follow_up_is_searched_with_the_turn_before_it(feed, retriever):
    feed.add(
        "team", "The Berlin office opens at nine.", "The warehouse in Lyon opens at six.", "It was rain."
    )
    history = [
        Turn("user", "Tell me about the warehouse in Lyon"),
        Turn("assistant", "It is in the south."),
    ]
    found = texts_found(retriever, "When does it open?", history=history)
    assert found[0] == "The warehouse in Lyon opens at six."


@pytest.mark.parametrize("k", [1, 2, 7, 500])
def test_at_most_k_hits_and_at_most_all_chunks_come(feed, retriever, k):
    feed.add("team", *(f"note {i} about gateways" for i in range(120)))
    assert len(texts_found(retriever, "gateway", k=k)) == min(k, 120)


def test_unknown_and_emptied_collections_give_no_hits(feed, retriever):
    ids = feed.add("team", "apples")
    assert texts_found(retriever, "apples") == ["apples"]
    feed.remove("team", *ids)
    assert texts_found(retriever, "apples") == []
    assert texts_found(retriever, "apples", "nobody") == []
    assert retriever.search("apples", collections=[], k=3) == ()


@pytest.mark.parametrize("question", ["", "?", "\x00", "的", "a" * 100_000])
def test_odd_questions_raise_nothing(feed, retriever, question):
    feed.add("team", "apples", "pears")
    assert len(texts_found(retriever, question)) <= 2


def test_additions_updates_and_removals_are_seen_by_the_next_question(feed, retriever):
    (first,) = feed.add("team", "The port is 8080.")
    assert texts_found(retriever, "Which port?") == ["The port is 8080."]
    feed.add("team", "The port was changed to 9090.")
    assert "The port was changed to 9090." in texts_found(retriever, "Which port?")
    feed.remove("team", first)
    assert texts_found(retriever, "Which port?") == ["The port was changed to 9090."]


def test_a_change_costs_what_is_new(feed, retriever):
    feed.add("team", "one", "two")
    texts_found(retriever, "one")
    feed.rows_read = 0
    feed.add("team", "three")
    texts_found(retriever, "one")
    texts_found(retriever, "two")
    assert feed.rows_read == 1


def test_collections_are_searched_together_and_never_beyond_those_named(feed, retriever):
    feed.add("team", "The salary band is public.")
    feed.add("board", "The salary of the CEO is secret.")
    assert texts_found(retriever, "salary") == ["The salary band is public."]
    assert len(texts_found(retriever, "salary", "team", "board")) == 2
    assert len(texts_found(retriever, "salary", "team", "team")) == 1


def test_collections_are_ranked_as_if_they_were_one(feed, retriever):
    texts = [f"gateway number {i} in rack {i * 7}" for i in range(40)]
    feed.add("whole", *texts)
    feed.add("left", *texts[:30])
    feed.add("right", *texts[30:])
    together = texts_found(retriever, "rack 217", "left", "right", k=3)
    assert together[0] == texts_found(retriever, "rack 217", "whole", k=3)[0] == texts[31]


def test_the_index_version_follows_the_collections_and_not_their_order(feed, start_retriever):
    feed.add("a", "one")
    feed.add("b", "two")
    retriever = start_retriever()
    before = retriever.index_version(["a", "b"])
    assert retriever.index_version(["b", "a", "a"]) == before == start_retriever().index_version(["a", "b"])
    assert retriever.index_version(["a"]) != before
    feed.add("c", "three")
    assert retriever.index_version(["a", "b"]) == before
    feed.add("b", "four")
    assert retriever.index_version(["a", "b"]) != before


def test_a_forgotten_name_that_is_used_again_starts_anew(feed, retriever):
    feed.add("team", "The salary of the CEO is secret.")
    assert texts_found(retriever, "salary") == ["The salary of the CEO is secret."]
    feed.forget("team")
    assert texts_found(retriever, "salary") == []
    feed.add("team", "The canteen opens at noon.")
    assert texts_found(retriever, "salary of the canteen") == ["The canteen opens at noon."]


def test_indexes_are_dropped_by_least_use_and_built_again(feed, start_retriever):
    retriever = start_retriever(memory_bytes=150_000)
    for name in ("a", "b", "c"):
        feed.add(name, *(f"note {i} of {name}" for i in range(60)))
    for name in ("a", "b", "c", "a"):
        assert texts_found(retriever, f"note 7 of {name}", name)[0] == f"note 7 of {name}"
    feed.rows_read = 0
    texts_found(retriever, "note 7", "c")
    texts_found(retriever, "note 7", "a")
    assert feed.rows_read == 0
    texts_found(retriever, "note 7", "b")
    assert feed.rows_read == 60


def test_questions_and_changes_at_once_leave_nothing_behind(feed, retriever):
    feed.add("team", *(f"first note {i}" for i in range(50)))
    faults = []

    def ask():
        for _ in range(40):
            known = len(seen)
            found = set(texts_found(retriever, "note", k=500))
            if not set(seen[:known]) <= found:
                faults.append(set(seen[:known]) - found)

    seen = []
    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for i in range(40):
        feed.add("team", f"later note {i}")
        seen.append(f"later note {i}")
    for thread in threads:
        thread.join()
    assert faults == []


class Collections(RuleBasedStateMachine):
    """Adds and removes in two collections, under retrievers that keep all in memory or nearly nothing."""

    @initialize(folder=st.builds(TemporaryDirectory))
    def start(self, folder):
        self.folder = folder
        self.feed = MemoryFeed(HashEmbedder())
        self.held = {"a": {}, "b": {}}
        self.retrievers = [self._retriever("large", 10_000), self._retriever("small", 5)]

    def _retriever(self, name, memory_rows):
        folder = Path(self.folder.name) / name
        return HybridRetriever(
            self.feed, HashEmbedder(), folder=folder, exact_search_rows=20, memory_rows=memory_rows
        )

    @rule(
        name=st.sampled_from("ab"), words=st.lists(st.sampled_from("red blue 红色 x-1".split()), min_size=1)
    )
    def add(self, name, words):
        texts = [f"{word} {i} common" for i, word in enumerate(words)]
        self.held[name] |= dict(zip(self.feed.add(name, *texts), texts, strict=True))

    @rule(name=st.sampled_from("ab"), share=st.floats(0, 1))
    def remove(self, name, share):
        gone = list(self.held[name])[: int(share * len(self.held[name]))]
        if gone:
            self.feed.remove(name, *gone)
            for id_ in gone:
                del self.held[name][id_]

    @rule(name=st.sampled_from("ab"))
    def forget(self, name):
        if self.held[name]:
            self.feed.forget(name)
            self.held[name] = {}
            self.retrievers[1].forget(name)  # the other one learns of it by itself

    @rule()
    def compact(self):
        for retriever in self.retrievers:
            retriever.compact()

    @rule()
    def restart(self):
        for retriever in self.retrievers:
            retriever.close()
        self.retrievers = [self._retriever("large", 10_000), self._retriever("small", 5)]

    @invariant()
    def every_live_chunk_of_the_collection_is_found_and_no_other(self):
        for retriever in self.retrievers:
            for name, held in self.held.items():
                hits = retriever.search("common", collections=[name], k=1000)
                assert {hit.chunk.id for hit in hits} == set(held)

    def teardown(self):
        for retriever in self.retrievers:
            retriever.close()
        self.folder.cleanup()


TestCollections = Collections.TestCase
TestCollections.settings = settings(deadline=None, max_examples=8, stateful_step_count=12)
