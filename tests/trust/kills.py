"""Promise: kill -9 while documents are added, replaced and removed loses nothing acknowledged.

A writer says after each step that it is done; it is killed at any moment: between two writes of a
commit, while an index is published, while the store is compacted or a collection forgotten. Then
every row is compared with what was sent, and the index with the rows.
"""

from __future__ import annotations

import random
import shutil
import time
from pathlib import Path

from tests.trust.outcome import trial_run
from tests.trust.parts import COLLECTIONS, compact, forget, open_retriever, opened
from tests.trust.processes import started
from tests.trust.rows import expected_rows, index_faults, make_document, read_rows

TRIALS = 1_000
URIS = 12
KILLS_A_STORE = 25
LONGEST_SECONDS = 0.4  # of a writer's life, from its first step
BLOCKED_SECONDS = 20  # for a start and all questions; a lock that is left behind is waited for longer


def run(trials, seed, folder):
    """Kill a writer so many times."""
    with trial_run(seed) as outcome:
        rng = random.Random(seed)
        history = None
        for kill in range(trials):
            if kill % KILLS_A_STORE == 0:
                shutil.rmtree(folder / "home", ignore_errors=True)
                history = History(f"{seed} {kill}")
                exact = rng.random() < 0.5
            in_flight = kill_writer(folder / "home", history, rng, outcome, exact=exact)
            outcome.trials += 1
            outcome.count(f"killed in {in_flight}")
            begun = time.monotonic()
            verify(folder / "home", history, rng, outcome, exact=exact, kill=f"kill {kill} in {in_flight}")
            outcome.check(
                time.monotonic() - begun < BLOCKED_SECONDS, f"kill {kill}: the next start was blocked"
            )
        return outcome


class History:
    """What a writer does step by step, and what the store holds after the steps that are done."""

    def __init__(self, name):
        self.name = name
        self.done = 0
        self.state = {}

    def step(self, number):
        """(action, collection, uri) of a step."""
        rng = random.Random(f"{self.name} {number}")
        action = rng.choices(["put", "remove", "compact", "forget"], [60, 25, 10, 5])[0]
        return action, rng.choice(COLLECTIONS[:2]), f"{rng.randrange(URIS)}.md"

    def version(self, number):
        _, collection, uri = self.step(number)
        return make_document(f"{self.name} {number}", collection=collection, uri=uri)

    def after_next(self):
        """What is held once the next step is done as well."""
        action, collection, uri = self.step(self.done)
        state = dict(self.state)
        if action == "put":
            state[collection, uri] = expected_rows(self.version(self.done))
        elif action == "remove":
            state.pop((collection, uri), None)
        elif action == "forget":
            state = {place: rows for place, rows in state.items() if place[0] != collection}
        return state

    def advance(self):
        self.state = self.after_next()
        self.done += 1


def kill_writer(home, history, rng, outcome, *, exact):
    """Start a writer where the last one ended, kill it; what it was killed in."""
    with started(write, str(home), history.name, history.done, exact) as (process, connection):
        first = True
        deadline = time.monotonic() + 60
        while connection.poll(max(0.0, deadline - time.monotonic())):
            try:
                connection.recv()
            except EOFError:
                outcome.check(holds=False, failure=f"a writer failed by itself at step {history.done}")
                break
            if first:  # it is ready
                first = False
                deadline = time.monotonic() + rng.uniform(0, LONGEST_SECONDS)
            else:
                history.advance()
                outcome.count("acknowledged steps")
        process.kill()
        process.join()
        while connection.poll():  # what it said just before
            try:
                connection.recv()
            except EOFError:
                break
            history.advance()
            outcome.count("acknowledged steps")
    return "the start" if first else history.step(history.done)[0]


def write(connection, home, name, first, exact):
    """Do step after step, and ask after each, so that the index follows."""
    home, history = Path(home), History(name)
    with opened(home, exact=exact) as (store, retriever):
        connection.send("ready")
        for number in range(first, first + 10_000):
            action, collection, uri = history.step(number)
            if action == "put":
                history.version(number).put_into(store, embedder="hashed words")
            elif action == "remove":
                known = store.find(collection=collection, uri=uri)
                if known:
                    store.remove([known[0].id], [collection])
            elif action == "compact":
                compact(store, retriever)
            else:
                forget(store, retriever, collection)
            connection.send(number)
            retriever.search("gateway rack", collections=list(COLLECTIONS), k=5)


def verify(home, history, rng, outcome, *, exact, kill):
    """Open the store as the next process would, and compare every row and the index."""
    with opened(home, exact=exact) as (store, retriever):
        store.documents(None)
        rows = read_rows(home)
        for fault in rows.faults:
            outcome.check(holds=False, failure=f"{kill}: {fault}")
        if rows.documents == history.after_next():
            history.advance()
        elif not outcome.check(rows.documents == history.state, _difference(kill, history, rows)):
            history.state = rows.documents  # each loss is counted once
        outcome.count("rows compared", sum(map(len, rows.chunks.values())) + len(rows.documents))
        for collections in (COLLECTIONS[:1], COLLECTIONS[1:2], COLLECTIONS):
            for fault in index_faults(retriever, rows, rng, collections=collections, exact=exact):
                outcome.check(holds=False, failure=f"{kill}: {fault}")
        if rng.random() < 0.1:
            _compare_with_fresh(store, retriever, home, outcome, exact=exact, kill=kill)


def _compare_with_fresh(store, retriever, home, outcome, *, exact, kill):
    """The index answers by vectors and words what one that was never killed answers."""
    fresh = open_retriever(store, home.parent / "fresh", exact=exact)
    try:
        for question in ("gateway in the rack", "§ 服务 网关"):
            answers = [
                {hit.chunk for hit in one.search(question, collections=COLLECTIONS, k=10_000)}
                for one in (retriever, fresh)
            ]
            outcome.check(answers[0] == answers[1], f"{kill}: a new index answers otherwise")
    finally:
        fresh.close()
        shutil.rmtree(home.parent / "fresh", ignore_errors=True)


def _difference(kill, history, rows):
    places = history.state.keys() | rows.documents.keys()
    other = [place for place in places if history.state.get(place) != rows.documents.get(place)]
    return f"{kill}: not as acknowledged: {sorted(other)}"
