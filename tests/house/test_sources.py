"""What holds for every file of the repository."""

from __future__ import annotations

import importlib.util
import io
import re
import tokenize

import pytest

from mmrag.config import PLATFORM_VARIABLES, Settings

OWN_FOLDERS = re.compile(rb"(?<![\w.~-])/(?:home|root|Users|work)/[\w.]")
# With \x2e for the dot, so that this file does not find itself.
PACKAGE_HOSTS = re.compile(rb"(?:pypi|pythonhosted|npmjs|download\x2epytorch|deb\x2edebian)\x2e(?:org|com)")
EXEMPTION = re.compile(r"#\s*(?:noqa|type:\s*ignore)")
REASON = r"\S.{3,}"
REASONED_EXEMPTION = re.compile(
    rf"# noqa: [A-Z]+[0-9]+(?:, [A-Z]+[0-9]+)* - {REASON}|# type: ignore\[[\w, -]+\] +# {REASON}"
)


def comments(path):
    with tokenize.open(path) as file:
        tokens = tokenize.generate_tokens(io.StringIO(file.read()).readline)
        return [(token.start[0], token.string) for token in tokens if token.type == tokenize.COMMENT]


def test_every_exemption_from_a_check_carries_its_reason(files, root):
    bare = [
        f"{path.relative_to(root)}:{line}: {comment}"
        for path in files
        if path.suffix == ".py"
        for line, comment in comments(path)
        if EXEMPTION.search(comment) and not REASONED_EXEMPTION.search(comment)
    ]
    assert bare == []


def test_no_file_names_somebodys_folder(files, root):
    assert [path.relative_to(root) for path in files if OWN_FOLDERS.search(path.read_bytes())] == []


def test_no_file_names_a_host_that_serves_packages(files, root):
    assert [path.relative_to(root) for path in files if PACKAGE_HOSTS.search(path.read_bytes())] == []


def test_no_file_is_larger_than_a_megabyte_and_the_examples_stay_below_four(files, root):
    sizes = {path: path.stat().st_size for path in files}
    assert [path for path, size in sizes.items() if size > 1_000_000] == []
    assert sum(size for path, size in sizes.items() if path.is_relative_to(root / "examples")) < 4_000_000


@pytest.fixture(scope="module")
def documents(files):
    """{path: text} of what is written for people."""
    return {path: path.read_text(encoding="utf-8") for path in files if path.suffix == ".md"}


def anchors(document):
    """What GitHub makes of its headings."""
    headings = re.findall(r"^#+ (.+)$", document, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}


def test_what_documents_link_to_is_there(documents, root):
    links = [
        (path, *target.partition("#")[::2])
        for path, text in documents.items()
        for target in re.findall(r"\]\(([^)\s]+)", text)
        if "://" not in target
    ]
    assert links
    lost = [
        f"{path.relative_to(root)}: {to}#{anchor}"
        for path, to, anchor in links
        if not (path.parent / to).exists()
        or (anchor and anchor not in anchors(documents[(path.parent / to).resolve() if to else path]))
    ]
    assert lost == []


def test_what_documents_name_is_there(documents, files, root):
    modules = {
        module
        for text in documents.values()
        for module in re.findall(r"python -m ([a-z]\w+(?:\.\w+)*)", text)
    }
    ours = {module for module in modules if (root / module.split(".")[0]).is_dir()}
    assert {"bots", "tests.trust"} <= ours
    assert {module for module in ours if importlib.util.find_spec(module) is None} == set()
    variables = {name for text in documents.values() for name in re.findall(r"\bMMRAG_([A-Z_]+)\b", text)}
    known = {name.upper() for name in Settings.model_fields} | {each[6:] for each in PLATFORM_VARIABLES}
    assert variables - known == set()
    paths = {f"/{path.relative_to(root)}" for path in files}
    named = re.findall(r"`((?:\w+/)+[\w.-]*)`", documents[root / "CONTRIBUTING.md"])
    assert [name for name in named if not any(f"/{name}" in path for path in paths)] == []


def test_lines_of_documents_fit_a_screen(root):
    """Tables and code have lines that can't be broken."""
    documents = ("README.md", "CHANGELOG.md", "CONTRIBUTING.md")
    lines = [(name, line) for name in documents for line in (root / name).read_text("utf-8").splitlines()]
    assert [(name, line) for name, line in lines if len(line) > 120 and not line.startswith("|")] == []
