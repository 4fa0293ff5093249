"""PDF: paragraphs, headings and tables from the text layer, scans and figures by OCR."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor

import pytest
from PIL import Image as Pillow
from reportlab.graphics.charts.barcharts import VerticalBarChart
from reportlab.graphics.shapes import Drawing
from reportlab.lib.pagesizes import A4
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Image, PageBreak, Paragraph, Spacer, Table

SENTENCE = "The plant in Riverton makes sensors for pumps and has done so since the spring of 1998. "


def test_wrapped_lines_become_paragraphs_and_headings_are_found(read, make_pdf, styles):
    body = styles["BodyText"]
    reading = read(
        make_pdf(
            Paragraph("Plant report", styles["Title"]),
            Paragraph(SENTENCE * 4, body),
            Paragraph("Staff", styles["Heading2"]),
            Paragraph(SENTENCE * 3, body),
            title="Plant report 2025",
        )
    )
    page = reading.pages[0]
    assert reading.media_type == "application/pdf"
    assert reading.title == "Plant report 2025"
    assert page.text == "\n\n".join(["Plant report", (SENTENCE * 4).strip(), "Staff", (SENTENCE * 3).strip()])
    assert [heading.title for heading in page.headings] == ["Plant report", "Staff"]
    assert page.headings[0].level < page.headings[1].level


def test_a_row_of_a_table_stays_on_its_line(read, make_pdf, styles):
    rows = [
        ["", "2024", "2023"],
        ["Revenue", "$ 4.2", "$ 3.9"],
        ["Margin", "51 %", "49 %"],
        ["Staff", "84", "80"],
    ]
    table = Table(rows, colWidths=[160, 90, 90])
    page = read(make_pdf(Paragraph(SENTENCE, styles["BodyText"]), table)).pages[0]
    [found] = page.tables
    assert found.rows == tuple(map(tuple, rows))
    assert page.text[found.start : found.end].splitlines()[1] == "Revenue | $ 4.2 | $ 3.9"


@pytest.mark.parametrize(
    ("first", "second", "joined"),
    [
        ("and it was a repre-", "sentation of all that the board had in mind.", "a representation of"),
        ("as they call long-term debt, that is the long-", "term debt of the group.", "the long-term debt"),
    ],
)
def test_hyphenated_words_are_joined_and_compounds_keep_their_hyphen(read, first, second, joined):
    buffer = io.BytesIO()
    canvas = Canvas(buffer, pagesize=A4)
    lead = "These are words that fill the line, "
    canvas.drawString(72, 700, lead + first)
    canvas.drawString(72, 686, second)
    canvas.save()
    assert joined in read(buffer.getvalue()).pages[0].text


def test_two_columns_are_read_one_after_the_other(read):
    buffer = io.BytesIO()
    canvas = Canvas(buffer, pagesize=A4)
    for left, name in ((60, "left"), (320, "right")):
        for row in range(4):
            canvas.drawString(left, 700 - 14 * row, f"Line {row} of the {name} column of this page")
    canvas.save()
    text = read(buffer.getvalue()).pages[0].text
    assert text.rindex("left") < text.index("right")


def test_chinese_text_is_joined_without_spaces(read):
    pdfmetrics.registerFont(UnicodeCIDFont("STSong-Light"))
    buffer = io.BytesIO()
    canvas = Canvas(buffer, pagesize=A4)
    canvas.setFont("STSong-Light", 12)
    canvas.drawString(72, 700, "门店的退货期限是三十天请保留收据退款会在五个工作日内到账如有")
    canvas.drawString(72, 684, "疑问请联系客服。")
    canvas.save()
    assert "到账如有疑问请联系客服。" in read(buffer.getvalue()).pages[0].text


def test_pages_are_numbered_and_kept_apart(read, make_pdf, styles):
    pages = read(
        make_pdf(Paragraph("One.", styles["BodyText"]), PageBreak(), Paragraph("Two.", styles["BodyText"]))
    ).pages
    assert [(page.number, page.text) for page in pages] == [(1, "One."), (2, "Two.")]


def test_a_scan_is_read_by_ocr_as_the_pages_own_text(read, draw_text):
    buffer = io.BytesIO()
    draw_text("Scanned letter of the city", "The permit ends in May.", "Please renew it in time.").save(
        buffer, format="PDF"
    )
    page = read(buffer.getvalue()).pages[0]
    assert "The permit ends in May." in page.text
    assert page.figures == ()


def test_an_embedded_chart_is_a_figure_with_its_caption_and_table(read, make_pdf, styles, draw_chart):
    def draw(axes):
        axes.bar_label(axes.bar(("Q1", "Q2", "Q3", "Q4"), (12, 31, 22, 44)))

    body = styles["BodyText"]
    picture = Image(io.BytesIO(draw_chart(draw)), width=360, height=240)
    reading = read(
        make_pdf(
            Paragraph(SENTENCE, body),
            picture,
            Paragraph("Figure 1. Orders by quarter.", body),
            Paragraph("What follows the figure.", body),
        )
    )
    page = reading.pages[0]
    [figure] = page.figures
    text = page.text[figure.start : figure.end]
    assert text.startswith("Figure 1. Orders by quarter.")
    assert text.endswith("Q1: 12\nQ2: 31\nQ3: 22\nQ4: 44")
    assert page.text.endswith("What follows the figure.")
    assert Pillow.open(io.BytesIO(figure.image)).size == (720, 480)


def drawn_bars():
    drawing = Drawing(400, 220)
    chart = VerticalBarChart()
    chart.x, chart.y, chart.width, chart.height = 40, 30, 340, 170
    chart.data = [(12, 31, 22, 44)]
    chart.categoryAxis.categoryNames = ["Porto", "Leiden", "Oslo", "Suzhou"]
    chart.valueAxis.valueMin, chart.valueAxis.valueMax = 0, 50
    chart.barLabelFormat = "%d"
    chart.barLabels.nudge = 8
    drawing.add(chart)
    return drawing


def test_a_chart_that_the_pdf_draws_is_read_from_its_text_layer(read, make_pdf, styles):
    page = read(make_pdf(Paragraph(SENTENCE * 2, styles["BodyText"]), Spacer(1, 30), drawn_bars())).pages[0]
    [figure] = page.figures
    assert figure.kind == "chart"
    assert figure.table.rows[1:] == (("Porto", "12"), ("Leiden", "31"), ("Oslo", "22"), ("Suzhou", "44"))
    assert page.text.count("Leiden") == 2  # as a label and in the table, both in the figure
    assert page.text.index("Leiden") >= figure.start


def test_a_picture_on_every_page_is_read_once(read, make_pdf, draw_text, encode):
    logo = encode(draw_text("ACME Industries", width=420))
    flowables = []
    for number in range(3):
        flowables += [
            Paragraph(f"This is page {number} of the text."),
            Image(io.BytesIO(logo), 210, 40),
            PageBreak(),
        ]
    pages = read(make_pdf(*flowables)).pages
    assert [len(page.figures) for page in pages] == [1, 0, 0]


@pytest.mark.parametrize(
    "title", ["0001018724-18-000005", "Microsoft Word - draft", "report.docx", "untitled", ""]
)
def test_a_title_that_a_program_put_there_is_none(read, make_pdf, title):
    assert read(make_pdf(Paragraph("Some text to read."), title=title)).title is None


def test_a_turned_page_is_read_in_its_rows(read):
    buffer = io.BytesIO()
    canvas = Canvas(buffer, pagesize=A4)
    canvas.setPageRotation(90)
    canvas.saveState()
    canvas.rotate(90)
    for row, cells in enumerate((("City", "Orders", "Staff"), ("Porto", "12", "3"), ("Oslo", "22", "5"))):
        for column, cell in enumerate(cells):
            canvas.drawString(100 + 120 * column, -200 - 16 * row, cell)
    canvas.restoreState()
    canvas.save()
    assert read(buffer.getvalue()).pages[0].tables[0].rows == (
        ("City", "Orders", "Staff"),
        ("Porto", "12", "3"),
        ("Oslo", "22", "5"),
    )


def test_threads_may_read_pdfs_at_once(read, make_pdf, styles):
    files = [
        make_pdf(*[Paragraph(f"{SENTENCE} Number {number}.", styles["BodyText"])] * 8) for number in range(8)
    ]
    with ThreadPoolExecutor(4) as pool:
        pages = [reading.pages[0].text for reading in pool.map(read, files)]
    assert all(f"Number {number}." in text for number, text in enumerate(pages))
