"""Several rankings into one. It knows ids and ranks, no index and no score."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True, slots=True)
class Fused:
    """An id with its fused score and the names of the rankings that hold it."""

    id: int
    score: float
    retrievers: tuple[str, ...]


def reciprocal_rank_fusion(
    rankings: Mapping[str, Sequence[int]], *, weights: Mapping[str, float], k: float
) -> tuple[Fused, ...]:
    """Weighted reciprocal rank fusion, best first; equal scores in ascending order of ids.

    RRFscore(d) = sum over rankings r that hold d of  w_r / (k + r(d)),  ranks r(d) from 1;
    so 0 < RRFscore <= sum(w) / (k + 1). Cormack, Clarke and Büttcher, SIGIR 2009, with w = 1.
    """
    scores: defaultdict[int, float] = defaultdict(float)
    found_by: defaultdict[int, list[str]] = defaultdict(list)
    for name in sorted(rankings):  # a fixed order of addition: floating point sums depend on it
        for rank, d in enumerate(rankings[name], start=1):
            scores[d] += weights[name] / (k + rank)
            found_by[d].append(name)
    best_first = sorted(scores, key=lambda d: (-scores[d], d))
    return tuple(Fused(d, scores[d], tuple(found_by[d])) for d in best_first)
