"""Charts: a table where the picture confirms it, nothing where it does not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmrag.reading.charts import has_axis
from mmrag.reading.charts.printed import read_printed
from mmrag.reading.charts.table import rows_as_text
from mmrag.reading.ocr import TextLine

QUARTERS = ("Q1 2025", "Q2 2025", "Q3 2025", "Q4 2025")


def table_of(reading):
    [figure] = reading.pages[0].figures
    return figure.table.rows if figure.table else None


def numbers_of(table):
    return [float(cell.replace(",", "")) for row in table.rows[1:] for cell in row[1:]]


def origins(table):
    return {source.origin for row in table.sources for source in row}


def bars(values, *, labels=QUARTERS, label_axis="Million euros", log=False):
    def draw(axes):
        drawn = axes.bar(labels, values)
        axes.bar_label(drawn, fmt="%g")
        axes.set_ylabel(label_axis)
        axes.set_title("Revenue by quarter")
        if log:
            axes.set_yscale("log")

    return draw


@pytest.fixture(scope="module")
def revenue(reader, draw_chart):
    return reader.read(draw_chart(bars((3.6, 4.1, 2.9, 5.3))), name="revenue.png")


def test_printed_values_are_paired_with_their_categories(revenue):
    assert table_of(revenue) == (
        ("", "Million euros"),
        ("Q1 2025", "3.6"),
        ("Q2 2025", "4.1"),
        ("Q3 2025", "2.9"),
        ("Q4 2025", "5.3"),
    )


def test_a_charts_page_ends_with_a_line_for_each_value_to_quote(revenue):
    page = revenue.pages[0]
    figure = page.figures[0]
    assert figure.kind == "chart"
    assert page.text[: figure.end].startswith("Revenue by quarter")
    assert page.text[figure.table.start : figure.table.end].splitlines()[2] == "Q3 2025 | Million euros: 2.9"


def test_lying_bars_are_read(read, draw_chart):
    def draw(axes):
        drawn = axes.barh(("Porto", "Leiden", "Oslo", "Suzhou"), (12, 31, 22, 44))
        axes.bar_label(drawn, padding=4)
        axes.set_xlim(0, 60)

    rows = table_of(read(draw_chart(draw)))
    assert set(rows[1:]) == {("Porto", "12"), ("Leiden", "31"), ("Oslo", "22"), ("Suzhou", "44")}


def test_a_line_with_a_value_at_every_point_is_read(read, draw_chart):
    months, values = ("Jan", "Feb", "Mar", "Apr", "May"), (342, 318, 365, 351, 547)

    def draw(axes):
        axes.plot(months, values, marker="o")
        for month, value in zip(months, values, strict=True):
            axes.annotate(str(value), (month, value), (0, 8), textcoords="offset points", ha="center")
        axes.set_ylim(250, 600)

    rows = table_of(read(draw_chart(draw)))
    assert rows[1:] == tuple((month, str(value)) for month, value in zip(months, values, strict=True))


def test_grouped_bars_are_told_apart_by_the_colours_of_the_legend(read, draw_chart):
    def draw(axes):
        first = axes.bar([0, 1, 2], (2.1, 3.4, 4.6), 0.4, label="Last year")
        second = axes.bar([0.4, 1.4, 2.4], (2.4, 2.9, 5.3), 0.4, label="This year")
        axes.bar_label(first)
        axes.bar_label(second)
        axes.set_xticks([0.2, 1.2, 2.2], ("Scales", "Monitors", "Meters"))
        axes.set_ylim(0, 8)
        axes.legend(loc="upper left", ncols=2)

    assert table_of(read(draw_chart(draw))) == (
        ("", "Last year", "This year"),
        ("Scales", "2.1", "2.4"),
        ("Monitors", "3.4", "2.9"),
        ("Meters", "4.6", "5.3"),
    )


@pytest.mark.parametrize("inside", [True, False])
def test_a_pies_shares_are_paired_with_their_labels(read, draw_chart, inside):
    names, shares = ("Shop", "Pharmacies", "Clinics", "Markets"), (46, 27, 20, 7)

    def draw(axes):
        if inside:
            axes.pie(shares, labels=names, autopct="%d%%", pctdistance=0.7)
        else:
            axes.pie(shares, labels=[f"{name} {share}%" for name, share in zip(names, shares, strict=True)])

    rows = table_of(read(draw_chart(draw)))
    assert set(rows[1:]) == {(name, f"{share}%") for name, share in zip(names, shares, strict=True)}


def test_values_that_are_only_drawn_are_measured_and_say_so(read, draw_chart):
    reading = read(draw_chart(lambda axes: axes.bar(QUARTERS, (3.6, 4.1, 2.9, 5.3))))
    figure = reading.pages[0].figures[0]
    assert (figure.kind, figure.chart) == ("chart", "bar")
    assert numbers_of(figure.table) == pytest.approx([3.6, 4.1, 2.9, 5.3], rel=0.03)
    assert origins(figure.table) == {"measured"}
    assert "\nQ3 2025: ≈2." in reading.pages[0].text


def test_a_stacked_charts_printed_values_are_their_segments(read, draw_chart):
    def draw(axes):
        lower = axes.bar(QUARTERS, (3, 4, 2, 5), label="Shop")
        upper = axes.bar(QUARTERS, (2, 1, 3, 2), bottom=(3, 4, 2, 5), label="Clinics")
        axes.bar_label(lower, label_type="center")
        axes.bar_label(upper, label_type="center")
        axes.legend()

    rows = table_of(read(draw_chart(draw)))
    assert rows[0] == ("", "Shop", "Clinics")
    assert rows[1:] == tuple(zip(QUARTERS, "3425", "2132", strict=True))


def test_a_logarithmic_axis_whose_powers_cannot_be_read_is_no_table(read, draw_chart):
    assert table_of(read(draw_chart(bars((3, 40, 500, 7000), log=True)))) is None


def label(text, x, y, *, width=40, height=16):
    left, top = x - width / 2, y - height / 2
    right, bottom = left + width, top + height
    return TextLine(text, 1.0, ((left, top), (right, top), (right, bottom), (left, bottom)))


def column_chart(values, *, height=300.0):
    top = max(values)
    marks = [
        label(f"{value:g}", 100 + 80 * index, 350 - height * value / top)
        for index, value in enumerate(values)
    ]
    return [*marks, *(label(f"City{chr(65 + i)}", 100 + 80 * i, 380) for i in range(len(values)))]


@given(st.lists(st.integers(1, 500), min_size=3, max_size=8, unique=True))
@settings(deadline=None, max_examples=60)
def test_only_values_that_stand_as_high_as_they_are_large_become_a_table(blank, values):
    lines = column_chart(values)
    rows = read_printed(lines, blank)
    if rows is not None:
        assert rows[1:] == tuple((f"City{chr(65 + i)}", str(value)) for i, value in enumerate(values))
    swapped = [lines[1], lines[0], *lines[2:]]
    crossed = [TextLine(text.text, 1.0, place.quad) for text, place in zip(swapped, lines, strict=True)]
    small = abs(values[0] - values[1]) / max(values) < 0.08
    assert small or read_printed(crossed, blank) is None


@pytest.fixture(scope="module")
def blank():
    return np.full((420, 800, 3), 255, dtype=np.uint8)


def test_a_value_left_over_is_no_table(blank):
    lines = column_chart((10, 25, 40, 15))
    assert read_printed(lines, blank) is not None
    assert read_printed([*lines, label("33", 180, 60)], blank) is None


def test_shares_that_do_not_add_up_are_no_pie(blank):
    shares = [label("Shop 46%", 100, 100), label("Clinics 27%", 300, 100), label("Markets 9%", 200, 200)]
    assert read_printed(shares, blank) is None


def test_percentages_of_a_table_are_no_pie(blank):
    numbers = ("12.5 %", "12.5%", "25%", "25 %", "2.5%", "22.5 %")  # they add up to 100
    table = [label(number, 100 + 120 * (i % 2), 60 + 40 * (i // 2)) for i, number in enumerate(numbers)]
    assert read_printed(table, blank) is None
    assert read_printed([*table, label("Growth 60%", 400, 60), label("Loss 40%", 400, 90)], blank) is None


def test_numbered_rows_are_no_axis_and_even_steps_are():
    assert not has_axis([label(str(number), 40, 100 * number) for number in (1, 2, 3, 4, 5)])
    assert has_axis([label(str(number), 40, 400 - number) for number in (0, 100, 200, 300)])


def test_empty_cells_are_not_quoted():
    assert rows_as_text((("", "A", ""), ("x", "1", "2"), ("y", "", "3"))) == "x | A: 1\nx: 2\ny: 3"
