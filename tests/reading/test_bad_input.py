"""Every file that cannot be read is named with its reason and what to do."""

from __future__ import annotations

import io
import struct
import zlib

import pytest
from PIL import Image
from reportlab.lib.pdfencrypt import StandardEncryption
from reportlab.pdfgen.canvas import Canvas

from mmrag.errors import NotReadable
from mmrag.reading.reader import FileReader


def png_header(width, height):
    """A PNG that claims a size and holds next to nothing."""

    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    size = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", size)
        + chunk(b"IDAT", zlib.compress(b"\0" * 9))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "is empty"),
        (bytes(range(256)) * 8, "send text, Markdown, HTML, CSV, EML, PDF, DOCX"),
        (b"PK\x03\x04" + b"\0" * 60, "is damaged"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 60, "save it as PDF"),
        (rb"{\rtf1 text}", "save it as DOCX or PDF"),
        (b"\x1f\x8b\x08\0\0", "unpack it"),
        (
            b'<?xml version="1.0"?><!-- a --><svg xmlns="http://www.w3.org/2000/svg"/>',
            "SVG pictures are not read",
        ),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC pictures are not read"),
        (b"%PDF-1.7\nnothing follows", "This PDF is damaged"),
        (b"\x89PNG\r\n\x1a\n broken", "This picture is damaged"),
        (png_header(13_000, 13_000), "13000 x 13000 = 169 megapixels"),
    ],
    ids=["empty", "binary", "zip", "ole", "rtf", "gzip", "svg", "heic", "pdf", "png", "bomb"],
)
def test_what_cannot_be_read_is_named_with_its_reason(read, data, reason):
    with pytest.raises(NotReadable, match=reason):
        read(data)


def test_a_decompression_bomb_in_a_gif_is_refused_before_it_is_decoded(read):
    frame = Image.new("P", (8, 8))
    buffer = io.BytesIO()
    frame.save(buffer, format="GIF")
    bomb = bytearray(buffer.getvalue())
    bomb[6:10] = struct.pack("<HH", 60_000, 60_000)
    with pytest.raises(NotReadable, match="too large"):
        read(bytes(bomb))


def test_a_truncated_picture_is_named_as_damaged(read, encode):
    whole = encode(Image.effect_noise((300, 300), 80).convert("RGB"), "JPEG")
    with pytest.raises(NotReadable, match="This picture is damaged"):
        read(whole[: len(whole) // 2])


def test_a_pdf_with_a_password_says_what_to_do(read):
    buffer = io.BytesIO()
    canvas = Canvas(buffer, encrypt=StandardEncryption("secret", ownerPassword="other"))
    canvas.drawString(72, 720, "hidden")
    canvas.save()
    with pytest.raises(NotReadable) as error:
        read(buffer.getvalue())
    assert str(error.value) == "This PDF needs a password: remove it and send the file again."


def test_limits_on_bytes_pages_and_picture_bytes_are_told_with_their_size(encode):
    limits = {"max_pages": 1, "max_image_bytes": 2_000, "max_image_pixels": 40_000_000, "threads": 1}
    reader = FileReader(max_file_bytes=5_000, **limits)
    with pytest.raises(NotReadable, match=r"too large \(5\.9 KB; the limit is 4\.9 KB\)"):
        reader.read(b"word " * 1_200, name="long.txt")
    noise = encode(Image.effect_noise((60, 60), 90))
    with pytest.raises(NotReadable, match=r"the limit is 2\.0 KB"):
        reader.read(noise, name="noise.png")
    buffer = io.BytesIO()
    canvas = Canvas(buffer)
    for _ in range(2):
        canvas.drawString(72, 720, "page")
        canvas.showPage()
    canvas.save()
    with pytest.raises(NotReadable, match="This PDF has 2 pages, the limit is 1"):
        reader.read(buffer.getvalue(), name="pages.pdf")


def test_an_error_never_holds_the_documents_text_nor_its_cause(read):
    with pytest.raises(NotReadable) as error:
        read(b"%PDF-1.7 the salary is 7000")
    assert "7000" not in str(error.value)
    assert error.value.__cause__ is None
    assert error.value.__context__ is None or error.value.__suppress_context__


def test_a_document_without_text_is_read_with_a_warning(read):
    assert read(b"<html><body><script>1</script></body></html>").warnings == (
        "No text was found in this document.",
    )
    assert read(b" \n").warnings == ("No text was found in this document.",)


def test_damaged_files_leave_nothing_on_the_terminal(read, encode, capfd):
    tiff = encode(Image.effect_noise((64, 64), 50), "TIFF", compression="tiff_lzw")
    with pytest.raises(NotReadable):
        read(tiff[:200] + b"\xff" * 40 + tiff[240:-300])
    assert capfd.readouterr() == ("", "")
