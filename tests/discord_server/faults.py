"""What goes wrong on purpose: answers that are late, lost, broken or refused, request by request.

`server.faults.reset("create_message", after=True)`: the next message is posted, and the connection is
reset before the answer. Names are those of the handlers, or `download` for the CDN; `*` fits all.
The gateway's own are in `server.gateway`: `drop`, `close`, `reconnect`, `invalidate`, `forget`, `refuse` and
`when`.
"""

from __future__ import annotations

from tests.chat_servers import faults


class Faults(faults.Faults):
    """Those of every platform, and Discord's own."""

    def reset(self, name, **more):
        """The connection is reset: before anything is done, or `after`."""
        return self._arm(name, "reset", **more)

    def cut(self, name, *, sent=0.5, **more):
        """What is asked is done, and the connection ends when this share of the answer is sent."""
        return self._arm(name, "cut", sent, after=True, **more)

    def limit(self, name, seconds=0.5, *, everywhere=False, scope="user", **more):
        """429, with Via and Retry-After; `scope` is user, shared or global."""
        return self._arm(name, "limit", (seconds, everywhere, scope), **more)

    def ban(self, name, seconds=1, **more):
        """429 of the firewall before Discord: no Via, and a page for a body."""
        return self._arm(name, "ban", seconds, **more)
