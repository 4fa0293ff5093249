"""Short texts that the detector does not see are found by their place, and nothing else is taken for text."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from mmrag.reading.ocr import TextLine, TextRecognition

INK = (60, 60, 60)


@pytest.fixture(scope="module")
def recognition():
    return TextRecognition(threads=1)


@pytest.fixture
def page():
    return np.full((420, 640, 3), 255, dtype=np.uint8)


def write(page, words, x, y):
    """Draw a text, and return the line that a detector would make of it."""
    before = page.copy()
    cv2.putText(page, words, (x, y), INK, cv2.FontFace("uni"), 19)
    rows, columns = np.nonzero((page != before).any(axis=2))
    left, top, right, bottom = columns.min() - 4.0, rows.min() - 4.0, columns.max() + 5.0, rows.max() + 5.0
    return TextLine(words, 1.0, ((left, top), (right, top), (right, bottom), (left, bottom)))


def new_texts(recognition, page, lines):
    found = recognition.read_passed_over(page, lines)
    assert list(found[: len(lines)]) == list(lines)
    return {line.text for line in found[len(lines) :]}


def test_ticks_that_were_missed_are_found_in_the_column_of_the_others(recognition, page):
    lines = [write(page, str(value), 40, 380 - 40 * value) for value in range(9)]
    seen = [line for line in lines if line.text not in "036"]
    assert new_texts(recognition, page, seen) == {"0", "3", "6"}


@pytest.mark.parametrize("value", ["-412", "1.53"])
def test_a_value_that_touches_its_bar_nearly_is_found_wherever_it_stands(recognition, page, value):
    names = [write(page, name, x, 400) for name, x in (("Porto", 100), ("Leiden", 250), ("Oslo", 420))]
    write(page, value, 262, 197)
    cv2.rectangle(page, (240, 200), (320, 380), (176, 114, 76), -1)
    assert new_texts(recognition, page, names) == {value}


def test_bars_marks_of_ticks_and_markers_of_lines_are_no_text(recognition, page):
    ticks = [write(page, str(value), 40, 380 - 80 * value) for value in range(5)]
    names = [
        write(page, name, 60 + 110 * number, 410) for number, name in enumerate(("Porto", "Oslo", "Bern"))
    ]
    for number in range(5):
        cv2.line(page, (60, 376 - 80 * number), (66, 376 - 80 * number), INK, 1)
        cv2.circle(page, (90 + 110 * number, 300 - 37 * number), 5, (176, 114, 76), -1)
        cv2.rectangle(
            page, (130 + 100 * number, 340 - 50 * number), (170 + 100 * number, 376), (80, 160, 90), -1
        )
    assert new_texts(recognition, page, [*ticks, *names]) == set()


def test_a_minus_that_was_left_out_is_put_back(recognition, page):
    lines = [
        write(page, str(value), 40 if value < 0 else 49, 220 - 4 * value) for value in (-30, -20, 20, 30)
    ]
    left, top = lines[0].quad[0]
    cut = TextLine("30", 1.0, tuple((max(x, left + 11), y) for x, y in lines[0].quad))
    found = recognition.read_passed_over(page, [cut, *lines[1:]])
    assert [line.text for line in found] == ["-30", "-20", "20", "30"]
    assert found[0].left == pytest.approx(left, abs=4)
    assert found[0].top == top


def test_a_label_missing_in_a_row_of_turned_ones_is_found(recognition, page):
    lines = []
    for number, name in enumerate(("Alder", "Birch", "Cedar", "Hazel")):
        slip = np.full((24, 60, 3), 255, dtype=np.uint8)
        write(slip, name, 6, 17)
        x = 100 + 110 * number
        page[300:360, x : x + 24] = np.rot90(slip, 1)
        corners = ((x, 300), (x + 24, 300), (x + 24, 360), (x, 360))
        lines.append(TextLine(name, 1.0, tuple((float(a), float(b)) for a, b in corners)))
    assert new_texts(recognition, page, [lines[0], *lines[2:]]) == {"Birch"}
    assert new_texts(recognition, page, lines[1:]) == {"Alder"}


def test_where_nothing_was_read_nothing_is_added(recognition, page):
    write(page, "12", 100, 100)
    assert recognition.read_passed_over(page, ()) == ()
    noise = np.random.default_rng(7).integers(0, 255, page.shape, dtype=np.uint8)
    line = write(page, "Porto", 100, 200)
    assert recognition.read_passed_over(noise, [line]) == (line,)
