"""Bars and lines are measured on their axis, or there is no table and the reason is said."""

from __future__ import annotations

from itertools import pairwise

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmrag.reading.charts import read_chart
from mmrag.reading.charts.table import rows_as_text
from mmrag.reading.chunking import SentenceChunker
from mmrag.reading.figures import chart_in
from mmrag.reading.ocr import TextLine, TextRecognition
from mmrag.reading.page_builder import PageBuilder

PAPER = (255, 255, 255)
COLOURS = ((76, 114, 176), (221, 132, 82), (85, 168, 104))
FLOOR, UNIT = 360, 3.0  # the row of zero, and pixels for one


def text(words, x, y, *, width=36, height=16):
    left, top, right, bottom = x - width / 2, y - height / 2, x + width / 2, y + height / 2
    return TextLine(words, 1.0, ((left, top), (right, top), (right, bottom), (left, bottom)))


def ticks(values=(0, 20, 40, 60, 80, 100), *, x=40):
    return [text(str(value), x, FLOOR - UNIT * value) for value in values]


def names(count, *, start=130, step=80):
    return [text(f"City{chr(65 + i)}", start + step * i, FLOOR + 20, width=50) for i in range(count)]


def paper():
    return np.full((420, 760, 3), PAPER, dtype=np.uint8)


def bar(picture, middle, base, value, colour, *, width=40):
    top, bottom = sorted((FLOOR - UNIT * base, FLOOR - UNIT * (base + value)))
    corners = (round(middle - width / 2), round(top)), (round(middle + width / 2) - 1, round(bottom) - 1)
    cv2.rectangle(picture, *corners, colour, -1)


def bars(values, **options):
    picture = paper()
    for number, value in enumerate(values):
        bar(picture, 130 + 80 * number, 0, value, COLOURS[0], **options)
    return picture


def legend(picture, entries):
    """Swatches with their names, and the texts of these."""
    for number, colour in enumerate(COLOURS[: len(entries)]):
        cv2.rectangle(picture, (600, 30 + 24 * number), (614, 40 + 24 * number), colour, -1)
    return [text(name, 650, 35 + 24 * number, width=60) for number, name in enumerate(entries)]


def values_of(table):
    return [[cell and float(cell.text.replace(",", "")) for cell in cells] for _, cells in table.rows]


@given(st.lists(st.integers(16, 98), min_size=3, max_size=7))
@settings(deadline=None, max_examples=40)
def test_bars_of_any_height_are_measured_or_left(values):
    table = read_chart([*ticks(), *names(len(values))], bars(values)).table
    assert table is not None
    assert [name for name, _ in table.rows] == [f"City{chr(65 + i)}" for i in range(len(values))]
    assert values_of(table) == [[pytest.approx(value, rel=0.05)] for value in values]
    assert {cell.origin for _, (cell,) in table.rows} == {"measured"}


def test_a_large_picture_is_read_as_a_small_one():
    values, factor = (30, 60, 45, 80), 4
    large = cv2.resize(bars(values), None, fx=factor, fy=factor, interpolation=cv2.INTER_NEAREST)
    lines = [
        TextLine(line.text, 1.0, tuple((x * factor, y * factor) for x, y in line.quad))
        for line in (*ticks(), *names(4))
    ]
    table = read_chart(lines, large).table
    assert values_of(table) == [[pytest.approx(value, rel=0.03)] for value in values]


def test_stacks_and_groups_are_told_apart_by_their_legend():
    stacked, grouped = paper(), paper()
    for number, (low, high) in enumerate(((20, 35), (44, 10), (13, 51))):
        middle = 130 + 80 * number
        bar(stacked, middle, 0, low, COLOURS[0])
        bar(stacked, middle, low, high, COLOURS[1])
        bar(grouped, middle - 14, 0, low, COLOURS[0], width=28)
        bar(grouped, middle + 14, 0, high, COLOURS[1], width=28)
    for kind, picture in (("stacked", stacked), ("grouped", grouped)):
        lines = [*ticks(), *names(3), *legend(picture, ("Shop", "Clinics"))]
        table = read_chart(lines, picture).table
        assert (table.kind, table.columns) == (kind, ("Shop", "Clinics"))
        assert values_of(table) == [pytest.approx(pair, rel=0.05) for pair in ([20, 35], [44, 10], [13, 51])]


