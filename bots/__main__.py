"""`python -m bots PLATFORM`: wires an adapter to an engine and starts it.

The one module of the bots that may start an engine, and only once it knows that one is needed:
`--help` is quick.
"""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from mmrag.errors import InvalidInput
from mmrag.exits import DONE, FAILED, exit_code_of
from mmrag.types import DEFAULT_COLLECTION

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Run one adapter and return the exit code: 1 where a scripted step failed, 2 for wrong usage."""
    arguments = _parser().parse_args(argv)
    return exit_code_of(lambda: _run(arguments), program="bots", debug=arguments.debug)


def _run(arguments: argparse.Namespace) -> int:
    if arguments.platform != "console":
        raise InvalidInput(f"The {arguments.platform} adapter is not there yet: use  console")
    if arguments.engine is not None:
        raise InvalidInput("A remote engine can't be used yet: leave --engine out.")
    return _converse(arguments)


def _parser() -> argparse.ArgumentParser:
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--debug", action="store_true", help="show where an error arose")
    common.add_argument("--engine", metavar="URL", help="a remote engine (not there yet)")
    parser = argparse.ArgumentParser(
        prog="python -m bots", description="A chat bot that answers from your own documents."
    )
    platforms = parser.add_subparsers(dest="platform", required=True, metavar="PLATFORM")
    platforms.add_parser("slack", parents=[common], help="Slack (not there yet)")
    platforms.add_parser("discord", parents=[common], help="Discord (not there yet)")
    console = platforms.add_parser("console", parents=[common], help="a thread in this terminal")
    console.add_argument(
        "--collection",
        action="append",
        metavar="NAME",
        help="answer from this collection; several times: widest first, the last one takes what is added",
    )
    console.add_argument("--script", type=Path, metavar="FILE", help="play these lines first")
    console.add_argument("--name", default="you", metavar="NAME", help="who is typing (default: you)")
    return parser


def _converse(arguments: argparse.Namespace) -> int:
    from bots import console  # noqa: PLC0415 - `--help` stays quick
    from mmrag.assemble import build_engine  # noqa: PLC0415 - as above, and a remote engine needs none
    from mmrag.config import load_settings  # noqa: PLC0415 - as above

    script = console.read_script(arguments.script) if arguments.script else None
    settings = load_settings()
    logging.basicConfig(level=settings.log_level, format="%(levelname)s %(name)s: %(message)s")
    if arguments.debug:
        logging.getLogger("bots").setLevel(logging.DEBUG)
    with build_engine(settings) as engine:
        went_well = console.run(
            engine,
            console.Screen(person=arguments.name),
            collections=arguments.collection or [DEFAULT_COLLECTION],
            person=arguments.name,
            max_file_bytes=settings.max_file_bytes,
            script=script,
        )
    return DONE if went_well else FAILED


if __name__ == "__main__":
    sys.exit(main())
