"""Whose turn it is: laws of the lanes."""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmrag.service.problems import Problem
from mmrag.service.work import Lane


@given(asked=st.lists(st.sampled_from("abc"), max_size=40), at_once=st.integers(1, 4))
@settings(max_examples=30, deadline=None)
def test_everybody_gets_a_turn_and_no_more_work_than_is_allowed(asked, at_once):
    working, most = 0, 0
    lock = threading.Lock()

    def work():
        nonlocal working, most
        with lock:
            working += 1
            most = max(most, working)
        with lock:
            working -= 1
        return True

    async def run():
        lane = Lane("test", at_once=at_once, waiting=100)
        done = await asyncio.gather(*(lane.run(who, work) for who in asked))
        return done, lane.running, lane.waiting

    done, running, waiting = asyncio.run(run())
    assert done == [True] * len(asked)
    assert most <= at_once
    assert (running, waiting) == (0, 0)


def test_who_asks_once_does_not_wait_for_all_that_another_asked():
    order = []

    async def run():
        lane = Lane("test", at_once=1, waiting=100)
        go_on = threading.Event()
        first = asyncio.create_task(lane.run("greedy", lambda: go_on.wait(10)))
        await asyncio.sleep(0)
        others = [asyncio.create_task(lane.run("greedy", lambda: order.append("greedy"))) for _ in range(20)]
        await asyncio.sleep(0)
        others.append(asyncio.create_task(lane.run("modest", lambda: order.append("modest"))))
        await asyncio.sleep(0)
        go_on.set()
        await asyncio.gather(first, *others)

    asyncio.run(run())
    assert order.index("modest") <= 1


@given(leaving=st.sets(st.integers(0, 11)))
@settings(max_examples=30, deadline=None)
def test_who_leaves_while_waiting_takes_no_turn(leaving):
    done = []

    async def run():
        lane = Lane("test", at_once=1, waiting=100)
        go_on = threading.Event()
        first = asyncio.create_task(lane.run("first", lambda: go_on.wait(10)))
        await asyncio.sleep(0)
        tasks = [asyncio.create_task(lane.run("ab"[n % 2], lambda n=n: done.append(n))) for n in range(12)]
        await asyncio.sleep(0)
        for number in leaving:
            tasks[number].cancel()
        go_on.set()
        await asyncio.gather(first, *tasks, return_exceptions=True)
        return lane.running, lane.waiting

    assert asyncio.run(run()) == (0, 0)
    assert set(done) == set(range(12)) - leaving


def test_work_that_has_begun_keeps_its_place_until_it_ends():
    async def run():
        lane = Lane("test", at_once=1, waiting=0)
        go_on = threading.Event()
        begun = asyncio.create_task(lane.run("a", lambda: go_on.wait(10)))
        await asyncio.sleep(0)
        begun.cancel()
        with pytest.raises(asyncio.CancelledError):
            await begun
        with pytest.raises(Problem, match="503"):
            await lane.run("b", lambda: None)
        go_on.set()
        return await _again(lane)

    assert asyncio.run(run()) == "done"


def test_an_error_of_the_work_is_raised_and_gives_the_place_back():
    async def run():
        lane = Lane("test", at_once=1, waiting=0)
        with pytest.raises(ZeroDivisionError):
            await lane.run("a", lambda: 1 / 0)
        return await _again(lane)

    assert asyncio.run(run()) == "done"


async def _again(lane):
    """What a lane gives whose place is given back by another thread in a moment."""
    async with asyncio.timeout(10):
        while True:
            with suppress(Problem):
                return await lane.run("again", lambda: "done")
            await asyncio.sleep(0)