def test_bars_below_zero_are_negative():
    picture = paper()
    for number, value in enumerate((40, -15, 62, -22)):
        bar(picture, 130 + 80 * number, 30, value, COLOURS[0])
    lines = [text(str(value), 40, FLOOR - UNIT * (value + 30)) for value in (-20, 0, 20, 40, 60)]
    table = read_chart([*lines, *names(4)], picture).table
    assert values_of(table) == [[pytest.approx(value, rel=0.05)] for value in (40, -15, 62, -22)]


def test_two_charts_side_by_side_are_two_columns():
    picture = paper()
    lines = []
    for left, values in ((0, (30, 60, 45)), (360, (72, 20, 51))):
        for number, value in enumerate(values):
            bar(picture, left + 110 + 70 * number, 0, value, COLOURS[0])
        lines += [*ticks(x=left + 40), *names(3, start=left + 110, step=70)]
        lines.append(text(f"Year {2020 + left // 360}", left + 180, 30, width=80))
    table = read_chart(lines, picture).table
    assert (table.kind, table.columns) == ("panels", ("Year 2020", "Year 2021"))
    assert values_of(table) == [pytest.approx(pair, rel=0.05) for pair in ([30, 72], [60, 20], [45, 51])]


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        (names(4), "neither an axis nor enough printed values"),
        (ticks(), "labels were not found"),
        ([*ticks(), *names(4)[:2]], "labels were not found"),
        ([*ticks(), *names(4)[:3], text("CityA", 370, FLOOR + 20)], "the same label"),
        ([*ticks((10, 30, 50, 70)), *(text(str(v), 700, FLOOR - UNIT * v / 7) for v in (0, 200, 400)),
          *names(4)], "two axes"),
        ([*(text(str(v), 40, FLOOR - 60 - UNIT * v) for v in (0, 20, 40, 60)), *names(4)], "do not begin"),
        ([*ticks(), *names(4), text("90", 130, FLOOR - 3 * 30 - 12)], "contradict"),
    ],
)  # fmt: skip
def test_a_chart_that_is_not_certain_says_why(lines, reason):
    reading = read_chart(lines, bars((30, 60, 45, 80)))
    assert reading.table is None
    assert reason in reading.reason


def test_printed_values_go_before_measured_ones_and_a_bar_without_one_is_measured():
    values = (30, 60, 45, 80)
    printed = [
        text(str(value), 130 + 80 * i, FLOOR - UNIT * value - 12) for i, value in enumerate(values[:3])
    ]
    table = read_chart([*ticks(), *names(4), *printed], bars(values)).table
    assert [cell.origin for _, (cell,) in table.rows] == ["printed"] * 3 + ["measured"]
    assert [cell.text for _, (cell,) in table.rows[:3]] == ["30", "60", "45"]


def line_chart(series):
    picture = paper()
    for colour, values in zip(COLOURS, series, strict=False):
        points = [(130 + 80 * i, round(FLOOR - UNIT * value)) for i, value in enumerate(values)]
        cv2.polylines(picture, [np.array(points, np.int32)], isClosed=False, color=colour, thickness=2)
    return picture


@given(st.lists(st.lists(st.integers(5, 95), min_size=5, max_size=5, unique=True), min_size=2, max_size=2))
@settings(deadline=None, max_examples=25)
def test_lines_are_followed_where_they_cross(series):
    picture = line_chart(series)
    lines = [*ticks(), *names(5), *legend(picture, ("Shop", "Clinics"))]
    table = read_chart(lines, picture).table
    if table is None:
        return
    known = dict(zip(("Shop", "Clinics"), series, strict=True))
    for index, (_, cells) in enumerate(table.rows[:5]):
        for values, cell in zip(map(known.get, table.columns), cells, strict=True):
            assert cell is None or float(cell.text) == pytest.approx(values[index], abs=5)


def test_lines_are_named_by_their_legend_or_by_the_text_at_their_end():
    series = ((20, 35, 44, 30, 61), (70, 66, 80, 90, 85))
    picture = line_chart(series)
    ends = [text("Clinics", 500, FLOOR - UNIT * 61, width=70), text("Shop", 500, FLOOR - UNIT * 85, width=70)]
    table = read_chart([*ticks(), *names(5), *ends], picture).table
    assert (table.kind, table.columns) == ("line", ("Clinics", "Shop"))
    assert [row[0] for row in values_of(table)] == pytest.approx(series[0], abs=1.5)
    assert read_chart([*ticks(), *names(5)], picture).reason == "the names of the lines were not found"


