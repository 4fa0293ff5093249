"""How well charts are read: `python -m benchmarks.charts [--count N] [--seed S] [--real DIR] [--data DIR]`.

Without options: 300 charts drawn on the spot with a seed that nobody has looked at, and 200 drawn
pictures that are no charts; `--seed` draws others, to look at. It needs what `chart_libraries.txt`
lists. With `--real DIR`: charts transcribed by hand, a file each:

    picture<TAB>PATH
    part<TAB>dev or test
    CATEGORY<TAB>SERIES<TAB>VALUE<TAB>TOLERANCE      (a line a cell; tolerance 0 where the value is printed)

A value that nobody can tell by eye is written ?, and does not count.

With `--data DIR`: every picture under the folder is taken for one that is no chart.
"""

from __future__ import annotations

import argparse
import math
import re
import time
from collections import Counter
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from benchmarks.chart_pictures import BAR_KINDS, Drawn, charts, not_charts, on_white
from mmrag.reading.charts.table import CONFIDENCE
from mmrag.reading.figures import chart_in
from mmrag.reading.ocr import TextRecognition
from mmrag.text.chart_text import NO_LABEL
from mmrag.text.numbers import sole_number

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from mmrag.reading.charts import ChartReading

REPORTED = 4242  # development looks at other seeds
NEAR = 0.05  # of a value (of the axis' range for lines): so far off a cell is right
ALIKE = 0.8  # of a label's letters, so that one misread letter is a matter of OCR


@dataclass
class Score:
    """Charts of one kind: how many were answered, and their cells."""

    charts: int = 0
    answered: int = 0
    cells: int = 0
    right: int = 0
    by_origin: Counter[tuple[str, bool]] = field(default_factory=Counter)

    def line(self, name: str) -> str:
        """A line of the table."""
        precision = f"{self.right / self.cells:.3f}" if self.cells else "-"
        return (
            f"{name:<22} charts {self.charts:>4}  answered {self.answered / max(1, self.charts):.2f}  "
            f"cells {self.cells:>5}  right {precision}"
        )


