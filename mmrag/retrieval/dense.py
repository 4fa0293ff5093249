"""Nearest neighbours by FAISS: exact for few rows, a scan of short codes or HNSW beyond.

It knows no text and no collection.

Vectors have unit length, so the inner product is the cosine: one index's scores compare
with another's.
"""

from __future__ import annotations

import mmap
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
    from pathlib import Path
    from typing import TypeAlias

    import numpy as np
    from numpy.typing import NDArray

    from mmrag.ports import Vectors

    Batches: TypeAlias = Iterable[tuple[NDArray[np.int64], Vectors]]  # (ids, vectors), ids ascending
    Scored: TypeAlias = tuple[NDArray[np.float32], NDArray[np.int64]]  # scores and ids, best first
    DenseBuilder: TypeAlias = Callable[[Batches], "DenseIndex"]

# benchmarks/growth.py measures recall against exact search. M = 16 needs twice the search for the
# same recall of vectors that do not cluster much; less than 100 while building loses it for good.
HNSW_M = 32
HNSW_EF_CONSTRUCTION = 100
_EF_SEARCH_SHARE = 0.5  # of the square root of the rows: the same search finds less in a larger graph
_SEARCHING_THREADS = 4  # for the segments of one question; FAISS lets go of Python's lock
TRAINING_ROWS = 20_000  # the 8-bit code of a dimension spans the least and greatest value seen in them

# A scan reads 4 bits for every four numbers of a vector, by FAISS's look-ups in registers (André et
# al., "Quicker ADC", 2021), and compares the best candidates by their 8-bit codes. Vectors are turned
# at random before, so that no code has more to tell than another. Short codes and many candidates cost
# less than long codes and few for the same recall, which benchmarks/growth.py measures.
_NUMBERS_A_CODE = (4, 3, 2, 1)  # the first that divides the dimension
_TURN_SEED = 1  # of any value: the same rows make the same index
_FEWEST_SCANNED = 1_000  # rows: fewer cannot train the codes, and are compared exactly
REFINED = 600  # candidates, of all indexes together, whose 8-bit codes are compared


class DenseIndex:
    """Row i of the FAISS index is chunk `ids[i]`. Nothing changes once it is made: searches need no lock."""

    def __init__(self, ids: NDArray[np.int64], index: Any) -> None:  # noqa: ANN401 - faiss ships no types
        self.ids = ids
        self.index = index

    @classmethod
    def exact(cls, ids: NDArray[np.int64], vectors: Vectors) -> DenseIndex:
        """Compare with every one of `vectors` (n, dimension), kept as they are."""
        import faiss  # noqa: PLC0415 - heavy: a native library

        index = faiss.IndexFlatIP(vectors.shape[1])
        index.add(vectors)
        return cls(ids, index)

    @classmethod
    def scan(cls, batches: Batches) -> DenseIndex:
        """Short codes of all rows, compared one after the other: about 450 bytes a row of 384 numbers.

        The first of the batches train the codes; too few rows to do so are searched exactly.
        """
        return cls(*_filled(_empty_scan, batches))

    @classmethod
    def hnsw(cls, batches: Batches) -> DenseIndex:
        """A graph over 8-bit codes of the vectors: about 660 bytes a row of 384 numbers.

        The first of the batches train the codes.
        """
        return cls(*_filled(empty_graph, batches))

    @classmethod
    def open(cls, ids: NDArray[np.int64], path: Path) -> DenseIndex:
        """What `write` wrote, mapped into memory, from which the system may drop what it has on disk."""
        import faiss  # noqa: PLC0415 - heavy: a native library

        opened = cls(ids, faiss.read_index(str(path), faiss.IO_FLAG_MMAP_IFC))
        if opened.is_scan:
            _touch(opened.index.refine_index)
        return opened

    def write(self, path: Path) -> None:
        """Write the index without its ids. Raises OSError."""
        import faiss  # noqa: PLC0415 - heavy: a native library

        # Through Python, not faiss.write_index: that one does not say that the disk is full.
        path.write_bytes(faiss.serialize_index(self.index).data)

    def with_rows(self, ids: NDArray[np.int64], vectors: Vectors) -> DenseIndex:
        """A new exact index with these rows added; this one, also exact, stays as it is."""
        import numpy as np  # noqa: PLC0415 - heavy

        mine = self.index.reconstruct_n(0, len(self.ids))
        return DenseIndex.exact(np.concatenate([self.ids, ids]), np.concatenate([mine, vectors]))

    @property
    def is_scan(self) -> bool:
        """Whether candidates are found by short codes, and then compared by longer ones."""
        import faiss  # noqa: PLC0415 - heavy: a native library

        return isinstance(self.index, faiss.IndexRefine)

    def best(self, vector: Vectors, depth: int) -> Scored:
        """The `depth` nearest (cosines, ids) of `vector` (1, dimension), nearest first."""
        if self.is_scan:
            return _refined([(self, self.candidates(vector, max(depth, REFINED)))], vector, depth=depth)
        return self._found(self.index, vector, depth, self._parameters(depth))

    def candidates(self, vector: Vectors, depth: int) -> Scored:
        """Of a scan: the `depth` nearest by the short codes alone, whose scores are rough, and their ids."""
        return self._found(self.index.base_index, vector, depth, None)

    def cosines(self, vector: Vectors, ids: NDArray[np.int64]) -> NDArray[np.float32]:
        """Of a scan: how near these rows are by their 8-bit codes."""
        import numpy as np  # noqa: PLC0415 - heavy

        rows = np.searchsorted(self.ids, ids)
        cosines: NDArray[np.float32] = self.index.refine_index.reconstruct_batch(rows) @ vector[0]
        return cosines

    def _parameters(self, depth: int) -> Any:  # noqa: ANN401 - faiss ships no types
        import faiss  # noqa: PLC0415 - heavy: a native library

        if not isinstance(self.index, faiss.IndexHNSW):
            return None
        untyped: Any = faiss  # its types lack the parameters of a search
        wide = int(_EF_SEARCH_SHARE * len(self.ids) ** 0.5)
        return untyped.SearchParametersHNSW(efSearch=max(depth, wide))  # it finds at most efSearch neighbours

    def _found(self, index: Any, vector: Vectors, depth: int, parameters: Any) -> Scored:  # noqa: ANN401 - as above
        with _one_thread():
            scores, rows = index.search(vector, depth, params=parameters)
        found = rows[0] >= 0  # FAISS fills up with row -1 where it has fewer than it was asked for
        return scores[0][found], self.ids[rows[0][found]]


