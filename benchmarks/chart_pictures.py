"""Charts with known data, drawn by matplotlib, Vega-Lite, leather and Pillow, in two languages.

A seed gives the same charts on every run. Copies are dark, small or JPEG. It knows no reader. What it
draws with stands in `chart_libraries.txt`.
"""

from __future__ import annotations

import html
import io
import random
import re
from dataclasses import dataclass
from importlib import resources
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw, ImageFont

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure
    from matplotlib.text import Text
    from matplotlib.transforms import BboxBase

KINDS = ("bar", "horizontal", "grouped", "stacked", "negative", "log", "line", "pie", "scatter", "panels")
BAR_KINDS = ("bar", "horizontal", "grouped", "stacked", "negative", "log")
COPIES = ("plain", "plain", "dark", "thumbnail", "jpeg")
WORDS = {
    "en": (
        ("North", "South", "East", "West", "Centre", "Coast", "Valley"),
        ("Alder", "Birch", "Cedar", "Hazel", "Maple", "Rowan", "Willow"),
        ("2018", "2019", "2020", "2021", "2022", "2023", "2024"),
    ),
    "zh": (
        ("北京", "上海", "广州", "成都", "武汉", "西安", "杭州"),
        ("一月", "二月", "三月", "四月", "五月", "六月", "七月"),
        ("2018", "2019", "2020", "2021", "2022", "2023", "2024"),
    ),
}
SERIES = {"en": ("Online", "Retail", "Partners"), "zh": ("线上", "门店", "代理")}
TITLES = {"en": ("Units sold", "Visitors counted"), "zh": ("销售数量统计", "访问人数统计")}
PALETTES = (
    ("#4c72b0", "#dd8452", "#55a868"),
    ("#1f77b4", "#ff7f0e", "#2ca02c"),
    ("#5470c6", "#91cc75", "#fac858"),
    ("#264653", "#2a9d8f", "#e76f51"),
    ("#7b3294", "#c2a5cf", "#008837"),
)
STYLES = ("default", "default", "ggplot", "seaborn-v0_8", "fivethirtyeight", "bmh")  # matplotlib's own


@dataclass(frozen=True)
class Drawn:
    """A chart and what it shows: `cells` by (category, series), `extent` of its value axis, `texts` on it."""

    name: str
    kind: str
    image: Image.Image
    cells: dict[tuple[str, str], float]
    extent: float
    texts: tuple[str, ...]


@dataclass(frozen=True)
class _Plan:
    """What is to be drawn, by whatever library: `data` by (name, series); a single series has no name."""

    kind: str
    names: Sequence[str]
    series: Sequence[str]
    data: dict[tuple[str, str], float]
    title: str
    palette: Sequence[str]
    dark: bool

    def values(self, series: str = "") -> list[float]:
        """The values of one series, in the order of the names."""
        return [self.data[name, series] for name in self.names]


def charts(count: int, seed: int) -> list[Drawn]:
    """`count` charts, kinds, libraries, languages and copies in turn."""
    return [_chart(number, _random(f"{seed}/{number}")) for number in range(count)]


def not_charts(count: int, seed: int) -> list[Image.Image]:
    """Texts, diagrams and procedurally drawn photos: none of them has a data table."""
    return [
        (_text, _diagram, _photo)[number % 3](_random(f"{seed}/none/{number}")) for number in range(count)
    ]


def _random(seed: str) -> random.Random:
    return random.Random(seed)  # noqa: S311 - the same charts on every run, no secret


def chinese_font() -> str:
    """The file of a font with Chinese, from a package."""
    return str(resources.files("pylopdf_fonts_zh_cn") / "NotoSansSC-Regular.otf")


