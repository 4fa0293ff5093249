"""Quality of one ranking against graded judgements. It knows ids and grades, no engine.

A ranking is ids, best first, each once. Grades are {id: grade}; a grade above 0 is relevant,
anything else, and whatever was not judged, is not. Definitions as in trec_eval, which BEIR's
figures come from too (Thakur et al., NeurIPS 2021).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def hit_at(k: int, ranking: Sequence[str], grades: Mapping[str, int]) -> float:
    """1 if anything relevant is among the first k, else 0: trec_eval's `success`."""
    return float(any(grades.get(id_, 0) > 0 for id_ in ranking[:k]))


def recall_at(k: int, ranking: Sequence[str], grades: Mapping[str, int]) -> float:
    """The share of all that is relevant that is among the first k; 0 where nothing is relevant."""
    relevant = sum(grade > 0 for grade in grades.values())
    found = sum(grades.get(id_, 0) > 0 for id_ in ranking[:k])
    return found / relevant if relevant else 0.0


def reciprocal_rank_at(k: int, ranking: Sequence[str], grades: Mapping[str, int]) -> float:
    """1 / rank of the first relevant among the first k, else 0; its mean over queries is MRR@k."""
    ranks = (rank for rank, id_ in enumerate(ranking[:k], start=1) if grades.get(id_, 0) > 0)
    return 1 / next(ranks, math.inf)


def ndcg_at(k: int, ranking: Sequence[str], grades: Mapping[str, int]) -> float:
    """Normalised discounted cumulative gain: DCG@k / the best DCG@k there is; 0 where nothing is relevant.

    DCG@k = sum over ranks r <= k of  max(grade, 0) / log2(r + 1):  the grade itself is the gain
    (Järvelin and Kekäläinen 2002, trec_eval's `ndcg_cut`), not 2^grade - 1.
    """
    best = _dcg(sorted(grades.values(), reverse=True)[:k])
    return _dcg([grades.get(id_, 0) for id_ in ranking[:k]]) / best if best else 0.0


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that at least `percent` of them do not exceed (nearest rank); 0 of none."""
    ordered = sorted(values)
    place = math.ceil(percent / 100 * len(ordered))
    return ordered[max(place, 1) - 1] if ordered else 0.0


def _dcg(grades: Sequence[int]) -> float:
    return sum(max(grade, 0) / math.log2(rank + 1) for rank, grade in enumerate(grades, start=1))
