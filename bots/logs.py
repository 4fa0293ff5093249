"""What platforms' libraries may log: that and where something happened, never what was said.

They write request bodies, payloads and whole answers into their messages, at any level.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class WithoutContent(logging.Filter):
    """Keeps a record's place and the kind of its error; drops its words."""

    def filter(self, record: logging.LogRecord) -> bool:
        kind = record.exc_info[0].__name__ if record.exc_info and record.exc_info[0] else "event"
        record.msg, record.args = f"{kind} at {record.module}:{record.lineno}", ()
        record.exc_info = record.exc_text = record.stack_info = None
        return True


def quiet_logger() -> logging.Logger:
    """The logger that is handed to the platforms' libraries."""
    logger = logging.getLogger("bots.sdk")
    if not logger.filters:
        logger.addFilter(WithoutContent())
        logger.setLevel(logging.WARNING)  # below, bodies are formatted only to be dropped
    return logger


def silence(libraries: Iterable[str]) -> None:
    """Let nothing of these libraries' own loggers through that could hold content."""
    quiet_logger()
    for name in libraries:
        logging.getLogger(name).setLevel(logging.CRITICAL)
