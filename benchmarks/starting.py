"""A bot's process whose engine is elsewhere: all that it loads until it could answer, and no more.

    python -m benchmarks.starting console|slack URL

Prints, as JSON, the most memory that it took, and which models' libraries it has loaded.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

HEAVY = ("torch", "transformers", "faiss", "openvino", "onnxruntime", "cv2", "tantivy", "fastapi")


@dataclass(frozen=True, slots=True)
class Start:
    """Seconds from the start of the process, Python with it, and of the processor; what it has of HEAVY."""

    seconds: float
    cpu_seconds: float
    megabytes: float
    loaded: tuple[str, ...]


def start(platform: str, url: str) -> Start:
    """Start such a process and wait until it is ready."""
    began = time.perf_counter()
    output = subprocess.run(
        [sys.executable, "-m", "benchmarks.starting", platform, url],
        stdout=subprocess.PIPE,
        check=True,
        text=True,
        timeout=60,
        cwd=Path(__file__).parents[1],
    ).stdout
    said = json.loads(output)
    return Start(said["ready"] - began, said["cpu"], said["megabytes"], tuple(said["loaded"]))


def _be_ready(platform: str, url: str) -> None:
    """What `python -m bots PLATFORM --engine URL` does before its first event."""
    from bots.__main__ import slack_settings
    from mmrag.config import load_settings
    from mmrag.remote import RemoteEngine

    settings = load_settings()
    if platform == "slack":
        from bots.slack import service

        assert service.serve
        slack_settings(settings)
    else:
        from bots import console

        console.Screen(person="you")
    with RemoteEngine(url) as engine:
        engine.probe()
    ready, cpu = time.perf_counter(), time.process_time()
    status = Path("/proc/self/status").read_text(encoding="ascii")
    peak = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert peak is not None
    loaded = [name for name in HEAVY if name in sys.modules]
    print(json.dumps({"ready": ready, "cpu": cpu, "megabytes": int(peak[1]) / 1e3, "loaded": loaded}))


if __name__ == "__main__":
    _be_ready(*sys.argv[1:])
