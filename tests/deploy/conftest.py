"""What the files of `deploy/` are held against: the project itself, and real tools where there are some."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import mmrag
from bots.__main__ import _parser as bots_parser
from mmrag.cli.parser import build_parser
from mmrag.config import PLATFORM_VARIABLES, Settings

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
VERSION = mmrag.__version__
USER = 10001
OTHERS = {"HF_HUB_OFFLINE", "HF_HOME"}  # of the Hugging Face hub
PLATFORMS = {"slack", "discord"}
TOOLS = {
    "check-jsonschema": "needs the extra dev",
    "hadolint": "download a release of it into PATH",
    "kubectl": "download a release of it into PATH",
    "systemd-analyze": "apt-get install systemd",
}


def check_command(words):
    """Raise SystemExit where the project would not understand this command line, program first."""
    program, *arguments = words
    match Path(program).name, arguments:
        case "mmrag", _:
            build_parser().parse_args(arguments)
        case "python", ["-m", "bots", *rest]:
            bots_parser().parse_args(rest)
        case other:
            raise AssertionError(f"no command of ours: {other}")


def check_setting(name, value):
    """A variable of the environment that the project knows, with a value that it takes."""
    if name in PLATFORM_VARIABLES or name in OTHERS or name in {"PATH", "ENGINE_URL", "KEEP_DAYS"}:
        return
    if name in {"DISCORD_TOKEN", "NVIDIA_VISIBLE_DEVICES", "NVIDIA_DRIVER_CAPABILITIES"}:
        return
    if name.startswith("PYTHON"):
        return
    field = name.removeprefix("MMRAG_").lower()
    assert name.startswith("MMRAG_"), name
    assert field in Settings.model_fields, name
    Settings(**{field: value})


@pytest.fixture(scope="session")
def requirements():
    """Every requirement text of pyproject.toml by its extra ("" for the base)."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return {"": project["dependencies"], **project["optional-dependencies"]}


@pytest.fixture
def tool():
    """Run one of TOOLS on files; skips where it is not installed, and says how it is."""

    def run(program, *arguments, stdin=None):
        beside = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        found = shutil.which(program, path=beside)
        if found is None:
            pytest.skip(f"{program} is not installed: {TOOLS[program]}")
        command = [found, *map(str, arguments)]
        process = subprocess.run(command, input=stdin, cwd=ROOT, capture_output=True, text=True, check=False)
        assert process.returncode == 0, process.stdout + process.stderr
        return process.stdout

    return run