@pytest.mark.parametrize("seed", range(3))
def test_noise_and_scattered_rectangles_are_no_chart(seed):
    rng = np.random.default_rng(seed)
    noise = rng.integers(0, 255, (300, 400, 3), dtype=np.uint8)
    assert read_chart([text("Porto", 100, 60), text("12", 200, 90)], noise).table is None
    blocks = paper()
    for _ in range(12):
        x, y = (int(number) for number in rng.integers(0, 300, 2))
        cv2.rectangle(blocks, (x, y), (x + 90, y + 60), COLOURS[int(rng.integers(3))], -1)
    assert read_chart([text("Start", 60, 40), text("End", 300, 200)], blocks).table is None


@given(st.data())
@settings(deadline=None, max_examples=60)
def test_whatever_stands_in_a_picture_reading_it_ends_in_a_table_or_a_reason(data):
    picture = paper()
    for _ in range(data.draw(st.integers(0, 8))):
        x, y = data.draw(st.integers(0, 700)), data.draw(st.integers(0, 400))
        w, h = data.draw(st.integers(1, 200)), data.draw(st.integers(1, 200))
        cv2.rectangle(picture, (x, y), (x + w, y + h), data.draw(st.sampled_from(COLOURS)), -1)
    words = st.sampled_from(("Porto", "12", "0", "50%", "2020", "1.2 3.4 5.6", "±", "10k"))
    place = st.tuples(words, st.integers(0, 760), st.integers(0, 420), st.sampled_from((8, 40)))
    lines = [text(word, x, y, width=w) for word, x, y, w in data.draw(st.lists(place, max_size=14))]
    reading = read_chart(lines, picture)
    assert (reading.table is None) == bool(reading.reason)


def test_a_chart_with_its_data_stays_in_one_chunk_where_prose_would_be_cut():
    page = PageBuilder()
    rows = (("", ""), *((f"City{number}", str(number)) for number in range(40)))
    with page.figure("chart", image=None):
        page.paragraph("Rain by city")
        span = page.paragraph(rows_as_text(rows))
    page.last_figure_table(rows, span)
    chunker = SentenceChunker(count_tokens=lambda text: len(text.split()), target_tokens=40)
    [draft] = chunker.chunk([page.build(1)], title="Rain")
    assert draft.text.count("City") == 40
    assert draft.text.splitlines()[-1] == "40 values in all"


@pytest.mark.parametrize("dark", [False, True])
def test_a_drawn_charts_cells_say_where_they_come_from(read, draw_chart, dark):
    def draw(axes):
        if dark:
            axes.figure.set_facecolor("#12161f")
            axes.set_facecolor("#12161f")
            axes.tick_params(colors="white")
        axes.barh(("Porto", "Leiden", "Oslo", "Suzhou"), (12, 31, 22, 44), color="#4c72b0")

    reading = read(draw_chart(draw))
    [figure] = reading.pages[0].figures
    assert figure.chart == "horizontal"
    assert {name: float(value) for name, value in figure.table.rows[1:]} == pytest.approx(
        {"Porto": 12, "Leiden": 31, "Oslo": 22, "Suzhou": 44}, rel=0.05
    )
    assert all(
        source.origin == "measured" and 0 < source.confidence < 1 for (source,) in figure.table.sources
    )


def test_a_label_that_was_missed_is_found_where_the_chart_is_enlarged():
    values = (30, 60, 45, 80)
    picture, labels = bars(values), names(4)
    for line in (*ticks(), *labels):
        place = (round(line.left), round(line.bottom) - 2)
        cv2.putText(picture, line.text, place, (40, 40, 40), cv2.FontFace("uni"), 18)
    seen = [*ticks(), *labels[:1], *labels[2:]]
    assert read_chart(seen, picture).table is None
    lines, reading = chart_in(picture, seen, TextRecognition(threads=1))
    assert {line.text for line in lines} == {line.text for line in (*ticks(), *labels)}
    assert [name for name, _ in reading.table.rows] == ["CityA", "CityB", "CityC", "CityD"]
    assert values_of(reading.table) == [[pytest.approx(value, rel=0.05)] for value in values]


