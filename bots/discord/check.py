"""`python -m bots discord --check`: whether Discord lets the bot do its work, and what to do where not.

Each finding comes of a real call, and nothing is posted. It knows no engine.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import TYPE_CHECKING, Any

import aiohttp
import discord
from discord import ApplicationFlags, Intents, Permissions
from discord.http import Route

from bots.check import Finding
from bots.discord.commands import commands, differ
from bots.discord.service import (
    BAD_TOKEN,
    LIBRARIES,
    NO_CONTENT,
    PERMISSIONS,
    WHERE,
    check_settings,
    invite_link,
    titles,
)
from bots.discord.web import DiscordWeb
from bots.logs import silence
from bots.outcomes import RefusedError, UnsureError

if TYPE_CHECKING:
    from bots.discord.service import DiscordSettings

Json = dict[str, Any]

HELLO_SECONDS = 15.0
HELLO = 10  # the gateway's number of its first word
MOST_GUILDS = 100
_UNREACHABLE = "Discord cannot be reached: check the network, and MMRAG_DISCORD_API_URL if you set it."


async def check(settings: DiscordSettings) -> list[Finding]:
    """Look at everything that these settings need. Raises InvalidSettings where one is missing."""
    check_settings(settings)
    silence(LIBRARIES)
    Route.BASE = settings.api_url
    async with discord.Client(intents=Intents.none()) as client:
        try:
            await client.login(settings.token)
        except discord.LoginFailure:
            return [Finding(good=False, text=BAD_TOKEN)]
        except (discord.HTTPException, aiohttp.ClientError, OSError, TimeoutError):
            return [Finding(good=False, text=_UNREACHABLE)]
        web, name = DiscordWeb(client.http), "the bot" if client.user is None else client.user.name
        flags = ApplicationFlags() if client.application is None else client.application.flags
        application = str(client.application_id)
        findings = [Finding(good=True, text=f"The token is {name}'s."), _message_content(settings, flags)]
        findings.append(await _asked(_gateway(web)))
        findings += await _guilds(web, application)
        findings.append(await _asked(_commands(web, application)))
        return findings


async def _asked(question: Any) -> Finding:  # noqa: ANN401 - a coroutine of ours
    try:
        found: Finding = await question
    except RefusedError as refused:
        return Finding(good=False, text=f"Discord refuses an answer ({refused.code}): try it again.")
    except UnsureError:
        return Finding(good=False, text=_UNREACHABLE)
    return found


def _message_content(settings: DiscordSettings, flags: ApplicationFlags) -> Finding:
    """Mentions, replies, direct messages and commands need no privileged intent."""
    if flags.gateway_message_content or flags.gateway_message_content_limited:
        text = (
            "The Message Content Intent is not asked for: MMRAG_DISCORD_MESSAGE_CONTENT is off."
            if settings.message_content == "off"
            else "The Message Content Intent is on: threads go on and forums are answered without mentions."
        )
        return Finding(good=True, text=text)
    if settings.message_content == "on":
        return Finding(good=False, text=NO_CONTENT)
    text = (
        "The Message Content Intent is off: in threads and forums I answer when I am mentioned. To change "
        f"that, switch it on, on the page Bot of your application at {WHERE}"
    )
    return Finding(good=True, text=text)


async def _gateway(web: DiscordWeb) -> Finding:
    """Open a connection and wait for Discord's hello."""
    told = await web.read("/gateway/bot")
    left = told["session_start_limit"]["remaining"]
    if not left:
        text = "The bot has begun too many sessions today: it can connect again within 24 hours."
        return Finding(good=False, text=text)
    try:
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(f"{told['url']}?v=10&encoding=json") as socket,
            asyncio.timeout(HELLO_SECONDS),
        ):
            hello = json.loads(await socket.receive_str())
    except (aiohttp.ClientError, OSError, TimeoutError, ValueError, TypeError):
        text = "The gateway cannot be reached: does a firewall let wss:// through?"
        return Finding(good=False, text=text)
    if hello.get("op") != HELLO:
        return Finding(good=False, text="The gateway turned the connection away: try it again.")
    return Finding(good=True, text=f"The gateway connects; {left:,} sessions can be begun today.")


async def _guilds(web: DiscordWeb, application: str) -> list[Finding]:
    """Whether we may do everywhere what we have to."""
    try:
        guilds = await web.read("/users/@me/guilds", query={"limit": MOST_GUILDS})
    except (RefusedError, UnsureError):
        return [Finding(good=False, text=_UNREACHABLE)]
    if not guilds:
        text = f"The bot is in no server: invite it by  {invite_link(application)}"
        return [Finding(good=False, text=text)]
    lacking = [(guild["name"], _lacking(Permissions(int(guild["permissions"])))) for guild in guilds]
    poor = [
        Finding(
            good=False,
            text=f"In {name} I lack {', '.join(missing)}: invite me again by  {invite_link(application)}",
        )
        for name, missing in lacking
        if missing
    ]
    whole = sum(not missing for _, missing in lacking)
    fine = [Finding(good=True, text=f"Permissions are whole in {whole:,} of {len(guilds):,} servers.")]
    return [*(fine if whole else []), *poor]


def _lacking(held: Permissions) -> list[str]:
    """What we need and do not have, in Discord's words."""
    return [] if held.administrator else titles(PERMISSIONS & ~held)


async def _commands(web: DiscordWeb, application: str) -> Finding:
    known = []
    with contextlib.suppress(RefusedError):
        known = await web.read("/applications/{application_id}/commands", application_id=application)
    if differ(known, commands()):
        text = "The commands /ask and /kb are told to Discord when the bot starts."
        return Finding(good=True, text=text)
    return Finding(good=True, text="Discord knows the commands.")
