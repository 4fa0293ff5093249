"""Bytes become pages: the one entry into reading.

Decides by content which format reads them and holds the limits; errors say what to send instead.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from mmrag.errors import NotReadable
from mmrag.reading import (
    containers,
    delimited,
    docx,
    html,
    mail,
    markdown,
    markup_data,
    media,
    packages,
    pdf,
    plaintext,
    pptx,
    xlsx,
)
from mmrag.reading.embedded import EmbeddedPictures
from mmrag.reading.figures import read_figure
from mmrag.reading.ocr import TextRecognition
from mmrag.reading.ooxml import Package
from mmrag.reading.page_builder import PageBuilder
from mmrag.reading.picture import PictureFile, megabytes
from mmrag.reading.zipped import Archive
from mmrag.types import Reading

if TYPE_CHECKING:
    from mmrag.ports import PageListener

_NO_TEXT = "No text was found in this picture."
_MAX_DEPTH = 4  # archives and messages that a file may lie in
_EMPTY_DOCUMENT = "No text was found in this document."


class FileReader:
    """Reads every supported format. Implements `ports.Reader`; safe to share between threads."""

    def __init__(
        self,
        *,
        max_file_bytes: int,
        max_pages: int,
        max_image_bytes: int,
        max_image_pixels: int,
        threads: int,
    ) -> None:
        self._max_file_bytes = max_file_bytes
        self._max_pages = max_pages
        self._max_image_bytes = max_image_bytes
        self._max_image_pixels = max_image_pixels
        self._recognition = TextRecognition(threads=threads)

    def read(self, data: bytes, *, name: str, progress: PageListener | None = None) -> Reading:
        if not data:
            raise NotReadable("This file is empty (0 bytes): send one with content.")
        if len(data) > self._max_file_bytes:
            raise NotReadable(
                f"This file is too large ({megabytes(len(data))}; the limit is "
                f"{megabytes(self._max_file_bytes)}): send a smaller one, or in parts."
            )
        return self._read(data, name, depth=0, progress=progress)

    def pixel_digest(self, data: bytes) -> str | None:
        try:
            return self._picture(data).pixel_digest()
        except NotReadable:  # reading it will say why
            return None

    def _read(self, data: bytes, name: str, *, depth: int, progress: PageListener | None = None) -> Reading:
        """Read a file; `depth` counts the archives and messages that it lies in."""
        if depth > _MAX_DEPTH:
            raise NotReadable("Archives and messages are nested too deep: send what is inside by itself.")
        media_type = media.binary_type(data)
        if media_type is None:
            return _warn_without_text(self._read_text(data, name, depth), _EMPTY_DOCUMENT)
        if media_type == media.PDF:
            return _warn_without_text(self._read_pdf(data, progress), _EMPTY_DOCUMENT)
        if media_type == media.OLE:
            raise NotReadable(packages.why_ole_is_not_read(data))
        if media_type == media.ZIP:
            return _warn_without_text(self._read_package(data, depth), _EMPTY_DOCUMENT)
        return _warn_without_text(self._read_picture(data, media_type), _NO_TEXT)

    def _read_package(self, data: bytes, depth: int) -> Reading:
        archive = Archive(data)
        match packages.zip_type(archive):
            case media.ZIP:
                return containers.read_zip(
                    archive,
                    max_bytes=self._max_file_bytes,
                    max_pages=self._max_pages,
                    read_member=lambda inner, name: self._read_member(inner, name, depth + 1),
                )
            case media.EPUB:
                return containers.read_epub(archive, max_pages=self._max_pages)
            case office:
                read_office = {
                    media.DOCX: docx.read_docx,
                    media.PPTX: pptx.read_pptx,
                    media.XLSX: xlsx.read_xlsx,
                }
                return read_office[office](
                    Package(archive),
                    max_pages=self._max_pages,
                    pictures=EmbeddedPictures(
                        partial(read_figure, recognition=self._recognition),
                        max_bytes=self._max_image_bytes,
                        max_pixels=self._max_image_pixels,
                    ),
                )

    def _read_member(self, data: bytes, name: str, depth: int) -> Reading:
        if not data:
            raise NotReadable("This file is empty (0 bytes): send one with content.")
        return self._read(data, name, depth=depth)

    def _read_text(self, data: bytes, name: str, depth: int) -> Reading:
        text = plaintext.decode(data, declared=html.declared_encoding(data))
        kind = media.text_type(text, name=name)
        if kind == media.MAIL:
            return mail.read_mail(
                data,
                max_pages=self._max_pages,
                read_member=lambda inner, inner_name: self._read_member(inner, inner_name, depth + 1),
            )
        return _read_text(text, kind, name)

    def _read_pdf(self, data: bytes, progress: PageListener | None) -> Reading:
        return pdf.read_pdf(
            data,
            max_pages=self._max_pages,
            max_pixels=self._max_image_pixels,
            read_figure=partial(read_figure, recognition=self._recognition),
            progress=progress,
        )

    def _read_picture(self, data: bytes, media_type: str) -> Reading:
        """A picture's frames, a page each."""
        file = self._picture(data)
        pages = []
        for number, frame in enumerate(file.frames(max_pages=self._max_pages), start=1):
            page = PageBuilder()
            if frame is not None:
                read_figure(frame, self._recognition).write_figure(page)
            pages.append(page.build(number))
        return Reading(media_type=media_type, title=None, pages=tuple(pages), warnings=tuple(file.warnings))

    def _picture(self, data: bytes) -> PictureFile:
        return PictureFile(data, max_bytes=self._max_image_bytes, max_pixels=self._max_image_pixels)


def _read_text(text: str, kind: str, name: str) -> Reading:
    match kind:
        case media.HTML:
            return html.read_html(text)
        case media.MARKDOWN:
            return markdown.read_markdown(text)
        case media.NOTEBOOK:
            return markup_data.read_notebook(text) or plaintext.read_text(text)
        case media.FEED:
            return markup_data.read_feed(text) or plaintext.read_text(text)
        case _:
            mark = delimited.delimiter(text, name=name)
            return delimited.read_delimited(text, mark) if mark else plaintext.read_text(text)


def _warn_without_text(reading: Reading, warning: str) -> Reading:
    if any(page.text.strip() for page in reading.pages):
        return reading
    return replace(reading, warnings=(*reading.warnings, warning))
