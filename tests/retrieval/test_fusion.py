from __future__ import annotations

import math
from fractions import Fraction

from hypothesis import example, given, settings
from hypothesis import strategies as st

from mmrag.retrieval.fusion import convex_combination, stands_out

SCORES = st.one_of(st.floats(-1, 1), st.sampled_from([0.0, 0.5, 1.0, 7.25]))
RANKING = st.dictionaries(st.integers(0, 30), SCORES, max_size=15).map(
    lambda scores: sorted(((score, id_) for id_, score in scores.items()), key=lambda row: (-row[0], row[1]))
)
RANKINGS = st.dictionaries(st.sampled_from(["bm25", "dense", "third"]), RANKING, max_size=3)
DEPTHS = st.integers(1, 20)
WEIGHTS = {"bm25": 0.5, "dense": 0.25, "third": 0.75}
laws = settings(deadline=None, max_examples=150)


def fuse(rankings, depth=20, weights=WEIGHTS):
    return convex_combination(rankings, weights=weights, depth=depth, most=1000)


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
        scores = {found: Fraction(score) for score, found in rankings[name]}
        low = max(min(scores.values()), 0) if len(scores) >= depth else Fraction(0)
        high = max(scores.values(), default=0)
        if id_ not in scores or high <= low:
            return Fraction(scores.get(id_, 0) > 0)
        return max(scores[id_] - low, 0) / (high - low)

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
@example([(7.25, 1), (1.0, 2), (0.9999999999999999, 0)])
def test_one_ranking_keeps_its_order(ranking):
    positive = [row for row in ranking if row[0] > 1e-6]
    scores = {id_: score for score, id_ in positive}
    fused = order(fuse({"bm25": positive}))
    for id_, (score, _) in zip(fused, positive, strict=True):
        assert math.isclose(scores[id_], score, rel_tol=1e-14)  # a last bit may be lost, and then ids decide


def test_what_both_halves_hold_high_passes_what_one_half_puts_first():
    fused = fuse({"bm25": [(9.0, 1), (8.0, 2)], "dense": [(0.9, 3), (0.8, 2)]})
    assert order(fused)[0] == 2


def test_distances_count_and_not_ranks_alone():
    words = [(20.0, 1), *((2.0, id_) for id_ in range(2, 10))]
    meaning = [*((0.5, id_) for id_ in range(2, 10)), (0.48, 1)]
    assert order(fuse({"bm25": words, "dense": meaning}))[0] == 1


def test_the_last_of_a_cut_ranking_counts_as_what_it_lacks():
    rankings = {"bm25": [(10.0, 1), (5.0, 2)], "dense": [(0.8, 3), (0.4, 4)]}
    cut, whole = ({found.id: found.score for found in fuse(rankings, depth)} for depth in (2, 3))
    assert cut[2] == cut[4] == 0
    assert math.isclose(whole[2], WEIGHTS["bm25"] / 0.75 / 2)


def test_a_ranking_stands_out_where_its_scores_fall_steeply():
    steep, flat = ([(10.0 * share**place, place) for place in range(6)] for share in (0.8, 0.9))
    assert stands_out(steep, place=5, share=0.6)
    assert not stands_out(flat, place=5, share=0.6)
    assert stands_out(flat[:2], place=5, share=0.6)  # nothing else shares a word with the question
    assert not stands_out([], place=5, share=0.6)


def test_no_ranking_and_rankings_without_a_positive_score_are_no_fault():
    assert fuse({}) == ()
    assert [found.score for found in fuse({"bm25": [], "dense": [(0.0, 2), (-0.5, 1)]})] == [0, 0]
