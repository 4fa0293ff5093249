"""Pictures inside a document, read as figures: each once, within limits, never a reason to fail.

It knows pictures as bytes, not the documents they come from.
"""

from __future__ import annotations

import re
from hashlib import blake2b
from typing import TYPE_CHECKING

from mmrag.errors import NotReadable
from mmrag.reading.page_builder import one_line
from mmrag.reading.picture import PictureFile

if TYPE_CHECKING:
    from collections.abc import Callable

    from PIL import Image

    from mmrag.reading.figures import FigureReading
    from mmrag.reading.page_builder import PageBuilder

_MIN_SIDE = 40  # pixels: smaller pictures are icons, bullets and rules
_MAX_PICTURES = 200  # of one document that are read
_SAYS_NOTHING = re.compile(
    r"[\w .()-]+\.(?:png|jpe?g|gif|bmp|tiff?|emf|wmf|svg|webp)"
    r"|(?:picture|image|graphic|chart|图片|图像|图表)\s*\d*",
    re.IGNORECASE,
)
_MADE_BY_A_PROGRAM = re.compile(
    r"\s*(?:Description automatically generated.*|AI-generated content may be incorrect\.?|已自动生成说明.*"
    r"|AI\s*生成的内容可能不正确。?)",
    re.DOTALL,
)


class EmbeddedPictures:
    """Reads pictures of one document; `warnings` says what was left out."""

    def __init__(
        self, read_figure: Callable[[Image.Image], FigureReading], *, max_bytes: int, max_pixels: int
    ) -> None:
        self._read_figure = read_figure
        self._max_bytes = max_bytes
        self._max_pixels = max_pixels
        self._seen: set[bytes] = set()  # a logo is on every page
        self._warnings: dict[str, None] = {}

    @property
    def warnings(self) -> tuple[str, ...]:
        """What was left out, each reason once."""
        return tuple(self._warnings)

    def warn(self, sentence: str) -> None:
        """Say something about the document once."""
        self._warnings[sentence] = None

    def write(self, data: bytes, page: PageBuilder, *, caption: str = "") -> None:
        """Append a picture as a figure; what shows no text and has no caption can't be found nor quoted."""
        figure = self.read(data)
        if figure is not None and (figure.lines or caption):
            figure.write_figure(page, caption=caption)

    def read(self, data: bytes) -> FigureReading | None:
        """A picture that was not read before; None for one that was, an icon, or what can't be read."""
        key = blake2b(data, digest_size=16).digest()
        if key in self._seen:
            return None
        if len(self._seen) == _MAX_PICTURES:
            self.warn(f"Only the first {_MAX_PICTURES} pictures in this document were read.")
            return None
        self._seen.add(key)
        try:
            image = PictureFile(data, max_bytes=self._max_bytes, max_pixels=self._max_pixels).first()
        except NotReadable:
            self.warn(
                "A picture in this document is damaged, too large or of a kind that is not read "
                "(EMF, WMF, SVG), and was left out: send it as PNG."
            )
            return None
        return self._read_figure(image) if min(image.size) >= _MIN_SIDE else None


def alternative_text(text: str) -> str:
    """What an author wrote about a picture, without what programs put there by themselves."""
    text = one_line(_MADE_BY_A_PROGRAM.sub("", text))
    return "" if _SAYS_NOTHING.fullmatch(text) else text