def main() -> None:
    """Run what the options ask for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--seed", type=int, action="append")
    parser.add_argument("--real", type=Path)
    parser.add_argument("--part", choices=("dev", "test"))
    parser.add_argument("--data", type=Path)
    parser.add_argument("--verbose", action="store_true")
    options = parser.parse_args()
    recognition = TextRecognition(threads=2)
    if options.real:
        _real(options.real, options.part, recognition, verbose=options.verbose)
    elif options.data:
        paths = sorted(p for p in options.data.rglob("*") if p.suffix.lower() in (".png", ".jpg", ".jpeg"))
        _none((Image.open(path).convert("RGB") for path in paths[: options.count]), recognition)
    else:
        for seed in options.seed or (REPORTED,):
            print(f"{options.count} drawn charts, seed {seed}")
            _drawn(charts(options.count, seed), recognition, verbose=options.verbose)
        if not options.seed:
            _none(not_charts(min(200, options.count), REPORTED), recognition)


def _drawn(drawn: Sequence[Drawn], recognition: TextRecognition, *, verbose: bool) -> None:
    scores: dict[str, Score] = {}
    found: Counter[str] = Counter()
    drawn_texts: Counter[str] = Counter()
    seconds: list[float] = []
    for chart in drawn:
        pixels = np.asarray(chart.image, dtype=np.uint8)
        first = recognition.read(pixels)
        begin = time.process_time()
        lines, reading = chart_in(pixels, first, recognition)
        seconds.append(time.process_time() - begin)
        seen = _plain("".join(line.text for line in lines))
        for word in " ".join(chart.texts).split():
            sort = "numbers" if any(map(str.isdigit, word)) else "words"
            drawn_texts[sort] += 1
            found[sort] += _plain(word) in seen
        score = scores.setdefault(chart.kind, Score())
        tolerance = NEAR * chart.extent if chart.kind == "line" else 0.0
        _judge(
            score,
            reading,
            {key: (value, tolerance) for key, value in chart.cells.items()},
            chart.name,
            verbose=verbose,
        )
    bars = Score()
    for kind, score in scores.items():
        print(score.line(kind))
        if kind in BAR_KINDS:
            bars.charts += score.charts
            bars.answered += score.answered
            bars.cells += score.cells
            bars.right += score.right
    print(bars.line("all bar kinds"))
    _print_origins(scores.values())
    shares = ", ".join(f"{sort} {found[sort] / count:.3f}" for sort, count in sorted(drawn_texts.items()))
    print(f"recalled by OCR: {shares}; beyond the first look {np.mean(seconds):.3f} CPU s a chart")


def _print_origins(scores: Iterable[Score]) -> None:
    """The shares of right cells, and what is given as their confidence."""
    total: Counter[tuple[str, bool]] = sum((score.by_origin for score in scores), Counter())
    for origin, confidence in CONFIDENCE.items():
        count = total[origin, True] + total[origin, False]
        share = f"{total[origin, True] / count:.3f}" if count else "-"
        print(f"{origin} cells {count}, right {share} (confidence {confidence})")


def _plain(text: str) -> str:
    return re.sub(r"[\s,]", "", text).casefold().replace("−", "-").replace("–", "-")


def _judge(
    score: Score,
    reading: ChartReading,
    truth: dict[tuple[str, str], tuple[float, float]],
    name: str,
    *,
    verbose: bool,
) -> None:
    """Count each cell of a table as right or wrong; what is not in the truth is wrong."""
    score.charts += 1
    if reading.table is None:
        if verbose:
            print(f"  {name}: none, {reading.reason}")
        return
    score.answered += 1
    for category, cells in reading.table.rows:
        if category == NO_LABEL:
            continue
        for column, cell in zip(reading.table.columns, cells, strict=True):
            if cell is None:
                continue
            number = sole_number(cell.text)
            expected = _expected(truth, category, column)
            if expected is not None and math.isnan(expected[0]):
                continue
            right = expected is not None and number is not None and _near(float(number.value), *expected)
            score.cells += 1
            score.right += right
            score.by_origin[cell.origin, right] += 1
            if verbose and not right:
                print(f"  {name}: {category!r} {column!r} {cell.text} ({cell.origin}), not {expected}")


def _expected(
    truth: dict[tuple[str, str], tuple[float, float]], category: str, column: str
) -> tuple[float, float] | None:
    single = len({series for _, series in truth}) == 1
    fits = [
        (_alike(category, key[0]) + (1 if single else _alike(column, key[1])), value)
        for key, value in truth.items()
        if _alike(category, key[0]) >= ALIKE and (single or _alike(column, key[1]) >= ALIKE)
    ]
    return max(fits, key=lambda fit: fit[0])[1] if fits else None


def _alike(a: str, b: str) -> float:
    bare_a, bare_b = (re.sub(r"\W", "", text).casefold() for text in (a, b))
    return SequenceMatcher(None, bare_a, bare_b).ratio()


def _near(value: float, expected: float, tolerance: float) -> bool:
    return abs(value - expected) <= max(NEAR * abs(expected), tolerance)


def _none(pictures: Iterable[Image.Image], recognition: TextRecognition) -> None:
    count = tables = 0
    for picture in pictures:
        pixels = np.asarray(picture, dtype=np.uint8)
        count += 1
        _, reading = chart_in(pixels, recognition.read(pixels), recognition)
        tables += reading.table is not None
    print(f"no charts: {tables} of {count} pictures got a table")


def _real(folder: Path, part: str | None, recognition: TextRecognition, *, verbose: bool) -> None:
    for wanted in (part,) if part else ("dev", "test"):
        score = Score()
        for path in sorted(folder.glob("*.tsv")):
            rows = [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines()]
            if rows[1][1] != wanted:
                continue
            pixels = np.asarray(on_white(Image.open(folder / rows[0][1])), dtype=np.uint8)
            truth = {
                (row[0], row[1]): (float("nan") if row[2] == "?" else float(row[2]), float(row[3]))
                for row in rows[2:]
            }
            _, reading = chart_in(pixels, recognition.read(pixels), recognition)
            _judge(score, reading, truth, path.stem, verbose=verbose)
        print(score.line(f"transcribed, {wanted}"))
        _print_origins([score])


if __name__ == "__main__":
    main()
