"""The formulas against others that say the same in another way, against examples, and their laws."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmrag.evaluation.metrics import hit_at, ndcg_at, percentile, recall_at, reciprocal_rank_at

laws = settings(deadline=None, max_examples=200)
IDS = "abcdefghijklmnop"
RANKINGS = st.lists(st.sampled_from(IDS), unique=True)
GRADES = st.dictionaries(st.sampled_from(IDS), st.integers(-1, 4))
CUTS = st.integers(1, 20)
MEASURES = [hit_at, recall_at, reciprocal_rank_at, ndcg_at]


def relevance(ranking, grades):
    """The ranking as an array of gains."""
    return np.array([max(grades.get(id_, 0), 0) for id_ in ranking], dtype=float)


def independent(measure, k, ranking, grades):
    """The same figures by arrays: trec_eval's definitions, written anew."""
    gains = relevance(ranking, grades)[:k]
    wanted = np.count_nonzero([grade > 0 for grade in grades.values()])
    places = np.flatnonzero(gains)
    discounts = np.log2(np.arange(2, 40))
    ideal = np.sort(relevance(grades, grades))[::-1][:k]
    best = float((ideal / discounts[: len(ideal)]).sum())
    return {
        hit_at: float(places.size > 0),
        recall_at: places.size / max(wanted, 1),
        reciprocal_rank_at: 1.0 / (places[0] + 1) if places.size else 0.0,
        ndcg_at: float((gains / discounts[: len(gains)]).sum()) / best if best else 0.0,
    }[measure]


@pytest.mark.parametrize("measure", MEASURES)
@laws
@given(k=CUTS, ranking=RANKINGS, grades=GRADES)
def test_figures_agree_with_an_independent_computation(measure, k, ranking, grades):
    assert measure(k, ranking, grades) == pytest.approx(independent(measure, k, ranking, grades))


@pytest.mark.parametrize("measure", MEASURES)
@laws
@given(k=CUTS, ranking=RANKINGS, grades=GRADES)
def test_figures_lie_between_nothing_and_all(measure, k, ranking, grades):
    assert 0 <= measure(k, ranking, grades) <= 1 + 1e-12


@laws
@given(GRADES.filter(lambda grades: any(grade > 0 for grade in grades.values())))
def test_the_best_ranking_scores_one(grades):
    best = sorted(grades, key=lambda id_: -grades[id_])
    assert ndcg_at(10, best, grades) == pytest.approx(1)
    assert reciprocal_rank_at(10, best, grades) == 1
    assert hit_at(1, best, grades) == 1
    assert recall_at(len(best), best, grades) == 1


@pytest.mark.parametrize("measure", [hit_at, recall_at, reciprocal_rank_at])
@laws
@given(ranking=RANKINGS, grades=GRADES)
def test_a_deeper_cut_never_scores_less(measure, ranking, grades):
    figures = [measure(k, ranking, grades) for k in range(1, 20)]
    assert figures == sorted(figures)


@pytest.mark.parametrize("measure", MEASURES)
@laws
@given(ranking=RANKINGS, grades=GRADES, k=CUTS, place=st.integers(0, 15))
def test_moving_a_better_document_up_never_scores_less(measure, ranking, grades, k, place):
    if place + 1 >= len(ranking):
        return
    better = [*ranking]
    better[place : place + 2] = sorted(better[place : place + 2], key=lambda id_: -grades.get(id_, 0))
    assert measure(k, better, grades) >= measure(k, ranking, grades) - 1e-12


def test_gains_are_the_grades_themselves():
    grades = {"a": 3, "b": 2, "c": 3, "e": 1, "f": 2}
    # The example of Järvelin and Kekäläinen's gains 3, 2, 3, 0, 1, 2 under log2(rank + 1).
    dcg = 3 + 2 / math.log2(3) + 3 / 2 + 0 + 1 / math.log2(6) + 2 / math.log2(7)
    ideal = 3 + 3 / math.log2(3) + 2 / 2 + 2 / math.log2(5) + 1 / math.log2(6)
    assert ndcg_at(6, "abcdef", grades) == pytest.approx(dcg / ideal)


def test_what_was_judged_irrelevant_counts_as_what_was_not_judged():
    assert recall_at(5, ["x", "y", "z"], {"x": -1, "y": 0, "z": 1}) == 1
    assert reciprocal_rank_at(5, ["x", "y", "z"], {"x": -1, "y": 0, "z": 1}) == pytest.approx(1 / 3)
    assert ndcg_at(5, ["x"], {"x": -1}) == 0


@laws
@given(st.lists(st.floats(0, 1e6), min_size=1), st.floats(0, 100))
def test_a_percentile_is_the_least_value_that_so_many_do_not_exceed(values, percent):
    found = percentile(values, percent)
    assert found in values
    assert sum(value <= found for value in values) >= percent / 100 * len(values) - 1e-9
    assert sum(value < found for value in values) <= percent / 100 * len(values)


def test_a_percentile_of_nothing_is_zero():
    assert percentile([], 50) == 0
    assert percentile([4, 1, 3, 2], 50) == 2
    assert percentile([4, 1, 3, 2], 95) == 4
