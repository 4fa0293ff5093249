"""What a GPU brings: graphs of segments, and exact search of many vectors, on it and on the CPU.

    python -m benchmarks.faiss_gpu [--rows N] [--json]

Both are run on the same made vectors in one process. Without a GPU that FAISS can use the CPU's
side alone is measured, and says so. What is built is written as a segment has it, opened again
and searched on the CPU. It needs FAISS, NumPy and this project.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import faiss
import numpy as np

from mmrag.retrieval import cagra, device, exact
from mmrag.retrieval.dense import DenseIndex

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from mmrag.ports import Vectors
    from mmrag.retrieval.dense import Batches, DenseBuilder

DIMENSION = 384  # of the embedder that comes along
RECALL_QUERIES = 200
BATCH_QUERIES = 1_000
CLUSTERS = 1_000
BATCH_ROWS = 2_000
SPREAD = 0.7  # of a row around the centre of its cluster: its ten nearest are not obvious


@dataclass(frozen=True, slots=True)
class Built:
    """A graph that was written, opened again and searched on the CPU; only the building is timed."""

    seconds: float
    recall_at_10: float
    bytes_a_row: float


def main() -> None:
    """Measure, and print what was found."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.faiss_gpu",
        description="Building a graph and searching many vectors, on the CPU and on a GPU in one run.",
    )
    parser.add_argument("--rows", type=int, default=100_000, help="vectors of a graph (default: 100,000)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    arguments = parser.parse_args()
    found = measure(arguments.rows)
    print(json.dumps(found, indent=2) if arguments.json else "\n".join(_lines(found)))


def measure(rows: int) -> dict[str, Any]:
    """All figures by name; those of the GPU only where there is one. A fault of the GPU is raised."""
    chosen = device.choose("auto")
    vectors = made_vectors(rows, seed=1)
    queries = made_vectors(BATCH_QUERIES, seed=2)
    builders: dict[str, DenseBuilder] = {"cpu": DenseIndex.hnsw}
    searches = {"cpu": exact.on_cpu}
    if chosen.builds:
        builders["gpu"] = _graph_of_the_gpu
    if chosen.searches:
        searches["gpu"] = exact.on_gpu
        exact.on_gpu(vectors[:1_000], queries, 10)  # starts CUDA, which is not what is measured
    return {
        "faiss": faiss.__version__,
        "threads": faiss.omp_get_max_threads(),
        "device": chosen.reason,
        "rows": rows,
        "build": {side: asdict(_built(build, vectors, queries)) for side, build in builders.items()},
        "queries_a_second": {
            side: BATCH_QUERIES / _seconds(partial(search, vectors, queries, 10))
            for side, search in searches.items()
        },
    }


def made_vectors(rows: int, *, seed: int) -> Vectors:
    """Unit vectors (rows, DIMENSION) in clusters, which are the same for every seed, as topics are."""
    centres = np.random.default_rng(0).standard_normal((CLUSTERS, DIMENSION), dtype=np.float32)
    random = np.random.default_rng(seed)
    vectors = SPREAD * random.standard_normal((rows, DIMENSION), dtype=np.float32)
    vectors += centres[random.integers(0, CLUSTERS, rows)]
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors


def _built(build: DenseBuilder, vectors: Vectors, queries: Vectors) -> Built:
    started = time.perf_counter()
    index = build(_batches(vectors))
    seconds = time.perf_counter() - started
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "dense.faiss"
        index.write(path)
        opened = DenseIndex.open(index.ids, path)
        share = exact.recall(opened, vectors, queries[:RECALL_QUERIES], asked="cpu")
        return Built(seconds, share, path.stat().st_size / len(vectors))


def _graph_of_the_gpu(batches: Batches) -> DenseIndex:
    """As the engine builds it, check included, but for the way back to the CPU: a fault must show."""
    ids, vectors = cagra.gathered(batches)
    return cagra.checked(ids, vectors, cagra.build_on_gpu)


def _batches(vectors: Vectors) -> Batches:
    """As a segment gets them from the store."""
    ids = np.arange(len(vectors))
    for start in range(0, len(vectors), BATCH_ROWS):
        yield ids[start : start + BATCH_ROWS], vectors[start : start + BATCH_ROWS]


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _lines(found: dict[str, Any]) -> Iterator[str]:
    build, rates = found["build"], found["queries_a_second"]
    yield f"FAISS {found['faiss']}, {found['threads']} threads: {found['device']}"
    yield f"building a graph of {found['rows']:,} rows of {DIMENSION} numbers; searched on the CPU:"
    for side, of in build.items():
        yield (
            f"  {side}  {of['seconds']:8.2f} s   recall@10 {of['recall_at_10']:.3f}   "
            f"{of['bytes_a_row']:.0f} bytes a row"
        )
    yield f"exact search of {BATCH_QUERIES:,} vectors at once:"
    for side, rate in rates.items():
        yield f"  {side}  {rate:8,.0f} a second"
    if "gpu" in build:
        yield f"the GPU builds {build['cpu']['seconds'] / build['gpu']['seconds']:.1f} times as fast"
    else:
        yield "building on a GPU was not measured"
    if "gpu" in rates:
        yield f"the GPU searches {rates['gpu'] / rates['cpu']:.1f} times as fast"
    else:
        yield "searching on a GPU was not measured"


if __name__ == "__main__":
    main()
