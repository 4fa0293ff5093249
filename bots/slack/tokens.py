"""Tokens of workspaces that installed the app: encrypted on disk, with the states of installations under way.

Fernet (AES-128-CBC with HMAC-SHA256) of the `cryptography` package. The key is a setting, or a file of its
own beside the data: whoever copies the database alone has no token.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import time
from typing import TYPE_CHECKING, Any

from slack_sdk.oauth.installation_store.async_installation_store import AsyncInstallationStore
from slack_sdk.oauth.installation_store.models.installation import Installation
from slack_sdk.oauth.state_store.async_state_store import AsyncOAuthStateStore

from mmrag.errors import InvalidSettings, MissingExtra

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import apsw
    from cryptography.fernet import Fernet
    from slack_sdk.oauth.installation_store.models.bot import Bot

    from bots.database import Database

STATE_SECONDS = 600

SCHEMA = """
    CREATE TABLE installations (workspace TEXT PRIMARY KEY, sealed BLOB NOT NULL) STRICT;
    CREATE TABLE install_states (state TEXT PRIMARY KEY, until REAL NOT NULL) STRICT;
"""

_FIELDS = (
    *("app_id", "enterprise_id", "enterprise_name", "enterprise_url", "team_id", "team_name", "bot_token"),
    *("bot_id", "bot_user_id", "user_id", "is_enterprise_install", "token_type", "installed_at"),
)


class SealedInstallations(AsyncInstallationStore):
    """slack_sdk's store of installations, in the bots' database."""

    def __init__(self, database: Database, key: Fernet) -> None:
        self._database = database
        self._key = key

    async def async_save(self, installation: Installation) -> None:
        values: dict[str, Any] = {name: getattr(installation, name) for name in _FIELDS}
        values["bot_scopes"] = list(installation.bot_scopes or [])
        sealed = self._key.encrypt(json.dumps(values).encode())
        workspace = _name(
            installation.enterprise_id, installation.team_id, whole=installation.is_enterprise_install
        )
        await self._database.write(
            lambda db: db.execute("INSERT OR REPLACE INTO installations VALUES (?, ?)", (workspace, sealed))
        )

    async def async_save_bot(self, bot: Bot) -> None:
        del bot  # saved with the installation

    async def async_find_installation(
        self,
        *,
        enterprise_id: str | None,
        team_id: str | None,
        user_id: str | None = None,
        is_enterprise_install: bool | None = False,
    ) -> Installation | None:
        del user_id  # the bot acts by its own token, never by a person's
        names = [_name(enterprise_id, team_id, whole=bool(is_enterprise_install))]
        if enterprise_id is not None:
            names.append(_name(enterprise_id, None, whole=True))
        sealed = await self._database.write(lambda db: _find(db, names))
        if sealed is None:
            return None
        values = json.loads(self._opened(sealed))
        return Installation(**values)

    async def async_find_bot(
        self, *, enterprise_id: str | None, team_id: str | None, is_enterprise_install: bool | None = False
    ) -> Bot | None:
        installation = await self.async_find_installation(
            enterprise_id=enterprise_id, team_id=team_id, is_enterprise_install=is_enterprise_install
        )
        return None if installation is None else installation.to_bot()

    async def async_delete_installation(
        self, *, enterprise_id: str | None, team_id: str | None, user_id: str | None = None
    ) -> None:
        if user_id is None:
            await self.async_delete_bot(enterprise_id=enterprise_id, team_id=team_id)

    async def async_delete_bot(self, *, enterprise_id: str | None, team_id: str | None) -> None:
        name = _name(enterprise_id, team_id, whole=team_id is None)
        await self._database.write(
            lambda db: db.execute("DELETE FROM installations WHERE workspace = ?", (name,))
        )

    async def async_delete_all(self, *, enterprise_id: str | None, team_id: str | None) -> None:
        await self.async_delete_bot(enterprise_id=enterprise_id, team_id=team_id)

    def _opened(self, sealed: bytes) -> bytes:
        from cryptography.fernet import InvalidToken  # noqa: PLC0415 - see `load_key`

        try:
            return self._key.decrypt(sealed)
        except InvalidToken:
            raise InvalidSettings(
                "The stored Slack tokens do not open with this key: restore MMRAG_SLACK_TOKEN_KEY or the key "
                "file, or let the workspaces install the app again."
            ) from None


class States(AsyncOAuthStateStore):
    """Proof that an installation began here; each is good once, for ten minutes."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def async_issue(self, *args: object, **kwargs: object) -> str:
        del args, kwargs
        state = secrets.token_urlsafe(24)
        await self._database.write(
            lambda db: db.execute(
                "INSERT INTO install_states VALUES (?, ?)", (state, time.time() + STATE_SECONDS)
            )
        )
        return state

    async def async_consume(self, state: str) -> bool:
        def change(db: apsw.Connection) -> bool:
            db.execute("DELETE FROM install_states WHERE until < ?", (time.time(),))
            db.execute("DELETE FROM install_states WHERE state = ?", (state,))
            return db.changes() > 0

        return await self._database.write(change)


def load_key(setting: str, path: Path) -> Fernet:
    """The key of the setting, or of the file, which is made if it is not there. Raises InvalidSettings."""
    try:
        from cryptography.fernet import Fernet  # noqa: PLC0415 - needed for several workspaces only
    except ModuleNotFoundError as missing:
        raise MissingExtra("cryptography", "slack") from missing
    if not setting:
        if not path.exists():
            _keep_key(Fernet.generate_key(), path)
        setting = path.read_text(encoding="ascii").strip()
    try:
        return Fernet(setting)
    except ValueError:
        raise InvalidSettings(
            "MMRAG_SLACK_TOKEN_KEY is no key: take 32 random bytes in URL-safe base64, or leave it out."
        ) from None


def _keep_key(key: bytes, path: Path) -> None:
    """Make the file, whole, unless another process has made it meanwhile: then its key is the one."""
    part = path.with_suffix(f".{secrets.token_hex(6)}")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(key)
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            path.hardlink_to(part)
    finally:
        part.unlink()


def _name(enterprise_id: str | None, team_id: str | None, *, whole: bool) -> str:
    return f"enterprise {enterprise_id}" if whole or team_id is None else f"team {team_id}"


def _find(db: apsw.Connection, names: Sequence[str]) -> bytes | None:
    for name in names:
        sealed: bytes | None = db.execute("SELECT sealed FROM installations WHERE workspace = ?", (name,)).get
        if sealed is not None:
            return sealed
    return None
