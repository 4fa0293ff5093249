"""Several rankings into one. It knows ids and scores, no index and no text."""

from __future__ import annotations

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
    rankings: Mapping[str, Ranking], *, weights: Mapping[str, float], depth: int
) -> tuple[Fused, ...]:
    """Fuse by score, best first; equal scores in ascending order of ids.

    score(d) = sum over rankings r of  w_r * s_r(d) / s_r(best of r)  /  sum of w,  from 0 to 1.

    The scores must have a zero that means "nothing in common", as BM25's and the cosine's do; what
    is below counts as 0. Dividing by the best is the normalisation by the theoretical minimum of
    Bruch, Gai and Ingber, "An Analysis of Fusion Functions for Hybrid Retrieval", TOIS 2023.
    A ranking that was cut at `depth` says of an id that it lacks only that it scores no more than
    its last: it is taken to score as much. Of a shorter one, it scores 0.
    """
    total = sum(weights[name] for name in rankings)
    scores: defaultdict[int, float] = defaultdict(float)
    found_by: defaultdict[int, list[str]] = defaultdict(list)
    unseen = 0.0  # what an id gets from the rankings that lack it, summed over all rankings
    for name in sorted(rankings):  # a fixed order of addition: floating point sums depend on it
        shares = _shares(rankings[name], weights[name] / total)
        floor = shares[-1][0] if len(shares) >= depth else 0.0
        unseen += floor
        for share, id_ in shares:
            scores[id_] += share - floor
            found_by[id_].append(name)
    fused = [Fused(id_, score + unseen, tuple(found_by[id_])) for id_, score in scores.items()]
    return tuple(sorted(fused, key=lambda one: (-one.score, one.id)))


def _shares(ranking: Ranking, weight: float) -> list[tuple[float, int]]:
    """Scores as shares of the best one's, times the weight."""
    best = ranking[0][0] if ranking else 0.0
    if best <= 0:
        return [(0.0, id_) for _, id_ in ranking]
    return [(weight * max(score, 0.0) / best, id_) for score, id_ in ranking]
