"""One SQLite file, shared by threads and processes: connections, transactions, faults as sentences.

It knows how the file is kept durable and what can go wrong with it, not what the tables mean.
The library is apsw, which brings its own SQLite: versions 3.7.0 to 3.51.2, among them the one
behind many Python's `sqlite3`, can corrupt a WAL file that several connections share
(https://sqlite.org/wal.html#walresetbug).
"""

from __future__ import annotations

import contextlib
import errno
import threading
import time
from typing import TYPE_CHECKING

import apsw

from mmrag.errors import InvalidInput, StoreUnavailable
from mmrag.home import check_whole
from mmrag.storage.schema import NewerSchemaError, migrate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

BUSY_SECONDS = 30.0

_SETTINGS = """
    PRAGMA synchronous = FULL;    -- NORMAL can lose commits when the power goes
    PRAGMA secure_delete = ON;
    PRAGMA foreign_keys = ON;
"""

_FULL = "The disk that holds {folder} is full: free some space and try again; nothing stored was lost."
_READ_ONLY = (
    "The data folder {folder} cannot be written to: give yourself write permission, or choose another "
    "folder with MMRAG_HOME."
)
_CLOSED_OFF = (
    "The store in {folder} cannot be opened: give yourself permission to read and write there, or choose "
    "another folder with MMRAG_HOME."
)
_NOT_A_FOLDER = (
    "{folder} cannot be the data folder, because a file is in its way: choose another with MMRAG_HOME."
)
_NEWER = "The data in {folder} was written by a newer version of mmrag: upgrade mmrag to use it."
_BUSY = "Another process has been using the store in {folder} for too long: try again."

_FAULTS: tuple[tuple[type[apsw.Error], str], ...] = (
    (apsw.FullError, _FULL),
    (apsw.ReadOnlyError, _READ_ONLY),
    (apsw.PermissionsError, _READ_ONLY),
    (apsw.AuthError, _READ_ONLY),
    (apsw.CantOpenError, _CLOSED_OFF),
    (
        apsw.NotADBError,
        "{file} is not a store of mmrag: move it away, or choose another folder with MMRAG_HOME.",
    ),
    (
        apsw.CorruptError,
        "The store {file} is damaged: restore it from a backup, or move it away and add the documents again.",
    ),
    (apsw.BusyError, _BUSY),
    (apsw.LockedError, _BUSY),
    (apsw.ProtocolError, _BUSY),
    (apsw.IOError, "The disk failed to read or write {folder}: check that it is there, sound and not full."),
    (apsw.NoMemError, "There is not enough memory to use the store in {folder}: close other programs."),
)


