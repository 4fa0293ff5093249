"""The runbooks: each command that they show is one, each file that they name is there."""

from __future__ import annotations

import re
import shlex

import pytest

from tests.deploy.conftest import DEPLOY, ROOT, check_command

PAGES = (DEPLOY / "README.md", ROOT / "docs" / "backup.md", ROOT / "docs" / "assistants.md")
# Where one of our commands begins in a line of a shell.
BEGINS = re.compile(r"(?:^|-- |/opt/mmrag/bin/|exec -T \w+ |sh -c '|\*  |MMRAG_HOME=\S+ )(mmrag .*)")
IN_THE_ENGINE = re.compile(r"run --rm (?:-v \S+ )?engine (.*)")
ENDS = re.compile(r" && | >| +#|'$")


@pytest.fixture(params=PAGES, ids=lambda page: page.stem)
def page(request):
    return request.param.read_text()


def shown(page):
    """Our commands in the blocks of a page."""
    for language, block in re.findall(r"^```(\w*)\n(.*?)^```", page, re.MULTILINE | re.DOTALL):
        for line in block.splitlines() if not language else ():
            found = BEGINS.findall(line) + [f"mmrag {rest}" for rest in IN_THE_ENGINE.findall(line)]
            for command in found:
                end = ENDS.search(command) if command.count("'") != 2 else re.search(r" && | >| +#", command)
                yield command[: end.start()] if end else command


def test_the_commands_exist(page):
    commands = [*shown(page)]
    assert commands
    for line in commands:
        check_command(shlex.split(re.sub(r"\$\([^)]*\)", "now", line)))


def test_the_files_and_links_exist(page):
    for path in re.findall(r"\b(?:deploy|docs|examples)/[\w./@-]+\w", page):
        if path.startswith("deploy/mmrag-"):
            continue  # what kubectl calls a workload
        assert (ROOT / path).exists() or (ROOT / f"{path}.example").exists(), path
    for name in re.findall(r"`((?:systemd|kubernetes|docker|compose|monitoring)/[\w./@-]*)`", page):
        assert (DEPLOY / name).exists(), name
    titles = {
        re.sub(r"[^\w]+", "-", title.lower()).strip("-")
        for title in re.findall(r"^#+ (.+)$", page, re.MULTILINE)
    }
    assert set(re.findall(r"\]\(#([\w-]+)\)", page)) <= titles


def test_each_alert_is_in_the_table_of_what_to_look_at():
    alerts = set(re.findall(r"alert: (\w+)", (DEPLOY / "monitoring" / "alerts.yaml").read_text()))
    assert set(re.findall(r"^\| (Mmrag\w+) \|", (DEPLOY / "README.md").read_text(), re.MULTILINE)) == alerts
