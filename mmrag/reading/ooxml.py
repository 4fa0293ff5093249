"""An Office Open XML package: its parts, their relations, and XML streamed element by element.

Strict documents (ISO/IEC 29500) use other namespaces for the same elements: those are put into the
usual ones before anything is parsed, so that the readers know one kind. Document type declarations
are refused (the standard forbids them), external targets are never followed, macros are never
looked at. It knows packages and XML, not what the elements mean.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast
from urllib.parse import unquote
from xml.etree.ElementTree import (  # expat fetches nothing, and declarations are refused below
    Element,
    ParseError,
    XMLPullParser,
)

from mmrag.errors import NotReadable
from mmrag.reading.page_builder import one_line
from mmrag.reading.zipped import DAMAGED, Archive

if TYPE_CHECKING:
    from collections.abc import Iterator

WORD = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
SHEET = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
SLIDE = "{http://schemas.openxmlformats.org/presentationml/2006/main}"
DRAWING = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
CHART = "{http://schemas.openxmlformats.org/drawingml/2006/chart}"
DIAGRAM = "{http://schemas.openxmlformats.org/drawingml/2006/diagram}"
MATH = "{http://schemas.openxmlformats.org/officeDocument/2006/math}"
COMPATIBLE = "{http://schemas.openxmlformats.org/markup-compatibility/2006}"
RELATION = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}"
CORE_TITLE = "{http://purl.org/dc/elements/1.1/}title"

MAX_XML = 48 * 1024**2  # bytes of a part that is held in memory at once
_MAX_MEDIA = 64 * 1024**2  # bytes of a picture; its own limits come later
_MAX_HELD = 1_000_000  # elements held at once, of a few hundred bytes each
_TOO_LARGE = "A part of this file is larger than can be read at once: save it in parts and send those."
_MAX_DEPTH = 200  # of nested elements: the readers walk them recursively
_STRICT = b"http://purl.oclc.org/ooxml/"
_USUAL = {
    b"http://purl.oclc.org/ooxml/wordprocessingml/main": WORD,
    b"http://purl.oclc.org/ooxml/spreadsheetml/main": SHEET,
    b"http://purl.oclc.org/ooxml/presentationml/main": SLIDE,
    b"http://purl.oclc.org/ooxml/drawingml/main": DRAWING,
    b"http://purl.oclc.org/ooxml/drawingml/chart": CHART,
    b"http://purl.oclc.org/ooxml/drawingml/diagram": DIAGRAM,
    b"http://purl.oclc.org/ooxml/officeDocument/math": MATH,
    b"http://purl.oclc.org/ooxml/officeDocument/relationships": RELATION,
}
_NAMESPACES = {strict: usual[1:-1].encode() for strict, usual in _USUAL.items()}
_STRICT_NAMESPACE = re.compile(b"|".join(map(re.escape, _NAMESPACES)))
_DECLARATIONS = tuple("<!DOCTYPE".encode(encoding) for encoding in ("utf-8", "utf-16-le", "utf-16-be"))
_PROLOGUE = 64 * 1024  # bytes: what stands before the root element


@dataclass(frozen=True, slots=True)
class Relation:
    """Where a part points to: the last word of the relation's type, and a part's name."""

    kind: str
    target: str


class Package:
    """The parts of a package by name. Raises NotReadable where it is damaged or beyond its bounds."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive

    def __contains__(self, part: str) -> bool:
        return part in self._archive

    @property
    def main(self) -> str:
        """The name of the part that everything else hangs on."""
        for relation in self.relations("").values():
            if relation.kind == "officeDocument" and relation.target in self._archive:
                return relation.target
        raise NotReadable(DAMAGED)

    def relations(self, part: str) -> dict[str, Relation]:
        """What a part (or "", the package) points to within the package, by id."""
        folder, _, name = part.rpartition("/")
        source = posixpath.join(folder, "_rels", f"{name}.rels")
        if source not in self._archive:
            return {}
        return {
            element.get("Id", ""): Relation(
                kind=element.get("Type", "").rpartition("/")[2],
                target=_resolved(folder, element.get("Target", "")),
            )
            for element in self.stream(source, depth=1)
            if element.get("TargetMode") != "External"
        }

    def related(self, part: str, kind: str) -> str | None:
        """The one part of a kind that a part points to, if it is there."""
        targets = (r.target for r in self.relations(part).values() if r.kind == kind)
        return next((target for target in targets if target in self._archive), None)

    def media(self, part: str) -> bytes | None:
        """The bytes of a picture, None where the package lacks it."""
        return self._archive.read(part, limit=_MAX_MEDIA) if part in self._archive else None

    def mentions(self, part: str, word: bytes) -> bool:
        """Whether a part holds these bytes."""
        tail = b""
        for chunk in self._archive.chunks(part):
            if word in tail + chunk:
                return True
            tail = chunk[-len(word) :]
        return False

    def root(self, part: str) -> Element:
        """A part's XML whole."""
        if self._archive.size(part) > MAX_XML:
            raise NotReadable(_TOO_LARGE)
        return next(self.stream(part, depth=0))

    def stream(self, part: str, *, depth: int) -> Iterator[Element]:
        """A part's elements that are `depth` levels below its root, each complete, one at a time.

        Each is emptied when the next one is asked for.
        """
        return _elements(self._archive.chunks(part), depth)

    def title(self) -> str | None:
        """What the document's properties call it."""
        part = self.related("", "core-properties") or self.related("", "coreProperties")
        if part is None:
            return None
        try:
            found = self.root(part).find(CORE_TITLE)
        except NotReadable:
            return None  # the properties are no reason to refuse the document
        return one_line(found.text or "") or None if found is not None else None


