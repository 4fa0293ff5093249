"""What came of the trials of one promise."""

from __future__ import annotations

import asyncio
import random
import time
from contextlib import contextmanager
from dataclasses import dataclass, field


class CannotRunError(Exception):
    """What the trials need is not to be had on this machine."""


@dataclass
class Outcome:
    """Trials and what went wrong in them; `seconds` is how long they took together."""

    seed: int
    trials: int = 0
    failures: list[str] = field(default_factory=list)
    seconds: float = 0.0
    notes: dict[str, int] = field(default_factory=dict)  # what else was counted

    def check(self, holds, failure):
        """Note a failure unless it holds; whether it does."""
        if not holds:
            self.failures.append(failure)
        return bool(holds)

    def count(self, what, number=1):
        self.notes[what] = self.notes.get(what, 0) + number

    def __str__(self):
        notes = "".join(f", {number:,} {what}" for what, number in self.notes.items())
        return (
            f"{self.trials:,} trials, {len(self.failures)} failures{notes}; "
            f"seed {self.seed}, {self.seconds:.0f} s"
        )


@contextmanager
def trial_run(seed):
    """An outcome that knows how long the block took."""
    outcome = Outcome(seed)
    begun = time.perf_counter()
    try:
        yield outcome
    finally:
        outcome.seconds = time.perf_counter() - begun


def in_turn(trial, trials, seed, folder):
    """The outcome of so many trials, one after the other, each with its own random numbers and folder.

    `trial(number, folder, rng, outcome)` is a coroutine.
    """
    with trial_run(seed) as outcome:
        for number in range(trials):
            asyncio.run(trial(number, folder / str(number), random.Random(f"{seed} {number}"), outcome))
            outcome.trials += 1
    return outcome
