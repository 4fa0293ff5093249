"""The answer cache: disposable, and never believed without proof.

It implements the port `AnswerCache` over diskcache. It knows no engine: what makes an answer
stale is in its key (`mmrag.cache_key`).

diskcache unpickles what it finds, so a row planted in its file runs code, and it reads and
deletes whatever file a row names (CVE-2025-69872). Here a value is JSON under an HMAC that
covers its key too, kept in the database itself: anything else is a miss.
"""

from __future__ import annotations

import contextlib
import hmac
import json
import logging
import os
import secrets
import shutil
import sqlite3
from typing import TYPE_CHECKING, Any, Self

import diskcache
from filelock import FileLock

from mmrag.ports import CacheSize
from mmrag.wire import VERSION, answer_from_json, answer_to_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path
    from types import TracebackType

    from mmrag.types import Answer

_log = logging.getLogger(__name__)

_BUSY_SECONDS = 2.0  # then a miss: to wait longer would defeat a cache
_OPEN_SECONDS = 30.0
_SECRET_BYTES = 32
_MAC_BYTES = 32  # of HMAC-SHA256

_SETTINGS = {
    "eviction_policy": "least-recently-used",  # the default evicts the oldest, however often it is asked for
    "disk_min_file_size": 2**31,  # no value in a file of its own: nothing to name, truncate or leave behind
    "sqlite_secure_delete": 1,
    # Not WAL, which Python's SQLite may corrupt (see `database`) and which keeps what was deleted.
    "sqlite_journal_mode": "delete",
    "sqlite_synchronous": 0,  # a power failure may damage it, and then it is made anew; see `forget`
    "sqlite_mmap_size": 0,  # a file truncated under a memory map kills the process
}
_SETTING_NAMES = diskcache.DEFAULT_SETTINGS.keys() | diskcache.core.METADATA.keys() | _SETTINGS.keys()

# What passes by itself: busy, full, read-only.
_PASSING = (diskcache.Timeout, sqlite3.OperationalError, OSError)


class DiskAnswerCache:
    """At most about `size_limit` bytes of answers in `folder`, least recently used out first.

    With a limit of 0 it keeps nothing and empties the folder. Several processes may share it.
    No fault of it stops anything: a damaged file is made anew, and where the folder cannot be
    used every question is a miss.
    """

    def __init__(self, folder: Path, *, size_limit: int) -> None:
        self._folder = folder
        self._size_limit = size_limit
        self._cache: _BytesCache | None = None
        if size_limit == 0:
            shutil.rmtree(folder, ignore_errors=True)
        else:
            self._open()

    def close(self) -> None:
        """Release the file."""
        if self._cache is not None:
            self._cache.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def get(self, key: str) -> Answer | None:
        cache = self._cache
        if cache is None:
            return None
        with self._faults():
            try:
                sealed = cache.get(key)
                return None if sealed is None else self._unseal(key, sealed)
            except ValueError:  # planted, damaged, or of another version
                cache.forget([key])
        return None

    def set(self, key: str, answer: Answer) -> None:
        if self._cache is not None:
            with self._faults():
                self._cache.set(key, self._seal(key, answer))

    def delete(self, keys: Iterable[str]) -> None:
        stale = list(keys)
        if self._cache is None or not stale:
            return
        try:
            self._cache.forget(stale)
        except Exception:  # noqa: BLE001 - whatever keeps them from going, they go with the file
            self._renew()

    def size(self) -> CacheSize:
        if self._cache is not None:
            with self._faults():
                return CacheSize(len(self._cache), self._cache.volume(), self._size_limit)
        return CacheSize(0, 0, self._size_limit)

    # ----------------------------------------------------------------- sealing

    def _seal(self, key: str, answer: Answer) -> bytes:
        body = json.dumps([VERSION, key, answer_to_json(answer)], separators=(",", ":")).encode()
        return self._mac(body) + body

    def _unseal(self, key: str, sealed: bytes) -> Answer:
        """Raises ValueError for anything but what `_seal` made for this key."""
        mac, body = sealed[:_MAC_BYTES], sealed[_MAC_BYTES:]
        if not hmac.compare_digest(mac, self._mac(body)):
            raise ValueError("not sealed here")
        version, sealed_key, answer = json.loads(body)
        if (version, sealed_key) != (VERSION, key):
            raise ValueError("sealed as something else")
        return answer_from_json(answer)

    def _mac(self, body: bytes) -> bytes:
        return hmac.digest(self._secret, body, "sha256")

    # ------------------------------------------------------- opening, and faults

    def _open(self, *, anew: bool = False) -> None:
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._folder.chmod(0o700)
            with FileLock(self._folder / "lock", timeout=_OPEN_SECONDS, mode=0o600):
                self._secret = _read_secret(self._folder / "secret")
                if anew:
                    self._discard()
                self._cache = self._connect()
        except _PASSING as fault:
            _log.warning("The answer cache in %s stays off: %s.", self._folder, type(fault).__name__)

    def _connect(self) -> _BytesCache:
        try:
            return _BytesCache(self._folder, self._size_limit)
        except _PASSING:
            raise
        except Exception:  # noqa: BLE001 - a damaged file fails in whatever way it likes
            self._discard()
            return _BytesCache(self._folder, self._size_limit)

    def _discard(self) -> None:
        _log.warning("The answer cache in %s was damaged and is made anew.", self._folder)
        for file in self._folder.glob("cache.db*"):
            file.unlink()

    def _renew(self) -> None:
        self.close()
        self._cache = None
        self._open(anew=True)

    @contextlib.contextmanager
    def _faults(self) -> Iterator[None]:
        """Any fault is a miss. One that would not pass by itself also renews the file."""
        try:
            yield
        except _PASSING as fault:
            _log.info("The answer cache in %s missed: %s.", self._folder, type(fault).__name__)
        except Exception:  # noqa: BLE001 - a damaged file fails in whatever way it likes
            self._renew()


