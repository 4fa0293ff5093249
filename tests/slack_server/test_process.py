"""The server as a process of its own: a bot beside it can be killed and started again."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.parse
import urllib.request
from pathlib import Path

import pytest
from slack_sdk import WebClient

ROOT = Path(__file__).parents[2]


@pytest.fixture
def process():
    command = [sys.executable, "-m", "tests.slack_server"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as running:
        yield json.loads(running.stdout.readline())
        running.terminate()
        assert running.wait(10) == 0


def test_a_process_of_its_own_is_written_to_and_looked_at(process):
    def look(path, **data):
        body = urllib.parse.urlencode(data).encode() if data else None
        with urllib.request.urlopen(process["url"] + path, body) as answer:  # noqa: S310 - our own address
            return answer.read().decode()

    assert "hello there" in look("/say", text="hello there", mention="on")
    client = WebClient(process["bot_token"], base_url=process["api_url"])
    (said,) = json.loads(look("/seen"))["messages"]
    channel = client.conversations_list()["channels"][0]["id"]
    client.chat_postMessage(channel=channel, thread_ts=said["ts"], text="good day")
    assert "good day" in look("/")
