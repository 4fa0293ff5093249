"""A reader that has models look at the figures, too: one for the data of charts, one for captions.

    bytes --reader (contained)--> pages --charts that are open--> chart model --combining--> cells
                                        --figures-------------> captioner ----------------> a line of text

The models run here, beside the contained children. What they fail at is read as if there were none, and said.
"""

from __future__ import annotations

import re
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from mmrag.errors import GenerationFailed
from mmrag.reading.charts.table import NoTable, table_as_text
from mmrag.reading.combining import combined, is_open
from mmrag.reading.page_builder import one_line
from mmrag.reading.splicing import with_block, with_figure, with_table_text
from mmrag.text.chart_text import CAPTION, LEGEND
from mmrag.types import Table

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mmrag.ports import Captioner, CaptionOutcome, ChartModel, PageListener, Reader, TableOutcome
    from mmrag.types import Figure, Page, Reading

_MOST_FIGURES = 200  # of one document that a model looks at
_CAPTIONED = frozenset(("chart", "picture"))  # a picture of text says itself what it is
_LONGEST_CAPTION = 200  # characters
_NUMBER = re.compile(r"[-−]?[$€£¥]?\d[\d.,:/]*(?:\s?%)?")

Seen = TypeVar("Seen")


class ModelledReader:
    """Reads as `reader` does and has models look at figures. Implements `ports.Reader`; thread-safe.

    `seconds` is the longest that each model may take for one document.
    """

    def __init__(
        self, reader: Reader, *, chart_model: ChartModel | None, captioner: Captioner | None, seconds: float
    ) -> None:
        self._reader = reader
        self._chart_model = chart_model
        self._captioner = captioner
        self._seconds = seconds

    def read(self, data: bytes, *, name: str, progress: PageListener | None = None) -> Reading:
        reading = self._reader.read(data, name=name, progress=progress)
        if self._chart_model is not None:
            look = partial(self._chart_model.tables, seconds=self._seconds)
            reading = _looked_at(reading, is_open, look, _with_data, "The model for charts")
        if self._captioner is not None:
            describe = partial(self._captioner.captions, seconds=self._seconds)
            reading = _looked_at(
                reading, _may_have_caption, describe, _with_caption, "The model for captions"
            )
        return reading

    def pixel_digest(self, data: bytes) -> str | None:
        return self._reader.pixel_digest(data)

    def draw_page(self, data: bytes, *, number: int, quote: str) -> bytes:
        return self._reader.draw_page(data, number=number, quote=quote)


def _looked_at(
    reading: Reading,
    wanted: Callable[[Figure], bool],
    look: Callable[[Sequence[bytes]], Sequence[Seen | GenerationFailed]],
    write: Callable[[Page, int, Seen | GenerationFailed], Page],
    who: str,
) -> Reading:
    """A reading with what a model saw in the figures that are wanted, and with what it failed at."""
    shown = [
        (place, number, figure.image)
        for place, page in enumerate(reading.pages)
        for number, figure in enumerate(page.figures)
        if figure.image is not None and wanted(figure)
    ]
    outcomes = look([image for *_, image in shown[:_MOST_FIGURES]])
    pages = list(reading.pages)
    for (place, number, _), outcome in zip(shown, outcomes, strict=False):
        pages[place] = write(pages[place], number, outcome)
    warnings = list(reading.warnings)
    if len(shown) > _MOST_FIGURES:
        warnings.append(f"{who} was shown the first {_MOST_FIGURES} of {len(shown):,} figures.")
    failures = [outcome for outcome in outcomes if isinstance(outcome, GenerationFailed)]
    if failures:
        warnings.append(f"{who} failed at {len(failures):,} of {len(outcomes):,} figures: {failures[0]}.")
    return replace(
        reading, pages=tuple(pages), warnings=tuple(warnings), complete=reading.complete and not failures
    )


def _with_data(page: Page, number: int, outcome: TableOutcome) -> Page:
    """A page with a chart's data as far as the model's may be used, or with the reason why not."""
    figure = page.figures[number]
    if isinstance(outcome, GenerationFailed):
        return _with_reason(page, number, f"the model for charts failed: {outcome}")
    try:
        data = combined(figure, page.text[figure.start : figure.end], outcome)
    except NoTable as why:
        return _with_reason(page, number, f"the table of the model was not used: {why}")
    if not data.holds_model_cells:
        return page
    text = f"{table_as_text(data.table)}\n{LEGEND}"
    page, span = (with_block if figure.table is None else with_table_text)(page, number, text)
    table = Table(data.table.texts, *span, data.sources)
    return with_figure(page, number, replace(page.figures[number], table=table, chart=data.table.kind))


def _with_reason(page: Page, number: int, reason: str) -> Page:
    figure = page.figures[number]
    reasons = [*filter(None, [figure.reason]), reason]
    return with_figure(page, number, replace(figure, reason="; ".join(reasons)))


def _may_have_caption(figure: Figure) -> bool:
    return figure.kind in _CAPTIONED


def _with_caption(page: Page, number: int, outcome: CaptionOutcome) -> Page:
    """A page with the caption as a line at the end of the figure; its numbers are left out.

    A captioner reads none that can be relied on.
    """
    if isinstance(outcome, GenerationFailed):
        return page
    said = _NUMBER.sub("…", one_line(outcome).replace(CAPTION.strip(), ""))[:_LONGEST_CAPTION].strip()
    if not any(map(str.isalpha, said)):
        return page
    return with_block(page, number, f"{CAPTION}{said}")[0]
