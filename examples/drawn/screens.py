"""Screenshots in dark themes: a status dashboard and the app with an error."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matplotlib.patches import Rectangle
from PIL import Image, ImageDraw

from drawn.canvas import AMBER, CORAL, DIM, MOON, NIGHT, PANEL, TEAL, figure_image, font, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_COLUMNS = (
    ("Service", 0.07),
    ("Uptime", 0.36),
    ("p95 latency", 0.51),
    ("Error rate", 0.69),
    ("Status", 0.85),
)
_SERVICES = (
    ("device-gateway", "99.97 %", "142 ms", "0.04 %", "OK"),
    ("token-service", "99.37 %", "88 ms", "0.06 %", "OK"),
    ("sync-api", "99.37 %", "310 ms", "0.12 %", "OK"),
    ("reports-api", "99.91 %", "930 ms", "0.41 %", "Slow"),
    ("web-shop", "99.98 %", "265 ms", "0.09 %", "OK"),
)
_LATENCY_MS = (412, 405, 431, 420, 446, 438, 470, 512, 640, 785, 880, 930)  # reports-api, one value an hour


def cloud_status() -> Image.Image:
    """The dashboard: a table of services, and the latency of the slow one."""
    figure = new_figure(1200, 860)
    figure.set_facecolor(NIGHT)
    figure.text(0.04, 0.94, "Larkfell Cloud: service status", fontsize=21, fontweight="bold", color=MOON)
    figure.text(0.04, 0.90, "9 September 2025, 08:15 UTC, last 30 days", fontsize=13, color=DIM)
    figure.add_artist(Rectangle((0.04, 0.425), 0.92, 0.435, color=PANEL))
    for title, left in _COLUMNS:
        figure.text(left, 0.815, title, fontsize=13, color=DIM)
    for row, cells in enumerate(_SERVICES):
        height = 0.742 - row * 0.068
        colour = AMBER if cells[-1] == "Slow" else TEAL
        figure.text(0.051, height, "●", fontsize=10, color=colour, va="center")
        for (_, left), cell in zip(_COLUMNS, cells, strict=True):
            marked = cells[-1] == "Slow" and cell in {"Slow", "930 ms"}
            figure.text(
                left,
                height,
                cell,
                fontsize=15,
                color=AMBER if marked else MOON,
                fontweight="bold" if marked else "normal",
                va="center",
            )
    _latency(figure)
    return figure_image(figure)


def _latency(figure: Figure) -> None:
    figure.text(0.04, 0.365, "reports-api: p95 latency in ms, last 12 hours", fontsize=14, color=MOON)
    axes = figure.add_axes((0.09, 0.07, 0.87, 0.26), facecolor=NIGHT)
    hours = range(len(_LATENCY_MS))
    axes.plot(hours, _LATENCY_MS, color=AMBER, linewidth=2.4)
    axes.fill_between(hours, _LATENCY_MS, color=AMBER, alpha=0.15)
    axes.axhline(800, color=CORAL, linewidth=1.3, linestyle=(0, (5, 4)))
    axes.annotate(
        "Alert threshold", (0.1, 800), xytext=(0, 5), textcoords="offset points", fontsize=12, color=CORAL
    )
    axes.set_xticks(list(hours)[::2], [f"{(hour + 21) % 24:02d}:00" for hour in hours][::2])
    axes.set_yticks([0, 250, 500, 750, 1000])
    axes.tick_params(colors=DIM, labelsize=12, pad=8)
    axes.spines["bottom"].set_color(DIM)
    axes.grid(axis="y", color="#2b3446")
    axes.set_xlim(0, len(_LATENCY_MS) - 1)
    axes.set_ylim(0, 1050)


def app_error() -> Image.Image:
    """A telephone's screen: the app could not synchronise."""
    width, height = 720, 1180
    screen = Image.new("RGB", (width, height), NIGHT)
    draw = ImageDraw.Draw(screen)
    draw.text((44, 28), "09:12", font=font(26, bold=True), fill=MOON)
    draw.rounded_rectangle((width - 96, 34, width - 48, 58), 6, outline=MOON, width=3)
    draw.rectangle((width - 90, 40, width - 64, 52), fill=MOON)
    draw.text((44, 112), "My devices", font=font(44, bold=True), fill=MOON)
    _device(draw, 210, "LF-220 Arm Monitor", "Last sync: 19 August, 08:31", CORAL)
    _device(draw, 354, "LF-410 Smart Scale", "Last sync: 19 August, 08:29", CORAL)

    draw.rounded_rectangle((36, 530, width - 36, 1070), 32, fill=PANEL)
    draw.ellipse((width / 2 - 52, 580, width / 2 + 52, 684), fill=CORAL)
    draw.rounded_rectangle((width / 2 - 7, 602, width / 2 + 7, 644), 7, fill=PANEL)
    draw.ellipse((width / 2 - 8, 652, width / 2 + 8, 668), fill=PANEL)
    for top, text, size, bold, colour in (
        (736, "Synchronisation failed", 34, True, MOON),
        (802, "ERR-4042", 40, True, CORAL),
        (868, "Sync token rejected", 28, False, DIM),
    ):
        draw.text((width / 2, top), text, font=font(size, bold=bold), fill=colour, anchor="mm")
    draw.rounded_rectangle((96, 940, width - 96, 1024), 42, fill=TEAL)
    draw.text((width / 2, 982), "Try again", font=font(30, bold=True), fill="white", anchor="mm")
    draw.rounded_rectangle((width / 2 - 110, height - 34, width / 2 + 110, height - 26), 4, fill=DIM)
    return screen


def _device(draw: ImageDraw.ImageDraw, top: int, name: str, state: str, colour: str) -> None:
    draw.rounded_rectangle((36, top, 684, top + 120), 24, fill=PANEL)
    draw.ellipse((68, top + 48, 92, top + 72), fill=colour)
    draw.text((120, top + 24), name, font=font(30, bold=True), fill=MOON)
    draw.text((120, top + 68), state, font=font(24), fill=DIM)
