"""Entry point: arguments in, exit code out."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from mmrag.cli.parser import build_parser
from mmrag.exits import exit_code_of

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    arguments = build_parser().parse_args(argv)
    return exit_code_of(lambda: _run(arguments), program="mmrag", debug=arguments.debug)


def _run(arguments: argparse.Namespace) -> int:
    from mmrag.cli import commands  # noqa: PLC0415 - `mmrag --help` stays quick
    from mmrag.config import load_settings  # noqa: PLC0415 - as above

    settings = load_settings()
    logging.basicConfig(level=settings.log_level, format="%(levelname)s %(name)s: %(message)s")
    command = getattr(commands, arguments.command)
    return int(command(arguments, settings))
