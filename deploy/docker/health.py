#!/usr/bin/env python3
"""Whether the program in this container works: 0 if so, else 1 and a sentence. It needs Python alone.

`mmrag-health engine`: the service answers, and is ready for questions.
`mmrag-health bot`: the bot holds a connection to its platform or, where it is called over HTTP, answers.
"""

from __future__ import annotations

import http.client
import os
import sys
from http import HTTPStatus
from pathlib import Path

SECONDS = 4
TCP_TABLES = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
ESTABLISHED = "01"  # include/net/tcp_states.h


def main(arguments: list[str]) -> int:
    """Look at what the arguments name; the exit code."""
    match arguments:
        case ["engine"]:
            fault = http_fault(int(os.environ.get("MMRAG_SERVE_PORT", "8000")), "/readyz")
        case ["bot"] if os.environ.get("MMRAG_SLACK_TRANSPORT") == "http":
            fault = http_fault(int(os.environ.get("MMRAG_SLACK_PORT", "3000")), "/healthz")
        case ["bot"]:
            fault = connection_fault(int(os.environ.get("HEALTH_PORT", "443")))
        case _:
            fault = "say what to look at: engine or bot"
    if fault:
        sys.stderr.write(f"mmrag-health: {fault}\n")
    return 1 if fault else 0


def http_fault(port: int, path: str) -> str | None:
    """What is wrong with an HTTP service in this container; None where it answers with 200."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)
    try:
        connection.request("GET", path)
        status = connection.getresponse().status
    except OSError as error:
        return f"nothing answers at port {port} ({error.strerror or type(error).__name__})"
    except http.client.HTTPException as error:
        return f"what answers at port {port} is no HTTP service ({type(error).__name__})"
    finally:
        connection.close()
    return None if status == HTTPStatus.OK else f"{path} says {status}"


def connection_fault(port: int) -> str | None:
    """None where a connection to this port of somewhere else stands.

    Socket Mode and Discord's gateway have no address to ask: their bot works as long as it is connected.
    """
    for table in TCP_TABLES:
        if table.exists():
            for row in table.read_text(encoding="ascii").splitlines()[1:]:
                _, _, remote, state, *_ = row.split()
                if state == ESTABLISHED and int(remote.rpartition(":")[2], 16) == port:
                    return None
    return f"no connection to port {port} stands"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
