"""The data folder: what in it is disposable, and whether it may be used now.

Everything that is not named here as disposable is data: a new part of the project that keeps a file
in the data folder has it backed up without a word.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mmrag.errors import StoreUnavailable

if TYPE_CHECKING:
    from pathlib import Path

STORE = "store.sqlite3"
# Made anew from the store, from the models' own files, or by asking again.
DISPOSABLE = frozenset({"indexes", "cache", "flights", "models"})

RESTORE_PLAN = "restore.json"  # is there from the moment that a restore is decided until it is done


def check_whole(home: Path) -> None:
    """Raises StoreUnavailable where a restore was interrupted: one half would be old, the other new."""
    if (home / RESTORE_PLAN).exists():
        raise StoreUnavailable(
            f"The data in {home} is being restored, or that was interrupted: wait for it, or run  "
            "mmrag restore  to finish it."
        )
