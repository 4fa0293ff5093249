"""Discord's HTTP API with the three outcomes that matter: it happened, it did not, nobody knows.

The requests go through discord.py's own client, which keeps to Discord's rate limits and waits a 429 out.
What it gives up on (a reset connection, a 503) may have been carried out: whoever posts looks first, or
sends the same nonce again; see `delivery`.
"""

from __future__ import annotations

import asyncio
import io
import json
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

import aiohttp
from discord.errors import DiscordException, HTTPException
from discord.http import Route

from bots.outcomes import RefusedError, UnsureError, reading

if TYPE_CHECKING:
    from collections.abc import Sequence

    from discord.http import HTTPClient

Json = dict[str, Any]
Upload = tuple[str, bytes]  # a file's name and its bytes

MAJOR = ("channel_id", "guild_id", "webhook_id", "webhook_token")  # limits are counted by these
MESSAGES = "/channels/{channel_id}/messages"
TOO_MANY, SERVER_ERROR = 429, 500  # HTTP's own

UNKNOWN_CHANNEL, UNKNOWN_MESSAGE, UNKNOWN_WEBHOOK, BAD_WEBHOOK = "10003", "10008", "10015", "50027"
UNKNOWN_INTERACTION, HAS_A_THREAD, INVALID_FORM, TOO_LARGE = "10062", "160004", "50035", "40005"
NO_ACCESS, NO_PERMISSION = "50001", "50013"


class DiscordWeb:
    """The API by the bot's token."""

    def __init__(self, http: HTTPClient) -> None:
        self._http = http
        self._turns: WeakValueDictionary[object, asyncio.Lock] = WeakValueDictionary()

    def turn(self, method: str, path: str, **ids: object) -> asyncio.Lock:
        """Held while a request is under way: another of the same limit would not wait for its Retry-After.

        discord.py lets the one wait that was refused, and sends those that came meanwhile.
        """
        major = tuple(str(ids[name]) for name in MAJOR if name in ids)
        return self._turns.setdefault((method, path, major), asyncio.Lock())

    async def read(self, path: str, *, query: Json | None = None, **ids: object) -> Any:  # noqa: ANN401 - JSON
        """Ask for what changes nothing, several times if it has to be. Raises RefusedError, UnsureError."""
        return await reading(lambda: self._call("GET", path, ids, params=query or {}))

    async def write(
        self, method: str, path: str, body: Json | None = None, *, files: Sequence[Upload] = (), **ids: object
    ) -> Any:  # noqa: ANN401 - JSON
        """Call; what it may have done twice is for the caller to know. Raises RefusedError, UnsureError."""
        if files:
            return await self._call(method, path, ids, form=_form(body or {}, files))
        return await self._call(method, path, ids, **({} if body is None else {"json": body}))

    async def _call(self, method: str, path: str, ids: Json, **given: Any) -> Any:  # noqa: ANN401 - discord.py's
        try:
            async with self.turn(method, path, **ids):
                return await self._http.request(Route(method, path, **ids), **given)
        except HTTPException as error:
            raise outcome_of(error) from None
        except (aiohttp.ClientError, DiscordException, OSError, TimeoutError, RuntimeError):
            raise UnsureError(path) from None


def outcome_of(error: HTTPException) -> RefusedError | UnsureError:
    """A 429 that was not waited out did not happen, and can be tried again like what is unsure."""
    if error.status == TOO_MANY or error.status >= SERVER_ERROR:
        return UnsureError("discord")
    return RefusedError(str(error.code or error.status))


def _form(body: Json, files: Sequence[Upload]) -> list[dict[str, Any]]:
    """A message with files, as multipart: https://discord.com/developers/docs/reference#uploading-files."""
    fields: list[dict[str, Any]] = [
        {"name": "payload_json", "value": json.dumps(body), "content_type": "application/json"}
    ]
    for number, (name, data) in enumerate(files):
        fields.append({"name": f"files[{number}]", "value": io.BytesIO(data), "filename": name})
    return fields
