"""API keys: who may ask over HTTP, and of which collections. It knows no protocol.

A key is `mmrag_ID_SECRET`. The id may be shown; of the secret, 256 random bits, only the SHA-256 is
kept: nobody can try out so many, so that a slow hash would protect nothing more.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal, Self

from mmrag.errors import InvalidInput, NotFound
from mmrag.storage.database import Database

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path
    from types import TracebackType

Role = Literal["read", "write", "admin"]

_KEY = re.compile(r"mmrag_([0-9a-f]{12})_([\w-]{43})", re.ASCII)
_NAME = re.compile(r"\S(.{0,98}\S)?")
_COLLECTION = re.compile(r"[\w.:@-]{1,200}\*?|\*")
_KEYS = "SELECT id, name, collections, role, added_at, secret_hash FROM api_keys"


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A client's rights. In `collections`, `x*` stands for all names that begin with x."""

    id: str
    name: str
    collections: tuple[str, ...]
    role: Role
    added_at: str

    def may_name(self, collection: str) -> bool:
        """Whether a request with this key may name the collection."""
        return any(
            collection.startswith(allowed[:-1]) if allowed.endswith("*") else collection == allowed
            for allowed in self.collections
        )


class ApiKeys:
    """The keys in the store's file. Safe for many threads and processes.

    Every method raises StoreUnavailable where the file cannot be used.
    """

    def __init__(self, path: Path) -> None:
        self._database = Database(path)

    def close(self) -> None:
        """Release the file."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def add(self, name: str, *, collections: Sequence[str], role: Role) -> tuple[ApiKey, str]:
        """Make a key; what is returned as text is shown once and never again.

        Raises InvalidInput where there is a key of that name, or a collection can't be called so.
        """
        _check(name, collections)
        secret = secrets.token_urlsafe(32)
        key = ApiKey(
            id=secrets.token_hex(6),
            name=name,
            collections=tuple(dict.fromkeys(collections)),
            role=role,
            added_at=datetime.now(UTC).isoformat(timespec="seconds"),
        )
        with self._database.writing() as db:
            if db.execute("SELECT 1 FROM api_keys WHERE name = ?", (name,)).fetchone():
                raise InvalidInput(
                    f"There is a key called {name!r} already: choose another name, or remove it first."
                )
            db.execute(
                "INSERT INTO api_keys (id, name, secret_hash, collections, role, added_at) "
                "VALUES (?, ?, ?, ?, ?, ?)",
                (key.id, name, _hash(secret), json.dumps(key.collections), role, key.added_at),
            )
        return key, f"mmrag_{key.id}_{secret}"

    def all(self) -> tuple[ApiKey, ...]:
        """Every key, the oldest first."""
        with self._database.reading() as db:
            return tuple(map(_key, db.execute(f"{_KEYS} ORDER BY added_at, name")))

    def exist(self) -> bool:
        """Whether there is any."""
        with self._database.reading() as db:
            return db.execute("SELECT 1 FROM api_keys LIMIT 1").fetchone() is not None

    def remove(self, names: Iterable[str]) -> tuple[ApiKey, ...]:
        """Remove keys by name or id, all or none; who uses one is refused from now on. Raises NotFound."""
        with self._database.writing() as db:
            removed = []
            for name in names:
                row = db.execute(f"{_KEYS} WHERE name = ?1 OR id = ?1", (name,)).fetchone()
                if row is None:
                    raise NotFound(
                        f"There is no key {name[:60]!r}, so nothing was removed: `mmrag keys list` names "
                        "those there are."
                    )
                removed.append(_key(row))
                db.execute("DELETE FROM api_keys WHERE id = ?", (row[0],))
        return tuple(removed)

    def find(self, presented: str) -> ApiKey | None:
        """The key that a client presents; None where there is none such."""
        match = _KEY.fullmatch(presented)
        if match is None:
            return None
        with self._database.reading() as db:
            row = db.execute(f"{_KEYS} WHERE id = ?", (match[1],)).fetchone()
        return _key(row) if row and hmac.compare_digest(row[-1], _hash(match[2])) else None


def _check(name: str, collections: Sequence[str]) -> None:
    if not _NAME.fullmatch(name):
        raise InvalidInput("A key's name has 1 to 100 characters on one line: say whose key it is.")
    if not collections:
        raise InvalidInput(
            "A key needs a collection that it may name: give --collection NAME, or '*' for all."
        )
    for collection in collections:
        if not _COLLECTION.fullmatch(collection):
            raise InvalidInput(
                f"{collection[:60]!r} is no collection name: use 1 to 200 letters, digits and the signs "
                ". : @ _ - and, for all that begin so, a * at the end."
            )


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()


def _key(row: Sequence[Any]) -> ApiKey:
    id_, name, collections, role, added_at, _ = row
    return ApiKey(id_, name, tuple(json.loads(collections)), role, added_at)
