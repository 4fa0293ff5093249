"""Which segments make up a collection's index: one small file, replaced by one rename.

    FOLDER/current.json         the manifest and its sha256
    FOLDER/segment-<random>/    see `segment`
    FOLDER/build.lock           held while one process builds

An index is disposable: whatever is off about its manifest, it is as if there were none, and
the caller builds it anew from the store.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

from mmrag.retrieval.layout import Size
from mmrag.retrieval.segment import PREFIX, among, fsync

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

FORMAT = 2  # grows whenever older indexes must be rebuilt: files, words or codes changed

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
    try:
        content = json.loads((folder / _POINTER).read_bytes())
        body = content["manifest"]
        if content["format"] != FORMAT or content["sha256"] != _sha256(body):
            return None
        entries = tuple(Entry(**{**entry, "dead": tuple(entry["dead"])}) for entry in body["segments"])
        manifest = Manifest(**{**body, "segments": entries})
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return None
    return manifest if manifest.embedder == embedder else None


def publish(folder: Path, manifest: Manifest) -> None:
    """Replace the manifest, and delete what it does not name. Raises OSError.

    One process at a time: hold `FOLDER/build.lock`.
    """
    body = json.loads(json.dumps(asdict(manifest)))  # as it will be read: tuples become lists
    content = {"format": FORMAT, "sha256": _sha256(body), "manifest": body}
    draft = folder / f"{_POINTER}.new"
    draft.write_text(json.dumps(content, separators=(",", ":")), encoding="utf-8")
    fsync(draft)
    fsync(folder)  # the segments' names first: the pointer must never outlive them
    if (folder / _POINTER).is_dir():  # nothing of ours: it would block every index to come
        delete(folder / _POINTER)
    draft.replace(folder / _POINTER)
    fsync(folder)
    tidy(folder, manifest)


def tidy(folder: Path, manifest: Manifest | None) -> None:
    """Delete what the manifest does not name: old segments, and leftovers of processes that were killed.

    Those that are still open elsewhere stay readable there. Hold `FOLDER/build.lock`.
    """
    named = {entry.name for entry in manifest.segments} if manifest else set()
    if manifest is None:
        delete(folder / _POINTER)
    delete(folder / f"{_POINTER}.new")
    for path in folder.glob(f"{PREFIX}*"):
        if path.name not in named:
            delete(path)


def delete(path: Path) -> None:
    """Delete what bears this name, be it a file, a link or a folder, as far as that can be done."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)


def _sha256(body: object) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