class _BytesDisk(diskcache.Disk):  # type: ignore[misc]  # diskcache has no types
    """Keys are text and values bytes in the database; whatever else a row says is refused."""

    def put(self, key: object) -> tuple[object, bool]:
        if type(key) is not str:
            raise TypeError("keys are text")
        return key, True

    def get(self, key: object, raw: object) -> object:
        if not raw:
            raise ValueError("a pickled key")
        return key

    def store(self, value: object, read: object, key: object = diskcache.UNKNOWN) -> tuple[object, ...]:
        del key
        if read or type(value) is not bytes:
            raise TypeError("values are bytes")
        return 0, diskcache.core.MODE_RAW, None, value

    def fetch(self, mode: object, filename: object, value: object, read: object) -> bytes:
        if read or mode != diskcache.core.MODE_RAW or filename is not None or type(value) is not bytes:
            raise ValueError("a value that was not stored here")
        return value

    def remove(self, file_path: object) -> None:
        """No value has a file, so no file that a row names is ours to delete."""


class _BytesCache(diskcache.Cache):  # type: ignore[misc]  # diskcache has no types
    """diskcache with settings of ours only: those in its file are text that anyone may have planted."""

    def __init__(self, folder: Path, size_limit: int) -> None:
        super().__init__(
            str(folder), timeout=_BUSY_SECONDS, disk=_BytesDisk, size_limit=size_limit, **_SETTINGS
        )

    def reset(self, key: str, value: Any = diskcache.ENOVAL, update: bool = True) -> Any:  # noqa: ANN401, FBT001, FBT002 - diskcache's own signature
        if key not in _SETTING_NAMES:
            raise ValueError("a setting that diskcache does not have")
        return super().reset(key, _SETTINGS.get(key, value), update)

    def forget(self, keys: list[str]) -> None:
        """Delete these entries for good: no byte of them stays, and no power failure brings them back."""
        self._sql("PRAGMA synchronous = FULL")
        with self.transact(retry=True):
            for key in keys:
                self.delete(key)
        self._sql("VACUUM")  # secure delete leaves copies in the gaps of pages
        self._sql("PRAGMA synchronous = OFF")


def _read_secret(path: Path) -> bytes:
    """The key of the HMAC, made if there is none. The caller keeps other processes out meanwhile."""
    with contextlib.suppress(FileNotFoundError):
        secret = path.read_bytes()
        if len(secret) == _SECRET_BYTES:
            return secret
    secret = secrets.token_bytes(_SECRET_BYTES)
    draft = path.with_suffix(".new")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(secret)
        file.flush()
        os.fsync(file.fileno())  # else a power failure could leave a key of zeros, which anyone knows
    draft.replace(path)
    return secret
