from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mmrag.retrieval import dense
from mmrag.retrieval.dense import DenseIndex


def ids_found(*arguments, **options):
    return [id_ for _, id_ in dense.search(*arguments, **options)]


def unit_vectors(rows, dimension=64, seed=1):
    """Clustered, as texts are; the clusters are the same for every seed."""
    centres = np.random.default_rng(0).standard_normal((40, dimension))
    rng = np.random.default_rng(seed)
    vectors = centres[rng.integers(0, 40, rows)] + 0.7 * rng.standard_normal((rows, dimension))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def graph(vectors, *, batch=700, build=DenseIndex.hnsw):
    """HNSW over rows that come in batches."""
    starts = range(0, len(vectors), batch)
    return build((np.arange(len(vectors))[i : i + batch], vectors[i : i + batch]) for i in starts)


def scan(vectors, *, batch=700):
    """Short codes of rows that come in batches."""
    return graph(vectors, batch=batch, build=DenseIndex.scan)


def nearest(vectors, question, k):
    return np.argsort(-(vectors @ question[0]))[:k].tolist()


def test_exact_search_finds_the_nearest():
    vectors = unit_vectors(500)
    index = DenseIndex.exact(np.arange(500), vectors)
    for row in range(0, 500, 25):
        question = vectors[row : row + 1]
        assert ids_found([index], question, depth=10) == nearest(vectors, question, 10)


@pytest.mark.parametrize("build", [graph, scan])
def test_what_is_not_exact_finds_nearly_all_that_exact_search_finds(build):
    vectors, questions = unit_vectors(5000), unit_vectors(200, seed=2)
    index = build(vectors)
    found = 0
    for i in range(200):
        question = questions[i : i + 1]
        expected = nearest(vectors, question, 10)
        found += len(set(expected) & set(ids_found([index], question, depth=10)))
    assert found / 2000 >= 0.97


def test_a_graph_that_was_written_is_read_again_and_finds_the_same(tmp_path):
    vectors, question = unit_vectors(3000), unit_vectors(1, seed=6)
    for index in (DenseIndex.exact(np.arange(3000), vectors), graph(vectors), scan(vectors)):
        index.write(tmp_path / "dense.faiss")
        again = DenseIndex.open(index.ids, tmp_path / "dense.faiss")
        assert dense.search([again], question, depth=30) == dense.search([index], question, depth=30)


def test_what_a_scan_touches_is_in_memory_once_it_is_open(tmp_path):
    """Else each candidate would wait for the disk alone."""
    file = tmp_path / "dense.faiss"
    rows, dimension = 60_000, 128  # of fewer the system maps most by itself
    index = scan(unit_vectors(rows, dimension))
    index.write(file)
    opened = DenseIndex.open(index.ids, file)
    assert opened.is_scan
    assert resident(file) > 0.9 * rows * dimension  # a byte for each number


def resident(file):
    """Bytes of the file that this process has mapped and in memory."""
    size, inside = 0, False
    for line in Path("/proc/self/smaps").read_text("utf-8").splitlines():
        name, *rest = line.split()
        if not name.endswith(":"):
            inside = line.endswith(str(file))
        elif inside and name == "Rss:":
            size += 1024 * int(rest[0])
    return size


def test_no_rows_make_an_index_that_can_be_written_and_read(tmp_path):
    index = DenseIndex.hnsw([])
    index.write(tmp_path / "dense.faiss")
    assert len(DenseIndex.open(index.ids, tmp_path / "dense.faiss").ids) == 0


def test_hnsw_finds_as_many_as_are_asked_for():
    index = graph(unit_vectors(1000))
    assert len(ids_found([index], unit_vectors(1, seed=3), depth=400)) == 400


def test_fewer_rows_than_asked_for_are_all_that_comes():
    index = DenseIndex.exact(np.array([7, 9]), unit_vectors(2))
    assert set(ids_found([index], unit_vectors(1, seed=3), depth=10)) == {7, 9}


def test_an_empty_index_finds_nothing():
    index = DenseIndex.exact(np.empty(0, dtype=np.int64), unit_vectors(0))
    assert ids_found([index], unit_vectors(1), depth=10) == []


def test_rows_are_added_to_a_new_index_and_the_old_one_stays():
    vectors = unit_vectors(30)
    old = DenseIndex.exact(np.arange(20), vectors[:20])
    new = old.with_rows(np.arange(20, 30), vectors[20:])
    question = vectors[25:26]
    assert ids_found([new], question, depth=5) == nearest(vectors, question, 5)
    assert 25 not in ids_found([old], question, depth=20)


def test_several_scans_together_find_as_much_as_one_of_all_rows():
    vectors, questions = unit_vectors(8000), unit_vectors(100, seed=8)
    parts = [
        DenseIndex.scan([(np.arange(start, start + 2000), vectors[start : start + 2000])])
        for start in range(0, 8000, 2000)
    ]
    one, found = scan(vectors), {"parts": 0, "one": 0}
    for question in questions[:, None]:
        expected = set(nearest(vectors, question, 10))
        rows = dense.search(parts, question, depth=10)
        assert [cosine for cosine, _ in rows] == sorted((cosine for cosine, _ in rows), reverse=True)
        assert all(cosine == pytest.approx(vectors[id_] @ question[0], abs=0.02) for cosine, id_ in rows)
        found["parts"] += len(expected & {id_ for _, id_ in rows})
        found["one"] += len(expected & set(ids_found([one], question, depth=10)))
    assert found["parts"] >= found["one"] - 10  # of 1,000


def test_several_indexes_are_searched_as_one():
    vectors = unit_vectors(300)
    parts = [
        DenseIndex.exact(np.arange(200), vectors[:200]),
        DenseIndex.exact(np.arange(200, 300), vectors[200:]),
    ]
    question = unit_vectors(1, seed=4)
    assert ids_found(parts, question, depth=20) == nearest(vectors, question, 20)


def test_removed_rows_do_not_take_up_the_places_of_live_ones():
    vectors = unit_vectors(300)
    question = unit_vectors(1, seed=5)
    order = nearest(vectors, question, 300)
    for index in (DenseIndex.exact(np.arange(300), vectors), graph(vectors)):
        found = ids_found([index], question, depth=5, without=frozenset(order[:100]))
        assert len(found) == 5
        assert set(found) <= set(order[100:108])  # 8-bit codes swap near ones


def test_too_few_rows_to_train_short_codes_are_searched_exactly():
    vectors, question = unit_vectors(300), unit_vectors(1, seed=7)
    assert ids_found([scan(vectors)], question, depth=20) == nearest(vectors, question, 20)


@pytest.mark.parametrize("dimension", [6, 8, 10, 11])
def test_every_dimension_can_be_scanned(dimension):
    vectors = unit_vectors(2000, dimension)
    question = vectors[77:78]
    assert ids_found([scan(vectors)], question, depth=5)[0] == 77


def test_a_scan_looks_deeper_where_most_candidates_were_removed():
    vectors, question = unit_vectors(3000), unit_vectors(1, seed=9)
    order = nearest(vectors, question, 3000)
    found = ids_found([scan(vectors)], question, depth=5, without=frozenset(order[: dense.REFINED + 100]))
    assert len(found) == 5
    assert set(found) <= set(order[dense.REFINED + 100 :][:20])  # short codes pass over some
