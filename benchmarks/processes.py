"""Fresh processes over a filled data folder."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from mmrag.ports import Vectors


def reopen(folder: Path, question: str, vector: Vectors, *, collection: str) -> dict[str, Any]:
    """Open and answer in a new process.

    `from_start` counts seconds from the start of the process, Python and all imports with it;
    `from_opening` from the moment the store is opened. The rest: see `benchmarks.reopen`.
    """
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch, "vector.npy")
        np.save(path, vector)
        command = [sys.executable, "-m", "benchmarks.reopen", str(folder), str(path), collection, question]
        started = time.monotonic()
        output = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout
    said: dict[str, Any] = json.loads(output)
    return said | {
        "from_start": said["answered"] - started,
        "from_opening": said["answered"] - said["opened"],
    }
