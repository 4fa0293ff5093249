"""A fresh process that opens a filled data folder and answers once.

    python -m benchmarks.reopen FOLDER VECTOR.npy COLLECTION QUESTION

Prints JSON: `opened` and `answered` by the clock that all processes share, and what the process
holds in memory, in bytes.
"""

from __future__ import annotations

import json
import re
import sys
import time
from pathlib import Path


def main() -> None:
    """See the module."""
    import numpy as np

    from benchmarks.engines import Mmrag

    folder, vector, collection, question = sys.argv[1:]
    asked = np.load(vector)
    opened = time.monotonic()
    engine = Mmrag(Path(folder))
    found = engine.search(question, asked, collection)
    answered = time.monotonic()
    print(json.dumps({"opened": opened, "answered": answered, "found": found, **memory()}))


def memory() -> dict[str, int]:
    """Bytes of this process: its peak, and now all, anonymous and file-backed (mapped and cached)."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    names = {"VmHWM": "peak", "VmRSS": "resident", "RssAnon": "anonymous", "RssFile": "file"}
    found = re.findall(r"^(\w+):\s+(\d+) kB$", status, re.MULTILINE)
    return {names[name]: int(value) * 1024 for name, value in found if name in names}


if __name__ == "__main__":
    main()
