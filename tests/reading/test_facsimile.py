"""A PDF's page as it looks, and the words that are marked on it."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
from PIL import Image
from pypdfium2 import PdfDocument
from reportlab.lib.pagesizes import A4
from reportlab.pdfgen.canvas import Canvas

from mmrag.errors import NotReadable
from mmrag.reading.facsimile import draw_page

LINES = ("The office in Leiden", "has 61 peo-", "ple and a fine", "kitchen.")
TOP = 700  # points; 842 is the height of the sheet


def sheet(*, turned=0):
    """Lines of text, one below the other, from the top left; then an empty page."""
    file = BytesIO()
    canvas = Canvas(file, pagesize=A4)
    for number, line in enumerate(LINES):
        canvas.drawString(72, TOP - 30 * number, line)
    canvas.showPage()
    canvas.showPage()
    canvas.save()
    document, turned_file = PdfDocument(file.getvalue()), BytesIO()
    document[0].set_rotation(turned)
    document.save(turned_file)
    document.close()
    return turned_file.getvalue()


def marked(picture):
    """Shares of width and height between which pixels are yellow, or None."""
    pixels = np.asarray(Image.open(BytesIO(picture)).convert("RGB")).astype(int)
    yellow = np.argwhere((pixels[..., 0] > 200) & (pixels[..., 2] < 160))
    if not len(yellow):
        return None
    (top, left), (bottom, right) = yellow.min(axis=0), yellow.max(axis=0)
    height, width = pixels.shape[:2]
    return left / width, top / height, right / width, bottom / height


def test_quoted_words_are_marked_where_they_stand_whatever_parts_them():
    left, top, right, bottom = marked(draw_page(sheet(), number=1, quote="61 | people and\na FINE"))
    height = A4[1]
    assert left == pytest.approx(72 / A4[0], abs=0.01)
    assert right < 0.35
    assert (height - TOP + 30 - 14) / height < top < bottom < (height - TOP + 60 + 8) / height


def test_words_on_a_turned_page_are_marked_where_they_are_seen():
    left, top, right, bottom = marked(draw_page(sheet(turned=90), number=1, quote="kitchen"))
    seen = 1 - (TOP - 90) / A4[1]  # from the right: the top of the sheet is turned there
    assert 1 - right == pytest.approx(seen - 10 / A4[1], abs=0.02)
    assert top == pytest.approx(72 / A4[0], abs=0.02)
    assert left < right
    assert top < bottom


@pytest.mark.parametrize("quote", ["", "The garden", "...", "kitchen. The office"])
def test_what_does_not_stand_there_is_not_marked(quote):
    assert marked(draw_page(sheet(), number=1, quote=quote)) is None
    assert marked(draw_page(sheet(), number=2, quote=quote)) is None


@pytest.mark.parametrize(("data", "number"), [(b"%PDF-1.4 broken", 1), (b"", 1), (sheet(), 0), (sheet(), 3)])
def test_what_has_no_such_page_is_refused(data, number):
    with pytest.raises(NotReadable):
        draw_page(data, number=number, quote="x")


def test_a_page_is_drawn_in_a_contained_process(reader):
    picture = reader.draw_page(sheet(), number=1, quote="kitchen")
    assert marked(picture) is not None
    with pytest.raises(NotReadable):
        reader.draw_page(b"%PDF-1.4 broken", number=1, quote="kitchen")
