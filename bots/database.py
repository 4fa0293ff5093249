"""The bots' own SQLite file: one thread does all the work on it, many changes to one commit.

A change is on disk when `write` returns. Changes that come while the disk is still busy with a commit
share the next one, so a burst of events costs a few flushes and not one each. The library is apsw,
which brings a SQLite without the WAL-reset bug (https://sqlite.org/wal.html#walresetbug); several
processes may share the file.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, Self, TypeVar

from mmrag.errors import MissingExtra, StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path
    from types import TracebackType

    import apsw

T = TypeVar("T")

BUSY_MILLISECONDS = 30_000
MOST_CHANGES_A_COMMIT = 256

_SETTINGS = """
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;    -- NORMAL can lose commits when the power goes
    PRAGMA secure_delete = ON;    -- questions that were answered leave the file
    PRAGMA foreign_keys = ON;
"""


class Database:
    """The file `path`, in a folder that only its owner may enter. Raises StoreUnavailable, from every method.

    `migrations` are applied in order, each once; one that is released is never edited.
    """

    def __init__(self, path: Path, migrations: Sequence[str]) -> None:
        self._path = path
        self._work: queue.SimpleQueue[_Change | None] = queue.SimpleQueue()
        self._db = self._open(migrations)
        self._thread = threading.Thread(target=self._serve, name="bots database", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def write(self, action: Callable[[apsw.Connection], T]) -> T:
        """Run `action` in a transaction; what it changed is on disk when this returns."""
        return await asyncio.wrap_future(self._submit(action))

    def write_now(self, action: Callable[[apsw.Connection], T]) -> T:
        """As `write`, for code without an event loop."""
        return self._submit(action).result()

    def close(self) -> None:
        """Finish what was handed in, and close the file."""
        if self._thread.is_alive():
            self._work.put(None)
            self._thread.join()

    # ------------------------------------------------------------ the one thread

    def _submit(self, action: Callable[[apsw.Connection], T]) -> Future[T]:
        if not self._thread.is_alive():
            raise StoreUnavailable("The bot's data is closed: the bot is stopping.")
        change = _Change(action)
        self._work.put(change)
        return change.future

    def _serve(self) -> None:
        running = True
        while running:
            changes = [self._work.get()]
            with contextlib.suppress(queue.Empty):
                while len(changes) < MOST_CHANGES_A_COMMIT:
                    changes.append(self._work.get_nowait())
            running = None not in changes
            self._commit([change for change in changes if change is not None])
        self._db.close()

    def _commit(self, changes: Sequence[_Change]) -> None:
        """All in one transaction; one that fails is undone alone."""
        done: list[tuple[_Change, Any]] = []
        try:
            self._db.execute("BEGIN IMMEDIATE")
            for change in changes:
                self._run(change, done)
            self._db.execute("COMMIT")
        except Exception as error:  # noqa: BLE001 - whoever waits must hear of it, whatever it is
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            for change in changes:
                if not change.future.done():
                    change.future.set_exception(self._explained(error))
            return
        for change, result in done:
            change.future.set_result(result)

    def _run(self, change: _Change, done: list[tuple[_Change, Any]]) -> None:
        if not change.future.set_running_or_notify_cancel():
            return
        self._db.execute("SAVEPOINT change")
        try:
            result = change.action(self._db)
        except Exception as error:  # noqa: BLE001 - the others of this commit are not at fault
            self._db.execute("ROLLBACK TO change; RELEASE change")
            change.future.set_exception(self._explained(error))
        else:
            self._db.execute("RELEASE change")
            done.append((change, result))

    # ------------------------------------------------------------------ the file

    def _open(self, migrations: Sequence[str]) -> apsw.Connection:
        try:
            import apsw  # noqa: PLC0415 - `--help` works without the extra
        except ModuleNotFoundError as missing:
            raise MissingExtra("apsw", "slack") from missing
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            new = not self._path.exists()
            db = apsw.Connection(str(self._path))
            if new:
                self._path.chmod(0o600)  # the WAL takes over the mode
            db.set_busy_timeout(BUSY_MILLISECONDS)
            list(db.execute(_SETTINGS))
            _migrate(db, migrations)
        except (OSError, apsw.Error) as error:
            raise self._explained(error) from error
        return db

    def _explained(self, error: Exception) -> Exception:
        """A fault of the file as a sentence; anything else as it is."""
        import apsw  # noqa: PLC0415 - see `_open`

        if isinstance(error, apsw.FullError):
            return StoreUnavailable(f"The disk that holds {self._path.parent} is full: free some space.")
        if isinstance(error, OSError | apsw.Error) and not isinstance(
            error, apsw.ConstraintError | apsw.SQLError
        ):
            return StoreUnavailable(
                f"The bot's data in {self._path} cannot be used ({type(error).__name__}): check the folder's "
                "permissions and the disk, or choose another folder with MMRAG_HOME."
            )
        return error


class _Change:
    """What somebody wants done, and where its result goes."""

    def __init__(self, action: Callable[[apsw.Connection], Any]) -> None:
        self.action = action
        self.future: Future[Any] = Future()


def _migrate(db: apsw.Connection, migrations: Sequence[str]) -> None:
    db.execute("BEGIN IMMEDIATE")
    version: int = db.execute("PRAGMA user_version").get
    if version > len(migrations):
        db.execute("ROLLBACK")
        raise StoreUnavailable(
            "The bot's data was written by a newer version: upgrade mmrag, or choose another MMRAG_HOME."
        )
    for migration in migrations[version:]:
        db.execute(migration)
    db.execute(f"PRAGMA user_version = {len(migrations)}")
    db.execute("COMMIT")
