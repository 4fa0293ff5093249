"""PDF, page by page: text from its text layer, scans and embedded pictures by OCR.

Charts that are drawn, not embedded, are read from the labels in the text layer. PDFium's lock is held
for a page at a time and let go while a picture is being read.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from mmrag.errors import NotReadable
from mmrag.reading import layout
from mmrag.reading.media import PDF
from mmrag.reading.page_builder import PageBuilder, one_line
from mmrag.reading.pdf_drawings import drawn_charts
from mmrag.reading.pdf_text import TextLayer, as_seen
from mmrag.reading.pdfium import LOCK, pdfium, to_rgb
from mmrag.types import Reading

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from PIL import Image

    from mmrag.reading.figures import FigureReading
    from mmrag.reading.pdf_text import Box


_PASSWORD = "This PDF needs a password: remove it and send the file again."  # noqa: S105 - a sentence
_DAMAGED = "This PDF is damaged and cannot be opened: print it to a new PDF and send that."
_NO_TEXT_CHARACTERS = 8  # a page with fewer characters is a scan with at most its page number
_SCAN_SIDE = 2000  # pixels: A4 at 170 dpi, the size OCR reads best
_MIN_FIGURE_SIDE = 40  # pixels: smaller pictures are icons, bullets and rules
_MIN_FIGURE_SHARE = 0.005  # of the page's area
_MAX_FIGURES = 200  # pictures of one document that are read
_CAPTION = re.compile(r"(?:fig(?:ure|\.)|chart|exhibit|graph|图|圖表?)\s*\d", re.IGNORECASE)
_CAPTION_GAP = 40.0  # points between a figure and its caption at most
_MAX_TITLE = 200  # characters
_ERR_PASSWORD = 4  # FPDF_ERR_PASSWORD of fpdfview.h


@dataclass(frozen=True, slots=True)
class _Picture:
    """An embedded picture that is still to be read, and where it stands on its page."""

    image: Image.Image
    box: Box


@dataclass(frozen=True, slots=True)
class _Figure:
    """What was read in a picture or drawing, and where it stands on its page."""

    reading: FigureReading
    box: Box


@dataclass(frozen=True, slots=True)
class _RawPage:
    """What PDFium gave of one page."""

    lines: tuple[layout.Line, ...]
    scan: Image.Image | None = None
    pictures: tuple[_Picture, ...] = ()
    drawings: tuple[_Figure, ...] = ()


@dataclass(frozen=True, slots=True)
class _ReadPage:
    """A page with its pictures read."""

    lines: tuple[layout.Line, ...]
    scan: FigureReading | None
    figures: tuple[_Figure, ...]

    def write(self, page: PageBuilder, typography: layout.Typography) -> None:
        """Text and figures in order; a scan of text is the page's own text, no figure."""
        written = 0
        for start, end, figure in _places(self.lines, self.figures):
            layout.compose(self.lines[written:start], page, typography)
            figure.write_figure(page, caption="\n".join(line.text for line in self.lines[start:end]))
            written = end
        layout.compose(self.lines[written:], page, typography)
        if self.scan is not None and self.scan.kind == "text":
            self.scan.write_text(page)
        elif self.scan is not None and self.scan.lines:
            self.scan.write_figure(page)


def _places(lines: Sequence[layout.Line], figures: Sequence[_Figure]) -> list[tuple[int, int, FigureReading]]:
    """Where figures come between the lines of a page: `start:end` are the lines of their caption."""
    places = []
    for figure in figures:
        middle = (figure.box[1] + figure.box[3]) / 2
        above = [index for index, line in enumerate(lines) if line.bottom < middle]
        position = above[-1] + 1 if above else 0
        places.append((*_caption(lines, position, figure.box), figure.reading))
    free = 0  # a caption that two figures share belongs to the first
    disjoint = []
    for start, end, reading in sorted(places, key=lambda place: place[0]):
        disjoint.append((max(start, free), max(end, free), reading))
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


_NOTHING = _RawPage(lines=())


def read_pdf(
    data: bytes, *, max_pages: int, max_pixels: int, read_figure: Callable[[Image.Image], FigureReading]
) -> Reading:
    """A PDF's pages. Raises NotReadable for a password, damage, or more than `max_pages` pages."""
    document = _Document(data, max_pixels=max_pixels)
    try:
        if document.pages > max_pages:
            raise NotReadable(
                f"This PDF has {document.pages} pages, the limit is {max_pages}: send it in parts."
            )
        return _read(document, read_figure)
    finally:
        document.close()


