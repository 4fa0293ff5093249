"""The units: understood by systemd, closed off, and their very commands run."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import tarfile
import threading
import time
import urllib.request
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from mmrag.remote import RemoteEngine
from mmrag.types import Source
from tests.deploy.conftest import DEPLOY, PLATFORMS, ROOT, check_command, check_setting
from tests.machine import free_port

FOLDER = DEPLOY / "systemd"
UNITS = sorted(FOLDER.glob("*.service"))
MOST_EXPOSED = 2.0  # of 10, by `systemd-analyze security`
INSTALLED = "/opt/mmrag/bin/"
HERE = f"{Path(sys.executable).parent}/"
SECONDS = 90
CLEAN = (0, -signal.SIGTERM)  # what systemd takes for a clean end


def values(unit, key):
    return re.findall(rf"^{key}=-?(.*)$", unit.read_text(), re.MULTILINE)


def environment(unit):
    return dict(pair.split("=", 1) for line in values(unit, "Environment") for pair in line.split())


def command(unit, instance="slack", **variables):
    """The words of ExecStart as systemd would hand them on, in this environment's programs."""
    (line,) = values(unit, "ExecStart")
    variables = environment(unit) | variables
    line = line.replace("%i", instance).replace("%%", "%").replace(INSTALLED, HERE)
    line = re.sub(r"\$\{(\w+)\}", lambda match: variables[match[1]], line)
    return [word.replace("$$", "$") for word in shlex.split(line)]


@pytest.fixture
def unit_files(tmp_path):
    """The units, with the programs of this environment in the place of installed ones."""
    for unit in [*UNITS, *FOLDER.glob("*.timer")]:
        text = unit.read_text().replace(INSTALLED, HERE)
        (tmp_path / unit.name.replace("@.", "@slack.")).write_text(text)
    return sorted(tmp_path.glob("*.*"))


def test_systemd_understands_the_units(unit_files, tool):
    tool("systemd-analyze", "verify", "--man=no", *unit_files)


def test_systemd_finds_little_that_a_unit_may_do(unit_files, tool):
    for unit in unit_files:
        if unit.suffix == ".service":
            said = tool("systemd-analyze", "security", "--offline=true", "--no-pager", unit)
            (level,) = re.findall(r"Overall exposure level for \S+: ([\d.]+)", said)
            assert float(level) <= MOST_EXPOSED, unit.name


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_a_unit_speaks_of_what_there_is(unit):
    for name, value in environment(unit).items():
        check_setting(name, value)
    words = command(unit)
    if words[0] == "/bin/sh":
        words = shlex.split(words[2].replace("$(date -u +%Y%m%d-%H%M%S)", "now"))[1:]
    check_command(words)
    users = {
        line.split()[1] for line in (FOLDER / "sysusers.conf").read_text().splitlines() if line[:2] == "u "
    }
    assert set(values(unit, "User")) <= users
    folders = {
        line.split()[1] for line in (FOLDER / "tmpfiles.conf").read_text().splitlines() if line[:2] == "d "
    }
    for file in values(unit, "EnvironmentFile"):
        assert str(Path(file).parent) in folders
    for line in values(unit, "ReadWritePaths"):
        assert set(line.split()) <= folders | {"/var/lib/mmrag", "/var/lib/mmrag-bot-%i"}  # StateDirectory


def test_a_bots_unit_is_for_every_platform():
    (line,) = values(FOLDER / "mmrag-bot@.service", "ExecStart")
    for platform in PLATFORMS:
        check_command(shlex.split(line.replace("%i", platform)))


# ----------------------------------------------------------------------- really run


