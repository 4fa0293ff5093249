"""Entry point: arguments in, exit code out.

Exit codes: 0 done; 1 part failed or nothing found to do; 2 wrong usage or settings. Errors go
to standard error as one sentence that says what to do; a traceback only with `--debug`.
"""

from __future__ import annotations

import logging
import os
import sys
from typing import TYPE_CHECKING

from mmrag.cli.parser import build_parser
from mmrag.errors import InvalidInput, InvalidSettings, MissingExtra, UserFacingError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

DONE, FAILED, WRONG_USAGE = 0, 1, 2
INTERRUPTED = 130  # 128 + SIGINT, as shells count


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    arguments = build_parser().parse_args(argv)
    try:
        return _run(arguments)
    except UserFacingError as error:
        if arguments.debug:
            raise
        print(f"mmrag: {error}", file=sys.stderr)
        wrong_usage = isinstance(error, InvalidInput | InvalidSettings | MissingExtra)
        return WRONG_USAGE if wrong_usage else FAILED
    except KeyboardInterrupt:
        print("mmrag: interrupted; what was reported as done is done.", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of our output (`| head`) has left; flushing at exit must not complain again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except Exception as error:
        if arguments.debug:
            raise
        print(
            f"mmrag: this should not have happened ({type(error).__name__}): "
            "run it again with --debug and report what it prints.",
            file=sys.stderr,
        )
        return FAILED


def _run(arguments: argparse.Namespace) -> int:
    from mmrag.cli import commands  # noqa: PLC0415 - `mmrag --help` stays quick
    from mmrag.config import load_settings  # noqa: PLC0415 - as above

    settings = load_settings()
    logging.basicConfig(level=settings.log_level, format="%(levelname)s %(name)s: %(message)s")
    command = getattr(commands, arguments.command)
    return int(command(arguments, settings))
