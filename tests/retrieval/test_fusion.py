from __future__ import annotations

import math
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from mmrag.retrieval.fusion import reciprocal_rank_fusion

IDS = st.lists(st.integers(0, 30), unique=True, max_size=15)
RANKINGS = st.dictionaries(st.sampled_from(["bm25", "dense", "third"]), IDS, max_size=3)
KS = st.floats(0, 100)
WEIGHTS = {"bm25": 1.0, "dense": 0.5, "third": 2.0}
laws = settings(deadline=None, max_examples=150)


def fuse(rankings, k=5.0, weights=WEIGHTS):
    return reciprocal_rank_fusion(rankings, weights=weights, k=k)


@laws
@given(RANKINGS, KS)
def test_every_id_comes_once_with_those_who_found_it(rankings, k):
    fused = fuse(rankings, k)
    assert sorted(found.id for found in fused) == sorted(set().union(*rankings.values()))
    for found in fused:
        assert found.retrievers == tuple(sorted(name for name in rankings if found.id in rankings[name]))


@laws
@given(RANKINGS, st.integers(0, 100))
def test_scores_are_the_papers_sum_and_fall_from_first_to_last(rankings, k):
    fused = fuse(rankings, k)
    for found in fused:
        exact = sum(
            Fraction(WEIGHTS[name]) / (k + rankings[name].index(found.id) + 1) for name in found.retrievers
        )
        assert math.isclose(found.score, exact)
    assert [found.score for found in fused] == sorted((found.score for found in fused), reverse=True)


@laws
@given(RANKINGS, KS)
def test_scores_are_bounded(rankings, k):
    most = sum(WEIGHTS[name] for name in rankings) / (k + 1)
    assert all(0 < found.score <= most * (1 + 1e-9) for found in fuse(rankings, k))


@laws
@given(RANKINGS, st.randoms(use_true_random=False))
def test_the_order_of_the_rankings_does_not_matter(rankings, random):
    shuffled = list(rankings.items())
    random.shuffle(shuffled)
    assert fuse(dict(shuffled)) == fuse(rankings)


@laws
@given(IDS.filter(lambda ids: len(ids) > 1), IDS, st.data())
def test_an_id_that_moves_up_in_one_ranking_never_moves_down_in_the_fusion(first, second, data):
    place = data.draw(st.integers(1, len(first) - 1))
    better = [*first[: place - 1], first[place], first[place - 1], *first[place + 1 :]]

    def fused_place(ranking):
        return [found.id for found in fuse({"bm25": ranking, "dense": second})].index(first[place])

    assert fused_place(better) <= fused_place(first)


@laws
@given(IDS)
def test_one_ranking_keeps_its_order(ids):
    assert [found.id for found in fuse({"bm25": ids})] == ids


@laws
@given(IDS.filter(lambda ids: len(ids) > 1))
def test_equal_scores_are_ordered_by_id(ids):
    fused = fuse({"bm25": ids, "dense": ids[::-1]}, weights={"bm25": 1.0, "dense": 1.0})
    keys = [(-found.score, found.id) for found in fused]
    assert keys == sorted(keys)


def test_what_both_halves_find_second_passes_what_one_half_finds_first():
    fused = fuse({"bm25": [1, 2], "dense": [3, 2]}, weights={"bm25": 1.0, "dense": 1.0})
    assert [found.id for found in fused] == [2, 1, 3]
