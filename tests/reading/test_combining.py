"""A model's table is used where it contradicts nothing that is certain, and never instead of it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmrag.reading.charts.table import NoTable, table_as_text
from mmrag.reading.combining import MOST_CELLS, combined, is_open
from mmrag.reading.page_builder import PageBuilder
from mmrag.reading.splicing import with_block, with_table_text
from mmrag.text.chart_text import BY_MODEL, MEASURED
from mmrag.types import CellSource, Figure, ModelTable, Table

OPEN = Figure("chart", 0, 0, image=b"png", reason="the ticks were not read")
SEEN = "Umbrellas sold\nOslo Porto Leiden\nVertical axis: 0, 20, 40, 60"
SOLD = (("City", "Sold"), ("Oslo", "40"), ("Porto", "20"), ("Leiden", "30"))
PRINTED, ON_AXIS = CellSource("printed", 0.99), CellSource("measured", 0.98)


def figure_with(cells):
    """A chart with the columns Mine and Yours; each cell is its text and its source, or None."""
    texts = tuple(
        (f"row {number}", *(cell[0] if cell else "" for cell in row)) for number, row in enumerate(cells)
    )
    sources = tuple(tuple(cell and cell[1] for cell in row) for row in cells)
    return replace(OPEN, table=Table((("", "Mine", "Yours"), *texts), 0, 0, sources))


def origins(data):
    return [[source and source.origin for source in row] for row in data.sources]


def test_where_nothing_was_certain_the_model_fills_the_table_and_each_cell_says_so():
    data = combined(OPEN, SEEN, ModelTable(SOLD, chart="bar"))
    assert data.table.texts == (("", "Sold"), *SOLD[1:])
    assert data.sources == ((CellSource("model", 0.5),),) * 3  # nothing could be compared
    assert table_as_text(data.table) == "Oslo | Sold: ※40\nPorto | Sold: ※20\nLeiden | Sold: ※30"
    assert data.table.kind == "bar"


def test_the_more_of_it_is_printed_the_surer_it_is():
    some = combined(OPEN, f"{SEEN}\nOslo 43", ModelTable((*SOLD[:1], ("Oslo", "43"), *SOLD[2:])))
    rows = (("City", "Sold"), ("Oslo", "43"), ("Porto", "21"), ("Leiden", "35"))
    all_of_it = combined(OPEN, f"{SEEN}\n35 43 21", ModelTable(rows))
    assert [round(data.sources[0][0].confidence, 2) for data in (some, all_of_it)] == [0.67, 0.8]


@pytest.mark.parametrize(
    ("text", "rows", "why"),
    [
        (f"{SEEN}\nOslo 41", SOLD, "it says 40 for Oslo, where 41 is printed"),
        (f"{SEEN}\nOslo | 4.1 million", SOLD, "where 4.1 million is printed"),
        (f"{SEEN}\n31\n41 21", SOLD, "40 is not among the values that are printed"),
        (SEEN, (*SOLD[:3], ("Leiden", "81")), "81 lies beyond the axis"),
        (SEEN, (*SOLD[:3], ("Leiden", "-21")), "-21 lies beyond the axis"),
        ("Tea drunk\nMonday Tuesday", SOLD, "most of its names do not stand in the picture"),
        (SEEN, (*SOLD, ("Oslo", "30")), "it has a name twice"),
        (SEEN, (*SOLD, ("", "30")), "it leaves names out"),
        (SEEN, (*SOLD, ("Suzhou", "many")), "it has words where values belong"),
        (SEEN, (*SOLD, ("Suzhou", "30", "40")), "its rows are of different lengths"),
        (SEEN, (("a chart of umbrellas",),), "there is none"),
        (SEEN, (), "there is none"),
        (SEEN, SOLD[:2], "it has fewer than two values"),
        (SEEN, (SOLD[0], *((f"Oslo {n}", "4") for n in range(MOST_CELLS))), "it has more than 1,000 cells"),
    ],
)
def test_a_table_that_something_speaks_against_is_not_used_and_says_why(text, rows, why):
    with pytest.raises(NoTable, match=why):
        combined(OPEN, text, ModelTable(rows))


def test_a_table_that_was_cut_off_is_not_used():
    with pytest.raises(NoTable, match="it does not come to an end"):
        combined(OPEN, SEEN, ModelTable(SOLD, cut_off=True))


@pytest.mark.parametrize(
    "text",
    [
        SEEN.replace("Leiden", ""),  # OCR missed one
        f"{SEEN}\nOslo 40 %",
        f"{SEEN}\nOslo 4 of 10",
        f"{SEEN}\nOsloer 12",
        "Umbrellas sold\nOslo Porto Leiden\n1 2 3",  # these may be ticks
    ],
)
def test_what_says_nothing_about_a_value_does_not_speak_against_it(text):
    assert combined(OPEN, text, ModelTable(SOLD)).holds_model_cells


def test_a_series_is_named_as_in_the_picture_or_not_at_all():
    named = combined(OPEN, SEEN, ModelTable((("City", "Umbrellas sold"), *SOLD[1:])))
    invented = combined(OPEN, SEEN, ModelTable((("City", "Characteristic"), *SOLD[1:])))
    without = combined(OPEN, SEEN, ModelTable(SOLD[1:]))
    columns = [data.table.columns for data in (named, invented, without)]
    assert columns == [("Umbrellas sold",), ("",), ("",)]


def test_years_are_names_of_columns_and_missing_values_stay_missing():
    rows = (("City", "2024", "2025"), ("Oslo", "40", "N/A"), ("Porto", "20", "25"))
    data = combined(OPEN, f"{SEEN}\n2024 2025", ModelTable(rows))
    assert data.table.columns == ("2024", "2025")
    assert origins(data) == [["model", None], ["model", "model"]]


# ------------------------------------------------------------------- laws

VALUES = st.integers(1, 999)
CELLS = st.none() | st.tuples(VALUES.map(str), st.sampled_from([PRINTED, ON_AXIS]))
GRIDS = st.lists(st.tuples(CELLS, CELLS), min_size=2, max_size=5)
PIECES = st.sampled_from(["7", "-3", "※5", "≈6", "", "n/a", "Oslo", "a|b", "2024", "1,200", "\x00", "4\n5"])
ANY_ROWS = st.lists(st.lists(PIECES | st.text(max_size=4), max_size=4).map(tuple), max_size=6).map(tuple)


def is_read(grid):
    return any(cell for row in grid for cell in row)


@settings(max_examples=60)
@given(GRIDS, st.data())
def test_certain_values_stay_and_only_what_is_open_is_filled(grid, data):
    figure = figure_with(grid)
    read = [[cell[0] if cell else str(data.draw(VALUES)) for cell in row] for row in grid]
    rows = (("", "Yours", "Mine"), *((f"Row {n}", row[1], row[0]) for n, row in enumerate(read)))
    if not is_read(grid):
        with pytest.raises(NoTable, match="nothing of it can be compared"):
            combined(figure, "", ModelTable(rows))
        return
    result = combined(figure, "", ModelTable(rows))
    for row, cells, sources in zip(grid, result.table.rows, result.sources, strict=True):
        for before, after, source in zip(row, cells[1], sources, strict=True):
            if before:
                assert (after.text, source) == before
            else:
                assert source.origin == after.origin == "model"
                assert 0.5 < source.confidence < PRINTED.confidence
    assert is_open(figure) == result.holds_model_cells


@settings(max_examples=60)
@given(GRIDS.filter(is_read), st.data())
def test_one_value_that_contradicts_a_certain_one_and_nothing_is_used(grid, data):
    known = [(n, m) for n, row in enumerate(grid) for m, cell in enumerate(row) if cell]
    row, column = data.draw(st.sampled_from(known))
    read = [[cell[0] if cell else "1" for cell in row] for row in grid]
    read[row][column] = str(int(read[row][column]) + 1_000)
    rows = (("", "Mine", "Yours"), *((f"row {n}", *row) for n, row in enumerate(read)))
    with pytest.raises(NoTable, match=r"it says [\d,]+ for row \d, where \d+ is (printed|measured)"):
        combined(figure_with(grid), "", ModelTable(rows))


@given(st.sampled_from([OPEN, figure_with([[("7", PRINTED), None], [None, ("5", ON_AXIS)]])]), ANY_ROWS)
def test_whatever_a_model_writes_it_is_plain_cells_or_a_reason(figure, rows):
    try:
        data = combined(figure, "Mine Yours row 7 5", ModelTable(rows))
    except NoTable:
        return
    text = table_as_text(data.table)
    assert len(text.splitlines()) <= 2 + sum(cell is not None for row in data.sources for cell in row)
    for row in data.table.texts:
        assert not any(sign in cell for cell in row for sign in (MEASURED, BY_MODEL, "\n", "\x00", "|"))


KINDS = st.sampled_from(["text", "heading", "table", "figure", "empty", "chart"])
BLOCKS = st.lists(st.tuples(KINDS, st.integers(1, 3)), min_size=1, max_size=7)
WITH_FIGURE = BLOCKS.filter(lambda blocks: {"figure", "empty", "chart"} & {kind for kind, _ in blocks})
WITH_CHART = BLOCKS.filter(lambda blocks: "chart" in {kind for kind, _ in blocks})


def built(blocks):
    page = PageBuilder()
    for number, (kind, size) in enumerate(blocks):
        text = f"{kind}{number} " * size
        if kind == "text":
            page.paragraph(text)
        elif kind == "heading":
            page.heading(text, level=1)
        elif kind == "table":
            page.table([[text, "b"], ["c", "d"]])
        else:
            with page.figure("chart", image=b"png"):
                page.paragraph(text if kind != "empty" else "")
                span = page.paragraph(f"a{number}: 1\nb: 2") if kind == "chart" else (0, 0)
            if kind == "chart":
                page.last_figure_table([["", ""], ["a", "1"], ["b", "2"]], span)
    return page.build(1)


def held(page, *, but):
    """What each thing of a page holds, other than figure number `but`."""
    headings = [page.text[heading.offset :][: len(heading.title)] for heading in page.headings]
    tables = [page.text[table.start : table.end] for table in page.tables]
    others = [figure for number, figure in enumerate(page.figures) if number != but]
    figures = [page.text[figure.start : figure.end] for figure in others]
    data = [page.text[figure.table.start : figure.table.end] for figure in others if figure.table]
    return headings, tables, figures, data


@settings(max_examples=60)
@given(WITH_FIGURE, st.data())
def test_a_block_that_is_added_to_a_figure_moves_everything_else_along(blocks, data):
    page = built(blocks)
    number = data.draw(st.integers(0, len(page.figures) - 1))
    before = page.text[page.figures[number].start : page.figures[number].end]
    longer, (start, end) = with_block(page, number, "added\nlines")
    figure = longer.figures[number]
    assert longer.text[start:end] == "added\nlines"
    assert longer.text[figure.start : figure.end] == "\n\n".join(filter(None, [before, "added\nlines"]))
    assert held(longer, but=number) == held(page, but=number)
    assert longer.text.replace("added\nlines", "").split() == page.text.split()
    spans = [(each.start, each.end) for each in longer.figures]
    assert spans == sorted(spans)


@settings(max_examples=60)
@given(WITH_CHART, st.sampled_from(["", "x", "long\n" * 9]))
def test_data_that_is_written_anew_moves_everything_else_along(blocks, text):
    page = built(blocks)
    number = next(n for n, figure in enumerate(page.figures) if figure.table)
    old = page.text[page.figures[number].table.start : page.figures[number].table.end]
    changed, (start, end) = with_table_text(page, number, text)
    assert changed.text[start:end] == text
    assert changed.text == page.text.replace(old, text)
    assert held(changed, but=number) == held(page, but=number)
    figure = changed.figures[number]
    assert changed.text[figure.start : figure.end].endswith(text)
