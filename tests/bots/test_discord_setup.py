"""deploy/discord: the link asks for what the code uses, and `--check` names what is missing."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from bots.discord.commands import SETTINGS, commands
from bots.discord.service import PERMISSIONS, SCOPES, invite_link, titles
from tests.discord_server.bot import discord_with_the_app
from tests.discord_server.permissions import Permission

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "deploy/discord/README.md").read_text(encoding="utf-8")
# What Discord wants for each of the requests that the code makes.
NEEDED_BY = {
    "/channels/{channel_id}/messages": {"read_messages", "send_messages", "send_messages_in_threads"},
    "/channels/{channel_id}/messages/{message_id}/threads": {"create_public_threads"},
    "/channels/{channel_id}/messages/{message_id}": {"read_messages", "read_message_history"},
    "embeds": {"embed_links"},
    "files[": {"attach_files"},
}


def test_the_link_in_the_guide_is_the_codes_own():
    (link,) = re.findall(r"https://discord\.com/oauth2/authorize\S+", GUIDE)
    assert link == invite_link("YOUR_APPLICATION_ID")
    asked = parse_qs(urlsplit(link).query)
    assert asked["scope"] == [" ".join(SCOPES)]
    assert int(asked["permissions"][0]) == PERMISSIONS.value


def test_the_link_asks_for_what_the_code_uses_and_nothing_else():
    sources = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "bots/discord").glob("*.py"))
    needed = set().union(*(names for sign, names in NEEDED_BY.items() if sign in sources))
    assert needed == {name for name, asked in PERMISSIONS if asked}


def test_the_guide_explains_each_permission_and_each_setting():
    for title in titles(PERMISSIONS):
        assert f"| {title} |" in GUIDE
    assert all(f"| `{name}` |" in GUIDE for name in SETTINGS)
    for each in ("DISCORD_TOKEN", "--check", "Message Content Intent", "MMRAG_BOT_ASK_HUMAN"):
        assert each in GUIDE


def test_the_commands_keep_to_discords_lengths_and_numbers():
    def options_of(command):
        for option in command.get("options", ()):
            yield option
            yield from options_of(option)

    for command in commands():
        assert 1 <= len(command["name"]) <= 32
        assert len(command["description"]) <= 100
        assert len(command["options"]) <= 25
        for option in options_of(command):
            assert re.fullmatch(r"[-_a-z0-9]{1,32}", option["name"])
            assert 1 <= len(option["description"]) <= 100


# ------------------------------------------------------------------- --check


@contextmanager
def in_thread():
    """A Discord in a thread of its own, for a process that blocks."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    async def made():
        discord = discord_with_the_app()
        await discord.start()
        return discord

    def run(coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, loop).result(30)

    discord = run(made())
    try:
        yield discord
    finally:
        run(discord.stop())
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@pytest.fixture
def discord():
    with in_thread() as server:
        yield server


@pytest.fixture
def check(discord, tmp_path):
    """Run `python -m bots discord --check` against our Discord: (exit code, what it said)."""

    def run(**environment):
        given = {
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            "PYTHONPATH": str(ROOT),
            "MMRAG_HOME": str(tmp_path / "home"),
            "MMRAG_DISCORD_API_URL": discord.api_url,
            "DISCORD_TOKEN": discord.bot_token,
        } | environment
        process = subprocess.run(
            [sys.executable, "-m", "bots", "discord", "--check"],
            cwd=ROOT,
            env=given,
            capture_output=True,
            text=True,
            check=False,
        )
        said = process.stdout + process.stderr
        assert not given["DISCORD_TOKEN"] or given["DISCORD_TOKEN"] not in said
        return process.returncode, said

    return run


def test_check_finds_everything_in_order_and_leaves_nothing_behind(check, discord):
    code, said = check()
    assert (code, said.count("ok ")) == (0, 5)
    assert "The gateway connects" in said
    assert "Permissions are whole in 1 of 1 servers" in said
    assert "The Message Content Intent is off" in said
    assert discord.calls("create_message") == []


def test_check_names_the_permissions_that_are_missing_and_the_intent(check, discord):
    for role in discord.guild.roles.values():
        role.permissions &= ~(Permission.CREATE_PUBLIC_THREADS | Permission.ATTACH_FILES)
    code, said = check(MMRAG_DISCORD_MESSAGE_CONTENT="on")
    assert code == 1
    assert "In acme I lack Attach Files, Create Public Threads" in said
    assert "the application may not" in said


def test_check_says_where_to_get_a_token_and_how_to_be_invited(check, discord):
    assert check(DISCORD_TOKEN="")[0] == 2
    code, said = check(DISCORD_TOKEN="wrong")  # noqa: S106 - it is meant to be
    assert (code, "Reset Token" in said) == (1, True)
    discord.remove_bot(discord.guild)
    code, said = check()
    assert (code, invite_link(discord.bot) in said) == (1, True)


def test_check_says_that_discord_cannot_be_reached(check):
    code, said = check(MMRAG_DISCORD_API_URL="http://127.0.0.1:9/api/v10")
    assert (code, "Discord cannot be reached" in said) == (1, True)
