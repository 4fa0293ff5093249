"""Files and folders that were named on the command line."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from mmrag.errors import NotReadable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def files_below(path: Path) -> Iterator[Path]:
    """The file itself, or every file of a folder in order; hidden ones are passed over.

    What is neither is yielded too, so that reading it names the reason.
    """
    if not path.is_dir():
        yield path
        return
    for child in sorted(path.iterdir()):
        if not child.name.startswith("."):
            yield from files_below(child)


def read_file(path: Path, *, limit: int) -> bytes:
    """The bytes of a file of at most `limit` bytes. Raises NotReadable with the reason."""
    try:
        if not path.exists():
            raise NotReadable(f"{path} is not there: check the path.")
        if not path.is_file():
            raise NotReadable(f"{path} is not a file.")
        size = path.stat().st_size
        if size > limit:
            raise NotReadable(
                f"{path} has {size:,} bytes and at most {limit:,} are read: split it, or raise "
                "MMRAG_MAX_FILE_BYTES."
            )
        return path.read_bytes()
    except OSError as error:
        raise NotReadable(f"{path} could not be read: {error.strerror}.") from None


def file_bytes(path: Path) -> int:
    """The size of a file; 0 where there is none to be had."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


def folder_bytes(folder: Path) -> int:
    """The size of all files of a folder together; of what goes meanwhile, nothing."""
    total = 0
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):
            total += path.stat().st_size if path.is_file() else 0
    return total
