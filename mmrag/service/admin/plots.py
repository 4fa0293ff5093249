"""Figures as the geometry of an SVG. Pure functions; how it looks stands in the style sheet."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mmrag.service.admin.figures import Stage
    from mmrag.types import Day

WIDTH, HEIGHT = 720.0, 220.0
LEFT, RIGHT, TOP, BOTTOM = 44.0, 8.0, 12.0, 28.0  # room for labels
_GAP = 0.24  # of a bar's width, between bars
_WIDEST_BAR = 42.0
_LABELS = 6  # dates below the axis, at most
_SPARK_WIDTH, _SPARK_HEIGHT = 120.0, 28.0


@dataclass(frozen=True, slots=True)
class Rect:
    """A rectangle, by its class in the style sheet."""

    look: str
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Bar:
    """What was asked on a day: its parts from below, and what a pointer is told."""

    parts: tuple[Rect, ...]
    says: str


@dataclass(frozen=True, slots=True)
class Tick:
    """A label at a place of an axis."""

    at: float
    label: str


@dataclass(frozen=True, slots=True)
class Bars:
    """Days side by side."""

    bars: tuple[Bar, ...]
    heights: tuple[Tick, ...]
    dates: tuple[Tick, ...]


def day_bars(days: Sequence[Day]) -> Bars:
    """Stacked: answered, answered but rated down, not answered."""
    top = _round_up(max((day.asked for day in days), default=0))
    floor, height = HEIGHT - BOTTOM, HEIGHT - TOP - BOTTOM
    slot = (WIDTH - LEFT - RIGHT) / max(len(days), 1)
    width = min(slot * (1 - _GAP), _WIDEST_BAR)
    bars = []
    for number, day in enumerate(days):
        x, y = LEFT + slot * number + (slot - width) / 2, floor
        parts = []
        for look, value in (
            ("answered", day.answered - day.rated_down),
            ("down", day.rated_down),
            ("unanswered", day.abstained),
        ):
            tall = height * value / top
            y -= tall
            if value:
                parts.append(_rect(look, x, y, width, tall))
        bars.append(Bar(tuple(parts), _said(day)))
    step = max(1, -(-len(days) // _LABELS))
    return Bars(
        tuple(bars),
        tuple(
            Tick(round(floor - height * share, 1), f"{top * share:,.0f}")
            for share in ((0.0, 0.5, 1.0) if top % 2 == 0 else (0.0, 1.0))
        ),
        tuple(
            Tick(round(LEFT + slot * (number + 0.5), 1), short_date(days[number].date))
            for number in range(0, len(days), step)
        ),
    )


def spark(days: Sequence[Day]) -> str:
    """The points of a line of what was asked, in a box of 120 by 28."""
    top = max((day.asked for day in days), default=0) or 1
    step = _SPARK_WIDTH / max(len(days) - 1, 1)
    return " ".join(
        f"{number * step:.1f},{_SPARK_HEIGHT - 2 - (_SPARK_HEIGHT - 4) * day.asked / top:.1f}"
        for number, day in enumerate(days)
    )


@dataclass(frozen=True, slots=True)
class StageBar:
    """A bar up to the median, and a thin one on to the 95th percentile, of WIDTH at most."""

    stage: Stage
    half: float
    most: float


def stage_bars(stages: Sequence[Stage]) -> tuple[StageBar, ...]:
    """One scale for all."""
    longest = max((stage.p95 for stage in stages), default=0.0) or 1.0
    return tuple(
        StageBar(
            stage,
            round(max(1.0, WIDTH * stage.p50 / longest), 1),
            round(max(1.0, WIDTH * stage.p95 / longest), 1),
        )
        for stage in stages
    )


def short_date(day: str) -> str:
    """12 Nov."""
    parsed = date.fromisoformat(day)
    return f"{parsed.day} {parsed:%b}"


def _said(day: Day) -> str:
    parts = [f"{day.answered} answered"]
    if day.rated_down:
        parts.append(f"{day.rated_down} of them rated down")
    if day.abstained:
        parts.append(f"{day.abstained} not answered")
    return f"{short_date(day.date)}: {', '.join(parts)}"


def _rect(look: str, x: float, y: float, width: float, height: float) -> Rect:
    return Rect(look, round(x, 1), round(y, 1), round(width, 1), round(height, 1))


def _round_up(value: int) -> int:
    """The end of an axis that holds the value: 1, 2, 4, 6, 8, 10, 20, 30, 40, 60 ..."""
    scale = int(10 ** (len(str(value)) - 1))
    ends = (1, 2, 3, 4, 6, 8, 10) if scale > 1 else (1, 2, 4, 6, 8, 10)
    return next(end * scale for end in ends if end * scale >= value)
