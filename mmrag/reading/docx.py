"""DOCX: headings, lists with their numbers, tables, text boxes, notes, comments, headers, pictures, charts.

Read element by element from the package, so that a large document takes no more memory than a small
one. What Word would not show (deleted and moved revisions, hidden text, field codes) is not read.
Pages are told only where the file holds the breaks that Word rendered last.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING

from mmrag.errors import NotReadable
from mmrag.reading.drawing_text import drawing_paragraphs
from mmrag.reading.embedded import EmbeddedPictures, alternative_text
from mmrag.reading.grid import Cell, flatten
from mmrag.reading.math_text import linear
from mmrag.reading.media import DOCX
from mmrag.reading.native_chart import write_chart
from mmrag.reading.ooxml import (
    COMPATIBLE,
    DRAWING,
    MATH,
    WORD,
    Package,
    integer,
    is_on,
    value,
)
from mmrag.reading.page_builder import CELL_SEPARATOR, PageBuilder, one_line
from mmrag.reading.titles import sensible_title
from mmrag.reading.word_styles import Numbering, Styles
from mmrag.types import Reading

if TYPE_CHECKING:
    from collections.abc import Iterator
    from xml.etree.ElementTree import Element

_RENDERED_BREAK = "\x0c"
_PAGE_BREAK = "\x0e"
_BREAK = re.compile(f"([{_RENDERED_BREAK}{_PAGE_BREAK}])")
_NOT_SHOWN = frozenset(
    f"{WORD}{name}"
    for name in """del moveFrom rPr pPr sdtPr sdtEndPr instrText delText delInstrText tblPr tblGrid trPr tcPr
    sectPr fldData proofErr""".split()
)
_THROUGH = frozenset(
    f"{WORD}{name}" for name in ("sdt", "sdtContent", "ins", "moveTo", "customXml", "smartTag")
)
_CHARACTERS = {
    f"{WORD}tab": "\t",
    f"{WORD}ptab": "\t",
    f"{WORD}cr": "\n",
    f"{WORD}noBreakHyphen": "-",
    f"{WORD}lastRenderedPageBreak": _RENDERED_BREAK,
}
_SYMBOLS = {"F0FC": "✓", "F0FE": "☑", "F0FB": "✗", "F0A8": "☐", "F0B7": "•", "F0E0": "→", "F0B0": "°"}
_MAX_HEADING = 255  # characters: a longer one is a paragraph in large type
_VML_IMAGE = "{urn:schemas-microsoft-com:vml}imagedata"
_PAGE_NUMBER = re.compile(r"\s*(?:PAGE|NUMPAGES|SECTIONPAGES)\b", re.IGNORECASE)


@dataclass(slots=True)
class _Anchored:
    """What hangs on a paragraph and is written after it."""

    boxes: list[Element] = field(default_factory=list)
    pictures: list[tuple[str, str]] = field(default_factory=list)  # (id of a relation, alternative text)
    charts: list[tuple[str, str]] = field(default_factory=list)
    diagrams: list[str] = field(default_factory=list)
    comments: list[str] = field(default_factory=list)


def read_docx(package: Package, *, max_pages: int, pictures: EmbeddedPictures) -> Reading:
    """A Word document's pages. Raises NotReadable for damage."""
    document = _Document(package, max_pages=max_pages, pictures=pictures)
    document.read()
    pages = tuple(page.build(number) for number, page in enumerate(document.pages, start=1))
    headings = [heading.title for page in pages for heading in page.headings if heading.level == 1]
    title = sensible_title(package.title() or "") or document.title or (headings[0] if headings else None)
    return Reading(media_type=DOCX, title=title, pages=pages, warnings=pictures.warnings)


