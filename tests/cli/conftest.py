"""The command line as people call it."""

from __future__ import annotations

import pytest

from mmrag.cli import main


@pytest.fixture
def run(capsys):
    """Run a command; returns exit code, standard output and standard error."""

    def _run(*arguments):
        code = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return _run
