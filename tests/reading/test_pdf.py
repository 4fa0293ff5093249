"""PDF: paragraphs, headings and tables from the text layer, scans and figures by OCR."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
from PIL import Image as Pillow
from reportlab.graphics.charts.barcharts import VerticalBarChart
from reportlab.graphics.shapes import Drawing
from reportlab.lib.pagesizes import A4
from reportlab.lib.utils import ImageReader
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Image, PageBreak, Paragraph, Spacer, Table

from mmrag.errors import NotReadable
from mmrag.reading import pdf
from mmrag.reading.figures import read_drawing
from mmrag.reading.ocr import TextLine
from mmrag.reading.pdf_text import is_garbled

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
        make_pdf(
            Paragraph("The first.", styles["BodyText"]),
            PageBreak(),
            Paragraph("The second.", styles["BodyText"]),
        )
    ).pages
    assert [(page.number, page.text) for page in pages] == [(1, "The first."), (2, "The second.")]


def test_a_scan_is_read_by_ocr_as_the_pages_own_text(read, draw_text):
    buffer = io.BytesIO()
    lines = ("Scanned letter of the city", "The permit ends in May.", "Please renew it in time.")
    draw_text(*lines, height=180).save(buffer, format="PDF")
    page = read(buffer.getvalue()).pages[0]
    assert "The permit ends in May." in page.text
    assert page.figures == ()


def test_an_embedded_chart_is_a_figure_with_its_caption_and_table(read, make_pdf, styles, draw_chart):
    def draw(axes):
        axes.bar_label(axes.bar(("Q1", "Q2", "Q3", "Q4"), (12, 31, 22, 44)))

    body = styles["BodyText"]
    picture = Image(io.BytesIO(draw_chart(draw)), width=360, height=330)
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
    assert text.endswith("Q1: 12\nQ2: 31\nQ3: 22\nQ4: 44\n\nVertical axis: 0, 10, 20, 30, 40")
    assert page.text.endswith("What follows the figure.")
    assert Pillow.open(io.BytesIO(figure.image)).size == (720, 660)


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
            Image(io.BytesIO(logo), 210, 189),
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


def draw_pdf(*pages):
    """A PDF of functions that draw a page each."""
    buffer = io.BytesIO()
    canvas = Canvas(buffer, pagesize=A4)
    for draw in pages:
        draw(canvas)
        canvas.showPage()
    canvas.save()
    return buffer.getvalue()


def test_the_outline_says_what_a_heading_is_and_how_deep(read):
    def draw(canvas):
        canvas.bookmarkPage("travel")
        canvas.addOutlineEntry("Travel", "travel", level=0)
        canvas.bookmarkPage("trains")
        canvas.addOutlineEntry("Trains and buses", "trains", level=1)
        for row, text in enumerate(("1 Travel", SENTENCE, "1.1 Trains and", "buses", SENTENCE)):
            canvas.drawString(72, 760 - 40 * row, text)

    page = read(draw_pdf(draw)).pages[0]
    assert [(heading.level, heading.title) for heading in page.headings] == [
        (1, "1 Travel"),
        (2, "1.1 Trains and buses"),
    ]
    assert all(page.text[heading.offset :].startswith(heading.title) for heading in page.headings)


def test_running_headers_stand_on_their_first_page_only_and_page_numbers_nowhere(read):
    def page(number):
        def draw(canvas):
            canvas.drawString(72, 800, "Larkfell Devices, confidential")
            canvas.drawString(72, 700, f"What chapter {number} says is said once, and it is said here.")
            canvas.drawString(72, 660, f"Another line of chapter {number}, to be read in the middle.")
            canvas.drawString(280, 30, f"Page {number} of 4")

        return draw

    pages = read(draw_pdf(*map(page, range(1, 5)))).pages
    assert ["confidential" in page.text for page in pages] == [True, False, False, False]
    assert not any("of 4" in page.text for page in pages)
    assert all(f"chapter {page.number} says" in page.text for page in pages)


def test_totals_and_headers_of_a_table_at_the_edge_of_every_page_stay(read):
    def page(number):
        def draw(canvas):
            for row, cells in enumerate(
                (("Item", "Price"), *(("Pump", f"{number}{row}") for row in range(4)))
            ):
                canvas.drawString(72, 800 - 16 * row, cells[0])
                canvas.drawString(300, 800 - 16 * row, cells[1])
            canvas.drawString(72, 60, f"Total of this page: {number * 37}")

        return draw

    pages = read(draw_pdf(*map(page, range(1, 5)))).pages
    assert all(page.tables[0].rows[0] == ("Item", "Price") for page in pages)
    assert all(f"Total of this page: {page.number * 37}" in page.text for page in pages)


def test_a_scan_with_a_stamp_in_its_text_layer_is_read_by_ocr(read, draw_text):
    scan = draw_text("The permit ends in May.", "Please renew it in time.", "The city office", width=500)

    def draw(canvas):
        canvas.drawInlineImage(scan, 0, 300, width=A4[0], height=540)
        canvas.drawString(20, 20, "Scanned with a copier")

    [page] = read(draw_pdf(draw)).pages
    assert page.figures == ()
    assert "The permit ends in May." in page.text
    assert page.text.count("Scanned with a copier") == 1


@pytest.mark.parametrize(
    ("text", "garbled"),
    [
        (SENTENCE * 3, False),
        ("门店的退货期限是三十天，请保留收据，退款会在五个工作日内到账。" * 3, False),
        ("Introduction ............ 3\nMethods ................ 17\n" * 5, False),
        ("12,431 3,902 1,225 44.1% (312) 8,104 $ 2,211 9,017 3.3% 12 " * 3, False),
        ("\ue001\ue002\ue003 \ue004\ue005" * 20, True),
        ("\x01\x02\x03 \x04\x05\x06" * 20, True),
        ("!\"#$ %&'( )*+, -./: ;<=> ?@[]" * 5, True),
        ("Xkcd brtn mnklp qrst wzkr tplm hgfd cvbn lkjh mnbv ptrq " * 3, True),
    ],
)
def test_a_text_layer_is_known_by_whether_it_spells_anything(text, garbled):
    assert is_garbled(text) is garbled


def test_a_picture_says_where_on_its_page_it_stands(read, draw_text):
    picture = draw_text("Orders by week", width=400)

    def draw(canvas):
        canvas.drawString(72, 780, SENTENCE)
        canvas.drawInlineImage(picture, A4[0] / 2, A4[1] / 4, width=A4[0] / 4, height=A4[1] / 8)
        canvas.drawString(72, 100, SENTENCE * 2)

    [figure] = read(draw_pdf(draw)).pages[0].figures
    assert figure.box == pytest.approx((0.5, 0.625, 0.75, 0.75), abs=0.01)


def test_a_picture_cut_into_strips_is_one_figure(read, draw_text):
    picture = draw_text(
        "First line of the figure", "Second line of the figure", "Third line of it", width=560
    )
    strips = [
        picture.crop((0, top, 560, min(top + 36, picture.height))) for top in range(0, picture.height, 36)
    ]

    def draw(canvas):
        canvas.drawString(72, 780, SENTENCE * 3)
        canvas.drawString(72, 760, SENTENCE * 3)
        top = 600.0
        for strip in strips:
            top -= strip.height / 2
            canvas.drawInlineImage(strip, 100, top, width=280, height=strip.height / 2)

    page = read(draw_pdf(draw)).pages[0]
    [figure] = page.figures
    text = page.text[figure.start : figure.end]
    assert all(line in text for line in ("First line of the figure", "Second line of the figure"))


def read_at_once(data, *, max_pixels=10**7):
    """As `read`, each picture by a known label: what is bounded and masked needs no OCR."""
    label = TextLine("A label", 1.0, ((0, 0), (9, 0), (9, 9), (0, 9)))
    seen = partial(read_drawing, lines=[label])
    return pdf.read_pdf(data, max_pages=10, max_pixels=max_pixels, read_figure=seen)


def page_of_pictures(canvas):
    """A sentence and three pictures, apart from each other."""
    canvas.drawString(72, 780, SENTENCE)
    for number, colour in enumerate(("red", "green", "blue")):
        canvas.drawInlineImage(Pillow.new("RGB", (60, 60), colour), 72, 500 - 150 * number, 100, 100)


def scanned_page(canvas):
    canvas.drawInlineImage(Pillow.new("RGB", (60, 60), "grey"), 0, 0, *A4)


@pytest.mark.parametrize(
    ("limit", "pages", "warning", "figures"),
    [
        ("pdf._MAX_FIGURES", [page_of_pictures] * 2, "Only the first 2 pictures", [2, 0]),
        ("pdf._MAX_FIGURES_A_PAGE", [page_of_pictures], "only the first 2 were read", [2]),
        ("pdf_pictures._MAX_LISTED", [page_of_pictures], "only the first 2 were looked at", [2]),
        ("pdf._MAX_SCANS", [scanned_page] * 3, "Only the first 2 scanned pages", [1, 1, 0]),
    ],
)
def test_what_a_limit_on_work_cuts_is_named(monkeypatch, limit, pages, warning, figures):
    whole = read_at_once(draw_pdf(*pages))
    assert whole.warnings == ()
    monkeypatch.setattr(f"mmrag.reading.{limit}", 2)
    cut = read_at_once(draw_pdf(*pages))
    [said] = cut.warnings
    assert warning in said
    assert [len(page.figures) for page in cut.pages] == figures
    assert cut.pages != whole.pages


def test_a_picture_larger_than_the_limit_is_left_out_and_named():
    reading = read_at_once(draw_pdf(page_of_pictures), max_pixels=60 * 60 - 1)
    assert reading.warnings == ("A picture in this PDF is larger than the limit and was left out.",)
    assert reading.pages[0].figures == ()


def test_a_picture_is_seen_through_its_mask():
    clear = Pillow.new("RGBA", (60, 60), (0, 0, 0, 0))
    clear.paste("red", (20, 20, 40, 40))

    def draw(canvas):
        canvas.drawString(72, 780, SENTENCE)
        canvas.drawImage(ImageReader(clear), 72, 500, 100, 100, mask="auto")

    [figure] = read_at_once(draw_pdf(draw)).pages[0].figures
    shown = Pillow.open(io.BytesIO(figure.image))
    middle = (shown.width // 2, shown.height // 2)
    assert [shown.getpixel(place) for place in ((0, 0), middle)] == [(255, 255, 255), (255, 0, 0)]


def test_a_drawn_diagram_is_cut_out_with_its_labels_and_caption(read):
    def draw(canvas):
        canvas.drawString(72, 780, SENTENCE)
        for number, label in enumerate(("Order", "Picking", "Parcel", "Customer")):
            left = 90 + 110 * number
            canvas.circle(left + 40, 640, 38)
            canvas.drawCentredString(left + 40, 637, label)
            canvas.line(left + 80, 640, left + 108, 646)
        canvas.drawString(72, 570, "Figure 2. The way of an order.")
        canvas.drawString(72, 500, SENTENCE)

    page = read(draw_pdf(draw)).pages[0]
    [figure] = page.figures
    assert page.text[figure.start : figure.end].startswith("Figure 2. The way of an order.")
    assert "Picking" in page.text[figure.start : figure.end]
    assert page.text.count("Picking") == 1
    assert Pillow.open(io.BytesIO(figure.image)).width > 600


def test_a_table_with_rules_and_shades_is_no_figure(read, make_pdf, styles):
    rows = [["City", "Orders", "Staff"], ["Porto", "12", "3"], ["Oslo", "22", "5"], ["Leiden", "31", "8"]]
    table = Table(
        rows,
        colWidths=[120] * 3,
        style=[("GRID", (0, 0), (-1, -1), 1, "black"), ("BACKGROUND", (0, 0), (-1, 0), "lightgrey")],
    )
    page = read(make_pdf(Paragraph(SENTENCE, styles["BodyText"]), table)).pages[0]
    assert page.figures == ()
    assert page.tables[0].rows == tuple(map(tuple, rows))


def test_a_password_is_named(read):
    buffer = io.BytesIO()
    canvas = Canvas(buffer, encrypt="secret")
    canvas.drawString(72, 700, SENTENCE)
    canvas.save()
    with pytest.raises(NotReadable, match="needs a password: remove it"):
        read(buffer.getvalue())
