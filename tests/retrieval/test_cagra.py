"""What is done with a graph that another index has, shown with graphs that the CPU built.

They are of the class, the metric and the form that FAISS copies CAGRA's into; no test here needs a GPU.
"""

from __future__ import annotations

import logging
from functools import cache

import faiss
import numpy as np
import pytest

from mmrag.retrieval import cagra, device
from mmrag.retrieval.cagra import BrokenGraph, check_links, checked, checked_or_cpu, transplanted
from mmrag.retrieval.dense import HNSW_EF_CONSTRUCTION, HNSW_M, DenseIndex
from mmrag.retrieval.exact import recall

ROWS, DIMENSION = 2000, 32
PARTS = ("levels", "offsets", "neighbors", "assign_probas", "cum_nneighbor_per_level")


def unit_vectors(rows, seed):
    """Clustered, as texts are; the clusters are the same for every seed."""
    centres = np.random.default_rng(0).standard_normal((40, DIMENSION))
    rng = np.random.default_rng(seed)
    vectors = centres[rng.integers(0, 40, rows)] + 0.7 * rng.standard_normal((rows, DIMENSION))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


@cache
def written_graph(rows):
    """Of full numbers and of L2, as CAGRA's is copied; the links are HNSW's own."""
    graph = faiss.IndexHNSWCagra(DIMENSION, HNSW_M, faiss.METRIC_L2)
    graph.hnsw.efConstruction = HNSW_EF_CONSTRUCTION
    graph.add(unit_vectors(ROWS, seed=1)[:rows])
    return faiss.serialize_index(graph)


def other_graph(vectors):
    """A new one at each call, over these `vectors`."""
    return faiss.deserialize_index(written_graph(len(vectors)))


def array(graph, part):
    return faiss.vector_to_array(getattr(graph.hnsw, part))


def codes(index):
    return faiss.vector_to_array(faiss.downcast_index(index.index.storage).codes)


def with_part(graph, part, change):
    """The same graph with one of its arrays changed in place by `change`."""
    values = array(graph, part)
    change(values)
    faiss.copy_array_to_vector(values, getattr(graph.hnsw, part))
    return graph


@pytest.fixture(scope="module")
def vectors():
    return unit_vectors(ROWS, seed=1)


@pytest.fixture(scope="module")
def queries():
    return unit_vectors(200, seed=2)


def test_a_transplanted_graph_has_the_same_links_and_outlives_the_one_it_comes_from(vectors, queries):
    graph = other_graph(vectors)
    before = {part: array(graph, part) for part in PARTS}
    entry = graph.hnsw.entry_point, graph.hnsw.max_level
    index = transplanted(graph, vectors)
    del graph

    assert isinstance(index, faiss.IndexHNSWSQ)
    assert index.ntotal == index.storage.ntotal == ROWS
    assert all(np.array_equal(array(index, part), before[part]) for part in PARTS)
    assert (index.hnsw.entry_point, index.hnsw.max_level) == entry
    check_links(index)
    assert recall(DenseIndex(np.arange(ROWS), index), vectors, queries) > 0.9


def test_it_finds_as_much_as_the_graph_that_the_cpu_builds_over_the_same_codes(vectors, queries):
    ids = np.arange(ROWS)
    native = DenseIndex.hnsw([(ids, vectors)])
    other = DenseIndex(ids, transplanted(other_graph(vectors), vectors))

    assert np.array_equal(codes(native), codes(other))
    assert recall(other, vectors, queries) >= recall(native, vectors, queries) - 0.01


def test_a_segment_does_not_show_where_its_graph_comes_from(vectors, queries, tmp_path):
    ids = np.arange(ROWS) * 3 + 7
    native = DenseIndex.hnsw([(ids, vectors)])
    other = checked(ids, vectors, other_graph)
    for name, index in (("native", native), ("other", other)):
        index.write(tmp_path / name)
    again = DenseIndex.open(ids, tmp_path / "other")

    assert type(again.index) is type(DenseIndex.open(ids, tmp_path / "native").index) is faiss.IndexHNSWSQ
    assert again.index.ntotal == ROWS
    for query in queries:
        for mine, theirs in zip(again.best(query[None], 20), other.best(query[None], 20), strict=True):
            assert mine.tolist() == theirs.tolist()
    sizes = [(tmp_path / name).stat().st_size / ROWS for name in ("native", "other")]
    assert sizes[1] == pytest.approx(sizes[0], rel=0.01)


