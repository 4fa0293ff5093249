"""A picture's pixels as a digest: what two pictures share if and only if they show the same.

It knows no files: how a picture was decoded is the caller's to say.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import Image

_ROWS = 256  # that are hashed at a time: a copy of a large picture would not fit beside it


def pixel_digest(image: Image.Image) -> str:
    """A hex digest of size and every pixel: as RGBA, or exactly where a pixel has more than 8 bits."""
    mode = image.mode if image.mode.startswith(("I", "F")) else "RGBA"
    width, height = image.size
    digest = blake2b(f"{mode} {width} {height}".encode(), digest_size=32)
    for top in range(0, height, _ROWS):
        rows = image.crop((0, top, width, min(height, top + _ROWS)))
        digest.update((rows if rows.mode == mode else rows.convert(mode)).tobytes())
    return digest.hexdigest()
