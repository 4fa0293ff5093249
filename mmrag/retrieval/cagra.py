"""HNSW graphs whose lowest level CAGRA builds on a GPU. What comes out is searched on any CPU.

CAGRA (Ootomo et al., 2023) links each row to about as many near ones as HNSW's lowest level does;
FAISS copies its graph there, and adds HNSW's upper levels, a sixteenth of the rows, on the CPU.
That graph is put over the same 8-bit codes as one that the CPU built, so a segment does not show
where it comes from. Because nothing else would notice a wrong one, it is checked first.
"""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING, Any

from mmrag.retrieval import device
from mmrag.retrieval.dense import HNSW_EF_CONSTRUCTION, HNSW_M, TRAINING_ROWS, DenseIndex, empty_graph
from mmrag.retrieval.exact import recall

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy as np
    from numpy.typing import NDArray

    from mmrag.ports import Vectors
    from mmrag.retrieval.dense import Batches, DenseBuilder
    from mmrag.retrieval.device import Asked

FEWEST_ROWS = 20_000  # a smaller graph costs the CPU seconds; estimated: no GPU was at hand to measure
CHECKED_ROWS = 200
LEAST_RECALL = 0.9  # of the ten nearest of the checked rows
_log = logging.getLogger(__name__)


class BrokenGraph(ValueError):
    """A graph that must not be searched, or that does not find enough."""


def graph_builder(asked: Asked) -> DenseBuilder:
    """Who builds the graphs of segments, for the setting `faiss_device`.

    Raises InvalidSettings where a GPU is asked for in vain; else decides when it builds the first
    one, to leave FAISS alone until then.
    """
    if asked == "cpu":
        return DenseIndex.hnsw
    if asked == "gpu":
        device.choose(asked)
    return partial(build_graph, asked=asked)


def build_graph(batches: Batches, *, asked: Asked = "auto") -> DenseIndex:
    """As `DenseIndex.hnsw`, on the GPU where that pays. There it holds all vectors, twice."""
    if not device.choose(asked).builds:
        return DenseIndex.hnsw(batches)
    ids, vectors = gathered(batches)
    if len(ids) < FEWEST_ROWS:
        return DenseIndex.hnsw(_batches(ids, vectors))
    return checked_or_cpu(ids, vectors, build_on_gpu)


def checked_or_cpu(ids: NDArray[np.int64], vectors: Vectors, build: Callable[[Vectors], Any]) -> DenseIndex:
    """As `checked`; where that fails, a warning, and the graph that the CPU builds."""
    try:
        return checked(ids, vectors, build)
    except Exception as error:  # noqa: BLE001 - CUDA's faults come as several types; the CPU has no such
        _log.warning("a graph is built on the CPU, because that of the GPU cannot be used: %s", error)
    return DenseIndex.hnsw(_batches(ids, vectors))


def checked(ids: NDArray[np.int64], vectors: Vectors, build: Callable[[Vectors], Any]) -> DenseIndex:
    """Over the graph that `build` makes of the vectors (n, dimension): a FAISS IndexHNSW of any kind.

    Raises BrokenGraph where it must not be searched, and what `build` does.
    """
    graph = transplanted(build(vectors), vectors)
    check_links(graph)
    check_recall(graph, vectors)
    return DenseIndex(ids, graph)


def transplanted(graph: Any, vectors: Vectors) -> Any:  # noqa: ANN401 - faiss ships no types
    """An index of the CPU's kind over 8-bit codes of the vectors, with a copy of the links of `graph`."""
    if graph.ntotal != len(vectors):
        raise BrokenGraph(f"it has {graph.ntotal} rows, and there are {len(vectors)}")
    index = empty_graph(vectors[:TRAINING_ROWS])
    is_similarity = index.hnsw.is_similarity
    index.hnsw = graph.hnsw  # C++ copies it: `graph` may go
    # It also brought how the other index compares. With that of L2, the farthest would be found.
    index.hnsw.is_similarity = is_similarity
    index.hnsw.efConstruction = HNSW_EF_CONSTRUCTION
    index.storage.add(vectors)
    index.ntotal = len(vectors)
    return index