class Database:
    """The file `path`, made if it is not there, in a folder that only its owner may enter.

    Reads see one snapshot and never wait; writes queue within the process, and up to
    `busy_seconds` behind another process. Raises StoreUnavailable, from every method.
    """

    def __init__(self, path: Path, *, busy_seconds: float = BUSY_SECONDS) -> None:
        self._path = path
        self._busy_seconds = busy_seconds
        self._idle: list[apsw.Connection] = []
        self._writer = threading.Lock()
        self._closed = False
        check_whole(path.parent)  # before a file is made where a restore is about to put one
        with self._faults():
            _make_folder(path.parent)
            self._idle.append(self._create())
            with self.writing() as db:
                migrate(db)
        # Again once the file is open: a restore that is decided just now sees that it is in use.
        try:
            check_whole(path.parent)
        except StoreUnavailable:
            self.close()
            raise

    @contextlib.contextmanager
    def reading(self) -> Iterator[apsw.Connection]:
        """A connection that sees one snapshot of the store."""
        with self._faults(), self._connection() as db:
            db.execute("BEGIN")
            yield db
            db.execute("COMMIT")

    @contextlib.contextmanager
    def writing(self) -> Iterator[apsw.Connection]:
        """A connection whose changes are all on disk when the block ends, or none of them."""
        # A reader that turns writer cannot wait for another writer, hence IMMEDIATE.
        with self._faults(), self._writer, self._connection() as db:
            db.execute("BEGIN IMMEDIATE")
            yield db
            db.execute("COMMIT")

    def checkpoint(self) -> None:
        """Empty the WAL into the file if that can be done now. What was committed stands in any case."""
        with self._faults(), self._connection() as db:
            db.set_busy_timeout(0)
            with contextlib.suppress(apsw.BusyError, apsw.FullError, apsw.IOError):
                db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
            db.set_busy_timeout(self._busy_milliseconds)

    def rewrite(self) -> None:
        """Write the file anew with what is live only, and empty the WAL.

        Secure delete zeroes what is deleted, but not the copies that SQLite leaves in the gaps of
        pages when it moves rows between them: only VACUUM does. It costs time and free space in
        proportion to the store, and other writers wait.
        """
        with self._faults(), self._writer, self._connection() as db:
            db.execute("VACUUM")
            _insist(lambda: db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE), self._busy_seconds)

    def close(self) -> None:
        """Close every connection; those in use close when their block ends."""
        self._closed = True
        while self._idle:
            self._idle.pop().close()

    # ------------------------------------------------------------ connections

    @contextlib.contextmanager
    def _connection(self) -> Iterator[apsw.Connection]:
        """A connection that no other thread uses meanwhile."""
        try:
            db = self._idle.pop()  # atomic, unlike a check before it
        except IndexError:
            db = self._open()
        try:
            yield db
        except BaseException:
            db.close(force=True)  # rolls back, even where ROLLBACK itself would fail
            raise
        if self._closed:
            db.close()
        else:
            self._idle.append(db)

    def _create(self) -> apsw.Connection:
        new = not self._path.exists()
        db = self._open()
        if new:
            self._path.chmod(0o600)  # the WAL takes over the mode
        _insist(
            lambda: list(db.execute("PRAGMA journal_mode = WAL")), self._busy_seconds
        )  # the file remembers
        return db

    def _open(self) -> apsw.Connection:
        if self._closed:
            raise apsw.ConnectionClosedError
        db = apsw.Connection(str(self._path))
        if db.readonly("main"):  # SQLite falls back to reading without a word
            db.close()
            raise apsw.ReadOnlyError
        db.set_busy_timeout(self._busy_milliseconds)
        list(db.execute(_SETTINGS))  # apsw stops at a row that is not read
        return db

    @property
    def _busy_milliseconds(self) -> int:
        return round(self._busy_seconds * 1000)

    # ----------------------------------------------------------------- faults

    @contextlib.contextmanager
    def _faults(self) -> Iterator[None]:
        """What goes wrong below, as a sentence for a person."""
        try:
            yield
        except OSError as error:
            raise self._unavailable(_sentence_of_os_error(error)) from error
        except NewerSchemaError as error:
            raise self._unavailable(_NEWER) from error
        except UnicodeEncodeError:  # its text quotes the document
            raise InvalidInput(
                "A text or file name holds bytes that are not Unicode: rename the file or save it as UTF-8."
            ) from None
        except apsw.Error as error:
            for fault, sentence in _FAULTS:
                if isinstance(error, fault):
                    raise self._unavailable(sentence) from error
            raise

    def _unavailable(self, sentence: str) -> StoreUnavailable:
        return StoreUnavailable(sentence.format(folder=self._path.parent, file=self._path))


def _make_folder(folder: Path) -> None:
    if not folder.is_dir():
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)


def _insist(action: Callable[[], object], seconds: float) -> None:
    """Do what SQLite refuses without waiting while another process does the same: wait here."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            action()
        except apsw.BusyError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            return


def _sentence_of_os_error(error: OSError) -> str:
    if isinstance(error, (FileExistsError, NotADirectoryError)):
        return _NOT_A_FOLDER
    return _FULL if error.errno == errno.ENOSPC else _READ_ONLY
