"""`python -m bots PLATFORM`: wires an adapter to an engine and starts it.

The one module of the bots that may start an engine, and only once it knows that one is needed:
`--help` is quick.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from mmrag.errors import InvalidInput, InvalidSettings, MissingExtra, UserFacingError
from mmrag.types import DEFAULT_COLLECTION

if TYPE_CHECKING:
    from collections.abc import Sequence

DONE, FAILED, WRONG_USAGE = 0, 1, 2
INTERRUPTED = 130  # 128 + SIGINT, as shells count


def main(argv: Sequence[str] | None = None) -> int:
    """Run one adapter and return the exit code: 1 where a scripted step failed, 2 for wrong usage."""
    arguments = _parser().parse_args(argv)
    try:
        return _run(arguments)
    except UserFacingError as error:
        if arguments.debug:
            raise
        print(f"bots: {error}", file=sys.stderr)  # noqa: T201 - this is a command line
        return WRONG_USAGE if isinstance(error, InvalidInput | InvalidSettings | MissingExtra) else FAILED
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of our output (`| head`) has left; flushing at exit must not complain again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except Exception as error:
        if arguments.debug:
            raise
        print(  # noqa: T201 - this is a command line
            f"bots: this should not have happened ({type(error).__name__}): "
            "run it again with --debug and report what it prints.",
            file=sys.stderr,
        )
        return FAILED


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
