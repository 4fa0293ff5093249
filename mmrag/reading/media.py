"""What a file is, by its content. A name only tells the text formats apart.

It knows signatures, not the formats behind them.
"""

from __future__ import annotations

import re
from pathlib import PurePath

from mmrag.errors import NotReadable

PDF = "application/pdf"
TEXT = "text/plain"
MARKDOWN = "text/markdown"
HTML = "text/html"
CSV = "text/csv"
NOTEBOOK = "application/x-ipynb+json"
FEED = "application/xml"
MAIL = "message/rfc822"
ZIP = "application/zip"
EPUB = "application/epub+zip"
DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
PPTX = "application/vnd.openxmlformats-officedocument.presentationml.presentation"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
OLE = "application/x-ole-storage"

SUPPORTED = (
    "text, Markdown, HTML, CSV, EML, PDF, DOCX, PPTX, XLSX, ZIP, PNG, JPEG, GIF, WebP, BMP, TIFF or AVIF"
)

_SIGNATURES = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"BM", "image/bmp"),
    (b"II*\x00", "image/tiff"),
    (b"MM\x00*", "image/tiff"),
    (b"II+\x00", "image/tiff"),
    (b"MM\x00+", "image/tiff"),
    (b"PK\x03\x04", ZIP),
    (b"PK\x05\x06", ZIP),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", OLE),
)
_UNREAD_SIGNATURES = (
    (b"{\\rtf", "RTF documents are not read: save it as DOCX or PDF and send that."),
    (b"\x1f\x8b", "Compressed files are not read: unpack it and send what is inside."),
    (b"7z\xbc\xaf\x27\x1c", "7z archives are not read: unpack it and send what is inside, or as ZIP."),
    (b"Rar!\x1a\x07", "RAR archives are not read: unpack it and send what is inside, or as ZIP."),
)
_UNREAD_SVG = "SVG pictures are not read: save it as PNG and send that."
_UNREAD_HEIC = "HEIC pictures are not read: save it as JPEG or PNG and send that."
_HEIF_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"})
_AVIF_BRANDS = frozenset({b"avif", b"avis"})
_HEAD = 1024  # bytes: a PDF's signature may stand anywhere in the first kilobyte
_PROLOGUE = r"\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)*"
_SVG = re.compile(rf"{_PROLOGUE}(?:<!doctype svg[^>]*>\s*)?<svg[\s>]".encode(), re.IGNORECASE | re.DOTALL)
_HTML = re.compile(rf"{_PROLOGUE}<(?:!doctype\s+html|html|head|body)\b", re.IGNORECASE | re.DOTALL)
_HTML_NAMES = frozenset({".html", ".htm", ".xhtml"})
_TEXT_NAMES = frozenset({".txt", ".text"})
_MAIL_NAMES = frozenset({".eml"})
_TEXT_HEAD = 16 * 1024  # characters that tell what a text is
_FEED = re.compile(rf"{_PROLOGUE}<(?:rss|feed|rdf:RDF)[\s>]", re.DOTALL)
_FRAGMENT = re.compile(r"</(?:p|div|table|ul|ol|h[1-6]|span|a|li|tr|td)>", re.IGNORECASE)
_FEWEST_MARKS = 2
_NOTEBOOK_KEYS = ('"cells"', '"nbformat"', '"cell_type"')
_MAIL_HEADER = re.compile(r"[A-Za-z][A-Za-z0-9-]*:(?:\s|$)")
_MAIL_HEADERS = frozenset("from to subject date message-id mime-version received return-path cc".split())
_MAIL_MARKS = frozenset("message-id mime-version received return-path content-type x-mailer".split())
_MARKDOWN_MARKS = tuple(
    re.compile(pattern, re.MULTILINE)
    for pattern in (
        r"^#{1,6} \S",
        r"^\|?\s*:?-{3,}:?\s*\|",
        r"^```",
        r"\[[^\]\n]+\]\([^)\s]+\)",
        r"\*\*[^*\n]+\*\*",
        r"^\s{0,3}(?:[-*+]|\d+\.) \S.*\n\s{0,3}(?:[-*+]|\d+\.) \S",
    )
)
_MARKDOWN_NAMES = frozenset({".md", ".markdown", ".mdown", ".mkd"})
_LEFT_BEHIND = frozenset({"__MACOSX", "Thumbs.db", "desktop.ini"})


