"""The benchmark of the decode loop runs, small, with nothing but torch and transformers beside the loop."""

from __future__ import annotations

import subprocess
import sys

MEASURE = """
import sys
from benchmarks.generation import Workload, measured
for model in ("small", "small-t5"):
    for row in measured(model, Workload(read=16, written=2, batch=2, requests=3), compiled=False):
        assert row.value > 0, row
        assert row.bound is None, row  # bounds are for a GPU
        print(row.what)
ours = {name for name in sys.modules if name.startswith("mmrag.")} - {"mmrag.generation"}
assert all(name.startswith("mmrag.generation.decoding") for name in ours), ours
"""


def test_the_decode_loop_is_measured_without_the_rest_of_the_project():
    command = [sys.executable, "-c", MEASURE]
    run = subprocess.run(command, check=False, capture_output=True, text=True, timeout=110)
    assert run.returncode == 0, run.stderr
    shown = run.stdout.splitlines()
    assert len(shown) == 20
    assert shown.count("the same beside `generate`") == 2
