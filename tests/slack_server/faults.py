"""What goes wrong on purpose: answers that are late, lost, broken or refused, call by call.

`server.faults.cut("chat.postMessage", after=True)`: the next post takes effect and its answer breaks off
in the middle. Names are those of methods, or `files.download`, `files.upload`, `response_url`; `*` fits all.
"""

from __future__ import annotations

from tests.chat_servers import faults


class Faults(faults.Faults):
    """Those of every platform, and Slack's own."""

    def cut(self, name, *, after=True, sent=0.5, **more):
        """The connection breaks: before anything is done, or once this share of the answer is sent."""
        return self._arm(name, "cut", sent, after=after, **more)

    def limit(self, name, seconds=1, **more):
        """429, with Retry-After."""
        return self._arm(name, "limit", seconds, **more)

    def error(self, name, code, **more):
        """`{"ok": false, "error": code}`."""
        return self._arm(name, "error", code, **more)
