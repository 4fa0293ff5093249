"""Tokens of workspaces that installed the app: encrypted on disk, with the states of installations under way.

Fernet (AES-128-CBC with HMAC-SHA256) of the `cryptography` package. The key is a setting, or a file of its
own beside the data: whoever copies the database alone has no token.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import secrets
import time
from math import inf
from typing import TYPE_CHECKING, Any

import aiohttp
from slack_bolt.authorization import AuthorizeResult
from slack_bolt.authorization.async_authorize import AsyncAuthorize
from slack_sdk.errors import SlackClientError, SlackTokenRotationError
from slack_sdk.oauth.installation_store.async_installation_store import AsyncInstallationStore
from slack_sdk.oauth.installation_store.models.installation import Installation
from slack_sdk.oauth.state_store.async_state_store import AsyncOAuthStateStore

from bots.outcomes import RefusedError, UnsureError
from bots.slack.web import outcome_of
from bots.turns import Turns
from mmrag.errors import InvalidInput, InvalidSettings, MissingExtra

if TYPE_CHECKING:
    from pathlib import Path

    import apsw
    from cryptography.fernet import Fernet
    from slack_sdk.oauth.installation_store.models.bot import Bot
    from slack_sdk.oauth.token_rotation.async_rotator import AsyncTokenRotator

    from bots.database import Database

log = logging.getLogger(__name__)

STATE_SECONDS = 600
RENEWED_BEFORE_SECONDS = 2 * 3600  # a token that is renewed lives for twelve hours
AGAIN_SECONDS = 60.0
CLOCKS_APART_SECONDS = 5.0  # Slack's and ours

SCHEMA = """
    CREATE TABLE installations (workspace TEXT PRIMARY KEY, sealed BLOB NOT NULL) STRICT;
    CREATE TABLE install_states (state TEXT PRIMARY KEY, until REAL NOT NULL) STRICT;
