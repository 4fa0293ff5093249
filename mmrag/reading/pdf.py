"""PDF, page by page: text from its text layer, scans and embedded pictures by OCR.

Charts that are drawn, not embedded, are read from the labels in the text layer. PDFium's lock is held
for a page at a time and let go while a picture is being read.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from mmrag.errors import NotReadable
from mmrag.reading import layout
from mmrag.reading.media import PDF
from mmrag.reading.page_builder import PageBuilder, one_line
from mmrag.reading.pdf_text import TextLayer
from mmrag.reading.pdfium import LOCK, pdfium, to_rgb
from mmrag.types import Reading

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from PIL import Image

    from mmrag.reading.figures import FigureReading


_PASSWORD = "This PDF needs a password: remove it and send the file again."  # noqa: S105 - a sentence
_DAMAGED = "This PDF is damaged and cannot be opened: print it to a new PDF and send that."
_NO_TEXT_CHARACTERS = 8  # a page with fewer characters is a scan with at most its page number
_SCAN_SIDE = 2000  # pixels: A4 at 170 dpi, the size OCR reads best
_MIN_FIGURE_SIDE = 40  # pixels: smaller pictures are icons, bullets and rules
_MIN_FIGURE_SHARE = 0.005  # of the page's area
_MAX_FIGURES = 200  # pictures of one document that are read
_MAX_TITLE = 200  # characters
_ERR_PASSWORD = 4  # FPDF_ERR_PASSWORD of fpdfview.h


@dataclass(frozen=True, slots=True)
class _RawPage:
    """What PDFium gave of one page."""

    lines: tuple[layout.Line, ...]
    scan: Image.Image | None
    figures: tuple[Image.Image, ...]


@dataclass(frozen=True, slots=True)
class _ReadPage:
    """A page with its pictures read."""

    lines: tuple[layout.Line, ...]
    scan: FigureReading | None
    figures: tuple[FigureReading, ...]

    def write_pictures(self, builder: PageBuilder) -> None:
        """Append what was read in pictures; a scan of text is the page's own text, no figure."""
        if self.scan is not None and self.scan.kind == "text":
            self.scan.write_text(builder)
        elif self.scan is not None and self.scan.lines:
            self.scan.write_figure(builder)
        for figure in self.figures:
            if figure.lines:  # what shows no text can neither be found nor quoted
                figure.write_figure(builder)


_NOTHING = _RawPage(lines=(), scan=None, figures=())


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
        layout.compose(page.lines, builder, typography)
        page.write_pictures(builder)
        built.append(builder.build(number))
    warnings = list(document.warnings)
    if damaged:
        warnings.append(f"Page {', '.join(map(str, damaged))} of this PDF is damaged and was left out.")
    return Reading(media_type=PDF, title=document.title, pages=tuple(built), warnings=tuple(warnings))


def _read_pictures(page: _RawPage, read_figure: Callable[[Image.Image], FigureReading]) -> _ReadPage:
    return _ReadPage(
        lines=page.lines,
        scan=read_figure(page.scan) if page.scan else None,
        figures=tuple(map(read_figure, page.figures)),
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
            return _RawPage(lines=lines, scan=self._scan(page), figures=())
        return _RawPage(lines=lines, scan=None, figures=tuple(self._figures(page)))

    def _scan(self, page: Any) -> Image.Image | None:  # noqa: ANN401 - pypdfium2 ships no types
        """The page as a picture; None where nothing is drawn on it."""
        if next(page.get_objects(max_depth=1), None) is None:
            return None
        width, height = page.get_size()
        if not 0 < width * height < float("inf"):
            return None
        return to_rgb(page.render(scale=_SCAN_SIDE / max(width, height)))

    def _figures(self, page: Any) -> Iterator[Image.Image]:  # noqa: ANN401 - pypdfium2 ships no types
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
                yield image

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
    """The metadata's title, unless a program put a file name or nothing there."""
    title = one_line(title)
    lowered = title.casefold()
    made_by_program = lowered.startswith(("microsoft ", "untitled", "(anonymous)", "unspecified", "document"))
    file_name = lowered.endswith((".pdf", ".doc", ".docx", ".ppt", ".pptx", ".xls", ".xlsx", ".tex", ".indd"))
    return title[:_MAX_TITLE] if len(title) > 2 and not made_by_program and not file_name else None  # noqa: PLR2004
