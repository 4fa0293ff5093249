"""Dependencies: declared where they are imported, pinned down to the last one."""

from __future__ import annotations

import ast
import sys
from importlib.metadata import PackageNotFoundError, packages_distributions
from importlib.metadata import requires as requirements_of

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

OURS = {"mmrag", "bots"}
CHECKED_ELSEWHERE = {"gpu", "gpu-cuvs"}  # exclude `cpu`: all install the package faiss


@pytest.fixture(scope="module")
def pins(root):
    lines = (root / "constraints.txt").read_text(encoding="utf-8").splitlines()
    requirements = [Requirement(line.split(" #")[0]) for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(requirement.name): requirement for requirement in requirements}


def imported_packages(folder):
    """Top-level names that the modules of a folder import, with a file that does."""
    found = {}
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= dict.fromkeys((alias.name.split(".")[0] for alias in node.names), path)
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                found[node.module.split(".")[0]] = path
    local = {path.stem for path in folder.rglob("*.py")} | {path.parent.name for path in folder.rglob("*.py")}
    return {name: path for name, path in found.items() if name not in sys.stdlib_module_names | OURS | local}


def closure(texts):
    """Names of all that these requirements bring along here, themselves included."""
    todo = [(Requirement(text), "") for text in texts]
    seen = set()
    while todo:
        requirement, extra = todo.pop()
        if requirement.marker and not requirement.marker.evaluate({"extra": extra}):
            continue
        for wanted in {"", *requirement.extras}:
            key = (canonicalize_name(requirement.name), wanted)
            if key in seen:
                continue
            seen.add(key)
            try:
                todo += [(Requirement(text), wanted) for text in requirements_of(requirement.name) or ()]
            except PackageNotFoundError:
                continue  # an extra that is not installed here
    return {name for name, _ in seen}


@pytest.mark.parametrize(
    ("folder", "extras"),
    [
        ("mmrag", ["", "engine", "langchain", "mcp", "openai", "quantised", "remote", "http"]),
        ("bots", ["", "slack", "discord"]),
        ("examples", ["", "engine", "dev"]),
        ("tests", ["", "engine", "slack", "discord", "langchain", "mcp", "openai", "remote", "http", "dev"]),
    ],
)
def test_whatever_is_imported_is_declared(folder, extras, root, requirements):
    declared = {canonicalize_name(Requirement(text).name) for extra in extras for text in requirements[extra]}
    distributions = packages_distributions() | {"faiss": ["faiss-cpu"]}
    declared.add("faiss-cpu")
    undeclared = {
        name: str(path.relative_to(root))
        for name, path in imported_packages(root / folder).items()
        if not declared & {canonicalize_name(each) for each in distributions.get(name, [name])}
    }
    assert undeclared == {}


def test_every_declared_dependency_is_pinned_to_a_version_that_it_allows(requirements, pins):
    for extra, texts in requirements.items():
        for requirement in () if extra in CHECKED_ELSEWHERE else map(Requirement, texts):
            pin = pins[canonicalize_name(requirement.name)]
            (version,) = (each.version for each in pin.specifier)
            assert requirement.specifier.contains(version), f"{requirement} is pinned to {version}"


def test_everything_that_comes_along_is_pinned(requirements, pins):
    texts = [
        text for extra, texts in requirements.items() if extra not in CHECKED_ELSEWHERE for text in texts
    ]
    nvidia = ("nvidia-", "cuda-", "triton")  # PyTorch's CUDA build pins them itself
    assert {name for name in closure(texts) - pins.keys() if not name.startswith(nvidia)} == set()


def test_pins_are_exact_public_versions(pins):
    for name, pin in pins.items():
        (specifier,) = pin.specifier
        assert specifier.operator == "==", name
        assert "+" not in specifier.version, f"{name}: a local version is on one index only"
        assert "*" not in specifier.version, name


def test_nothing_is_pinned_that_the_processor_build_must_not_have(pins):
    assert pins.keys() & {"faiss-gpu", "faiss-gpu-cuvs", "torchvision", "mmrag", "pip"} == set()


def test_every_supported_python_is_allowed(project):
    supported = SpecifierSet(project["requires-python"])
    assert "3.10" not in supported
    assert all(version in supported for version in ("3.11.0", "3.12.0", "3.13.0", "3.14.0"))