def check_links(index: Any) -> None:  # noqa: ANN401 - faiss ships no types
    """Raise BrokenGraph where a search could leave the graph: FAISS does not look, and would crash."""
    import faiss  # noqa: PLC0415 - heavy: a native library
    import numpy as np  # noqa: PLC0415 - heavy

    hnsw, rows = index.hnsw, index.ntotal
    levels = faiss.vector_to_array(hnsw.levels)  # 1 for a row that is on the lowest level only
    offsets = faiss.vector_to_array(hnsw.offsets).astype(np.int64)
    neighbours = faiss.vector_to_array(hnsw.neighbors)  # -1 where a row has fewer
    slots = faiss.vector_to_array(hnsw.cum_nneighbor_per_level)  # of a row, up to and without a level
    top = hnsw.max_level
    sound = (
        0 <= top < len(slots) - 1
        and len(levels) == rows == len(offsets) - 1
        and levels.min() >= 1
        and levels.max() == top + 1
        and offsets[0] == 0
        and np.array_equal(np.diff(offsets), slots[levels])
        and offsets[-1] == len(neighbours)
        and neighbours.min() >= -1
        and neighbours.max() < rows
        and 0 <= hnsw.entry_point < rows
        and levels[hnsw.entry_point] == top + 1
    )
    if not sound:
        raise BrokenGraph("its links do not fit its rows")
    for level in range(1, top + 1):
        starts = offsets[:-1][levels > level]
        ends = neighbours[starts[:, None] + np.arange(slots[level], slots[level + 1])]
        if not np.all((ends < 0) | (levels[ends] > level)):
            raise BrokenGraph(f"on level {level} it links to rows that are not there")


def check_recall(index: Any, vectors: Vectors) -> None:  # noqa: ANN401 - faiss ships no types
    """Raise BrokenGraph where it finds too few of the nearest vectors (n, dimension) of some of its rows."""
    import numpy as np  # noqa: PLC0415 - heavy

    rows = np.linspace(0, len(vectors) - 1, CHECKED_ROWS, dtype=np.int64)
    share = recall(DenseIndex(np.arange(len(vectors)), index), vectors, vectors[rows])
    if share < LEAST_RECALL:
        raise BrokenGraph(f"it finds {share:.2f} of the nearest, and must find {LEAST_RECALL}")


def build_on_gpu(vectors: Vectors) -> Any:  # noqa: ANN401 - faiss ships no types
    """FAISS' IndexHNSWCagra of the vectors (n, dimension), built on the first GPU.

    Compared by L2, which ranks vectors of unit length as the inner product does: cuVS has found few
    neighbours by the latter (rapidsai/cuvs#841).
    """
    import faiss  # noqa: PLC0415 - heavy: a native library
    import numpy as np  # noqa: PLC0415 - heavy

    # CAGRA keeps a pointer to them until it is copied: train() must not convert them on the way.
    vectors = np.ascontiguousarray(vectors, dtype=np.float32)
    dimension = vectors.shape[1]
    gpu: Any = faiss  # the types, and the CPU's build, lack these names
    config = gpu.GpuIndexCagraConfig()
    config.device = 0
    config.graph_degree = 2 * HNSW_M  # neighbours of a row on HNSW's lowest level
    config.intermediate_graph_degree = 4 * HNSW_M
    config.build_algo = gpu.graph_build_algo_NN_DESCENT
    on_gpu = gpu.GpuIndexCagra(gpu.StandardGpuResources(), dimension, faiss.METRIC_L2, config)
    on_gpu.train(vectors)
    graph = gpu.IndexHNSWCagra(dimension, HNSW_M, faiss.METRIC_L2)
    graph.hnsw.efConstruction = HNSW_EF_CONSTRUCTION  # for the upper levels
    on_gpu.copyTo(graph)
    return graph


def gathered(batches: Batches) -> tuple[NDArray[np.int64], Vectors]:
    """All ids (n,) and vectors (n, dimension) of the batches."""
    import numpy as np  # noqa: PLC0415 - heavy

    parts = list(batches)
    ids = [np.empty(0, dtype=np.int64), *(ids for ids, _ in parts)]
    vectors = [vectors for _, vectors in parts] or [np.empty((0, 0), dtype=np.float32)]
    return np.concatenate(ids), np.concatenate(vectors)


def _batches(ids: NDArray[np.int64], vectors: Vectors) -> Iterator[tuple[NDArray[np.int64], Vectors]]:
    """Of the size that trains the codes: those of a graph do not depend on where it was to be built."""
    for start in range(0, len(ids), TRAINING_ROWS):
        stop = start + TRAINING_ROWS
        yield ids[start:stop], vectors[start:stop]
