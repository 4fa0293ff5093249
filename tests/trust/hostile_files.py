"""Files that mean harm, all made here: sound ones that get mutated, bombs, cycles, and very large ones."""

from __future__ import annotations

import importlib
import importlib.util
import io
import random
import struct
import zipfile
import zlib
from email.message import EmailMessage

from PIL import Image, ImageDraw
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas

PICTURE_KINDS = ("PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF", "AVIF")
WORDS = "The gateway stands in hall seven and reports every five minutes."
MEGABYTE = 1_000_000


# -------------------------------------------------------------------------- sound files


def sound_files():
    """A sound file of each format, by its name. Office formats where what writes them is installed."""
    files = {f"picture.{kind.lower()}": picture(kind) for kind in PICTURE_KINDS}
    files["text.txt"] = (WORDS + "\n").encode() * 5
    files["chinese.txt"] = "网关在七号大厅，每五分钟报告一次。\n".encode("gb18030") * 5
    files["page.html"] = (
        f"<html><head><title>Halls</title></head><body><h1>Halls</h1><p>{WORDS}</p><table><tr><th>hall</th>"
        "<th>racks</th></tr><tr><td>7</td><td>12</td></tr></table></body></html>"
    ).encode()
    files["notes.md"] = f"# Halls\n\n{WORDS}\n\n| hall | racks |\n|---|---|\n| 7 | 12 |\n".encode()
    files["table.csv"] = b"hall,racks\n" + b"".join(b"%d,%d\n" % (n, 3 * n) for n in range(20))
    files["document.pdf"] = pdf(pages=2)
    files["mail.eml"] = mail()
    files["archive.zip"] = zipped({"a.txt": WORDS.encode(), "b/page.html": files["page.html"]})
    for name, module, make in OFFICE:
        if importlib.util.find_spec(module):
            files[name] = make()
    return files


def picture(kind):
    image = Image.new("RGB", (96, 48), "white")
    ImageDraw.Draw(image).text((8, 12), "Hall 7", fill="black", font_size=20)
    buffer = io.BytesIO()
    image.save(buffer, kind)
    return buffer.getvalue()


def pdf(*, pages):
    buffer = io.BytesIO()
    canvas = Canvas(buffer)
    image = ImageReader(io.BytesIO(picture("JPEG")))
    for number in range(pages):
        canvas.drawString(72, 720, f"{number + 1}. {WORDS}")
        if number == 0 and pages < 10:
            canvas.drawImage(image, 72, 500, 192, 96)
        canvas.showPage()
    canvas.save()
    return buffer.getvalue()


def mail():
    message = EmailMessage()
    message["Subject"], message["From"], message["To"] = "Halls", "ana@example.com", "bo@example.com"
    message.set_content(WORDS)
    message.add_attachment(b"hall,racks\n7,12\n", maintype="text", subtype="csv", filename="racks.csv")
    return bytes(message)


def zipped(members):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def docx():
    document = importlib.import_module("docx").Document()
    document.add_heading("Halls")
    document.add_paragraph(WORDS)
    cells = document.add_table(rows=2, cols=2).rows[1].cells
    cells[0].text, cells[1].text = "7", "12"
    return saved(document)


def xlsx(sheets=1, rows=20):
    book = importlib.import_module("openpyxl").Workbook(write_only=True)
    for number in range(sheets):
        sheet = book.create_sheet(f"Hall {number}")
        for row in range(rows):
            sheet.append([f"rack {row}", row * 3, WORDS if row == 0 else None])
    return saved(book)


def pptx():
    slides = importlib.import_module("pptx").Presentation()
    slide = slides.slides.add_slide(slides.slide_layouts[1])
    slide.shapes.title.text, slide.placeholders[1].text = "Halls", WORDS
    slide.notes_slide.notes_text_frame.text = "Say it slowly."
    return saved(slides)


def saved(document):
    buffer = io.BytesIO()
    document.save(buffer)
    return buffer.getvalue()


OFFICE = (
    ("document.docx", "docx", docx),
    ("table.xlsx", "openpyxl", xlsx),
    ("slides.pptx", "pptx", pptx),
)


# ---------------------------------------------------------------------------- mutations

EXTREMES = (0, 1, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)


