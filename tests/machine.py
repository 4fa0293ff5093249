"""What tests need of the machine they run on."""

from __future__ import annotations

import shutil
import socket
import subprocess


def free_port():
    """A port that nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


def why_no_mount(folder):
    """Why no file system of one's own can be mounted there, by `unshare -Urm`, and what to do; or None."""
    unshare = shutil.which("unshare")
    if unshare is None:
        return "unshare is not installed: apt-get install util-linux"
    command = [unshare, "-Urm", "/bin/mount", "-t", "tmpfs", "tmpfs", str(folder)]
    tried = subprocess.run(command, check=False, capture_output=True, text=True)
    if tried.returncode == 0:
        return None
    return f"no file system can be mounted here; allow user namespaces: {tried.stderr.strip()}"
