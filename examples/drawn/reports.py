"""The two PDFs: the quarterly report (two charts as pictures, one as vectors) and the clinic's report.

`invariant` leaves dates and random identifiers out of the file, so that its bytes depend on
its content only.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from reportlab.graphics.shapes import Circle, Drawing, Line, PolyLine, String
from reportlab.lib.colors import HexColor
from reportlab.lib.enums import TA_RIGHT
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.platypus import (
    BaseDocTemplate,
    Frame,
    KeepTogether,
    PageBreak,
    PageTemplate,
    Paragraph,
    Spacer,
    Table,
)
from reportlab.platypus import Image as Picture

from drawn import charts, facts, scans
from drawn.canvas import GREY, INK, NAVY, PALE, TEAL, WHITE, jpeg, png

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reportlab.pdfgen.canvas import Canvas
    from reportlab.platypus import Flowable

_MARGIN = 22 * mm
_TEXT_WIDTH = A4[0] - 2 * _MARGIN
_INK, _NAVY = HexColor(INK), HexColor(NAVY)
_BODY = ParagraphStyle(
    "body", fontName="Helvetica", fontSize=10.5, leading=15.5, spaceAfter=7, textColor=_INK
)
_BOLD = ParagraphStyle("bold", parent=_BODY, fontName="Helvetica-Bold", textColor=_NAVY)
_TITLE = ParagraphStyle("title", parent=_BOLD, fontSize=23, leading=28, spaceAfter=12)
_HEADING = ParagraphStyle("heading", parent=_BOLD, fontSize=14, leading=18, spaceBefore=9)
_SMALL = ParagraphStyle("small", parent=_BODY, fontSize=8.5, leading=12, textColor=HexColor(GREY))
_CELL = ParagraphStyle("cell", parent=_BODY, fontSize=9.5, leading=12, spaceAfter=0)
_NUMBER = ParagraphStyle("number", parent=_CELL, alignment=TA_RIGHT)


def quarterly_report() -> bytes:
    """Four pages: results, product lines and channels, customers and service, outlook."""
    return _pdf(
        "Larkfell Devices: Quarterly report, third quarter 2025",
        footer="Larkfell Devices, Quarterly report Q3 2025",
        story=[
            Paragraph("Quarterly report<br/>Third quarter 2025", _TITLE),
            Paragraph("July to September 2025. Unaudited.", _SMALL),
            *_prose(_RESULTS),
            _picture(
                png(charts.revenue_by_quarter()),
                "Figure 1. Revenue of the last five quarters, million euros.",
            ),
            PageBreak(),
            *_prose(_PRODUCT_LINES),
            _revenue_table(),
            Paragraph("Table 1. Revenue by product line in thousand euros.", _SMALL),
            *_prose(_CHANNELS),
            _picture(
                png(charts.revenue_by_channel()), "Figure 2. Share of each sales channel in revenue, Q3 2025."
            ),
            PageBreak(),
            *_prose(_CUSTOMERS),
            _users_chart(),
            Paragraph("Figure 3. Active users of Larkfell Cloud per month in 2025, in thousands.", _SMALL),
            *_prose(_SERVICE),
            PageBreak(),
            *_prose(_OUTLOOK),
            Spacer(1, 8 * mm),
            Paragraph(
                "Larkfell Devices, its people and its numbers are made up: an example that comes with mmrag.",
                _SMALL,
            ),
        ],
    )


def clinic_report() -> bytes:
    """Two pages: findings and the scan."""
    kidney = scans.RIGHT_KIDNEY
    return _pdf(
        "Harbour Lane Clinic: Ultrasound report, sample patient A-017",
        footer="Harbour Lane Clinic. A made-up report with a drawn scan: not medical advice",
        story=[
            Paragraph("Ultrasound report", _TITLE),
            Paragraph("Harbour Lane Clinic, department of radiology", _BODY),
            _table(_EXAMINATION, widths=(0.25, 0.75), header=False),
            *_prose(_FINDINGS.format(kidney=kidney)),
            PageBreak(),
            Paragraph("Picture and measurements", _HEADING),
            _picture(
                jpeg(scans.kidney_scan(kidney)),
                "Figure 1. Right kidney, lengthwise. A drawing, not a real scan.",
            ),
            _table(
                [
                    ["Measurement", "Value (cm)", "Usual in adults (cm)"],
                    ["Length", f"{kidney.length}", "9 to 12"],
                    ["Width", f"{kidney.width}", "4 to 6"],
                    ["Parenchyma", f"{kidney.parenchyma}", "1.3 to 2.5"],
                    ["Cyst, diameter", f"{kidney.cyst}", "none"],
                ],
                widths=(0.4, 0.3, 0.3),
            ),
            Spacer(1, 6 * mm),
            Paragraph(
                "This report was made up as an example that comes with mmrag. The patient does not exist, "
                "the scan is drawn, and the values are no medical advice.",
                _SMALL,
            ),
        ],
    )


# ------------------------------------------------------------ quarterly report

_RESULTS = """
# Results at a glance

