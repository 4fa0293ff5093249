"""What models write about charts is understood, whatever it is."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmrag.reading.chart_models import doctags, linearised

TABLE = (("City", "2024", "2025"), ("Oslo", "547", "600"), ("Porto", "120", "-3.5 %"))
TAGS = [f"<{tag}>" for tag in "fcel ecel lcel ucel xcel ched rhed srow nl chart otsl caption".split()]
CELL = st.text(
    st.characters(exclude_characters="|<>\n\r", exclude_categories=["C", "Z"]), min_size=1, max_size=9
)
TABLES = st.integers(2, 5).flatmap(
    lambda width: st.lists(st.tuples(*[CELL] * width), min_size=1, max_size=6).map(tuple)
)
MARKS = st.sampled_from([*TAGS, "</chart>", "</caption>", "<0x0A>", "|", "\n", "TITLE"])
NOISE = st.lists(MARKS | st.text(max_size=5), max_size=30).map("".join)


def written_by_deplot(table):
    return "TITLE | Umbrellas <0x0A> " + " <0x0A> ".join(" | ".join(row) for row in table)


def written_by_docling(table):
    rows = "<nl>".join("".join(f"<fcel>{cell}" for cell in row) for row in table)
    return f"<chart><bar_chart><loc_12><caption>Umbrellas</caption>{rows}<nl></chart>"


@settings(max_examples=50)
@given(TABLES)
def test_every_table_that_is_written_out_is_read_back(table):
    assert linearised.parse(written_by_deplot(table)).rows == table
    read = doctags.parse(written_by_docling(table))
    assert (read.rows, read.chart) == (table, "bar")


@pytest.mark.parametrize(
    "text", ["City | 2024 | 2025\nOslo | 547 | 600\nPorto | 120 | -3.5 %", written_by_deplot(TABLE)]
)
def test_line_feeds_are_read_in_either_spelling_and_the_title_is_optional(text):
    assert linearised.parse(text).rows == TABLE


def test_merged_cells_say_what_the_cell_says_that_covers_them():
    text = (
        "<doctag><chart><stacked_bar_chart><ched>City<ched>2024<lcel><nl><ucel><ched>Mine<ched>Yours<nl>"
        "<rhed>Oslo<fcel>1<ecel><nl></chart></doctag><text>9</text>"
    )
    read = doctags.parse(text)
    assert read.rows == (("City", "2024", "2024"), ("City", "Mine", "Yours"), ("Oslo", "1", ""))
    assert read.chart == "stacked"


@given(NOISE, st.booleans())
def test_no_answer_breaks_a_parser_and_none_has_more_cells_than_characters(text, cut_off):
    for parse in (linearised.parse, doctags.parse):
        read = parse(text, cut_off=cut_off)
        assert sum(map(len, read.rows)) <= len(text)
        assert all(len(cell) <= len(text) for row in read.rows for cell in row)
        assert all(row for row in read.rows)
        assert read.cut_off == cut_off


def test_an_endless_answer_is_cut_and_says_so():
    for parse, piece in ((linearised.parse, "a | 1 <0x0A> "), (doctags.parse, "<fcel>a<fcel>1<nl>")):
        read = parse(piece * 100_000)
        assert read.cut_off
        assert len(read.rows) < 10_000


def test_a_merged_cell_cannot_grow_an_answer_beyond_measure():
    read = doctags.parse("<fcel>" + "a" * 20_000 + "<lcel>" * 3_000)
    assert sum(len(cell) for row in read.rows for cell in row) < 2_000_000
