"""Laws of the layout, over any sizes of segments."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mmrag.retrieval.layout import FEWEST_DEAD, Build, Limits, Size, next_build

LIMITS = Limits(exact_search=100, memory=20, segment=1000)
sizes = st.integers(0, 1000).flatmap(lambda rows: st.builds(Size, st.just(rows), st.integers(0, rows)))


def carried_out(segments, new, build):
    rows = sum(size.live for size in segments[build.first : build.last]) + build.new
    built = [Size(rows, 0)] if rows else []
    return [*segments[: build.first], *built, *segments[build.last :]], new - build.new


def settled(segments, new, **options):
    """What comes of it when all builds are carried out, and how many rows were written."""
    written = 0
    while build := next_build(segments, new, LIMITS, **options):
        written += build.new + sum(size.live for size in segments[build.first : build.last])
        segments, new = carried_out(segments, new, build)
    return segments, new, written


@given(st.lists(sizes, max_size=8), st.integers(0, 5000), st.booleans())
def test_builds_come_to_an_end_and_lose_no_row(segments, new, thorough):
    live = sum(size.live for size in segments) + new
    after, rest, _ = settled(segments, new, thorough=thorough)
    assert sum(size.live for size in after) + rest == live
    assert rest <= LIMITS.memory
    assert all(size.rows <= LIMITS.segment for size in after)


@given(st.lists(sizes, max_size=8), st.integers(0, 5000))
def test_a_thorough_one_leaves_no_dead_row(segments, new):
    after, _, _ = settled(segments, new, thorough=True)
    assert not any(size.dead for size in after)


@given(st.lists(sizes, max_size=8), st.integers(0, 5000))
def test_segments_that_could_be_one_become_one(segments, new):
    after, _, _ = settled(segments, new)
    for one, next_one in pairwise(after):
        fall = LIMITS.level(one.live) > LIMITS.level(next_one.live)
        assert fall or one.live + next_one.live > LIMITS.segment


@given(st.lists(st.integers(1, 60), min_size=1, max_size=120))
@example([22, 1, 21, 20, 1, 19, 2])
@example([59, 58, 57, 56, 55, 54, 53, 52, 51, 50])
def test_many_small_additions_leave_few_segments_and_are_written_few_times(additions):
    segments, new, written = [], 0, 0
    for rows in additions:
        segments, new, more = settled(segments, new + rows)
        written += more
    total = sum(additions)
    levels = math.log2(max(total / LIMITS.memory, 2)) + 1
    assert len(segments) <= total / (LIMITS.segment / 2) + levels
    assert written <= total * (levels + 1)


@pytest.mark.parametrize(("dead", "is_built"), [(FEWEST_DEAD, False), (201, True), (150, False)])
def test_a_fifth_dead_is_built_anew(dead, is_built):
    assert next_build([Size(1000, dead)], 0, LIMITS) == (Build(0, 1) if is_built else None)


def test_what_is_few_stays_in_memory():
    assert next_build([], LIMITS.memory, LIMITS) is None
    assert next_build([], LIMITS.memory + 1, LIMITS) == Build(0, 0, LIMITS.memory + 1)