Revenue was 4.26 million euros in the third quarter of 2025, the highest of any quarter so far. That is 24.6 %
more than in the third quarter of 2024 and 10.1 % more than in the second quarter of 2025. Most of the growth
came from blood pressure monitors and from the handheld ultrasound.

The gross margin rose from 49.8 % to 51.2 %, because the new supplier of displays is cheaper and because more
units were sold through our own shop. The operating result was 412,000 euros, which is 9.7 %
of revenue.

Cash stood at 2.9 million euros at the end of September. Larkfell has no bank debt. The company employed 84
people on 30 September, four more than three months earlier.
"""

_PRODUCT_LINES = """
# Revenue by product line

Five of six product lines grew against the second quarter. Ultrasound grew fastest, after eleven clinics that
had tried the LF-900 in spring placed orders. Oximeters were the only line that shrank: a large pharmacy chain
reduced its stock in July and has ordered normally since September.
"""

_CHANNELS = """
# Sales channels

Our own online shop remains the largest channel. Its share rose by three percentage points within a year,
helped by the Chinese shop, which opened in March and is served from Suzhou. Marketplaces are kept small on
purpose, because their fees take 15 % of each sale.
"""

_CUSTOMERS = """
# Customers and service

Larkfell Cloud had 60,400 active users in September, against 54,500 in June. An active user has synchronised
at least one measurement within the month.
"""

_SERVICE = f"""
# The sync outage of 19 August

On 19 August customers could not synchronise their devices for 4 hours and 32 minutes (incident INC-2025-08).
The outage cost 44,600 euros: 38,400 euros in service credits to clinics and 6,200 euros in overtime. Both are
booked in the third quarter. No measurement was lost.

Support received {sum(facts.TICKETS[6:]):,} tickets in the quarter. August was the first month with a support
surge since the rule was introduced in January 2024.

# Quality

The LF-410 was the only product with a return rate above our limit of 5 %. The quality review began on 6
October. The first finding is that many customers place the scale on carpet; a printed note in the box and a
check in the app are being prepared.
"""

_OUTLOOK = """
# Outlook

For the fourth quarter of 2025 we expect revenue between 4.5 and 4.7 million euros. The weeks before the end
of the year are the strongest for home devices, and the order book for the LF-900 stands at 96 units.

The gross margin should stay near 51 %. We will spend about 350,000 euros on the approval of the LF-900 in the
United Kingdom and Switzerland and on a second line in the warehouse in Venlo.

# Risks

<b>Displays.</b> The new supplier is our only source for the displays of the LF-220 and the LF-510. A second
one will be qualified by March 2026; until then we hold stock for ten weeks.

<b>Service.</b> A second outage of several hours within a year would allow 46 clinics to end their service
agreements early. The agreements bring in 58,000 euros a month. The actions of the incident report are
therefore followed by the board until they are closed.

<b>Currency.</b> About 12 % of revenue is in renminbi and pounds. We do not hedge it; a change of 5 % in both
would move the operating result of a quarter by about 20,000 euros.

# Dates

The report on the fourth quarter will be published on 12 February 2026. The annual meeting of the shareholders
takes place in Leiden on 21 May 2026.

Helen Price, Chief Financial Officer, 23 October 2025
"""


def _revenue_table() -> Flowable:
    total_q2 = sum(product.revenue_q2 for product in facts.PRODUCTS)
    total_q3 = sum(product.revenue_q3 for product in facts.PRODUCTS)
    rows = [["Product line", "Q2 2025", "Q3 2025", "Change"]]
    rows += [[product.line, *_change(product.revenue_q2, product.revenue_q3)] for product in facts.PRODUCTS]
    rows += [["Total", *_change(total_q2, total_q3)]]
    return _table(rows, widths=(0.4, 0.2, 0.2, 0.2))


def _change(before: int, after: int) -> list[str]:
    return [f"{before:,}", f"{after:,}", f"{(after / before - 1) * 100:+.1f} %"]


def _users_chart() -> Drawing:
    """A line chart of vectors: its labels are text of the page."""
    width, height, left, bottom = _TEXT_WIDTH, 62 * mm, 9 * mm, 9 * mm
    step = (width - left - 12 * mm) / (len(facts.MONTHS) - 1)
    drawing = Drawing(width, height)

    def level(thousands: float) -> float:
        return bottom + (thousands - 40) / 25 * (height - bottom - 6 * mm)

    for thousands in range(40, 66, 5):
        y = level(thousands)
        drawing.add(Line(left, y, width, y, strokeColor=HexColor(PALE), strokeWidth=0.6))
        drawing.add(_string(left - 2 * mm, y - 3, str(thousands), GREY, anchor="end"))
    points = [(left + 6 * mm + i * step, level(users)) for i, users in enumerate(facts.ACTIVE_USERS)]
    drawing.add(PolyLine([xy for point in points for xy in point], strokeColor=HexColor(TEAL), strokeWidth=2))
    for (x, y), month, users in zip(points, facts.MONTHS, facts.ACTIVE_USERS, strict=True):
        drawing.add(Circle(x, y, 3, fillColor=HexColor(TEAL), strokeColor=HexColor(WHITE)))
        drawing.add(_string(x, y + 7, f"{users:.1f}", INK, font="Helvetica-Bold"))
        drawing.add(_string(x, bottom - 5 * mm, month, INK))
    return drawing


def _string(
    x: float, y: float, text: str, colour: str, *, font: str = "Helvetica", anchor: str = "middle"
) -> String:
    return String(x, y, text, fontName=font, fontSize=9, fillColor=HexColor(colour), textAnchor=anchor)


# ------------------------------------------------------------ clinic's report

_EXAMINATION = (
    ("Patient", "Sample patient A-017 (made up), 46 years"),
    ("Examination", "Ultrasound of the right kidney, 3 September 2025"),
    ("Device", "Larkfell LF-900, convex probe, 3.5 MHz"),
    ("Reported by", "Dr Ingrid Solberg, radiologist"),
)

_FINDINGS = """
# Question

