"""Slack's Web API with the three outcomes that matter: it happened, it did not, nobody knows.

A call whose connection broke, or that ended in a 5xx, may have been carried out; slack_sdk would send it
again by itself and post twice. Here nothing is repeated but what was refused by a 429 (which did not
happen) and what only reads. Whoever posts looks first: see `delivery`.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import aiohttp
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web.async_client import AsyncWebClient

from bots.logs import quiet_logger
from bots.outcomes import RefusedError, UnsureError, reading
from mmrag.errors import InvalidSettings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bots.slack.tokens import Tokens

    Json = dict[str, Any]

TIMEOUT_SECONDS = 30
LONGEST_WAIT_SECONDS = 120.0
# Slack says of these that the call may have been carried out all the same.
_MAYBE = {"internal_error", "fatal_error", "service_unavailable", "request_timeout", "team_added_to_org"}


class SlackWeb:
    """One workspace's API, by its token."""

    def __init__(self, client: AsyncWebClient) -> None:
        self._client = client

    @property
    def client(self) -> AsyncWebClient:
        return self._client

    async def read(self, method: str, **arguments: Any) -> Json:  # noqa: ANN401 - Slack's arguments are JSON
        """Call what changes nothing, several times if it has to be. Raises RefusedError, UnsureError."""
        return await reading(lambda: self._call(method, arguments, as_query=True))

    async def write(self, method: str, **arguments: Any) -> Json:  # noqa: ANN401 - as above
        """Call once; a 429 did not happen and is waited out. Raises RefusedError, UnsureError."""
        return await self._call(method, arguments, as_query=False)

    async def _call(self, method: str, arguments: Mapping[str, Any], *, as_query: bool) -> Json:
        given = {name: value for name, value in arguments.items() if value is not None}
        waited = 0.0
        while True:
            try:
                response = await (
                    self._client.api_call(method, http_verb="GET", params=given)
                    if as_query
                    else self._client.api_call(method, json=given)
                )
            except SlackApiError as error:
                seconds = _retry_after(error)
                if seconds is None or waited + seconds > LONGEST_WAIT_SECONDS:
                    raise outcome_of(error) from None
                waited += seconds
                await asyncio.sleep(seconds)
            except (aiohttp.ClientError, SlackClientError, OSError, TimeoutError, ValueError):
                raise UnsureError(method) from None
            else:
                data = response.data
                if not isinstance(data, dict):
                    raise UnsureError(method)
                return data


def _retry_after(error: SlackApiError) -> float | None:
    if getattr(error.response, "status_code", None) != 429:  # noqa: PLR2004 - HTTP's Too Many Requests
        return None
    headers = {name.lower(): value for name, value in dict(error.response.headers).items()}
    try:
        return max(0.0, float(headers.get("retry-after", "1")))
    except ValueError:
        return 1.0


def outcome_of(error: SlackApiError) -> RefusedError | UnsureError:
    """slack_sdk raises one error for a refusal, a 503 and a body that was cut."""
    data = getattr(error.response, "data", None)
    status = getattr(error.response, "status_code", None)
    code = data.get("error") if isinstance(data, dict) else None
    if status == 429:  # noqa: PLR2004 - it did not happen, however long we would have to wait
        return RefusedError("ratelimited")
    if not code or code in _MAYBE or (status or 0) >= 500:  # noqa: PLR2004 - HTTP's server errors
        return UnsureError("slack")
    return RefusedError(str(code))


class Workspaces:
    """The API of each workspace: one token for all, or those that workspaces gave by installing."""

    def __init__(
        self,
        *,
        api_url: str,
        session: aiohttp.ClientSession,
        token: str | None = None,
        tokens: Tokens | None = None,
    ) -> None:
        self._api_url = api_url
        self._session = session
        self._token = token
        self._tokens = tokens
        self._bot_users: dict[str, str] = {}

    def client(self, token: str | None) -> AsyncWebClient:
        """A client that repeats nothing by itself and logs no content."""
        client = AsyncWebClient(
            token=token,
            base_url=self._api_url,
            timeout=TIMEOUT_SECONDS,
            session=self._session,
            logger=quiet_logger(),
        )
        client.retry_handlers = []
        return client

    async def of(self, team: str) -> SlackWeb:
        """The API of a workspace. Raises RefusedError where we are not installed any more."""
        return SlackWeb(self.client(await self.token_of(team)))

    async def token_of(self, team: str) -> str:
        if self._tokens is not None:
            return str((await self._tokens.bot(team)).bot_token)
        if self._token is None:
            raise InvalidSettings("SLACK_BOT_TOKEN is missing.")
        return self._token

    async def bot_user(self, team: str) -> str:
        """Who we are in a workspace."""
        if self._tokens is not None:
            return str((await self._tokens.bot(team)).bot_user_id)
        if team not in self._bot_users:
            identity = await (await self.of(team)).read("auth.test")
            self._bot_users[team] = str(identity["user_id"])
        return self._bot_users[team]
