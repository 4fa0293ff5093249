from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmrag.retrieval import device, exact
from mmrag.retrieval.dense import DenseIndex
from mmrag.retrieval.exact import nearest, recall


def unit_vectors(rows, *, seed, dimension=16):
    vectors = np.random.default_rng(seed).standard_normal((rows, dimension))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


@settings(deadline=None)  # busy cores let FAISS' threads wait
@given(rows=st.integers(1, 200), queries=st.integers(1, 60), seed=st.integers(0, 999), data=st.data())
def test_many_queries_at_once_find_what_comparing_each_with_every_row_finds(rows, queries, seed, data):
    k = data.draw(st.integers(1, rows))
    vectors, asked = unit_vectors(rows, seed=seed), unit_vectors(queries, seed=seed + 1000)
    cosines, found = nearest(vectors, asked, k)
    every = asked @ vectors.T
    assert found.shape == (queries, k)
    assert np.allclose(cosines, -np.sort(-every, axis=1)[:, :k], atol=1e-5)
    assert np.allclose(np.take_along_axis(every, found, axis=1), cosines, atol=1e-5)


def test_where_there_are_fewer_rows_than_asked_for_the_rest_is_minus_one():
    _, found = nearest(unit_vectors(3, seed=1), unit_vectors(40, seed=2), 5)
    assert np.all(np.sort(found, axis=1) == [-1, -1, 0, 1, 2])


def test_exact_search_has_a_recall_of_one_also_among_rows_that_are_equal():
    vectors = np.repeat(unit_vectors(20, seed=3), 15, axis=0)
    index = DenseIndex.exact(np.arange(300), vectors[::-1].copy()[::-1])
    assert recall(index, vectors, unit_vectors(50, seed=4)) == 1


def test_recall_is_the_share_that_is_found():
    vectors = unit_vectors(400, seed=5)
    _, right = nearest(vectors, vectors[:50], 10)
    every_second = np.arange(0, 400, 2)
    index = DenseIndex.exact(every_second, vectors[every_second])
    expected = np.isin(right, every_second).mean()
    assert recall(index, vectors, vectors[:50]) == pytest.approx(expected)


@pytest.mark.skipif(not device.choose("auto").searches, reason="needs a GPU and a FAISS that uses it")
def test_a_gpu_finds_what_the_cpu_finds():
    vectors, queries = unit_vectors(5000, seed=6), unit_vectors(100, seed=7)
    on_gpu, on_cpu = exact.on_gpu(vectors, queries, 10), exact.on_cpu(vectors, queries, 10)
    assert np.allclose(on_gpu[0], on_cpu[0], atol=1e-4)
    assert (on_gpu[1] == on_cpu[1]).mean() > 0.99
