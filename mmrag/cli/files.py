"""Files and folders that were named on the command line."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING
from urllib.parse import quote

from mmrag.errors import NotReadable
from mmrag.reading.media import is_passed_over
from mmrag.types import Source

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from mmrag.reading.zipped import Archive

_ZIP = b"PK"


@dataclass(frozen=True, slots=True)
class Item:
    """A file to add, or a member of a ZIP: each is a document of its own."""

    file: Path
    member: str | None = None
    size: int = 0  # bytes to read, for the progress shown; 0 where they can't be told

    @property
    def path(self) -> Path:
        """How it is shown: a member as if its archive were a folder."""
        return self.file if self.member is None else self.file / self.member

    def source(self, *, limit: int) -> Source:
        """Its bytes. Raises NotReadable with the reason."""
        uri = self.file.resolve().as_uri()
        if self.member is None:
            return Source(name=self.file.name, data=read_file(self.file, limit=limit), uri=uri)
        data = _archive(self.file, limit).read(self.member, limit=limit)
        return Source(name=self.path.name, data=data, uri=f"{uri}#{quote(self.member)}")


def items_below(path: Path, *, limit: int) -> Iterator[Item]:
    """What is to be added of a file or folder; of a ZIP that is no document by itself, its members."""
    for file in files_below(path):
        yield from _members(file, limit) or [Item(file, size=_file_bytes(file))]


def _members(file: Path, limit: int) -> list[Item]:
    """Members of a plain ZIP; none for anything else, which says itself what is wrong with it.

    Opened in this process, since each becomes a source of its own: `zipfile` runs no foreign code and
    `Archive` bounds what zlib unpacks. What a member holds is read in a child.
    """
    from mmrag.reading import containers, media, packages  # noqa: PLC0415 - only for ZIP files

    try:
        with file.open("rb") as opened:
            if opened.read(2) != _ZIP:
                return []
        archive = _archive(file, limit)
        if packages.zip_type(archive) != media.ZIP:
            return []
        return [Item(file, name, archive.size(name)) for name in containers.members(archive)]
    except (OSError, NotReadable):
        return []


@lru_cache(maxsize=1)  # its members come one after the other
def _archive(file: Path, limit: int) -> Archive:
    from mmrag.reading.zipped import Archive  # noqa: PLC0415 - only for ZIP files

    return Archive(read_file(file, limit=limit))


def files_below(path: Path) -> Iterator[Path]:
    """The file itself, or every file of a folder in order; hidden ones and locks are passed over.

    What is neither is yielded too, so that reading it names the reason.
    """
    if not path.is_dir():
        yield path
        return
    for child in sorted(path.iterdir()):
        if not is_passed_over(child.name):
            yield from files_below(child)


def read_file(path: Path, *, limit: int) -> bytes:
    """The bytes of a file of at most `limit` bytes. Raises NotReadable with the reason."""
    try:
        if not path.exists():
            raise NotReadable(f"{path} is not there: check the path.")
        if not path.is_file():
            raise NotReadable(f"{path} is not a file.")
        size = path.stat().st_size
        if size > limit:
            raise NotReadable(
                f"{path} has {size:,} bytes and at most {limit:,} are read: split it, or raise "
                "MMRAG_MAX_FILE_BYTES."
            )
        return path.read_bytes()
    except OSError as error:
        raise NotReadable(f"{path} could not be read: {error.strerror}.") from None


def _file_bytes(path: Path) -> int:
    """The size of a file; 0 where there is none to be had."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


def folder_bytes(folder: Path) -> int:
    """The size of all files of a folder together; of what goes meanwhile, nothing."""
    return sum(_file_bytes(path) for path in folder.rglob("*") if path.is_file())
