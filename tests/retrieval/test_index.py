"""The index of a collection on disk: followed, rebuilt, shared by processes, never wrong."""

from __future__ import annotations

import json
import random
import shutil

import pytest
from filelock import FileLock

from mmrag.errors import StoreUnavailable
from mmrag.retrieval import manifest
from mmrag.retrieval.dense import DenseIndex
from mmrag.retrieval.hybrid import HybridRetriever
from tests.retrieval.memory_feed import HashEmbedder, MemoryFeed

QUESTIONS = ["rack 17 gateway", "note 250", "cooling in hall 3", "note gateway 99"]


def fill(feed, rows=300, collection="team", first=0):
    numbers = range(first, first + rows)
    texts = [f"note {i}: gateway in rack {i % 60}, cooling in hall {i % 7}" for i in numbers]
    return feed.add(collection, *texts)


def answers(retriever, k=5):
    return [
        [hit.chunk.id for hit in retriever.search(question, collections=["team"], k=k)]
        for question in QUESTIONS
    ]


def found(retriever, k=500):
    return {id_ for row in answers(retriever, k) for id_ in row}


def published_folder(tmp_path):
    (pointer,) = (tmp_path / "indexes").glob("*/*/current.json")
    return pointer.parent


def published(tmp_path):
    return manifest.read(published_folder(tmp_path), embedder=HashEmbedder.name)


def rows_on_disk(tmp_path):
    return sum(entry.rows for entry in published(tmp_path).segments)


@pytest.fixture(params=[10_000, 0], ids=["exact", "hnsw"])
def start(start_retriever, request):
    """Retrievers that keep more than 50 rows on disk."""
    chosen = {"memory_rows": 50, "exact_search_rows": request.param, "build_dense": DenseIndex.hnsw}
    return lambda **options: start_retriever(**chosen | options)


def test_a_small_collection_leaves_nothing_on_disk(feed, retriever, tmp_path):
    fill(feed, rows=40)
    answers(retriever)
    assert not (tmp_path / "indexes").exists()


def test_an_index_is_read_again_without_reading_the_store(feed, start):
    fill(feed)
    first = answers(start())
    feed.rows_read = 0
    assert answers(start()) == first
    assert feed.rows_read == 0


def test_what_came_and_went_after_it_was_written_is_seen(feed, start):
    ids = fill(feed)
    retrievers = [start(), start()]
    for retriever in retrievers:
        answers(retriever)
    (new,) = feed.add("team", "note 250 has a new rack 17 gateway")
    feed.remove("team", ids[250])
    for retriever in [*retrievers, start()]:
        assert answers(retriever)[1][0] == new
        assert ids[250] not in found(retriever)


def test_adding_costs_what_is_new_and_not_what_is_there(feed, start):
    fill(feed, rows=2000)
    retriever = start()
    answers(retriever)
    feed.rows_read = 0
    fill(feed, rows=30)
    answers(retriever)
    assert feed.rows_read == 30


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
        feed.rows_read = 0
        assert answers(start()) == expected
        assert feed.rows_read >= 300  # rebuilt from the store
        feed.rows_read = 0
        assert answers(start()) == expected
        assert feed.rows_read == 0


def test_a_manifest_that_claims_another_revision_is_not_believed(feed, start, tmp_path):
    fill(feed)
    answers(start())
    pointer = published_folder(tmp_path) / "current.json"
    content = json.loads(pointer.read_text())
    content["body"]["revision"] = 2
    pointer.write_text(json.dumps(content))
    (new,) = feed.add("team", "note 250 in rack 17")
    assert new in answers(start())[1]


@pytest.mark.parametrize(
    "pointer",
    ["", "[]", "null", "{}", '{"body": {}, "sha256": ""}', '{"body": null}', "\x00", "[" * 9999],
)
def test_a_manifest_that_is_none_is_replaced(feed, start, tmp_path, pointer):
    fill(feed)
    expected = answers(start())
    (published_folder(tmp_path) / "current.json").write_text(pointer)
    assert answers(start()) == expected


@pytest.mark.parametrize("name", ["current.json", "current.new", "build.lock"])
def test_a_folder_in_the_place_of_a_file_blocks_nothing(feed, start, tmp_path, name):
    fill(feed)
    answers(start())
    place = published_folder(tmp_path) / name
    place.unlink(missing_ok=True)
    (place / "inner").mkdir(parents=True)
    fill(feed, rows=60, first=500)
    retriever = start()
    assert answers(retriever)[1][0] == 251
    retriever.settle()
    assert rows_on_disk(tmp_path) == 360


def test_a_manifest_of_another_embedder_is_not_used(feed, start, tmp_path):
    fill(feed)
    answers(start())
    assert published(tmp_path) is not None
    assert manifest.read(published_folder(tmp_path), embedder="another") is None


def test_an_index_of_a_store_that_was_started_afresh_is_not_used(feed, start, tmp_path):
    fill(feed)
    feed.add("team", "and one more")
    answers(start())
    afresh = MemoryFeed(HashEmbedder())
    ids = fill(afresh, rows=60)
    retriever = HybridRetriever(
        afresh, HashEmbedder(), folder=tmp_path / "indexes", exact_search_rows=10_000, memory_rows=50
    )
    assert found(retriever) == set(ids)


def test_an_index_of_a_forgotten_collection_is_not_used_for_its_name(feed, start, tmp_path):
    fill(feed)
    answers(start())
    feed.forget("team")  # the process died before it deleted the index
    ids = fill(feed, rows=60)
    retriever = start()
    assert found(retriever) == set(ids)
    retriever.settle()
    assert rows_on_disk(tmp_path) == 60


