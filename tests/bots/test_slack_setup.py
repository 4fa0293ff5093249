"""deploy/slack: the manifest asks for what the code uses, and `--check` names what is missing."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bots.slack.intake import ADD_SHORTCUT, ASK_SHORTCUT
from bots.slack.service import EVENTS, SCOPES
from bots.slack.tokens import load_key
from tests.slack_server.api import METHODS
from tests.slack_server.threaded import in_thread

ROOT = Path(__file__).parents[2]
OF_EVENTS = {  # what Slack asks for before it tells of these
    "app_mention": "app_mentions:read",
    "message.channels": "channels:history",
    "message.groups": "groups:history",
    "message.im": "im:history",
    "message.mpim": "mpim:history",
    "reaction_added": "reactions:read",
    "reaction_removed": "reactions:read",
}
OF_PLACES = {"conversations.info": "read", "conversations.members": "read", "conversations.open": "write"} | {
    f"conversations.{what}": "history" for what in ("history", "replies")
}


@pytest.fixture(scope="module")
def manifest():
    return json.loads((ROOT / "deploy/slack/manifest.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def called():
    """The methods of the Web API that the code names."""
    sources = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "bots/slack").glob("*.py"))
    families = "|".join({name.partition(".")[0] for name in METHODS} - {"bots"})  # a folder of ours, too
    return set(re.findall(rf'"((?:{families})\.[A-Za-z.0-9]+)"', sources))


def test_the_manifest_asks_for_the_scopes_of_every_method_that_is_called(manifest, called):
    asked = set(manifest["oauth_config"]["scopes"]["bot"])
    assert {"chat.postMessage", "chat.startStream", "views.open", "files.info"} <= called
    assert called - METHODS.keys() == set(), "our Slack does not know them"
    lacking = {
        name: METHODS[name].scopes
        for name in called - {"apps.connections.open"}  # the app-level token's own
        if METHODS[name].scopes and not asked & set(METHODS[name].scopes)
    }
    assert lacking == {}
    for name, what in OF_PLACES.items():
        kinds = ("im",) if what == "write" else ("channels", "groups", "im", "mpim")
        assert name not in called or {f"{kind}:{what}" for kind in kinds} <= asked


def test_the_manifest_asks_for_nothing_that_is_not_used(manifest, called):
    used = set(OF_EVENTS.values()) | {"commands"}
    for name in called:
        used |= set(METHODS[name].scopes)
        if name in OF_PLACES:
            used |= {f"{kind}:{OF_PLACES[name]}" for kind in ("channels", "groups", "im", "mpim")}
    assert set(manifest["oauth_config"]["scopes"]["bot"]) - used == set()


def test_scopes_and_events_are_the_codes_own(manifest):
    assert sorted(SCOPES) == manifest["oauth_config"]["scopes"]["bot"]
    events = manifest["settings"]["event_subscriptions"]["bot_events"]
    assert sorted(EVENTS) == events
    assert {OF_EVENTS[event] for event in events if event in OF_EVENTS} <= set(SCOPES)


def test_shortcuts_and_commands_are_those_that_the_code_answers(manifest):
    features = manifest["features"]
    assert {each["callback_id"] for each in features["shortcuts"]} == {ADD_SHORTCUT, ASK_SHORTCUT}
    assert {each["command"] for each in features["slash_commands"]} == {"/ask", "/kb"}
    assert features["app_home"]["home_tab_enabled"]
    assert features["app_home"]["messages_tab_enabled"]
    assert manifest["settings"]["interactivity"]["is_enabled"]


def test_the_manifest_keeps_to_slacks_lengths(manifest):
    about = manifest["display_information"]
    assert len(about["name"]) <= 35
    assert len(about["description"]) <= 140
    assert 174 <= len(about["long_description"]) <= 4000
    for shortcut in manifest["features"]["shortcuts"]:
        assert len(shortcut["name"]) <= 24
        assert len(shortcut["description"]) <= 150
    for command in manifest["features"]["slash_commands"]:
        assert len(command["description"]) <= 2000
        assert len(command["usage_hint"]) <= 1000


def test_the_guide_names_every_token_and_the_manifest():
    guide = (ROOT / "deploy/slack/README.md").read_text(encoding="utf-8")
    for name in (
        "SLACK_BOT_TOKEN",
        "SLACK_APP_TOKEN",
        "SLACK_SIGNING_SECRET",
        "connections:write",
        "manifest.json",
    ):
        assert name in guide


# ------------------------------------------------------------------- --check


@pytest.fixture
def slack():
    with in_thread() as (server, _):
        yield server


@pytest.fixture
def check(slack, tmp_path):
    """Run `python -m bots slack --check` against our Slack: (exit code, what it said)."""

    def run(**environment):
        given = {
            "SLACK_BOT_TOKEN": slack.bot_token,
            "SLACK_APP_TOKEN": slack.app_token,
            "MMRAG_SLACK_API_URL": slack.api_url,
            "MMRAG_HOME": str(tmp_path / "home"),
            "PATH": "/usr/bin:/bin",
        } | environment
        process = subprocess.run(
            [sys.executable, "-m", "bots", "slack", "--check"],
            cwd=ROOT,
            env=given,
            capture_output=True,
            text=True,
            check=False,
        )
        said = process.stdout + process.stderr
        for secret in (given["SLACK_BOT_TOKEN"], given["SLACK_APP_TOKEN"]):
            assert not secret or secret not in said
        return process.returncode, said

    return run


def test_check_finds_everything_in_order_and_leaves_nothing_behind(check, slack):
    code, said = check()
    assert (code, said.count("ok ")) == (0, 4)
    assert "Socket Mode connects" in said
    assert "Files can be sent up and fetched" in said
    assert all(file.deleted for file in slack.world.files.values())
    assert all(not channel.messages for channel in slack.world.channels.values())


def test_check_names_the_scopes_that_are_missing(check, slack):
    scopes = set(SCOPES) - {"files:read", "users:read"}
    poor = slack.world.add_token("bot", team=slack.team.id, user=slack.bot, scopes=scopes)
    code, said = check(SLACK_BOT_TOKEN=poor.value)
    assert code == 1
    assert "files:read, users:read" in said


@pytest.mark.parametrize(
    ("setting", "value", "wanted"),
    [
        ("SLACK_BOT_TOKEN", "xoxb-wrong", "does not take SLACK_BOT_TOKEN (invalid_auth)"),
        ("SLACK_APP_TOKEN", "xapp-wrong", "does not take SLACK_APP_TOKEN (invalid_auth)"),
        ("MMRAG_SLACK_API_URL", "http://127.0.0.1:9/api/", "Slack cannot be reached"),
    ],
)
def test_check_says_what_to_do(check, setting, value, wanted):
    code, said = check(**{setting: value})
    assert code == 1
    assert wanted in said


def test_check_knows_a_bot_token_where_the_apps_should_be(check, slack):
    code, said = check(SLACK_APP_TOKEN=slack.bot_token)
    assert code == 1
    assert "begins with xapp-" in said


def test_check_finds_that_files_are_answered_with_a_sign_in_page(check, slack):
    slack.faults.page("files.download", times=None)
    code, said = check()
    assert code == 1
    assert "Files cannot be fetched" in said
    assert "files:read" in said


def test_check_says_which_token_is_not_given_at_all(check):
    code, said = check(SLACK_BOT_TOKEN="")
    assert code == 2
    assert "SLACK_BOT_TOKEN is missing" in said


def test_check_knows_the_secret_of_an_app_for_several_workspaces(check, slack):
    app = slack.world.app
    several = {"SLACK_BOT_TOKEN": "", "SLACK_CLIENT_ID": app.client_id}
    code, said = check(**several, SLACK_CLIENT_SECRET=app.client_secret)
    assert (code, "client secret is the app's" in said) == (0, True)
    code, said = check(**several, SLACK_CLIENT_SECRET="wrong")  # noqa: S106 - it is meant to be
    assert (code, "bad_client_secret" in said) == (1, True)


def test_bots_that_start_at_once_make_one_key_for_the_tokens(tmp_path):
    together = threading.Barrier(8)

    def sealed(number):
        together.wait()
        return load_key("", tmp_path / "token.key").encrypt(str(number).encode())

    with ThreadPoolExecutor(8) as pool:
        tokens = list(pool.map(sealed, range(8)))
    key = load_key("", tmp_path / "token.key")
    assert [key.decrypt(token) for token in tokens] == [str(number).encode() for number in range(8)]
    assert [path.name for path in tmp_path.iterdir()] == ["token.key"]
    assert (tmp_path / "token.key").stat().st_mode & 0o777 == 0o600
