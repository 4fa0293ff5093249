"""The disk form of one collection's index: written whole, checksummed, published by one rename.

    FOLDER/current.json         the pointer: which snapshot, its manifest and the manifest's sha256
    FOLDER/snapshot-<random>/   lexical/ (Tantivy), dense.faiss, rows.npy
    FOLDER/build.lock           held while one process builds

A snapshot never changes. It is disposable: whatever is off about it (truncated, altered,
missing, of another embedder or version), `open_published` answers None and the caller
rebuilds it from the store. What is checked is what lies on disk when it is opened: Tantivy
goes on reading through memory maps, so nothing may cut a file that a process has open.
It knows no store and no question.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import secrets
import shutil
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from mmrag.retrieval.dense import DenseIndex
from mmrag.retrieval.lexical import LexicalIndex

if TYPE_CHECKING:
    from pathlib import Path

    from mmrag.ports import Changes

FORMAT = 2  # grows whenever older snapshots must be rebuilt: files, words or vectors changed

_POINTER = "current.json"
_PREFIX = "snapshot-"
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A collection as it was at `revision`."""

    revision: int
    lexical: LexicalIndex
    dense: DenseIndex


@dataclass(frozen=True, slots=True)
class _Manifest:
    """What a snapshot must be to be used. `files` maps paths in the snapshot's folder to their sha256."""

    format: int
    folder: str
    embedder: str
    revision: int
    files: dict[str, str]

    @property
    def sha256(self) -> str:
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()


def publish(folder: Path, changes: Changes, *, embedder: str, exact: bool) -> Snapshot:
    """Build a snapshot of `changes.added`, publish it, delete all others. Raises OSError.

    One process at a time: hold `FOLDER/build.lock`.
    """
    name = _PREFIX + secrets.token_hex(8)
    new = folder / name
    (new / "lexical").mkdir(parents=True)
    try:
        _write(new, changes, exact=exact)
        files = {path.relative_to(new).as_posix(): _sha256(path) for path in _files(new)}
        manifest = _Manifest(FORMAT, name, embedder, changes.revision, files)
        snapshot = _open(new, manifest)  # before it is published: nobody is pointed at what cannot be opened
        _publish_pointer(folder, manifest)
    except BaseException:
        shutil.rmtree(new, ignore_errors=True)
        raise
    _delete_snapshots(folder, keep=name)
    return snapshot


def open_published(folder: Path, *, embedder: str) -> Snapshot | None:
    """The published snapshot, every byte of it verified; None where there is none to trust."""
    manifest = _read_pointer(folder)
    while manifest is not None and manifest.embedder == embedder:
        try:
            return _open(folder / manifest.folder, manifest)
        except Exception as error:  # noqa: BLE001 - FAISS and Tantivy raise many types on what is off
            latest = _read_pointer(folder)
            if latest == manifest:
                _log.warning("an index is rebuilt from the store: %s", type(error).__name__)
                return None
            manifest = latest  # another process published a newer one and deleted this one
    return None


def withdraw(folder: Path) -> None:
    """Delete the published snapshot and all others. One process at a time, as for `publish`."""
    (folder / _POINTER).unlink(missing_ok=True)
    _delete_snapshots(folder, keep=None)


def _write(new: Path, changes: Changes, *, exact: bool) -> None:
    import faiss  # noqa: PLC0415 - heavy: a native library
    import numpy as np  # noqa: PLC0415 - heavy

    batch = changes.added
    LexicalIndex.create(new / "lexical").add(batch.ids.tolist(), batch.texts)
    for lock in (new / "lexical").glob(".tantivy-*.lock"):
        lock.unlink()  # Tantivy's, and in no manifest
    dense = DenseIndex.of(batch.ids, batch.vectors, exact=exact)
    # Through Python, not faiss.write_index: that one does not say that the disk is full.
    (new / "dense.faiss").write_bytes(faiss.serialize_index(dense.index).tobytes())
    np.save(new / "rows.npy", dense.ids, allow_pickle=False)
    for path in _files(new):
        _fsync(path)
    _fsync(new / "lexical")
    _fsync(new)


def _open(path: Path, manifest: _Manifest) -> Snapshot:
    import faiss  # noqa: PLC0415 - heavy: a native library
    import numpy as np  # noqa: PLC0415 - heavy

    for name, expected in manifest.files.items():
        if _sha256(path / name) != expected:
            raise ValueError(f"{name} is not what was written")
    ids = np.load(path / "rows.npy", allow_pickle=False)
    index = faiss.deserialize_index(np.fromfile(path / "dense.faiss", dtype=np.uint8))
    return Snapshot(manifest.revision, LexicalIndex.open(path / "lexical"), DenseIndex(ids, index))


def _read_pointer(folder: Path) -> _Manifest | None:
    try:
        pointer = json.loads((folder / _POINTER).read_bytes())
        manifest = _Manifest(**pointer["manifest"])
        trusted = pointer["sha256"] == manifest.sha256 and manifest.format == FORMAT
    except (OSError, ValueError, TypeError, KeyError):
        return None
    return manifest if trusted else None


def _publish_pointer(folder: Path, manifest: _Manifest) -> None:
    temporary = folder / f"{_POINTER}.{manifest.folder}"
    temporary.write_text(
        json.dumps({"sha256": manifest.sha256, "manifest": asdict(manifest)}), encoding="utf-8"
    )
    _fsync(temporary)
    _fsync(folder)  # the snapshot's name first: the pointer must never outlive it
    temporary.replace(folder / _POINTER)
    _fsync(folder)


def _delete_snapshots(folder: Path, *, keep: str | None) -> None:
    """Also the leftovers of processes that were killed; those still open elsewhere stay readable there."""
    for path in folder.glob(f"{_PREFIX}*"):
        if path.name != keep:
            shutil.rmtree(path, ignore_errors=True)
    for path in folder.glob(f"{_POINTER}.*"):
        path.unlink(missing_ok=True)


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _fsync(path: Path) -> None:
    if path.is_dir() and os.name == "nt":
        return  # Windows opens no folder and needs no such call
    descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
