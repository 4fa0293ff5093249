"""PPTX: a page a slide, with its title, texts, tables, charts, diagrams, pictures and notes.

Shapes are read in the order a person reads: from top to bottom and left to right, the title first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mmrag.errors import NotReadable
from mmrag.reading.drawing_text import drawing_paragraphs, drawing_text
from mmrag.reading.embedded import EmbeddedPictures, alternative_text
from mmrag.reading.grid import Cell, flatten
from mmrag.reading.media import PPTX
from mmrag.reading.native_chart import write_chart
from mmrag.reading.ooxml import COMPATIBLE, DRAWING, SLIDE, Package, integer, value
from mmrag.reading.page_builder import PageBuilder, one_line
from mmrag.reading.titles import sensible_title
from mmrag.types import Reading

if TYPE_CHECKING:
    from collections.abc import Iterator
    from xml.etree.ElementTree import Element

    from mmrag.reading.ooxml import Relation
    from mmrag.types import Page

_TITLES = ("title", "ctrTitle")
_FURNITURE = ("dt", "ftr", "sldNum", "hdr", "sldImg")  # date, footer, number: the same on every slide
_ROW = 360_000  # EMU, a centimetre: shapes whose tops differ by less stand beside each other
_ORIGIN = (0.0, 0.0)


@dataclass(frozen=True, slots=True)
class _Shape:
    """A shape without its group: its place on the slide in EMU, and what kind of placeholder it is."""

    element: Element
    left: float
    top: float
    placeholder: str


def read_pptx(package: Package, *, max_pages: int, pictures: EmbeddedPictures) -> Reading:
    """A presentation's slides. Raises NotReadable for damage or more than `max_pages` slides."""
    relations = package.relations(package.main)
    slides = [
        relations[key].target
        for entry in package.root(package.main).iter(f"{SLIDE}sldId")
        if (key := _relation_id(entry)) in relations and relations[key].target in package
    ]
    if len(slides) > max_pages:
        raise NotReadable(
            f"This presentation has {len(slides)} slides, the limit is {max_pages}: send it in parts."
        )
    pages: list[Page] = []
    damaged: list[int] = []
    for number, part in enumerate(slides, start=1):
        page = PageBuilder()
        try:
            _Slide(package, part, pictures).write(page)
        except NotReadable:
            damaged.append(number)
        pages.append(page.build(number))
    if damaged:
        pictures.warn(f"Slide {', '.join(map(str, damaged))} is damaged and was left out.")
    headings = [heading.title for page in pages for heading in page.headings]
    title = sensible_title(package.title() or "") or (headings[0] if headings else None)
    return Reading(media_type=PPTX, title=title, pages=tuple(pages), warnings=pictures.warnings)


def _relation_id(entry: Element) -> str:
    """The id of a relation, which has a namespace, not the slide's own number, which has none."""
    return next((text for key, text in entry.attrib.items() if key.endswith("}id")), "")


