"""E-mail, archives, books, notebooks and feeds: what lies inside is read by its own kind."""

from __future__ import annotations

import json
import struct
from email.message import EmailMessage

import pytest

from mmrag.errors import NotReadable
from mmrag.reading.zipped import Archive
from tests.reading.office import zipped


@pytest.fixture
def message():
    message = EmailMessage()
    message["Subject"] = "Störung am 19. August"
    message["From"] = "Ana <ana@larkfell.example>"
    message["To"] = "team@larkfell.example"
    message["Date"] = "Tue, 19 Aug 2025 09:30:00 +0200"
    message.set_content(
        "The certificate is renewed.\n\nOn Mon, Bo wrote:\n> It expired at 05:33.\n>\n> Who renews it?"
        "\n\nI do.\n-- \nAna\n"
    )
    return message


def test_a_message_is_its_head_its_body_and_what_it_quotes(read, message):
    reading = read(message.as_bytes())
    assert reading.media_type == "message/rfc822"
    assert reading.title == "Störung am 19. August"
    [page] = reading.pages
    assert page.text == (
        "Störung am 19. August\n\n"
        "From: Ana <ana@larkfell.example>\nTo: team@larkfell.example\nDate: Tue, 19 Aug 2025 09:30:00"
        " +0200\n\nThe certificate is renewed.\n\nOn Mon, Bo wrote:\n\nIt expired at"
        " 05:33.\n\nWho renews it?\n\nI do.\n\nAna"
    )
    assert [heading.title for heading in page.headings] == ["Störung am 19. August", "On Mon, Bo wrote:"]


def test_attachments_are_further_pages_and_what_cannot_be_read_is_named(read, message):
    message.add_attachment(
        b"City,Limit\nPorto,120\nOslo,180\n", maintype="text", subtype="csv", filename="limits.csv"
    )
    message.add_attachment(b"\x7fELF\0\0\0\0", maintype="application", subtype="x", filename="tool.bin")
    inner = EmailMessage()
    inner["Subject"] = "Inner"
    inner["From"] = "Bo <bo@larkfell.example>"
    inner["Message-ID"] = "<1@larkfell.example>"
    inner.set_content("The inner text.")
    message.add_attachment(inner)
    reading = read(message.as_bytes())
    assert [page.number for page in reading.pages] == [1, 2, 3]
    assert reading.pages[1].text.startswith("limits.csv\n\nCity | Limit")
    [table] = reading.pages[1].tables
    assert reading.pages[1].text[table.start : table.end].endswith("Oslo | 180")
    assert reading.pages[2].text.startswith("Inner.eml\n\nInner")
    assert "The inner text." in reading.pages[2].text
    assert reading.warnings[0].startswith("tool.bin: This type of file is not read")


def test_an_html_body_is_read_where_it_alone_holds_the_table(read, message):
    message.add_alternative(
        "<html><body><p>Limits:</p><table><tr><th>City<th>Limit<tr><td>Porto<td>120</table></body></html>",
        subtype="html",
    )
    [page] = read(message.as_bytes()).pages
    assert page.tables[0].rows == (("City", "Limit"), ("Porto", "120"))
    assert page.text[page.tables[0].start :].startswith("City | Limit")


@pytest.mark.parametrize("cut", [40, 200, 400])
def test_a_truncated_message_is_read_as_far_as_it_goes(read, message, cut):
    message.add_attachment(b"x" * 300, maintype="image", subtype="png", filename="a.png")
    assert read(message.as_bytes()[:-cut], name="mail.eml").title == "Störung am 19. August"


def test_an_archive_is_read_member_by_member_without_what_systems_leave_behind(read):
    data = zipped(
        {
            "b/notes.md": "# Notes\n\nText.",
            "a.csv": "x,y,z\n1,2,3\n4,5,6\n",
            "__MACOSX/a.csv": "no",
            ".hidden": "no",
            "c.exe": b"MZ\0\0\0",
        }
    )
    reading = read(data)
    assert reading.media_type == "application/zip"
    assert [page.text.split("\n")[0] for page in reading.pages] == ["a.csv", "b/notes.md"]
    assert [warning[:6] for warning in reading.warnings] == ["c.exe:"]


def test_archives_in_archives_are_read_to_a_depth_and_not_beyond(read):
    data = zipped({"deep.txt": "found"})
    for _ in range(3):
        data = zipped({"inner.zip": data})
    assert "found" in read(data).pages[0].text
    with pytest.raises(NotReadable, match="nested too deep"):
        read(zipped({"inner.zip": data}))


def test_chinese_names_of_old_archives_are_readable(read):
    data = zipped({"##.txt": "text"}).replace(b"##", "退".encode("gb18030"))
    assert read(data).pages[0].text.startswith("退.txt")


