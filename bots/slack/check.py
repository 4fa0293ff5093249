"""`python -m bots slack --check`: whether Slack lets the bot do its work; what is missing, where to get it.

Each finding comes of a real call. Nothing is posted: the one file that is sent up is shared with nobody and
removed. It knows no engine.
"""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import aiohttp
from slack_sdk.errors import SlackApiError, SlackClientError

from bots.check import Finding
from bots.outcomes import RefusedError, UnsureError
from bots.slack.files import Files
from bots.slack.service import SCOPES, WHERE, check_settings
from bots.slack.web import SlackWeb, Workspaces
from mmrag.errors import NotReadable

if TYPE_CHECKING:
    from bots.slack.service import SlackSettings

Json = dict[str, Any]

HELLO_SECONDS = 15.0
CALL_SECONDS = 30.0
SAMPLE = b"mmrag checks whether it can send files and fetch them."
NEEDED_BY_FILES = {"files:read", "files:write"}


async def check(settings: SlackSettings) -> list[Finding]:
    """Look at everything that these settings need. Raises InvalidSettings where one is missing."""
    check_settings(settings)
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=CALL_SECONDS)) as session:
        workspaces = Workspaces(api_url=settings.api_url, session=session, token=settings.bot_token or None)
        findings = []
        if settings.several_workspaces:
            findings.append(await _client_secret(settings, workspaces))
        else:
            findings += await _bot_token(settings, workspaces, session)
        if settings.by_http:
            findings.append(_signing_secret(settings))
        else:
            findings.append(await _socket_mode(settings, workspaces, session))
        return findings


async def _bot_token(
    settings: SlackSettings, workspaces: Workspaces, session: aiohttp.ClientSession
) -> list[Finding]:
    client = workspaces.client(settings.bot_token)
    try:
        response = await client.api_call("auth.test")
    except SlackApiError as error:
        code = _code(error)
        return [Finding(good=False, text=_of_bot_token(code))]
    except (aiohttp.ClientError, SlackClientError, OSError, TimeoutError, ValueError):
        return [Finding(good=False, text=_UNREACHABLE)]
    known: Json = dict(response.data) if isinstance(response.data, dict) else {}
    if not known.get("bot_id"):
        text = f"SLACK_BOT_TOKEN is a person's: copy the Bot User OAuth Token (xoxb-…) at {WHERE}"
        return [Finding(good=False, text=text)]
    findings = [Finding(good=True, text=f"The bot token is {known['user']}'s in {known['team']}.")]
    granted = _granted(response.headers)
    missing = [scope for scope in SCOPES if scope not in granted]
    if missing:
        text = (
            f"These scopes are missing: {', '.join(missing)}. Add them under OAuth & Permissions of your app "
            f"at {WHERE} and install it again."
        )
        findings.append(Finding(good=False, text=text))
    else:
        findings.append(Finding(good=True, text=f"All {len(SCOPES)} scopes are granted."))
    if not NEEDED_BY_FILES & set(missing):
        files = Files(workspaces, session, api_url=settings.api_url, most_bytes=settings.most_file_bytes)
        findings.append(await _files(str(known["team_id"]), SlackWeb(client), files))
    return findings


async def _files(team: str, web: SlackWeb, files: Files) -> Finding:
    """Send a file up, fetch it back with the token, and remove it."""
    try:
        file_id = await files.upload(team, "mmrag-check.txt", SAMPLE)
    except NotReadable as error:
        text = f"Files cannot be sent up: {error} Does your workspace allow apps to upload files?"
        return Finding(good=False, text=text)
    try:
        described = (await web.read("files.info", file=file_id))["file"]
        if await files.download(team, described) != SAMPLE:
            return Finding(good=False, text="A file that was sent up came back changed: is there a proxy?")
    except NotReadable as error:
        return Finding(good=False, text=f"Files cannot be fetched: {error}")
    except (RefusedError, UnsureError) as error:
        text = f"Files cannot be fetched ({getattr(error, 'code', 'the connection broke')}): try it again."
        return Finding(good=False, text=text)
    finally:
        await _remove(web, file_id)
    return Finding(good=True, text="Files can be sent up and fetched.")


