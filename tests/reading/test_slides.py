"""PPTX: a page a slide, in the order a person reads it."""

from __future__ import annotations

import io

import pytest
from pptx import Presentation
from pptx.chart.data import CategoryChartData
from pptx.enum.chart import XL_CHART_TYPE
from pptx.util import Cm

from mmrag.errors import NotReadable
from mmrag.reading.reader import FileReader
from tests.reading.office import saved


@pytest.fixture
def write():
    """A presentation of one function a slide, each given an empty slide with a title."""

    def write(*fills):
        presentation = Presentation()
        for fill in fills:
            fill(presentation.slides.add_slide(presentation.slide_layouts[5]))
        return saved(presentation)

    return write


def box(shapes, text, left, top):
    shapes.add_textbox(Cm(left), Cm(top), Cm(5), Cm(1)).text_frame.text = text


def test_a_slide_is_a_page_with_its_title_first_and_shapes_from_top_to_bottom(read, write):
    def first(slide):
        box(slide.shapes, "lower", 1, 12)
        box(slide.shapes, "right", 12, 6)
        box(slide.shapes, "left", 1, 6.2)
        group = slide.shapes.add_group_shape()
        box(group.shapes, "grouped", 1, 9)
        slide.shapes.title.text = "Results"
        slide.notes_slide.notes_text_frame.text = "Say thanks."

    def second(slide):
        slide.shapes.title.text = "Questions"

    reading = read(write(first, second))
    assert [page.number for page in reading.pages] == [1, 2]
    assert reading.title == "Results"
    assert reading.pages[0].text == "Results\n\nleft\n\nright\n\ngrouped\n\nlower\n\nNotes\n\nSay thanks."
    assert [heading.title for heading in reading.pages[0].headings] == ["Results", "Notes"]


def test_tables_are_read_with_merged_cells(read, write):
    def fill(slide):
        table = slide.shapes.add_table(3, 2, Cm(1), Cm(5), Cm(10), Cm(4)).table
        for row, texts in enumerate([["Team", "Tickets"], ["Support", "547"], ["", "320"]]):
            for column, text in enumerate(texts):
                table.cell(row, column).text = text
        table.cell(1, 0).merge(table.cell(2, 0))

    [table] = read(write(fill)).pages[0].tables
    assert table.rows == (("Team", "Tickets"), ("Support", "547"), ("Support", "320"))


def test_the_data_of_a_chart_is_read_from_the_file_as_it_is_displayed(read, write):
    def fill(slide):
        data = CategoryChartData(number_format="0%")
        data.categories = ["Q1", "Q2"]
        data.add_series("Returns", (0.12, 0.305))
        data.add_series("Target", (0.1, 0.1))
        frame = slide.shapes.add_chart(XL_CHART_TYPE.COLUMN_CLUSTERED, Cm(1), Cm(4), Cm(12), Cm(8), data)
        frame.chart.has_title = True
        frame.chart.chart_title.text_frame.text = "Return rates"

    page = read(write(fill)).pages[0]
    [figure] = page.figures
    assert figure.kind == "chart"
    assert figure.table.rows == (("", "Returns", "Target"), ("Q1", "12%", "10%"), ("Q2", "31%", "10%"))
    assert page.text[figure.start : figure.end].startswith("Return rates")
    assert "Q2 | Returns: 31%" in page.text[figure.table.start : figure.table.end]


def test_a_picture_on_a_slide_is_a_figure(read, write, encode, draw_text):
    def fill(slide):
        slide.shapes.add_picture(io.BytesIO(encode(draw_text("Disk full on node 7"))), Cm(1), Cm(5))

    page = read(write(fill)).pages[0]
    assert [page.text[f.start : f.end] for f in page.figures] == ["Disk full on node 7"]


def test_more_slides_than_the_limit_are_refused(write):
    limits = {"max_image_bytes": 10**6, "max_image_pixels": 10**6, "threads": 1}
    reader = FileReader(max_file_bytes=10**7, max_pages=1, **limits)
    with pytest.raises(NotReadable, match="This presentation has 2 slides, the limit is 1"):
        reader.read(write(lambda _: None, lambda _: None), name="slides.pptx")
