"""From what a command ran into to its exit code and its one sentence on standard error.

`mmrag` and `python -m bots` end alike: 0 done; 1 part failed or nothing found to do; 2 wrong
usage or settings. A traceback is shown only when asked for.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from mmrag.errors import InvalidInput, InvalidSettings, MissingExtra, UserFacingError

if TYPE_CHECKING:
    from collections.abc import Callable

DONE, FAILED, WRONG_USAGE = 0, 1, 2
INTERRUPTED = 130  # 128 + SIGINT, as shells count


def exit_code_of(work: Callable[[], int], *, program: str, debug: bool) -> int:
    """Run `work` and return its exit code, or that of what it raised; with `debug` errors pass through."""
    try:
        return work()
    except UserFacingError as error:
        if debug:
            raise
        _complain(program, str(error))
        return WRONG_USAGE if isinstance(error, InvalidInput | InvalidSettings | MissingExtra) else FAILED
    except KeyboardInterrupt:
        _complain(program, "interrupted; what was reported as done is done.")
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of our output (`| head`) has left; flushing at exit must not complain again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except Exception as error:
        if debug:
            raise
        _complain(
            program,
            f"this should not have happened ({type(error).__name__}): "
            "run it again with --debug and report what it prints.",
        )
        return FAILED


def _complain(program: str, sentence: str) -> None:
    print(f"{program}: {sentence}", file=sys.stderr)  # noqa: T201 - this is where a command line ends
