"""The server as a process of its own: a bot beside it can be killed and started again."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.parse
import urllib.request
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def process():
    command = [sys.executable, "-m", "tests.discord_server"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as running:
        yield json.loads(running.stdout.readline())
        running.terminate()
        assert running.wait(10) == 0


def test_a_process_of_its_own_is_written_to_and_looked_at(process):
    def look(address, body=None, **headers):
        asked = urllib.request.Request(address, body, headers)  # noqa: S310 - our own address
        with urllib.request.urlopen(asked) as answer:  # noqa: S310 - as above
            return answer.read().decode()

    said = urllib.parse.urlencode({"text": "hello there", "mention": "on"}).encode()
    assert "hello there" in look(f"{process['url']}/say", said)
    (message,) = json.loads(look(f"{process['url']}/seen"))["messages"]
    assert message["mentions"][0]["username"] == "mmrag"
    look(
        f"{process['api_url']}/channels/{process['channel']}/messages",
        json.dumps({"content": "good **day**"}).encode(),
        **{"Authorization": f"Bot {process['bot_token']}", "Content-Type": "application/json"},
    )
    assert "good <b>day</b>" in look(process["url"])
