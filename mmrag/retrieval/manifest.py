"""Which segments make up a collection's index: one small file, replaced by one rename.

    FOLDER/current.json         the manifest and its sha256
    FOLDER/segment-<random>/    see `segment`
    FOLDER/build.lock           held while one process builds

An index is disposable: whatever is off about its manifest, it is as if there were none, and
the caller builds it anew from the store.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

from mmrag.retrieval import disk
from mmrag.retrieval.disk import published
from mmrag.retrieval.layout import Size
from mmrag.retrieval.segment import PREFIX, among

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

FORMAT = 5  # grows whenever older indexes must be rebuilt: files, words or codes changed

_POINTER = "current.json"


@dataclass(frozen=True, slots=True)
class Entry:
    """A segment as it should be: its files with their sha256, its number of rows, the dead ones' ids."""

    name: str
    rows: int
    dead: tuple[int, ...]
    files: dict[str, str]

    @property
    def size(self) -> Size:
        return Size(self.rows, len(self.dead))

    def without(self, ids: frozenset[int], *, held: NDArray[np.int64]) -> Entry:
        """With those of `ids` dead that it holds."""
        gone = among(held, ids)
        return replace(self, dead=tuple(sorted({*self.dead, *gone}))) if gone else self


@dataclass(frozen=True, slots=True)
class Manifest:
    """All chunks with ids up to `covered` that were live at `revision` are live rows of a segment."""

    embedder: str
    revision: int = 0
    covered: int = 0
    segments: tuple[Entry, ...] = ()

    @property
    def dead(self) -> frozenset[int]:
        return frozenset(id_ for entry in self.segments for id_ in entry.dead)


def read(folder: Path, *, embedder: str) -> Manifest | None:
    """The published manifest, if there is one for this embedder that can be trusted."""
    body = published(folder / _POINTER)
    if body is None or body.pop("format", None) != FORMAT or body["embedder"] != embedder:
        return None
    entries = tuple(Entry(**{**entry, "dead": tuple(entry["dead"])}) for entry in body.pop("segments"))
    return Manifest(**body, segments=entries)


def publish(folder: Path, manifest: Manifest) -> None:
    """Replace the manifest, and delete what it does not name. Raises OSError.

    One process at a time: hold `FOLDER/build.lock`.
    """
    disk.publish(folder / _POINTER, {"format": FORMAT, **asdict(manifest)})
    tidy(folder, manifest)


def tidy(folder: Path, manifest: Manifest | None) -> None:
    """Delete what the manifest does not name: old segments, and leftovers of processes that were killed.

    Those that are still open elsewhere stay readable there. Hold `FOLDER/build.lock`.
    """
    named = {entry.name for entry in manifest.segments} if manifest else set()
    if manifest is None:
        disk.delete(folder / _POINTER)
    for path in folder.glob(f"{PREFIX}*"):
        if path.name not in named:
            disk.delete(path)
