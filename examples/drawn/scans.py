"""Pictures with texture: drawn ultrasound scans with their measurements, and a harbour without any text.

Nothing here is a real scan or photograph; the scans say so in the picture.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from drawn.canvas import AMBER, DIM, MOON, font

Grid = NDArray[np.float64]

_WIDTH, _HEIGHT = 1000, 760
_APEX = (480.0, -30.0)  # where the beams start, above the picture
_PIXELS_PER_CM = 40.0


@dataclass(frozen=True, slots=True)
class Kidney:
    """What a scan shows: sizes in cm; a cyst where `cyst` is not None."""

    side: str
    length: float
    width: float
    parenchyma: float
    cyst: float | None
    seed: int


RIGHT_KIDNEY = Kidney("RIGHT KIDNEY", length=10.8, width=5.1, parenchyma=1.6, cyst=1.4, seed=11)
LEFT_KIDNEY = Kidney("LEFT KIDNEY", length=11.2, width=5.3, parenchyma=1.7, cyst=None, seed=12)


def kidney_scan(kidney: Kidney) -> Image.Image:
    """A fan-shaped scan with an oval organ, callipers and a column of measurements."""
    y, x = np.mgrid[0:_HEIGHT, 0:_WIDTH].astype(np.float64)
    centre = (480.0, 380.0)
    half_length = kidney.length / 2 * _PIXELS_PER_CM
    half_width = kidney.width / 2 * _PIXELS_PER_CM
    radius = np.hypot((x - centre[0]) / half_length, (y - centre[1]) / half_width)

    brightness = 95 + 25 * np.cos(y / 37.0)  # the tissue around it, in layers
    brightness = np.where(radius < 1.0, 62.0, brightness)
    brightness = np.where(np.abs(radius - 1.0) < 0.03, 185.0, brightness)  # noqa: PLR2004 - the capsule
    core = np.hypot((x - centre[0]) / (half_length * 0.62), (y - centre[1]) / (half_width * 0.38))
    brightness = np.where(core < 1.0, 165.0, brightness)
    if kidney.cyst is not None:
        cyst = np.hypot(x - centre[0] - half_length * 0.70, y - centre[1] - half_width * 0.10)
        brightness = np.where(cyst < kidney.cyst / 2 * _PIXELS_PER_CM, 8.0, brightness)

    speckle = _smooth_noise(kidney.seed, blur=1.6)
    depth = np.hypot(x - _APEX[0], y - _APEX[1])
    level = brightness * (0.62 + 0.5 * speckle) * np.interp(depth, [0, 300, 800], [0.8, 1.0, 0.62])
    fan = (np.abs(np.arctan2(x - _APEX[0], y - _APEX[1])) < 0.66) & (depth > 120) & (depth < 710)  # noqa: PLR2004 - the fan
    picture = Image.fromarray(np.where(fan, level, 0).clip(0, 255).astype(np.uint8))
    picture = picture.filter(ImageFilter.GaussianBlur(0.8)).convert("RGB")
    _label(ImageDraw.Draw(picture), kidney, centre, half_length, half_width)
    return picture


def _label(
    draw: ImageDraw.ImageDraw,
    kidney: Kidney,
    centre: tuple[float, float],
    half_length: float,
    half_width: float,
) -> None:
    x, y = centre
    _calliper(draw, (x - half_length, y), (x + half_length, y), "1")
    _calliper(draw, (x, y - half_width), (x, y + half_width), "2")
    lines = [
        f"1 Length  {kidney.length} cm",
        f"2 Width  {kidney.width} cm",
        f"Parenchyma  {kidney.parenchyma} cm",
    ]
    if kidney.cyst is not None:
        lines.append(f"Cyst  {kidney.cyst} cm")
    draw.text((24, 20), kidney.side, font=font(24, bold=True), fill=MOON)
    draw.text((24, 54), "LF-900, abdomen", font=font(17), fill=DIM)
    for row, line in enumerate(lines):
        draw.text((650, 20 + row * 32), line, font=font(20, bold=True), fill=AMBER)
    for centimetres in range(0, 16, 5):
        level = 100 + centimetres * _PIXELS_PER_CM
        draw.line((940, level, 956, level), fill=DIM, width=2)
        draw.text((964, level), str(centimetres), font=font(16), fill=DIM, anchor="lm")
    draw.rectangle((0, _HEIGHT - 44, _WIDTH, _HEIGHT), fill="#2a2f3a")
    draw.text(
        (_WIDTH / 2, _HEIGHT - 22),
        "DRAWING, NOT A REAL SCAN",
        font=font(20, bold=True),
        fill=MOON,
        anchor="mm",
    )


def _calliper(
    draw: ImageDraw.ImageDraw, start: tuple[float, float], end: tuple[float, float], name: str
) -> None:
    for share in np.linspace(0, 1, 45):
        x, y = (start[i] + (end[i] - start[i]) * share for i in (0, 1))
        draw.ellipse((x - 1.2, y - 1.2, x + 1.2, y + 1.2), fill=AMBER)
    for x, y in (start, end):
        draw.line((x - 9, y, x + 9, y), fill=AMBER, width=3)
        draw.line((x, y - 9, x, y + 9), fill=AMBER, width=3)
    draw.text((end[0] + 14, end[1] - 24), name, font=font(20, bold=True), fill=AMBER)


def harbour() -> Image.Image:
    """Evening light over water and hills: a picture with nothing to read."""
    width, height, horizon = 900, 600, 352
    sun_x, sun_y = 592, 300
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    sky = np.stack(
        [np.interp(y, [0, horizon], colours) for colours in ((58, 250), (84, 178), (138, 120))], axis=-1
    )
    glow = np.exp(-((x - sun_x) ** 2 + (y - sun_y) ** 2) / 2900.0)[..., None]
    picture = sky + glow * np.array([90.0, 70.0, 30.0])
    for seed, base, lift, colour in ((21, 330, 90, (126, 112, 132)), (22, 349, 68, (74, 76, 104))):
        ridge = base - lift * _profile(seed, width)
        picture[y >= ridge[None, :]] = colour
    water = y >= horizon
    ripple = _smooth_noise(23, blur=2.2, size=(width, height // 4)).repeat(4, axis=0)[:height]
    mirrored = picture[np.clip(2 * horizon - np.arange(height), 0, height - 1)]
    crests = ripple > 1.05  # noqa: PLR2004 - the part of the waves that faces the sun
    glint = (np.exp(-((x - sun_x) ** 2) / 5000.0) * crests)[..., None] * np.array([80.0, 60.0, 30.0])
    picture = np.where(water[..., None], mirrored * 0.62 * (0.75 + 0.28 * ripple[..., None]) + glint, picture)
    _boat(picture, left=190, waterline=430)
    grain = np.random.default_rng(24).normal(0, 2.5, picture.shape)
    return Image.fromarray((picture + grain).clip(0, 255).astype(np.uint8)).filter(
        ImageFilter.GaussianBlur(0.9)
    )


def _boat(picture: Grid, *, left: int, waterline: int) -> None:
    mask = Image.new("L", (picture.shape[1], picture.shape[0]), 0)
    draw = ImageDraw.Draw(mask)
    hull = ((0, 0), (190, 0), (160, 36), (30, 36))
    mast = ((86, -210), (91, -210), (91, 0), (86, 0))
    main_sail = ((96, -200), (96, -18), (176, -18))
    fore_sail = ((80, -170), (80, -18), (24, -18))
    for part in (hull, mast, main_sail, fore_sail):
        draw.polygon([(left + x, waterline + y) for x, y in part], fill=255)
    picture[np.asarray(mask) > 0] = (38, 36, 52)


def _smooth_noise(seed: int, *, blur: float, size: tuple[int, int] = (_WIDTH, _HEIGHT)) -> Grid:
    """Noise around 1 with a standard deviation near 0.5, smoothed over `blur` pixels."""
    noise = np.random.default_rng(seed).integers(0, 256, (size[1], size[0]), dtype=np.uint8)
    smooth = np.asarray(Image.fromarray(noise).filter(ImageFilter.GaussianBlur(blur)), dtype=np.float64)
    return 1.0 + 0.5 * (smooth - smooth.mean()) / smooth.std()


def _profile(seed: int, width: int) -> Grid:
    """A hilly line of `width` heights between 0 and 1."""
    rng = np.random.default_rng(seed)
    x = np.linspace(0, 1, width)
    waves = np.array([1.3, 2.7, 5.9, 12.1])[:, None]  # (4, 1) per width
    line = (np.sin(2 * np.pi * (rng.random(waves.shape) + x * waves)) / waves).sum(axis=0)
    return (line - line.min()) / (line.max() - line.min())
