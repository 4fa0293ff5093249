"""What goes wrong on purpose: answers that are late, lost, broken or refused, request by request.

`server.faults.reset("create_message", after=True)`: the next message is posted, and the connection is
reset before the answer. Names are those of the handlers, or `download` for the CDN; `*` fits all.
The gateway's own are in `server.gateway`: `drop`, `close`, `reconnect`, `invalidate`, `forget`, `refuse` and
`when`.
"""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatch
from typing import Any


@dataclass
class Fault:
    """`after`: only once the request has taken effect. `times`: None for always; `chance` that it strikes."""

    name: str
    kind: str  # status, reset, cut, delay, limit, ban, page, garbage
    value: Any = None
    after: bool = False
    times: int | None = 1
    chance: float = 1.0
    when: Any = None  # a predicate of the request
    struck: int = 0


class Faults:
    """The faults that are armed; the first that fits strikes."""

    def __init__(self, random):
        self._armed = []
        self._random = random

    def clear(self):
        self._armed.clear()

    def status(self, name, status=503, **more):
        """An HTTP error of Discord's, or of what stands before it."""
        return self._arm(name, "status", status, **more)

    def reset(self, name, **more):
        """The connection is reset: before anything is done, or `after`."""
        return self._arm(name, "reset", **more)

    def cut(self, name, *, sent=0.5, **more):
        """What is asked is done, and the connection ends when this share of the answer is sent."""
        return self._arm(name, "cut", sent, after=True, **more)

    def delay(self, name, seconds, **more):
        return self._arm(name, "delay", seconds, **more)

    def limit(self, name, seconds=0.5, *, everywhere=False, scope="user", **more):
        """429, with Via and Retry-After; `scope` is user, shared or global."""
        return self._arm(name, "limit", (seconds, everywhere, scope), **more)

    def ban(self, name, seconds=1, **more):
        """429 of the firewall before Discord: no Via, and a page for a body."""
        return self._arm(name, "ban", seconds, **more)

    def page(self, name, **more):
        """200 and an HTML page, as a proxy gives it."""
        return self._arm(name, "page", **more)

    def garbage(self, name, **more):
        """200 and half a JSON."""
        return self._arm(name, "garbage", **more)

    def _arm(self, name, kind, value=None, **more):
        fault = Fault(name, kind, value, **more)
        self._armed.append(fault)
        return fault

    def strike(self, request):
        """The fault of this request, or None."""
        for fault in self._armed:
            fits = fnmatch(request.name, fault.name) and (fault.when is None or fault.when(request))
            if fits and fault.times != 0 and self._random.random() < fault.chance:
                fault.struck += 1
                if fault.times is not None:
                    fault.times -= 1
                request.fault = fault.kind
                return fault
        return None
