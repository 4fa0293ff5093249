"""Promise: deletion is provable. Documents with marks that stand nowhere else are removed without trace.

They go through the engine as any document does, or into the store with pictures; they are asked
about, so that answers and the cache hold them; another process writes the indexes to disk. Then
they are removed, replaced, or forgotten with their collection, and the data folder is compacted.

Dictionaries of Tantivy are compressed, so they are asked as well: no search word of a mark may be
in one. Its document store is empty, as no field is stored. Questions do not hold marks: what a
person asked is theirs and stays, so that answers can be rated.
"""

from __future__ import annotations

import hashlib
import random
import shutil

import numpy as np

from mmrag.retrieval.lexical import LexicalIndex
from mmrag.text.words import words
from mmrag.types import ChunkDraft, Document, Figure, Page, Question, Source, document_id
from tests.storage.samples import Version
from tests.trust.outcome import trial_run
from tests.trust.parts import (
    TrialEmbedder,
    open_engine,
    open_retriever,
    open_store,
)
from tests.trust.rows import VOCABULARY, read_rows

TRIALS = 200
FATES = ("removed", "replaced", "forgotten")
KEPT, DOOMED = "shared", "doomed"
_CANARIES_A_FOLDER = 50
_OTHERS = 50  # documents that stay; with them the indexes go to disk
_HAN = [chr(code) for code in range(0x4E00, 0x9000)]


class NoisyEmbedder(TrialEmbedder):
    """Vectors of which every few bytes are a mark, too."""

    def _vector(self, text):
        seed = hashlib.blake2b(text.encode(), digest_size=8).digest()
        noise = np.random.default_rng(int.from_bytes(seed)).random(self.dimension, dtype=np.float32)
        vector = super()._vector(text) + noise / 100
        return (vector / np.linalg.norm(vector)).astype(np.float32)


EMBEDDER = NoisyEmbedder()


def run(trials, seed, folder):
    """Remove so many canaries, some dozens a data folder."""
    with trial_run(seed) as outcome:
        for first in range(0, trials, _CANARIES_A_FOLDER):
            numbers = range(first, min(trials, first + _CANARIES_A_FOLDER))
            _remove_without_trace([Canary(seed, number) for number in numbers], folder / str(first), outcome)
            outcome.trials += len(numbers)
        return outcome


class Canary:
    """A document whose every part carries bytes that stand nowhere else."""

    def __init__(self, seed, number):
        rng = random.Random(f"{seed} canary {number}")
        self.fate = FATES[number % len(FATES)]
        self.collection = DOOMED if self.fate == "forgotten" else KEPT
        self.drawn = number % 4 == 3  # goes into the store with a picture
        self.topic = f"topic{number}"
        self.uri_mark = f"uri{rng.getrandbits(64):016x}"
        self.uri = f"file:///{self.uri_mark}.md"
        text_mark, title, heading, cell = (
            f"{name}{rng.getrandbits(64):016x}" for name in ("text", "title", "heading", "cell")
        )
        code = f"ERR-{rng.getrandbits(40):010x}"
        snake = f"{rng.choice('abcdef')}{rng.getrandbits(40):010x}_snake_{rng.getrandbits(40):010x}"
        chinese = "".join(rng.choices(_HAN, k=8))
        self.text_marks = [text_mark, title, heading, cell, code, snake, chinese]
        self.image_mark = rng.randbytes(24) if self.drawn else None
        self.title = title
        self.heading = heading
        self.text = (
            f"The code of {self.topic} is {code}, says {text_mark} of {snake}.\n\n"
            f"{self.topic} 的说明是{chinese}。\n\n"
            f"| {self.topic} | value |\n| --- | --- |\n| code | {cell} |\n"
        )

    @property
    def id(self):
        return document_id(self.collection, self.uri)

    def add(self, engine, store):
        if self.drawn:
            self._version().put_into(store, embedder=EMBEDDER.name)
        else:
            self._add_text(engine, f"# {self.title}\n\n## {self.heading}\n\n{self.text}")

    def replace(self, engine):
        self._add_text(engine, f"# Another\n\nNothing of {self.topic} is left here.\n")

    def _add_text(self, engine, text):
        source = Source(name="note.md", data=text.encode(), uri=self.uri)
        engine.add(source, collection=self.collection)

    def _version(self):
        text = f"{self.heading}\n\n{self.text}"
        picture = Figure("picture", 0, len(self.heading), image=self.image_mark * 100)
        draft = ChunkDraft(1, 0, len(text), text, f"{self.title} > {self.heading}", "figure", 0)
        document = Document(
            id=self.id,
            collection=self.collection,
            title=self.title,
            uri=self.uri,
            media_type="text/markdown",
            pages=1,
            chunks=1,
            figures=1,
            added_at="2024-01-01T00:00:00Z",
        )
        vectors = EMBEDDER.embed_documents([draft.searched])
        return Version(document, "hash", (Page(1, text, figures=(picture,)),), (draft,), vectors)

    def marks(self):
        """Those that must be gone: a replaced document keeps its address."""
        marks = self.text_marks if self.fate == "replaced" else [*self.text_marks, self.uri_mark]
        return [mark.encode() for mark in marks] + ([self.image_mark] if self.drawn else [])

    def index_words(self):
        """Search words that only this document has: stems, parts of identifiers, pairs of characters."""
        found = {word for mark in self.text_marks for word in words(mark)}
        return {word for word in found if len(word.encode()) >= 6}


