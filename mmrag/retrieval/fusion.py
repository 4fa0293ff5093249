"""Several rankings into one. It knows ids and scores, no index and no text."""

from __future__ import annotations

import heapq
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    Ranking = Sequence[tuple[float, int]]  # (score, id), best first, each id once


@dataclass(frozen=True, slots=True)
class Fused:
    """An id with its fused score and the names of the rankings that hold it."""

    id: int
    score: float
    retrievers: tuple[str, ...]


def convex_combination(
    rankings: Mapping[str, Ranking], *, weights: Mapping[str, float], depth: int, most: int
) -> tuple[Fused, ...]:
    """Fuse by score: the best `most`, best first; equal scores in ascending order of ids.

    score(d) = sum over rankings r that hold d of  w_r * (s_r(d) - low) / (high - low)  /  sum of w,
    from 0 to 1, where `high` is r's best score, and `low` its last if r was cut at `depth` (all
    that one knows of what it lacks is that it scores no more), else 0: nothing else has anything
    in common with the question. Min-max normalisation, see Bruch, Gai and Ingber, "An Analysis of
    Fusion Functions for Hybrid Retrieval", TOIS 2023.
    """
    total = sum(weights[name] for name in rankings)
    scores: defaultdict[int, float] = defaultdict(float)
    found_by: dict[str, set[int]] = {}
    for name in sorted(rankings):  # a fixed order of addition: floating point sums depend on it
        weight = weights[name] / total
        for share, id_ in normalised(rankings[name], depth=depth):
            scores[id_] += share * weight
        found_by[name] = {id_ for _, id_ in rankings[name]}
    best_first = heapq.nsmallest(most, ((-score, id_) for id_, score in scores.items()))
    return tuple(
        Fused(id_, -negative, tuple(name for name, ids in found_by.items() if id_ in ids))
        for negative, id_ in best_first
    )


def stands_out(ranking: Ranking, *, place: int, share: float) -> bool:
    """Whether the score at `place` (from 1) is less than this share of the best one's."""
    if not ranking:
        return False
    return len(ranking) < place or ranking[place - 1][0] < share * ranking[0][0]


def normalised(ranking: Ranking, *, depth: int) -> list[tuple[float, int]]:
    """Scores from 0 to 1, as above; where all are the same, each is 1 if it is above 0."""
    if not ranking:
        return []
    high, low = ranking[0][0], max(ranking[-1][0], 0.0) if len(ranking) >= depth else 0.0
    if high <= low:
        return [(float(score > 0), id_) for score, id_ in ranking]
    return [(max(score - low, 0.0) / (high - low), id_) for score, id_ in ranking]
