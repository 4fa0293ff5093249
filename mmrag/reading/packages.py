"""What a ZIP or an OLE container is, by what it holds. It knows names of members, not their formats."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from mmrag.errors import NotReadable
from mmrag.reading.media import DOCX, EPUB, PPTX, XLSX, ZIP

if TYPE_CHECKING:
    from mmrag.reading.zipped import Archive

_CONTENT_TYPES = "[Content_Types].xml"
_MAX_CONTENT_TYPES = 4 * 1024**2  # bytes
_MAIN_PART = re.compile(
    rb"(?:wordprocessingml\.|word\.)(?P<word>document|template)[\w.]*\.?main\+xml"
    rb"|(?:presentationml\.|powerpoint\.)(?P<slides>presentation|slideshow|template)[\w.]*\.?main\+xml"
    rb"|(?:spreadsheetml\.|excel\.)(?P<sheet>sheet|template)[\w.]*\.?main\+xml",
    re.IGNORECASE,
)
_BINARY_SHEET = b"application/vnd.ms-excel.sheet.binary"
_BINARY_SHEET_UNREAD = "XLSB workbooks are not read: save it as XLSX and send that."
_UNKNOWN_OFFICE = "This kind of Office file is not read: save it as DOCX, PPTX, XLSX or PDF and send that."
_OPEN_DOCUMENT = "application/vnd.oasis.opendocument."
_OPEN_DOCUMENT_UNREAD = "OpenDocument files are not read: save it as DOCX, PPTX, XLSX or PDF and send that."

# Names of streams stand in an OLE directory as UTF-16, the telling ones first.
_OLE_STREAMS = (
    ("EncryptedPackage", "This Office file needs a password: remove it and send the file again."),
    ("__properties_version1.0", "Outlook's MSG files are not read: save the message as EML and send that."),
    ("WordDocument", "Old Word files (DOC) are not read: save it as DOCX and send that."),
    ("PowerPoint Document", "Old PowerPoint files (PPT) are not read: save it as PPTX and send that."),
    ("Workbook", "Old Excel files (XLS) are not read: save it as XLSX and send that."),
    ("Book", "Old Excel files (XLS) are not read: save it as XLSX and send that."),
)
_UNKNOWN_OLE = "This kind of old Office file is not read: save it as PDF and send that."


def zip_type(archive: Archive) -> str:
    """The media type of a package, ZIP for a plain archive. Raises NotReadable for kinds not read."""
    if _CONTENT_TYPES in archive:
        return _office_type(archive.read(_CONTENT_TYPES, limit=_MAX_CONTENT_TYPES))
    if "mimetype" in archive:
        named = archive.read("mimetype", limit=1024).decode("ascii", errors="replace").strip()
        if named == EPUB:
            return EPUB
        if named.startswith(_OPEN_DOCUMENT):
            raise NotReadable(_OPEN_DOCUMENT_UNREAD)
    return ZIP


def _office_type(content_types: bytes) -> str:
    if _BINARY_SHEET in content_types:
        raise NotReadable(_BINARY_SHEET_UNREAD)
    found = _MAIN_PART.search(content_types.replace(b"\x00", b""))
    if found is None:
        raise NotReadable(_UNKNOWN_OFFICE)
    return DOCX if found["word"] else PPTX if found["slides"] else XLSX


def why_ole_is_not_read(data: bytes) -> str:
    """One sentence for a file of Office before 2007, or an encrypted one of today."""
    reasons = (reason for name, reason in _OLE_STREAMS if name.encode("utf-16-le") in data)
    return next(reasons, _UNKNOWN_OLE)