def _chart(number: int, rng: random.Random) -> Drawn:
    kind = KINDS[number % len(KINDS)]
    language = "zh" if number // len(KINDS) % 3 == 2 else "en"
    copy = COPIES[rng.randrange(len(COPIES))]
    count = rng.randint(4, 7)
    names = rng.choice(WORDS[language])[:count]
    series = SERIES[language][: rng.randint(2, 3)] if kind in ("grouped", "stacked", "line") else ("",)
    top = rng.choice((8, 60, 450, 9000))
    low = -0.7 if kind == "negative" else 0.12
    data = {
        (name, one): round(top * rng.uniform(low, 1), 2 if top < 10 else 0)
        for name in names
        for one in series
    }
    if kind == "log":
        data = {key: float(f"{10 ** rng.uniform(0.3, 4):.2g}") for key in data}
    title = rng.choice(TITLES[language])
    library = _library(kind, rng, dark=copy == "dark")
    draw = {"matplotlib": _matplotlib, "vega": _vega, "leather": _leather, "pillow": _pillow}[library]
    plan = _Plan(kind, names, series, data, title, rng.choice(PALETTES), copy == "dark")
    image, texts = draw(plan, rng)
    if copy == "thumbnail":
        image = image.resize(
            (round(image.width * 0.62), round(image.height * 0.62)), Image.Resampling.LANCZOS
        )
    if copy == "jpeg":
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=rng.randint(55, 85))
        image = Image.open(buffer).convert("RGB")
    values = list(data.values())
    extent = max(values) - min(0.0, *values)
    return Drawn(f"{number:03d}-{kind}-{library}-{language}-{copy}", kind, image, data, extent, tuple(texts))


def _library(kind: str, rng: random.Random, *, dark: bool) -> str:
    """One of those that can draw this kind."""
    able = ["matplotlib", "matplotlib"]
    if kind in ("bar", "horizontal", "grouped", "stacked", "line"):
        able += ["vega", "vega"]
    if kind in ("bar", "horizontal"):
        able.append("pillow")
    if kind in ("bar", "horizontal") and not dark:
        able.append("leather")
    return rng.choice(able)


def _svg_texts(svg: str) -> list[str]:
    """The texts that are drawn: labels that would overlap others are kept, and are transparent."""
    shown = r'<text(?![^>]*\bopacity="0")[^>]*>(?:<tspan[^>]*>)?([^<]+)<'
    return [html.unescape(text) for text in re.findall(shown, svg)]


def _matplotlib(plan: _Plan, rng: random.Random) -> tuple[Image.Image, list[str]]:
    import matplotlib as mpl
    from matplotlib import font_manager
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    mpl.rcdefaults()
    font_manager.fontManager.addfont(chinese_font())
    fonts = {"font.family": ["DejaVu Sans", "Noto Sans SC"], "font.size": 12}
    with mpl.style.context("dark_background" if plan.dark else rng.choice(STYLES)), mpl.rc_context(fonts):
        figure = Figure(figsize=(rng.uniform(7, 10), rng.uniform(4.5, 6)), dpi=100)
        figure.subplots(1, 2 if plan.kind == "panels" else 1)
        _draw_marks(figure.axes, plan, rng)
        _draw_surroundings(figure.axes[0], plan, rng)
        figure.tight_layout()
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        return Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB"), _shown_texts(figure)


def _draw_marks(panels: Sequence[Axes], plan: _Plan, rng: random.Random) -> None:
    """What shows the data, printed at bars in some charts."""
    axes = panels[0]
    printed = rng.random() < 0.4
    if plan.kind in ("bar", "negative", "log", "grouped"):
        _draw_bars(axes, plan, rng, printed=printed)
    elif plan.kind == "horizontal":
        bars = axes.barh(plan.names, plan.values(), color=plan.palette[0])
        if printed:
            axes.bar_label(bars, fmt="%g", padding=3)
    elif plan.kind == "stacked":
        _draw_stacks(axes, plan)
    elif plan.kind == "line":
        for one, colour in zip(plan.series, plan.palette, strict=False):
            axes.plot(plan.names, plan.values(one), label=one, color=colour, marker="o")
    elif plan.kind == "pie":
        axes.pie(plan.values(), labels=plan.names)
    elif plan.kind == "scatter":
        axes.scatter([rng.random() for _ in plan.names], plan.values())
    else:
        for panel in panels:
            panel.bar(plan.names, plan.values(), color=plan.palette[0])
            panel.tick_params(axis="x", rotation=40)


def _draw_bars(axes: Axes, plan: _Plan, rng: random.Random, *, printed: bool) -> None:
    places = np.arange(len(plan.names))
    width = 0.75 / len(plan.series)
    for index, one in enumerate(plan.series):
        shift = (index - (len(plan.series) - 1) / 2) * width
        bars = axes.bar(places + shift, plan.values(one), width, label=one, color=plan.palette[index])
        if printed and plan.kind != "log":
            axes.bar_label(bars, fmt="%g", fontsize=10)
    axes.set_xticks(places, plan.names, rotation=rng.choice((0, 0, 40)))
    if plan.kind == "log":
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter("{x:g}")