def mutated(data, other, rng):
    """The file with one to four kinds of damage; `other` is what is spliced in."""
    if data.startswith(b"PK") and rng.random() < 0.5:
        return mutated_member(data, other, rng)
    damaged = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        rng.choice(DAMAGES)(damaged, other, rng)
        if not damaged:
            break
    return bytes(damaged)


def mutated_member(data, other, rng):
    """An archive that is sound itself, with a damaged member."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    name = rng.choice(sorted(members))
    damaged = bytearray(members[name] or b"x")
    rng.choice(DAMAGES)(damaged, other, rng)
    return zipped(members | {name: bytes(damaged)})


def _flip(data, _, rng):
    for _ in range(rng.choice((1, 2, 8, 64))):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


def _cut(data, _, rng):
    del data[rng.randrange(len(data)) :]


def _splice(data, other, rng):
    start, at = rng.randrange(len(other)), rng.randrange(len(data))
    piece = other[start : start + rng.choice((4, 40, 400))]
    data[at : at + rng.choice((0, len(piece)))] = piece


def _lie(data, _, rng):
    """An extreme number where a length or an offset may stand."""
    form = rng.choice(("<I", ">I", "<H", ">H"))
    number = struct.pack(form, rng.choice(EXTREMES) & (0xFFFFFFFF if "I" in form else 0xFFFF))
    at = rng.randrange(len(data))
    data[at : at + len(number)] = number


def _repeat(data, _, rng):
    at = rng.randrange(len(data))
    data[at:at] = data[at : at + rng.choice((4, 64, 1024))] * rng.choice((2, 50))


def _digits(data, _, rng):
    """Another number in formats that write theirs as text."""
    places = [at for at, byte in enumerate(data) if 48 <= byte <= 57]
    for at in rng.sample(places, min(len(places), rng.choice((1, 5)))):
        data[at] = rng.choice(b"0123456789")


def _remove(data, _, rng):
    at = rng.randrange(len(data))
    del data[at : at + rng.choice((1, 16, 256))]


DAMAGES = (_flip, _cut, _splice, _lie, _repeat, _digits, _remove)


# ------------------------------------------------------------------ bombs, cycles, giants


def harmful_files():
    """Functions that make each, by what it is."""
    nothing = bytes(100 * MEGABYTE)
    return {
        "a PNG of 81 megapixels in 10 KB": lambda: png(9_000, 9_000),
        "a PNG just below the limit of pixels": lambda: png(6_300, 6_300),
        "a PNG of 2 by 20 million pixels": lambda: png(20_000_000, 2),
        "a GIF of 60,000 by 60,000 pixels": lambda: with_size(picture("GIF"), 6, "<HH", 60_000),
        "an animation of 3,000 frames": animation,
        "a ZIP of a gigabyte of zeros": lambda: zipped({f"{n}.txt": nothing for n in range(10)}),
        "a ZIP in a ZIP, 12 deep": nested_zip,
        "a ZIP of 60,000 files": lambda: zipped({f"{n}.txt": b"x" for n in range(60_000)}),
        "a ZIP whose names climb out": lambda: zipped({"../../evil.txt": WORDS, "/etc/evil": WORDS}),
        "entities of a billion laughs in HTML": lambda: b"<!doctype html>" + laughs(),
        "entities of a billion laughs in SVG": lambda: laughs().replace(b"lolz>", b"svg>"),
        "a DOCX with a billion laughs": lambda: zipped(docx_parts(laughs())),
        "a DOCX with an external entity": lambda: zipped(docx_parts(external_entity())),
        "a DOCX of 400 MB of one letter": lambda: zipped(
            docx_parts(b"<w>" + b"a" * 400 * MEGABYTE + b"</w>")
        ),
        "200,000 nested elements in HTML": lambda: b"<html>" + b"<div>" * 200_000,
        "100,000 nested quotes in Markdown": lambda: b"# t\n" + b">" * 100_000 + b" text",
        "a megabyte of brackets in Markdown": lambda: b"# t\n" + b"[" * MEGABYTE,
        "a table of 2 million cells in Markdown": lambda: b"|a|b|\n|-|-|\n" + b"|1|2|\n" * MEGABYTE,
        "2 megabytes of open tags in HTML": lambda: b"<html>" + b"<a " * 700_000,
        "60 MB of text": lambda: WORDS.encode() * 940_000,
        "20 MB of text without a space": lambda: b"a" * 20 * MEGABYTE,
        "a PDF whose pages are each other's parents": lambda: cyclic_pdf(pages=True),
        "a PDF whose form draws itself": lambda: cyclic_pdf(pages=False),
        "a PDF of arrays 100,000 deep": lambda: raw_pdf(b"[" * 100_000 + b"]" * 100_000),
        "a PDF that unpacks to 300 MB": lambda: raw_pdf(stream=b"0 0 m " * (50 * MEGABYTE)),
        "a PDF of a page of 10^9 points": lambda: raw_pdf(box=b"0 0 1000000000 1000000000"),
        "a PDF of 5,000 pages": lambda: pdf(pages=5_000),
        "a PDF of 5,001 pages": lambda: pdf(pages=5_001),
        **(
            {"an XLSX of 100 sheets": lambda: xlsx(sheets=100, rows=200)}
            if importlib.util.find_spec("openpyxl")
            else {}
        ),
    }


def png(width, height):
    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    packer = zlib.compressobj(9)
    row = bytes(1 + -(-width // 8))
    pixels = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()
    head = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def with_size(data, at, form, side):
    size = struct.pack(form, side, side)
    return data[:at] + size + data[at + len(size) :]


def animation():
    frames = [Image.new("L", (64, 64), number % 256) for number in range(3_000)]
    buffer = io.BytesIO()
    frames[0].save(buffer, "GIF", save_all=True, append_images=frames[1:])
    return buffer.getvalue()


def nested_zip():
    data = zipped({"a.txt": bytes(10 * MEGABYTE)})
    for depth in range(12):
        data = zipped({f"{depth}-{copy}.zip": data for copy in range(3 if depth < 5 else 1)})
    return data


def laughs():
    entities = b'<!ENTITY a0 "lol">' + b"".join(
        b'<!ENTITY a%d "%s">' % (n, b"&a%d;" % (n - 1) * 10) for n in range(1, 11)
    )
    return b'<?xml version="1.0"?><!DOCTYPE lolz [' + entities + b"]><lolz>&a10;</lolz>"


def external_entity():
    return b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><x>&e;</x>'


def docx_parts(body):
    kinds = (
        b'<?xml version="1.0"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
        b'<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        b'<Override PartName="/word/document.xml" ContentType="application/vnd.openxmlformats-officedocument'
        b'.wordprocessingml.document.main+xml"/></Types>'
    )
    relations = (
        b'<?xml version="1.0"?><Relationships xmlns="http://schemas.openxmlformats.org/package/2006/'
        b'relationships"><Relationship Id="r" Target="word/document.xml" Type="http://schemas.openxmlformats'
        b'.org/officeDocument/2006/relationships/officeDocument"/></Relationships>'
    )
    return {"[Content_Types].xml": kinds, "_rels/.rels": relations, "word/document.xml": body}


def raw_pdf(extra=b"null", *, stream=b"", box=b"0 0 612 792"):
    packed = zlib.compress(stream, 9)
    return objects_as_pdf(
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[%s]/Contents 4 0 R/Extra %s>>" % (box, extra),
        b"<</Length %d/Filter/FlateDecode>>stream\n%s\nendstream" % (len(packed), packed),
    )


def cyclic_pdf(*, pages):
    kids = b"[3 0 R 2 0 R]" if pages else b"[3 0 R]"
    form = b"/Resources<</XObject<</F 5 0 R>>>>"
    return objects_as_pdf(
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids%s/Count 2/Parent 2 0 R>>" % kids,
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Contents 4 0 R%s>>" % form,
        b"<</Length 5>>stream\n/F Do\nendstream",
        b"<</Type/XObject/Subtype/Form/BBox[0 0 9 9]%s/Length 5>>stream\n/F Do\nendstream" % form,
    )


def objects_as_pdf(*objects):
    data = bytearray(b"%PDF-1.7\n")
    places = []
    for number, body in enumerate(objects, start=1):
        places.append(len(data))
        data += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = len(data)
    data += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    data += b"".join(b"%010d 00000 n \n" % place for place in places)
    data += b"trailer<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF" % (len(objects) + 1, table)
    return bytes(data)


def mutations(count, seed):
    """`count` mutated files of each format: (name, data)."""
    files = sound_files()
    for name, data in files.items():
        rng = random.Random(f"{seed} {name}")
        others = [other for other in files.values() if other is not data]
        for _ in range(count):
            yield name, mutated(data, rng.choice((data, rng.choice(others))), rng)
