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

SUPPORTED = "text, Markdown, HTML, PDF, PNG, JPEG, GIF, WebP, BMP, TIFF or AVIF"

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
)
_UNREAD_SIGNATURES = (
    (b"PK\x03\x04", "Office documents and ZIP archives are not read yet: save it as PDF and send that."),
    (b"PK\x05\x06", "Office documents and ZIP archives are not read yet: save it as PDF and send that."),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "Old Office documents are not read: save it as PDF and send that."),
    (b"{\\rtf", "RTF documents are not read: save it as PDF and send that."),
    (b"\x1f\x8b", "Compressed files are not read: unpack it and send what is inside."),
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
_MARKDOWN_NAMES = frozenset({".md", ".markdown", ".mdown", ".mkd"})


def binary_type(data: bytes) -> str | None:
    """The media type of a PDF or picture, None for what may be text.

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


def text_type(text: str, *, name: str) -> str:
    """Which text format this is."""
    suffix = PurePath(name).suffix.casefold()
    if suffix in _HTML_NAMES or _HTML.match(text[:4096]):
        return HTML
    return MARKDOWN if suffix in _MARKDOWN_NAMES else TEXT


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
