"""The charts: of the quarterly report (revenue, channels) and those that people attach."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drawn import facts
from drawn.canvas import AMBER, GREY, INK, MIST, NAVY, TEAL, WHITE, figure_image, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from PIL import Image


def tickets_per_month() -> Image.Image:
    """Bars with printed values; the target stands in the handbook only."""
    figure, axes = _titled("Support tickets per month, 2025", "Number of tickets opened, all channels")
    bars = axes.bar(facts.MONTHS, facts.TICKETS, width=0.66, color=NAVY)
    axes.bar_label(bars, padding=4, fontsize=15, fontweight="bold", color=INK)
    axes.set_ylim(0, 620)
    _source(figure, "Customer support, Larkfell Devices")
    return figure_image(figure)


def first_response() -> Image.Image:
    """A line with its peak printed; the target stands in the handbook only."""
    figure, axes = _titled("Median first response to a ticket", "Hours, per calendar week of 2025")
    axes.plot(
        facts.RESPONSE_WEEKS,
        facts.RESPONSE_HOURS,
        color=TEAL,
        linewidth=2.6,
        marker="o",
        markersize=7,
        markeredgecolor=WHITE,
        clip_on=False,
    )
    peak = max(facts.RESPONSE_HOURS)
    week = facts.RESPONSE_WEEKS[facts.RESPONSE_HOURS.index(peak)]
    axes.annotate(
        f"{peak} h in week {week}",
        (week, peak),
        xytext=(14, -4),
        textcoords="offset points",
        fontsize=14,
        fontweight="bold",
    )
    axes.set_xticks(facts.RESPONSE_WEEKS, [f"W{week}" for week in facts.RESPONSE_WEEKS])
    axes.set_xlim(26.6, 39.4)
    axes.set_ylim(0, 9)
    _source(figure, "Customer support, Larkfell Devices")
    return figure_image(figure)


def return_rates() -> Image.Image:
    """Two bars a product: the value asked for has to be found among twelve."""
    figure, axes = _titled(
        "Return rate by product, Q2 and Q3 2025", "Share of units sold that came back within 30 days, in %"
    )
    places = range(len(facts.PRODUCTS))
    for shift, label, colour, rates in (
        (-0.2, "Q2 2025", MIST, [product.returns_q2 for product in facts.PRODUCTS]),
        (0.2, "Q3 2025", NAVY, [product.returns_q3 for product in facts.PRODUCTS]),
    ):
        bars = axes.bar([place + shift for place in places], rates, width=0.38, label=label, color=colour)
        axes.bar_label(bars, fmt="%.1f", padding=3, fontsize=13, fontweight="bold", color=INK)
    axes.set_xticks(list(places), [product.model for product in facts.PRODUCTS])
    axes.set_ylim(0, 6.2)
    axes.legend(loc="upper right", frameon=False, ncols=2, bbox_to_anchor=(1.0, 1.1))
    _source(figure, "Quality, Larkfell Devices")
    return figure_image(figure)


def revenue_by_quarter() -> Image.Image:
    """Five bars with printed values; the quarter reported stands out."""
    figure, axes = _titled("Revenue by quarter", "Million euros")
    colours = [MIST] * (len(facts.REVENUE) - 1) + [NAVY]
    bars = axes.bar(facts.QUARTERS, facts.REVENUE, width=0.6, color=colours)
    axes.bar_label(bars, fmt="%.2f", padding=4, fontsize=15, fontweight="bold", color=INK)
    axes.set_ylim(0, 5)
    return figure_image(figure)


def revenue_by_channel() -> Image.Image:
    """A ring of four shares, each labelled with its name and value."""
    figure = new_figure(1200, 640)
    _heading(figure, "Revenue by sales channel, Q3 2025", "Share of revenue, in %")
    axes = figure.add_axes((0.02, 0.03, 0.5, 0.78))
    shares = tuple(facts.CHANNELS.values())
    colours = (NAVY, TEAL, AMBER, MIST)
    axes.pie(
        shares,
        colors=colours,
        startangle=90,
        counterclock=False,
        radius=1.15,
        wedgeprops={"width": 0.42, "edgecolor": WHITE, "linewidth": 3},
    )
    axes.text(0, 0, "4.26\nmillion\neuros", ha="center", va="center", fontsize=17, fontweight="bold")
    for row, (name, share) in enumerate(facts.CHANNELS.items()):
        height = 0.66 - row * 0.14
        figure.text(0.56, height, "■", color=colours[row], fontsize=22, va="center")
        figure.text(0.60, height, name, fontsize=18, va="center")
        figure.text(0.90, height, f"{share} %", fontsize=18, fontweight="bold", va="center", ha="right")
    return figure_image(figure)


def _titled(title: str, subtitle: str) -> tuple[Figure, Axes]:
    figure = new_figure(1200, 700)
    _heading(figure, title, subtitle)
    axes = figure.add_axes((0.06, 0.12, 0.91, 0.70))
    axes.grid(axis="y")
    axes.tick_params(axis="x", labelsize=14, pad=7)
    return figure, axes


def _heading(figure: Figure, title: str, subtitle: str) -> None:
    figure.text(0.03, 0.925, title, fontsize=21, fontweight="bold")
    figure.text(0.03, 0.872, subtitle, fontsize=14, color=GREY)


def _source(figure: Figure, text: str) -> None:
    figure.text(0.03, 0.025, f"Source: {text}", fontsize=11, color=GREY)
