"""The README says what is there: its file tree, its dependencies and its commands are checked."""

from __future__ import annotations

import re
from fnmatch import fnmatch

import pytest
from packaging.requirements import Requirement


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


def test_every_dependency_has_a_reason(readme, requirements):
    rows = re.findall(r"^\|(.+?)\|(.*)\|\s*$", readme, re.MULTILINE)
    reasons = {
        name.lower(): reason.strip() for names, reason in rows for name in re.findall(r"[\w.-]+", names)
    }
    names = {Requirement(text).name for texts in requirements.values() for text in texts}
    assert sorted(name for name in names if len(reasons.get(name.lower(), "").split()) < 2) == []


def test_the_commands_shown_exist(blocks, run_python, root):
    shown = "\n".join(blocks)
    help_text = run_python("-c", "from mmrag.cli import main; main(['--help'])").stdout
    commands = set(re.findall(r"^(?:\$ )?mmrag (\w+)", shown, re.MULTILINE))
    assert commands, "the README shows no command"
    assert {name for name in commands if not re.search(rf"^ +{name}\b", help_text, re.MULTILINE)} == set()

    makefile = (root / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^(?:\$ )?make (\w+)", shown, re.MULTILINE))
    assert {"demo", "test"} <= targets
    assert {name for name in targets if not re.search(rf"^{name}:", makefile, re.MULTILINE)} == set()


def test_the_adapters_shown_exist(readme, run_python):
    help_text = run_python("-m", "bots", "--help").stdout
    adapters = set(re.findall(r"python -m bots (\w+)", readme))
    assert {name for name in adapters if name not in help_text} == set()
