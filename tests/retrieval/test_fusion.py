from __future__ import annotations

import math
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from mmrag.retrieval.fusion import convex_combination

SCORES = st.one_of(st.floats(-1, 1), st.sampled_from([0.0, 0.5, 1.0, 7.25]))
RANKING = st.dictionaries(st.integers(0, 30), SCORES, max_size=15).map(
    lambda scores: sorted(((score, id_) for id_, score in scores.items()), key=lambda row: (-row[0], row[1]))
)
RANKINGS = st.dictionaries(st.sampled_from(["bm25", "dense", "third"]), RANKING, max_size=3)
DEPTHS = st.integers(1, 20)
WEIGHTS = {"bm25": 0.5, "dense": 0.25, "third": 0.75}
laws = settings(deadline=None, max_examples=150)


def fuse(rankings, depth=20, weights=WEIGHTS):
    return convex_combination(rankings, weights=weights, depth=depth)


def order(fused):
    return [found.id for found in fused]


@laws
@given(RANKINGS, DEPTHS)
def test_every_id_comes_once_with_those_who_found_it(rankings, depth):
    fused = fuse(rankings, depth)
    holders = {name: {id_ for _, id_ in ranking} for name, ranking in rankings.items()}
    assert sorted(order(fused)) == sorted(set().union(*holders.values()))
    for found in fused:
        assert found.retrievers == tuple(sorted(name for name in rankings if found.id in holders[name]))


@laws
@given(RANKINGS, DEPTHS)
def test_scores_are_the_formulas_sum_and_fall_from_first_to_last(rankings, depth):
    def share(name, id_):
        scores = {found: max(Fraction(score), 0) for score, found in rankings[name]}
        best = max(scores.values(), default=0)
        last = min(scores.values()) if len(scores) >= depth else 0
        return scores.get(id_, last) / best if best else 0

    fused = fuse(rankings, depth)
    total = sum(Fraction(WEIGHTS[name]) for name in rankings)
    for found in fused:
        exact = sum(Fraction(WEIGHTS[name]) * share(name, found.id) for name in rankings) / total
        assert math.isclose(found.score, exact, rel_tol=1e-9, abs_tol=1e-9)
        assert -1e-9 <= found.score <= 1 + 1e-9
    assert [found.score for found in fused] == sorted((found.score for found in fused), reverse=True)


@laws
@given(RANKINGS, st.randoms(use_true_random=False))
def test_the_order_of_the_rankings_does_not_matter(rankings, random):
    shuffled = list(rankings.items())
    random.shuffle(shuffled)
    assert fuse(dict(shuffled)) == fuse(rankings)


@laws
@given(RANKINGS, st.floats(0.01, 100))
def test_the_unit_of_a_ranking_does_not_matter(rankings, factor):
    scaled = {name: [(score * factor, id_) for score, id_ in rows] for name, rows in rankings.items()}
    before = {found.id: found.score for found in fuse(rankings)}
    for found in fuse(scaled):
        assert math.isclose(found.score, before[found.id], abs_tol=1e-6)


@laws
@given(RANKING)
def test_one_ranking_keeps_its_order(ranking):
    positive = [row for row in ranking if row[0] > 1e-6]
    scores = {id_: score for score, id_ in positive}
    fused = order(fuse({"bm25": positive}))
    assert [scores[id_] for id_ in fused] == [score for score, _ in positive]


def test_an_exact_match_of_one_half_is_not_buried_by_what_both_find_halfway_down():
    words = [(20.0, 1), *((2.0, id_) for id_ in range(2, 10))]
    meaning = [(0.4, id_) for id_ in range(2, 10)]
    assert order(fuse({"bm25": words, "dense": meaning}, weights={"bm25": 0.5, "dense": 0.5}))[0] == 2
    meaning = [(0.4, 50), *((0.3, id_) for id_ in range(2, 10)), (0.3, 1)]
    assert order(fuse({"bm25": words, "dense": meaning}, weights={"bm25": 0.5, "dense": 0.5}))[0] == 1


def test_what_both_halves_hold_high_passes_what_one_half_puts_first():
    fused = fuse({"bm25": [(9.0, 1), (8.0, 2)], "dense": [(0.9, 3), (0.8, 2)]})
    assert order(fused)[0] == 2


def test_what_a_cut_ranking_lacks_scores_like_its_last():
    rankings = {"bm25": [(10.0, 1), (9.0, 2)], "dense": [(0.8, 3), (0.4, 1)]}
    cut, whole = fuse(rankings, depth=2), fuse(rankings, depth=3)
    scores = [{found.id: found.score for found in fused} for fused in (cut, whole)]
    assert math.isclose(scores[0][2] - scores[1][2], WEIGHTS["dense"] / 0.75 * 0.5)
    assert scores[0][1] == scores[1][1]  # both hold it


def test_no_ranking_and_rankings_without_a_positive_score_are_no_fault():
    assert fuse({}) == ()
    assert fuse({"bm25": [], "dense": [(0.0, 2), (-0.5, 1)]}) == fuse(
        {"dense": [(0.0, 1), (0.0, 2)], "bm25": []}
    )
