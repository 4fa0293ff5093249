"""PDF, page by page: text from its text layer, scans and embedded pictures by OCR.

Figures that are drawn, not embedded, are cut out with their labels from the text layer. PDFium's lock
is held for a page at a time and let go while a picture is being read.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from mmrag.errors import NotReadable
from mmrag.reading import layout
from mmrag.reading.media import PDF
from mmrag.reading.page_builder import PageBuilder
from mmrag.reading.pdf_drawings import drawn_figures
from mmrag.reading.pdf_outline import depth, outline_of
from mmrag.reading.pdf_pictures import Picture, covered_share, pictures_of
from mmrag.reading.pdf_text import TextLayer, as_seen
from mmrag.reading.pdfium import LOCK, pdfium, to_rgb
from mmrag.reading.pixels import pixel_digest
from mmrag.reading.running_lines import without_running_lines
from mmrag.reading.titles import sensible_title
from mmrag.types import Reading

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from PIL import Image

    from mmrag.ports import PageListener
    from mmrag.reading.figures import FigureReading
    from mmrag.reading.page_builder import Place
    from mmrag.reading.pdf_text import Box


_PASSWORD = "This PDF needs a password: remove it and send the file again."  # noqa: S105 - a sentence
_DAMAGED = "This PDF is damaged and cannot be opened: print it to a new PDF and send that."
_NO_TEXT_CHARACTERS = 8  # a page with fewer characters is a scan with at most its page number
_SCAN_TEXT = 200  # characters: a page that is one picture and has fewer is a scan with a stamp or a header
_SCAN_SHARE = 0.6  # of the page's area that pictures cover on such a page
_SCAN_SIDE = (2000, 3500)  # pixels: A4 at 170 to 300 dpi; between them the size of the scan decides
_MAX_SCANS = 1_000  # pages of one document that are read by OCR
_MAX_FIGURES = 300  # pictures of one document that are read
_MAX_FIGURES_A_PAGE = 20
_CAPTION = re.compile(r"(?:fig(?:ure|\.)|chart|exhibit|graph|图|圖表?)\s*\d", re.IGNORECASE)
_CAPTION_GAP = 40.0  # points between a figure and its caption at most
_ERR_PASSWORD = 4  # FPDF_ERR_PASSWORD of fpdfview.h


@dataclass(frozen=True, slots=True)
class _Figure:
    """What was read in a picture or drawing, and where it stands on its page."""

    reading: FigureReading
    box: Box


@dataclass(frozen=True, slots=True)
class _RawPage:
    """What PDFium gave of one page."""

    lines: tuple[layout.Line, ...]
    box: Box
    scan: Image.Image | None = None
    pictures: tuple[Picture, ...] = ()
    drawings: tuple[_Figure, ...] = ()


@dataclass(frozen=True, slots=True)
class _ReadPage:
    """A page with its pictures read."""

    lines: tuple[layout.Line, ...]
    box: Box
    scan: FigureReading | None
    figures: tuple[_Figure, ...]

    def write(self, page: PageBuilder, typography: layout.Typography, outline: layout.Outline) -> None:
        """Text and figures in order; a scan of text is the page's own text, no figure."""
        if self.scan is not None:
            for level, title in outline.values():
                page.mark(title, level=level)
            outline = {}
        written = 0
        for start, end, figure in _places(self.lines, self.figures):
            layout.compose(self.lines[written:start], page, typography, outline)
            caption = "\n".join(line.text for line in self.lines[start:end])
            figure.reading.write_figure(page, caption=caption, box=_share(figure.box, self.box))
            written = end
        layout.compose(self.lines[written:], page, typography, outline)
        if self.scan is not None and self.scan.kind == "text":
            self.scan.write_text(page)
        elif self.scan is not None and self.scan.lines:
            self.scan.write_figure(page, box=(0.0, 0.0, 1.0, 1.0))


def _share(box: Box, page: Box) -> Place:
    """A box as shares of the page's width and height."""
    width, height = page[2] - page[0], page[3] - page[1]
    left, top, right, bottom = (
        min(1.0, max(0.0, round(share, 4)))
        for share in (
            (box[0] - page[0]) / width,
            (box[1] - page[1]) / height,
            (box[2] - page[0]) / width,
            (box[3] - page[1]) / height,
        )
    )
    return left, top, right, bottom