class _Document:
    """Walks the body once and writes pages."""

    def __init__(self, package: Package, *, max_pages: int, pictures: EmbeddedPictures) -> None:
        self._package = package
        self._main = package.main
        self._relations = package.relations(self._main)
        self._max_pages = max_pages
        self._pictures = pictures
        self._styles = Styles(package, package.related(self._main, "styles"))
        self._numbering = Numbering(package, package.related(self._main, "numbering"))
        self._has_pages = False  # notes have none
        self._notes: dict[str, dict[str, str]] = {}
        self._items: list[str] = []  # lines of the list being read
        self._cited: list[str] = []  # footnotes of the page being read
        self._numbers: dict[tuple[str, str], int] = {}
        self._margins: dict[str, None] = {}  # parts of headers and footers
        self._broken = False  # whether a page break came, and no text since
        self.pages = [PageBuilder()]
        self.title: str | None = None
        self._notes = {kind: self._read_notes(kind) for kind in ("footnote", "endnote", "comment")}
        self._has_pages = package.mentions(self._main, b"lastRenderedPageBreak")

    @property
    def _page(self) -> PageBuilder:
        return self.pages[-1]

    def read(self) -> None:
        for block in self._package.stream(self._main, depth=2):
            self._block(block)
        self._flush()
        self._end_page()
        self._write_margins()

    # ------------------------------------------------------------ blocks

    def _block(self, element: Element) -> None:
        if element.tag == f"{WORD}p":
            self._paragraph(element)
        elif element.tag == f"{WORD}tbl":
            self._flush()
            self._table(element)
        elif element.tag == f"{WORD}sectPr":
            self._section(element)
        elif element.tag == f"{WORD}altChunk":
            self._pictures.warn("A part of this document is another file inside it, which was left out.")
        elif element.tag == f"{COMPATIBLE}AlternateContent":
            for child in _alternative(element):
                self._block(child)
        elif element.tag in _THROUGH:
            for child in element:
                self._block(child)

    def _paragraph(self, element: Element) -> None:
        properties = element.find(f"{WORD}pPr")
        style = value(properties.find(f"{WORD}pStyle") if properties is not None else None, "val")
        anchored = _Anchored()
        text = "".join(self._inline(element, anchored))
        marker, depth = self._numbering.marker(self._styles.list_place(style, properties))
        level = self._styles.level(style, properties)
        text = self._over_pages(text)
        if level is not None and text.strip() and len(text) <= _MAX_HEADING:
            self._heading(f"{marker.strip('-')} {text}", level, style)
        else:
            self._prose(text, marker, depth)
        self._write_anchored(anchored)
        if properties is not None and (section := properties.find(f"{WORD}sectPr")) is not None:
            self._section(section)

    def _heading(self, title: str, level: int, style: str) -> None:
        title = one_line(title)
        self._flush()
        self._page.heading(title, level=level)
        if self.title is None and self._styles.is_title(style):
            self.title = title

    def _prose(self, text: str, marker: str, depth: int) -> None:
        """A paragraph, or an item of a list."""
        if not text.strip():
            return
        if marker:
            self._items.append("  " * depth + f"{marker} {text.strip()}")
        else:
            self._flush()
            self._page.paragraph(text)

    def _over_pages(self, text: str) -> str:
        """What of a paragraph stands on its last page; the rest is written to the pages before."""
        written = ""
        for part in _BREAK.split(text):
            if part == _PAGE_BREAK or (part == _RENDERED_BREAK and not self._broken):
                self._turn_page(written)
                written = ""
                self._broken = part == _PAGE_BREAK
            elif part == _RENDERED_BREAK:
                self._broken = False  # Word marks the page that a break began, too
            else:
                written += part
                self._broken = self._broken and not part.strip()
        return written

    def _turn_page(self, text: str) -> None:
        self._flush()
        self._page.paragraph(text)
        if len(self.pages) == self._max_pages:
            raise NotReadable(f"This document has more than {self._max_pages} pages: send it in parts.")
        self._end_page()
        self.pages.append(PageBuilder())

    def _end_page(self) -> None:
        self._page.paragraph("\n".join(self._cited))
        self._cited.clear()

    def _flush(self) -> None:
        self._page.paragraph("\n".join(self._items))
        self._items.clear()

    # ------------------------------------------------------------ tables

    def _table(self, table: Element) -> None:
        """A table; one of a single row or column only lays out its text."""
        rows = [list(_cells(row)) for row in _rows(table)]
        if len(rows) <= 1 or all(len(row) <= 1 for row in rows):
            for cell in chain.from_iterable(rows):
                for block in cell:
                    self._block(block)
            self._flush()
            return
        anchored = _Anchored()
        waiting: list[list[Cell]] = []
        for row in _spanned([[self._cell(cell, anchored) for cell in row] for row in rows]):
            first, *others = row
            if waiting and any(first.text.startswith(mark) for mark in (_RENDERED_BREAK, _PAGE_BREAK)):
                self._write_table(waiting)
                self._turn_page("")
                waiting = [waiting[0]]
            waiting.append([_unbroken(cell) for cell in (first, *others)])
        self._write_table(waiting)
        self._write_anchored(anchored)

    def _write_table(self, rows: list[list[Cell]]) -> None:
        self._page.table(flatten(rows))

    def _cell(self, cell: Element, anchored: _Anchored) -> tuple[str, int, str | None]:
        """Text, columns it spans, and whether it begins or continues a vertical merge."""
        texts = []
        for block in _all_blocks(cell):
            if block.tag == f"{WORD}p":
                properties = block.find(f"{WORD}pPr")
                style = value(properties.find(f"{WORD}pStyle") if properties is not None else None, "val")
                marker, _ = self._numbering.marker(self._styles.list_place(style, properties))
                texts.append(" ".join(filter(None, [marker, "".join(self._inline(block, anchored))])))
            else:
                texts.extend(
                    CELL_SEPARATOR.join(self._cell(inner, anchored)[0] for inner in _cells(row)).replace(
                        CELL_SEPARATOR, " "
                    )
                    for row in _rows(block)
                )
        properties = cell.find(f"{WORD}tcPr")
        span = merge = None
        if properties is not None:
            span, merge = properties.find(f"{WORD}gridSpan"), properties.find(f"{WORD}vMerge")
        merged = None if merge is None else value(merge, "val", "continue")
        return " ".join(filter(None, texts)), max(1, integer(value(span, "val"), 1)), merged

    # ------------------------------------------------------------ inside a paragraph

    def _inline(self, element: Element, anchored: _Anchored) -> Iterator[str]:  # noqa: C901, PLR0912 - one branch for each kind of content
        for child in element:
            tag = child.tag
            if tag in _NOT_SHOWN or (tag == f"{WORD}r" and self._is_hidden(child)):
                continue
            if tag == f"{WORD}t":
                yield child.text or ""
            elif tag == f"{WORD}br":
                kind = value(child, "type")
                yield (_PAGE_BREAK if self._has_pages else "\n") if kind == "page" else "\n"
            elif tag in _CHARACTERS:
                yield _CHARACTERS[tag]
            elif tag == f"{WORD}sym":
                yield _SYMBOLS.get(value(child, "char").upper(), "")
            elif tag in (f"{WORD}footnoteReference", f"{WORD}endnoteReference"):
                yield self._note(tag.removeprefix(WORD).removesuffix("Reference"), value(child, "id"))
            elif tag == f"{WORD}commentReference":
                anchored.comments.append(value(child, "id"))
            elif tag in (f"{MATH}oMath", f"{MATH}oMathPara"):
                yield f" {linear(child)} "
            elif tag in (f"{WORD}drawing", f"{WORD}pict", f"{WORD}object"):
                self._drawing(child, anchored)
            elif tag == f"{COMPATIBLE}AlternateContent":
                for chosen in _alternative(child):
                    if chosen.tag in (f"{WORD}drawing", f"{WORD}pict", f"{WORD}object"):
                        self._drawing(chosen, anchored)
                    else:
                        yield from self._inline(chosen, anchored)
            elif tag == f"{WORD}fldSimple" and _PAGE_NUMBER.match(value(child, "instr")):
                continue
            else:
                yield from self._inline(child, anchored)

    def _is_hidden(self, run: Element) -> bool:
        properties = run.find(f"{WORD}rPr")
        if properties is None:
            return False
        direct = properties.find(f"{WORD}vanish")
        if direct is not None:
            return is_on(direct)
        return self._styles.is_hidden(value(properties.find(f"{WORD}rStyle"), "val"))

    def _drawing(self, drawing: Element, anchored: _Anchored) -> None:
        """Pictures, charts, diagrams and text boxes in a drawing."""
        described = next((n for n in drawing.iter() if n.tag.endswith("}docPr")), None)
        caption = alternative_text(value(described, "descr"))
        waiting = [drawing]
        while waiting:
            node = waiting.pop()
            if node.tag == f"{COMPATIBLE}AlternateContent":
                waiting.extend(_alternative(node))
                continue
            if node.tag == f"{WORD}txbxContent":
                anchored.boxes.append(node)
                continue
            if node.tag == f"{DRAWING}blip":
                anchored.pictures.append((value(node, "embed"), caption))
            elif node.tag == _VML_IMAGE:
                anchored.pictures.append((value(node, "id"), alternative_text(value(node, "title"))))
            elif node.tag.endswith("/chart}chart"):
                anchored.charts.append((value(node, "id"), caption))
            elif node.tag.endswith("}relIds"):
                anchored.diagrams.append(value(node, "dm"))
            waiting.extend(reversed(list(node)))

    def _write_anchored(self, anchored: _Anchored) -> None:
        if anchored != _Anchored():
            self._flush()
        for box in anchored.boxes:
            for block in box:
                self._block(block)
            self._flush()
        self._write_pictures(anchored, self._page)
        for relation, caption in anchored.charts:
            if (part := self._target(relation)) in self._package:
                write_chart(self._package.root(part), self._page, caption=caption)
        for relation in anchored.diagrams:
            if (part := self._target(relation)) in self._package:
                self._page.paragraph("\n".join(drawing_paragraphs(self._package.root(part))))
        for number in anchored.comments:
            self._page.paragraph(self._notes["comment"].get(number, ""))

    def _write_pictures(self, anchored: _Anchored, page: PageBuilder) -> None:
        for relation, caption in anchored.pictures:
            if (data := self._package.media(self._target(relation))) is not None:
                self._pictures.write(data, page, caption=caption)
            else:
                page.paragraph(caption)  # a linked picture is not fetched

    def _target(self, relation: str) -> str:
        found = self._relations.get(relation)
        return found.target if found else ""

    # ------------------------------------------------------------ notes, headers and footers

    def _read_notes(self, kind: str) -> dict[str, str]:
        """Texts of footnotes, endnotes or comments by id; separators have none."""
        part = self._package.related(self._main, f"{kind}s")
        notes: dict[str, str] = {}
        for note in self._package.stream(part, depth=1) if part else ():
            if note.tag == f"{WORD}{kind}" and value(note, "type") in ("", "normal"):
                paragraphs = ("".join(self._inline(p, _Anchored())) for p in note.iter(f"{WORD}p"))
                text = one_line(" ".join(paragraphs))
                author = value(note, "author")
                notes[value(note, "id")] = f"Comment by {author}: {text}" if author else text
        return notes

    def _note(self, kind: str, number: str) -> str:
        """The mark of a note, which is written at the end of its page."""
        text = self._notes.get(kind, {}).get(number)
        if not text:
            return ""
        mark = self._numbers.setdefault((kind, number), len(self._numbers) + 1)
        self._cited.append(f"[{mark}] {text}")
        return f"[{mark}]"

    def _section(self, section: Element) -> None:
        for reference in section:
            if reference.tag in (f"{WORD}headerReference", f"{WORD}footerReference"):
                self._margins[self._target(value(reference, "id"))] = None

    def _write_margins(self) -> None:
        """Headers and footers once, at the end of the first page."""
        written: set[str] = set()
        first = self.pages[0]
        for part in self._margins:
            if part not in self._package:
                continue
            relations, self._relations = self._relations, self._package.relations(part)
            anchored = _Anchored()
            for paragraph in self._package.root(part).iter(f"{WORD}p"):
                text = one_line("".join(self._inline(paragraph, anchored)))
                if any(map(str.isalpha, text)) and text not in written:
                    written.add(text)
                    first.paragraph(text)
            self._write_pictures(anchored, first)
            self._relations = relations