def is_passed_over(name: str) -> bool:
    """Whether a file or folder is hidden, an editor's lock, or what systems leave behind."""
    return name.startswith((".", "~$")) or name in _LEFT_BEHIND


def binary_type(data: bytes) -> str | None:
    """The media type of a PDF, picture or container, None for what may be text.

    Raises NotReadable for formats that are known and not read.
    """
    for signature, reason in _UNREAD_SIGNATURES:
        if data.startswith(signature):
            raise NotReadable(reason)
    for signature, media_type in _SIGNATURES:
        if data.startswith(signature) and not (media_type == "image/bmp" and not _is_bitmap(data)):
            return media_type
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    if data[4:8] == b"ftyp":
        return _iso_media_type(data)
    if b"%PDF-" in data[:_HEAD]:
        return PDF
    if _SVG.match(data[: 4 * _HEAD].removeprefix(b"\xef\xbb\xbf")):
        raise NotReadable(_UNREAD_SVG)
    return None


def text_type(text: str, *, name: str) -> str:  # noqa: PLR0911 - one line for each kind
    """Which text format this is, a delimited table aside: by its content, else by its name."""
    suffix = PurePath(name).suffix.casefold()
    head = text[:_TEXT_HEAD]
    if suffix in _MAIL_NAMES or _is_mail(head):
        return MAIL
    if _FEED.match(head):
        return FEED
    if suffix in _HTML_NAMES or _HTML.match(head):
        return HTML
    if head.lstrip().startswith("{") and all(key in text for key in _NOTEBOOK_KEYS):
        return NOTEBOOK
    if suffix in _MARKDOWN_NAMES:
        return MARKDOWN
    if suffix and suffix not in _TEXT_NAMES:
        return TEXT  # a program or its data: `#` is a remark there
    if len(_FRAGMENT.findall(head)) >= _FEWEST_MARKS and head.lstrip().startswith("<"):
        return HTML
    return MARKDOWN if _is_markdown(head) else TEXT


def _is_mail(head: str) -> bool:
    """Lines of headers before the first blank line, the telling ones among them."""
    lines = head.lstrip("\n").partition("\n\n")[0].split("\n")
    if not all(_MAIL_HEADER.match(line) or line[:1] in (" ", "\t") for line in lines):
        return False
    names = {line.partition(":")[0].casefold() for line in lines if line[:1] not in (" ", "\t")}
    return len(names & _MAIL_HEADERS) >= 3 and bool(names & _MAIL_MARKS)  # noqa: PLR2004 - a memo has "From", "To" and "Date"


def _is_markdown(head: str) -> bool:
    """Two kinds of marks: one alone may be a remark, a list or a diff."""
    return sum(mark.search(head) is not None for mark in _MARKDOWN_MARKS) >= 2  # noqa: PLR2004 - kinds


def _is_bitmap(data: bytes) -> bool:
    """Whether `BM` begins a bitmap, not a word: bytes 6 to 9 are reserved zeros."""
    return data[6:10] == b"\x00\x00\x00\x00"


def _iso_media_type(data: bytes) -> str | None:
    """AVIF, or NotReadable for its patented sibling: both are boxes of ISO 14496-12."""
    size = int.from_bytes(data[:4], "big")
    box = data[8 : min(size, 256)]
    brands = {box[:4]} | {box[at : at + 4] for at in range(8, len(box), 4)}
    if brands & _AVIF_BRANDS:
        return "image/avif"
    if brands & _HEIF_BRANDS:
        raise NotReadable(_UNREAD_HEIC)
    return None
