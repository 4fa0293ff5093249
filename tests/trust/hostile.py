"""Promise: untrusted bytes never run or take the process down.

Mutated files of each format, bombs, cycles and giants are added to an engine in a process of its own; with
`--data` also every file of a folder. A file is read, or refused in a sentence; the engine lives, nothing of a
refused one is left in the store, and neither the engine's process nor one that reads takes a gigabyte.
"""

from __future__ import annotations

import os
import re
import threading
import time
from contextlib import contextmanager
from pathlib import Path

from mmrag.assemble import build_engine
from mmrag.config import Settings
from mmrag.errors import UserFacingError
from mmrag.types import Source
from tests.trust.hostile_files import harmful_files, mutations
from tests.trust.outcome import trial_run
from tests.trust.parts import EMBEDDER
from tests.trust.processes import started

TRIALS = 2_000  # mutated files of each format
HARMFUL_TRIALS = 20  # from so many on bombs, cycles and giants are added, too: they take some minutes
SECONDS = 120  # of one file; where it can be read, its chunks and vectors included
MEMORY = 1_000_000_000  # bytes, of either process
SENTENCE = re.compile(r"[A-Z“].{10,500}[.]", re.DOTALL)


def run(trials, seed, folder, data=None):
    """Add so many mutated files of each format, then what else there is."""
    with trial_run(seed) as outcome, _engine_process(folder / "home") as (add, memory):
        for what, name, content in _files(trials, seed, data):
            outcome.trials += 1
            trial = f"{what} (trial {outcome.trials}, seed {seed})"
            begun = time.monotonic()
            try:
                came = add(name, content)
            except (EOFError, OSError):
                outcome.check(holds=False, failure=f"{trial}: the engine's process has ended, or hangs")
                break
            took = time.monotonic() - begun
            outcome.check(took < SECONDS, f"{trial}: took {took:.0f} s")
            if came.get("read"):
                outcome.count("read")
            elif outcome.check("refused" in came, f"{trial}: {came.get('failed')}"):
                outcome.count("refused")
                outcome.check(SENTENCE.fullmatch(came["refused"]), f"{trial}: no sentence: {came['refused']}")
                outcome.check(not came["left"], f"{trial}: refused, and something of it is left")
        else:
            outcome.check(
                add("last.txt", b"The last one.").get("read"), "a sound file was not read at the end"
            )
        outcome.count("MB in the engine's process at most", memory.engine // 1_000_000)
        outcome.count("MB in a process that reads at most", memory.readers // 1_000_000)
        outcome.check(0 < memory.engine < MEMORY, f"the engine's process took {memory.engine / 1e6:.0f} MB")
        outcome.check(0 < memory.readers < MEMORY, f"one that reads took {memory.readers / 1e6:.0f} MB")
    return outcome


def _files(trials, seed, data):
    """What each is, its name and its bytes."""
    for name, content in mutations(trials, seed):
        yield f"a mutated {name}", name, content
    for path in sorted(Path(data).rglob("*")) if data else ():
        if path.is_file():
            yield f"{path.name} of the folder", path.name, path.read_bytes()
    for what, make in harmful_files().items() if trials >= HARMFUL_TRIALS else ():
        yield what, "harmful", make()


@contextmanager
def _engine_process(home):
    """A function that adds a file to an engine in a process of its own, and the memory it takes; what makes
    the files, and ran before, takes its memory here.
    """
    with started(_serve, home) as (process, connection), _MemoryWatch(process.pid) as memory:

        def add(name, content):
            connection.send(name)
            connection.send_bytes(content)
            if not connection.poll(2 * SECONDS):
                raise TimeoutError
            return connection.recv()

        yield add, memory
        connection.close()  # it ends what it started
        process.join(SECONDS)


def _serve(connection, home):
    """Each file into the store and out of it again, or refused."""
    settings = Settings(home=home, reading_page_seconds=30, reading_seconds=60)
    with build_engine(settings, embedder=EMBEDDER) as engine:
        while True:
            try:
                name = connection.recv()
            except EOFError:
                return
            connection.send(_added(engine, name, connection.recv_bytes()))


def _added(engine, name, content):
    try:
        report = engine.add(Source(name=name, data=content, uri="hostile"), collection="default")
    except UserFacingError as error:
        return {"refused": str(error), "left": len(engine.documents())}
    except Exception as error:  # noqa: BLE001 - what must not happen is what is looked for
        return {"failed": f"{type(error).__name__}: {error}"}
    engine.remove([report.document_id])
    return {"read": report.status == "added"}


class _MemoryWatch:
    """The most memory seen in a process, and in one that it started; looked at all the time."""

    def __init__(self, process):
        self.engine = self.readers = 0
        self._process = process
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._ended.set()
        self._thread.join()

    def _watch(self):
        while not self._ended.wait(0.02):
            self.engine = max(self.engine, _resident(self._process))
            self.readers = max([self.readers, *map(_resident, _children(self._process))])


def _children(process):
    children = []
    for listed in Path(f"/proc/{process}/task").glob("*/children"):
        try:
            children += listed.read_text().split()
        except OSError:  # the thread has ended
            continue
    return children


def _resident(process):
    try:
        return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError):  # it has ended
        return 0
