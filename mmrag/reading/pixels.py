"""What a picture shows, as a digest: copies of one picture in other encodings have the same.

It knows no cache. A picture of several frames, and whatever can't be decoded within the limits, has
no digest: its bytes are compared instead.
"""

from __future__ import annotations

import io
import warnings
from hashlib import blake2b

_FORMATS = ("PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF")
_ORIENTATION = 274  # EXIF: the same pixels are seen turned


def pixel_digest(data: bytes, *, max_bytes: int, max_pixels: int) -> str | None:
    """A hex digest of size, orientation and every pixel; None where there is none to be had."""
    if len(data) > max_bytes:
        return None
    from PIL import Image  # noqa: PLC0415 - heavy

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            image = Image.open(io.BytesIO(data), formats=_FORMATS)
        if getattr(image, "n_frames", 1) != 1 or image.width * image.height > max_pixels:
            return None
        turned = int(image.getexif().get(_ORIENTATION, 1))
        pixels = image if image.mode.startswith("I") or image.mode == "F" else image.convert("RGBA")
        digest = blake2b(f"{pixels.mode} {image.size} {turned}".encode(), digest_size=32)
        digest.update(pixels.tobytes())
        return digest.hexdigest()
    except Exception:  # noqa: BLE001 - decoders of hostile bytes raise anything
        return None
