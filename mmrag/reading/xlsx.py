"""XLSX: a page a sheet, under its name; its tables with header rows, numbers as they are displayed.

Rows are read one by one from the package and only as many as the limits allow, so a far cell or a
million rows cost nothing. Hidden sheets are named in a warning and not read; formulas are read as the
results that the file holds.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mmrag.errors import NotReadable
from mmrag.reading.drawing_text import drawing_paragraphs
from mmrag.reading.embedded import EmbeddedPictures, alternative_text
from mmrag.reading.media import XLSX
from mmrag.reading.native_chart import write_chart
from mmrag.reading.number_format import BUILT_IN, display
from mmrag.reading.ooxml import DRAWING, SHEET, Package, integer, value
from mmrag.reading.page_builder import PageBuilder, one_line
from mmrag.reading.sheet_tables import Sheet, write_tables
from mmrag.reading.titles import sensible_title
from mmrag.types import Reading

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from xml.etree.ElementTree import Element

    from mmrag.types import Page

MAX_CELLS = 200_000  # with text, of one workbook
MAX_STRINGS = 500_000
_MAX_CELL = 32_767  # characters: what a cell of Excel holds
_REFERENCE = re.compile(r"([A-Z]{1,3})([0-9]{1,7})")
_ESCAPED = re.compile(r"_x([0-9A-Fa-f]{4})_")
_NO_RESULT = "Some formulas hold no result: open the file in Excel or LibreOffice, save it and send it again."
_MAX_MERGES = 10_000
_MAX_SPAN = 200  # rows that a merged label is repeated in


@dataclass(frozen=True, slots=True)
class _Book:
    """What cells refer to: shared strings, and the number format of each style."""

    strings: tuple[str, ...]
    formats: tuple[str, ...]
    from_1904: bool


def read_xlsx(package: Package, *, max_pages: int, pictures: EmbeddedPictures) -> Reading:
    """A workbook's sheets. Raises NotReadable for damage or more than `max_pages` sheets."""
    main = package.root(package.main)
    relations = package.relations(package.main)
    properties = main.find(f"{SHEET}workbookPr")
    book = _Book(
        strings=_strings(package, pictures),
        formats=_formats(package),
        from_1904=value(properties, "date1904") in ("1", "true"),
    )
    entries = [
        (value(entry, "name"), relations[key].target, value(entry, "state", "visible"))
        for entry in main.iter(f"{SHEET}sheet")
        if (key := next((text for name, text in entry.attrib.items() if name.endswith("}id")), ""))
        in relations
    ]
    shown = [(name, part) for name, part, state in entries if state == "visible" and part in package]
    for name, _, state in entries:
        if state != "visible":
            pictures.warn(f"The sheet {name} is hidden and was not read.")
    if len(shown) > max_pages:
        raise NotReadable(
            f"This workbook has {len(shown)} sheets, the limit is {max_pages}: send it in parts."
        )
    pages: list[Page] = []
    left = MAX_CELLS
    for number, (name, part) in enumerate(shown, start=1):
        page = PageBuilder()
        page.heading(name, level=1)
        sheet = _read_sheet(package, part, book, left=left, warn=pictures.warn)
        left -= len(sheet.cells)
        write_tables(sheet, page)
        _write_drawings(package, part, page, pictures)
        pages.append(page.build(number))
    title = sensible_title(package.title() or "")
    return Reading(media_type=XLSX, title=title, pages=tuple(pages), warnings=pictures.warnings)


def _strings(package: Package, pictures: EmbeddedPictures) -> tuple[str, ...]:
    part = package.related(package.main, "sharedStrings")
    strings: list[str] = []
    for item in package.stream(part, depth=1) if part else ():
        if len(strings) == MAX_STRINGS:
            pictures.warn(f"Only the first {MAX_STRINGS:,} different texts of this workbook were read.")
            break
        strings.append(_rich_text(item))
    return tuple(strings)


def _rich_text(item: Element) -> str:
    """A string's runs, without the phonetic guides of Japanese."""
    parts = [item.find(f"{SHEET}t"), *(run.find(f"{SHEET}t") for run in item.findall(f"{SHEET}r"))]
    text = "".join(part.text or "" for part in parts if part is not None)
    return _ESCAPED.sub(lambda match: chr(int(match[1], 16)), text)[:_MAX_CELL]


def _formats(package: Package) -> tuple[str, ...]:
    """The number format of each cell style."""
    part = package.related(package.main, "styles")
    if part is None:
        return ()
    root = package.root(part)
    own = {
        integer(value(node, "numFmtId")): value(node, "formatCode", "General")
        for node in root.iter(f"{SHEET}numFmt")
    }
    styles = root.find(f"{SHEET}cellXfs")
    numbers = [integer(value(style, "numFmtId")) for style in styles] if styles is not None else []
    return tuple(own.get(number) or BUILT_IN.get(number, "General") for number in numbers)


