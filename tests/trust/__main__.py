"""`make trust`: rerun every trial, print the table and write it to docs/trust.md."""

from __future__ import annotations

import argparse
import importlib
import logging
import sys
import tempfile
from pathlib import Path

from tests.trust.outcome import CannotRunError, Outcome

_MEMORY_DISK = Path("/dev/shm")  # noqa: S108 - a folder of its own is made in it


def main() -> int:
    parser = argparse.ArgumentParser(prog="make trust", description=__doc__)
    parser.add_argument("--trials", type=float, default=1.0, help="share of the full numbers (default: 1)")
    parser.add_argument("--seed", type=int, default=1, help="of all random numbers (default: 1)")
    parser.add_argument("--only", nargs="*", default=[], help="names of the trials to run (default: all)")
    options = parser.parse_args()
    logging.disable(logging.WARNING)  # damaged indexes are meant to be warned about
    report = importlib.import_module("tests.trust.report")  # not for the processes that trials fork
    outcomes = {}
    for promise in report.PROMISES:
        if promise.module is None or (options.only and promise.module not in options.only):
            continue
        outcomes[promise] = outcome = run(promise.module, options)
        sys.stdout.write(f"{promise.module:12} {outcome}\n")
        sys.stdout.writelines(f"    {failure}\n" for failure in outcome.failures[:20])
        sys.stdout.flush()
    if options.trials == 1 and not options.only:
        Path("docs/trust.md").write_text(report.document(outcomes), encoding="utf-8")
    failed = sum(len(outcome.failures) for outcome in outcomes.values())
    sys.stdout.write(f"{failed} failures\n")
    return 1 if failed else 0


def run(name, options):
    """The outcome of the trials of one module, with the share of them that was asked for."""
    module = importlib.import_module(f"tests.trust.{name}")
    trials = max(1, round(module.TRIALS * options.trials))
    in_memory = getattr(module, "IN_MEMORY", False) and _MEMORY_DISK.is_dir()
    disk = _MEMORY_DISK if in_memory else None
    with tempfile.TemporaryDirectory(prefix="mmrag-trust-", dir=disk) as folder:
        try:
            return module.run(trials, options.seed, Path(folder))
        except CannotRunError as reason:  # what could not be shown does not hold
            return Outcome(options.seed, failures=[f"not run: {reason}"])


if __name__ == "__main__":
    sys.exit(main())
