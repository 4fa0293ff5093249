"""mmrag beside what a user would pick instead: one run, the same model, the same chunks.

    python -m benchmarks.speed --rows 100000

Each engine has a process of its own with the threads that its users get by default. They take turns
question by question, so that whatever else the machine does meets all of them; one works at a time.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from benchmarks.corpus import BLOCK, exact, recall_at
from benchmarks.engines import DOCUMENT, ENGINES, MAIN, K, stay_offline
from benchmarks.model import CACHE, POOL, load_space
from benchmarks.processes import reopen
from benchmarks.table import Row, add_formats, percentile, ratio, seconds, show
from benchmarks.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Sequence

BOUND_ROWS = 100_000  # the bounds are about this many chunks: with fewer the alternatives keep up better
SCOPE = "small"
SCOPE_ROWS = 1_000
WARM_UP = 3
ADDS = 3

Workers = dict[str, Worker]
Times = dict[str, list[float]]

SEARCH_BOUNDS = {"LangChain": 200.0, "LlamaIndex": 5.0, "Chroma": 1.5}
EMBEDDING_BOUNDS = {"LangChain": 40.0, "LlamaIndex": 3.0}
INGEST_BOUNDS = {"LangChain": 4.0, "Chroma": 4.0}
GROW_BOUNDS = {"LangChain": 50.0}


def main(arguments: Sequence[str] | None = None) -> int:
    """0 where every bound holds, 1 where one does not."""
    options = _options(arguments)
    stay_offline()
    with tempfile.TemporaryDirectory(prefix="mmrag-bench-") as scratch:
        rows = measure(options, Path(scratch))
    print(show(rows, options.format, title=f"{options.rows:,} chunks, top {K}, p50 of one run"))
    return int(any(row.holds is False for row in rows))


def measure(options: argparse.Namespace, folder: Path) -> list[Row]:
    """Fill all engines, then one stage after the other."""
    rows: list[Row] = []

    def measured(more: list[Row]) -> None:
        if options.rows < BOUND_ROWS:
            more = [replace(row, bound=None) for row in more]
        rows.extend(more)
        for row in more:
            _say(f"    {row.what}: {row.measured} {row.beside} {row.verdict}")

    with ExitStack() as stack:
        workers = {
            name: stack.enter_context(
                Worker(name, folder / name, pool=options.pool, cache=options.cache, clock=options.clock)
            )
            for name in options.engines
        }
        measured(_load(workers, options.rows))
        for stage in options.stages:
            measured(STAGES[stage](workers, options))
    # After all others: a process that opens must not share the machine with engines that hold it.
    measured(_reopening(folder / "mmrag" / "main", options))
    return rows


def _load(workers: Workers, rows: int) -> list[Row]:
    """Every engine gets all chunks with their vectors."""
    filled = {}
    for name, worker in workers.items():
        _say(f"{name} takes in {rows:,} chunks")
        filled[name] = worker.call("load", 0, rows)[0]
    ours, _ = workers["mmrag"].call("search", 0, embed=False)  # builds the index
    settled, _ = workers["mmrag"].call("settle")
    filled["mmrag"] += ours + settled
    beside = ", ".join(f"{name} {seconds(took)}" for name, took in filled.items() if name != "mmrag")
    return [Row("take in all, vectors given, index built", seconds(filled["mmrag"]), rows, beside=beside)]


def _searching(workers: Workers, options: argparse.Namespace) -> list[Row]:
    rows = _search_stage(workers, options, "question to top 10, vector given", SEARCH_BOUNDS, embed=False)
    return [*rows[:-1], replace(rows[-1], bound=10.0, most=True)]


def _embedding(workers: Workers, options: argparse.Namespace) -> list[Row]:
    return _search_stage(workers, options, "question to top 10, embedding it", EMBEDDING_BOUNDS, embed=True)


def _search_stage(
    workers: Workers, options: argparse.Namespace, what: str, bounds: dict[str, float], *, embed: bool
) -> list[Row]:
    """A row beside each other engine, and our 95th percentile last."""
    _say(what)
    times = _take_turns(workers, options, embed=embed)
    p95 = percentile(times["mmrag"], 0.95)
    return [
        *(
            ratio(what, median(times["mmrag"]), median(took), name=_full(name), bound=bounds.get(name))
            for name, took in times.items()
            if name != "mmrag"
        ),
        Row(f"{what}, p95 in ms of {len(times['mmrag'])}", seconds(p95), p95 * 1e3),
    ]


def _take_turns(workers: Workers, options: argparse.Namespace, *, embed: bool) -> Times:
    """Seconds of each engine's searches. A slow engine takes part in every n-th round only."""
    numbers = _asked(options)
    every = {}
    for name, worker in workers.items():
        warm = [worker.call("search", number, embed=embed)[0] for number in numbers[:WARM_UP]]
        every[name] = max(1, round(min(warm) * len(numbers) / options.seconds))
    times: Times = {name: [] for name in workers}
    for turn, number in enumerate(numbers[WARM_UP:]):
        for name, worker in workers.items():
            if turn % every[name] == 0:
                times[name].append(worker.call("search", number, embed=embed)[0])
    return times


