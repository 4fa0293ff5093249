"""Nearest neighbours by FAISS: exact for few rows, HNSW beyond. It knows no text and no collection.

Vectors have unit length, so the inner product is the cosine: one index's scores compare
with another's.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from mmrag.ports import Vectors

# A wide graph built with little search: it is built several times faster than a narrow one with a
# long search, and efSearch makes up for it when a question comes.
HNSW_M = 32
HNSW_EF_CONSTRUCTION = 40
HNSW_EF_SEARCH = 128


class DenseIndex:
    """Row i of the FAISS index is chunk `ids[i]`. Nothing changes once it is made: searches need no lock."""

    def __init__(self, ids: NDArray[np.int64], index: Any) -> None:  # noqa: ANN401 - faiss ships no types
        self.ids = ids
        self.index = index

    @classmethod
    def of(cls, ids: NDArray[np.int64], vectors: Vectors, *, exact: bool = True) -> DenseIndex:
        """Index `vectors` (n, dimension) of unit length."""
        import faiss  # noqa: PLC0415 - heavy: a native library

        dimension = vectors.shape[1]
        index: Any = faiss.IndexFlatIP(dimension)
        if not exact:
            index = faiss.IndexHNSWFlat(dimension, HNSW_M, faiss.METRIC_INNER_PRODUCT)
            index.hnsw.efConstruction = HNSW_EF_CONSTRUCTION
        index.add(vectors)
        return cls(ids, index)

    def with_rows(self, ids: NDArray[np.int64], vectors: Vectors) -> DenseIndex:
        """A new exact index with these rows added; this one stays as it is."""
        import numpy as np  # noqa: PLC0415 - heavy

        mine = self.index.reconstruct_n(0, len(self.ids))
        return DenseIndex.of(np.concatenate([self.ids, ids]), np.concatenate([mine, vectors]))

    def best(self, vector: Vectors, depth: int) -> list[tuple[float, int]]:
        """The `depth` nearest (cosine, id) of `vector` (1, dimension), nearest first."""
        import faiss  # noqa: PLC0415 - heavy: a native library

        if isinstance(self.index, faiss.IndexHNSW):  # it finds at most efSearch neighbours
            search: Any = faiss.SearchParametersHNSW  # type: ignore[attr-defined] # not in faiss' types
            parameters = search(efSearch=max(HNSW_EF_SEARCH, depth))
        else:
            parameters = None
        with _one_thread():
            cosines, rows = self.index.search(vector, depth, params=parameters)
        # FAISS fills up with row -1 where it has fewer than it was asked for.
        return [
            (float(cosine), int(self.ids[row]))
            for cosine, row in zip(cosines[0], rows[0], strict=True)
            if row >= 0
        ]


def search(
    indexes: Sequence[DenseIndex], vector: Vectors, *, depth: int, without: Container[int] = frozenset()
) -> list[tuple[float, int]]:
    """The `depth` nearest (cosine, id) over all indexes, nearest first."""
    scored: list[tuple[float, int]] = []
    for index in indexes:
        scored += _best_live(index, vector, depth, without)
    scored.sort(key=lambda row: (-row[0], row[1]))
    return scored[:depth]


def _best_live(
    index: DenseIndex, vector: Vectors, depth: int, without: Container[int]
) -> list[tuple[float, int]]:
    """Looks deeper while removed rows take up the places of live ones."""
    looked = min(depth, len(index.ids))
    while looked:
        found = index.best(vector, looked)
        live = [row for row in found if row[1] not in without]
        if len(live) >= depth or looked == len(index.ids):
            return live
        looked = min(2 * looked, len(index.ids))
    return []


@contextmanager
def _one_thread() -> Iterator[None]:
    """One question is too little to share out: on busy cores waiting for a second thread costs 20 ms."""
    import faiss  # noqa: PLC0415 - heavy: a native library

    before = faiss.omp_get_max_threads()  # of this thread; the others keep theirs
    faiss.omp_set_num_threads(1)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)
