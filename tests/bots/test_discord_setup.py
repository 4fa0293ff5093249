"""deploy/discord: the link asks for what the code uses, and `--check` names what is missing."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from bots.discord.check import check
from bots.discord.commands import SETTINGS, commands
from bots.discord.service import (
    PERMISSIONS,
    SCOPES,
    DiscordSettings,
    Shards,
    invite_link,
    shards_of,
    titles,
)
from mmrag.errors import InvalidSettings
from tests.discord_server.bot import discord_with_the_app
from tests.discord_server.permissions import Permission
from tests.discord_server.pointing import pointed_at

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


@pytest.mark.parametrize(
    ("text", "ids"),
    [("0-3/8", (0, 1, 2, 3)), ("5/6", (5,)), (" 0, 2-3 / 4 ", (0, 2, 3)), ("0/1", (0,)), ("2,2/3", (2,))],
)
def test_a_process_is_told_which_shards_it_holds(text, ids):
    assert shards_of(text) == Shards(ids, int(text.split("/")[1]))


@pytest.mark.parametrize(
    "text", ["3", "4/4", "3-1/4", "-1/4", "a/4", "0/0", "/4", "0,/2", "0-99999999/9", "0/²"]
)
def test_what_names_no_shards_is_told_in_a_sentence(text):
    with pytest.raises(InvalidSettings, match="0-3/8"):
        shards_of(text)


def test_without_a_word_about_shards_a_process_holds_all_of_them():
    assert shards_of("") is None


# ------------------------------------------------------------------- --check


def found(prepare=lambda _: None, **settings):
    """What `--check` finds in our Discord, after it was prepared: (whether all is well, what it says)."""

    async def run():
        discord = discord_with_the_app()
        async with discord:
            prepare(discord)
            given = {"token": discord.bot_token, "api_url": discord.api_url} | settings
            with pointed_at(discord):
                findings = await check(DiscordSettings(folder=Path(), **given))
            assert discord.calls("create_message") == []
        said = "\n".join(finding.text for finding in findings)
        assert discord.bot_token not in said
        return all(finding.good for finding in findings), said

    return asyncio.run(run())


def test_check_finds_everything_in_order_and_leaves_nothing_behind():
    good, said = found()
    assert good
    assert "The token is mmrag's" in said
    assert "The gateway connects" in said
    assert "Permissions are whole in 1 of 1 servers" in said
    assert "The Message Content Intent is off" in said


def test_check_names_the_permissions_that_are_missing_and_the_intent():
    def prepare(discord):
        for role in discord.guild.roles.values():
            role.permissions &= ~(Permission.CREATE_PUBLIC_THREADS | Permission.ATTACH_FILES)

    good, said = found(prepare, message_content="on")
    assert not good
    assert "In acme I lack Attach Files, Create Public Threads" in said
    assert "the application may not" in said


def test_check_says_where_to_get_a_token():
    good, said = found(token="wrong")  # noqa: S106 - it is meant to be
    assert (good, "Reset Token" in said) == (False, True)


def test_check_says_how_to_be_invited():
    good, said = found(lambda discord: discord.remove_bot(discord.guild))
    assert (good, "invite it by  https://discord.com/oauth2/authorize?client_id=" in said) == (False, True)


def test_check_says_that_discord_cannot_be_reached_and_exits_with_1(tmp_path):
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "PYTHONPATH": str(ROOT),
        "MMRAG_HOME": str(tmp_path / "home"),
        "MMRAG_DISCORD_API_URL": "http://127.0.0.1:9/api/v10",
        "DISCORD_TOKEN": "wrong",
    }
    process = subprocess.run(
        [sys.executable, "-m", "bots", "discord", "--check"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 1
    assert "MISSING Discord cannot be reached" in process.stdout
