"""Deletion is provable: no byte of a removed document is left in the data folder."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np

from mmrag.ports import StoredAnswer
from mmrag.storage.cache import DiskAnswerCache
from mmrag.types import ChunkDraft, Figure, Page, Rating, document_id
from tests.storage.samples import cite, expected, held, make_answer, make_version

CANARIES = 40  # `make trust` tries many more


class Canary:
    """A document whose every part carries bytes that stand nowhere else."""

    def __init__(self, number):
        rng = random.Random(f"canary {number}")
        self.text_mark = f"canary{rng.getrandbits(64):016x}"
        self.image_mark = rng.randbytes(16)
        self.vector_mark = rng.randbytes(16)
        text = f"{self.text_mark} " * rng.randint(1, 200)
        uri = f"{self.text_mark}.md"
        picture = Figure("picture", 0, 5, image=self.image_mark * rng.randint(1, 300))
        vectors = np.frombuffer(self.vector_mark * 96, np.float32).reshape(1, -1)  # 384 numbers
        version = make_version(number, uri=uri)
        self.version = replace(
            version,
            document=replace(version.document, title=self.text_mark, pages=1, chunks=1, figures=1),
            pages=(Page(1, text, figures=(picture,)),),
            chunks=(ChunkDraft(1, 0, len(text), text, f"In {self.text_mark}", "figure", 0),),
            vectors=vectors,
        )

    @property
    def marks(self):
        return self.text_mark.encode(), self.image_mark, self.vector_mark


def found(marks, home):
    """How many of the marks stand in any file under a folder."""
    content = b"".join(file.read_bytes() for file in home.rglob("*") if file.is_file())
    return sum(mark in content for mark in marks)


def ask_about(store, cache, document, number):
    answer = make_answer(cite(store, document), answer_id=f"a{number}", text=f"{document.title} [1]")
    store.save_answer(StoredAnswer(answer, "Which?", ("shared",), f"k{number}"))
    cache.set(f"k{number}", answer)
    store.save_rating(Rating(answer.id, "down", correction=f"Rather {document.title}", author="ann"))


def test_no_byte_of_a_removed_document_is_left_after_compaction(store, home):
    canaries = [Canary(number) for number in range(CANARIES)]
    others = [make_version(number, uri=f"{number}.md", collection="private") for number in range(CANARIES)]
    marks = [mark for canary in canaries for mark in canary.marks]
    with DiskAnswerCache(home / "cache", size_limit=10**8) as cache:
        for number, (canary, other) in enumerate(zip(canaries, others, strict=True)):
            other.put_into(store)
            canary.version.put_into(store)
            ask_about(store, cache, canary.version.document, number)
            if number % 3 == 2:  # rows move between pages as others go
                store.remove([document_id("private", f"{number - 1}.md")], None)
        assert found(marks, home) == len(marks)
        others_held = {name: rows for name, rows in held(store).items() if name[0] == "private"}

        ids = [canary.version.document.id for canary in canaries]
        store.remove(ids, None)
        cache.delete(store.cache_keys_citing(ids))
        store.compact()

        left = found(marks, home)
        print(f"{CANARIES} canaries, {left} of their {len(marks)} marks left")  # noqa: T201 - the figure of this promise
        assert left == 0
        assert held(store) == others_held
        assert store.verdicts("a0") == (("ann", "down"),)


def test_no_byte_of_a_replaced_version_is_left_after_compaction(store, home):
    old = Canary(1)
    new = make_version(2, uri=old.version.document.uri)
    old.version.put_into(store)
    new.put_into(store)
    store.compact()
    assert found([old.image_mark, old.vector_mark], home) == 0
    assert held(store)["shared", old.version.document.uri] == expected(new)


def test_the_log_of_a_removal_is_emptied_at_once_when_nobody_reads(store, home):
    make_version(1).put_into(store)
    wal = home / "store.sqlite3-wal"
    assert wal.stat().st_size > 0
    store.remove([document_id("shared", "handbook.md")], None)
    assert wal.stat().st_size == 0
