from __future__ import annotations

import json
import random
import shutil

import pytest
from filelock import FileLock

from mmrag.retrieval import snapshot
from mmrag.retrieval.hybrid import HybridRetriever
from tests.retrieval.memory_feed import HashEmbedder, MemoryFeed

QUESTIONS = ["rack 17 gateway", "note 250", "cooling in hall 3", "note gateway 99"]


def fill(feed, rows=300, collection="team"):
    texts = [f"note {i}: gateway in rack {i % 60}, cooling in hall {i % 7}" for i in range(rows)]
    return feed.add(collection, *texts)


def answers(retriever, k=5):
    return [
        [hit.chunk.id for hit in retriever.search(question, collections=["team"], k=k)]
        for question in QUESTIONS
    ]


def published_folder(tmp_path):
    (pointer,) = (tmp_path / "indexes").glob("*/current.json")
    return pointer.parent


@pytest.fixture(params=[10_000, 0], ids=["exact", "hnsw"])
def start(start_retriever, request):
    """Retrievers that keep more than 50 rows on disk."""
    return lambda **options: start_retriever(memory_rows=50, exact_search_rows=request.param, **options)


def test_a_small_collection_leaves_nothing_on_disk(feed, retriever, tmp_path):
    fill(feed, rows=40)
    answers(retriever)
    assert not (tmp_path / "indexes").exists()


def test_a_snapshot_is_read_again_without_reading_the_store(feed, start):
    fill(feed)
    first = answers(start())
    feed.reads.clear()
    assert answers(start()) == first
    assert feed.reads == [("team", 1)]


def test_what_came_and_went_after_the_snapshot_is_seen(feed, start):
    ids = fill(feed)
    retrievers = [start(), start()]
    for retriever in retrievers:
        answers(retriever)
    (new,) = feed.add("team", "note 250 has a new rack 17 gateway")
    feed.remove("team", ids[250])
    for retriever in [*retrievers, start()]:
        found = answers(retriever)
        assert found[1][0] == new
        assert ids[250] not in {id_ for row in found for id_ in row}


def damage(path, trial, rng):
    """Flip a bit, cut the end off, or delete.

    By a new file under the old name: this process still has the old one open, as memory that
    would end the process if it were cut under it.
    """
    content = bytearray(path.read_bytes())
    path.unlink()
    if trial % 3 == 0 and content:
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
        path.write_bytes(content)
    elif trial % 3 == 1 and content:
        path.write_bytes(content[: rng.randrange(len(content))])


