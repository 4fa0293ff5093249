"""Promise: the answer cache is disposable. A row that was not written by us runs nothing and answers nothing.

Rows are changed in the cache's own file, as damage or an intruder would; each is a trial.
"""

from __future__ import annotations

import os
import pickle
import random
import sqlite3
from contextlib import closing
from dataclasses import replace

from mmrag.storage.cache import DiskAnswerCache
from mmrag.types import Citation
from tests.storage.samples import make_answer
from tests.trust.outcome import trial_run

TRIALS = 10_000
IN_MEMORY = True  # nothing here is about durability
_ROWS = 100  # of one cache


def run(trials, seed, folder):
    """Change so many rows."""
    with trial_run(seed) as outcome:
        rng = random.Random(seed)
        folder.mkdir(parents=True, exist_ok=True)
        precious, executed = folder / "precious", folder / "executed"
        precious.write_text("nobody's cache")
        with DiskAnswerCache(folder / "cache", size_limit=10**9) as cache:
            while outcome.trials < trials:
                rows = min(_ROWS, trials - outcome.trials)
                _change_rows(
                    cache, folder / "cache" / "cache.db", rows, executed=executed, rng=rng, outcome=outcome
                )
                outcome.trials += rows
                outcome.check(not executed.exists(), "planted code ran")
                outcome.check(precious.exists(), "a file that a row named was deleted")
        return outcome


class _Payload:
    def __init__(self, path):
        self._path = path

    def __reduce__(self):
        return os.mkdir, (str(self._path),)


def _change_rows(cache, file, rows, *, executed, rng, outcome):
    answers = {f"k{number}": _answer(rng) for number in range(rows)}
    for key, answer in answers.items():
        cache.set(key, answer)
    pickled = pickle.dumps(_Payload(executed))
    with closing(sqlite3.connect(file)) as db, db:
        stored = dict(db.execute("SELECT key, value FROM Cache"))
        ways = {}
        for key in answers:
            ways[key], columns = _change(stored, key, pickled, rng)
            names = ", ".join(f"{name} = ?" for name in columns)
            db.execute(f"UPDATE Cache SET {names} WHERE key = ?", (*columns.values(), key))  # noqa: S608 - names are ours
    for key, answer in answers.items():
        found = cache.get(key)
        outcome.check(found in (None, answer), f"another answer was given: {ways[key]}")
        outcome.check(found is None or ways[key] == "other columns", f"believed: {ways[key]}")
    cache.delete(answers)
    cache.set("new", answer)
    outcome.check(cache.get("new") == answer, "the cache did not go on")


def _answer(rng):
    text = f"It is {rng.getrandbits(64)}. [1]"
    citation = Citation(1, "d1", "Handbook", 3, "handbook.md", text * rng.randint(1, 30), 7)
    return replace(make_answer(citation), text=text)


def _change(stored, key, pickled, rng):
    """(what was done, the columns that are changed) to the row of a key."""
    value = stored[key]
    place = rng.randrange(len(value))
    flipped = bytes([*value[:place], value[place] ^ 1 << rng.randrange(8), *value[place + 1 :]])
    ways = {
        "a bit": {"value": flipped},
        "cut short": {"value": value[:place]},
        "prolonged": {"value": value + rng.randbytes(rng.randint(1, 50))},
        "zeros": {"value": bytes(len(value))},
        "noise": {"value": rng.randbytes(len(value))},
        "as text": {"value": value.decode("latin-1")},
        "a number": {"value": rng.getrandbits(40)},
        "nothing": {"value": None},
        "another row's": {"value": stored[rng.choice([other for other in stored if other != key] or [key])]},
        "pickled": {"value": pickled, "mode": rng.choice([0, 1, 2, 3, 4, 99])},
        "a file": {"value": None, "filename": "../precious", "mode": rng.choice([1, 2, 3, 4])},
        "another mode": {"mode": rng.choice([0, 2, 3, 4, 99, "4"])},
        "other columns": {"size": rng.getrandbits(40), "access_count": -1, "store_time": rng.random()},
    }
    way = rng.choice([name for name, columns in ways.items() if columns.get("value", b"") != value])
    return way, ways[way]