def test_a_good_graph_is_taken_as_it_is(vectors, caplog):
    links = []

    def build(given):
        graph = other_graph(given)
        links.append(array(graph, "neighbors"))
        return graph

    index = checked_or_cpu(np.arange(ROWS), vectors, build)
    assert np.array_equal(array(index.index, "neighbors"), links[0])
    assert caplog.records == []


def ring(vectors):
    """Sound, and useless: each row is linked to the rows after it."""
    graph = other_graph(vectors)
    starts = array(graph, "offsets")[:-1].astype(np.int64)
    slots = np.arange(2 * HNSW_M)

    def change(neighbours):
        neighbours[starts[:, None] + slots] = (np.arange(ROWS)[:, None] + 1 + slots) % ROWS

    return with_part(graph, "neighbors", change)


def leading_astray(vectors):
    """Linked to a row that is not there."""
    return with_part(other_graph(vectors), "neighbors", lambda links: links.__setitem__(5, ROWS + 10_000_000))


def failing(_):
    """As CUDA's faults arrive: FAISS turns them into this type."""
    raise RuntimeError("C++ exception std::bad_alloc: out_of_memory: CUDA error")


@pytest.mark.parametrize(
    ("build", "why"),
    [
        (ring, "of the nearest"),
        (leading_astray, "links do not fit"),
        (lambda vectors: other_graph(vectors[:-1]), "1999 rows"),
        (failing, "out_of_memory"),
    ],
)
def test_a_graph_that_fails_is_built_on_the_cpu_with_a_warning_that_says_why(
    build, why, vectors, queries, caplog
):
    ids = np.arange(ROWS)
    with caplog.at_level(logging.WARNING):
        index = checked_or_cpu(ids, vectors, build)

    (record,) = caplog.records
    assert record.name == "mmrag.retrieval.cagra"
    assert "built on the CPU" in record.message
    assert why in record.message
    assert recall(index, vectors, queries) > 0.9


def test_links_to_rows_that_are_not_on_the_level_are_found(vectors):
    index = transplanted(other_graph(vectors), vectors)
    levels, offsets = array(index, "levels"), array(index, "offsets").astype(np.int64)
    upper = offsets[np.flatnonzero(levels > 1)[0]] + index.hnsw.cum_nb_neighbors(1)
    lowest_only = np.flatnonzero(levels == 1)[0]
    with_part(index, "neighbors", lambda links: links.__setitem__(upper, lowest_only))
    with pytest.raises(BrokenGraph, match="level 1"):
        check_links(index)


@pytest.mark.parametrize(
    ("part", "change"),
    [
        ("levels", lambda levels: levels.__setitem__(0, levels.max() + 1)),
        ("levels", lambda levels: levels.__setitem__(0, 0)),
        ("offsets", lambda offsets: offsets.__setitem__(100, offsets[100] + 1)),
        ("neighbors", lambda links: links.__setitem__(0, -2)),
    ],
)
def test_every_part_of_the_links_is_checked(part, change, vectors):
    index = with_part(transplanted(other_graph(vectors), vectors), part, change)
    with pytest.raises(BrokenGraph):
        check_links(index)


@pytest.mark.parametrize("asked", ["auto", "cpu"])
def test_without_a_gpu_the_builder_builds_what_the_cpu_builds(asked, vectors, queries):
    ids = np.arange(ROWS)
    index = cagra.graph_builder(asked)((ids[i : i + 700], vectors[i : i + 700]) for i in range(0, ROWS, 700))
    assert np.array_equal(index.ids, ids)
    assert recall(index, vectors, queries) > 0.9


@pytest.mark.skipif(not device.choose("auto").builds, reason="needs a GPU and a FAISS with CAGRA")
def test_a_graph_of_the_gpu_passes_every_check_and_is_searched_on_the_cpu(tmp_path, queries):
    rows = 20_000
    vectors = unit_vectors(rows, seed=3)
    index = checked(np.arange(rows), vectors, cagra.build_on_gpu)
    index.write(tmp_path / "dense.faiss")
    again = DenseIndex.open(index.ids, tmp_path / "dense.faiss")
    assert recall(again, vectors, queries, asked="cpu") > 0.9
