"""Promise: a collection's chunks are found from that collection alone, and only while they are live.

A Hypothesis state machine over several collections on one data folder, with two stores and two
retrievers on it as two processes have them, and the answer cache between them.
"""

from __future__ import annotations

import random
import shutil
import tempfile
from contextlib import ExitStack
from pathlib import Path

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from mmrag.cache_key import cache_key
from mmrag.storage.cache import DiskAnswerCache
from tests.storage.samples import make_answer
from tests.trust.outcome import trial_run
from tests.trust.parts import (
    COLLECTIONS,
    EMBEDDER,
    WORDS_ONLY,
    compact,
    forget,
    open_retriever,
    open_store,
    settle,
)
from tests.trust.rows import NOWHERE, VOCABULARY, index_faults, make_document, read_rows

TRIALS = 50_000  # steps
STEPS_AN_EXAMPLE = 60
IN_MEMORY = True  # nothing here is about durability

WHO = st.integers(0, 1)  # which of the two processes
COLLECTION = st.sampled_from(COLLECTIONS)
SOME = st.lists(COLLECTION, min_size=1, max_size=4)
URI = st.integers(0, 9).map("{}.md".format)
SEED = st.integers(0, 2**32)
WORD = st.sampled_from(VOCABULARY)
HOUSEWORK = st.sampled_from(["waits for indexes", "compactions", "reopenings", "indexes deleted"])


