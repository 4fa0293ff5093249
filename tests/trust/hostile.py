"""Promise: untrusted bytes never run or take the process down.

Mutated files of each format, bombs, cycles and giants are added to an engine; with `--data` also every file
of a folder. A file is read, or refused in a sentence; the engine lives, nothing of a refused one is left in
the store, and neither does the engine's process grow by a gigabyte, nor do the ones that read take one.
"""

from __future__ import annotations

import os
import re
import threading
import time
from pathlib import Path

from mmrag.assemble import build_engine
from mmrag.config import Settings
from mmrag.errors import UserFacingError
from mmrag.types import Source
from tests.trust.hostile_files import harmful_files, mutations
from tests.trust.outcome import trial_run
from tests.trust.parts import EMBEDDER

TRIALS = 2_000  # mutated files of each format
HARMFUL_TRIALS = 20  # from so many on bombs, cycles and giants are added, too: they take some minutes
SECONDS = 120  # of one file; where it can be read, its chunks and vectors included
MEMORY = 1_000_000_000  # bytes, of either process
SENTENCE = re.compile(r"[A-Z“].{10,500}[.]", re.DOTALL)


def run(trials, seed, folder, data=None):
    """Add so many mutated files of each format, then what else there is."""
    with trial_run(seed) as outcome, _MemoryWatch() as memory:
        settings = Settings(home=folder / "home", reading_page_seconds=30, reading_seconds=60)
        with build_engine(settings, embedder=EMBEDDER) as engine:
            for name, content in mutations(trials, seed):
                add(engine, f"a mutated {name}", name, content, outcome)
            for path in sorted(Path(data).rglob("*")) if data else ():
                if path.is_file():
                    add(engine, f"{path.name} of the folder", path.name, path.read_bytes(), outcome)
            for what, make in harmful_files().items() if trials >= HARMFUL_TRIALS else ():
                add(engine, what, "harmful", make(), outcome)
            sound = engine.add(Source("last.txt", b"The last one.", "last"), collection="default")
            outcome.check(sound.status == "added", "a sound file was not read after the others")
        outcome.count("MB more in the engine's process at most", memory.grown // 1_000_000)
        outcome.count("MB in a process that reads at most", memory.readers // 1_000_000)
        outcome.check(memory.grown < MEMORY, f"the engine's process took {memory.grown / 1e6:.0f} MB more")
        outcome.check(memory.readers < MEMORY, f"a process that reads took {memory.readers / 1e6:.0f} MB")
    return outcome


def add(engine, what, name, content, outcome):
    """One file: into the store and out of it again, or refused."""
    outcome.trials += 1
    trial = f"{what} (trial {outcome.trials}, seed {outcome.seed})"
    begun = time.monotonic()
    try:
        report = engine.add(Source(name=name, data=content, uri="hostile"), collection="default")
    except UserFacingError as error:
        outcome.count("refused")
        outcome.check(SENTENCE.fullmatch(str(error)), f"{trial}: no sentence: {error}")
        outcome.check(not engine.documents(), f"{trial}: refused, and something of it is left")
    except Exception as error:  # noqa: BLE001 - what must not happen is what is looked for
        outcome.check(holds=False, failure=f"{trial}: {type(error).__name__}: {error}")
    else:
        outcome.count("read")
        engine.remove([report.document_id])
    took = time.monotonic() - begun
    outcome.check(took < SECONDS, f"{trial}: took {took:.0f} s")


class _MemoryWatch:
    """The most memory seen in one that this process started, and by how much itself grew; looked at
    all the time. What it held before belongs to the trials that ran in it earlier.
    """

    def __init__(self):
        self.grown = self.readers = 0
        self._before = _resident(os.getpid())
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._ended.set()
        self._thread.join()

    def _watch(self):
        own = os.getpid()
        while not self._ended.wait(0.02):
            self.grown = max(self.grown, _resident(own) - self._before)
            self.readers = max([self.readers, *map(_resident, _children(own))])


def _children(process):
    children = []
    for thread in Path(f"/proc/{process}/task").iterdir():
        try:
            children += (thread / "children").read_text().split()
        except OSError:  # the thread has ended
            continue
    return children


def _resident(process):
    try:
        return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError):  # it has ended
        return 0
