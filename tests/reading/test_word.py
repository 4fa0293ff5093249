"""DOCX: what a person sees in Word, where it stands."""

from __future__ import annotations

import io

import docx
import pytest

from mmrag.errors import NotReadable
from tests.reading.office import W, paragraph, word, writer, zipped

write = writer(docx.Document)


def cells_of(table):
    return [cell for row in table.rows for cell in row.cells]


def test_headings_paragraphs_lists_and_tables_are_read_in_their_order(read):
    def fill(document):
        document.add_heading("Handbook", level=0)
        document.add_heading("Travel", level=1)
        document.add_paragraph("Trains go second class.")
        document.add_paragraph("Book early", style="List Bullet")
        document.add_paragraph("Keep receipts", style="List Bullet")
        document.add_paragraph("Ask first", style="List Number")
        document.add_paragraph("Then go", style="List Number")
        table = document.add_table(rows=2, cols=2)
        for cell, text in zip(cells_of(table), ["City", "Limit", "Porto", "120 €"], strict=True):
            cell.text = text

    reading = read(write(fill))
    page = reading.pages[0]
    assert reading.title == "Handbook"
    assert page.text == (
        "Handbook\n\nTravel\n\nTrains go second class.\n\n"
        "- Book early\n- Keep receipts\n1. Ask first\n2. Then go\n\n"
        "City | Limit\nPorto | 120 €"
    )
    assert [(heading.level, heading.title) for heading in page.headings] == [(1, "Handbook"), (1, "Travel")]
    [table] = page.tables
    assert table.rows == (("City", "Limit"), ("Porto", "120 €"))
    assert page.text[table.start : table.end] == "City | Limit\nPorto | 120 €"


def test_merged_cells_keep_every_row_readable(read):
    def fill(document):
        table = document.add_table(rows=3, cols=3)
        for cell, text in zip(
            cells_of(table),
            ["Region", "City", "Sales", "Iberia", "Porto", "12", "", "Lisbon", "31"],
            strict=True,
        ):
            cell.text = text
        table.cell(1, 0).merge(table.cell(2, 0))

    [table] = read(write(fill)).pages[0].tables
    assert table.rows == (("Region", "City", "Sales"), ("Iberia", "Porto", "12"), ("Iberia", "Lisbon", "31"))


def test_headers_footers_and_a_linked_picture_are_read_without_fetching(read):
    def fill(document):
        document.sections[0].header.paragraphs[0].text = "Larkfell Devices, internal"
        document.sections[0].footer.paragraphs[0].text = "Version 7"
        document.add_paragraph("The body.")

    assert read(write(fill)).pages[0].text == "The body.\n\nLarkfell Devices, internal\n\nVersion 7"


def test_an_embedded_picture_is_a_figure_with_its_description(read, encode, draw_text):
    picture = encode(draw_text("Disk full on node 7"))

    def fill(document):
        document.add_paragraph("Before.")
        document.add_picture(io.BytesIO(picture))
        properties = next(node for node in document.element.iter() if node.tag.endswith("}docPr"))
        properties.set("descr", "The error on the screen")
        document.add_paragraph("After.")

    page = read(write(fill)).pages[0]
    [figure] = page.figures
    assert page.text[figure.start : figure.end] == "The error on the screen\n\nDisk full on node 7"
    assert page.text.startswith("Before.")
    assert page.text.endswith("After.")


BOX = "<w:txbxContent><w:p><w:r><w:t>In the box</w:t></w:r></w:p></w:txbxContent>"
ALTERNATIVE = (
    "<w:p><w:r><mc:AlternateContent>"
    f'<mc:Choice Requires="wps"><w:drawing><wps:txbx>{BOX}</wps:txbx></w:drawing></mc:Choice>'
    f"<mc:Fallback><w:pict><v:textbox>{BOX}</v:textbox></w:pict></mc:Fallback>"
    "</mc:AlternateContent></w:r></w:p>"
)


@pytest.mark.parametrize("strict", [False, True], ids=["transitional", "strict"])
def test_text_boxes_are_read_once_in_strict_documents_too(read, strict):
    data = word(paragraph("Before") + ALTERNATIVE + paragraph("After"), strict=strict)
    assert read(data).pages[0].text == "Before\n\nIn the box\n\nAfter"


def test_deleted_moved_and_hidden_text_is_not_read_and_inserted_text_is(read):
    run = "<w:r><w:t xml:space='preserve'>{}</w:t></w:r>"
    body = (
        "<w:p>"
        + run.format("Fee: ")
        + f"<w:del>{run.format('50 ')}<w:r><w:delText>60 </w:delText></w:r></w:del>"
        + f"<w:ins>{run.format('70 ')}</w:ins>"
        + f"<w:moveFrom>{run.format('gone ')}</w:moveFrom>"
        + "<w:r><w:rPr><w:vanish/></w:rPr><w:t>secret</w:t></w:r>"
        + "<w:r><w:instrText>HYPERLINK x</w:instrText></w:r>"
        + run.format("euros")
        + "</w:p>"
    )
    assert read(word(body)).pages[0].text == "Fee: 70 euros"