async def _remove(web: SlackWeb, file_id: str) -> None:
    try:
        await web.write("files.delete", file=file_id)
    except (RefusedError, UnsureError):
        return  # it is seen by nobody


async def _socket_mode(
    settings: SlackSettings, workspaces: Workspaces, session: aiohttp.ClientSession
) -> Finding:
    """Open a connection and wait for Slack's hello."""
    try:
        opened = await SlackWeb(workspaces.client(settings.app_token)).write("apps.connections.open")
        async with session.ws_connect(str(opened["url"])) as socket, asyncio.timeout(HELLO_SECONDS):
            hello = json.loads(await socket.receive_str())
    except RefusedError as refused:
        return Finding(good=False, text=_of_app_token(refused.code))
    except (UnsureError, aiohttp.ClientError, OSError, TimeoutError, ValueError, TypeError):
        return Finding(good=False, text="Socket Mode cannot be reached: does a firewall let wss:// through?")
    if hello.get("type") != "hello":
        text = (
            f"Slack turned the connection away ({hello.get('reason', 'no reason')}): stop other bots of it."
        )
        return Finding(good=False, text=text)
    return Finding(good=True, text="Socket Mode connects.")


async def _client_secret(settings: SlackSettings, workspaces: Workspaces) -> Finding:
    """Offer a code that nobody gave: only with the right secret is it the code that Slack finds wrong."""
    given = {"client_id": settings.client_id, "client_secret": settings.client_secret, "code": "check"}
    try:
        await SlackWeb(workspaces.client(None)).write("oauth.v2.access", **given)
    except RefusedError as refused:
        if refused.code == "invalid_code":
            return Finding(
                good=True, text="The client secret is the app's; each workspace installs it by itself."
            )
        text = (
            f"Slack does not take SLACK_CLIENT_ID and SLACK_CLIENT_SECRET ({refused.code}): copy both from "
            f"Basic Information of your app at {WHERE}"
        )
        return Finding(good=False, text=text)
    except UnsureError:
        return Finding(good=False, text=_UNREACHABLE)
    return Finding(good=False, text="Slack gave a token for no code: is MMRAG_SLACK_API_URL Slack's?")


def _signing_secret(settings: SlackSettings) -> Finding:
    text = (
        f"Requests are taken at {settings.host}:{settings.port}/slack/events; whether the signing secret is "
        "the app's shows when you enter the address as Request URL."
    )
    return Finding(good=True, text=text)


def _granted(headers: Any) -> set[str]:  # noqa: ANN401 - aiohttp's headers, which slack_sdk leaves untyped
    named = {str(name).lower(): str(value) for name, value in dict(headers).items()}
    return {scope.strip() for scope in named.get("x-oauth-scopes", "").split(",")}


def _code(error: SlackApiError) -> str:
    data = getattr(error.response, "data", None)
    return str(data.get("error", "no answer")) if isinstance(data, dict) else "no answer"


def _of_bot_token(code: str) -> str:
    if code == "no answer":
        return _UNREACHABLE
    return (
        f"Slack does not take SLACK_BOT_TOKEN ({code}): copy the Bot User OAuth Token (xoxb-…) again from "
        f"OAuth & Permissions of your app at {WHERE}"
    )


def _of_app_token(code: str) -> str:
    if code == "missing_scope":
        return (
            f"SLACK_APP_TOKEN lacks the scope connections:write: make another in Basic Information at {WHERE}"
        )
    if code == "not_allowed_token_type":
        return "SLACK_APP_TOKEN is not an app-level token: it begins with xapp-, not with xoxb-."
    return f"Slack does not take SLACK_APP_TOKEN ({code}): check it, and that Socket Mode is on, at {WHERE}"


_UNREACHABLE = "Slack cannot be reached: check the network, and MMRAG_SLACK_API_URL if you set it."