def _places(lines: Sequence[layout.Line], figures: Sequence[_Figure]) -> list[tuple[int, int, _Figure]]:
    """Where figures come between the lines of a page: `start:end` are the lines of their caption."""
    places = []
    for figure in figures:
        middle = (figure.box[1] + figure.box[3]) / 2
        above = [index for index, line in enumerate(lines) if line.bottom < middle]
        position = above[-1] + 1 if above else 0
        places.append((*_caption(lines, position, figure.box), figure))
    free = 0  # a caption that two figures share belongs to the first
    disjoint = []
    for start, end, figure in sorted(places, key=lambda place: place[0]):
        disjoint.append((max(start, free), max(end, free), figure))
        free = max(end, free)
    return disjoint


def _caption(lines: Sequence[layout.Line], position: int, box: Box) -> tuple[int, int]:
    """The caption just below or above a figure; empty, at its position, where there is none."""
    for index in (position, position - 1):
        if 0 <= index < len(lines) and _CAPTION.match(lines[index].text):
            gap = lines[index].top - box[3] if index == position else box[1] - lines[index].bottom
            if gap < _CAPTION_GAP:
                return index, index + 1
    return position, position


_NOTHING = _RawPage(lines=(), box=(0.0, 0.0, 1.0, 1.0))


def read_pdf(
    data: bytes,
    *,
    max_pages: int,
    max_pixels: int,
    read_figure: Callable[[Image.Image], FigureReading],
    progress: PageListener | None = None,
) -> Reading:
    """A PDF's pages. Raises NotReadable for a password, damage, or more than `max_pages` pages."""
    document = _Document(data, max_pixels=max_pixels)
    try:
        if document.pages > max_pages:
            raise NotReadable(
                f"This PDF has {document.pages} pages, the limit is {max_pages}: send it in parts."
            )
        return _read(document, read_figure, progress)
    finally:
        document.close()


def _read(
    document: _Document,
    read_figure: Callable[[Image.Image], FigureReading],
    progress: PageListener | None,
) -> Reading:
    pages: list[_ReadPage] = []
    damaged: list[int] = []
    for index in range(document.pages):
        raw = document.read(index)
        if raw is None:
            damaged.append(index + 1)
        pages.append(_read_pictures(raw or _NOTHING, read_figure))
        if progress:
            progress(index + 1, document.pages)
    outline = document.outline
    lines = without_running_lines([page.lines for page in pages])
    typography = layout.Typography.of([line for page in lines for line in page], above=depth(outline))
    built = []
    for index, page in enumerate(pages):
        builder = PageBuilder()
        replace(page, lines=lines[index]).write(builder, typography, outline.get(index, {}))
        built.append(builder.build(index + 1))
    warnings = list(document.warnings)
    if damaged:
        warnings.append(f"Page {', '.join(map(str, damaged))} of this PDF is damaged and was left out.")
    return Reading(media_type=PDF, title=document.title, pages=tuple(built), warnings=tuple(warnings))


def _read_pictures(page: _RawPage, read_figure: Callable[[Image.Image], FigureReading]) -> _ReadPage:
    scan = read_figure(page.scan) if page.scan else None
    return _ReadPage(
        lines=_not_in(scan, page.lines) if scan else page.lines,
        box=page.box,
        scan=scan,
        figures=(
            *page.drawings,
            # What shows no text can neither be found nor quoted.
            *(
                _Figure(reading, picture.box)
                for picture in page.pictures
                if (reading := read_figure(picture.image)).lines
            ),
        ),
    )


def _not_in(scan: FigureReading, lines: Sequence[layout.Line]) -> tuple[layout.Line, ...]:
    """Lines of a scan's text layer that OCR did not see as well: its picture shows the others."""
    seen = layout.heading_key(" ".join(line.text for line in scan.lines))
    return tuple(line for line in lines if layout.heading_key(line.text) not in seen)


