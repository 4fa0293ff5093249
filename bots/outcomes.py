"""What can become of a call to a platform: it happened, it did not, nobody knows."""

from __future__ import annotations


class RefusedError(Exception):
    """The platform did not do it; `code` is its word for why."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class UnsureError(Exception):
    """It may have happened, or not: the connection broke, or the platform failed in the middle."""