def test_pages_are_those_that_word_rendered_last(read):
    rendered, explicit = "<w:lastRenderedPageBreak/>", '<w:br w:type="page"/>'
    body = (
        paragraph("One")
        + f"<w:p><w:r><w:t>Two begins</w:t>{rendered}<w:t>on three</w:t></w:r></w:p>".replace(
            "Two", "One still"
        )
        + f"<w:p><w:r>{explicit}</w:r></w:p>"
        + f"<w:p><w:r>{rendered}<w:t>Three</w:t></w:r></w:p>"
    )
    assert [page.text for page in read(word(body)).pages] == ["One\n\nOne still begins", "on three", "Three"]


def test_without_rendered_breaks_a_document_is_one_page(read):
    body = paragraph("One") + '<w:p><w:r><w:br w:type="page"/><w:t>Two</w:t></w:r></w:p>'
    assert [page.text for page in read(word(body)).pages] == ["One\n\nTwo"]


def test_a_table_goes_on_over_the_page_break_with_its_header(read):
    def row(*cells, mark=""):
        return (
            "<w:tr>"
            + "".join(f"<w:tc><w:p><w:r>{mark}<w:t>{c}</w:t></w:r></w:p></w:tc>" for c in cells)
            + "</w:tr>"
        )

    rows = row("City", "Limit") + row("Porto", "120") + row("Oslo", "180", mark="<w:lastRenderedPageBreak/>")
    first, second = read(word(f"<w:tbl>{rows}</w:tbl>")).pages
    assert first.tables[0].rows == (("City", "Limit"), ("Porto", "120"))
    assert second.tables[0].rows == (("City", "Limit"), ("Oslo", "180"))


def test_footnotes_stand_at_the_end_of_their_page_and_comments_after_their_paragraph(read):
    notes = (
        f'<w:footnotes xmlns:w="{W}"><w:footnote w:id="0" w:type="separator"/>'
        '<w:footnote w:id="2"><w:p><w:r><w:t>Since January.</w:t></w:r></w:p></w:footnote></w:footnotes>'
    )
    remarks = (
        f'<w:comments xmlns:w="{W}"><w:comment w:id="5" w:author="Ana">'
        "<w:p><w:r><w:t>Check this.</w:t></w:r></w:p></w:comment></w:comments>"
    )
    body = (
        '<w:p><w:r><w:t>27 days</w:t><w:footnoteReference w:id="2"/>'
        '<w:commentReference w:id="5"/></w:r></w:p>' + paragraph("More.")
    )
    data = word(
        body,
        parts={"word/notes.xml": notes, "word/remarks.xml": remarks},
        links={"rId1": ("footnotes", "notes.xml"), "rId2": ("comments", "remarks.xml")},
    )
    assert (
        read(data).pages[0].text == "27 days[1]\n\nComment by Ana: Check this.\n\nMore.\n\n[1] Since January."
    )


def test_numbered_headings_and_nested_lists_count_as_in_word(read):
    def level(index, form, text):
        start = '<w:start w:val="1"/>'
        return f'<w:lvl w:ilvl="{index}">{start}<w:numFmt w:val="{form}"/><w:lvlText w:val="{text}"/></w:lvl>'

    numbering = (
        f'<w:numbering xmlns:w="{W}"><w:abstractNum w:abstractNumId="1">'
        + level(0, "decimal", "%1.")
        + level(1, "lowerLetter", "%1.%2)")
        + '</w:abstractNum><w:num w:numId="4"><w:abstractNumId w:val="1"/></w:num></w:numbering>'
    )

    def item(text, depth, extra=""):
        return paragraph(text, f'<w:numPr><w:ilvl w:val="{depth}"/><w:numId w:val="4"/></w:numPr>{extra}')

    body = (
        item("Scope", 0, '<w:outlineLvl w:val="0"/>')
        + item("who", 1)
        + item("what", 1)
        + item("Terms", 0)
        + item("when", 1)
    )
    page = read(word(body, parts={"word/n.xml": numbering}, links={"rId1": ("numbering", "n.xml")})).pages[0]
    assert page.text == "1. Scope\n\n1.a) who\n  1.b) what\n2. Terms\n  2.a) when"
    assert page.headings[0].title == "1. Scope"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (word(paragraph("x"))[:400], "damaged"),
        (word("<w:p><w:r>"), "damaged"),
        (
            word(paragraph("x"), declaration='<!DOCTYPE d [<!ENTITY e SYSTEM "file:///etc/passwd">]>'),
            "damaged",
        ),
        (word("<w:sdt>" * 300 + "</w:sdt>" * 300), "damaged"),
        (word("<w:sdt>" + "<w:p/>" * 1_000_001 + "</w:sdt>"), "larger than can be read at once"),
        (zipped({"word/document.xml": b"0" * 80_000_000}), "unpacks to"),
        (zipped({f"{number}": b"" for number in range(10_001)}), "more than 10,000 files"),
    ],
    ids=["truncated", "open", "entity", "deep", "wide", "bomb", "many"],
)
def test_damaged_and_hostile_documents_are_refused_in_a_sentence(read, data, reason):
    with pytest.raises(NotReadable, match=reason):
        read(data)