class _Slide:
    """Writes one slide onto a page."""

    def __init__(self, package: Package, part: str, pictures: EmbeddedPictures) -> None:
        self._package = package
        self._part = part
        self._relations: dict[str, Relation] = package.relations(part)
        self._pictures = pictures
        self._places = self._layout_places()

    def write(self, page: PageBuilder) -> None:
        tree = self._package.root(self._part).find(f"{SLIDE}cSld/{SLIDE}spTree")
        if tree is None:
            return
        shapes = list(self._shapes(tree, _ORIGIN, (1.0, 1.0)))
        titles = [shape for shape in shapes if shape.placeholder in _TITLES]
        for shape in titles:
            page.heading(" ".join(drawing_paragraphs(shape.element)), level=1)
        for shape in _reading_order([shape for shape in shapes if shape not in titles]):
            self._write_shape(shape, page)
        self._write_notes(page)

    def _shapes(
        self, tree: Element, origin: tuple[float, float], scale: tuple[float, float]
    ) -> Iterator[_Shape]:
        """The shapes of a tree, groups opened, in their order."""
        for child in tree:
            if child.tag == f"{COMPATIBLE}AlternateContent":
                for name in ("Choice", "Fallback"):
                    if (found := child.find(f"{COMPATIBLE}{name}")) is not None and len(found):
                        yield from self._shapes(found, origin, scale)
                        break
            elif child.tag == f"{SLIDE}grpSp":
                yield from self._shapes(child, *_inside_group(child, origin, scale))
            elif child.tag in (f"{SLIDE}sp", f"{SLIDE}pic", f"{SLIDE}graphicFrame", f"{SLIDE}cxnSp"):
                yield from filter(None, [self._shape(child, origin, scale)])

    def _shape(
        self, element: Element, origin: tuple[float, float], scale: tuple[float, float]
    ) -> _Shape | None:
        properties = next((n for n in element.iter() if n.tag == f"{SLIDE}cNvPr"), None)
        if value(properties, "hidden") in ("1", "true"):
            return None
        placeholder = next(element.iter(f"{SLIDE}ph"), None)
        kind = value(placeholder, "type", "body") if placeholder is not None else ""
        if kind in _FURNITURE:
            return None
        offset = next((n for n in element.iter() if n.tag == f"{DRAWING}off"), None)
        if offset is None:
            left, top = self._places.get((kind, value(placeholder, "idx")), _ORIGIN)
        else:
            left, top = float(integer(value(offset, "x"))), float(integer(value(offset, "y")))
        return _Shape(element, origin[0] + scale[0] * left, origin[1] + scale[1] * top, kind)

    def _layout_places(self) -> dict[tuple[str, str], tuple[float, float]]:
        """Where the layout puts its placeholders: a slide repeats it only where it differs."""
        layout = next((r.target for r in self._relations.values() if r.kind == "slideLayout"), "")
        if layout not in self._package:
            return {}
        places = {}
        for shape in self._package.root(layout).iter(f"{SLIDE}sp"):
            placeholder = next(shape.iter(f"{SLIDE}ph"), None)
            offset = next(shape.iter(f"{DRAWING}off"), None)
            if placeholder is not None and offset is not None:
                key = value(placeholder, "type", "body"), value(placeholder, "idx")
                places[key] = float(integer(value(offset, "x"))), float(integer(value(offset, "y")))
        return places

    def _write_shape(self, shape: _Shape, page: PageBuilder) -> None:
        element = shape.element
        if (table := next(element.iter(f"{DRAWING}tbl"), None)) is not None:
            page.table(_table_rows(table))
        elif element.tag == f"{SLIDE}pic":
            self._write_picture(element, page)
        elif element.tag == f"{SLIDE}graphicFrame":
            self._write_graphic(element, page)
        else:
            page.paragraph(_body_text(element))
            self._write_fill(element, page)

    def _write_picture(self, element: Element, page: PageBuilder) -> None:
        caption = _description(element)
        blip = next(element.iter(f"{DRAWING}blip"), None)
        data = self._package.media(self._target(value(blip, "embed")))
        if data is None:
            page.paragraph(caption)  # a linked picture is not fetched
        else:
            self._pictures.write(data, page, caption=caption)

    def _write_fill(self, element: Element, page: PageBuilder) -> None:
        """A picture that fills a shape."""
        for blip in element.iter(f"{DRAWING}blip"):
            if (data := self._package.media(self._target(value(blip, "embed")))) is not None:
                self._pictures.write(data, page, caption=_description(element))

    def _write_graphic(self, element: Element, page: PageBuilder) -> None:
        for node in element.iter():
            if node.tag.endswith("/chart}chart"):
                if (part := self._target(value(node, "id"))) in self._package:
                    write_chart(self._package.root(part), page, caption=_description(element))
            elif node.tag.endswith("}relIds"):
                if (part := self._target(value(node, "dm"))) in self._package:
                    page.paragraph("\n".join(drawing_paragraphs(self._package.root(part))))
            elif node.tag == f"{SLIDE}oleObj":
                self._pictures.warn("A file inside a slide was left out: send it by itself.")

    def _write_notes(self, page: PageBuilder) -> None:
        part = next((r.target for r in self._relations.values() if r.kind == "notesSlide"), "")
        if part not in self._package:
            return
        texts = [
            _body_text(shape)
            for shape in self._package.root(part).iter(f"{SLIDE}sp")
            if value(next(shape.iter(f"{SLIDE}ph"), None), "type", "body") not in _FURNITURE
        ]
        if any(text.strip() for text in texts):
            page.heading("Notes", level=2)
            for text in texts:
                page.paragraph(text)

    def _target(self, relation: str) -> str:
        found = self._relations.get(relation)
        return found.target if found else ""


def _inside_group(
    group: Element, origin: tuple[float, float], scale: tuple[float, float]
) -> tuple[tuple[float, float], tuple[float, float]]:
    """Origin and scale of a group's own coordinates, on the slide."""
    frame = group.find(f"{SLIDE}grpSpPr/{DRAWING}xfrm")
    if frame is None:
        return origin, scale

    def pair(name: str, first: str, second: str) -> tuple[float, float]:
        node = frame.find(f"{DRAWING}{name}")
        return float(integer(value(node, first))), float(integer(value(node, second)))

    offset, size = pair("off", "x", "y"), pair("ext", "cx", "cy")
    inner_offset, inner_size = pair("chOff", "x", "y"), pair("chExt", "cx", "cy")
    ratio = tuple(outer / inner if inner else 1.0 for outer, inner in zip(size, inner_size, strict=True))
    inner_scale = scale[0] * ratio[0], scale[1] * ratio[1]
    return (
        origin[0] + scale[0] * offset[0] - inner_scale[0] * inner_offset[0],
        origin[1] + scale[1] * offset[1] - inner_scale[1] * inner_offset[1],
    ), inner_scale


def _reading_order(shapes: list[_Shape]) -> list[_Shape]:
    """Top to bottom; those that begin at about the same height from left to right."""
    ordered: list[_Shape] = []
    row: list[_Shape] = []
    for shape in sorted(shapes, key=lambda shape: shape.top):
        if row and shape.top - row[0].top > _ROW:
            ordered.extend(sorted(row, key=lambda shape: shape.left))
            row = []
        row.append(shape)
    return ordered + sorted(row, key=lambda shape: shape.left)


def _body_text(shape: Element) -> str:
    """Paragraphs, a line each, those of lower levels indented as a list."""
    lines = []
    for paragraph in shape.iter(f"{DRAWING}p"):
        text = drawing_text(paragraph)
        level = integer(value(paragraph.find(f"{DRAWING}pPr"), "lvl"))
        if text.strip():
            lines.append("  " * level + ("- " if level else "") + text.strip())
    return "\n".join(lines)


def _description(element: Element) -> str:
    properties = next((n for n in element.iter() if n.tag == f"{SLIDE}cNvPr"), None)
    return alternative_text(value(properties, "descr"))


def _table_rows(table: Element) -> list[list[str]]:
    return flatten(
        [
            [
                Cell(
                    one_line(" ".join(drawing_paragraphs(cell))),
                    columns=integer(value(cell, "gridSpan"), 1),
                    rows=integer(value(cell, "rowSpan"), 1),
                )
                for cell in row.findall(f"{DRAWING}tc")
                if value(cell, "hMerge") not in ("1", "true") and value(cell, "vMerge") not in ("1", "true")
            ]
            for row in table.iter(f"{DRAWING}tr")
        ]
    )
