"""What HTTP costs: the same questions to an engine in this process and to `mmrag serve`, in turns.

    python -m benchmarks.service

Both work on one data folder that holds the example documents. The service has a process of its own, and is
asked as a bot asks it (events) and as a program does (JSON). What HTTP adds is the median of the differences
question by question, so that whatever else the machine does meets both. Then: how a bot starts whose engine
is elsewhere.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import httpx2

from benchmarks.starting import start
from benchmarks.table import Row, add_formats, percentile, seconds, show
from mmrag import wire
from mmrag.assemble import build_engine
from mmrag.config import load_settings
from mmrag.remote import RemoteEngine
from mmrag.types import DEFAULT_COLLECTION, Question, Source

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from mmrag.engine import Engine
    from mmrag.types import Answer

ADDED_BOUND = 5.0  # milliseconds
START_BOUND, MEMORY_BOUND = 1.5, 120.0  # seconds, megabytes
STARTS = 5
KNOWLEDGE = Path(__file__).parents[1] / "examples" / "knowledge"
QUESTIONS = Path(__file__).parents[1] / "examples" / "questions.jsonl"

Way = tuple[str, "Callable[[Question], Answer]"]


def main(arguments: Sequence[str] | None = None) -> int:
    """0 where every bound holds, 1 where one does not."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.service", description=__doc__)
    parser.add_argument("--rounds", type=int, default=10, metavar="N", help="times that each is asked (10)")
    add_formats(parser)
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="mmrag-bench-") as home:
        rows = measure(Path(home), rounds=options.rounds)
    print(
        show(rows, options.format, title=f"HTTP beside in process, p50 of one run of {options.rounds} rounds")
    )
    return int(any(row.holds is False for row in rows))


def measure(home: Path, *, rounds: int) -> list[Row]:
    """Fill a data folder, ask, start bots."""
    rows = []
    with build_engine(load_settings(home=home)) as engine:
        _fill(engine)
    questions = [
        Question(json.loads(line)["question"]) for line in QUESTIONS.read_text("utf-8").splitlines() if line
    ]
    for what, cache_bytes in (("from the cache", 2**28), ("worked out anew", 0)):
        with (
            build_engine(load_settings(home=home, cache_bytes=cache_bytes)) as engine,
            _service(home, cache_bytes) as url,
            RemoteEngine(url) as remote,
            httpx2.Client(base_url=url, trust_env=False) as http,
        ):
            ways = [("in process", engine.ask), ("as a bot", _narrated(remote)), ("as JSON", _as_json(http))]
            rows += _added(what, _in_turns(ways, questions, rounds=rounds))
            if not cache_bytes:
                rows += _starts(url)
    return rows


def _fill(engine: Engine) -> None:
    for path in sorted(KNOWLEDGE.rglob("*")):
        if path.is_file():
            engine.add(Source(path.name, path.read_bytes(), path.as_uri()), collection=DEFAULT_COLLECTION)


@contextmanager
def _service(home: Path, cache_bytes: int) -> Iterator[str]:
    """The address of `mmrag serve` in a process of its own, ready."""
    environment = {**os.environ, "MMRAG_HOME": str(home), "MMRAG_CACHE_BYTES": str(cache_bytes)}
    command = [sys.executable, "-m", "mmrag", "serve", "--port", "0", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            assert process.stdout is not None
            url = json.loads(process.stdout.readline())["url"]
            while httpx2.get(f"{url}/readyz", trust_env=False).status_code != httpx2.codes.OK:
                time.sleep(0.1)
            yield url
        finally:
            process.terminate()


def _narrated(remote: RemoteEngine) -> Callable[[Question], Answer]:
    return lambda question: remote.ask(question, listener=lambda _: None)


def _as_json(http: httpx2.Client) -> Callable[[Question], Answer]:
    def ask(question: Question) -> Answer:
        body = {"text": question.text, "collections": list(question.collections)}
        return wire.answer_from_json(http.post("/v1/ask", json=body).raise_for_status().json())

    return ask


def _in_turns(ways: Sequence[Way], questions: Sequence[Question], *, rounds: int) -> dict[str, list[float]]:
    """Seconds of each question in each way; the first round warms up and does not count."""
    times: dict[str, list[float]] = {name: [] for name, _ in ways}
    for number in range(rounds + 1):
        for place, question in enumerate(questions):
            turn = (number + place) % len(ways)
            for name, ask in (*ways[turn:], *ways[:turn]):
                began = time.perf_counter()
                ask(question)
                if number:
                    times[name].append(time.perf_counter() - began)
    return times


def _added(what: str, times: dict[str, list[float]]) -> list[Row]:
    own = times.pop("in process")
    rows = [Row(f"a question {what}, in process", seconds(median(own)), median(own) * 1e3)]
    for name, others in times.items():
        added = [other - ours for ours, other in zip(own, others, strict=True)]
        rows.append(
            Row(
                f"HTTP adds to a question {what}, {name} (ms)",
                seconds(median(added)),
                median(added) * 1e3,
                ADDED_BOUND,
                most=True,
                beside=f"whole p50 {seconds(median(others))}, p95 {seconds(percentile(others, 0.95))}",
            )
        )
    return rows


def _starts(url: str) -> list[Row]:
    rows = []
    for platform in ("console", "slack"):
        starts = [start(platform, url) for _ in range(STARTS)]
        took, memory = median(each.seconds for each in starts), max(each.megabytes for each in starts)
        loaded = ", ".join(starts[0].loaded) or "no model library"
        rows += [
            Row(
                f"{platform} with an engine elsewhere starts (s)", seconds(took), took, START_BOUND, most=True
            ),
            Row(
                f"{platform} with an engine elsewhere takes (MB)",
                f"{memory:.0f} MB",
                memory,
                MEMORY_BOUND,
                most=True,
                beside=f"{loaded} loaded",
            ),
        ]
    return rows


if __name__ == "__main__":
    sys.exit(main())
