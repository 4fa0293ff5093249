"""Archives and books: every member read by its own kind, its pages after those of the one before.

What is read inside is read by a function that it is given; how deep archives may lie in each other is
that function's to say. It knows the order of pages and warnings, no format of a member.
"""

from __future__ import annotations

import posixpath
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import unquote

from mmrag.errors import NotReadable
from mmrag.reading import html
from mmrag.reading.media import EPUB, ZIP, is_passed_over
from mmrag.reading.ooxml import CORE_TITLE, Package
from mmrag.reading.page_builder import PageBuilder, followed_by, one_line
from mmrag.types import Reading

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from mmrag.reading.zipped import Archive
    from mmrag.types import Page

    ReadMember = Callable[[bytes, str], Reading]

_MAX_CHAPTER = 16 * 1024**2  # bytes
_SHOWN_FAILURES = 20


def members(archive: Archive) -> Iterator[str]:
    """Names of the members that a person put there: no hidden ones, none that systems leave behind."""
    for name in sorted(archive.names):
        if not any(map(is_passed_over, name.replace("\\", "/").split("/"))):
            yield name


def read_zip(archive: Archive, *, max_bytes: int, max_pages: int, read_member: ReadMember) -> Reading:
    """An archive as one document. Raises NotReadable where none of its members can be read."""
    collected = Collected(max_pages=max_pages)
    for name in members(archive):
        try:
            reading = read_member(archive.read(name, limit=max_bytes), posixpath.basename(name))
        except NotReadable as error:
            collected.fail(name, error)
        else:
            collected.add(name, reading)
    if not collected.pages:
        raise NotReadable(" ".join(collected.warnings) or "This archive is empty: send one with files.")
    return Reading(media_type=ZIP, title=None, pages=tuple(collected.pages), warnings=collected.warnings)


class Collected:
    """Pages of several readings, numbered through, each reading under a heading of its own."""

    def __init__(self, *, max_pages: int, first: Iterable[Page] = ()) -> None:
        self._max_pages = max_pages
        self._warnings: list[str] = []
        self._failures = 0
        self.pages: list[Page] = list(first)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What was left out, and why."""
        more = self._failures - _SHOWN_FAILURES
        return (*self._warnings, *([f"{more} more files were left out."] if more > 0 else []))

    def fail(self, name: str, error: NotReadable) -> None:
        """Name what could not be read."""
        self._failures += 1
        if self._failures <= _SHOWN_FAILURES:
            self._warnings.append(f"{one_line(name)}: {error}")

    def add(self, name: str, reading: Reading) -> None:
        """Append the pages of a file, the first one under its name."""
        if len(self.pages) + len(reading.pages) > self._max_pages:
            self.fail(
                name,
                NotReadable(f"With it there would be more than {self._max_pages} pages: send it by itself."),
            )
            return
        self._warnings.extend(f"{one_line(name)}: {warning}" for warning in reading.warnings)
        for index, page in enumerate(reading.pages):
            shown = page if index else _under(one_line(name), page)
            self.pages.append(replace(shown, number=len(self.pages) + 1))


def _under(title: str, page: Page) -> Page:
    builder = PageBuilder()
    builder.heading(title, level=1)
    return followed_by(builder.build(page.number), page)


def read_epub(archive: Archive, *, max_pages: int) -> Reading:
    """A book's chapters in the order of its spine, a page each; its pictures are not read."""
    package = Package(archive)
    content = (
        next(
            (
                node.get("full-path", "")
                for node in package.root("META-INF/container.xml").iter()
                if node.tag.endswith("}rootfile")
            ),
            "",
        )
        if "META-INF/container.xml" in archive
        else ""
    )
    if content not in archive:
        raise NotReadable("This book is damaged and cannot be opened: send it as PDF.")
    root = package.root(content)
    files = {node.get("id"): node.get("href", "") for node in root.iter() if node.tag.endswith("}item")}
    order = [node.get("idref") for node in root.iter() if node.tag.endswith("}itemref")]
    folder = posixpath.dirname(content)
    chapters = [posixpath.normpath(posixpath.join(folder, unquote(files.get(key, "")))) for key in order]
    pages: list[Page] = []
    for chapter in chapters:
        if chapter not in archive:
            continue
        text = archive.read(chapter, limit=_MAX_CHAPTER).decode("utf-8", errors="replace")
        read = html.read_html(text).pages[0]
        if read.text.strip():
            pages.append(replace(read, number=len(pages) + 1))
        if len(pages) > max_pages:
            raise NotReadable(f"This book has more than {max_pages} chapters: send it in parts.")
    titles = [one_line(node.text or "") for node in root.iter(CORE_TITLE)]
    return Reading(media_type=EPUB, title=titles[0] if titles and titles[0] else None, pages=tuple(pages))
