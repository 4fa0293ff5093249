"""The benchmarks: made text that is the same everywhere, and both runs end to end, small."""

from __future__ import annotations

import json

import numpy as np
import pytest

from benchmarks import growth, speed
from benchmarks.corpus import BLOCK, Corpus, Space, exact
from benchmarks.model import load_tokenizer
from benchmarks.table import Row, percentile

POOL = 24  # more would take longer than all the rest


@pytest.fixture(scope="module")
def corpus():
    return Corpus(load_tokenizer())


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def space(corpus, embedder, cache):
    return Space.load(corpus, embedder, pool=POOL, folder=cache)


def test_a_chunk_is_the_same_wherever_the_reading_starts(corpus):
    again = Corpus(load_tokenizer())
    assert list(again.chunks(3 * BLOCK - 2, 3 * BLOCK + 2)) == list(corpus.chunks(0, 4 * BLOCK))[598:602]


def test_no_two_chunks_are_equal_and_their_size_is_that_of_real_ones(corpus, embedder):
    made = list(corpus.chunks(0, 5 * BLOCK))
    assert len({chunk.text for chunk in made}) == len(made)
    assert 110 < np.mean([embedder.count_tokens(chunk.text) for chunk in made[:100]]) < 160


def test_a_question_finds_its_chunk_by_meaning(space):
    for numbers in (range(POOL), range(BLOCK, 2 * BLOCK)):  # vectors of the model, and derived ones
        _, questions = space.vectors(numbers.start, numbers.stop)
        found = exact(space, questions, rows=2 * BLOCK, k=10)
        assert np.mean([number in row for number, row in zip(numbers, found, strict=True)]) > 0.8


def test_vectors_are_of_unit_length_and_the_same_from_the_file(space, corpus, embedder, cache):
    again = Space.load(corpus, embedder, pool=POOL, folder=cache)
    for mine, other in zip(space.vectors(POOL - 10, 450), again.vectors(POOL - 10, 450), strict=True):
        assert np.allclose(np.linalg.norm(mine, axis=1), 1, atol=1e-5)
        assert np.array_equal(mine, other)


def test_exact_search_is_that_of_one_multiplication(space):
    chunks, questions = space.vectors(0, 3 * BLOCK)
    expected = np.argsort(-(questions[:20] @ chunks.T), axis=1, kind="stable")[:, :5]
    assert np.array_equal(exact(space, questions[:20], rows=3 * BLOCK, k=5), expected)


@pytest.mark.parametrize(("bound", "most", "holds"), [(2, False, True), (4, False, False), (4, True, True)])
def test_a_row_says_whether_its_bound_holds(bound, most, holds):
    assert Row("what", "3", 3, bound, most=most).holds is holds


def test_a_percentile_is_a_measured_value():
    assert [percentile(range(1, 101), share) for share in (0.5, 0.95, 1)] == [50, 95, 100]


@pytest.mark.usefixtures("space")
def test_speed_of_mmrag_alone_is_measured_end_to_end(cache, capsys):
    arguments = ["--rows=300", "--questions=10", f"--pool={POOL}", f"--cache={cache}", "--engines", "mmrag"]
    assert speed.main([*arguments, "--stages", "search", "scope", "grow", "--json"]) in {0, 1}
    rows = {row["what"]: row for row in json.loads(capsys.readouterr().out)["rows"]}
    assert rows["question to top 10, vector given, p95 in ms of 10"]["value"] > 0
    assert rows["recall@10 of its dense half"]["value"] == 1
    assert rows["add 100 until found, vectors given, worst"]["value"] > 0
    assert (
        rows["store opened to first hits, in s"]["value"]
        < rows["process started to first hits, in s"]["value"]
    )


@pytest.mark.usefixtures("space")
def test_growth_is_measured_end_to_end(cache, tmp_path, capsys):
    picture = tmp_path / "growth.png"
    arguments = ["--sizes", "100", "400", "--questions=10", "--adds=2", f"--pool={POOL}", f"--cache={cache}"]
    assert growth.main([*arguments, f"--picture={picture}", "--json"]) in {0, 1}
    small, large = json.loads(capsys.readouterr().out)["points"]
    assert (small["rows"], large["rows"]) == (100, 400)
    assert small["recall"] == large["recall"] == 1  # few chunks are searched exactly
    assert large["anonymous"] <= large["resident"] <= large["peak"]
    assert picture.read_bytes().startswith(b"\x89PNG")
