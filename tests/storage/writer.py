"""A process that changes a store, and says so line by line: FOLDER WHO FIRST_STEP STEPS."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.storage.samples import change, open_store


def main(folder, who, first, steps) -> None:
    with open_store(Path(folder)) as store:
        print("ready", flush=True)  # noqa: T201 - the test reads it
        for step in range(int(first), int(first) + int(steps)):
            change(store, who, step)
            print(step, flush=True)  # noqa: T201 - as above


if __name__ == "__main__":
    main(*sys.argv[1:])
