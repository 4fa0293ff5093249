"""One piece of work a key."""

from __future__ import annotations

import threading

import pytest

from mmrag.engine.flights import SingleFlight


def test_those_who_ask_meanwhile_share_the_result():
    flight = SingleFlight()
    working, release, results = threading.Event(), threading.Event(), []
    runs = []

    def work():
        runs.append(1)
        working.set()
        release.wait()
        return "answer"

    leader = threading.Thread(target=lambda: results.append(flight.run("key", work)))
    leader.start()
    working.wait()
    follower = threading.Thread(target=lambda: results.append(flight.run("key", work)))
    follower.start()
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
    follower = threading.Thread(target=lambda: results.append(flight.run("key", lambda: "answer")))
    follower.start()
    release.set()
    leader.join()
    follower.join()

    assert results == ["answer"]