Pain in the right flank for two weeks, no fever. Is there a stone or an obstruction?

# Findings

The right kidney is {kidney.length} cm long and {kidney.width} cm wide, with a regular outline. The
parenchyma measures {kidney.parenchyma} cm and is of normal brightness. The renal pelvis is not dilated. No
stone is seen.

In the lower pole there is a round, echo-free cyst with a diameter of {kidney.cyst} cm and a thin wall,
without septa and without flow in the Doppler picture. It is a simple cyst (Bosniak I).

The left kidney could not be assessed because of overlying bowel gas. It will be examined on a second visit.

# Reference

In adults a kidney length of 9 to 12 cm is usual in our department. A difference of more than 1.5 cm between
the two sides is followed up.

# Assessment

Right kidney of normal size without obstruction. The simple cyst has no significance and needs no check. The
pain is not explained by this examination.

# Recommendation

Examination of the left kidney within two weeks, after four hours without food. If the pain increases or fever
occurs, the patient should come back at once.
"""


# ------------------------------------------------------------ layout


def _pdf(title: str, *, footer: str, story: Sequence[Flowable]) -> bytes:
    def furnish(canvas: Canvas, document: BaseDocTemplate) -> None:
        canvas.setFont("Helvetica", 8)
        canvas.setFillColor(HexColor(GREY))
        canvas.drawString(_MARGIN, 12 * mm, footer)
        canvas.drawRightString(A4[0] - _MARGIN, 12 * mm, f"Page {document.page}")

    buffer = io.BytesIO()
    frame = Frame(_MARGIN, _MARGIN, _TEXT_WIDTH, A4[1] - 2 * _MARGIN, 0, 0, 0, 0)
    document = BaseDocTemplate(
        buffer,
        pagesize=A4,
        # at the page's end, so that a reader meets the footer last
        pageTemplates=[PageTemplate(frames=[frame], onPageEnd=furnish)],
        title=title,
        author="mmrag examples",
        invariant=1,
    )
    document.build(list(story))
    return buffer.getvalue()


def _prose(text: str) -> list[Flowable]:
    """Blocks between blank lines become paragraphs; a block that begins with "# " a heading."""
    return [
        Paragraph(block[2:], _HEADING) if block.startswith("# ") else Paragraph(block, _BODY)
        for block in text.strip().split("\n\n")
    ]


def _picture(data: bytes, caption: str) -> Flowable:
    picture = Picture(io.BytesIO(data))
    picture.drawHeight *= _TEXT_WIDTH / picture.drawWidth
    picture.drawWidth = _TEXT_WIDTH
    return KeepTogether([Spacer(1, 3 * mm), picture, Paragraph(caption, _SMALL)])


def _table(rows: Sequence[Sequence[str]], *, widths: Sequence[float], header: bool = True) -> Flowable:
    """A table as wide as the text. With a header, all columns but the first are set to the right."""
    cells = [
        [Paragraph(cell, _NUMBER if header and column else _CELL) for column, cell in enumerate(row)]
        for row in rows
    ]
    style = [
        ("LINEBELOW", (0, 0), (-1, -1), 0.5, HexColor(PALE)),
        ("VALIGN", (0, 0), (-1, -1), "MIDDLE"),
        ("TOPPADDING", (0, 0), (-1, -1), 4),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 5),
    ]
    if header:
        style.append(("BACKGROUND", (0, 0), (-1, 0), HexColor("#eef2f7")))
    return Table(
        cells, colWidths=[share * _TEXT_WIDTH for share in widths], style=style, spaceBefore=6, spaceAfter=4
    )
