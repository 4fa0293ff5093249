"""Promise: however many ask the same thing at once, it is worked out once, even if who began dies.

Each round asks one question from many threads: the first one's work dies in their midst, or is done
by another process that is killed with `kill -9` while all wait for it. A trial is a question.
"""

from __future__ import annotations

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from mmrag.engine.asking import Asking
from mmrag.types import Question, Source
from tests.trust.outcome import trial_run
from tests.trust.parts import EMBEDDER, open_engine

TRIALS = 4_000
IN_MEMORY = True  # nothing here is about durability
_AT_ONCE = 1_000


def run(trials, seed, folder):
    """Ask so many questions, a thousand at a time."""
    with trial_run(seed) as outcome:
        with open_engine(folder / "home", EMBEDDER) as engine:
            data = b"The valve of the boiler opens at four bar."
            engine.add(Source("valve.txt", data, uri="test:valve"), collection="shared")
            ways = (_other_process_is_killed, _first_one_dies, _nobody_dies)
            number = 0
            while outcome.trials < trials:
                asked = min(_AT_ONCE, trials - outcome.trials)
                text = f"At which pressure does the valve open, {seed} {number}?"
                ways[number % len(ways)](engine, folder, text, asked, outcome)
                outcome.trials += asked
                number += 1
        return outcome


class _Counting:
    """The engine's own generator; counts, waits until all ask, and dies `deaths` times."""

    def __init__(self, generator, everyone_asks, deaths):
        self._generator, self._everyone_asks, self._deaths = generator, everyone_asks, deaths
        self.name, self.model, self.version = generator.name, generator.model, generator.version
        self.begun = 0

    def generate(self, prompt, *, drafted):
        self.begun += 1
        self._everyone_asks.wait(30)
        if self.begun <= self._deaths:
            raise MemoryError
        return self._generator.generate(prompt, drafted=drafted)


def _ask_together(engine, text, asked, outcome, *, deaths=0, meanwhile=None):
    everyone_asks = threading.Event()
    counting = _Counting(engine._stages.generator, everyone_asks, deaths)  # noqa: SLF001 - the part under trial is inside
    asking = Asking(replace(engine._stages, generator=counting), limits=engine._limits)  # noqa: SLF001 - as above
    under_way = threading.Semaphore(0)

    def ask(_):
        under_way.release()
        try:
            return asking.ask(Question(text, ("shared",)))
        except MemoryError:
            return None

    with ThreadPoolExecutor(asked) as pool:
        answers = pool.map(ask, range(asked))
        for _ in range(asked):
            under_way.acquire()
        if meanwhile:
            meanwhile()
        everyone_asks.set()
        answers = list(answers)
    lost = sum(answer is None for answer in answers)
    outcome.check(lost <= deaths, f"{lost} askers got no answer")
    outcome.check(counting.begun - deaths <= 1, f"{counting.begun} generations")
    outcome.check(len({answer.id for answer in answers if answer}) <= 1, "several answers")
    outcome.count("answers shared", len(answers) - lost)


def _nobody_dies(engine, _, text, asked, outcome):
    _ask_together(engine, text, asked, outcome)


def _first_one_dies(engine, _, text, asked, outcome):
    _ask_together(engine, text, asked, outcome, deaths=1)


_OWNER = """
import sys, time
from dataclasses import replace
from pathlib import Path
from mmrag.engine.asking import Asking
from mmrag.types import Question
from tests.trust.parts import EMBEDDER, open_engine

with open_engine(Path(sys.argv[1]), EMBEDDER) as engine:
    real = engine._stages.generator

    class Stuck:
        name, model, version = real.name, real.model, real.version

        def generate(self, prompt, *, drafted):
            print("at work", flush=True)
            time.sleep(600)

    asking = Asking(replace(engine._stages, generator=Stuck()), limits=engine._limits)
    asking.ask(Question(sys.argv[2], ("shared",)))
"""


def _other_process_is_killed(engine, folder, text, asked, outcome):
    owner = subprocess.Popen(
        [sys.executable, "-c", _OWNER, str(folder / "home"), text], stdout=subprocess.PIPE, text=True
    )
    try:
        outcome.check(owner.stdout.readline() == "at work\n", "the other process did not begin")
        _ask_together(engine, text, asked, outcome, meanwhile=owner.kill)
    finally:
        owner.kill()
        owner.wait()
        owner.stdout.close()
    outcome.count("owners killed")
