"""A segment: an unchanging part of a collection's index, in a folder of its own.

    segment-<random>/lexical/       Tantivy
    segment-<random>/dense.faiss    FAISS: exact, short codes, or HNSW
    segment-<random>/ids.npy        the chunks in it
    segment-<random>/embedded.npy   those of them that have a vector: row i of FAISS is embedded[i]

It is written whole and never changed, and every byte is verified before it is used. What is
checked is what lies on disk when it is opened: both libraries go on reading through memory
maps, so nothing may cut a file that a process has open. It knows no store and no question.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mmrag.retrieval.dense import DenseIndex
from mmrag.retrieval.disk import delete, fsync, sha256
from mmrag.retrieval.lexical import LexicalIndex

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from mmrag.ports import ChunkBatch
    from mmrag.retrieval.dense import Batches, DenseBuilder

PREFIX = "segment-"


@dataclass(frozen=True, slots=True)
class Segment:
    """Some chunks of a collection, searchable; `name` is its folder's."""

    name: str
    ids: NDArray[np.int64]  # (n,), ascending
    lexical: LexicalIndex
    dense: DenseIndex

    @property
    def rows(self) -> int:
        return len(self.ids)


def among(ids: NDArray[np.int64], asked: Iterable[int]) -> list[int]:
    """Those of the `asked` that are in `ids` (n,), which ascend."""
    import numpy as np  # noqa: PLC0415 - heavy

    sought = np.fromiter(asked, dtype=np.int64)
    if not len(ids):
        return []
    places = np.minimum(np.searchsorted(ids, sought), len(ids) - 1)
    found: list[int] = sought[ids[places] == sought].tolist()
    return found


def write(
    folder: Path,
    batches: Callable[[], Iterable[ChunkBatch]],
    *,
    exact: bool,
    build_dense: DenseBuilder = DenseIndex.scan,
) -> dict[str, str]:
    """Write a new segment below `folder`; returns its files with their sha256, by path from `folder`.

    `batches` are its chunks in ascending order of ids, gone through twice so that they need not
    be held. Unless `exact`, `build_dense` indexes the vectors. Raises OSError, ValueError or
    RuntimeError, and leaves nothing behind.
    """
    new = folder / (PREFIX + secrets.token_hex(8))
    (new / "lexical").mkdir(parents=True)
    try:
        _write(new, batches, _exact if exact else build_dense)
        return {path.relative_to(folder).as_posix(): sha256(path) for path in _synced_files(new)}
    except BaseException:
        delete(new)
        raise


def open_verified(folder: Path, name: str, files: dict[str, str]) -> Segment:
    """Open a segment below `folder`. Raises ValueError or whatever the libraries raise on what is off."""
    import numpy as np  # noqa: PLC0415 - heavy

    for path, expected in files.items():
        if sha256(folder / path) != expected:
            raise ValueError(f"{path} is not what was written")
    mine = folder / name
    embedded = np.load(mine / "embedded.npy", allow_pickle=False)
    return Segment(
        name=name,
        ids=np.load(mine / "ids.npy", allow_pickle=False),
        lexical=LexicalIndex.open(mine / "lexical"),
        dense=DenseIndex.open(embedded, mine / "dense.faiss"),
    )


def _write(new: Path, batches: Callable[[], Iterable[ChunkBatch]], build_dense: DenseBuilder) -> None:
    import numpy as np  # noqa: PLC0415 - heavy

    ids: list[NDArray[np.int64]] = []

    def texts() -> Iterator[tuple[list[int], tuple[str, ...]]]:
        for batch in batches():
            ids.append(batch.ids)
            yield batch.ids.tolist(), batch.texts

    LexicalIndex.build(new / "lexical", texts())
    for lock in (new / "lexical").glob(".tantivy-*.lock"):
        lock.unlink()  # Tantivy's, and in no manifest
    dense = build_dense((batch.embedded, batch.vectors) for batch in batches() if len(batch.embedded))
    dense.write(new / "dense.faiss")
    np.save(new / "embedded.npy", dense.ids, allow_pickle=False)
    np.save(new / "ids.npy", np.concatenate([np.empty(0, dtype=np.int64), *ids]), allow_pickle=False)


def _exact(batches: Batches) -> DenseIndex:
    import numpy as np  # noqa: PLC0415 - heavy

    parts = list(batches)
    ids = [np.empty(0, dtype=np.int64), *(ids for ids, _ in parts)]
    vectors = [vectors for _, vectors in parts] or [np.empty((0, 0), dtype=np.float32)]
    return DenseIndex.exact(np.concatenate(ids), np.concatenate(vectors))


def _synced_files(folder: Path) -> list[Path]:
    """The files below a folder, on disk with their names."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    for path in [*files, *{path.parent for path in files}, folder]:
        fsync(path)
    return files