def _read(document: _Document, read_figure: Callable[[Image.Image], FigureReading]) -> Reading:
    pages: list[_ReadPage] = []
    damaged: list[int] = []
    for index in range(document.pages):
        raw = document.read(index)
        if raw is None:
            damaged.append(index + 1)
        pages.append(_read_pictures(raw or _NOTHING, read_figure))
    typography = layout.Typography.of([line for page in pages for line in page.lines])
    built = []
    for number, page in enumerate(pages, start=1):
        builder = PageBuilder()
        page.write(builder, typography)
        built.append(builder.build(number))
    warnings = list(document.warnings)
    if damaged:
        warnings.append(f"Page {', '.join(map(str, damaged))} of this PDF is damaged and was left out.")
    return Reading(media_type=PDF, title=document.title, pages=tuple(built), warnings=tuple(warnings))


def _read_pictures(page: _RawPage, read_figure: Callable[[Image.Image], FigureReading]) -> _ReadPage:
    return _ReadPage(
        lines=page.lines,
        scan=read_figure(page.scan) if page.scan else None,
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


class _Document:
    """An open PDF. Every method takes the lock, none holds it when it returns."""

    def __init__(self, data: bytes, *, max_pixels: int) -> None:
        self._max_pixels = max_pixels
        self._seen: set[bytes] = set()  # pictures already read: a logo is on every page
        self.warnings: list[str] = []
        with LOCK:
            try:
                self._pdf = pdfium().PdfDocument(data)
            except pdfium().PdfiumError as error:
                needs_password = getattr(error, "err_code", None) == _ERR_PASSWORD
                raise NotReadable(_PASSWORD if needs_password else _DAMAGED) from None
            self.pages = len(self._pdf)
            self.title = _sensible_title(self._pdf.get_metadata_value("Title"))

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
            lines = tuple(text_layer.lines())
        finally:
            text_layer.close()
        if sum(len(line.text) for line in lines) < _NO_TEXT_CHARACTERS:
            return _RawPage(lines=lines, scan=self._scan(page))
        drawings = tuple(drawn_charts(page, lines))
        labels = {id(line) for drawing in drawings for line in drawing.lines}
        return _RawPage(
            lines=tuple(line for line in lines if id(line) not in labels),
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
        return to_rgb(page.render(scale=_SCAN_SIDE / max(width, height)))

    def _pictures(self, page: Any) -> Iterator[_Picture]:  # noqa: ANN401 - pypdfium2 ships no types
        """Pictures embedded in a page, without icons, backgrounds and those read before."""
        width, height = page.get_size()
        for embedded in page.get_objects(filter=[pdfium().raw.FPDF_PAGEOBJ_IMAGE], max_depth=4):
            try:
                left, bottom, right, top = embedded.get_bounds()
                pixels = embedded.get_px_size()
                share = (right - left) * (top - bottom) / (width * height)
                if min(pixels) < _MIN_FIGURE_SIDE or share < _MIN_FIGURE_SHARE:
                    continue
                if pixels[0] * pixels[1] > self._max_pixels:
                    self.warnings.append("A picture in this PDF is larger than the limit and was left out.")
                    continue
                image = to_rgb(embedded.get_bitmap(render=False))
            except pdfium().PdfiumError:
                self.warnings.append("A picture in this PDF is damaged and was left out.")
                continue
            if self._is_new(image):
                yield _Picture(image, as_seen((left, bottom, right, top), page.get_rotation()))

    def _is_new(self, image: Image.Image) -> bool:
        key = blake2b(image.tobytes(), digest_size=16).digest()
        if key in self._seen:
            return False
        if len(self._seen) == _MAX_FIGURES:
            if not any("pictures" in warning for warning in self.warnings):
                self.warnings.append(f"Only the first {_MAX_FIGURES} pictures in this PDF were read.")
            return False
        self._seen.add(key)
        return True


def _sensible_title(title: str) -> str | None:
    """The metadata's title, unless a program put a number, a file name or its own name there."""
    title = one_line(title)
    lowered = title.casefold()
    is_made = lowered.startswith(("microsoft ", "untitled", "(anonymous)", "unspecified", "document"))
    is_file = lowered.endswith((".pdf", ".doc", ".docx", ".ppt", ".pptx", ".xls", ".xlsx", ".tex", ".indd"))
    has_words = sum(map(str.isalpha, title)) > 1
    return title[:_MAX_TITLE] if has_words and not is_made and not is_file else None
