"""Loading a model without noise and without wasted time."""

from __future__ import annotations

import gc
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def no_garbage_collection() -> Iterator[None]:
    """Importing torch makes very many objects that stay: to collect among them is time lost."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


@contextmanager
def no_progress_bars() -> Iterator[None]:
    """Keep "Loading weights" off standard error, which may be a bot's log."""
    from transformers.utils import logging  # noqa: PLC0415 - heavy: seconds

    were_enabled = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()  # type: ignore[no-untyped-call] # transformers' own gap
    try:
        yield
    finally:
        if were_enabled:
            logging.enable_progress_bar()  # type: ignore[no-untyped-call] # as above
