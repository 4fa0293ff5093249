"""What the colours of bars are called: by samples of a legend, by inks, or by headers over the first row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mmrag.reading.charts.categories import lines_around
from mmrag.reading.charts.layouts import ALIGNED
from mmrag.reading.charts.legends import by_ink, by_sample
from mmrag.reading.charts.table import NoTable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from mmrag.reading.charts.labels import Label
    from mmrag.reading.charts.layouts import Bar, Clusters, Layout
    from mmrag.reading.charts.marks import Colours, Rectangle
    from mmrag.reading.ocr import Pixels


@dataclass(frozen=True, slots=True)
class Picture:
    """What is drawn: colours, rectangles that are no letters, all labels, and the pixels themselves."""

    colours: Colours
    boxes: Sequence[Rectangle]
    labels: Sequence[Label]
    pixels: Pixels


def series_of(
    layout: Layout,
    bars: Clusters,
    categories: Sequence[str],
    labels: Sequence[Label],
    picture: Picture,
) -> dict[Bar, str]:
    """The series of each bar, by its colour; a nameless one where every category has one bar."""
    every = [bar for cluster in bars for bar in cluster]
    colours = list(dict.fromkeys(bar.colour for bar in every))
    legend = _legend(labels, picture.boxes, layout)
    if all(len(cluster) == 1 for cluster in bars):
        strangers = {colour for colour in colours if legend.get(colour, "") not in {"", *categories}}
        if len(strangers) > 1:
            raise NoTable("bars of several series do not stand in groups")
        return dict.fromkeys(every, "")
    names = {colour: legend[colour] for colour in colours if colour in legend}
    texts = [label for label in labels if label.value is None and not label.vertical]
    if len(names) < len(colours):
        names = by_sample(texts, picture.colours, set(colours)) or by_ink(
            texts, picture.colours, set(colours)
        )
    if len(names) < len(colours):
        return _by_headers(layout, bars, labels)
    if len(set(names.values())) < len(names):
        raise NoTable("two series have the same name")
    return {bar: names[bar.colour] for bar in every}


def _by_headers(layout: Layout, bars: Clusters, labels: Sequence[Label]) -> dict[Bar, str]:
    """Lying segments named by the texts above the first row's, as a table's columns are, by their order."""
    headers = _headers(bars[0], labels) if layout.horizontal else []
    if not headers or any(len(cluster) != len(headers) for cluster in bars):
        raise NoTable("the names of the series were not found")
    return {
        bar: name
        for cluster in bars
        for bar, name in zip(sorted(cluster, key=_leftmost), headers, strict=True)
    }


def _leftmost(bar: Bar) -> float:
    return min(bar.start, bar.end)


def _legend(labels: Sequence[Label], boxes: Iterable[Rectangle], layout: Layout) -> dict[int, str]:
    """Colours named by the text just right of a small box that is no bar."""
    bars = {(bar.low, min(bar.start, bar.end)) for bar in layout.segments}
    named: dict[int, tuple[float, str]] = {}
    for box in boxes:
        height, width = box.bottom - box.top, box.right - box.left
        key = (box.top, box.left) if layout.horizontal else (box.left, -box.bottom)
        if key in bars:
            continue
        for label in labels:
            gap = label.left - box.right
            level = abs(label.y - (box.top + box.bottom) / 2) < 0.6 * label.height
            small = height < 1.8 * label.height and width < 5 * label.height
            if label.value is None and level and small and -ALIGNED < gap < 1.6 * label.height + 4:
                text = label.text.lstrip("■□●▪ ")
                if text and (box.colour not in named or gap < named[box.colour][0]):
                    named[box.colour] = (gap, text)
    return {colour: text for colour, (_, text) in named.items()}


def _headers(top: Sequence[Bar], labels: Sequence[Label]) -> list[str]:
    """The text above each segment of the first row, from left to right; [] where one has none."""
    named: list[str] = []
    used: set[int] = set()
    for bar in sorted(top, key=_leftmost):
        low, high = sorted((bar.start, bar.end))
        over = [
            label
            for label in labels
            if label.value is None and id(label) not in used
            and low - 0.6 * label.height <= label.x <= high + 0.6 * label.height
            and label.bottom <= bar.low + 3 and bar.low - label.bottom < 4 * label.height
            and label.right - label.left < 2 * max(high - low, 4 * label.height)
        ]  # fmt: skip
        if not over:
            return []
        nearest = max(over, key=lambda label: label.bottom)
        block = [
            label for label in lines_around(nearest.y, over) if abs(label.x - nearest.x) < 2 * nearest.height
        ]
        used.update(map(id, block))
        named.append(" ".join(label.text for label in block))
    return named if len(set(named)) == len(named) else []
