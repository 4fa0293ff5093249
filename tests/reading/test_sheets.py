"""XLSX and CSV: sheets and tables as they are displayed."""

from __future__ import annotations

import csv
import datetime as dt
import io

import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl.chart import BarChart, Reference

from mmrag.reading import delimited, xlsx
from mmrag.reading.number_format import display
from tests.reading.office import writer

write = writer(openpyxl.Workbook)


def fill_sheet(sheet, rows):
    for row in rows:
        sheet.append(row)


def test_a_sheet_is_a_page_under_its_name_with_values_as_they_are_displayed(read):
    def fill(book):
        sheet = book.active
        sheet.title = "Revenue"
        rows = [
            ["Month", "Revenue", "Share"],
            [dt.date(2025, 8, 1), 1234.5, 0.305],
            [dt.date(2025, 9, 1), 987, 0.5],
        ]
        fill_sheet(sheet, rows)
        for row in (2, 3):
            sheet.cell(row, 1).number_format = "mmm yyyy"
            sheet.cell(row, 2).number_format = "#,##0.00 €"
            sheet.cell(row, 3).number_format = "0.0%"
        book.create_sheet("Other").append(["A remark alone"])

    reading = read(write(fill))
    assert [page.number for page in reading.pages] == [1, 2]
    page = reading.pages[0]
    assert page.headings[0].title == "Revenue"
    [table] = page.tables
    assert table.rows == (
        ("Month", "Revenue", "Share"),
        ("Aug 2025", "1,234.50 €", "30.5%"),
        ("Sep 2025", "987.00 €", "50.0%"),
    )
    assert page.text[table.start : table.end].split("\n")[1] == "Aug 2025 | 1,234.50 € | 30.5%"
    assert reading.pages[1].text == "Other\n\nA remark alone"


def test_title_rows_and_blank_rows_and_columns_part_the_tables_of_a_sheet(read):
    def fill(book):
        sheet = book.active
        rows = [["Tickets 2025"], ["Team", "Tickets", None, "City", "Limit"],
                ["Support", 547, None, "Porto", 120],
                [None], ["No header", 1], [7, 8]]  # fmt: skip
        fill_sheet(sheet, rows)

    page = read(write(fill)).pages[0]
    assert [table.rows for table in page.tables] == [
        (("Team", "Tickets"), ("Support", "547")),
        (("City", "Limit"), ("Porto", "120")),
        (("A", "B"), ("No header", "1"), ("7", "8")),
    ]
    assert page.text == (
        "Sheet\n\nTickets 2025\n\nTeam | Tickets\nSupport | 547\n\nCity | Limit\nPorto | 120\n\n"
        "No header | 1\n7 | 8"
    )


def test_a_merged_label_stands_in_each_of_its_rows(read):
    def fill(book):
        fill_sheet(book.active, [["Region", "City"], ["Iberia", "Porto"], [None, "Lisbon"]])
        book.active.merge_cells("A2:A3")

    [table] = read(write(fill)).pages[0].tables
    assert table.rows[1:] == (("Iberia", "Porto"), ("Iberia", "Lisbon"))


def test_hidden_sheets_and_formulas_without_results_are_named(read):
    def fill(book):
        fill_sheet(book.active, [["n", "twice"], [4, "=A2*2"]])
        book.create_sheet("Salaries").append(["secret"])
        book["Salaries"].sheet_state = "hidden"

    reading = read(write(fill))
    assert len(reading.pages) == 1
    assert "The sheet Salaries is hidden and was not read." in reading.warnings
    assert any("Some formulas hold no result" in warning for warning in reading.warnings)


def test_the_title_of_a_chart_on_a_sheet_is_read(read):
    def fill(book):
        fill_sheet(book.active, [["Month", "Tickets"], ["Jan", 3], ["Feb", 5]])
        chart = BarChart()
        chart.title = "Tickets per month"
        chart.add_data(Reference(book.active, min_col=2, min_row=1, max_row=3), titles_from_data=True)
        book.active.add_chart(chart, "D2")

    page = read(write(fill)).pages[0]
    assert [page.text[f.start : f.end].split("\n")[0] for f in page.figures] == ["Tickets per month"]


def test_a_far_cell_costs_nothing_and_many_cells_are_cut_with_a_warning(read_here, monkeypatch):
    def far(book):
        book.active["XFD1048576"] = "far away"
        book.active["A1"] = "near"

    assert read_here(write(far)).pages[0].text == "Sheet\n\nnear\n\nfar away"
    monkeypatch.setattr(xlsx, "MAX_CELLS", 10)
    reading = read_here(write(lambda book: fill_sheet(book.active, [["a", "b"]] * 20)))
    assert len(reading.pages[0].tables[0].rows) == 5
    assert "the rows up to 5 were read" in reading.warnings[0]


