"""What goes wrong on purpose, whatever the platform: which requests it strikes, and how often."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatch
from typing import Any


@dataclass
class Fault:
    """`after`: only once the request has taken effect. `times`: None for always; `chance` that it strikes."""

    name: str
    kind: str  # the name of the method that armed it
    value: Any = None
    after: bool = False
    times: int | None = 1
    chance: float = 1.0
    when: Any = None  # a predicate of the request
    struck: int = 0


class Faults:
    """The faults that are armed; the first that fits strikes. `*` in a name fits all."""

    def __init__(self, random):
        self._armed = []
        self._random = random

    def clear(self):
        self._armed.clear()

    def status(self, name, status=503, **more):
        """An HTTP error of the platform's, or of what stands before it."""
        return self._arm(name, "status", status, **more)

    def delay(self, name, seconds, **more):
        return self._arm(name, "delay", seconds, **more)

    def page(self, name, **more):
        """200 and an HTML page, as a proxy or a sign-in gives it."""
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
