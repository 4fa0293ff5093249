"""What a service's answers may cost in a day, counted on disk: several processes and restarts count together.

Days are UTC days. An answer is reserved at an estimate of its price before it is asked for and settled
at its real one; what was reserved by a process that died stays spent.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from filelock import FileLock

from mmrag.errors import GenerationFailed

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_MILLION = 1_000_000


def _today() -> str:
    return datetime.now(UTC).date().isoformat()


@dataclass(frozen=True, slots=True)
class Prices:
    """Dollars for a million tokens that are read and written."""

    read: float
    written: float

    def of(self, read: int, written: int) -> int:
        """Micro-dollars, rounded up."""
        return -int(-(read * self.read + written * self.written) // 1)


class Spending:
    """Counts micro-dollars a day in a file. Safe to share between threads and processes."""

    def __init__(
        self, file: Path, *, dollars_a_day: float, prices: Prices, today: Callable[[], str] = _today
    ) -> None:
        self._file = file
        self._most = int(dollars_a_day * _MILLION)
        self._prices = prices
        self._today = today

    def reserve(self, read: int, written: int) -> int:
        """Reserve so many tokens; returns what to settle. Raises GenerationFailed beyond the limit."""
        price = self._prices.of(read, written)
        if not self._add(price, most=self._most or None):
            raise GenerationFailed(f"today's limit of {self._most / _MILLION:g} dollars is reached")
        return price

    def settle(self, reserved: int, read: int, written: int) -> None:
        """Count what it really took."""
        self._add(self._prices.of(read, written) - reserved, most=None)

    def spent(self) -> float:
        """Dollars spent and reserved today."""
        with self._locked():
            return self._read()[1] / _MILLION

    def _add(self, amount: int, *, most: int | None) -> bool:
        with self._locked():
            day, spent = self._read()
            if most is not None and spent + amount > most:
                return False
            temporary = self._file.with_suffix(".new")
            temporary.write_text(json.dumps({"day": day, "microdollars": max(0, spent + amount)}))
            os.replace(temporary, self._file)  # noqa: PTH105 - atomic, and said so
            return True

    def _locked(self) -> FileLock:
        self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return FileLock(self._file.with_suffix(".lock"))

    def _read(self) -> tuple[str, int]:
        """Today and what was spent; a clock that is set back does not make yesterday's money new."""
        today = self._today()
        if not self._file.exists():
            return today, 0
        try:
            kept = json.loads(self._file.read_text())
            day, spent = str(kept["day"]), int(kept["microdollars"])
        except (ValueError, KeyError, TypeError) as error:
            raise GenerationFailed(
                f"its record of spending, {self._file.name} in the data folder, is damaged: delete it to start at 0"
            ) from error
        return (day, spent) if day >= today else (today, 0)
