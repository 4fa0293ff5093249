"""Colours, fonts and the way from a drawing to bytes: the same bytes on every run.

It knows no fact and no picture. Fonts are those that Matplotlib ships, so that a machine's
own fonts make no difference.
"""

from __future__ import annotations

import io
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image, ImageFilter, ImageFont

if TYPE_CHECKING:
    from PIL.ImageFont import FreeTypeFont

NAVY, TEAL, AMBER, CORAL = "#1f3a5f", "#2a9d8f", "#e9a23b", "#d9594c"
INK, GREY, MIST, PALE, WHITE = "#1b2430", "#6b7686", "#9db4cf", "#dfe5ec", "#ffffff"
NIGHT, PANEL, MOON, DIM = "#12161f", "#1c2230", "#e8ecf3", "#8f9bb0"  # the dark theme

_FONT_FOLDER = Path(mpl.get_data_path()) / "fonts" / "ttf"
_STYLE = {
    "font.family": "DejaVu Sans",
    "font.size": 13,
    "text.color": INK,
    "axes.edgecolor": PALE,
    "axes.labelcolor": GREY,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "axes.axisbelow": True,
    "grid.color": PALE,
    "grid.linewidth": 0.8,
    "xtick.color": INK,
    "ytick.color": GREY,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
}


def new_figure(width: int, height: int) -> Figure:
    """An empty figure of `width` x `height` pixels in the house style, whatever the user's own settings."""
    mpl.rcdefaults()
    mpl.rcParams.update(_STYLE)
    return Figure(figsize=(width / 100, height / 100), dpi=100)


def figure_image(figure: Figure) -> Image.Image:
    """The figure as an RGB picture."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")


@lru_cache
def font(size: int, *, bold: bool = False) -> FreeTypeFont:
    """DejaVu Sans at `size` pixels."""
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(str(_FONT_FOLDER / name), size, layout_engine=ImageFont.Layout.BASIC)


def shadow(mask: Image.Image, *, blur: int, strength: float) -> Image.Image:
    """A soft shadow (0..255) of what `mask` covers."""
    return mask.filter(ImageFilter.GaussianBlur(blur)).point(
        [round(level * strength) for level in range(256)]
    )


def png(image: Image.Image, *, colours: int = 128) -> bytes:
    """PNG with a palette: flat drawings lose nothing visible and take a third of the space."""
    buffer = io.BytesIO()
    palette = image.quantize(colours, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    palette.save(buffer, format="png", optimize=True)
    return buffer.getvalue()


def jpeg(image: Image.Image, *, quality: int = 82) -> bytes:
    """JPEG for what has texture."""
    buffer = io.BytesIO()
    image.save(buffer, format="jpeg", quality=quality, optimize=True)
    return buffer.getvalue()
