"""Pictures of noise: their pixels are all that tiny models can see."""

from __future__ import annotations

import io
import random

from PIL import Image


def noise(seed, size=(48, 40)):
    """The bytes of a picture of random pixels."""
    width, height = size
    pixels = random.Random(seed).randbytes(width * height * 3)
    buffer = io.BytesIO()
    Image.frombytes("RGB", size, pixels).save(buffer, "PNG")
    return buffer.getvalue()