def _draw_stacks(axes: Axes, plan: _Plan) -> None:
    base = np.zeros(len(plan.names))
    for one, colour in zip(plan.series, plan.palette, strict=False):
        axes.bar(plan.names, plan.values(one), 0.6, bottom=base, label=one, color=colour)
        base += plan.values(one)


def _draw_surroundings(axes: Axes, plan: _Plan, rng: random.Random) -> None:
    """Legend, title and gridlines."""
    if len(plan.series) > 1:
        axes.legend()
        axes.margins(y=0.3)
    axes.set_title(plan.title)
    if rng.random() < 0.4 and plan.kind != "pie":
        axes.grid(axis="x" if plan.kind == "horizontal" else "y", alpha=0.4)


def _shown_texts(figure: Figure) -> list[str]:
    """The texts that are drawn, without powers in mathematical type."""
    from matplotlib.text import Text

    hidden = {
        id(label) for axes in figure.axes for axis in (axes.xaxis, axes.yaxis) for label in _undrawn(axis)
    }
    texts = [
        text.get_text()
        for text in figure.findobj(Text)
        if text.get_visible() and id(text) not in hidden and _is_inside(text.get_window_extent(), figure.bbox)
    ]
    return [text.replace("\N{MINUS SIGN}", "-") for text in texts if text and "$" not in text]


def _undrawn(axis: Axis) -> list[Text]:
    """The labels of ticks beyond an axis' ends: they are made, and are not drawn."""
    low, high = sorted(axis.get_transform().transform(axis.get_view_interval()))
    slack = 1e-6 * (high - low)
    ticks = [*axis.get_major_ticks(), *axis.get_minor_ticks()]
    return [
        label
        for tick in ticks
        if not low - slack <= axis.get_transform().transform(tick.get_loc()) <= high + slack
        for label in (tick.label1, tick.label2)
    ]


def _is_inside(box: BboxBase, page: BboxBase) -> bool:
    """Whether a text stands on the page."""
    return page.x0 <= box.x0 and box.x1 <= page.x1 and page.y0 <= box.y0 and box.y1 <= page.y1


def _vega(plan: _Plan, rng: random.Random) -> tuple[Image.Image, list[str]]:
    import vl_convert

    vl_convert.register_font_directory(str(resources.files("pylopdf_fonts_zh_cn")))
    values = [{"name": n, "series": s, "value": plan.data[n, s]} for n in plan.names for s in plan.series]
    place, size = ("y", "x") if plan.kind == "horizontal" else ("x", "y")
    encoding = {
        place: {"field": "name", "type": "ordinal", "sort": None, "title": None},
        size: {"field": "value", "type": "quantitative", "title": None},
    }
    if len(plan.series) > 1:
        encoding["color"] = {
            "field": "series",
            "sort": list(plan.series),
            "title": None,
            "scale": {"range": list(plan.palette[: len(plan.series)])},
        }
    if plan.kind == "grouped":
        encoding["xOffset"] = {"field": "series", "sort": list(plan.series)}
    spec = {
        "title": plan.title,
        "width": rng.randint(380, 560),
        "height": rng.randint(280, 380),
        "data": {"values": values},
        "mark": "line" if plan.kind == "line" else "bar",
        "encoding": encoding,
        "config": {"font": "Noto Sans SC", "axis": {"labelFontSize": 13}, "legend": {"labelFontSize": 13}},
    }
    theme = "dark" if plan.dark else rng.choice((None, None, "ggplot2", "latimes", "quartz"))
    svg = vl_convert.vegalite_to_svg(spec, theme=theme)
    return on_white(Image.open(io.BytesIO(vl_convert.svg_to_png(svg, scale=1.5)))), _svg_texts(svg)


def _leather(plan: _Plan, rng: random.Random) -> tuple[Image.Image, list[str]]:
    import leather
    import vl_convert

    vl_convert.register_font_directory(str(resources.files("pylopdf_fonts_zh_cn")))
    chart = leather.Chart(plan.title)
    if plan.kind == "horizontal":
        chart.add_bars([(plan.data[n, ""], n) for n in reversed(plan.names)], fill_color=plan.palette[0])
    else:
        chart.add_columns([(n, plan.data[n, ""]) for n in plan.names], fill_color=plan.palette[0])
    svg = chart.to_svg(width=rng.randint(560, 800), height=rng.randint(380, 560))
    svg = svg.replace("Monaco", "Noto Sans SC").replace("#9c9c9c", "#555")
    return on_white(Image.open(io.BytesIO(vl_convert.svg_to_png(svg, scale=1.3)))), _svg_texts(svg)