def run(trials, seed_, folder):
    """Take at least so many steps."""
    with trial_run(seed_) as outcome:
        folder.mkdir(parents=True, exist_ok=True)
        attempt = 0
        while outcome.trials < trials and not outcome.failures:
            machine = _machine_for(outcome, folder)
            # As many examples as should do; those that Hypothesis ends early are made up for.
            examples = max(1, (trials - outcome.trials) // STEPS_AN_EXAMPLE)
            options = settings(
                max_examples=examples,
                stateful_step_count=STEPS_AN_EXAMPLE,
                deadline=None,
                database=None,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
                print_blob=False,
                report_multiple_bugs=False,
            )
            try:
                run_state_machine_as_test(seed(seed_ + attempt)(machine), settings=options)
            except Exception as error:  # noqa: BLE001 - whatever a step raises is a failure
                steps = "\n".join(getattr(error, "__notes__", []))
                outcome.check(holds=False, failure=f"{error!r}\n{steps}")
            attempt += 1
        return outcome


def _machine_for(outcome, folder_):
    class Counted(TwoProcesses):
        folder = folder_

        def counted(self, what):
            outcome.trials += 1
            outcome.count(what)

    return Counted


class TwoProcesses(RuleBasedStateMachine):
    """Two processes on one data folder; `held` is what should be found."""

    folder: Path  # where the data folders are made

    def __init__(self):
        super().__init__()
        self.home = Path(tempfile.mkdtemp(dir=self.folder))
        self.turns = 0
        self.stack = ExitStack()
        self.held = {}  # (collection, uri) -> version
        self.revisions = {}
        self.cached = {}  # key -> the chunks of the answer that was kept under it
        self.cache = self.stack.enter_context(DiskAnswerCache(self.home / "cache", size_limit=10**7))

    @initialize(exact=st.booleans())
    def start(self, exact):
        self.exact = exact
        self.open = [self._opened(), self._opened()]

    def _opened(self):
        store = open_store(self.home)
        return store, open_retriever(store, self.home, exact=self.exact)

    def counted(self, what):
        """A step was taken."""

    # ------------------------------------------------------------------- changes

    @rule(who=WHO, collection=COLLECTION, uri=URI, content=SEED)
    def add_or_replace(self, who, collection, uri, content):
        self._put(who, collection, uri, content)
        self.counted("adds and updates")

    @rule(who=WHO, collection=COLLECTION, content=SEED)
    def add_many(self, who, collection, content):
        """Enough that an index goes to disk."""
        for number in range(6):
            self._put(who, collection, f"{number}.md", content + number)
        self.counted("adds of many")

    def _put(self, who, collection, uri, content):
        version = make_document(content, collection=collection, uri=uri, picture_bytes=50)
        version.put_into(self.open[who][0], embedder=EMBEDDER.name)
        self.held[collection, uri] = version
        self._changed(who, collection)

    @rule(who=WHO, which=SEED)
    def remove(self, who, which):
        if self.held:
            collection, uri = sorted(self.held)[which % len(self.held)]
            version = self.held.pop((collection, uri))
            removed = self.open[who][0].remove([version.document.id], [collection])
            assert removed == (version.document,), "another document was removed"
            self._changed(who, collection)
        self.counted("removals")

    @rule(who=WHO, collection=COLLECTION)
    def forget_collection(self, who, collection):
        store, retriever = self.open[who]
        forget(store, retriever, collection)
        self.held = {place: version for place, version in self.held.items() if place[0] != collection}
        assert store.documents([collection]) == (), "a forgotten collection lists documents"
        self.counted("collections forgotten")

    def _changed(self, who, collection):
        """The version that answers are kept under is another after each change."""
        version = self.open[1 - who][1].index_version([collection])
        seen = self.revisions.setdefault(collection, set())
        assert version not in seen, "a version came back after a change"
        seen.add(version)

    # ----------------------------------------------------------------- questions

    @rule(who=WHO, collections=SOME, word=WORD)
    def ask(self, who, collections, word):
        self._check(who, collections, word)
        self.counted("questions")

    @rule(who=WHO, collections=SOME, which=SEED)
    def find_by_its_own_text(self, who, collections, which):
        """A live chunk is the first hit of its own text where it may be read, and no hit elsewhere."""
        if self.held:
            place = sorted(self.held)[which % len(self.held)]
            version = self.held[place]
            text = version.chunks[which % len(version.chunks)].text
            hits = self.open[who][1].search(text, collections=collections, k=5)
            if place[0] in collections:
                assert hits, "a live chunk was not found by its own text"
                assert hits[0].chunk.text == text, "a live chunk was not the first hit of its own text"
            else:
                assert text not in [hit.chunk.text for hit in hits], "a foreign chunk was found"
        self.counted("searches for one chunk")

    @rule(who=WHO, collections=SOME, word=WORD, way=st.sampled_from(["", WORDS_ONLY]))
    def ask_through_the_cache(self, who, collections, word, way):
        """An answer from the cache cites what a search finds now."""
        retriever = self.open[who][1]
        key = cache_key(
            text=way + word,
            collections=tuple(collections),
            history=(),
            attachments=(),
            index_version=retriever.index_version(collections),
            generator_version="1",
        )
        hits = retriever.search(way + word, collections=collections, k=1_000)
        found = " ".join(sorted(f"{hit.chunk.id} {hit.chunk.text}" for hit in hits))
        cached = self.cache.get(key)
        if cached is None:
            self.cache.set(key, make_answer(text=found))
        else:
            assert cached.text == found, "the cache answered from other chunks"
        self.counted("answers from the cache" if cached else "answers kept")

    @invariant()
    def exactly_the_live_chunks_are_found(self):
        """By one process after the other, in one collection after the other."""
        if not hasattr(self, "open"):
            return
        self.turns += 1
        collection = COLLECTIONS[self.turns % len(COLLECTIONS)]
        self._check_found(self.turns // len(COLLECTIONS) % 2, [collection], NOWHERE)

    def _check_found(self, who, collections, question):
        live = {
            (draft.text, version.document.title)
            for (collection, _), version in self.held.items()
            if collection in collections
            for draft in version.chunks
        }
        hits = self.open[who][1].search(question, collections=collections, k=1_000)
        found = {(hit.chunk.text, hit.title) for hit in hits if "dense" in hit.retrievers}
        assert found <= live, "a foreign or removed chunk was found"
        assert found == live or not self.exact, "a live chunk was not found"
        few = self.open[who][1].search(question, collections=collections, k=3)
        assert len(few) == min(3, len(hits)), "removed chunks took the places of live ones"

    def _check(self, who, collections, word):
        rng = random.Random(word)
        store, retriever = self.open[who]
        unique = list(dict.fromkeys(collections))
        self._check_found(who, unique, f"{word} {NOWHERE}")
        rows = read_rows(self.home)
        assert rows.faults == ()
        assert rows.documents.keys() == self.held.keys(), "other documents are stored"
        faults = list(index_faults(retriever, rows, rng, collections=unique, exact=self.exact))
        assert faults == [], faults[0]
        assert {document.uri for document in store.documents(unique)} == {
            uri for collection, uri in self.held if collection in unique
        }

    # --------------------------------------------------------------- housekeeping

    @rule(who=WHO, what=HOUSEWORK)
    def keep_house(self, who, what):
        if what == "waits for indexes":
            settle(self.open[who][1])
        elif what == "compactions":
            compact(*self.open[who])
        else:
            for one in (who,) if what == "reopenings" else (0, 1):
                self._close(one)
            if what == "indexes deleted":  # between two processes anyone may
                shutil.rmtree(self.home / "indexes", ignore_errors=True)
            for one in (who,) if what == "reopenings" else (0, 1):
                self.open[one] = self._opened()
        self.counted(what)

    def _close(self, who):
        store, retriever = self.open[who]
        retriever.close()
        store.close()

    def teardown(self):
        for who in range(len(getattr(self, "open", []))):
            self._close(who)
        self.stack.close()
        shutil.rmtree(self.home, ignore_errors=True)