def test_leftovers_of_a_killed_process_are_deleted_and_block_nothing(feed, start, tmp_path):
    ids = fill(feed)
    answers(start())
    folder = published_folder(tmp_path)
    leftover = folder / "segment-0123456789abcdef"
    shutil.copytree(next(folder.glob("segment-*")), leftover)
    (folder / "current.new").write_text("{")
    feed.remove("team", *ids[:150])
    retriever = start()
    answers(retriever)
    retriever.settle()
    assert {path.name for path in folder.glob("segment-*")} == {e.name for e in published(tmp_path).segments}
    assert sorted(path.name for path in folder.glob("current*")) == ["current.json"]


def test_a_fifth_removed_is_built_anew_in_the_background(feed, start, tmp_path):
    ids = fill(feed, rows=600)
    retriever = start()
    answers(retriever)
    before = published(tmp_path)
    feed.remove("team", *ids[:200])
    assert not set(ids[:200]) & found(retriever)
    retriever.settle()
    after = published(tmp_path)
    assert {e.name for e in after.segments}.isdisjoint(e.name for e in before.segments)
    assert rows_on_disk(tmp_path) == 400
    assert answers(retriever) == answers(start())


def test_what_grew_in_memory_is_written_in_the_background(feed, start, tmp_path):
    fill(feed, rows=60)
    retriever = start()
    answers(retriever)
    for part in range(5):
        fill(feed, rows=40, first=60 + 40 * part)
        answers(retriever)
    before = answers(retriever)
    retriever.settle()
    assert rows_on_disk(tmp_path) > 200
    assert len(published(tmp_path).segments) <= 3
    after = answers(retriever)
    assert after[1][0] == before[1][0] == 251
    assert found(retriever, k=1000) == set(range(1, 261))


def test_a_large_collection_is_kept_in_several_segments(feed, start, tmp_path):
    ids = fill(feed, rows=1000)
    retriever = start(segment_rows=200)
    assert set(ids) >= found(retriever)
    assert [entry.rows for entry in published(tmp_path).segments] == [200] * 5
    whole = answers(start(folder=tmp_path / "whole"))
    assert [row[0] for row in answers(retriever)] == [row[0] for row in whole]


def test_building_goes_on_where_it_was_interrupted(feed, start, tmp_path):
    """A full disk stands for whatever ends the building of a large index half-way."""
    ids = fill(feed, rows=1000)
    retriever = start(segment_rows=200)
    budget = iter([True] * 2)

    def rows_while_there_is_room(wanted, *, embedder):
        if not next(budget, False):
            raise StoreUnavailable("gone")
        return MemoryFeed.rows(feed, wanted, embedder=embedder)

    feed.rows = rows_while_there_is_room  # two reads make the first segment: words, then vectors
    with pytest.raises(StoreUnavailable):
        answers(retriever)
    assert rows_on_disk(tmp_path) == 200
    del feed.rows
    feed.rows_read = 0
    assert found(start(segment_rows=200), k=2000) == set(ids)
    assert feed.rows_read == 2 * 800


def test_a_process_takes_over_what_another_one_wrote(feed, start):
    fill(feed, rows=60)
    one, two = start(), start()
    answers(one)
    answers(two)
    fill(feed, rows=200)
    answers(one)
    one.settle()
    feed.rows_read = 0
    assert answers(two) == answers(one)
    assert feed.rows_read == 0


def test_compaction_leaves_no_removed_chunk_on_disk(feed, start, tmp_path):
    ids = fill(feed, rows=300)
    retriever = start()
    answers(retriever)
    feed.remove("team", ids[7])
    before = answers(retriever)
    retriever.compact()
    assert rows_on_disk(tmp_path) == 299
    assert published(tmp_path).dead == frozenset()
    for after in (answers(retriever), answers(start())):
        assert after[1][0] == before[1][0] == ids[250]
    assert found(start()) <= set(ids) - {ids[7]}


def test_compaction_deletes_the_indexes_of_collections_that_are_gone(feed, start, tmp_path):
    fill(feed)
    fill(feed, collection="secret")
    retriever = start()
    answers(retriever)
    retriever.search("rack 17", collections=["secret"], k=3)
    assert len(list((tmp_path / "indexes").glob("*/*/current.json"))) == 2
    feed.forget("secret")
    retriever.compact()
    assert len(list((tmp_path / "indexes").glob("*/*"))) == 1


def test_a_collection_that_is_emptied_leaves_no_segment(feed, start, tmp_path):
    ids = fill(feed)
    retriever = start()
    answers(retriever)
    feed.remove("team", *ids)
    assert found(retriever) == set()
    retriever.compact()
    assert not list((tmp_path / "indexes").rglob("segment-*"))
    (new,) = feed.add("team", "note 250")
    assert found(retriever) == found(start()) == {new}


def test_a_folder_that_cannot_be_used_leaves_the_index_in_memory(feed, start, start_retriever, tmp_path):
    fill(feed)
    (tmp_path / "a file").write_text("where a folder should be")
    assert answers(start(folder=tmp_path / "a file")) == answers(start_retriever())


def test_an_index_that_another_process_builds_is_not_waited_for(feed, start, start_retriever, tmp_path):
    fill(feed)
    answers(start())
    folder = published_folder(tmp_path)
    shutil.rmtree(next(folder.glob("segment-*")))
    with FileLock(folder / "build.lock"):
        assert answers(start()) == answers(start_retriever())
