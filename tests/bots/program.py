"""The program of the console, as people start it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def script_played(folder, lines, *options, home):
    """What it says to these lines, played from a script in `folder` with `home` as the data folder."""
    script = folder / "talk.script"
    script.write_text("".join(f"{line}\n" for line in lines))
    played = subprocess.run(
        [sys.executable, "-m", "bots", "console", "--script", str(script), *options],
        cwd=ROOT,
        env={**os.environ, "MMRAG_HOME": str(home)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert (played.returncode, played.stderr) == (0, "")
    return played.stdout
