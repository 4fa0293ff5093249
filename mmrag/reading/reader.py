"""Bytes become pages: the one entry into reading.

Decides by content which format reads them and holds the limits; errors say what to send instead.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from mmrag.errors import NotReadable
from mmrag.reading import html, markdown, media, pdf, plaintext
from mmrag.reading.figures import read_figure
from mmrag.reading.ocr import TextRecognition
from mmrag.reading.page_builder import PageBuilder
from mmrag.reading.picture import PictureFile, megabytes
from mmrag.types import Reading

if TYPE_CHECKING:
    from mmrag.ports import PageListener

_NO_TEXT = "No text was found in this picture."
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
        media_type = media.binary_type(data)
        if media_type is None:
            return _warn_without_text(_read_text(data, name), _EMPTY_DOCUMENT)
        if media_type == media.PDF:
            return _warn_without_text(self._read_pdf(data, progress), _EMPTY_DOCUMENT)
        return _warn_without_text(self._read_picture(data, media_type), _NO_TEXT)

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
        frames = PictureFile(
            data,
            max_bytes=self._max_image_bytes,
            max_pixels=self._max_image_pixels,
            max_pages=self._max_pages,
        )
        pages = []
        for number, frame in enumerate(frames, start=1):
            page = PageBuilder()
            if frame is not None:
                read_figure(frame, self._recognition).write_figure(page)
            pages.append(page.build(number))
        return Reading(media_type=media_type, title=None, pages=tuple(pages), warnings=tuple(frames.warnings))


def _read_text(data: bytes, name: str) -> Reading:
    text = plaintext.decode(data, declared=html.declared_encoding(data))
    match media.text_type(text, name=name):
        case media.HTML:
            return html.read_html(text)
        case media.MARKDOWN:
            return markdown.read_markdown(text)
        case _:
            return plaintext.read_text(text)


def _warn_without_text(reading: Reading, warning: str) -> Reading:
    if any(page.text.strip() for page in reading.pages):
        return reading
    return replace(reading, warnings=(*reading.warnings, warning))