@pytest.mark.parametrize(
    ("stored", "code", "shown"),
    [
        ("1234.5", "General", "1234.5"),
        ("0.1", "General", "0.1"),
        ("0.30000000000000004", "General", "0.3"),
        ("1234567", "#,##0", "1,234,567"),
        ("0.256", "0%", "26%"),
        ("-5", "#,##0;(#,##0)", "(5)"),
        ("-5.5", "0.00", "-5.50"),
        ("0", '0;-0;"none"', "none"),
        ("2500000", '0.0,,"M"', "2.5M"),
        ("12.5", "[$€-407] #,##0.00", "€ 12.50"),
        ("12", '"No. "000', "No. 012"),
        ("45870", "yyyy-mm-dd", "2025-08-01"),
        ("45870", "d. mmmm yyyy", "1. August 2025"),
        ("45870.75", "yyyy-mm-dd h:mm AM/PM", "2025-08-01 6:00 PM"),
        ("45870", 'yyyy"年"m"月"d"日"', "2025年8月1日"),
        ("1.5", "[h]:mm", "36:00"),
        ("0.0625", "h:mm:ss", "1:30:00"),
        ("59", "yyyy-mm-dd", "1900-02-28"),
        ("61", "yyyy-mm-dd", "1900-03-01"),
        ("-1", "yyyy-mm-dd", "-1"),
        ("0.5", "# ?/?", "0.5"),
        ("text", "0.00", "text"),
        ("5", "[Red]0.0", "5.0"),
        ("5", '[>100]"many";0', "5"),
    ],
)
def test_numbers_are_shown_as_their_format_says(stored, code, shown):
    assert display(stored, code) == shown


@given(st.floats(allow_nan=True, allow_infinity=True), st.text('0#,.%;"[]$ymdhs/AP€E+-@_*\\ ', max_size=12))
@settings(deadline=None, max_examples=150)
def test_no_number_and_no_format_breaks_the_reading(number, code):
    assert isinstance(display(repr(number), code), str)


@pytest.mark.parametrize("mark", [",", ";", "\t", "|"])
def test_delimited_text_is_a_table_whatever_parts_its_cells(read, mark):
    rows = [
        ["City", "Limit", "Note"],
        ["Porto", "120", f'say "hi"{mark} then go'],
        ["Oslo", "180", "two\nlines"],
    ]
    buffer = io.StringIO()
    csv.writer(buffer, delimiter=mark).writerows(rows)
    reading = read(buffer.getvalue().encode(), name="limits.csv")
    assert reading.media_type == "text/csv"
    shown = [[" ".join(cell.split()) for cell in row] for row in rows]
    assert [list(row) for row in reading.pages[0].tables[0].rows] == shown


def test_a_table_is_told_by_its_content_and_prose_and_code_are_not_tables(read):
    assert read(b"a,b,c\n1,2,3\n4,5,6\n").media_type == "text/csv"
    for text in (
        "Dear Ana,\nthank you, it works.\nYours,\nBo",
        "One, two, three,\nfour, five, six,\nand so on, for ever,\n",
        "x = f(a,\n      b)\ny = [1, 2,\n",
        "first;\nsecond;\nthird;\n",
    ):
        assert read(text.encode()).media_type == "text/plain"


def test_a_csv_without_header_gets_the_columns_letters_and_short_rows_are_kept(read):
    page = read(b"1;2\n3;4\n5\n", name="numbers.csv").pages[0]
    assert page.tables[0].rows == (("A", "B"), ("1", "2"), ("3", "4"), ("5", ""))
    assert page.text == "1 | 2\n3 | 4\n5 |"


def test_a_long_csv_is_cut_with_a_warning(read_here, monkeypatch):
    monkeypatch.setattr(delimited, "MAX_CELLS", 10)
    reading = read_here(b"a,b\n" + b"1,2\n" * 30, name="long.csv")
    assert "Only the first 6 rows of this file were read" in reading.warnings[0]


def test_a_csv_of_another_country_is_read_in_its_encoding(read):
    text = "名前,年齢,住所\n佐藤太郎,30,東京\n三木英子,25,大阪\n"
    assert read(text.encode("cp932"), name="people.csv").pages[0].tables[0].rows[1] == (
        "佐藤太郎",
        "30",
        "東京",
    )