def test_an_encrypted_member_is_named(read):
    data = bytearray(zipped({"a.txt": "text"}))
    data[6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    with pytest.raises(NotReadable, match=r"a\.txt: This file needs a password"):
        read(bytes(data))


def patched(data, record, at, new):
    """An archive of which one record (its signature's last two bytes) holds other bytes at a place."""
    start = data.index(b"PK" + record) + at
    return data[:start] + new + data[start + len(new) :]


def ahead_of_its_place(data):
    """A member of an archive beyond 4 GB that begins where no index can reach."""
    place = data.index(b"PK\x01\x02")
    far = struct.pack("<HHQ", 1, 8, 2**63)
    entry, end = bytearray(data[place:-22]), bytearray(data[-22:])
    entry[30:32] = struct.pack("<H", len(far))
    entry[42:46] = b"\xff" * 4
    end[12:16] = struct.pack("<I", len(entry) + len(far))
    return data[:place] + bytes(entry) + far + bytes(end)


PACKED = zipped({"a.txt": "text" * 20})
LISTED, LAST = b"\x01\x02", b"\x05\x06"  # a member in the list of them; the end record


@pytest.mark.parametrize(
    "data",
    [
        patched(PACKED, LISTED, 0, b"??"),
        patched(PACKED, LISTED, 6, b"\xff"),
        patched(patched(PACKED, LISTED, 8, b"\0\x08"), LISTED, 46, b"\xff"),
        patched(patched(PACKED, LISTED, 10, b"\0"), LISTED, 20, struct.pack("<LL", 999, 999)),
        patched(PACKED, LAST, 16, b"\xff" * 3),
        patched(PACKED, b"\x03\x04", 35, b"\xff" * 4),
        zipped({"#": "text"}).replace(b"#", b"\0"),
        ahead_of_its_place(PACKED),
    ],
    ids=["mark", "version", "name", "size", "offset", "bytes", "nameless", "place"],
)
def test_a_damaged_archive_is_named_so_wherever_it_is_opened(data):
    with pytest.raises(NotReadable, match="This file is damaged"):
        unpack(data)


def unpack(data):
    archive = Archive(data)
    return [archive.read(name, limit=1_000) for name in archive.names]


def test_a_book_is_read_chapter_by_chapter_in_the_order_of_its_spine(read):
    package = (
        '<package xmlns="http://www.idpf.org/2007/opf"><metadata xmlns:dc="http://purl.org/dc/elements/1.1/">'
        '<dc:title>A Book</dc:title></metadata><manifest><item id="a" href="one.xhtml"/>'
        '<item id="b" href="two.xhtml"/>'
        '</manifest><spine><itemref idref="b"/><itemref idref="a"/></spine></package>'
    )
    container = (
        '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>'
        '<rootfile full-path="c/book.opf"/></rootfiles></container>'
    )
    reading = read(
        zipped(
            {
                "mimetype": "application/epub+zip",
                "META-INF/container.xml": container,
                "c/book.opf": package,
                "c/one.xhtml": "<html><body><h1>One</h1></body></html>",
                "c/two.xhtml": "<html><body><h1>Two</h1></body></html>",
            }
        )
    )
    assert reading.title == "A Book"
    assert [page.text for page in reading.pages] == ["Two", "One"]


def test_notebooks_and_feeds_are_read_as_a_person_sees_them(read):
    cells = [
        {"cell_type": "markdown", "source": ["# Costs\n", "Per **month**."]},
        {
            "cell_type": "code",
            "source": "print(42)",
            "outputs": [{"output_type": "stream", "text": ["42\n"]}],
        },
    ]
    notebook = read(json.dumps({"cells": cells, "nbformat": 4}).encode())
    assert notebook.pages[0].text == "Costs\n\nPer month.\n\nprint(42)\n\n42"
    feed = read(
        b"<?xml version='1.0'?><rss><channel><title>News</title><item><title>Open day</title>"
        b"<description>&lt;p&gt;On &lt;b&gt;Friday&lt;/b&gt;.&lt;/p&gt;</description></item></channel></rss>"
    )
    assert feed.title == "News"
    assert feed.pages[0].text == "News\n\nOpen day\n\nOn Friday."


OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (OLE + "WordDocument".encode("utf-16-le"), "save it as DOCX"),
        (OLE + "Workbook".encode("utf-16-le"), "save it as XLSX"),
        (OLE + "PowerPoint Document".encode("utf-16-le"), "save it as PPTX"),
        (OLE + "EncryptedPackage".encode("utf-16-le"), "needs a password"),
        (OLE + "__properties_version1.0".encode("utf-16-le"), "save the message as EML"),
        (zipped({"mimetype": "application/vnd.oasis.opendocument.text"}), "OpenDocument"),
        (zipped({"[Content_Types].xml": "<Types/>"}), "This kind of Office file is not read"),
        (zipped({"a.bin": b"\0\1"}), r"a\.bin: This type of file"),
        (zipped({}), "This archive is empty"),
        (b"Rar!\x1a\x07\0", "RAR archives are not read"),
    ],
)
def test_what_is_not_read_names_what_to_send_instead(read, data, reason):
    with pytest.raises(NotReadable, match=reason):
        read(data)