@pytest.mark.parametrize("labels", [names(4), ticks(), [*ticks(), *names(4)]])
def test_where_a_closer_look_is_not_needed_or_does_not_help_a_chart_keeps_its_lines(labels):
    picture = bars((30, 60, 45, 80))
    lines, reading = chart_in(picture, labels, TextRecognition(threads=1))
    assert list(lines) == labels
    assert reading == read_chart(labels, picture)


def stack(picture, number, values):
    base = 0
    for value, colour in zip(values, COLOURS, strict=False):
        bar(picture, 130 + 80 * number, base, value, colour)
        base += value


def test_stacks_rest_where_all_of_them_do_though_two_share_another_boundary():
    picture, parts = paper(), ((10, 20, 30), (12, 18, 34), (30, 22, 16), (20, 25, 40))
    for number, values in enumerate(parts):
        stack(picture, number, values)
    lines = [*ticks(), *names(4), *legend(picture, ("Tea", "Rice", "Salt"))]
    table = read_chart(lines, picture).table
    assert table.kind == "stacked"
    assert values_of(table) == [[pytest.approx(value, abs=1) for value in values] for values in parts]


def test_gridlines_that_are_drawn_over_bars_do_not_cut_them():
    values = (30, 60, 45, 80)
    picture = bars(values)
    for tick in range(20, 100, 20):
        row = round(FLOOR - UNIT * tick)
        cv2.rectangle(picture, (70, row - 1), (700, row + 1), (200, 200, 200), -1)
    table = read_chart([*ticks(), *names(4)], picture).table
    assert table.kind == "bar"
    assert values_of(table) == [[pytest.approx(value, rel=0.05)] for value in values]


def test_a_legend_beside_the_bars_is_named_by_its_samples_not_by_the_bars():
    picture = paper()
    for number, values in enumerate(((40, 20), (30, 60), (20, 50))):
        stack(picture, number, values)
    entries = []
    for number, name in enumerate(("Tea", "Rice")):
        y = FLOOR - 30 - 40 * number
        cv2.rectangle(picture, (326, y - 4), (333, y + 4), COLOURS[number], -1)
        entries.append(text(name, 360, y, width=40, height=24))
    table = read_chart([*ticks(), *names(3), *entries], picture).table
    assert table.columns == ("Tea", "Rice")


def test_marks_of_ticks_are_read_as_marks():
    values = (30, 60, 45, 80)
    lines = [
        text(f"{value}-" if value in (40, 80) else str(value), 40, FLOOR - UNIT * value)
        for value in range(0, 120, 20)
    ]
    reading = read_chart([*lines, *names(4)], bars(values))
    assert reading.axis == "Vertical axis: 0, 20, 40, 60, 80, 100"


def test_bars_are_measured_from_their_gridlines_where_a_thick_line_hides_their_ends():
    values = (8, 60, 45, 80)
    picture = bars(values)
    for tick in range(20, 120, 20):
        row = round(FLOOR - UNIT * tick)
        cv2.line(picture, (62, row), (108, row), (205, 205, 205), 1)
    cv2.rectangle(picture, (62, FLOOR - 3), (700, FLOOR + 3), PAPER, -1)
    table = read_chart([*ticks(), *names(4)], picture).table
    assert values_of(table) == [[pytest.approx(value, rel=0.04)] for value in values]


def test_values_printed_under_bars_below_zero_are_no_names():
    picture, values = paper(), (40, -30, 60, 20)
    labels = [text(str(value), 40, 240 - 2 * value) for value in (-40, 0, 40, 80)]
    for number, value in enumerate(values):
        top, bottom = sorted((240, 240 - 2 * value))
        cv2.rectangle(picture, (110 + 80 * number, top), (149 + 80 * number, bottom - 1), COLOURS[0], -1)
    printed = text("-30", 210, 311)
    table = read_chart(
        [*labels, *[text(f"202{n}", 130 + 80 * n, 330) for n in range(4)], printed], picture
    ).table
    assert [name for name, _ in table.rows] == ["2020", "2021", "2022", "2023"]
    assert values_of(table) == [[pytest.approx(value, abs=1)] for value in values]


