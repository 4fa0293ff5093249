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
from typing import TYPE_CHECKING, Any

from mmrag.errors import NotReadable
from mmrag.reading.pixels import pixel_digest

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

    Thumbnail = NDArray[np.int16]  # (height, width), grey

FIGURE_SIDE = 2000  # pixels: the longest side of a stored figure
_STRIP = 2.5  # a picture this much longer than wide is a strip: its shorter side must stay readable
_STRIP_SIDE = 8000  # pixels: the longest side of a stored strip

_FILTERS = threading.Lock()  # warning filters belong to the process, not to a thread
_FORMATS = ("PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF", "AVIF")
_ANIMATED = frozenset({"GIF", "WEBP", "PNG", "AVIF"})  # a JPEG's further frames are previews and depth maps
_MAX_FRAMES = 5  # frames that are read of an animation
_MAX_FRAMES_LOOKED_AT = 200
_THUMBNAIL = 256  # pixels: frames are compared at this size
_CHANGED = 12  # grey levels of 255 by which a changed pixel differs; less is dithering
_MIN_CHANGED = 40  # changed pixels of a thumbnail: fewer are a cursor
_REDUCED = 1  # bit of TIFF's NewSubfileType: a smaller copy of another page
_NEW_SUBFILE_TYPE = 254
_OPAQUE = 128  # of 255
_LIGHT_INK = 200  # of 255: drawn as light as this everywhere, a picture would vanish on white
_BYTE = 255
_TOO_LARGE = "This picture is too large ({what}; the limit is {limit}): send a smaller one."
_DAMAGED = "This picture is damaged and cannot be opened: save it again and resend it."
_UNDECODABLE = (EOFError, OSError, SyntaxError, ValueError)  # what Pillow raises at a damaged frame


class PictureFile:
    """A picture's frames, decoded one after the other as they are asked for.

    `warnings` says what was left out, once the frames have been gone through. Every method raises
    NotReadable.
    """

    def __init__(self, data: bytes, *, max_bytes: int, max_pixels: int) -> None:
        if len(data) > max_bytes:
            raise NotReadable(_TOO_LARGE.format(what=megabytes(len(data)), limit=megabytes(max_bytes)))
        from PIL import Image  # noqa: PLC0415 - heavy

        _silence_decoders()
        self.warnings: list[str] = []
        self._max_pixels = max_pixels
        with _decoding(max_pixels):
            self._image = Image.open(io.BytesIO(data), formats=_FORMATS)
            _check_size(self._image, max_pixels)
            self._count = int(getattr(self._image, "n_frames", 1))

    def pixel_digest(self) -> str | None:
        """What the picture shares with its copies in other files; None for one of several frames."""
        if self._count > 1:
            return None
        with _decoding(self._max_pixels):
            return pixel_digest(_upright(self._image))

    def first(self) -> Image.Image:
        """The first frame as an RGB image."""
        return self._frame(0)

    def frames(self, *, max_pages: int) -> Iterator[Image.Image | None]:
        """RGB images: of an animation the frames that differ, the first and the last among them.

        Of a TIFF every page, None for a damaged one, and NotReadable for more than `max_pages`.
        """
        if self._image.format == "TIFF":
            if self._count > max_pages:
                raise NotReadable(
                    f"This TIFF has {self._count} pages, the limit is {max_pages}: send it in parts."
                )
            yield from self._pages()
        elif self._image.format in _ANIMATED and self._count > 1:
            for index in self._different():
                yield self._frame(index)
        else:
            yield self._frame(0)

    def _pages(self) -> Iterator[Image.Image | None]:
        """Every page of a TIFF. What is a thumbnail of another page is none."""
        damaged: list[int] = []
        number = 0
        for index in range(self._count):
            try:
                frame = None if self._is_reduced(index) else self._frame(index)
            except NotReadable:
                if self._count == 1:
                    raise
                frame = None
                damaged.append(number + 1)
            else:
                if frame is None:
                    continue
            number += 1
            yield frame
        if len(damaged) == number:
            raise NotReadable(_DAMAGED)
        if damaged:
            listed = ", ".join(map(str, damaged))
            self.warnings.append(f"Page {listed} of this picture is damaged and was left out.")

    def _is_reduced(self, index: int) -> bool:
        image: Any = self._image
        with _decoding(self._max_pixels):
            image.seek(index)
            return index > 0 and bool(int(image.tag_v2.get(_NEW_SUBFILE_TYPE, 0)) & _REDUCED)

    def _different(self) -> Sequence[int]:
        """The frames to read: of those that differ from the one before, evenly over the animation."""
        import numpy as np  # noqa: PLC0415 - heavy

        different: list[int] = []
        last: Thumbnail | None = None
        looked_at = min(self._count, _MAX_FRAMES_LOOKED_AT)
        for index in range(looked_at):
            try:
                frame = self._frame(index)
            except NotReadable:
                if not different:
                    raise
                self.warnings.append("This animation is damaged; the frames before the damage were read.")
                break
            frame.thumbnail((_THUMBNAIL, _THUMBNAIL))
            small = np.asarray(frame.convert("L"), dtype=np.int16)
            if last is None or int((np.abs(small - last) > _CHANGED).sum()) >= _MIN_CHANGED:
                different.append(index)
                last = small
        if looked_at < self._count:
            self.warnings.append(
                f"Only the first {looked_at} of this animation's {self._count} frames were looked at."
            )
        if len(different) <= _MAX_FRAMES:
            return different
        self.warnings.append(
            f"{_MAX_FRAMES} of this animation's {len(different)} different frames were read: "
            "send the others as pictures of their own."
        )
        places = np.linspace(0, len(different) - 1, _MAX_FRAMES).round().astype(int)
        return [different[place] for place in places]

    def _frame(self, index: int) -> Image.Image:
        with _decoding(self._max_pixels):
            self._image.seek(index)
            _check_size(self._image, self._max_pixels)
            # A copy of a large picture would not fit beside it; several frames are decoded in one place.
            return _plain(self._image if self._count == 1 else self._image.copy())


