"""mmrag keys and mmrag serve, as people call them."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest

ROOT = Path(__file__).parents[2]


def test_a_key_is_shown_once_and_listed_without_its_secret(run):
    code, key, note = run(
        "keys", "add", "ana", "--collection", "team*", "--collection", "shared", "--read-only"
    )
    assert (code, key.startswith("mmrag_")) == (0, True)
    assert "ana, read: team*, shared. It is shown this once" in note
    code, listed, _ = run("keys", "list")
    assert "ana" in listed
    assert "read: team*, shared" in listed
    assert key.strip().split("_", 2)[2] not in listed


def test_keys_are_listed_and_removed_as_json(run):
    added = json.loads(run("keys", "add", "bot", "--admin", "--json")[1])
    assert added.pop("key").split("_")[1] == added["id"]
    assert (added["role"], added["collections"]) == ("admin", ["default"])
    assert json.loads(run("keys", "list", "--json")[1]) == [added]
    assert json.loads(run("keys", "remove", added["id"], "--json")[1]) == [added]
    assert "There are no API keys yet" in run("keys", "list")[1]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["add", "ana", "--collection", "a/b"], "'a/b' is no collection name"),
        (["add", " "], "A key's name has 1 to 100 characters"),
    ],
)
def test_a_key_that_can_not_be_is_refused_with_the_reason(run, arguments, says):
    code, _, error = run("keys", *arguments)
    assert (code, says in error) == (2, True)


def test_a_name_is_given_once_and_of_several_removals_all_or_none_is_done(run):
    run("keys", "add", "ana")
    assert "There is a key called 'ana' already" in run("keys", "add", "ana")[2]
    code, _, error = run("keys", "remove", "ana", "nobody")
    assert (code, "so nothing was removed" in error) == (1, True)
    assert len(json.loads(run("keys", "list", "--json")[1])) == 1


@pytest.mark.usefixtures("shared_models")
@pytest.mark.parametrize(
    ("host", "says"), [("127.0.0.1", "is in use"), ("no.such.host.invalid", "There is no address")]
)
def test_an_address_that_can_not_be_had_is_named(run, host, says):
    run("keys", "add", "ana")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        code, _, error = run("serve", "--host", host, "--port", taken.getsockname()[1])
    assert (code, says in error) == (2, True)


@pytest.mark.usefixtures("shared_models")
def test_serve_says_where_it_answers_and_ends_well_when_it_is_told_to(tmp_path):
    command = [sys.executable, "-m", "mmrag", "serve", "--port", "0", "--json"]
    environment = {**os.environ, "MMRAG_HOME": str(tmp_path / "home"), "MMRAG_LOG_LEVEL": "INFO"}
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as service:
        url = json.loads(service.stdout.readline())["url"]
        assert httpx2.get(f"{url}/v1/collections", trust_env=False).json() == {"collections": []}
        service.send_signal(signal.SIGTERM)
        _, log = service.communicate(timeout=60)
    assert service.returncode == 0
    assert "GET /v1/collections 200" in log
    assert "Traceback" not in log
