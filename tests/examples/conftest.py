"""The examples as they are committed, and as the script draws them anew."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(scope="session")
def examples():
    return EXAMPLES


@pytest.fixture(scope="session")
def questions():
    lines = (EXAMPLES / "questions.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


@pytest.fixture(scope="session")
def drawn_twice(tmp_path_factory):
    """Two folders, drawn by two processes whose hashes are seeded differently."""
    folders = [tmp_path_factory.mktemp("drawn") for _ in range(2)]
    runs = [
        subprocess.Popen(
            [sys.executable, str(EXAMPLES / "make_examples.py"), str(folder)],
            env=os.environ | {"PYTHONHASHSEED": str(seed)},
            stdout=subprocess.DEVNULL,
        )
        for seed, folder in enumerate(folders)
    ]
    assert [run.wait(timeout=100) for run in runs] == [0, 0]
    return folders


@pytest.fixture(scope="session")
def read_words(examples_reader):
    """What the readers see in an example, as one line of text; each file is read once."""
    seen = {}

    def read(name):
        path = next(EXAMPLES.rglob(Path(name).name))
        if path not in seen:
            pages = examples_reader.read(path.read_bytes(), name=path.name).pages
            seen[path] = " ".join(" ".join(page.text for page in pages).split())
        return seen[path]

    return read
