"""The README says what is there: its file tree, its dependencies and its commands are checked."""

from __future__ import annotations

import re
import shlex
from fnmatch import fnmatch

import pytest
from packaging.requirements import Requirement

from mmrag.cli.parser import build_parser


@pytest.fixture(scope="module")
def readme(root):
    return (root / "README.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def blocks(readme):
    """The fenced blocks."""
    return re.findall(r"^```[^\n]*\n(.*?)^```$", readme, re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def tree(blocks):
    """{path: role} of the file tree: one `name  role` a line, folders end with /, two spaces a level."""
    (block,) = (block for block in blocks if re.search(r"^mmrag/", block, re.MULTILINE))
    paths, parents = {}, []
    for line in filter(str.strip, block.splitlines()):
        depth = (len(line) - len(line.lstrip())) // 2
        name, _, role = line.strip().partition(" ")
        parents[depth:] = [name.rstrip("/")]
        paths["/".join(parents)] = role.strip()
    return paths


def test_the_tree_names_what_exists(tree, root):
    assert [path for path in tree if not (root / path).exists()] == []


def test_the_tree_leaves_nothing_out(tree, files, root):
    entries = {path.relative_to(root).parts for path in files}
    top = {parts[0] for parts in entries}
    within = {"/".join(parts[:2]) for parts in entries if parts[0] in {"mmrag", "bots"}}
    said = {path for path in top | within if not fnmatch(path.split("/")[-1], "[._]*")}
    assert said - tree.keys() == set()


def test_the_tree_gives_each_name_a_role(tree):
    assert [path for path, role in tree.items() if not role] == []


def test_every_dependency_has_one_reason_and_nothing_else_has(readme, requirements):
    _, _, *rows = re.findall(r"^\|(.+?)\|(.*)\|\s*$", readme, re.MULTILINE)
    given = [name.lower() for names, _ in rows for name in re.findall(r"[\w.-]+", names)]
    needed = {Requirement(text).name.lower() for texts in requirements.values() for text in texts}
    assert sorted(given) == sorted(needed)
    assert [names for names, reason in rows if len(reason.split()) < 2] == []


def test_the_commands_shown_can_be_typed_and_all_take_json(blocks):
    commands = re.findall(r"^mmrag (\w[^#\n]+)", "\n".join(blocks), re.MULTILINE)
    assert commands, "the README shows no command"
    for command in commands:
        words = [word for word in shlex.split(command) if word != "--json"]
        assert build_parser().parse_args([*words, "--json"]).json, (
            command
        )  # what it does not know ends the test


def test_no_command_is_left_out(blocks, run_python):
    help_text = run_python("-c", "from mmrag.cli import main; main(['--help'])").stdout
    commands = set(re.findall(r"^    (\w+)", help_text, re.MULTILINE))
    shown = set(re.findall(r"^mmrag (\w+)", "\n".join(blocks), re.MULTILINE))
    assert shown == commands


def test_the_make_targets_shown_exist(readme, root):
    makefile = (root / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"(?:^|`)make (\w+)", readme, re.MULTILINE))
    assert {"demo", "test"} <= targets
    assert {name for name in targets if not re.search(rf"^{name}:", makefile, re.MULTILINE)} == set()


def test_the_adapters_shown_exist(readme, run_python):
    help_text = run_python("-m", "bots", "--help").stdout
    adapters = set(re.findall(r"python -m bots (\w+)", readme))
    assert {name for name in adapters if name not in help_text} == set()
