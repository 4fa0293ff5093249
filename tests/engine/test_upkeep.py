"""What the engine does by itself: compaction after deletions, new vectors after a change of the model."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from mmrag.assemble import build_engine
from mmrag.config import Settings
from mmrag.errors import NotFound
from mmrag.storage.catalog import SqliteStore
from mmrag.types import Question, Source
from tests.retrieval.memory_feed import HashEmbedder

PRIVATE = "The zirconium vault opens with the code 4711-quagga."
PUBLIC = "The canteen opens at noon and closes at two."


class OtherEmbedder(HashEmbedder):
    name = "hashed words, shorter"
    dimension = 32


@pytest.fixture
def start(reader, tmp_path):
    """Start engines on one data folder, with an embedder without a model; closed after the test."""
    with ExitStack() as stack:

        def _start(embedder=None, **settings):
            chosen = Settings(home=tmp_path / "home", **settings)
            return stack.enter_context(
                build_engine(chosen, embedder=embedder or HashEmbedder(), reader=reader)
            )

        yield _start


@pytest.fixture
def store(tmp_path):
    """The store of these engines, seen from outside."""

    def states():
        with SqliteStore(tmp_path / "home" / "store.sqlite3") as opened:
            return opened.states(), opened.erasures()

    return states


def add(engine, text, *, name="note.txt", collection="default"):
    return engine.add(Source(name=name, data=text.encode(), uri=f"test:{name}"), collection=collection)


def found(engine, text, *, collection="default"):
    return engine.search(Question(text, collections=(collection,)), k=5).hits


def bytes_left(folder, *marks):
    content = b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
    return [mark for mark in marks if mark.encode() in content]


class CountingEmbedder(HashEmbedder):
    """Remembers what it was given."""

    def __init__(self):
        self.texts = []

    def embed_documents(self, texts):
        self.texts += texts
        return super().embed_documents(texts)


def test_of_a_changed_document_only_what_is_new_is_embedded(start):
    embedder = CountingEmbedder()
    engine = start(embedder, chunk_tokens=32)
    sentences = [f"Rule {i} says that lift number {i * 7} is inspected in month {i}." for i in range(40)]
    add(engine, " ".join(sentences))
    first = len(embedder.texts)
    assert first > 10
    assert (
        add(engine, " ".join([*sentences, "Rule 41 says that nobody may smoke in a lift."])).status
        == "updated"
    )
    assert 1 <= len(embedder.texts) - first <= 2
    assert "smoke" in found(engine, "Who may smoke?")[0].chunk.text
    assert "lift number 147 " in found(engine, "In which month is lift number 147 inspected?")[0].chunk.text


@pytest.mark.parametrize("deletion", ["remove", "update", "forget"])
def test_what_was_deleted_leaves_the_disk_by_itself(start, store, tmp_path, deletion):
    engine = start(compact_after_seconds=0)
    report = add(engine, PRIVATE)
    add(engine, PUBLIC, name="other.txt", collection="open")
    engine.ask(Question("What opens the zirconium vault?"))
    assert bytes_left(tmp_path / "home", "quagga")
    if deletion == "remove":
        engine.remove([report.document_id])
    elif deletion == "update":
        add(engine, PUBLIC)
    else:
        engine.forget("default")
    engine.close()
    assert bytes_left(tmp_path / "home", "quagga", "zirconium vault opens") == []
    assert store()[1] == 0
    assert found(start(), "canteen", collection="open")[0].chunk.text == PUBLIC


def test_what_an_earlier_process_left_to_compact_is_done_by_the_next(start, store, tmp_path):
    engine = start(compact_after_seconds=3600)
    engine.remove([add(engine, PRIVATE).document_id])
    engine.close()
    assert store()[1] == 1
    start(compact_after_seconds=0).close()
    assert store()[1] == 0
    assert bytes_left(tmp_path / "home", "quagga") == []


def test_compaction_can_be_asked_for(start, store, tmp_path):
    engine = start()
    engine.remove([add(engine, PRIVATE).document_id])
    engine.compact()
    assert store()[1] == 0
    assert bytes_left(tmp_path / "home", "quagga") == []


def test_a_forgotten_collection_is_neither_found_nor_listed_nor_answered_from_the_cache(start):
    engine = start()
    add(engine, PRIVATE, collection="board")
    question = Question("What opens the zirconium vault?", collections=("board",))
    first = engine.ask(question)
    assert not first.abstained
    (document,) = engine.forget("board")
    assert document.uri == "test:note.txt"
    assert engine.documents() == ()
    assert found(engine, "zirconium", collection="board") == ()
    assert engine.ask(question).abstained
    with pytest.raises(NotFound):
        engine.forget("board")


def test_a_new_model_takes_over_once_every_chunk_has_its_vector(start, store):
    engine = start()
    for number in range(40):
        add(engine, f"Note {number} says that rack {number * 3} is cooled.", name=f"{number}.txt")
    engine.close()
    later = start(OtherEmbedder())
    later.compact()  # waits for what goes on in the background otherwise
    assert {state.embedder for state in store()[0].values()} == {OtherEmbedder.name}
    hits = found(later, "Which rack does note 7 name?")
    assert "Note 7" in hits[0].chunk.text
    assert hits[0].retrievers == ("bm25", "dense")
    assert add(later, "Note 7 says that rack 21 is cooled.", name="7.txt").status == "unchanged"
