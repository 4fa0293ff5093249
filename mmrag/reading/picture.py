"""Pictures made safe and plain: upright, opaque, 8-bit RGB, a few frames at most.

Pillow decodes; this module decides what it may decode and how much. It knows nothing of text.
"""

from __future__ import annotations

import contextlib
import ctypes
import io
import logging
import threading
import warnings
from functools import cache
from typing import TYPE_CHECKING

from mmrag.errors import NotReadable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from PIL import Image

FIGURE_SIDE = 2000  # pixels: the longest side of a stored figure

_FILTERS = threading.Lock()  # warning filters belong to the process, not to a thread
_FORMATS = ("PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF", "AVIF")
_MAX_FRAMES = 5  # frames that differ, of an animation or a TIFF of several pages
_MAX_FRAMES_LOOKED_AT = 200
_THUMBNAIL = 64  # pixels: frames are compared at this size
_CHANGED = 12  # grey levels of 255 by which a changed pixel differs; less is dithering
_MIN_CHANGED = 12  # changed pixels of a thumbnail: fewer are a cursor
_TOO_LARGE = "This picture is too large ({what}; the limit is {limit}): send a smaller one."


def open_frames(data: bytes, *, max_bytes: int, max_pixels: int) -> tuple[Image.Image, ...]:
    """The frames that differ, first one always, each an RGB image. Raises NotReadable."""
    if len(data) > max_bytes:
        raise NotReadable(_TOO_LARGE.format(what=megabytes(len(data)), limit=megabytes(max_bytes)))
    from PIL import Image  # noqa: PLC0415 - heavy

    _silence_decoders()
    try:
        with _FILTERS, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of broken EXIF, which is not this picture's content
            image = Image.open(io.BytesIO(data), formats=_FORMATS)
            _check_size(image, max_pixels)
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            return tuple(_different_frames(image, max_pixels))
    except NotReadable:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        limit = f"{max_pixels / 1e6:.0f} megapixels"
        raise NotReadable(_TOO_LARGE.format(what="hundreds of megapixels", limit=limit)) from None
    except Exception:  # noqa: BLE001 - decoders of hostile bytes raise anything
        raise NotReadable(
            "This picture is damaged and cannot be opened: save it again and resend it."
        ) from None


def as_png(image: Image.Image) -> bytes:
    """The picture as stored with a figure, longest side at most FIGURE_SIDE."""
    buffer = io.BytesIO()
    small = image
    if max(image.size) > FIGURE_SIDE:
        small = image.copy()
        small.thumbnail((FIGURE_SIDE, FIGURE_SIDE))
    small.save(buffer, format="PNG", optimize=False)
    return buffer.getvalue()


def megabytes(count: int) -> str:
    """A size for people."""
    return f"{count / 1024**2:.1f} MB" if count >= 100 * 1024 else f"{count / 1024:.1f} KB"


@cache
def _silence_decoders() -> None:
    """Pillow logs, and libtiff writes to the terminal, what is wrong with a file."""
    from PIL import _imaging  # noqa: PLC0415 - heavy

    logging.getLogger("PIL").setLevel(logging.CRITICAL)
    with contextlib.suppress(OSError, AttributeError):  # another platform's Pillow is only noisier
        library = ctypes.CDLL(_imaging.__file__)
        for name in ("TIFFSetErrorHandler", "TIFFSetWarningHandler"):
            setter = getattr(library, name)
            setter.argtypes, setter.restype = [ctypes.c_void_p], ctypes.c_void_p
            setter(None)


def _check_size(image: Image.Image, max_pixels: int) -> None:
    """Before anything is decoded: 10 KB can hold 81 megapixels."""
    width, height = image.size
    if width * height > max_pixels:
        what = f"{width} x {height} = {width * height / 1e6:.0f} megapixels"
        raise NotReadable(_TOO_LARGE.format(what=what, limit=f"{max_pixels / 1e6:.0f} megapixels"))
    if min(width, height) < 1:
        raise NotReadable("This picture is empty (0 pixels): send another one.")


def _different_frames(image: Image.Image, max_pixels: int) -> Iterator[Image.Image]:
    """Frames that differ from the one kept before them; a TIFF's pages all count as frames."""
    import numpy as np  # noqa: PLC0415 - heavy

    last = None
    kept = 0
    for index in range(min(int(getattr(image, "n_frames", 1)), _MAX_FRAMES_LOOKED_AT)):
        try:
            image.seek(index)
            _check_size(image, max_pixels)
            frame = _plain(image)
        except (EOFError, OSError, SyntaxError, ValueError):
            if not kept:
                raise
            return  # a truncated animation: what could be read counts
        small = np.asarray(frame.convert("L").resize((_THUMBNAIL, _THUMBNAIL)), dtype=np.float32)
        if last is not None and int((np.abs(small - last) > _CHANGED).sum()) < _MIN_CHANGED:
            continue
        yield frame
        last = small
        kept += 1
        if kept == _MAX_FRAMES:
            return


def _plain(image: Image.Image) -> Image.Image:
    """Upright, on white, 8-bit RGB."""
    from PIL import Image, ImageOps  # noqa: PLC0415 - heavy

    image.load()
    frame = ImageOps.exif_transpose(image)
    if frame.mode.startswith(("I", "F")):
        frame = _scaled_to_8_bits(frame)
    if frame.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in frame.info:
        frame = frame.convert("RGBA")
        white = Image.new("RGBA", frame.size, "white")
        white.alpha_composite(frame)
        frame = white
    return frame.convert("RGB")


def _scaled_to_8_bits(frame: Image.Image) -> Image.Image:
    """Pillow would clip 16 bits to white."""
    import numpy as np  # noqa: PLC0415 - heavy
    from PIL import Image  # noqa: PLC0415 - heavy

    values = np.nan_to_num(np.asarray(frame, dtype=np.float64))
    top = values.max(initial=0.0)
    full = 65_535.0 if frame.mode.startswith("I") and top > 255 else max(top, 1.0)  # noqa: PLR2004 - 8 bits
    return Image.fromarray((np.clip(values / full, 0, 1) * 255).astype(np.uint8))