def _touch(index: Any) -> None:  # noqa: ANN401 - faiss ships no types
    """Have all mapped codes of an index in memory: else hundreds of candidates each wait for the disk.

    Whoever opens an index has just read its file to verify it, so this finds the pages in the system's
    cache, which drops pages that nobody has mapped first.
    """
    import faiss  # noqa: PLC0415 - heavy: a native library

    untyped: Any = faiss  # its types know no vector of codes
    codes = untyped.downcast_index(index).codes
    if codes.size():
        untyped.rev_swig_ptr(codes.data(), codes.size())[:: mmap.PAGESIZE].max()


def empty_graph(sample: Vectors) -> Any:  # noqa: ANN401 - faiss ships no types
    """An HNSW index without rows, its 8-bit codes trained on a sample (n, dimension) of those to come."""
    import faiss  # noqa: PLC0415 - heavy: a native library

    index = faiss.IndexHNSWSQ(
        sample.shape[1],
        faiss.ScalarQuantizer.QT_8bit,  # type: ignore[arg-type]  # faiss' own gap: an enum of C++
        HNSW_M,
        faiss.METRIC_INNER_PRODUCT,
    )
    index.hnsw.efConstruction = HNSW_EF_CONSTRUCTION
    index.train(sample)
    return index


def _empty_scan(sample: Vectors) -> Any:  # noqa: ANN401 - faiss ships no types
    """An index of short codes without rows, trained on a sample (n, dimension) of those to come."""
    import faiss  # noqa: PLC0415 - heavy: a native library

    untyped: Any = faiss  # its types know nothing of ownership
    rows, dimension = sample.shape
    if rows < _FEWEST_SCANNED:
        return untyped.IndexFlatIP(dimension)
    numbers = next(n for n in _NUMBERS_A_CODE if dimension % n == 0)
    similarity = faiss.METRIC_INNER_PRODUCT
    turn = untyped.RandomRotationMatrix(dimension, dimension)
    turn.init(_TURN_SEED)
    short = untyped.IndexPQFastScan(dimension, dimension // numbers, 4, similarity)
    turned = untyped.IndexPreTransform(turn, short)
    precise = untyped.IndexScalarQuantizer(dimension, faiss.ScalarQuantizer.QT_8bit, similarity)
    index = untyped.IndexRefine(turned, precise)
    for part in (turn, short, turned, precise):
        part.this.disown()  # else Python would free what the index goes on using
    turned.own_fields = index.own_fields = index.own_refine_index = True
    index.train(sample)
    return index


def _filled(
    empty: Callable[[Vectors], Any], batches: Batches
) -> tuple[NDArray[np.int64], Any]:  # faiss ships no types
    """The ids and the index of these rows; the first TRAINING_ROWS of them make the `empty` one."""
    import faiss  # noqa: PLC0415 - heavy: a native library
    import numpy as np  # noqa: PLC0415 - heavy

    ids: list[NDArray[np.int64]] = []
    waiting: list[Vectors] = []
    index: Any = None
    for batch_ids, vectors in batches:
        ids.append(batch_ids)
        waiting.append(vectors)
        if index is None and sum(map(len, waiting)) < TRAINING_ROWS:
            continue
        rows = np.concatenate(waiting)
        index = empty(rows) if index is None else index
        index.add(rows)
        waiting.clear()
    if waiting:
        rows = np.concatenate(waiting)
        index = empty(rows) if index is None else index
        index.add(rows)
    if index is None:
        index = faiss.IndexFlatIP(0)
    return np.concatenate([np.empty(0, dtype=np.int64), *ids]), index


def search(
    indexes: Sequence[DenseIndex], vector: Vectors, *, depth: int, without: Collection[int] = frozenset()
) -> list[tuple[float, int]]:
    """The `depth` nearest (cosine, id) over all indexes, nearest first."""
    return begin(indexes, vector, depth=depth, without=without)()


def begin(
    indexes: Sequence[DenseIndex], vector: Vectors, *, depth: int, without: Collection[int] = frozenset()
) -> Callable[[], list[tuple[float, int]]]:
    """Begin a `search`, in other threads where there are several indexes; the call returned ends it."""
    run = _searchers().map if len(indexes) > 1 else map
    found = run(lambda index: _live(index, vector, depth, without), indexes)

    def end() -> list[tuple[float, int]]:
        each = list(zip(indexes, found, strict=True))
        scanned = _refined([(index, rows) for index, rows in each if index.is_scan], vector, depth=depth)
        final = [scanned, *(rows for index, rows in each if not index.is_scan)]
        scored = [row for cosines, ids in final for row in zip(cosines.tolist(), ids.tolist(), strict=True)]
        scored.sort(key=lambda row: (-row[0], row[1]))
        return scored[:depth]

    return end


def _refined(candidates: Sequence[tuple[DenseIndex, Scored]], vector: Vectors, *, depth: int) -> Scored:
    """The `depth` nearest of several scans, by the 8-bit codes of the best candidates of them all."""
    import numpy as np  # noqa: PLC0415 - heavy

    rough = np.concatenate([np.empty(0, np.float32), *(scores for _, (scores, _) in candidates)])
    most = max(depth, REFINED)
    least = np.partition(rough, -most)[-most] if len(rough) > most else -np.inf
    nearest: list[Scored] = [(np.empty(0, np.float32), np.empty(0, np.int64))]
    for index, (scores, ids) in candidates:
        kept = ids[scores >= least]
        nearest.append((index.cosines(vector, kept), kept))
    cosines, ids = (np.concatenate(parts) for parts in zip(*nearest, strict=True))
    order = np.lexsort((ids, -cosines))[:depth]
    return cosines[order], ids[order]


@cache
def _searchers() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(_SEARCHING_THREADS, thread_name_prefix="mmrag-search")


def _live(index: DenseIndex, vector: Vectors, depth: int, without: Collection[int]) -> Scored:
    """The nearest, or the candidates of a scan; looks deeper while removed rows take up live ones' places."""
    import numpy as np  # noqa: PLC0415 - heavy

    look, wanted = (index.candidates, max(depth, REFINED)) if index.is_scan else (index.best, depth)
    looked = min(wanted, len(index.ids))
    while looked:
        scores, ids = look(vector, looked)
        if without:
            live = np.fromiter((id_ not in without for id_ in ids.tolist()), bool, len(ids))
            scores, ids = scores[live], ids[live]
        if len(ids) >= wanted or looked == len(index.ids):
            return scores, ids
        looked = min(2 * looked, len(index.ids))
    return np.empty(0, np.float32), np.empty(0, np.int64)


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
