"""What the tests of the house look at: the repository's own files."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def root():
    return ROOT


@pytest.fixture(scope="session")
def run():
    """Run a program in the repository; returns the finished process, which must have ended with 0."""

    def run(*command):
        process = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        assert process.returncode == 0, process.stderr
        return process

    return run


@pytest.fixture(scope="session")
def run_python(run):
    """Run this very Python with these arguments."""
    return lambda *arguments: run(sys.executable, *arguments)


@pytest.fixture(scope="session")
def files():
    """Every file of the repository; works in a tree without git, too."""
    ignored = [".git", *(line.rstrip("/") for line in (ROOT / ".gitignore").read_text().split())]

    def kept(names):
        return [name for name in names if not any(fnmatch(name, pattern) for pattern in ignored)]

    found = []
    for folder, folders, names in os.walk(ROOT):
        folders[:] = kept(folders)
        found += [Path(folder, name) for name in kept(names)]
    return sorted(found)


@pytest.fixture(scope="session")
def project():
    """The [project] table of pyproject.toml."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


@pytest.fixture(scope="session")
def requirements(project):
    """Every requirement text of pyproject.toml by its extra ("" for the base), self-references left out."""
    tables = {"": project["dependencies"], **project["optional-dependencies"]}
    return {
        extra: [text for text in texts if not text.startswith(f"{project['name']}[")]
        for extra, texts in tables.items()
    }
