"""Taking a backup while the data is used: each database as it is at one moment, every other file copied.

A database is copied by `VACUUM INTO`: one read transaction, for which no writer waits, and nothing of
what was deleted comes along, which a copy of its pages would hold until the next compaction. The store
is copied last, so whatever another database names is in it.
"""

from __future__ import annotations

import errno
import os
import shutil
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from mmrag import __version__, home
from mmrag.backup import archive
from mmrag.backup.databases import check_copy, copy_database, is_database
from mmrag.backup.places import held, kept_files
from mmrag.errors import InvalidInput, NotFound, StoreUnavailable
from mmrag.retrieval.disk import delete, fsync

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_WORKPLACE = ".mmrag-backup-"  # a folder beside the target; one that nobody holds was left by a kill


@dataclass(frozen=True, slots=True)
class Backup:
    """A backup that was written and read back."""

    path: Path
    bytes: int
    manifest: archive.Manifest


def back_up(folder: Path, target: Path, *, progress: Callable[[str], None] = lambda _name: None) -> Backup:
    """Write a backup of the data folder to a new file; `progress` hears of each file that is copied.

    It needs free space of twice the data beside the target. Raises InvalidInput where there is such a
    file already or it would lie within the data folder, NotFound where there is nothing to back up,
    StoreUnavailable where a database is damaged or the disk refuses.
    """
    _check_target(folder, target)
    home.check_whole(folder)
    names = _in_order(kept_files(folder))
    if not names:
        raise NotFound(f"There is nothing to back up in {folder}: is MMRAG_HOME right?")
    try:
        with _workplace(target.parent) as place:
            entries = [_copied(folder, place, name, progress) for name in names]
            manifest = archive.Manifest(
                archive.FORMAT, __version__, datetime.now(UTC).isoformat(timespec="seconds"), tuple(entries)
            )
            written = place / "archive"
            archive.write(written, manifest, lambda entry: place / "copies" / entry.name)
            archive.verify(written)
            size = written.stat().st_size
            _publish(written, target)
    except OSError as error:
        raise _unavailable(target, error) from error
    return Backup(target, size, manifest)


def _check_target(folder: Path, target: Path) -> None:
    if target.exists() or target.is_symlink():
        raise InvalidInput(f"{target} is there already and was left as it is: name a new file.")
    if not target.parent.is_dir():
        raise InvalidInput(f"{target.parent} is not there: make that folder, or name a file elsewhere.")
    if target.parent.resolve().is_relative_to(folder.resolve()):
        raise InvalidInput(
            f"{target} would lie within the data folder and be lost together with it: name a file elsewhere."
        )


def _in_order(names: Iterator[str]) -> list[str]:
    """The store last."""
    return sorted(names, key=lambda name: (name == home.STORE, name))


def _copied(folder: Path, place: Path, name: str, progress: Callable[[str], None]) -> archive.Entry:
    progress(name)
    source, copy = folder / name, place / "copies" / name
    copy.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if is_database(source):
        copy_database(source, copy)
        check_copy(copy, of=source)
    else:
        shutil.copyfile(source, copy)
    return archive.entry_of(name, copy)


@contextmanager
def _workplace(parent: Path) -> Iterator[Path]:
    """A folder that only we may enter; those that killed backups left behind go first."""
    for left in parent.glob(f"{_WORKPLACE}*"):
        with held(left) as ours:
            if ours:
                delete(left)
    place = parent / f"{_WORKPLACE}{os.urandom(6).hex()}"
    place.mkdir(mode=0o700)
    with held(place):
        try:
            yield place
        finally:
            delete(place)


def _publish(written: Path, target: Path) -> None:
    """Give the file its name in one step that overwrites nothing. Raises FileExistsError."""
    try:
        target.hardlink_to(written)
    except OSError as error:
        if error.errno not in {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}:
            raise
        if target.exists():  # a file system without hard links: the best that can be done
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST)) from None
        written.rename(target)
    fsync(target.parent)


def _unavailable(target: Path, error: OSError) -> Exception:
    if isinstance(error, FileExistsError):
        return InvalidInput(f"{target} appeared meanwhile and was left as it is: name a new file.")
    if error.errno == errno.ENOSPC:
        return StoreUnavailable(
            f"The disk that holds {target.parent} is full: a backup needs twice the size of the data for a "
            "while. No backup was made."
        )
    where = error.filename or target.parent
    return StoreUnavailable(f"No backup was made: {where} failed ({error.strerror}); check its permissions.")
