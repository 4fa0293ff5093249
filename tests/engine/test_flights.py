"""One piece of work a key."""

from __future__ import annotations

import threading

import pytest

from mmrag.engine.flights import SingleFlight


class Watched(str):
    """A key that says when it is looked up: then whoever asked is in the air or waits."""

    __slots__ = ("looked_up",)

    def __hash__(self):
        self.looked_up.set()
        return super().__hash__()


def follow(flight, work, results):
    """Start a thread that asks for the same key, once it has been looked up."""
    key = Watched("key")
    key.looked_up = threading.Event()
    follower = threading.Thread(target=lambda: results.append(flight.run(key, work)))
    follower.start()
    key.looked_up.wait()
    return follower


def test_those_who_ask_meanwhile_share_the_result():
    flight = SingleFlight()
    working, release, results = threading.Event(), threading.Event(), []

    def work():
        working.set()
        release.wait()
        return "answer"

    leader = threading.Thread(target=lambda: results.append(flight.run("key", work)))
    leader.start()
    working.wait()
    follower = follow(flight, lambda: "done a second time", results)
    release.set()
    leader.join()
    follower.join()

    assert results == ["answer", "answer"]


def test_an_error_is_shared_and_forgotten():
    flight = SingleFlight()

    def fail():
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        flight.run("key", fail)
    assert flight.run("key", lambda: "fine") == "fine"


def test_other_keys_do_not_wait():
    flight = SingleFlight()
    assert flight.run("a", lambda: flight.run("b", lambda: "inner")) == "inner"


def test_who_waits_takes_over_from_an_owner_that_dies():
    flight = SingleFlight()
    working, release, results = threading.Event(), threading.Event(), []

    def die():
        working.set()
        release.wait()
        raise MemoryError

    def lead():
        with pytest.raises(MemoryError):
            flight.run("key", die)

    leader = threading.Thread(target=lead)
    leader.start()
    working.wait()
    follower = follow(flight, lambda: "answer", results)
    release.set()
    leader.join()
    follower.join()

    assert results == ["answer"]
