"""Values printed in rows, segments, over bars and along lines, with their categories and columns, or not.

The pictures are rectangles on white, and their texts are given, so nothing has to be recognised.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmrag.reading.charts import read_chart
from mmrag.reading.charts.labels import labels_of
from mmrag.reading.charts.rows import read_line_values, read_rows
from mmrag.reading.charts.table import table_as_text
from mmrag.reading.ocr import TextLine

BLUE, GOLD, GREY, RED = (30, 90, 160), (210, 170, 50), (190, 190, 190), (190, 40, 40)
LETTER, HEIGHT = 7, 14  # pixels of a text


def picture(width=600, height=400):
    return np.full((height, width, 3), 255, dtype=np.uint8)


def fill(pixels, box, colour):
    left, top, right, bottom = map(round, box)
    pixels[top:bottom, left:right] = colour


def text(words, left, y, *, right=None):
    """A line of text whose middle is at `y`, beginning at `left` or ending at `right`."""
    width = LETTER * len(words)
    left = right - width if right is not None else left
    top, bottom = y - HEIGHT / 2, y + HEIGHT / 2
    return TextLine(words, 0.99, ((left, top), (left + width, top), (left + width, bottom), (left, bottom)))


def centred(words, x, y):
    return text(words, x - LETTER * len(words) / 2, y)


def rows_of(pixels, lines):
    return read_rows(labels_of(lines), pixels)


def stacks(values, names, *, colours=(BLUE, GOLD, GREY), left=200, scale=3, hidden=()):
    """Lying stacks with each value in its segment, but for those hidden; 30 pixels apart, from 100 down."""
    pixels, lines = picture(), []
    for number, (name, row) in enumerate(zip(names, values, strict=True)):
        y, x = 100 + 30 * number, left
        lines.append(text(name, 0, y, right=left - 8))
        for value, colour in zip(row, colours, strict=False):
            fill(pixels, (x, y - 10, x + scale * value, y + 10), colour)
            if (name, value) not in hidden:
                lines.append(centred(str(value), x + scale * value / 2, y))
            x += scale * value
    return pixels, lines


VIEWS = ((54, 32, 9), (23, 35, 27), (40, 30, 30))
TOWNS = ("Porto", "Leiden", "Oslo")


def test_segments_get_their_columns_from_the_texts_above_the_first_row():
    pixels, lines = stacks(VIEWS, TOWNS)
    lines += [
        centred("Agree", 281, 75),
        centred("Not sure", 410, 60),
        centred("yet", 410, 75),
        centred("No", 471, 75),
    ]

    assert rows_of(pixels, lines) == (
        ("", "Agree", "Not sure yet", "No"),
        ("Porto", "54", "32", "9"),
        ("Leiden", "23", "35", "27"),
        ("Oslo", "40", "30", "30"),
    )


def test_a_header_line_of_as_many_words_as_columns_is_taken_apart():
    pixels, lines = stacks(((30, 30, 30), (28, 32, 30), (34, 26, 30)), TOWNS)
    lines += [centred("Very", 245, 60), centred("Not", 335, 60), centred("Least", 425, 60)]
    lines.append(TextLine("likely likely likely", 0.99, ((224, 68), (446, 68), (446, 82), (224, 82))))

    assert rows_of(pixels, lines)[0] == ("", "Very likely", "Not likely", "Least likely")


def test_the_segments_of_a_single_bar_are_named_by_the_texts_above_them():
    pixels, lines = stacks(((54, 32, 14),), ("",))
    lines = [line for line in lines if line.text] + [
        centred("Agree", 281, 75), centred("Unsure", 410, 75), centred("No", 471, 75)
    ]  # fmt: skip

    assert rows_of(pixels, lines) == (("", ""), ("Agree", "54"), ("Unsure", "32"), ("No", "14"))


def test_a_row_without_one_of_its_values_keeps_the_others_in_their_columns_by_colour():
    pixels, lines = stacks(VIEWS, TOWNS, hidden={("Leiden", 35)})
    lines += [centred("Agree", 281, 75), centred("Unsure", 410, 75), centred("No", 471, 75)]

    assert rows_of(pixels, lines)[2] == ("Leiden", "23", "", "27")


def test_a_legend_that_was_read_as_one_text_is_taken_apart_at_its_samples():
    pixels, lines = stacks(VIEWS, TOWNS)
    for x, colour in ((202, BLUE), (261, GOLD), (351, GREY)):
        fill(pixels, (x, 40, x + 10, 50), colour)
    legend = "Agree Undecided Opposed"
    lines.append(TextLine(legend, 0.99, ((216, 38), (430, 38), (430, 52), (216, 52))))

    assert rows_of(pixels, lines)[0] == ("", "Agree", "Undecided", "Opposed")


def test_a_value_that_its_bar_contradicts_is_left_out():
    pixels, lines = stacks(((54, 32), (23, 35), (40, 30), (35, 45)), (*TOWNS, "Suzhou"), colours=(BLUE, GOLD))
    misread = next(line for line in lines if line.text == "23")
    lines[lines.index(misread)] = centred("83", 234, 130)
    lines += [centred("Yes", 281, 75), centred("No", 410, 75)]

    assert rows_of(pixels, lines)[2] == ("Leiden", "", "35")


def test_panels_beside_each_other_are_columns_that_begin_where_their_bars_do():
    pixels, lines = picture(), [text("By car", 150, 70), text("By bike", 350, 70)]
    for number, (name, values) in enumerate(
        {"Daily": (63, 4), "Weekly": (85, 41), "Never": (20, 19)}.items()
    ):
        y = 100 + 30 * number
        lines.append(text(name, 0, y, right=140))
        for begin, value in zip((150, 350), values, strict=True):
            fill(pixels, (begin, y - 8, begin + 1.5 * value, y + 8), BLUE)
            lines.append(text(str(value), begin + 1.5 * value + 5, y))

    assert rows_of(pixels, lines) == (
        ("", "By car", "By bike"), ("Daily", "63", "4"), ("Weekly", "85", "41"), ("Never", "20", "19"),
    )  # fmt: skip


def grouped(*, legend):
    pixels, lines = picture(), []
    for number, (name, values) in enumerate(
        {"Trade": (34, 16), "Peace": (33, 45), "Values": (21, 35)}.items()
    ):
        lines.append(text(name, 0, 110 + 60 * number, right=140))
        for below, (value, colour) in enumerate(zip(values, (GOLD, BLUE), strict=True)):
            y = 100 + 60 * number + 20 * below
            fill(pixels, (150, y - 9, 150 + 4 * value, y + 9), colour)
            lines.append(text(str(value), 155 + 4 * value, y))
    if legend:
        fill(pixels, (150, 55, 160, 65), GOLD)
        fill(pixels, (260, 55, 270, 65), BLUE)
        lines += [text("Porto", 164, 60), text("Leiden", 274, 60)]
    return pixels, lines


def test_bars_in_groups_are_told_apart_by_the_legend():
    assert rows_of(*grouped(legend=True)) == (
        ("", "Porto", "Leiden"), ("Trade", "34", "16"), ("Peace", "33", "45"), ("Values", "21", "35"),
    )  # fmt: skip


def test_several_bars_of_a_category_that_nothing_names_are_no_table():
    assert rows_of(*grouped(legend=False)) is None


def test_upright_bars_in_groups_stand_over_years():
    pixels, lines = picture(), []
    for number, (year, values) in enumerate({"1996": (50, 44), "2000": (49, 41), "2004": (51, 40)}.items()):
        lines.append(centred(year, 130 + 120 * number, 330))
        for beside, (value, colour) in enumerate(zip(values, (BLUE, RED), strict=True)):
            x = 110 + 120 * number + 40 * beside
            fill(pixels, (x - 18, 320 - 4 * value, x + 18, 320), colour)
            lines.append(centred(str(value), x, 320 - 4 * value - 12))
    for x, colour, name in ((100, BLUE, "Trains"), (250, RED, "Buses")):
        fill(pixels, (x, 365, x + 10, 375), colour)
        lines.append(text(name, x + 14, 370))

    header, *rows = rows_of(pixels, lines)
    trains = header.index("Trains")
    assert {row[0]: (row[trains], row[3 - trains]) for row in rows} == {
        "1996": ("50", "44"), "2000": ("49", "41"), "2004": ("51", "40"),
    }  # fmt: skip


def test_rows_of_one_name_are_told_apart_by_the_lines_above_them():
    rows = rows_of(*with_sections())
    assert [row[0] for row in rows[1:]] == ["Total", "Men: Young", "Men: Old", "Women: Young", "Women: Old"]


def with_sections():
    pixels, lines = picture(), [centred("Yes", 240, 75), centred("No", 340, 75)]
    places = {100: ("Total", 40), 160: ("Young", 30), 190: ("Old", 55), 250: ("Young", 20), 280: ("Old", 65)}
    for y, (name, value) in places.items():
        lines.append(text(name, 0, y, right=192))
        fill(pixels, (200, y - 9, 200 + 2 * value, y + 9), BLUE)
        fill(pixels, (200 + 2 * value, y - 9, 400, y + 9), GOLD)
        lines += [centred(str(value), 200 + value, y), centred(str(100 - value), 300 + value, y)]
    return pixels, [*lines, text("Men", 0, 130, right=178), text("Women", 0, 220, right=192)]


def test_blocks_with_the_same_rows_and_columns_are_told_apart_by_what_stands_above_them():
    pixels, lines = picture(), []
    for top, question in ((60, "Is trade good for jobs?"), (220, "Is trade good for wages?")):
        lines += [text(question, 60, top), centred("Yes", 240, top + 40), centred("No", 340, top + 40)]
        for number, (name, value) in enumerate({"Porto": 40, "Oslo": 55, "Leiden": 62}.items()):
            y = top + 65 + 25 * number
            lines.append(text(name, 0, y, right=192))
            fill(pixels, (200, y - 9, 200 + 2 * value, y + 9), BLUE)
            fill(pixels, (200 + 2 * value, y - 9, 400, y + 9), GOLD)
            lines += [centred(str(value), 200 + value, y), centred(str(100 - value), 300 + value, y)]

    assert rows_of(pixels, lines)[0] == (
        "", "Is trade good for jobs? Yes", "Is trade good for jobs? No",
        "Is trade good for wages? Yes", "Is trade good for wages? No",
    )  # fmt: skip


def panels(*headers):
    """Two charts beside each other of the same towns and columns, with texts above them."""
    pixels, lines = picture(), [text(header, left, 50) for header, left in headers]
    for left, values in ((100, (20, 30, 25)), (400, (10, 15, 20))):
        lines += [centred("No", left + 30, 78), centred("Yes", left + 90, 78)]
        for number, (name, value) in enumerate(zip(TOWNS, values, strict=True)):
            y = 100 + 30 * number
            lines.append(text(name, 0, y, right=left - 8))
            fill(pixels, (left, y - 10, left + 2 * value, y + 10), BLUE)
            fill(pixels, (left + 2 * value, y - 10, left + 120, y + 10), GOLD)
            lines += [centred(str(value), left + value, y), centred(str(60 - value), left + 60 + value, y)]
    return pixels, lines


def test_a_header_that_begins_left_of_its_panel_names_the_columns_of_that_panel():
    assert rows_of(*panels(("Those who have a car", 60), ("Those who have a bicycle", 320))) == (
        (
            "", "Those who have a car No", "Those who have a car Yes",
            "Those who have a bicycle No", "Those who have a bicycle Yes",
        ),
        ("Porto", "20", "40", "10", "50"),
        ("Leiden", "30", "30", "15", "45"),
        ("Oslo", "25", "35", "20", "40"),
    )  # fmt: skip


@pytest.mark.parametrize(
    "headers",
    [
        [("Those with a car", 60)],
        [("Those with a bicycle", 380)],
        [("Those who have a car and nothing besides it", 60), ("Those with a bicycle", 380)],
        [("Those who have a car  Those who have a bicycle", 60)],
    ],
)
def test_panels_of_which_only_one_has_its_header_are_no_table(headers):
    pixels, lines = panels(*headers)

    assert rows_of(pixels, lines) is None
    assert rows_of(pixels, [*lines, text("How people come to work", 0, 25)]) is None


def test_a_header_over_two_columns_that_becomes_the_name_of_one_of_them_is_no_table():
    values = ((20, 30, 25, 25), (30, 20, 15, 35), (25, 25, 30, 20))
    pixels, lines = stacks(values, TOWNS, colours=(BLUE, GOLD, GREY, RED))
    lines += [centred(name, x, 75) for name, x in (("Yes", 230), ("No", 305), ("Yes", 387), ("Never", 462))]
    assert rows_of(pixels, lines) is None

    lines.append(centred("With a car", 240, 60))
    assert rows_of(pixels, lines) is None


def test_a_number_beside_each_word_is_no_chart_where_nothing_is_drawn():
    lines = [text(name, 60, 100 + 30 * number) for number, name in enumerate(TOWNS)]
    lines += [text(str(value), 200, 100 + 30 * number) for number, value in enumerate((12, 31, 22))]

    assert rows_of(picture(), lines) is None


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.tuples(st.integers(12, 50), st.integers(12, 50), st.integers(12, 50)), min_size=3, max_size=6)
)
def test_what_is_read_from_stacks_is_what_was_drawn(values):
    names = [f"Town {chr(65 + number)}" for number in range(len(values))]
    pixels, lines = stacks(values, names, scale=2)
    for x, colour, name in ((200, BLUE, "Agree"), (300, GOLD, "Unsure"), (400, GREY, "Oppose")):
        fill(pixels, (x, 40, x + 10, 50), colour)
        lines.append(text(name, x + 14, 45))

    assert rows_of(pixels, lines) == (
        ("", "Agree", "Unsure", "Oppose"),
        *((name, *map(str, row)) for name, row in zip(names, values, strict=True)),
    )


# ----------------------------------------------------------------------- lines


def along_lines():
    """Two lines from 2002 to 2014 with the values of three years, each in its line's ink."""
    pixels, lines = picture(), []
    for x, year in ((100, "2002"), (250, "2008"), (400, "2014")):
        lines.append(centred(year, x, 350))
    for colour, values, name in ((RED, (52, 60, 72), "Losing"), (BLUE, (37, 30, 22), "Gaining")):
        for x, value in zip((100, 250, 400), values, strict=True):
            lines.append(centred(str(value), x, 330 - 4 * value - 12))
            ink(pixels, lines[-1], colour)
        lines.append(text(name, 430, 330 - 4 * values[-1]))
        ink(pixels, lines[-1], colour)
    return pixels, lines


