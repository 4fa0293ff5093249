"""`mmrag add` of many files, killed and started again."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

pytestmark = pytest.mark.usefixtures("shared_models")

FILES = 60


def test_after_a_kill_what_was_reported_is_not_done_again_and_the_rest_is(run, tmp_path):
    folder = tmp_path / "files"
    folder.mkdir()
    for number in range(FILES):
        text = f"Sensor {number} reports every {number + 2} minutes. " * 40
        (folder / f"{number:02}.txt").write_text(text, encoding="utf-8")
    command = [sys.executable, "-m", "mmrag", "add", str(folder), "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        killed_after = [json.loads(process.stdout.readline()) for _ in range(5)]
        process.kill()
        killed_after += [json.loads(line) for line in process.stdout if line.endswith("\n")]
    assert {row["status"] for row in killed_after} == {"added"}

    code, out, _ = run("add", folder, "--json")
    rows = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    assert [row["path"] for row in rows] == [str(folder / f"{number:02}.txt") for number in range(FILES)]
    reported = {row["path"] for row in killed_after}
    assert {row["status"] for row in rows if row["path"] in reported} == {"unchanged"}
    assert {row["status"] for row in rows} <= {"unchanged", "added"}
    _, out, _ = run("documents", "--json")
    assert len(json.loads(out)) == FILES
