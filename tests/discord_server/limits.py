"""Rate limits: buckets with their headers, the global one, and who does not wait as told.

They are kept only when switched on (`limits.on = True`); what a fault tells to wait is always watched.
"""

from __future__ import annotations

import hashlib
from collections import deque
from dataclasses import dataclass

A_SECOND = 50
INVALID_REQUESTS, INVALID_SECONDS = 10_000, 600.0


class TooMany(Exception):
    """429."""

    def __init__(self, seconds, *, everywhere=False, scope="user"):
        super().__init__(f"wait {seconds:.3f} s")
        self.seconds = seconds
        self.everywhere = everywhere
        self.scope = scope


@dataclass
class Bucket:
    limit: int
    left: int
    until: float


class Limits:
    def __init__(self, clock):
        self.on = False
        self.scale = 1.0  # of the buckets' seconds: 0.1 makes them ten times as short
        self.broken = []  # requests that came before their Retry-After was over
        self.refused = 0  # requests that were answered with 429
        self._clock = clock
        self._buckets = {}
        self._waits = {}  # until when, by (bucket, major parameters); None: everywhere
        self._all = deque()
        self._invalid = deque()

    def tell_to_wait(self, key, seconds):
        """From now on, whoever comes earlier breaks the limit."""
        self._waits[key] = self._clock.now() + seconds

    def watch(self, request, key):
        """Note a request that did not wait. A hundredth of a second is the clocks' own."""
        now = self._clock.now()
        if any(now < self._waits.get(each, 0.0) - 0.01 for each in (key, None)):
            self.broken.append(request)

    def take(self, route, request):
        """Count a request. Raises TooMany; gives the headers of its bucket."""
        if not self.on:
            return {}
        now = self._clock.now()
        if route.counts:
            _forget(self._all, now - 1.0)
            if len(self._all) >= A_SECOND:
                self.refused += 1
                self.tell_to_wait(None, wait := 1.0 - (now - self._all[0]))
                raise TooMany(wait, everywhere=True, scope="global")
            self._all.append(now)
        key = (route.bucket, request.major)
        most, seconds = route.limit
        bucket = self._buckets.get(key)
        if bucket is None or now >= bucket.until:
            bucket = self._buckets[key] = Bucket(most, most, now + seconds * self.scale)
        if bucket.left == 0:
            self.refused += 1
            self.tell_to_wait(key, bucket.until - now)
            raise TooMany(bucket.until - now)
        bucket.left -= 1
        return {
            "X-RateLimit-Limit": str(bucket.limit),
            "X-RateLimit-Remaining": str(bucket.left),
            "X-RateLimit-Reset": f"{bucket.until:.3f}",
            "X-RateLimit-Reset-After": f"{bucket.until - now:.3f}",
            "X-RateLimit-Bucket": hashlib.md5(route.bucket.encode(), usedforsecurity=False).hexdigest(),
        }

    def count_invalid(self, status, scope=""):
        """Whether the address is banned: for too many requests that were refused, as Discord counts them."""
        now = self._clock.now()
        if status in (401, 403) or (status == 429 and scope != "shared"):
            self._invalid.append(now)
        _forget(self._invalid, now - INVALID_SECONDS)
        return len(self._invalid) > INVALID_REQUESTS


def _forget(times, before):
    while times and times[0] <= before:
        times.popleft()
