"""PDFium itself: loaded late, silent, and one call at a time.

It is not thread-safe: whoever calls it holds `LOCK`. It knows nothing of text or layout.
"""

from __future__ import annotations

import logging
import threading
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL import Image

LOCK = threading.Lock()


@cache
def pdfium() -> Any:  # noqa: ANN401 - pypdfium2 ships no types
    """The library."""
    import pypdfium2  # noqa: PLC0415 - heavy

    logging.getLogger("pypdfium2").setLevel(logging.CRITICAL)  # it warns of every oddity of a file
    return pypdfium2


def to_rgb(bitmap: Any) -> Image.Image:  # noqa: ANN401 - pypdfium2 ships no types
    """A bitmap as a picture of its own memory, on white; the bitmap is closed."""
    from PIL import Image  # noqa: PLC0415 - heavy

    try:
        image: Image.Image = bitmap.to_pil()
        if image.mode == "RGBA":
            white = Image.new("RGBA", image.size, "white")
            white.alpha_composite(image)
            image = white
        return image.convert("RGB").copy()
    finally:
        bitmap.close()
