"""Server-sent events as a client reads them; waiting for what a service does by itself."""

from __future__ import annotations

import json
import time


def events_of(client, path, **request):
    """[(name, data)] of a whole stream."""
    headers = {"Accept": "text/event-stream", **request.pop("headers", {})}
    with client.stream("POST", path, headers=headers, **request) as reply:
        assert reply.headers["content-type"].startswith("text/event-stream"), reply.read()
        text = "".join(reply.iter_text())
    return parsed(text)


def parsed(text):
    """[(name, data)] of the text of a stream; comments are passed over."""
    events = []
    for block in text.split("\n\n"):
        lines = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        if lines:
            events.append((lines.get("event"), json.loads(lines["data"])))
    return events


def until(holds, *, seconds=20):
    """Look again and again until it holds."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it never came to hold"
