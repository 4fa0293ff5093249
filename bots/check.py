"""What `--check` finds."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. `text` is a sentence: what holds, or what to do."""

    good: bool
    text: str
