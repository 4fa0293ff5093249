"""SQLite files as a backup sees them: copied as of one moment, checked, known to be in use or not."""

from __future__ import annotations

import errno
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from mmrag.errors import MissingExtra, StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import apsw

_MAGIC = b"SQLite format 3\0"
_BUSY_MILLISECONDS = 30_000


def is_database(path: Path) -> bool:
    """Whether this is a SQLite file. Raises OSError."""
    with path.open("rb") as file:
        return file.read(len(_MAGIC)) == _MAGIC


def copy_database(source: Path, copy: Path) -> None:
    """Write what is live in `source` at one moment to the new file `copy`.

    Raises StoreUnavailable, and OSError where the disk is full.
    """
    with _faults(source), closing(_open(source)) as db:
        db.execute("VACUUM INTO ?", (str(copy),))
    copy.chmod(0o600)


def check_copy(copy: Path, *, of: Path) -> None:
    """Raises StoreUnavailable where the copy is damaged, since then its source is."""
    with _faults(of), closing(_open(copy)) as db:
        found = db.execute("PRAGMA integrity_check(1)").get
        broken = db.execute("PRAGMA foreign_key_check").fetchone()
    if found != "ok" or broken:
        raise _damaged(of)


def is_in_use(path: Path) -> bool:
    """Whether a process has this database open. Where none has, its WAL is emptied into it.

    Only a connection that is alone may leave WAL mode; whoever opens the file next goes back to it.
    """
    import apsw  # noqa: PLC0415 - `_open` says what to install

    with _faults(path), closing(_open(path)) as db:
        db.set_busy_timeout(1_000)
        try:
            mode = db.execute("PRAGMA journal_mode = DELETE").get
        except apsw.BusyError:
            return True
        return bool(mode != "delete")


def _open(path: Path) -> apsw.Connection:
    """A connection that makes no file. Raises MissingExtra."""
    try:
        import apsw  # noqa: PLC0415 - needs an extra; named by the error
    except ModuleNotFoundError as missing:
        raise MissingExtra("apsw", "cpu") from missing
    db = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
    db.set_busy_timeout(_BUSY_MILLISECONDS)
    return db


@contextmanager
def _faults(path: Path) -> Iterator[None]:
    """SQLite's faults as a sentence for a person, or as the OSError that they are."""
    try:
        yield
    except Exception as error:
        import apsw  # noqa: PLC0415 - as above

        if isinstance(error, apsw.FullError):
            raise OSError(errno.ENOSPC, "no space left") from error
        if isinstance(error, (apsw.CorruptError, apsw.NotADBError)):
            raise _damaged(path) from error
        if isinstance(error, apsw.Error):
            raise StoreUnavailable(
                f"{path} could not be read ({type(error).__name__}): check its permissions and the disk."
            ) from error
        raise


def _damaged(path: Path) -> StoreUnavailable:
    return StoreUnavailable(f"{path} is damaged, so no backup was made: restore an earlier one.")
