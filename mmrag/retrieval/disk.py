"""What is kept on disk for speed only: written whole, checksummed, published by one rename.

It knows how to do that, not what the files mean.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path


def sha256(path: Path) -> str:
    """The checksum of a file. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def fsync(path: Path) -> None:
    """Wait until a file's content, or a folder's names, are on disk."""
    if path.is_dir() and os.name == "nt":
        return  # Windows opens no folder and needs no such call
    descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def delete(path: Path) -> None:
    """Delete what bears this name, be it a file, a link or a folder, as far as that can be done."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)


def publish(path: Path, body: dict[str, Any]) -> None:
    """Replace the file by this JSON and its checksum, in one step. Raises OSError.

    What the body names must lie beside it already: the names are made durable first, so that the
    file never outlives them. One process at a time; a draft that one left behind is overwritten.
    """
    body = json.loads(json.dumps(body))  # as it will be read: tuples become lists
    draft = path.with_suffix(".new")
    for place in (draft, path):
        if place.is_dir():  # nothing of ours: it would block all that is to come
            delete(place)
    draft.write_text(json.dumps({"sha256": _checksum(body), "body": body}), encoding="utf-8")
    fsync(draft)
    fsync(path.parent)
    draft.replace(path)
    fsync(path.parent)


def published(path: Path) -> dict[str, Any] | None:
    """What was published there; None where there is nothing that can be trusted."""
    try:
        content = json.loads(path.read_bytes())
        body: dict[str, Any] = content["body"]
        return body if content["sha256"] == _checksum(body) else None
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return None


def _checksum(body: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