def on_white(picture: Image.Image) -> Image.Image:
    """A picture without transparency, in RGB."""
    picture = picture.convert("RGBA")
    paper = Image.new("RGBA", picture.size, "white")
    paper.alpha_composite(picture)
    return paper.convert("RGB")


def _pillow(plan: _Plan, _: random.Random) -> tuple[Image.Image, list[str]]:
    ink, paper = ("#e8ecf3", "#12161f") if plan.dark else ("#222222", "#ffffff")
    picture = Image.new("RGB", (900, 560), paper)
    draw = ImageDraw.Draw(picture)
    font, large = ImageFont.truetype(chinese_font(), 18), ImageFont.truetype(chinese_font(), 26)
    draw.text((40, 20), plan.title, ink, large)
    step = 10 ** np.floor(np.log10(max(plan.data.values())))
    step = step / 2 if max(plan.data.values()) / step < 3 else step
    ticks = np.arange(0, max(plan.data.values()) + step, step)
    for tick in ticks:
        share = tick / ticks[-1]
        if plan.kind == "horizontal":
            x = 160 + 680 * share
            draw.line((x, 80, x, 500), "#888888")
            draw.text((x, 508), f"{tick:g}", ink, font, anchor="ma")
        else:
            y = 490 - 400 * share
            draw.line((90, y, 870, y), "#888888")
            draw.text((80, y), f"{tick:g}", ink, font, anchor="rm")
    for index, name in enumerate(plan.names):
        share = plan.data[name, ""] / ticks[-1]
        if plan.kind == "horizontal":
            y = 90 + 400 / len(plan.names) * index
            draw.rectangle((160, y, 160 + 680 * share, y + 240 / len(plan.names)), plan.palette[0])
            draw.text((150, y + 120 / len(plan.names)), name, ink, font, anchor="rm")
        else:
            x = 110 + 750 / len(plan.names) * index
            draw.rectangle((x, 490 - 400 * share, x + 450 / len(plan.names), 490), plan.palette[2])
            draw.text((x + 225 / len(plan.names), 500), name, ink, font, anchor="ma")
    return picture, [plan.title, *(f"{tick:g}" for tick in ticks), *plan.names]


def _text(rng: random.Random) -> Image.Image:
    picture = Image.new("RGB", (800, 560), rng.choice(("white", "#10151d", "#fdf6e3")))
    ink = "#dddddd" if picture.getpixel((0, 0))[0] < 100 else "#222222"
    draw, font = ImageDraw.Draw(picture), ImageFont.truetype(chinese_font(), 20)
    pool = [*WORDS["en"][0], *WORDS["en"][1], *WORDS["zh"][0], "12", "48 %", "2024", "3.5"]
    for line in range(rng.randint(5, 16)):
        draw.text((40, 30 + 32 * line), " ".join(rng.choices(pool, k=rng.randint(3, 9))), ink, font)
    return picture


def _diagram(rng: random.Random) -> Image.Image:
    picture = Image.new("RGB", (800, 560), "white")
    draw, font = ImageDraw.Draw(picture), ImageFont.truetype(chinese_font(), 20)
    boxes = [(60 + 180 * (i % 4), 60 + 160 * (i // 4)) for i in range(rng.randint(4, 12))]
    for (x1, y1), (x2, y2) in pairwise(boxes):
        draw.line((x1 + 65, y1 + 40, x2 + 65, y2 + 40), "#555555", 3)
    for number, (x, y) in enumerate(boxes, start=1):
        draw.rectangle((x, y, x + 130, y + rng.choice((60, 80, 100))), rng.choice(PALETTES[0]))
        draw.text((x + 10, y + 20), rng.choice((*WORDS["en"][1], str(number), "12 ms")), "white", font)
    return picture


def _photo(rng: random.Random) -> Image.Image:
    noise = np.random.default_rng(rng.randrange(2**32))
    small = noise.integers(0, 255, (rng.randint(4, 40), rng.randint(4, 40), 3), dtype=np.uint8)
    large = np.asarray(Image.fromarray(small).resize((720, 540), Image.Resampling.BICUBIC), dtype=np.int16)
    grain = noise.normal(0, 8, large.shape)
    return Image.fromarray(np.clip(large + grain, 0, 255).astype(np.uint8))