@contextmanager
def started(words, **variables):
    """A program with this environment only, ended as systemd would."""
    given = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **variables}
    with subprocess.Popen(words, env=given, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(SECONDS) in CLEAN, words


def fetched(url, *, data=None, **headers):
    request = urllib.request.Request(url, data, headers)  # noqa: S310 - our own servers
    with urllib.request.urlopen(request, timeout=SECONDS) as answer:  # noqa: S310 - as above
        return answer.read().decode()


def until(condition, *, every=0.1):
    """What the condition comes to be true with, looked at now and then."""
    deadline, pause = time.monotonic() + SECONDS, threading.Event()
    while not (found := condition()):
        assert time.monotonic() < deadline
        pause.wait(every)
    return found


@pytest.fixture
def home(tmp_path, shared_models, embedder):
    """A data folder whose model is converted already: an engine is ready in seconds."""
    del shared_models
    embedder.embed_queries(["Are you there?"])
    return tmp_path / "home"


QUESTION = b"text=How+many+days+of+annual+leave+do+we+have%3F&mention=on"


def slack_tokens(told):
    """The collection of a workspace, and the settings of a bot in it."""
    who = fetched(told["api_url"] + "auth.test", data=b"", Authorization=f"Bearer {told['bot_token']}")
    given = {"SLACK_BOT_TOKEN": told["bot_token"], "SLACK_APP_TOKEN": told["app_token"]}
    return f"slack-{json.loads(who)['team_id']}", given | {"MMRAG_SLACK_API_URL": told["api_url"]}


def discord_tokens(told):
    """As `slack_tokens`, of a guild."""
    given = {"DISCORD_TOKEN": told["bot_token"], "MMRAG_DISCORD_API_URL": told["api_url"]}
    return f"discord-{told['guild']}", given


def test_the_commands_of_the_units_are_an_engine_two_bots_and_a_backup(home, tmp_path, own_settings):
    del own_settings
    engine_unit, bot_unit, backup_unit = (
        FOLDER / f"{name}.service" for name in ("mmrag-engine", "mmrag-bot@", "mmrag-backup")
    )
    given = {"MMRAG_HOME": str(home), "MMRAG_SERVE_PORT": str(free_port())}
    url = f"http://127.0.0.1:{given['MMRAG_SERVE_PORT']}"
    handbook = (ROOT / "examples" / "knowledge" / "handbook.md").read_bytes()
    with ExitStack() as stack:
        stack.enter_context(started(command(engine_unit), **environment(engine_unit) | given))
        chats = {
            name: stack.enter_context(started([sys.executable, "-m", f"tests.{name}_server"]))
            for name in ("slack", "discord")
        }
        addresses = []
        for name, tokens_of in (("slack", slack_tokens), ("discord", discord_tokens)):
            words = [command(engine_unit)[0], "keys", "add", name, "--collection", f"{name}-*"]
            made = subprocess.run(
                words, env=os.environ | given, cwd=ROOT, capture_output=True, text=True, check=True
            )
            key = made.stdout.strip()
            told = json.loads(chats[name].stdout.readline())
            collection, tokens = tokens_of(told)
            until(lambda: is_ready(url))
            with RemoteEngine(url, key=key) as engine:
                engine.add(Source("handbook.md", handbook, "test:handbook.md"), collection=collection)
            words = command(bot_unit, name, ENGINE_URL=url)
            tokens |= {"MMRAG_ENGINE_KEY": key, "MMRAG_HOME": str(tmp_path / name)}
            stack.enter_context(started(words, **environment(bot_unit) | tokens))
            addresses.append(told["url"])
        for address in addresses:
            until(lambda address=address: is_answered(address), every=1.0)

        (tmp_path / "backups").mkdir()
        words = [
            word.replace("/var/backups/mmrag", str(tmp_path / "backups")) for word in command(backup_unit)
        ]
        subprocess.run(words, env=os.environ | given, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    (file,) = (tmp_path / "backups").iterdir()
    assert re.fullmatch(r"engine-\d{8}-\d{6}\.tar", file.name)
    with tarfile.open(file) as backup:
        assert "store.sqlite3" in backup.getnames()


def is_answered(address):
    """Ask, and look whether it was answered: before the bot is there for the first time nobody hears it."""
    fetched(address + "/say", data=QUESTION)
    return "27 days" in fetched(address + "/seen")


def is_ready(url):
    try:
        return fetched(url + "/readyz")
    except OSError:
        return None
