"""What holds for every file of the repository."""

from __future__ import annotations

import io
import re
import tokenize

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


def test_what_documents_link_to_is_there(files, root):
    links = [
        (path, target)
        for path in files
        if path.suffix == ".md"
        for target in re.findall(r"\]\(([^)#\s]+)", path.read_text(encoding="utf-8"))
        if "://" not in target
    ]
    assert links
    assert [f"{path.relative_to(root)}: {to}" for path, to in links if not (path.parent / to).exists()] == []


def test_lines_of_documents_fit_a_screen(root):
    """Tables and code have lines that can't be broken."""
    documents = ("README.md", "CHANGELOG.md", "CONTRIBUTING.md")
    lines = [(name, line) for name in documents for line in (root / name).read_text("utf-8").splitlines()]
    assert [(name, line) for name, line in lines if len(line) > 120 and not line.startswith("|")] == []