def decade(value):
    """The row of a value on a logarithmic axis with 100 pixels a decade, 10 at the floor's 300."""
    return 300 - 100 * np.log10(value / 10)


@pytest.mark.parametrize("marks", [range(2, 10), range(2, 10, 3), ()])
def test_two_powers_of_ten_make_an_axis_where_the_marks_between_them_say_so(marks):
    picture, values = paper(), (20, 400, 90, 700)
    for number, value in enumerate(values):
        corners = (110 + 80 * number, round(decade(value))), (149 + 80 * number, 299)
        cv2.rectangle(picture, *corners, COLOURS[0], -1)
    for mark in marks:
        row = round(decade(10 * mark))
        cv2.line(picture, (64, row), (68, row), (60, 60, 60), 1)
    lines = [
        text("10", 40, 300),
        text("100", 40, 200),
        *[text(f"City{n}", 130 + 80 * n, 320) for n in range(4)],
    ]
    table = read_chart(lines, picture).table
    assert (table is not None) == (len(marks) == 8)
    if table is not None:
        assert values_of(table) == [[pytest.approx(value, rel=0.05)] for value in values]


def test_panels_that_stand_close_are_split_at_the_second_axis():
    picture = np.full((420, 900, 3), PAPER, dtype=np.uint8)
    lines = [*ticks(), *ticks(x=400)]
    for start in (100, 460):
        for number, value in enumerate((30, 60, 45, 80)):
            bar(picture, start + 75 * number, 0, value, COLOURS[0], width=60)
            lines.append(text(f"City{number}", start + 75 * number, FLOOR + 20, width=50))
    table = read_chart(lines, picture).table
    assert table.columns == ("panel 1", "panel 2")
    assert values_of(table) == [
        [pytest.approx(v, rel=0.05), pytest.approx(v, rel=0.05)] for v in (30, 60, 45, 80)
    ]


def test_bars_that_cover_more_than_what_is_behind_them_are_no_background():
    picture, lines = np.full((420, 560, 3), PAPER, dtype=np.uint8), []
    for number, value in enumerate((80, 98, 90, 96)):
        cv2.rectangle(picture, (60, 10 + 90 * number), (60 + 5 * value, 94 + 90 * number), COLOURS[0], -1)
        lines.append(text(f"Ci{number}", 30, 52 + 90 * number))
    lines += [text(str(tick), 60 + 5 * tick, 390) for tick in (0, 20, 40, 60, 80)]
    table = read_chart(lines, picture).table
    assert values_of(table) == [[pytest.approx(value, rel=0.05)] for value in (80, 98, 90, 96)]


def test_a_colour_that_jpeg_spread_over_two_shades_is_one():
    values = (30, 60, 45, 80)
    picture = bars(values)
    noise = np.random.default_rng(3).normal(0, 4, picture.shape)
    near = np.where(
        picture == np.asarray(COLOURS[0]), np.asarray((88, 112, 192)), picture
    )  # between two shades
    table = read_chart([*ticks(), *names(4)], np.clip(near + noise, 0, 255).astype(np.uint8)).table
    assert values_of(table) == [[pytest.approx(value, rel=0.05)] for value in values]


def test_lines_in_tints_of_one_colour_are_told_apart():
    picture, tints = paper(), ((123, 50, 148), (194, 165, 207))
    courses = ((30, 60, 45, 80, 20), (70, 20, 55, 30, 65))
    for values, colour in zip(courses, tints, strict=True):
        points = [(100 + 120 * n, round(FLOOR - UNIT * value)) for n, value in enumerate(values)]
        for start, end in pairwise(points):
            cv2.line(picture, start, end, colour, 2, cv2.LINE_AA)
    entries = []
    for number, (name, colour) in enumerate(zip(("Tea", "Rice"), tints, strict=True)):
        cv2.line(picture, (640, 40 + 24 * number), (664, 40 + 24 * number), colour, 2)
        entries.append(text(name, 690, 40 + 24 * number, width=40))
    labels = [text(f"202{n}", 100 + 120 * n, FLOOR + 20) for n in range(5)]
    table = read_chart([*ticks(), *labels, *entries], picture).table
    assert table.columns == ("Tea", "Rice")
    assert values_of(table) == [
        [pytest.approx(a, abs=2), pytest.approx(b, abs=2)] for a, b in zip(*courses, strict=True)
    ]
