"""One engine in a process of its own, which does what it is told and says how long it took.

    python -m benchmarks.worker NAME FOLDER POOL CACHE CLOCK

Reads one JSON list a line, [call, [arguments], {options}], and answers with another, [seconds,
[numbers of chunks found]]. The clock runs only while the engine works, not while text is made.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Self

from benchmarks.engines import ENGINES, MAIN, stay_offline
from benchmarks.model import load_space

if TYPE_CHECKING:
    from collections.abc import Callable


CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}


class Work:
    """The calls; each returns (seconds, chunk numbers found)."""

    def __init__(self, name: str, folder: Path, pool: int, cache: Path, clock: str) -> None:
        self._name, self._folder = name, folder
        self.space = load_space(pool, cache)
        self.corpus = self.space.corpus
        self._clock = CLOCKS[clock]
        self.engine: Any = ENGINES[name](folder / "main")
        self._fresh = 0

    def load(self, first: int, stop: int, scope: str = MAIN) -> tuple[float, list[int]]:
        """Add chunks with their vectors."""
        texts, vectors = self._made(first, stop)
        return self._timed(lambda: self.engine.add(first, texts, vectors, scope))

    def settle(self) -> tuple[float, list[int]]:
        return self._timed(getattr(self.engine, "settle", lambda: None))

    def search(self, number: int, *, embed: bool, scope: str | None = None) -> tuple[float, list[int]]:
        """Ask the question of a chunk."""
        (made,) = self.corpus.chunks(number, number + 1)
        vector = None if embed else self.space.vectors(number, number + 1)[1][0]
        rest = () if scope is None else (scope,)
        return self._timed(lambda: self.engine.search(made.question, vector, *rest))

    def dense(self, number: int, scope: str) -> tuple[float, list[int]]:
        vector = self.space.vectors(number, number + 1)[1][0]
        return self._timed(lambda: self.engine.dense(vector, scope))

    def grow(self, first: int, stop: int, *, embed: bool) -> tuple[float, list[int]]:
        """Add chunks, and ask for the last of them in its own words until it is found."""
        texts, vectors = self._made(first, stop)

        def add_and_find() -> list[int]:
            self.engine.add(first, texts, None if embed else vectors)
            found: list[int] = self.engine.search(texts[-1][:300], vectors[-1])
            if stop - 1 not in found:
                raise RuntimeError(f"{self._name} does not find what was added")
            return found

        return self._timed(add_and_find)

    def ingest(self, first: int, stop: int) -> tuple[float, list[int]]:
        """Add chunks, embedding them, to a new and empty engine; the model is loaded before."""
        self._fresh += 1
        texts, _ = self._made(first, stop)
        engine = ENGINES[self._name](self._folder / f"fresh-{self._fresh}")
        engine.add(stop, texts[:2], None)
        _, vectors = self.space.vectors(first, first + 1)

        def add_and_find() -> list[int]:
            engine.add(first, texts, None)
            return engine.search(texts[-1][:300], vectors[0])

        return self._timed(add_and_find)

    def _made(self, first: int, stop: int) -> tuple[list[str], Any]:
        texts = [made.text for made in self.corpus.chunks(first, stop)]
        return texts, self.space.vectors(first, stop)[0]

    def _timed(self, call: Callable[[], list[int] | None]) -> tuple[float, list[int]]:
        start = self._clock()
        found = call()
        return self._clock() - start, found or []


class Worker:
    """The process, seen from the one that gives the orders. `with` it: it ends at the end."""

    def __init__(self, name: str, folder: Path, *, pool: int, cache: Path, clock: str) -> None:
        self.name = name
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.worker", name, *map(str, (folder, pool, cache, clock))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        _of(self._process.stdin).close()
        _of(self._process.stdout).close()
        self._process.wait()

    def call(self, name: str, *arguments: object, **options: object) -> tuple[float, list[int]]:
        """(seconds, chunk numbers found). Raises RuntimeError where the process has died."""
        print(json.dumps([name, arguments, options]), file=_of(self._process.stdin), flush=True)
        answer = _of(self._process.stdout).readline()
        if not answer:
            raise RuntimeError(f"{self.name} has ended while it did {name}; its reason is above")
        seconds, found = json.loads(answer)
        return seconds, found


def _of(pipe: IO[str] | None) -> IO[str]:
    assert pipe is not None, "both pipes were asked for"
    return pipe


def _serve(name: str, folder: Path, pool: int, cache: Path, clock: str) -> None:
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what a library prints must not look like an answer
    work = Work(name, folder, pool, cache, clock)
    for line in sys.stdin:
        call, arguments, options = json.loads(line)
        print(json.dumps(getattr(work, call)(*arguments, **options)), file=answers, flush=True)


if __name__ == "__main__":
    stay_offline()
    _serve(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]), sys.argv[5])
