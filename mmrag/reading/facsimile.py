"""A page of a PDF as it looks, with words marked that stand on it.

Words are found by their letters and digits alone: what was read of a page has other white space, hyphens and
bars between cells. Where they do not stand in this order, nothing is marked.
"""

from __future__ import annotations

import ctypes
import unicodedata
from io import BytesIO
from typing import TYPE_CHECKING, Any

from mmrag.errors import NotReadable
from mmrag.reading.pdfium import LOCK, pdfium, to_rgb

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from PIL import Image

WIDTH = 1_400  # pixels: sharp on a phone, and on a page of a screen
HIGHEST = 4_000
_MARK = (255, 232, 130)
_MOST_CHARACTERS = 200_000  # of a page, in which words are looked for
_SAME_LINE = 0.5  # of a character's height by which the next may stand higher or lower

Box = tuple[float, float, float, float]  # left, top, right, bottom, in pixels


def draw_page(data: bytes, *, number: int, quote: str) -> bytes:
    """The page as PNG, the quote marked. Raises NotReadable where the file has no such page."""
    with LOCK:
        try:
            document = pdfium().PdfDocument(data)
        except pdfium().PdfiumError:
            raise NotReadable("This file cannot be shown as it looks.") from None
        try:
            if not 1 <= number <= len(document):
                raise NotReadable("This file has no such page.")
            return _drawn(document[number - 1], quote)
        except pdfium().PdfiumError:
            raise NotReadable("This page cannot be shown as it looks.") from None
        finally:
            document.close()


def _drawn(page: Any, quote: str) -> bytes:  # noqa: ANN401 - pypdfium2 ships no types
    width, height = page.get_size()
    scale = min(WIDTH / max(width, 1), HIGHEST / max(height, 1))
    image = to_rgb(page.render(scale=scale))
    text = page.get_textpage()
    try:
        places = _find(text, quote) if quote else ()
        boxes = [box for place in places if (box := _box(page, text, place, image.size))]
    finally:
        text.close()
        page.close()
    file = BytesIO()
    _marked(image, _lines(boxes)).save(file, "PNG")
    return file.getvalue()


def _find(text: Any, quote: str) -> range:  # noqa: ANN401 - pypdfium2 ships no types
    """The characters of the page from the first of the quote to its last; none where it is not there."""
    letters: list[str] = []
    places: list[int] = []
    for place in range(min(text.count_chars(), _MOST_CHARACTERS)):
        for letter in _letters(chr(pdfium().raw.FPDFText_GetUnicode(text, place))):
            letters.append(letter)
            places.append(place)
    wanted = "".join(_letters(quote))
    start = "".join(letters).find(wanted) if wanted else -1
    return range(0) if start < 0 else range(places[start], places[start + len(wanted) - 1] + 1)


def _letters(text: str) -> Iterator[str]:
    for letter in unicodedata.normalize("NFKC", text).casefold():
        if letter.isalnum():
            yield letter


def _box(page: Any, text: Any, place: int, size: tuple[int, int]) -> Box | None:  # noqa: ANN401 - as above
    """Where a character stands in the picture, however the page is turned and cropped."""
    left, bottom, right, top = text.get_charbox(place, loose=True)
    if left >= right or bottom >= top:
        return None  # white space that was made up
    corners = [_pixel(page, size, x, y) for x, y in ((left, bottom), (right, top))]
    (x1, y1), (x2, y2) = corners
    return min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2)


def _pixel(page: Any, size: tuple[int, int], x: float, y: float) -> tuple[int, int]:  # noqa: ANN401 - as above

    across, down = ctypes.c_int(), ctypes.c_int()
    pdfium().raw.FPDF_PageToDevice(page, 0, 0, *size, 0, x, y, ctypes.byref(across), ctypes.byref(down))
    return across.value, down.value


def _lines(boxes: Iterable[Box]) -> list[Box]:
    """One box for neighbours on a line."""
    lines: list[Box] = []
    for box in boxes:
        if lines:
            left, top, right, bottom = lines[-1]
            height = bottom - top
            same_line = abs(box[1] - top) < _SAME_LINE * height and abs(box[3] - bottom) < _SAME_LINE * height
            if same_line and -height < box[0] - right < height:
                lines[-1] = (left, min(top, box[1]), max(right, box[2]), max(bottom, box[3]))
                continue
        lines.append(box)
    return lines


def _marked(image: Image.Image, boxes: Iterable[Box]) -> Image.Image:
    """As with a marker pen: what is dark stays dark."""
    from PIL import Image as Images  # noqa: PLC0415 - heavy
    from PIL import ImageChops, ImageDraw  # noqa: PLC0415 - heavy

    pen = Images.new("RGB", image.size, "white")
    draw = ImageDraw.Draw(pen)
    for box in boxes:
        draw.rectangle(box, fill=_MARK)
    return ImageChops.multiply(image, pen)
