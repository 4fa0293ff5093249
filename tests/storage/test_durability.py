"""What was acknowledged is there, whole, whoever else writes and however the process ends."""

from __future__ import annotations

import random
import subprocess
import sys
import threading

from tests.storage.samples import COLLECTIONS, held, model, open_store

KILLS = 10  # `make trust` tries many more
ROUND = 10_000  # steps, more than any process gets to


def start_writer(home, who, *, first=0, steps=ROUND):
    command = [sys.executable, "-m", "tests.storage.writer", str(home), who, str(first), str(steps)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n"
    return process


def write_until_killed(home, rng, *, first):
    """The number of steps acknowledged so far."""
    process = start_writer(home, "killed", first=first)
    timer = threading.Timer(rng.uniform(0, 0.2), process.kill)
    timer.start()
    acknowledged = [int(line) for line in process.stdout.read().splitlines() if line]
    process.stdout.close()
    process.wait()
    timer.join()
    return acknowledged[-1] + 1 if acknowledged else first


def test_kill_9_loses_nothing_acknowledged_and_tears_nothing(home):
    rng = random.Random(0)
    done = lost = torn = 0
    for _ in range(KILLS):
        acknowledged = write_until_killed(home, rng, first=done)
        with open_store(home) as store:
            state = held(store)
        # The step in flight may have committed without having been told.
        if state == model("killed", acknowledged + 1):
            done = acknowledged + 1
        elif state == model("killed", acknowledged):
            done = acknowledged
        elif any(state == model("killed", steps) for steps in range(acknowledged)):
            lost += 1
            break
        else:
            torn += 1
            break
    print(f"{KILLS} kills, {done} changes, {lost} lost, {torn} torn")  # noqa: T201 - the figure of this promise
    assert (lost, torn) == (0, 0)
    assert done > 0


def test_two_processes_write_one_store_at_once(home):
    writers = [start_writer(home, who, steps=40) for who in ("left", "right")]
    for writer in writers:
        writer.communicate()
        assert writer.returncode == 0
    with open_store(home) as store:
        assert held(store) == model("left", 40) | model("right", 40)
        assert max(state.revision for state in store.states(COLLECTIONS).values()) == 80


def test_processes_that_start_at_once_agree_on_a_new_store(home):
    command = [sys.executable, "-m", "tests.storage.writer", str(home)]
    starting = [subprocess.Popen([*command, f"p{n}", "0", "3"], stdout=subprocess.DEVNULL) for n in range(4)]
    assert [process.wait() for process in starting] == [0] * 4
    with open_store(home) as store:
        assert held(store) == model("p0", 3) | model("p1", 3) | model("p2", 3) | model("p3", 3)
