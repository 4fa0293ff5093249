"""The drawn examples: reproducible, small, and the same as those committed.

Bytes are compared between two runs here. With what is committed pixels and text are compared,
with a small tolerance: another processor or another build of a library may round a shade
differently or pack the same pixels differently, and that is no fault of the examples.
"""

from __future__ import annotations

import numpy as np
import pypdfium2
import pytest
from PIL import Image, UnidentifiedImageError

MOST_BYTES = 4_000_000


def files_of(folder):
    return {str(path.relative_to(folder)): path for path in folder.rglob("*") if path.is_file()}


def mean_difference(one, other):
    """Mean absolute difference of two pictures' channels, in levels of 255."""
    assert one.size == other.size
    pixels = [np.asarray(picture.convert("RGB"), dtype=np.int16) for picture in (one, other)]
    return np.abs(pixels[0] - pixels[1]).mean()


def rendered_pages(path):
    with pypdfium2.PdfDocument(path) as document:
        pages = [document[number] for number in range(len(document))]
        return [(page.get_textpage().get_text_range(), page.render(scale=0.7).to_pil()) for page in pages]


def test_drawing_twice_writes_the_same_bytes(drawn_twice):
    first, second = (
        {name: path.read_bytes() for name, path in files_of(folder).items()} for folder in drawn_twice
    )

    assert len(first) == 16
    assert [name for name in first if first[name] != second[name]] == []


def test_every_drawn_file_is_committed_as_it_is_drawn_today(drawn_twice, examples):
    for name, path in files_of(drawn_twice[0]).items():
        committed = examples / name
        if path.suffix == ".pdf":
            pairs = zip(rendered_pages(path), rendered_pages(committed), strict=True)
            for (text, picture), (committed_text, committed_picture) in pairs:
                assert text == committed_text, name
                assert mean_difference(picture, committed_picture) < 1, name
        elif name != "attachments/broken-chart.png":
            with Image.open(path) as picture, Image.open(committed) as committed_picture:
                assert mean_difference(picture, committed_picture) < 1, name


def test_the_damaged_chart_cannot_be_opened(examples):
    with pytest.raises(UnidentifiedImageError):
        Image.open(examples / "attachments" / "broken-chart.png")


def test_the_examples_stay_below_four_megabytes(examples):
    sizes = [path.stat().st_size for path in files_of(examples).values() if "__pycache__" not in path.parts]

    assert sum(sizes) < MOST_BYTES
