"""Exact search of many vectors at once, and what an index finds of what it would have found.

For measuring, and for checking a graph before it is used. It knows no text and no collection.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from mmrag.retrieval import device

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from mmrag.ports import Vectors
    from mmrag.retrieval.dense import DenseIndex
    from mmrag.retrieval.device import Asked

FEWEST_QUERIES = 32  # for fewer, to copy all vectors to a GPU is most of the work; estimated, not measured
MOST_NEIGHBOURS = 1_024  # what FAISS selects on a GPU with every build
GPU_BYTES = 1024**3  # of vectors that are on the GPU at a time
_ROUNDING = 1e-5  # two ways to add up 384 products differ by less
_log = logging.getLogger(__name__)


def nearest(
    vectors: Vectors, queries: Vectors, k: int, *, asked: Asked = "auto"
) -> tuple[Vectors, NDArray[np.int64]]:
    """The `k` nearest of all `vectors` (n, dimension) to each of the `queries` (m, dimension).

    Returns their cosines and rows, both (m, k), nearest first; row -1 where k > n. On a GPU where there is
    one and the queries are many; a single question never, because the vectors must get there first.
    Raises InvalidSettings where a GPU is asked for in vain.
    """
    worthwhile = len(queries) >= FEWEST_QUERIES and 0 < k <= min(MOST_NEIGHBOURS, len(vectors))
    if device.choose(asked).searches and worthwhile:
        try:
            return on_gpu(vectors, queries, k)
        except Exception as error:  # noqa: BLE001 - CUDA's faults come as several types; the CPU has no such
            _log.warning("vectors are compared on the CPU, because the GPU failed: %s", error)
    return on_cpu(vectors, queries, k)


def on_cpu(vectors: Vectors, queries: Vectors, k: int) -> tuple[Vectors, NDArray[np.int64]]:
    """As `nearest`, on all cores."""
    import faiss  # noqa: PLC0415 - heavy: a native library

    cosines, rows = faiss.knn(queries, vectors, k, metric=faiss.METRIC_INNER_PRODUCT)
    return cosines, rows


def on_gpu(vectors: Vectors, queries: Vectors, k: int) -> tuple[Vectors, NDArray[np.int64]]:
    """As `nearest`, on the first GPU, a gigabyte of the vectors at a time. Raises what FAISS does."""
    import faiss  # noqa: PLC0415 - heavy: a native library

    gpu: Any = faiss  # the CPU's build lacks these names
    cosines, rows = gpu.knn_gpu(
        gpu.StandardGpuResources(),  # not shared: it serves one thread
        queries,
        vectors,
        k,
        metric=faiss.METRIC_INNER_PRODUCT,
        device=0,
        vectorsMemoryLimit=GPU_BYTES,
    )
    return cosines, rows


def recall(
    index: DenseIndex, vectors: Vectors, queries: Vectors, *, k: int = 10, asked: Asked = "auto"
) -> float:
    """The share of the `k` nearest of each query that `index`, whose id i is row i of `vectors`, finds.

    Of equally near ones any counts, as in ann-benchmarks (Aumüller et al., 2020).
    """
    k = min(k, len(vectors))
    cosines, _ = nearest(vectors, queries, k, asked=asked)
    found = 0
    for query, least in zip(queries, cosines[:, -1] - _ROUNDING, strict=True):
        _, rows = index.best(query[None], k)
        found += int((vectors[rows] @ query >= least).sum())
    return found / cosines.size
