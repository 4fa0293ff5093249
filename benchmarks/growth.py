"""What one collection costs as it grows: 1,000 to 1,000,000 chunks.

    python -m benchmarks.growth --sizes 1000 10000 100000 1000000 --picture docs/growth.png

Every size gets a data folder of its own, filled through the store in documents of 100 chunks. The
vectors are made (`benchmarks.corpus.Space`), so what is measured is everything but the model.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from benchmarks.corpus import BLOCK, exact, recall_at
from benchmarks.engines import DOCUMENT, MAIN, K, Mmrag, stay_offline
from benchmarks.model import CACHE, POOL, load_space
from benchmarks.processes import reopen
from benchmarks.table import Row, add_formats, percentile, seconds, show

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from benchmarks.corpus import Space
    from mmrag.ports import Vectors

MB = 1_000_000
SIZES = (1_000, 10_000, 100_000, 1_000_000)
WARM_UP = 5
MOST_TIMES_SLOWER = 4.0  # the largest size's p50 over that at 10,000


@dataclass(frozen=True, slots=True)
class Point:
    """One size. Times in seconds, memory in bytes of a fresh process that opened and answered once."""

    rows: int
    fill: float
    build: float
    p50: float
    p95: float
    recall: float
    add_worst: float
    add_p50: float
    reopen_from_start: float
    reopen_from_opening: float
    peak: int
    resident: int
    anonymous: int
    file: int
    bytes_per_chunk: float


def main(arguments: Sequence[str] | None = None) -> int:
    """0 where every bound holds at the largest size, 1 where one does not."""
    options = _options(arguments)
    stay_offline()
    space = load_space(options.pool, options.cache)
    points = []
    for rows in options.sizes:
        with tempfile.TemporaryDirectory(prefix="mmrag-growth-", dir=options.folder) as folder:
            points.append(measure(Path(folder), space, rows, options))
        print(f"... {json.dumps(asdict(points[-1]))}", file=sys.stderr, flush=True)
    if options.picture:
        draw(points, options.picture)
    held = bounds(points)
    if options.format == "json":
        print(
            json.dumps(
                {"points": [asdict(point) for point in points], "bounds": [asdict(row) for row in held]}
            )
        )
    else:
        print(curve(points, markdown=options.format == "markdown"))
        print()
        print(show(held, options.format, title=f"At {points[-1].rows:,} chunks"))
    return int(any(row.holds is False for row in held))


def measure(folder: Path, space: Space, rows: int, options: argparse.Namespace) -> Point:
    """Fill, build, ask, add, and open again in fresh processes."""
    engine = Mmrag(folder)
    fill = _fill(engine, space, 0, rows)
    numbers = [round(i * rows / options.questions) for i in range(options.questions)]
    questions = [next(iter(space.corpus.chunks(number, number + 1))).question for number in numbers]
    vectors = [space.vectors(number, number + 1)[1][0] for number in numbers]

    def ask(i: int) -> list[int]:
        return engine.search(questions[i % len(questions)], vectors[i % len(vectors)])

    build = _time(lambda: ask(0)) + _time(engine.settle)
    for i in range(WARM_UP):
        ask(i)
    asked = [_time(lambda i=i: ask(i)) for i in range(len(questions))]  # type: ignore[misc] # a default is bound now
    found = [engine.dense(vector) for vector in vectors]
    nearest = exact(space, _stack(vectors), rows=rows, k=K).tolist()
    after = -(-rows // BLOCK) * BLOCK
    adds = [_add(engine, space, after + DOCUMENT * i) for i in range(options.adds)]
    engine.settle()
    engine.close()
    opened = [reopen(folder, questions[i], vectors[i], collection=MAIN) for i in range(3)]
    return Point(
        rows=rows,
        fill=fill,
        build=build,
        p50=median(asked),
        p95=percentile(asked, 0.95),
        recall=recall_at(found, nearest),
        add_worst=max(adds),
        add_p50=median(adds),
        reopen_from_start=median(run["from_start"] for run in opened),
        reopen_from_opening=median(run["from_opening"] for run in opened),
        **{key: max(run[key] for run in opened) for key in ("peak", "resident", "anonymous", "file")},
        bytes_per_chunk=_size(folder) / (rows + DOCUMENT * options.adds),
    )


def bounds(points: Sequence[Point]) -> list[Row]:
    """What must hold at the largest size."""
    largest = points[-1]
    rows = [
        _at_most("p50 in ms", seconds(largest.p50), largest.p50 * 1e3, 10),
        Row(f"recall@{K} of the dense half", f"{largest.recall:.3f}", largest.recall, 0.95),
        _at_most(
            "memory of a fresh process, peak, in MB", _megabytes(largest.peak), largest.peak / MB, 1_500
        ),
        _at_most("add 100 until found, worst, in s", seconds(largest.add_worst), largest.add_worst, 0.5),
        _at_most(
            "store opened to first hits, in s",
            seconds(largest.reopen_from_opening),
            largest.reopen_from_opening,
            1,
        ),
    ]
    for point in points:
        if point.rows == 10_000 and point is not largest:
            times = largest.p50 / point.p50
            rows.append(_at_most("p50 over that at 10,000", f"{times:.2f}×", times, MOST_TIMES_SLOWER))
    return rows


def curve(points: Sequence[Point], *, markdown: bool = False) -> str:
    """A line for each size."""
    columns: dict[str, Callable[[Point], str]] = {
        "chunks": lambda p: f"{p.rows:,}",
        "fill": lambda p: seconds(p.fill),
        "build": lambda p: seconds(p.build),
        "p50": lambda p: seconds(p.p50),
        "p95": lambda p: seconds(p.p95),
        f"recall@{K}": lambda p: f"{p.recall:.3f}",
        "add 100, p50 / worst": lambda p: f"{seconds(p.add_p50)} / {seconds(p.add_worst)}",
        "opened / started to hits": lambda p: (
            f"{seconds(p.reopen_from_opening)} / {seconds(p.reopen_from_start)}"
        ),
        "peak": lambda p: _megabytes(p.peak),
        "now (anonymous + file)": lambda p: (
            f"{_megabytes(p.resident)} ({_megabytes(p.anonymous)} + {_megabytes(p.file)})"
        ),
        "bytes a chunk": lambda p: f"{p.bytes_per_chunk:,.0f}",
    }
    cells = [tuple(columns), *(tuple(cell(point) for cell in columns.values()) for point in points)]
    if markdown:
        rows = ["| " + " | ".join(line) + " |" for line in cells]
        return "\n".join([rows[0], "|" + "---|" * len(cells[0]), *rows[1:]])
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return "\n".join("  ".join(map(str.rjust, line, widths)) for line in cells)


def draw(points: Sequence[Point], path: Path) -> None:
    """Four curves over the number of chunks, with what must hold as dashed lines."""
    import matplotlib as mpl

    mpl.use("agg")
    from matplotlib import pyplot as plt

    sizes = [point.rows for point in points]
    panels: list[tuple[str, dict[str, list[float]], float]] = [
        (
            "question to top 10, vector given (ms)",
            {"p50": [p.p50 * 1e3 for p in points], "p95": [p.p95 * 1e3 for p in points]},
            10,
        ),
        (
            "memory of a fresh process (MB)",
            {"peak": [p.peak / MB for p in points], "anonymous": [p.anonymous / MB for p in points]},
            1_500,
        ),
        (
            "100 chunks added until found (s)",
            {"p50": [p.add_p50 for p in points], "worst": [p.add_worst for p in points]},
            0.5,
        ),
        (
            "opened to the first hits (s)",
            {
                "from opening": [p.reopen_from_opening for p in points],
                "from the process's start": [p.reopen_from_start for p in points],
            },
            1,
        ),
    ]
    figure, axes = plt.subplots(2, 2, figsize=(9, 6), layout="constrained")
    for axis, (title, lines, bound) in zip(axes.flat, panels, strict=True):
        for (label, values), colour in zip(lines.items(), ("#1f5fa8", "#c2571a"), strict=True):
            axis.plot(sizes, values, marker="o", markersize=4, color=colour, label=label)
        axis.axhline(bound, color="#777777", linestyle="--", linewidth=1, label=f"bound {bound:g}")
        axis.set(xscale="log", yscale="log", xlabel="chunks in the collection")
        axis.set_title(title, fontsize=10)
        axis.grid(color="#e5e5e5")
        axis.legend(fontsize=8, frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=90, metadata={"Software": None})
    plt.close(figure)


def _fill(engine: Mmrag, space: Space, start: int, stop: int) -> float:
    """Seconds in the store alone: making texts and vectors is not counted."""
    took = 0.0
    for first in range(start, stop, DOCUMENT):
        last = min(first + DOCUMENT, stop)
        texts = [made.text for made in space.corpus.chunks(first, last)]
        vectors = space.vectors(first, last)[0]
        took += _time(lambda: engine.put(first, texts, vectors))  # noqa: B023 - called at once
    return took


def _add(engine: Mmrag, space: Space, first: int) -> float:
    texts = [made.text for made in space.corpus.chunks(first, first + DOCUMENT)]
    vectors = space.vectors(first, first + DOCUMENT)[0]

    def add_and_find() -> None:
        engine.put(first, texts, vectors)
        if first + DOCUMENT - 1 not in engine.search(texts[-1][:300], vectors[-1]):
            raise RuntimeError("what was added is not found")

    return _time(add_and_find)


def _time(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def _stack(vectors: Sequence[Vectors]) -> Vectors:
    import numpy as np

    return np.stack(vectors)


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _megabytes(count: float) -> str:
    return f"{count / MB:,.0f} MB"


def _at_most(what: str, measured: str, value: float, bound: float) -> Row:
    return Row(what, measured, value, bound, most=True)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES), help="chunks, ascending")
    parser.add_argument("--questions", type=int, default=200)
    parser.add_argument("--adds", type=int, default=40, help="times that 100 chunks are added")
    parser.add_argument("--pool", type=int, default=POOL, help="chunks with vectors of the model")
    parser.add_argument("--cache", type=Path, default=CACHE, help="where those vectors are kept")
    parser.add_argument(
        "--folder", type=Path, help="where the data folders are made; 1,000,000 chunks take 5 GB"
    )
    parser.add_argument("--picture", type=Path, help="draw the curve into this file")
    add_formats(parser)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
