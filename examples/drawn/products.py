"""Product pictures for the catalogue: simple drawings with model, name and price."""

from __future__ import annotations

from math import comb
from typing import TYPE_CHECKING

from PIL import Image, ImageDraw

from drawn.canvas import GREY, INK, MIST, NAVY, PALE, TEAL, WHITE, font, shadow

if TYPE_CHECKING:
    from collections.abc import Callable

    from drawn.facts import Product

_SCALE = 2  # drawn twice as large, then reduced: smooth edges
_WIDTH, _HEIGHT = 900, 640
_SCREEN, _GLOW, _RUBBER = "#16202e", "#8fe3d8", "#c9d2dd"

Box = tuple[float, float, float, float]


class Sketch:
    """A canvas in final pixels. Every shape may throw a shadow on what lies below it."""

    def __init__(self) -> None:
        self._image = Image.new("RGB", (_WIDTH * _SCALE, _HEIGHT * _SCALE), "#f3f5f8")

    def rounded(self, box: Box, radius: float, colour: str, *, lift: int = 0) -> None:
        """A rectangle with round corners; `lift` pixels above what lies below."""
        self._shape(
            lambda draw, fill: draw.rounded_rectangle(_scaled(box), radius * _SCALE, fill=fill), colour, lift
        )

    def ellipse(self, box: Box, colour: str, *, lift: int = 0) -> None:
        """An ellipse that fills `box`."""
        self._shape(lambda draw, fill: draw.ellipse(_scaled(box), fill=fill), colour, lift)

    def polygon(self, points: list[tuple[float, float]], colour: str, *, lift: int = 0) -> None:
        """A filled polygon."""
        corners = [(x * _SCALE, y * _SCALE) for x, y in points]
        self._shape(lambda draw, fill: draw.polygon(corners, fill=fill), colour, lift)

    def curve(self, controls: list[tuple[float, float]], colour: str, width: float) -> None:
        """A Bézier curve with round ends."""
        draw = ImageDraw.Draw(self._image)
        points = [_bezier(controls, step / 60) for step in range(61)]
        corners = [(x * _SCALE, y * _SCALE) for x, y in points]
        draw.line(corners, fill=colour, width=round(width * _SCALE), joint="curve")
        for x, y in (corners[0], corners[-1]):
            half = width * _SCALE / 2
            draw.ellipse((x - half, y - half, x + half, y + half), fill=colour)

    def text(
        self, place: tuple[float, float], text: str, size: int, colour: str, *, anchor: str = "mm"
    ) -> None:
        """Bold text at `place`, centred unless `anchor` (Pillow's) says otherwise."""
        x, y = place
        draw = ImageDraw.Draw(self._image)
        draw.text(
            (x * _SCALE, y * _SCALE), text, font=font(size * _SCALE, bold=True), fill=colour, anchor=anchor
        )

    def finished(self) -> Image.Image:
        """The drawing in its final size."""
        return self._image.resize((_WIDTH, _HEIGHT), Image.Resampling.LANCZOS)

    def _shape(self, paint: Callable[[ImageDraw.ImageDraw, str | int], None], colour: str, lift: int) -> None:
        if lift:
            mask = Image.new("L", self._image.size, 0)
            paint(ImageDraw.Draw(mask), 255)
            offset = Image.new("L", self._image.size, 0)
            offset.paste(mask, (0, lift * _SCALE))
            soft = shadow(offset, blur=lift * _SCALE, strength=0.28)
            self._image.paste(Image.new("RGB", self._image.size, INK), (0, 0), soft)
        paint(ImageDraw.Draw(self._image), colour)


def _scaled(box: Box) -> Box:
    left, top, right, bottom = (edge * _SCALE for edge in box)
    return left, top, right, bottom


def _bezier(controls: list[tuple[float, float]], t: float) -> tuple[float, float]:
    """The point at `t` in 0..1 (Bernstein form)."""
    degree = len(controls) - 1
    weights = [comb(degree, i) * t**i * (1 - t) ** (degree - i) for i in range(degree + 1)]
    x, y = (sum(w * point[axis] for w, point in zip(weights, controls, strict=True)) for axis in (0, 1))
    return x, y


def product_picture(product: Product) -> Image.Image:
    """The product's drawing above its label."""
    sketch = Sketch()
    _DRAWINGS[product.model](sketch)
    sketch.rounded((0, 530, _WIDTH, _HEIGHT), 0, WHITE)
    sketch.text((40, 585), f"{product.model}  {product.name}", 28, INK, anchor="lm")
    sketch.rounded((690, 552, 860, 618), 33, TEAL)
    sketch.text((775, 585), f"€ {product.price:,}", 28, WHITE)
    return sketch.finished()