def test_damaged_files_are_noticed_and_no_answer_is_wrong(feed, start, tmp_path):
    fill(feed)
    expected = answers(start())
    rng = random.Random(7)
    for trial in range(24):
        folder = published_folder(tmp_path)
        files = sorted(path for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock")
        damage(files[trial % len(files)], trial, rng)
        feed.reads.clear()
        assert answers(start()) == expected
        assert ("team", 0) in feed.reads  # rebuilt from the store
        feed.reads.clear()
        assert answers(start()) == expected
        assert ("team", 0) not in feed.reads


def test_a_pointer_that_claims_another_revision_is_not_believed(feed, start, tmp_path):
    fill(feed)
    answers(start())
    pointer = published_folder(tmp_path) / "current.json"
    content = json.loads(pointer.read_text())
    content["manifest"]["revision"] = 2
    pointer.write_text(json.dumps(content))
    (new,) = feed.add("team", "note 250 in rack 17")
    assert new in answers(start())[1]


@pytest.mark.parametrize(
    "pointer", ["", "[]", "null", "{}", '{"manifest": {}, "sha256": ""}', '{"manifest": null}', "\x00"]
)
def test_a_pointer_that_is_none_is_replaced(feed, start, tmp_path, pointer):
    fill(feed)
    expected = answers(start())
    (published_folder(tmp_path) / "current.json").write_text(pointer)
    assert answers(start()) == expected


def test_a_snapshot_of_another_embedder_is_not_used(feed, start, tmp_path):
    fill(feed)
    answers(start())
    assert snapshot.open_published(published_folder(tmp_path), embedder=HashEmbedder.name) is not None
    assert snapshot.open_published(published_folder(tmp_path), embedder="another") is None


def test_a_snapshot_of_a_store_that_was_started_afresh_is_not_used(feed, start, tmp_path):
    fill(feed)
    feed.add("team", "and one more")
    answers(start())
    afresh = MemoryFeed(HashEmbedder())
    ids = fill(afresh, rows=60)
    retriever = HybridRetriever(
        afresh, HashEmbedder(), folder=tmp_path / "indexes", exact_search_rows=10_000, memory_rows=50
    )
    assert {id_ for row in answers(retriever, k=100) for id_ in row} == set(ids)


def test_leftovers_of_a_killed_process_are_deleted_and_block_nothing(feed, start, tmp_path):
    ids = fill(feed)
    answers(start())
    folder = published_folder(tmp_path)
    leftover = folder / "snapshot-0123456789abcdef"
    shutil.copytree(next(folder.glob("snapshot-*")), leftover)
    (folder / "current.json.snapshot-0123456789abcdef").write_text("{")
    feed.remove("team", *ids[:150])
    retriever = start()
    answers(retriever)
    retriever.close()
    assert len(list(folder.glob("snapshot-*"))) == 1
    assert sorted(path.name for path in folder.glob("current.json*")) == ["current.json"]


def test_a_fifth_removed_rebuilds_in_the_background(feed, start, tmp_path):
    ids = fill(feed, rows=600)
    retriever = start()
    answers(retriever)
    before = next(published_folder(tmp_path).glob("snapshot-*"))
    feed.remove("team", *ids[:200])
    assert not set(ids[:200]) & {id_ for row in answers(retriever, k=100) for id_ in row}
    retriever.close()
    after = next(published_folder(tmp_path).glob("snapshot-*"))
    assert after != before
    assert len(snapshot.open_published(after.parent, embedder=HashEmbedder.name).dense.ids) == 400
    assert answers(retriever) == answers(start())


def test_what_grew_in_memory_is_written_in_the_background(feed, start, tmp_path):
    fill(feed, rows=60)
    retriever = start()
    answers(retriever)
    fill(feed, rows=200)
    expected = answers(retriever, k=3)  # further down stand equals of other length norms
    retriever.close()
    written = snapshot.open_published(published_folder(tmp_path), embedder=HashEmbedder.name)
    assert len(written.dense.ids) == 260
    assert answers(retriever, k=3) == expected


def test_a_process_takes_over_the_snapshot_that_another_one_wrote(feed, start):
    fill(feed, rows=60)
    one, two = start(), start()
    answers(one)
    answers(two)
    fill(feed, rows=200)
    answers(one)
    one.close()
    feed.reads.clear()
    answers(two)
    two.close()
    assert answers(two) == answers(one)
    assert ("team", 0) not in feed.reads


def test_a_collection_that_shrinks_is_withdrawn_from_disk(feed, start, tmp_path):
    ids = fill(feed)
    retriever = start()
    answers(retriever)
    folder = published_folder(tmp_path)
    feed.remove("team", *ids[10:])
    answers(retriever)
    retriever.close()
    assert {path.name for path in folder.iterdir()} <= {"build.lock"}
    assert {id_ for row in answers(retriever, k=50) for id_ in row} == set(ids[:10])


def test_a_folder_that_cannot_be_used_leaves_the_index_in_memory(feed, start, start_retriever, tmp_path):
    fill(feed)
    (tmp_path / "a file").write_text("where a folder should be")
    assert answers(start(folder=tmp_path / "a file")) == answers(start_retriever())


def test_an_index_that_another_process_builds_is_not_waited_for(feed, start, start_retriever, tmp_path):
    fill(feed)
    answers(start())
    folder = published_folder(tmp_path)
    shutil.rmtree(next(folder.glob("snapshot-*")))
    with FileLock(folder / "build.lock"):
        assert answers(start()) == answers(start_retriever())
