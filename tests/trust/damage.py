"""Promise: indexes are disposable. Whatever happens to their files, no answer is wrong.

Each trial takes a sound folder of indexes, damages one thing in it, and asks the same questions in
a process of its own, twice: the first may have to build anew, the second must find all verified.
"""

from __future__ import annotations

import random
import shutil
from pathlib import Path

from mmrag.storage.catalog import SqliteStore
from tests.trust.outcome import trial_run
from tests.trust.parts import COLLECTIONS, WORDS_ONLY, open_retriever, open_store, settle
from tests.trust.processes import answer_of
from tests.trust.rows import NOWHERE, VOCABULARY, index_faults, make_document, read_rows

TRIALS = 400
DOCUMENTS = 40
QUESTIONS = [
    NOWHERE,
    "gateway in the rack",
    f"{WORDS_ONLY}服务 备份",
    f"{WORDS_ONLY}invoice",
    *VOCABULARY[:3],
]


def run(trials, seed, folder):
    """Damage so many files, each kind of file in each way in turn."""
    with trial_run(seed) as outcome:
        rng = random.Random(seed)
        for exact in (True, False):
            _trials_of_kind(trials // 2 + trials % 2 * exact, rng, folder / str(exact), outcome, exact=exact)
        return outcome


def _trials_of_kind(trials, rng, folder, outcome, *, exact):
    sound = folder / "sound"
    make_sound(sound, rng, exact=exact)
    (first, code), (expected, _) = (answer_of(ask, str(sound), exact) for _ in range(2))
    outcome.check(code == 0 and first["faults"] == [], "the sound index answers otherwise than its rows")
    outcome.check(not expected["built anew"], "a sound index was built anew")
    home = folder / "home"
    for trial in range(trials):
        shutil.rmtree(home, ignore_errors=True)
        shutil.copytree(sound, home)
        damaged = damage(home / "indexes", trial, rng)
        outcome.trials += 1
        for attempt in ("first", "second"):
            answer, code = answer_of(ask, str(home), exact)
            name = f"trial {trial}, {damaged}, {attempt} opening"
            if not outcome.check(code == 0 and answer is not None, f"{name}: the process ended with {code}"):
                break
            outcome.check(answer["hits"] == expected["hits"], f"{name}: wrong neighbours")
            for fault in answer["faults"]:
                outcome.check(holds=False, failure=f"{name}: {fault}")
            if attempt == "second":
                outcome.check(not answer["built anew"], f"{name}: not rebuilt by the first")
            else:
                outcome.count("built anew", int(answer["built anew"]))


def make_sound(home, rng, *, exact):
    """A data folder with documents in two collections and published indexes."""
    with open_store(home) as store:
        for number in range(DOCUMENTS):
            collection = COLLECTIONS[number % 2]
            document = make_document(rng.random(), collection=collection, uri=f"{number}.md")
            document.put_into(store, embedder="hashed words")
        retriever = open_retriever(store, home, exact=exact)
        for question in QUESTIONS:
            retriever.search(question, collections=COLLECTIONS, k=10)
        retriever.close()


class WatchedStore(SqliteStore):
    """Notes whether an index asked for all of a collection, as it does to be built from nothing."""

    def __init__(self, path):
        super().__init__(path)
        self.asked_for_all = False

    def changes(self, collection, *, since, **options):
        self.asked_for_all |= since == 0
        return super().changes(collection, since=since, **options)


def ask(connection, home, exact):
    """Open the data folder, ask everything, say what was found."""
    home = Path(home)
    rng = random.Random(0)
    with open_store(home, WatchedStore) as store:
        retriever = open_retriever(store, home, exact=exact)
        hits = [
            [hit.chunk.id for hit in retriever.search(question, collections=COLLECTIONS[:2], k=10)]
            for question in QUESTIONS
        ]
        rows = read_rows(home)
        faults = list(index_faults(retriever, rows, rng, collections=COLLECTIONS[:2], exact=exact))
        settle(retriever)
        faults += index_faults(retriever, rows, rng, collections=COLLECTIONS[:2], exact=exact)
        retriever.close()
        connection.send({"hits": hits, "faults": faults, "built anew": store.asked_for_all})


# ---------------------------------------------------------------- ways to damage


def damage(folder, trial, rng):
    """Damage one thing below the folder; says which and how."""
    kinds = _kinds(folder)
    kind = list(kinds)[trial % len(kinds)]
    path = rng.choice(kinds[kind])
    # Not in step with the kinds, so that in time each kind meets each way.
    way = WAYS[(trial // len(kinds) + trial) % len(WAYS)]
    way(path, folder, rng)
    return f"{kind} {way.__name__.strip('_').replace('_', ' ')}"


def _kinds(folder):
    """The files by what they are for: names without what is random in them."""
    kinds: dict = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        in_lexical = path.parent.name == "lexical" and not path.name.startswith((".", "meta"))
        kinds.setdefault(f"lexical *{path.suffix}" if in_lexical else path.name, []).append(path)
    return kinds


def _flip_a_bit(path, folder, rng):
    del folder
    content = bytearray(path.read_bytes())
    if content:
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    path.write_bytes(content)


def _overwrite_a_block(path, folder, rng):
    del folder
    content = path.read_bytes()
    start = rng.randrange(len(content) + 1)
    block = rng.randbytes(rng.randint(1, 4096))
    path.write_bytes(content[:start] + block + content[start + len(block) :])


def _zero_a_block(path, folder, rng):
    del folder
    content = path.read_bytes()
    start = rng.randrange(len(content) + 1)
    end = min(len(content), start + rng.randint(1, 4096))
    path.write_bytes(content[:start] + bytes(end - start) + content[end:])


def _zero_all(path, folder, rng):
    del folder, rng
    path.write_bytes(bytes(path.stat().st_size))


def _truncate(path, folder, rng):
    del folder
    content = path.read_bytes()
    path.write_bytes(content[: rng.randrange(len(content) + 1)])


def _empty(path, folder, rng):
    del folder, rng
    path.write_bytes(b"")


def _append(path, folder, rng):
    del folder
    path.write_bytes(path.read_bytes() + rng.randbytes(rng.randint(1, 4096)))


def _swap_with_another(path, folder, rng):
    others = [other for other in folder.rglob("*") if other.is_file() and other != path]
    other = rng.choice(sorted(others))
    mine, its = path.read_bytes(), other.read_bytes()
    path.write_bytes(its)
    other.write_bytes(mine)


def _delete(path, folder, rng):
    del folder, rng
    path.unlink()


def _delete_its_folder(path, folder, rng):
    del folder, rng
    shutil.rmtree(path.parent)


def _make_it_a_folder(path, folder, rng):
    del folder, rng
    path.unlink()
    path.mkdir()
    (path / "something").write_text("in the way")


def _link_it_elsewhere(path, folder, rng):
    others = [other for other in folder.rglob("*") if other.is_file() and other != path]
    path.unlink()
    path.symlink_to(rng.choice(sorted(others)))


def _link_it_nowhere(path, folder, rng):
    del rng
    path.unlink()
    path.symlink_to(folder / "nowhere")


WAYS = (
    _flip_a_bit,
    _overwrite_a_block,
    _zero_a_block,
    _zero_all,
    _truncate,
    _empty,
    _append,
    _swap_with_another,
    _delete,
    _delete_its_folder,
    _make_it_a_folder,
    _link_it_elsewhere,
    _link_it_nowhere,
)
