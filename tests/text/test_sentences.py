"""Sentences of English and Chinese text."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmrag.text.sentences import sentence_spans


def sentences(text):
    return [text[start:end] for start, end in sentence_spans(text)]


pieces = st.sampled_from(
    ["Dr. ", "ends. ", "1. ", "\n", "\n\n", "- ", "“x”", "。", "退货", "...", "!)", " ", "a", "| b ", "No. 5"]
)


@given(st.one_of(st.text(), st.lists(pieces, max_size=40).map("".join)))
@settings(deadline=None, max_examples=200)
def test_spans_are_ascending_disjoint_trimmed_and_cover_all_but_white_space(text):
    position = 0
    for start, end in sentence_spans(text):
        assert start >= position
        assert text[position:start].strip() == ""
        assert text[start:end] == text[start:end].strip() != ""
        position = end
    assert text[position:].strip() == ""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One. Two! Three?", ["One.", "Two!", "Three?"]),
        ("It rose 3.5 % to 4.2 million. Good.", ["It rose 3.5 % to 4.2 million.", "Good."]),
        ("Dr. Solberg met Mr. J. Smith. They talked.", ["Dr. Solberg met Mr. J. Smith.", "They talked."]),
        (
            "See Fig. 3 and No. 5. The answer is no. We left.",
            ["See Fig. 3 and No. 5.", "The answer is no.", "We left."],
        ),
        ('"Stop!" he said. "Why?" She left.', ['"Stop!" he said.', '"Why?"', "She left."]),
        ("well... maybe. yes.", ["well... maybe.", "yes."]),
        (
            "退货期限为三十天。请保留收据！真的吗？是的",
            ["退货期限为三十天。", "请保留收据！", "真的吗？", "是的"],
        ),
        ("他说：“好的。”然后离开了。", ["他说：“好的。”", "然后离开了。"]),
        ("Price 价格是三百元。Thanks.", ["Price 价格是三百元。", "Thanks."]),
        ("", []),
        (" \n ", []),
    ],
)
def test_sentences_end_where_a_reader_would_end_them(text, expected):
    assert sentences(text) == expected


def test_list_items_are_sentences_and_keep_their_numbers():
    assert sentences("Do this:\n1. Open it.\n2. Close it.\n- Wait") == [
        "Do this:",
        "1. Open it.",
        "2. Close it.",
        "- Wait",
    ]


def test_the_lines_of_a_charts_table_are_sentences():
    text = "Revenue by quarter\nQ3 2025 | Revenue: 4.2\nQ4 2025 | Revenue: 4.5"
    assert sentences(text) == text.split("\n")


def test_a_row_with_a_long_name_is_a_sentence():
    rows = (
        "Medical devices for the home and for small clinics: 4.2\nEverything else that was sold abroad: 0.9"
    )
    assert sentences(rows) == rows.split("\n")


def test_a_wrapped_paragraph_is_not_cut_at_its_line_breaks():
    text = (
        "A team may work from another country for at most thirty days in a\n"
        "calendar year. Longer stays need the consent of the people team and of\n"
        "the tax adviser."
    )
    assert sentences(text) == [text[: text.index("Longer")].strip(), text[text.index("Longer") :]]


def test_a_heading_above_a_wrapped_paragraph_is_a_sentence_of_its_own():
    text = (
        "Working abroad\n"
        "A team may work from another country for at most thirty days in a year, as the\n"
        "people team says."
    )
    assert sentences(text)[0] == "Working abroad"


@pytest.mark.parametrize(
    "text", ["a. " * 100_000, "." * 300_000, "a\n" * 150_000, "e.g. " * 60_000, "\n" * 300_000]
)
def test_no_text_takes_longer_than_its_length_warrants(text):
    started = time.process_time()
    sentence_spans(text)
    assert time.process_time() - started < 5