"""

_FIELDS = (
    *("app_id", "enterprise_id", "enterprise_name", "enterprise_url", "team_id", "team_name", "bot_token"),
    *("bot_id", "bot_user_id", "user_id", "token_type", "installed_at"),
    *("bot_refresh_token", "bot_token_expires_at"),
)


class SealedInstallations(AsyncInstallationStore):
    """slack_sdk's store of installations, in the bots' database. Those of whole organisations are refused."""

    def __init__(self, database: Database, key: Fernet) -> None:
        self._database = database
        self._key = key

    async def async_save(self, installation: Installation) -> None:
        if installation.is_enterprise_install or installation.team_id is None:
            raise InvalidInput(
                "mmrag is installed in one workspace after the other, not in a whole organisation: choose a "
                "workspace in the list at the top right of Slack's page."
            )
        values: dict[str, Any] = {name: getattr(installation, name) for name in _FIELDS}
        values["bot_scopes"] = list(installation.bot_scopes or [])
        sealed, name = self._sealed(values), _name(installation.team_id)
        await self._database.write(
            lambda db: db.execute("INSERT OR REPLACE INTO installations VALUES (?, ?)", (name, sealed))
        )

    async def async_save_bot(self, bot: Bot) -> None:
        """A token that was made new; where the app was taken out or installed meanwhile, it is not kept."""
        team = str(bot.team_id)
        installation = await self.async_find_installation(enterprise_id=None, team_id=team)
        if installation is None or installation.installed_at != bot.installed_at:
            return
        values = {name: getattr(installation, name) for name in _FIELDS} | {
            "bot_scopes": list(installation.bot_scopes or []),
            "bot_token": bot.bot_token,
            "bot_refresh_token": bot.bot_refresh_token,
            "bot_token_expires_at": bot.bot_token_expires_at,
        }
        sealed = self._sealed(values)
        await self._database.write(
            lambda db: db.execute(
                "UPDATE installations SET sealed = ? WHERE workspace = ?", (sealed, _name(team))
            )
        )

    async def async_find_installation(
        self,
        *,
        enterprise_id: str | None,
        team_id: str | None,
        user_id: str | None = None,
        is_enterprise_install: bool | None = False,
    ) -> Installation | None:
        del enterprise_id, user_id, is_enterprise_install  # the bot acts for a workspace, by its own token
        sealed: bytes | None = await self._database.write(
            lambda db: (
                db.execute("SELECT sealed FROM installations WHERE workspace = ?", (_name(team_id),)).get
            )
        )
        return None if sealed is None else Installation(**json.loads(self._opened(sealed)))

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
        del enterprise_id
        await self._database.write(
            lambda db: db.execute("DELETE FROM installations WHERE workspace = ?", (_name(team_id),))
        )

    async def async_delete_all(self, *, enterprise_id: str | None, team_id: str | None) -> None:
        await self.async_delete_bot(enterprise_id=enterprise_id, team_id=team_id)

    def _sealed(self, values: dict[str, Any]) -> bytes:
        return self._key.encrypt(json.dumps(values).encode())

    def _opened(self, sealed: bytes) -> bytes:
        from cryptography.fernet import InvalidToken  # noqa: PLC0415 - see `load_key`

        try:
            return self._key.decrypt(sealed)
        except InvalidToken:
            raise InvalidSettings(
                "The stored Slack tokens do not open with this key: restore MMRAG_SLACK_TOKEN_KEY or the key "
                "file, or let the workspaces install the app again."
            ) from None


class Tokens:
    """The bot of each workspace, with a token that is good; one that expires is made new before it does.

    Slack takes a refresh token once: of all processes that share the folder, one asks at a time, and the
    others find what it got. https://docs.slack.dev/authentication/using-token-rotation
    """

    def __init__(self, store: AsyncInstallationStore, rotator: AsyncTokenRotator, folder: Path) -> None:
        self._store = store
        self._rotator = rotator
        self._turns = Turns(folder / "processes")
        self._failed: dict[str, tuple[float, RefusedError | UnsureError]] = {}

    async def bot(self, team: str) -> Bot:
        """Raises RefusedError where the app is not installed any more, or its token has expired for good.

        Raises UnsureError where it has expired and Slack is away.
        """
        bot = await self._found(team)
        since, _ = self._failed.get(team, (-inf, None))
        if _ends_soon(bot) and time.monotonic() - since >= AGAIN_SECONDS:
            async with self._turns.alone("token"):
                bot = await self._found(team)
                if _ends_soon(bot):
                    bot = await self._renewed(bot, team)
        if bot.bot_token_expires_at is not None and bot.bot_token_expires_at <= time.time():
            _, outcome = self._failed.get(team, (0.0, None))
            raise outcome or RefusedError("token_expired")
        return bot

    async def is_installed(self, team: str | None) -> bool:
        return await self._store.async_find_bot(enterprise_id=None, team_id=team) is not None

    async def drop(self, team: str, *, at: float) -> None:
        """The app was taken out, or its token was revoked; not one of a later installation."""
        bot = await self._store.async_find_bot(enterprise_id=None, team_id=team)
        if bot is not None and bot.installed_at <= at + CLOCKS_APART_SECONDS:
            await self._store.async_delete_all(enterprise_id=None, team_id=team)

    async def _found(self, team: str) -> Bot:
        bot = await self._store.async_find_bot(enterprise_id=None, team_id=team)
        if bot is None:
            raise RefusedError("account_inactive")
        return bot

    async def _renewed(self, bot: Bot, team: str) -> Bot:
        outcome: RefusedError | UnsureError
        try:
            renewed = await self._rotator.perform_bot_token_rotation(
                bot=bot, minutes_before_expiration=RENEWED_BEFORE_SECONDS // 60
            )
        except SlackTokenRotationError as error:
            renewed, outcome = None, outcome_of(error.api_error)
        except (SlackClientError, aiohttp.ClientError, OSError, TimeoutError, KeyError, ValueError):
            renewed, outcome = None, UnsureError("oauth.v2.access")
        else:
            outcome = RefusedError("token_expired")
        if renewed is None:
            log.warning(
                "Slack did not renew a workspace's token (%s); if it stays so, install the app there again",
                getattr(outcome, "code", "the connection broke"),
            )
            self._failed[team] = (time.monotonic(), outcome)
            return bot
        await self._store.async_save_bot(renewed)
        self._failed.pop(team, None)
        return renewed


class Installed(AsyncAuthorize):
    """Whether a workspace has installed the app. Bolt's own asks Slack before each acknowledgement."""

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens

    async def __call__(
        self,
        *,
        enterprise_id: str | None,
        team_id: str | None,
        user_id: str | None,
        **_: object,
    ) -> AuthorizeResult | None:
        if not await self._tokens.is_installed(team_id):
            return None
        return AuthorizeResult(enterprise_id=enterprise_id, team_id=team_id, user_id=user_id)


def _ends_soon(bot: Bot) -> bool:
    ends = bot.bot_token_expires_at
    soon = time.time() + RENEWED_BEFORE_SECONDS
    return ends is not None and ends < soon and bot.bot_refresh_token is not None


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


def _name(team_id: str | None) -> str:
    return f"team {team_id}"
