"""Rows of the store as the figures that a page shows."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

from mmrag.types import Day

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

PERIODS = {7: "7 days", 30: "30 days", 90: "90 days", 365: "a year"}
STAGES = {
    "read": "Reading what is attached",
    "search": "Searching",
    "generate": "Drafting",
    "ground": "Checking against the sources",
    "total": "All together",
}
_BY_WEEK = 100  # days: more bars than that are too thin to read
_WEEK = 7


@dataclass(frozen=True, slots=True)
class Stage:
    """How long a stage took, in milliseconds: for half of the questions, and for 95 of 100."""

    name: str
    p50: float
    p95: float


def begin_of(days: int, *, now: float) -> float:
    """When a period of so many days began that ends today: midnight UTC, in seconds since 1970."""
    today = datetime.fromtimestamp(now, UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return (today - timedelta(days=days - 1)).timestamp()


def together(days: Iterable[Day], *, since: str) -> Day:
    """Their sums, as one long day that began on `since`."""
    listed = list(days)
    return Day(
        since,
        answered=sum(day.answered for day in listed),
        abstained=sum(day.abstained for day in listed),
        cached=sum(day.cached for day in listed),
        rated_down=sum(day.rated_down for day in listed),
    )


def calendar(days: Iterable[Day], *, period: int, now: float) -> list[Day]:
    """Every day of the period, or every week of a long one, whether something was asked or not.

    Of one date there may be several, such as those of several collections.
    """
    first = datetime.fromtimestamp(begin_of(period, now=now), UTC).date()
    step = 1 if period <= _BY_WEEK else _WEEK
    slots: defaultdict[date, list[Day]] = defaultdict(list)
    for day in days:
        passed = (date.fromisoformat(day.date) - first).days
        slots[first + timedelta(days=passed - passed % step)].append(day)
    spans = [first + timedelta(days=passed) for passed in range(0, period, step)]
    return [together(slots[begin], since=begin.isoformat()) for begin in spans]


def stages(durations: Mapping[str, Sequence[float]]) -> list[Stage]:
    """In the order in which they work; `durations` ascend."""
    places = {name: place for place, name in enumerate(STAGES)}
    before_the_sum = len(STAGES) - 1.5
    return [
        Stage(STAGES.get(name, name), quantile(durations[name], 0.5), quantile(durations[name], 0.95))
        for name in sorted(durations, key=lambda name: (places.get(name, before_the_sum), name))
    ]


def quantile(ascending: Sequence[float], share: float) -> float:
    """The smallest value that at least this share of them does not exceed."""
    rank = max(1, -int(-share * len(ascending) // 1))
    return ascending[min(rank, len(ascending)) - 1]


def percent(part: float, whole: float) -> str:
    """As people read it; "–" where there is nothing."""
    return f"{100 * part / whole:.0f} %" if whole else "–"