def _scoped(workers: Workers, options: argparse.Namespace) -> list[Row]:
    """A collection of 1,000 chunks beside all others: mmrag's own, and Chroma's filter."""
    _say(f"a collection of {SCOPE_ROWS:,} chunks")
    first = _after(options.rows)
    asking = {name: worker for name, worker in workers.items() if name in {"mmrag", "Chroma"}}
    for worker in asking.values():
        worker.call("load", first, first + SCOPE_ROWS, SCOPE)
    numbers = range(first, first + SCOPE_ROWS, max(1, SCOPE_ROWS // 50))
    times: Times = {name: [] for name in asking}
    for number in (*numbers[:WARM_UP], *numbers):
        for name, worker in asking.items():
            times[name].append(worker.call("search", number, embed=False, scope=SCOPE)[0])
    rows = [
        ratio(
            f"a collection of {SCOPE_ROWS:,}",
            median(times["mmrag"][WARM_UP:]),
            median(times[name][WARM_UP:]),
            name=f"{name}'s filter",
            bound=25.0,
        )
        for name in asking
        if name != "mmrag"
    ]
    found = [workers["mmrag"].call("dense", number, SCOPE)[1] for number in numbers]
    space = load_space(options.pool, options.cache)
    asked = space.vectors(first, first + SCOPE_ROWS)[1][[number - first for number in numbers]]
    recall = recall_at(found, exact(space, asked, rows=SCOPE_ROWS, k=K, start=first).tolist())
    return [*rows, Row(f"recall@{K} of its dense half", f"{recall:.3f}", recall, 1.0)]


def _growing(workers: Workers, options: argparse.Namespace) -> list[Row]:
    first = _after(options.rows) + SCOPE_ROWS
    starts = range(first, first + ADDS * DOCUMENT, DOCUMENT)
    return _grow_stage(workers, starts, "add 100 until found, vectors given", GROW_BOUNDS, embed=False)


def _growing_embedding(workers: Workers, options: argparse.Namespace) -> list[Row]:
    first = _after(options.rows) + 2 * SCOPE_ROWS
    return _grow_stage(workers, [first], "add 100 until found, embedding", {}, embed=True)


def _grow_stage(
    workers: Workers, starts: Sequence[int], what: str, bounds: dict[str, float], *, embed: bool
) -> list[Row]:
    """100 more chunks, until the last of them is found."""
    _say(what)
    times: Times = {name: [] for name in workers}
    for first in starts:
        for name, worker in workers.items():
            times[name].append(worker.call("grow", first, first + DOCUMENT, embed=embed)[0])
    worst = max(times["mmrag"])
    return [
        *(
            ratio(what, median(times["mmrag"]), median(took), name=name, bound=bounds.get(name))
            for name, took in times.items()
            if name != "mmrag"
        ),
        Row(f"{what}, worst", seconds(worst), worst),
    ]


def _ingesting(workers: Workers, options: argparse.Namespace) -> list[Row]:
    """Whole documents into a new and empty engine, embedding included."""
    what = f"add {options.ingest} to none until found, embedding"
    _say(what)
    times: Times = {name: [] for name in workers}
    first = _after(options.rows) + 10 * SCOPE_ROWS
    for _ in range(2):
        for name, worker in workers.items():
            times[name].append(worker.call("ingest", first, first + options.ingest)[0])
    ours = min(times["mmrag"])
    rows = [
        ratio(what, ours, min(took), name=name, bound=INGEST_BOUNDS.get(name))
        for name, took in times.items()
        if name != "mmrag"
    ]
    rate = options.ingest / ours
    return [*rows, Row("the same in chunks a second", f"{rate:.0f}", rate)]


def _reopening(folder: Path, options: argparse.Namespace) -> list[Row]:
    _say("fresh processes open it")
    space = load_space(options.pool, options.cache)
    (made,) = space.corpus.chunks(1, 2)
    vector = space.vectors(1, 2)[1][0]
    runs = [reopen(folder, made.question, vector, collection=MAIN) for _ in range(3)]
    rows = []
    for key, what in (
        ("from_opening", "store opened to first hits"),
        ("from_start", "process started to first hits"),
    ):
        took = median(run[key] for run in runs)
        rows.append(Row(f"{what}, in s", seconds(took), took, 1.0, most=True))
    return rows


def _asked(options: argparse.Namespace) -> list[int]:
    """Chunks whose questions are asked: spread evenly over all."""
    step = max(1, options.rows // (options.questions + WARM_UP))
    return list(range(0, options.rows, step))[: options.questions + WARM_UP]


def _after(rows: int) -> int:
    """The first chunk that no engine holds yet, on a block's edge."""
    return -(-rows // BLOCK) * BLOCK


def _full(name: str) -> str:
    return "Chroma (dense alone)" if name == "Chroma" else name


def _say(what: str) -> None:
    print(f"... {what}", file=sys.stderr, flush=True)


STAGES = {
    "search": _searching,
    "scope": _scoped,
    "grow": _growing,
    "embed": _embedding,
    "grow-embed": _growing_embedding,
    "ingest": _ingesting,
}


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=100_000, help="chunks of every engine")
    parser.add_argument("--questions", type=int, default=300, help="asked of the faster engines")
    parser.add_argument("--seconds", type=float, default=25.0, help="of one engine's questions in a stage")
    parser.add_argument("--ingest", type=int, default=400, help="chunks that are added with embedding")
    parser.add_argument("--pool", type=int, default=POOL, help="chunks with vectors of the model")
    parser.add_argument("--cache", type=Path, default=CACHE, help="where those vectors are kept")
    parser.add_argument(
        "--engines", nargs="+", default=list(ENGINES), choices=list(ENGINES), help="mmrag must be among them"
    )
    parser.add_argument(
        "--clock",
        choices=["wall", "cpu"],
        default="wall",
        help="cpu: an engine's processor time, all threads together; for a machine that others use, too",
    )
    parser.add_argument("--stages", nargs="+", default=list(STAGES), choices=list(STAGES))
    add_formats(parser)
    options = parser.parse_args(arguments)
    if "mmrag" not in options.engines:
        parser.error("mmrag must be among the engines: all others are compared with it")
    return options


if __name__ == "__main__":
    sys.exit(main())
