"""How far an evaluation is."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[str, int, int], None]  # what is done, how many of how many


def silent(what: str, done: int, of: int) -> None:
    """The progress where nobody watches."""