def as_png(image: Image.Image) -> bytes:
    """The picture as stored with a figure, longest side at most FIGURE_SIDE, a strip's longer."""
    longest, shortest = max(image.size), max(1, min(image.size))
    limit = min(_STRIP_SIDE, round(FIGURE_SIDE * max(1.0, longest / shortest / _STRIP)))
    small = image
    if longest > limit:
        width, height = (max(1, round(side * limit / longest)) for side in image.size)
        small = image.resize((width, height), reducing_gap=2.0)  # `thumbnail` needs a copy of all of it first
    buffer = io.BytesIO()
    small.save(buffer, format="PNG", optimize=False)
    return buffer.getvalue()


def megabytes(count: int) -> str:
    """A size for people."""
    return f"{count / 1024**2:.1f} MB" if count >= 100 * 1024 else f"{count / 1024:.1f} KB"


@contextlib.contextmanager
def _decoding(max_pixels: int) -> Iterator[None]:
    """Pillow at work: silent, and every fault of a file as one sentence."""
    from PIL import Image  # noqa: PLC0415 - heavy

    try:
        with _FILTERS, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of broken EXIF, which is not this picture's content
            yield
    except (NotReadable, MemoryError):  # what lacks memory is not damaged
        raise
    except Image.DecompressionBombError:
        limit = f"{max_pixels / 1e6:.0f} megapixels"
        raise NotReadable(_TOO_LARGE.format(what="hundreds of megapixels", limit=limit)) from None
    except Exception:  # noqa: BLE001 - decoders of hostile bytes raise anything
        raise NotReadable(_DAMAGED) from None


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


def _upright(image: Image.Image) -> Image.Image:
    """The picture given, decoded and turned as its EXIF orientation says."""
    from PIL import ImageOps  # noqa: PLC0415 - heavy

    image.load()
    ImageOps.exif_transpose(image, in_place=True)
    return image


def _plain(image: Image.Image) -> Image.Image:
    """Upright, opaque, 8-bit RGB; the picture given is used up."""
    frame = _upright(image)
    if frame.mode.startswith(("I", "F")):
        frame = _scaled_to_8_bits(frame)
    if frame.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in frame.info:
        frame = _opaque(frame.convert("RGBA"))
    if frame.mode == "LAB":
        return _from_lab(frame)
    return frame if frame.mode == "RGB" else frame.convert("RGB")  # that would copy


def _opaque(frame: Image.Image) -> Image.Image:
    """On white; on black what was drawn for a dark background and would vanish on white."""
    import numpy as np  # noqa: PLC0415 - heavy
    from PIL import Image  # noqa: PLC0415 - heavy

    grey, alpha = (np.asarray(band) for band in frame.convert("LA").split())
    drawn = grey[alpha >= _OPAQUE]
    is_light = 0 < drawn.size < grey.size and int(drawn.min()) >= _LIGHT_INK
    paper = Image.new("RGBA", frame.size, "black" if is_light else "white")
    paper.alpha_composite(frame)
    return paper


def _scaled_to_8_bits(frame: Image.Image) -> Image.Image:
    """Pillow would clip 16 bits to white. What uses fewer bits (12 of a scanner's 16) fills them all."""
    import numpy as np  # noqa: PLC0415 - heavy
    from PIL import Image  # noqa: PLC0415 - heavy

    values = np.nan_to_num(np.asarray(frame, dtype=np.float64), posinf=0.0, neginf=0.0)
    values = values - min(0.0, values.min(initial=0.0))
    top = values.max(initial=0.0)
    full = (
        1.0 if top <= 1 and frame.mode.startswith("F") else max(2.0 ** np.ceil(np.log2(top + 1)) - 1, _BYTE)
    )
    return Image.fromarray((values / full * _BYTE).round().astype(np.uint8))


def _from_lab(frame: Image.Image) -> Image.Image:
    from PIL import ImageCms  # noqa: PLC0415 - heavy

    lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
    converted = ImageCms.profileToProfile(frame, lab, srgb, outputMode="RGB")
    if converted is None:  # only when asked to convert in place
        raise ValueError("not converted")
    return converted