def _oximeter(sketch: Sketch) -> None:
    sketch.rounded((470, 300, 760, 372), 36, "#e8c3a5")  # the finger
    sketch.rounded((250, 350, 600, 450), 46, _RUBBER, lift=14)
    sketch.rounded((250, 190, 600, 330), 52, WHITE, lift=14)
    sketch.rounded((300, 212, 520, 308), 18, _SCREEN)
    sketch.text((368, 260), "98", 52, _GLOW)
    sketch.text((470, 260), "64", 40, WHITE)
    sketch.ellipse((545, 242, 581, 278), TEAL)


def _arm_monitor(sketch: Sketch) -> None:
    sketch.curve([(430, 390), (520, 500), (610, 500), (650, 360)], "#3b4656", 12)  # the tube
    sketch.rounded((600, 130, 810, 400), 70, NAVY, lift=14)
    sketch.ellipse((640, 165, 770, 365), "#122745")
    sketch.rounded((130, 130, 480, 430), 40, WHITE, lift=16)
    sketch.rounded((170, 165, 440, 350), 18, _SCREEN)
    sketch.text((275, 215), "121", 60, _GLOW)
    sketch.text((290, 280), "79", 48, WHITE)
    sketch.text((390, 318), "66", 28, MIST)
    sketch.rounded((245, 368, 365, 412), 22, TEAL)


def _ear_thermometer(sketch: Sketch) -> None:
    sketch.polygon([(560, 205), (700, 150), (716, 196), (580, 262)], "#dbe2ea", lift=10)  # the probe
    sketch.ellipse((690, 148, 724, 198), MIST)
    sketch.rounded((330, 130, 600, 300), 80, WHITE, lift=14)
    sketch.rounded((330, 190, 460, 480), 62, WHITE, lift=12)
    sketch.rounded((330, 130, 600, 298), 79, WHITE)
    sketch.rounded((375, 170, 530, 250), 16, _SCREEN)
    sketch.text((452, 210), "36.7", 42, _GLOW)
    sketch.ellipse((370, 320, 420, 370), TEAL)


def _scale(sketch: Sketch) -> None:
    sketch.polygon([(200, 450), (700, 450), (640, 160), (260, 160)], "#cfe0ea", lift=22)
    sketch.polygon([(214, 436), (686, 436), (632, 172), (268, 172)], "#e4eef4")
    sketch.rounded((375, 186, 525, 244), 12, _SCREEN)
    sketch.text((450, 215), "72.4", 36, _GLOW)
    for left in (285, 560):
        sketch.ellipse((left, 275, left + 56, 325), MIST)
        sketch.ellipse((left - 12, 360, left + 56, 415), MIST)


def _nebuliser(sketch: Sketch) -> None:
    sketch.rounded((390, 290, 530, 490), 34, NAVY, lift=14)
    sketch.ellipse((435, 400, 485, 450), TEAL)
    sketch.rounded((375, 160, 545, 310), 30, "#dbe7ef", lift=10)
    sketch.rounded((395, 185, 525, 290), 18, "#b9d3e2")
    sketch.polygon([(545, 195), (640, 180), (640, 262), (545, 272)], WHITE, lift=8)
    for row, (top, length) in enumerate(((192, 120), (216, 160), (240, 130))):
        sketch.curve(
            [
                (665, top),
                (665 + length / 3, top - 24),
                (665 + 2 * length / 3, top + 24),
                (665 + length, top - 4 + 4 * row),
            ],
            PALE,
            9,
        )


def _ultrasound(sketch: Sketch) -> None:
    sketch.curve([(318, 410), (320, 520), (450, 520), (500, 440)], "#3b4656", 10)  # the cable
    sketch.rounded((480, 110, 800, 470), 24, "#2a3342", lift=16)
    sketch.rounded((500, 130, 780, 450), 10, _SCREEN)
    sketch.polygon([(640, 150), (740, 400), (705, 418), (640, 426), (575, 418), (540, 400)], "#46566b")
    sketch.ellipse((590, 290, 690, 360), "#8493a6")
    sketch.ellipse((615, 308, 665, 342), "#5d6d82")
    sketch.polygon([(240, 420), (395, 420), (365, 230), (270, 230)], WHITE, lift=14)
    sketch.rounded((225, 120, 410, 250), 46, WHITE, lift=10)
    sketch.rounded((225, 110, 410, 165), 27, GREY)
    sketch.ellipse((295, 290, 340, 335), TEAL)


_DRAWINGS: dict[str, Callable[[Sketch], None]] = {
    "LF-110": _oximeter,
    "LF-220": _arm_monitor,
    "LF-310": _ear_thermometer,
    "LF-410": _scale,
    "LF-510": _nebuliser,
    "LF-900": _ultrasound,
}
