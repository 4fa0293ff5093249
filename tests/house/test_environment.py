"""tools/environment: sets up once, again when it must, and says in one sentence what is missing.

The interpreter and its pip are stood in for by a shell script: what is tested is when they are
called. The real installation is what runs this test.
"""

from __future__ import annotations

import shutil
import subprocess

import pytest

INTERPRETER = """#!/bin/sh
case "$*" in
    -V) echo Python {version} ;;
    "-c import sys"*) {fits} ;;
    "-c import ensurepip"*) {has_venv} ;;
    "-m venv .venv") mkdir -p .venv/bin && cp "$0" .venv/bin/python ;;
    "-m pip install"*) echo "$*" >> installations && ! [ -e offline ] ;;
esac
"""
NEEDED = ("basename", "cat", "chmod", "cksum", "cp", "dirname", "mkdir", "rm", "sed", "sh")


@pytest.fixture
def clone(tmp_path, root):
    """A folder, with a space in its name, that holds what setting up needs."""
    folder = tmp_path / "a clone"
    shutil.copytree(root / "tools", folder / "tools")
    for name in ("pyproject.toml", "constraints.txt"):
        shutil.copy(root / name, folder)
    return folder


@pytest.fixture
def programs(tmp_path):
    """The only folder on the PATH."""
    folder = tmp_path / "programs"
    folder.mkdir()
    for name in NEEDED:
        (folder / name).symlink_to(shutil.which(name))
    return folder


@pytest.fixture
def install_python(programs):
    def install(name="python3", *, version="3.11.2", fits=True, has_venv=True):
        program = programs / name
        program.write_text(
            INTERPRETER.format(version=version, fits=str(fits).lower(), has_venv=str(has_venv).lower())
        )
        program.chmod(0o755)

    return install


@pytest.fixture
def set_up(clone, programs):
    """Run tools/environment; returns the finished process."""

    def set_up(extras="cpu", *, folder=clone, **environment):
        return subprocess.run(
            [folder / "tools" / "environment", extras],
            env={"PATH": str(programs)} | environment,
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
        )

    return set_up


def installations(folder):
    log = folder / "installations"
    return [line.split()[-1] for line in log.read_text().splitlines()] if log.exists() else []


def test_the_second_time_nothing_is_installed(clone, install_python, set_up):
    install_python()
    assert set_up().returncode == 0
    again = set_up()
    assert (again.returncode, again.stdout, again.stderr) == (0, "", "")
    assert installations(clone) == [".[cpu]"]


def test_the_checks_add_to_what_the_demo_installed_and_the_demo_takes_nothing_away(
    clone, install_python, set_up
):
    install_python()
    for extras in ("cpu", "cpu,dev", "cpu"):
        assert set_up(extras).returncode == 0
    assert installations(clone) == [".[cpu]", ".[cpu,dev]"]


@pytest.mark.parametrize("name", ["pyproject.toml", "constraints.txt"])
def test_a_changed_dependency_is_installed(name, clone, install_python, set_up):
    install_python()
    set_up("cpu,dev")
    with (clone / name).open("a") as file:
        file.write("# changed\n")
    assert set_up("cpu").returncode == 0
    assert installations(clone) == [".[cpu,dev]", ".[cpu,dev]"]


def test_a_failed_installation_says_so_and_the_next_one_starts_afresh(clone, install_python, set_up):
    install_python()
    (clone / "offline").touch()
    failed = set_up()
    assert failed.returncode == 1
    assert "failed" in failed.stderr
    (clone / ".venv" / "half a package").touch()
    (clone / "offline").unlink()
    assert "Replacing .venv" in set_up().stdout
    assert not (clone / ".venv" / "half a package").exists()


def test_a_folder_that_was_moved_gets_an_environment_of_its_own(clone, install_python, set_up):
    install_python()
    set_up()
    moved = clone.rename(clone.with_name("elsewhere"))
    assert "Replacing .venv" in set_up(folder=moved).stdout
    assert installations(moved) == [".[cpu]", ".[cpu]"]


def test_an_environment_of_a_python_that_is_gone_is_replaced(clone, install_python, set_up):
    install_python()
    set_up()
    (clone / ".venv" / "bin" / "python").unlink()
    assert set_up().returncode == 0
    assert installations(clone) == [".[cpu]", ".[cpu]"]


def test_another_python_can_be_asked_for(clone, install_python, set_up):
    install_python()
    install_python("python3.13", version="3.13.0")
    set_up()
    assert "Python 3.13.0" in set_up(PYTHON="python3.13").stdout
    assert set_up(PYTHON="python3.13").stdout == ""
    assert set_up().stdout == ""
    assert len(installations(clone)) == 2


def test_an_old_python3_is_passed_over_for_a_newer_one(install_python, set_up):
    install_python(version="3.9.2", fits=False)
    install_python("python3.12", version="3.12.1")
    assert "Python 3.12.1" in set_up().stdout


@pytest.mark.parametrize(
    ("python3", "sentence"),
    [
        (None, "python3 is not installed: run  apt-get install python3-venv"),
        ({"version": "3.9.2", "fits": False}, "python3 is Python 3.9.2: run  apt-get install python3-venv"),
        ({"has_venv": False}, "python3 cannot make environments: run  apt-get install python3-venv"),
    ],
)
def test_what_is_missing_is_named_with_the_command_that_installs_it(
    python3, sentence, clone, install_python, set_up
):
    if python3 is not None:
        install_python(**python3)
    process = set_up()
    assert process.returncode == 1
    assert sentence in process.stderr
    assert len(process.stderr.splitlines()) == 1
    assert not (clone / ".venv").exists()


def test_a_wrong_python_that_was_asked_for_leaves_the_environment_alone(clone, install_python, set_up):
    install_python()
    set_up()
    process = set_up(PYTHON="python2")
    assert process.returncode == 1
    assert "PYTHON=python2 is not installed" in process.stderr
    assert set_up().stdout == ""
    assert installations(clone) == [".[cpu]"]
