"""Which files of a data folder are data, and folders that one process at a time may work in."""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from mmrag import home

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

STAGE = "restoring"  # where a restore unpacks
ASIDE = "replaced-"  # where a restore moves what was there
_OWN = frozenset({STAGE, home.RESTORE_PLAN, "restore.new"})  # the last is a draft of the plan
# What SQLite keeps beside a database is in the copy of it; a lock means nothing elsewhere.
_BESIDE = ("-wal", "-shm", "-journal", ".lock")


def kept_entries(folder: Path) -> list[str]:
    """Names of the files and folders at the top that are data, what SQLite keeps beside them included."""
    if not folder.is_dir():
        return []
    return sorted(
        child.name
        for child in folder.iterdir()
        if child.name not in home.DISPOSABLE | _OWN and not child.name.startswith(ASIDE)
    )


def kept_files(folder: Path) -> Iterator[str]:
    """Names, relative to the folder, of every file that goes into a backup; links are followed."""
    for name in kept_entries(folder):
        for file in _files_below(folder / name, frozenset()):
            yield file.relative_to(folder).as_posix()


def _files_below(path: Path, within: frozenset[Path]) -> Iterator[Path]:
    if path.is_dir():
        real = path.resolve()
        if real not in within:  # a link to a folder that it lies in
            for child in sorted(path.iterdir()):
                yield from _files_below(child, within | {real})
    elif path.is_file() and not path.name.endswith(_BESIDE):
        yield path


@contextmanager
def held(folder: Path) -> Iterator[bool]:
    """Whether the folder is ours until the block ends; a process that dies lets go of it."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        yield False
        return
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
        else:
            yield True
    finally:
        os.close(descriptor)
