"""Text recognition beyond plain lines."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest

from mmrag.reading.ocr import TextLine, TextRecognition, correct_zeros, merged


@pytest.fixture(scope="module")
def recognition():
    return TextRecognition(threads=1)


@pytest.mark.parametrize("turns", [1, 3])
def test_text_that_runs_upwards_or_downwards_is_read(recognition, draw_text, turns):
    sideways = np.rot90(np.asarray(draw_text("Revenue in euros", width=320)), turns)
    page = np.full((400, 400, 3), 255, dtype=np.uint8)
    page[20 : 20 + sideways.shape[0], 40 : 40 + sideways.shape[1]] = sideways
    assert [line.text for line in recognition.read(page)] == ["Revenue in euros"]


def test_short_labels_in_small_type_are_all_found(recognition):
    labels = "4 12 7.5 0 31 8% Q1 Q2 Mai 5 22 9 1 6 18 Oslo".split()
    drawn = np.full((2_400, 2_400, 3), 255, np.uint8)
    for number, label in enumerate(labels):
        place = (300 + 600 * (number % 4), 300 + 600 * (number // 4))
        cv2.putText(drawn, label, place, (60, 60, 60), cv2.FontFace("uni"), 21)
    small = cv2.resize(drawn, (800, 800), interpolation=cv2.INTER_AREA)
    assert {line.text for line in recognition.read(small)} == set(labels)


def test_a_line_knows_its_place(recognition, draw_text):
    page = np.full((560, 560, 3), 255, dtype=np.uint8)
    page[100:180, 200:500] = np.asarray(draw_text("Here 12", width=300))[:80]
    [line] = recognition.read(page)
    assert 210 <= line.left <= 235
    assert 115 <= line.top <= line.bottom <= 175


def test_threads_share_one_recognition(recognition, draw_text):
    pictures = [np.asarray(draw_text(f"Document {number}", width=300)) for number in range(4)]
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(recognition.read, pictures))
    assert [" ".join(line.text for line in lines) for lines in found] == [
        f"Document {number}" for number in range(4)
    ]


@pytest.mark.parametrize("size", [(1, 1), (3, 900), (900, 3), (31, 31)])
def test_tiny_and_thin_pictures_hold_no_text(recognition, size):
    assert recognition.read(np.full((*size, 3), 255, dtype=np.uint8)) == ()


@pytest.mark.parametrize(
    ("read", "meant"),
    [
        ("OM", "0M"),
        ("o%", "0%"),
        ("$O", "$0"),
        ("1O.5", "10.5"),
        ("2O%", "20%"),
        ("OK", "OK"),
        ("O", "O"),
        ("No. 5", "No. 5"),
        ("CO2", "CO2"),
        ("LF-410", "LF-410"),
        ("to 30 of 40", "to 30 of 40"),
    ],
)
def test_zeros_read_as_letters_are_corrected_where_only_a_number_can_stand(read, meant):
    assert correct_zeros(read) == meant


def test_recognition_writes_nothing_to_the_terminal():
    code = (
        "import numpy; from mmrag.reading.ocr import TextRecognition; "
        "TextRecognition(threads=1).read(numpy.full((64, 64, 3), 255, dtype='uint8'))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert (done.stdout, done.stderr) == (b"", b"")


def _line(text, left, right, *, top=0.0, score=0.9):
    outline = ((left, top), (right, top), (right, top + 20), (left, top + 20))
    return TextLine(text=text, score=score, quad=outline)


def test_a_line_seen_in_two_tiles_stands_there_once():
    whole = _line("Total of all orders", 0, 190)
    assert merged([whole], [_line("Total of all orders", 1, 189, score=0.8)]) == [whole]


def test_a_line_cut_by_a_seam_is_joined_where_both_ends_agree():
    [joined] = merged([_line("The permit ends i", 0, 170)], [_line("nds in May next year", 120, 320)])
    assert joined.text == "The permit ends in May next year"
    assert (joined.left, joined.right) == (0, 320)


def test_lines_under_each_other_are_not_joined():
    lines = [_line("First line", 0, 100), _line("Second line", 0, 110, top=24)]
    assert merged(lines[:1], lines[1:]) == lines