def _alternative(element: Element) -> list[Element]:
    """What a program of today shows of alternatives."""
    for name in ("Choice", "Fallback"):
        found = element.find(f"{COMPATIBLE}{name}")
        if found is not None and len(found):
            return list(found)
    return []


def _all_blocks(cell: Element) -> Iterator[Element]:
    """Paragraphs and tables of a cell, through the frames around them."""
    for child in cell:
        if child.tag in (f"{WORD}p", f"{WORD}tbl"):
            yield child
        elif child.tag in _THROUGH:
            yield from _all_blocks(child)


def _rows(table: Element) -> Iterator[Element]:
    """Rows that are shown: deleted ones are not."""
    for child in table:
        if child.tag == f"{WORD}tr":
            properties = child.find(f"{WORD}trPr")
            if properties is None or (
                properties.find(f"{WORD}del") is None and not is_on(properties.find(f"{WORD}hidden"))
            ):
                yield child
        elif child.tag in _THROUGH:
            yield from _rows(child)


def _cells(row: Element) -> Iterator[Element]:
    for child in row:
        if child.tag == f"{WORD}tc":
            yield child
        elif child.tag in _THROUGH:
            yield from _cells(child)


def _spanned(rows: list[list[tuple[str, int, str | None]]]) -> list[list[Cell]]:
    """Cells with the rows that they span: a merge begins with "restart" and goes on with "continue"."""
    columns: list[dict[int, tuple[int, int]]] = []  # of each row: place in the grid -> (index, span)
    for row in rows:
        places, column = {}, 0
        for index, (_, span, _) in enumerate(row):
            places[column] = (index, span)
            column += span
        columns.append(places)
    spanned = []
    for number, row in enumerate(rows):
        cells = []
        for column, (index, span) in columns[number].items():
            text, _, merge = row[index]
            if merge == "continue" and number:
                continue
            height = 1
            while merge == "restart" and number + height < len(rows):
                below = columns[number + height].get(column)
                if below is None or rows[number + height][below[0]][2] != "continue":
                    break
                height += 1
            cells.append(Cell(text, columns=span, rows=height))
        spanned.append(cells or [Cell("")])
    return spanned


def _unbroken(cell: Cell) -> Cell:
    text = cell.text.replace(_RENDERED_BREAK, "").replace(_PAGE_BREAK, " ")
    return Cell(text, columns=cell.columns, rows=cell.rows)
