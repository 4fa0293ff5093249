"""How long each stage of one request took."""

from __future__ import annotations

import time


class Stopwatch:
    """Laps since its creation, in milliseconds."""

    def __init__(self) -> None:
        self._start = self._last = time.perf_counter()
        self._laps: dict[str, float] = {}

    def lap(self, stage: str) -> None:
        """Book the time since the last lap under `stage`, beside what is booked there."""
        now = time.perf_counter()
        self._laps[stage] = round(self._laps.get(stage, 0.0) + (now - self._last) * 1000, 1)
        self._last = now

    def timings(self) -> dict[str, float]:
        """The laps so far and their `total`."""
        total = (time.perf_counter() - self._start) * 1000
        return {**self._laps, "total": round(total, 1)}