class _Document:
    """An open PDF. Every method takes the lock, none holds it when it returns."""

    def __init__(self, data: bytes, *, max_pixels: int) -> None:
        self._max_pixels = max_pixels
        self._seen: set[str] = set()  # digests of the pictures already read: a logo is on every page
        self._scans = 0
        self.warnings: list[str] = []
        with LOCK:
            try:
                self._pdf = pdfium().PdfDocument(data)
            except pdfium().PdfiumError as error:
                needs_password = getattr(error, "err_code", None) == _ERR_PASSWORD
                raise NotReadable(_PASSWORD if needs_password else _DAMAGED) from None
            self.pages = len(self._pdf)
            self.outline = outline_of(self._pdf)
            self.title = sensible_title(self._pdf.get_metadata_value("Title"))

    def close(self) -> None:
        with LOCK:
            self._pdf.close()

    def read(self, index: int) -> _RawPage | None:
        """A page; None for one that is damaged."""
        with LOCK:
            try:
                page = self._pdf[index]
            except pdfium().PdfiumError:
                return None
            try:
                return self._read_page(page)
            except pdfium().PdfiumError:
                return None
            finally:
                page.close()

    def _read_page(self, page: Any) -> _RawPage:  # noqa: ANN401 - pypdfium2 ships no types
        text_layer = TextLayer(page)
        try:
            is_garbled = text_layer.is_garbled
            lines = () if is_garbled else tuple(text_layer.lines())
        finally:
            text_layer.close()
        box = as_seen(page.get_cropbox(), page.get_rotation())
        characters = sum(len(line.text) for line in lines)
        if (
            is_garbled
            or characters < _NO_TEXT_CHARACTERS
            or (characters < _SCAN_TEXT and covered_share(page) > _SCAN_SHARE)
        ):
            return _RawPage(lines=lines, box=box, scan=self._scan(page))
        drawings = tuple(drawn_figures(page, lines))
        labels = {id(line) for drawing in drawings for line in drawing.lines}
        return _RawPage(
            lines=tuple(line for line in lines if id(line) not in labels),
            box=box,
            pictures=tuple(self._pictures(page)),
            drawings=tuple(_Figure(drawing.figure, drawing.box) for drawing in drawings),
        )

    def _scan(self, page: Any) -> Image.Image | None:  # noqa: ANN401 - pypdfium2 ships no types
        """The page as a picture; None where nothing is drawn on it."""
        if next(page.get_objects(max_depth=1), None) is None:
            return None
        width, height = page.get_size()
        if not 0 < width * height < float("inf"):
            return None
        if self._scans == _MAX_SCANS:
            self._warn(
                f"Only the first {_MAX_SCANS:,} scanned pages of this PDF were read: send it in parts."
            )
            return None
        self._scans += 1
        sides = (
            max(embedded.get_px_size())
            for embedded in page.get_objects(filter=[pdfium().raw.FPDF_PAGEOBJ_IMAGE], max_depth=4)
        )
        side = min(max(_SCAN_SIDE[0], *sides, 0), _SCAN_SIDE[1])
        return to_rgb(page.render(scale=side / max(width, height)))

    def _pictures(self, page: Any) -> Iterator[Picture]:  # noqa: ANN401 - pypdfium2 ships no types
        """Pictures embedded in a page, without icons, backgrounds and those read before."""
        count = 0
        for picture in pictures_of(page, max_pixels=self._max_pixels, warn=self._warn):
            if count == _MAX_FIGURES_A_PAGE:
                self._warn(f"Of a page's pictures only the first {_MAX_FIGURES_A_PAGE} were read.")
                return
            if self._is_new(picture.image):
                count += 1
                yield picture

    def _is_new(self, image: Image.Image) -> bool:
        key = pixel_digest(image)
        if key in self._seen:
            return False
        if len(self._seen) == _MAX_FIGURES:
            self._warn(f"Only the first {_MAX_FIGURES} pictures in this PDF were read.")
            return False
        self._seen.add(key)
        return True

    def _warn(self, warning: str) -> None:
        if warning not in self.warnings:
            self.warnings.append(warning)