def _read_sheet(package: Package, part: str, book: _Book, *, left: int, warn: Callable[[str], None]) -> Sheet:
    """The cells with text of a sheet, by (row, column) from 0, at most `left` of them and a row more."""
    cells: dict[tuple[int, int], str] = {}
    numeric: set[tuple[int, int]] = set()
    merges: list[tuple[int, int, int, int]] = []
    row = -1
    for element in package.stream(part, depth=2):
        if element.tag == f"{SHEET}mergeCell" and len(merges) < _MAX_MERGES:
            merges.extend(_range(value(element, "ref")))
        elif element.tag == f"{SHEET}row":
            row = integer(value(element, "r"), row + 2) - 1
            shown = {(row, column): cell for column, cell in _row_cells(element, book)}
            cells |= {place: text for place, (text, _) in shown.items()}
            numeric.update(place for place, (_, is_number) in shown.items() if is_number)
            if element.find(f"{SHEET}c/{SHEET}f") is not None and _lacks_result(element):
                warn(_NO_RESULT)
        if len(cells) >= left:
            warn(
                f"This workbook has more than {MAX_CELLS:,} filled cells: of one sheet the "
                f"rows up to {row + 1} were read, of those after it none. Send the rest in a file of its own."
            )
            break
    for first, column, last, right in merges:
        text = cells.get((first, column))
        if column == right and first < last <= first + _MAX_SPAN and text:
            cells |= {(below, column): text for below in range(first, last + 1)}
    return Sheet(cells, frozenset(numeric))


def _row_cells(row: Element, book: _Book) -> Iterator[tuple[int, tuple[str, bool]]]:
    """Columns with what they display, and whether that is a number; without the empty ones."""
    column = -1
    for cell in row:
        place = _place(value(cell, "r"))
        column = place[1] if place else column + 1
        shown = _cell_text(cell, book)
        if shown[0].strip():
            yield column, shown


def _lacks_result(row: Element) -> bool:
    return any(c.find(f"{SHEET}f") is not None and not c.findtext(f"{SHEET}v") for c in row)


def _cell_text(cell: Element, book: _Book) -> tuple[str, bool]:  # noqa: PLR0911 - one line for each type
    """What a cell displays, and whether it is a number (or a date)."""
    kind = value(cell, "t", "n")
    if kind == "inlineStr":
        inline = cell.find(f"{SHEET}is")
        return (one_line(_rich_text(inline)) if inline is not None else ""), False
    node = cell.find(f"{SHEET}v")
    stored = (node.text or "") if node is not None else ""
    if not stored:
        formula = cell.find(f"{SHEET}f")
        return (f"={formula.text}" if formula is not None and formula.text else ""), False
    match kind:
        case "s":
            index = integer(stored, -1)
            return (one_line(book.strings[index]) if 0 <= index < len(book.strings) else ""), False
        case "b":
            return ("TRUE" if stored == "1" else "FALSE"), False
        case "d":
            return stored.removesuffix("T00:00:00").replace("T", " "), True
        case "n":
            style = integer(value(cell, "s"))
            code = book.formats[style] if style < len(book.formats) else "General"
            return one_line(display(stored, code, from_1904=book.from_1904)), True
        case _:
            return one_line(_ESCAPED.sub(lambda match: chr(int(match[1], 16)), stored))[:_MAX_CELL], False


def _place(reference: str) -> tuple[int, int] | None:
    found = _REFERENCE.fullmatch(reference)
    if found is None:
        return None
    column = 0
    for letter in found[1]:
        column = column * 26 + ord(letter) - ord("A") + 1
    return int(found[2]) - 1, column - 1


def _range(reference: str) -> list[tuple[int, int, int, int]]:
    first, _, last = reference.partition(":")
    start, end = _place(first), _place(last)
    return [(*start, *end)] if start and end else []


def _write_drawings(package: Package, part: str, page: PageBuilder, pictures: EmbeddedPictures) -> None:
    """Charts, pictures and text boxes that lie on a sheet."""
    drawing = package.related(part, "drawing")
    if drawing is None:
        return
    relations = package.relations(drawing)
    for anchor in package.stream(drawing, depth=1):
        properties = next((node for node in anchor.iter() if node.tag.endswith("}cNvPr")), None)
        caption = alternative_text(value(properties, "descr"))
        if texts := drawing_paragraphs(anchor):
            page.paragraph("\n".join(texts))
        for node in anchor.iter():
            key = value(node, "embed") if node.tag == f"{DRAWING}blip" else ""
            if node.tag.endswith("/chart}chart"):
                key = value(node, "id")
            target = relations[key].target if key in relations else ""
            if target not in package:
                continue
            if node.tag == f"{DRAWING}blip":
                pictures.write(package.media(target) or b"", page, caption=caption)
            else:
                write_chart(package.root(target), page, caption=caption)
    comments = package.related(part, "comments")
    for comment in package.root(comments).iter(f"{SHEET}comment") if comments else ():
        text = one_line("".join(node.text or "" for node in comment.iter(f"{SHEET}t")))
        page.paragraph(f"Comment on {value(comment, 'ref')}: {text}" if text else "")