def parse_text(text: str) -> Element | None:
    """XML that stands by itself, None where it is damaged, nested too deep or declares entities."""
    try:
        return next(
            _elements(
                iter([text.partition("?>")[2].encode() if text.startswith("<?xml") else text.encode()]), 0
            )
        )
    except NotReadable:
        return None


def _elements(chunks: Iterator[bytes], depth: int) -> Iterator[Element]:
    """Elements that are `depth` levels below the root, one at a time; see `Package.stream`."""
    parser: XMLPullParser[Element] = XMLPullParser(("start", "end"))
    opened: list[Element] = []
    held = 0  # elements since the last one that was handed on
    try:
        for chunk in _usual_namespaces(_without_declarations(chunks)):
            parser.feed(chunk)
            # The stubs allow for what only other events give.
            for event, element in cast("Iterator[tuple[str, Element]]", parser.read_events()):
                if event == "start":
                    opened.append(element)
                    held += 1
                    if len(opened) > _MAX_DEPTH:
                        raise NotReadable(DAMAGED)
                    if held > _MAX_HELD:
                        raise NotReadable(_TOO_LARGE)
                    continue
                opened.pop()
                if len(opened) == depth:
                    yield element
                    held = 0
                    if opened:
                        opened[-1].clear()
        parser.close()
    except (ParseError, LookupError, ValueError):  # the latter two for encodings that there are not
        raise NotReadable(DAMAGED) from None


def value(element: Element | None, name: str, default: str = "") -> str:
    """An attribute by its local name, whatever its namespace."""
    if element is None:
        return default
    for key, text in element.attrib.items():
        if key == name or key.endswith(f"}}{name}"):
            return text
    return default


def integer(text: str, default: int = 0) -> int:
    """A whole number as attributes hold it; the default for anything else."""
    try:
        return int(text)
    except ValueError:
        return default


def is_on(element: Element | None) -> bool:
    """Whether a toggle such as `<w:vanish/>` is there and not switched off."""
    return element is not None and value(element, "val", "true") not in ("0", "false", "off", "none")


def _resolved(folder: str, target: str) -> str:
    """A target as a name in the package: relative to its source's folder, or from the root."""
    path = posixpath.normpath(posixpath.join("/", folder, unquote(target.replace("\\", "/"))))
    return path.lstrip("/")


def _without_declarations(chunks: Iterator[bytes]) -> Iterator[bytes]:
    first = next(chunks, b"")
    if any(declaration in first[:_PROLOGUE] for declaration in _DECLARATIONS):
        raise NotReadable(DAMAGED)
    yield first
    yield from chunks


def _usual_namespaces(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Chunks that end before a tag, with Strict namespaces as their usual ones.

    Whole tags also keep expat fast, which starts anew on one that is not finished.
    """
    waiting: list[bytes] = []
    for chunk in chunks:
        cut = chunk.rfind(b"<")
        if cut < 0:
            waiting.append(chunk)
            continue
        yield _usual(b"".join([*waiting, chunk[:cut]]))
        waiting = [chunk[cut:]]
    yield _usual(b"".join(waiting))


def _usual(data: bytes) -> bytes:
    if _STRICT not in data:
        return data
    return _STRICT_NAMESPACE.sub(lambda match: _NAMESPACES[match[0]], data)