def _remove_without_trace(canaries, home, outcome):
    with open_engine(home, EMBEDDER) as engine, open_store(home) as store:
        _fill(canaries, engine, store, home)
        before = read_rows(home)
        gone = {chunk.id: chunk for name in before.chunks for chunk in before.chunks[name]}
        marks = [mark for canary in canaries for mark in canary.marks()]
        index_words = set().union(*(canary.index_words() for canary in canaries))
        content = everything_in(home)
        unseen = [mark for mark in marks if mark not in content]
        outcome.check(not unseen, f"{len(unseen)} marks were never in the data folder")
        asked = sum(f'"{canary.title}' in _quoted(engine, canary) for canary in canaries)
        outcome.count("canaries that answers quoted", asked)
        outcome.check(asked > len(canaries) // 2, "most canaries were not in any answer")
        known = words_in_dictionaries(home, index_words)
        outcome.check(known, "no canary was in an index on disk")

        removed = [canary.id for canary in canaries if canary.fate == "removed"]
        engine.remove(removed)
        for canary in canaries:
            if canary.fate == "replaced":
                canary.replace(engine)
        engine.forget(DOOMED)
        engine.compact()

        after = read_rows(home)
        live = {chunk.id for name in after.chunks for chunk in after.chunks[name]}
        _check_no_trace(home, marks, index_words, [gone[id_] for id_ in gone.keys() - live], outcome)
        others = sum(uri.startswith("other") for _, uri in after.documents)
        outcome.check(others == _OTHERS, "another document went with the canaries")


def _fill(canaries, engine, store, home):
    rng = random.Random(canaries[0].topic)
    for number in range(_OTHERS):
        other = " ".join(rng.choices(VOCABULARY, k=12))
        source = Source(name="other.md", data=f"{number} {other}".encode(), uri=f"other {number}")
        engine.add(source, collection=(KEPT, "private")[number % 2])
        for canary in canaries[number::_OTHERS]:
            canary.add(engine, store)
    retriever = open_retriever(store, home)
    for canary in canaries:
        retriever.search(canary.topic, collections=[KEPT, DOOMED], k=3)
        engine.ask(Question(f"What is the code of {canary.topic}?", collections=(canary.collection,)))
    retriever.close()


def _quoted(engine, canary):
    """What the answer quotes, asked once more, so from the cache."""
    answer = engine.ask(Question(f"What is the code of {canary.topic}?", collections=(canary.collection,)))
    return " ".join(f'"{citation.title} {citation.quote}' for citation in answer.citations)


def _check_no_trace(home, marks, index_words, gone, outcome):
    content = everything_in(home)
    outcome.count("bytes searched", len(content))
    written = [mark for mark in marks if mark.isascii() or _is_text(mark)]
    forms = [
        *marks,
        *(mark.decode().encode(coding) for mark in written for coding in ("utf-16-le", "utf-16-be")),
        *(word.encode() for word in index_words),
    ]
    outcome.count("marks and words looked for", len(forms))
    for form in forms:
        outcome.check(form not in content, f"{form!r} is left in {_places(home, form)}")
    for chunk in gone:
        parts = [chunk.vector[start : start + 8].tobytes() for start in range(0, len(chunk.vector), 8)]
        left = sum(part in content for part in parts)
        outcome.check(not left, f"{left} of {len(parts)} parts of a vector are left")
    outcome.count("vectors looked for", len(gone))
    left = words_in_dictionaries(home, index_words)
    outcome.check(not left, f"{len(left)} words are left in dictionaries of indexes")
    ids = {chunk.id for chunk in gone} & ids_in_indexes(home)
    outcome.check(not ids, f"{len(ids)} ids of removed chunks are left in indexes")


def _is_text(mark):
    try:
        return bool(mark.decode())
    except UnicodeDecodeError:
        return False


def everything_in(home):
    """The bytes of all files: store, log, indexes, cache, locks."""
    return b"\0".join(path.read_bytes() for path in sorted(home.rglob("*")) if path.is_file())


def _places(home, form):
    return [
        str(path.relative_to(home))
        for path in home.rglob("*")
        if path.is_file() and form in path.read_bytes()
    ]


def words_in_dictionaries(home, asked):
    """Those of the words that a Tantivy index below the folder knows."""
    found = set()
    for meta in sorted((home / "indexes").rglob("meta.json")):
        copy = home.parent / "dictionary"
        shutil.copytree(meta.parent, copy)
        index = LexicalIndex.open(copy)
        found |= {word for word in asked if index.document_frequency(word)}
        shutil.rmtree(copy)
    return found


def ids_in_indexes(home):
    """All chunk ids that lie beside the vectors of indexes."""
    arrays = [np.load(path, allow_pickle=False) for path in sorted((home / "indexes").rglob("*.npy"))]
    return {int(id_) for array in arrays for id_ in array.ravel()}
