"""What was measured beside what must hold, as a table for a terminal, Markdown or JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

Format = Literal["text", "markdown", "json"]


@dataclass(frozen=True, slots=True)
class Row:
    """One comparison or one measure. `value` is what the bound is about; without a bound it only informs.

    `most` tells an upper bound from a lower one.
    """

    what: str
    measured: str
    value: float
    bound: float | None = None
    most: bool = False
    beside: str = ""

    @property
    def holds(self) -> bool | None:
        if self.bound is None:
            return None
        return self.value <= self.bound if self.most else self.value >= self.bound

    @property
    def required(self) -> str:
        return "" if self.bound is None else f"{'≤' if self.most else '≥'} {self.bound:g}"

    @property
    def verdict(self) -> str:
        return {None: "", True: "holds", False: "FAILS"}[self.holds]


def ratio(what: str, ours: float, other: float, *, name: str, bound: float | None = None) -> Row:
    """How many times cheaper we are, in seconds each."""
    return Row(
        what, seconds(ours), other / ours, bound, beside=f"{name} {seconds(other)}, {other / ours:.1f}×"
    )


def seconds(value: float) -> str:
    """With the unit that reads best."""
    return f"{value:.2f} s" if value >= 1 else f"{value * 1e3:.3g} ms"


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least this share of all do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, -int(-share * len(ordered) // 1) - 1)]


def show(rows: Sequence[Row], form: Format, *, title: str) -> str:
    """All rows, in one of the formats."""
    if form == "json":
        return json.dumps(
            {"title": title, "rows": [asdict(row) | {"holds": row.holds} for row in rows]}, ensure_ascii=False
        )
    header = ("what", "mmrag", "beside", "bound", "")
    cells = [(row.what, row.measured, row.beside, row.required, row.verdict) for row in rows]
    return f"{title}\n\n{grid(header, cells, texts=len(header), markdown=form == 'markdown')}"


def grid(header: Sequence[str], rows: Sequence[Sequence[str]], *, texts: int, markdown: bool) -> str:
    """Cells as Markdown or as columns for a terminal; those after the first `texts` ones are numbers."""
    table = [header, *rows]
    if markdown:
        head, *lines = ("| " + " | ".join(line) + " |" for line in table)
        return "\n".join([head, "|" + "---|" * texts + "---:|" * (len(header) - texts), *lines])
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    aligned = [str.ljust] * texts + [str.rjust] * (len(header) - texts)
    return "\n".join(
        "  ".join(
            align(cell, width) for align, cell, width in zip(aligned, line, widths, strict=True)
        ).rstrip()
        for line in table
    )


def add_formats(parser: argparse.ArgumentParser) -> None:
    """The options --json and --markdown."""
    parser.set_defaults(format="text")
    parser.add_argument("--json", dest="format", action="store_const", const="json")
    parser.add_argument("--markdown", dest="format", action="store_const", const="markdown")
