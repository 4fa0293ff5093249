"""docs/service.md: its commands do what it says, and what it names is there."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from mmrag.config import Settings
from mmrag.service.problems import TITLES
from tests.service.conftest import HANDBOOK

DOCUMENT = Path(__file__).parents[2] / "docs" / "service.md"
TEXT = DOCUMENT.read_text(encoding="utf-8")
RUN = re.findall(r"^<!-- run -->\n```\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)


@pytest.fixture
def place(service, make_key, tmp_path):
    """The variables of the commands, and the folder in which they run."""
    (tmp_path / "handbook.md").write_bytes(HANDBOOK)
    headers = make_key("ana", "team")
    upload = {"files": {"file": ("handbook.md", HANDBOOK)}, "data": {"collection": "team"}}
    [added] = service.post("/v1/documents", headers=headers, **upload).json()["outcomes"]
    question = {"text": "How many days of paid leave does every employee have?", "collections": ["team"]}
    answer = service.post("/v1/ask", json=question, headers=headers).json()
    variables = {
        "URL": str(service.base_url).rstrip("/"),
        "KEY": headers["Authorization"].removeprefix("Bearer "),
        "DOCUMENT": added["document_id"],
        "ANSWER": answer["id"],
    }
    return variables, tmp_path


def test_every_command_of_the_document_succeeds(place):
    variables, folder = place
    assert len(RUN) == 10
    for commands in RUN:
        for command in re.findall(r"curl.*?[^\\](?=\n(?=curl|\Z)|\Z)", commands.strip(), re.DOTALL):
            done = subprocess.run(
                ["bash", "-c", command.replace("curl ", "curl --noproxy '*' --fail-with-body ", 1)],  # noqa: S607 - bash is where it is
                cwd=folder,
                env={"PATH": "/usr/bin:/bin", **variables},
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
            if "event-stream" in command:
                assert "event: answer" in done.stdout
            elif "/metrics" not in command:
                assert json.loads(done.stdout)


def test_every_setting_and_metric_that_it_names_is_there(service):
    named = set(re.findall(r"MMRAG_((?:SERVE|ENGINE)_\w+)", TEXT))
    assert {name.lower() for name in named} <= set(Settings.model_fields)
    metrics = service.get("/metrics").text
    assert [name for name in re.findall(r"`(mmrag_\w+)`", TEXT) if f"# TYPE {name} " not in metrics] == []


def test_it_names_every_code_of_an_error():
    assert [code for code in TITLES if f"`{code}`" not in TEXT] == []


def test_it_describes_every_route(service):
    paths = service.get("/openapi.json").json()["paths"]
    known = {re.sub(r"\{\w+\}", "X", path) for path in paths}
    named = {re.sub(r"(ID|NAME)\b.*", "X", path) for path in re.findall(r"/(?:v1/)?[a-z]+(?:/\w+)*", TEXT)}
    assert {path for path in known if path not in named and path.startswith("/v1")} == set()