def ink(pixels, line, colour):
    """Strokes of letters."""
    for x in range(round(line.left), round(line.right), 4):
        fill(pixels, (x, line.top + 2, x + 2, line.bottom - 2), colour)


def test_values_along_lines_belong_to_the_name_in_their_ink_and_to_the_year_below():
    pixels, lines = along_lines()

    assert read_line_values(labels_of(lines), pixels) == (
        ("", "Losing", "Gaining"), ("2002", "52", "37"), ("2008", "60", "30"), ("2014", "72", "22"),
    )  # fmt: skip


def test_a_value_between_two_years_has_no_label_and_the_table_is_a_part():
    pixels, lines = along_lines()
    lines.append(centred("66", 330, 330 - 4 * 66 - 12))
    ink(pixels, lines[-1], RED)

    written = table_as_text(read_chart(lines, pixels).table).splitlines()
    assert written[0] == "7 values:"
    assert written[-1] == "(no label) | Losing: 66"


def test_ticks_left_of_the_points_are_no_values():
    pixels, lines = along_lines()
    for tick in ("20", "80%"):
        lines.append(text(tick, 0, 330 - 4 * int(tick.rstrip("%")), right=88))
        ink(pixels, lines[-1], (0, 0, 0))

    assert read_line_values(labels_of(lines), pixels)[0] == ("", "Losing", "Gaining")


def test_values_in_one_ink_along_lines_of_two_names_are_no_table():
    pixels, lines = along_lines()
    pixels[pixels.sum(axis=2) < 600] = (0, 0, 0)

    assert read_line_values(labels_of(lines), pixels) is None


@pytest.mark.parametrize("off", [60, -60])
def test_numbers_that_do_not_stand_as_high_as_they_are_large_are_no_points(off):
    pixels, lines = along_lines()
    moved = [line.moved(0, off) if line.text == "60" else line for line in lines]

    assert read_line_values(labels_of(moved), pixels) is None
