"""Promise: an answer about one picture is never given for another one, and is for a copy of it.

Charts are drawn that differ in the height of one bar, or in one bar's colour: their cache keys must
differ. Each is saved anew in other formats without loss, with other settings and notes inside: their
keys must be the same. A trial is a pair.
"""

from __future__ import annotations

import io
import random

from PIL import Image, ImageDraw
from PIL.PngImagePlugin import PngInfo

from mmrag.cache_key import cache_key
from mmrag.reading.picture import PictureFile
from mmrag.types import Attachment
from tests.trust.outcome import trial_run

TRIALS = 10_000
IN_MEMORY = True  # nothing here is about durability
_SIZE = (160, 100)


def run(trials, seed, folder):
    """Compare so many pairs."""
    del folder  # nothing is kept
    with trial_run(seed) as outcome:
        rng = random.Random(seed)
        for _ in range(trials):
            bars = [(rng.randint(2, 80), rng.randrange(256)) for _ in range(rng.randint(2, 12))]
            changed = list(bars)
            place = rng.randrange(len(bars))
            height, colour = bars[place]
            changed[place] = rng.choice([(height + rng.choice([-1, 1]), colour), (height, colour ^ 1)])
            chart, other = _draw(bars), _draw(changed)
            key = _key(_saved(chart, "PNG"))
            outcome.check(key != _key(_saved(other, "PNG")), f"one key for {bars} and {changed}")
            name, copy = rng.choice(_copies(chart, rng))
            outcome.check(key == _key(copy), f"another key for the same chart as {name}")
            outcome.trials += 1
        return outcome


def _draw(bars):
    image = Image.new("RGB", _SIZE, "white")
    draw = ImageDraw.Draw(image)
    for place, (height, colour) in enumerate(bars):
        draw.rectangle([place * 13 + 2, 95 - height, place * 13 + 11, 95], fill=(colour, 90, 160))
    return image


def _saved(image, kind, **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def _copies(image, rng):
    note = PngInfo()
    note.add_text("Comment", str(rng.random()))
    return [
        ("PNG, packed otherwise", _saved(image, "PNG", compress_level=rng.randint(0, 9))),
        ("PNG with a note", _saved(image, "PNG", pnginfo=note)),
        ("PNG with an opaque alpha", _saved(image.convert("RGBA"), "PNG")),
        ("BMP", _saved(image, "BMP")),
        ("TIFF", _saved(image, "TIFF", compression="tiff_lzw")),
        ("WebP", _saved(image, "WEBP", lossless=True, method=0)),
    ]


def _key(data):
    return cache_key(
        text="Which bar is highest?",
        collections=["shared"],
        history=(),
        attachments=[Attachment("chart.png", data)],
        pixels=[PictureFile(data, max_bytes=10**7, max_pixels=10**7).pixel_digest()],
        index_version="1",
        generator_version="g",
    )
