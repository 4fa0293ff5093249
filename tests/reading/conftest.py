"""Files made on the spot: drawn pictures, charts by matplotlib, PDFs by reportlab."""

from __future__ import annotations

import io

import cv2
import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import getSampleStyleSheet
from reportlab.platypus import SimpleDocTemplate

from mmrag.reading.reader import FileReader


@pytest.fixture
def read(reader):
    """Read bytes under a name that tells nothing, unless the test gives one."""

    def read(data, *, name="file"):
        return reader.read(data, name=name)

    return read


@pytest.fixture(scope="session")
def readings():
    """What was read already, by its bytes: for tests of what is added to a reading."""
    return {}


@pytest.fixture
def read_here():
    """As `read`, in the tests' own process: limits that a test changes hold in no other."""
    limits = {"max_pages": 10, "max_image_bytes": 10**7, "max_image_pixels": 10**7}
    reader = FileReader(max_file_bytes=10**7, threads=1, **limits)

    def read(data, *, name="file"):
        return reader.read(data, name=name)

    return read


@pytest.fixture(scope="session")
def draw_text():
    """Lines of text, Chinese too, on a picture of their own.

    About as high as wide: the detector enlarges the shorter side, so a low picture takes twice the time.
    """

    def draw(*lines, width=640, height=None, ink=(0, 0, 0), paper=(255, 255, 255)):
        height = height or max(50 * len(lines) + 30, width * 9 // 10)
        picture = np.full((height, width, 3), paper, dtype=np.uint8)
        font = cv2.FontFace("uni")  # the one font with Chinese that every machine with OpenCV 5 has
        for number, line in enumerate(lines, start=1):
            cv2.putText(picture, line, (20, 50 * number), ink, font, 28)
        return Image.fromarray(picture)

    return draw


@pytest.fixture(scope="session")
def draw_chart():
    """A chart as PNG: `draw` gets matplotlib's axes."""

    def make(draw):
        figure = Figure(figsize=(6, 5.5))
        draw(figure.subplots())
        buffer = io.BytesIO()
        figure.savefig(buffer, dpi=120)
        return buffer.getvalue()

    return make


@pytest.fixture(scope="session")
def bars(draw_chart):
    """A chart of three bars on an axis, as PNG."""
    return draw_chart(lambda axes: axes.bar(["Oslo", "Porto", "Leiden"], [40, 20, 30]))


@pytest.fixture(scope="session")
def styles():
    return getSampleStyleSheet()


@pytest.fixture(scope="session")
def make_pdf():
    """A PDF of reportlab's flowables."""

    def make(*flowables, **metadata):
        buffer = io.BytesIO()
        SimpleDocTemplate(buffer, pagesize=A4, **metadata).build(list(flowables))
        return buffer.getvalue()

    return make


@pytest.fixture(scope="session")
def encode():
    """A picture as bytes of a format."""

    def encode(image, kind="PNG", **options):
        buffer = io.BytesIO()
        image.save(buffer, format=kind, **options)
        return buffer.getvalue()

    return encode
