"""What goes wrong on purpose: answers that are late, lost, broken or refused, call by call.

`server.faults.cut("chat.postMessage", after=True)`: the next post takes effect and its answer breaks off
in the middle. Names are those of methods, or `files.download`, `files.upload`, `response_url`; `*` fits all.
"""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatch
from typing import Any


@dataclass
class Fault:
    """`after`: only once the call has taken effect. `times` is None for always; `chance` that it strikes."""

    name: str
    kind: str  # status, cut, delay, limit, error, page, garbage
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
        """An HTTP error of Slack's."""
        return self._arm(name, "status", status, **more)

    def cut(self, name, *, after=True, sent=0.5, **more):
        """The connection breaks: before anything is done, or once this share of the answer is sent."""
        return self._arm(name, "cut", sent, after=after, **more)

    def delay(self, name, seconds, **more):
        return self._arm(name, "delay", seconds, **more)

    def limit(self, name, seconds=1, **more):
        """429, with Retry-After."""
        return self._arm(name, "limit", seconds, **more)

    def error(self, name, code, **more):
        """`{"ok": false, "error": code}`."""
        return self._arm(name, "error", code, **more)

    def page(self, name, **more):
        """200 and an HTML page, as a proxy or a sign-in gives it."""
        return self._arm(name, "page", None, **more)

    def garbage(self, name, **more):
        """200 and half a JSON."""
        return self._arm(name, "garbage", None, **more)

    def _arm(self, name, kind, value, **more):
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
