"""A ZIP opened within bounds: how many members, how large they unpack, how much is unpacked in all.

Everything is checked against the sizes that the archive declares, before anything is unpacked, and
`zipfile` never unpacks more of a member than it declares. Nothing is written to the disk. It knows
archives, not what is in them.
"""

from __future__ import annotations

import io
import zipfile
import zlib
from contextlib import contextmanager
from typing import TYPE_CHECKING

from mmrag.errors import NotReadable
from mmrag.reading.picture import megabytes

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_MEMBERS = 10_000
MAX_DIRECTORY = 4 * 1024**2  # bytes of the list of members: 10,000 of long names
MAX_UNPACKED = 1024**3  # bytes that all members together declare
MAX_READ = 512 * 1024**2  # bytes that are unpacked of one archive
MAX_RATIO = 300  # repetitive sheets reach 50; zeros reach 1,000
_RATIO_COUNTS = 32 * 1024**2  # bytes: what unpacks to less is no bomb, however well it was packed
_END = b"PK\x05\x06"
_END_SIZE = 22  # bytes of the end record without its comment
_MAX_COMMENT = 65_535
_CHUNK = 256 * 1024
_ENCRYPTED = 0x1
_UTF8_NAME = 0x800
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)

DAMAGED = "This file is damaged and cannot be opened: save it again in its own program and send that."
_PASSWORD = "This file needs a password: remove it and send the file again."  # noqa: S105 - a sentence
_TOO_MANY = f"This file holds more than {MAX_MEMBERS:,} files: send it in parts."
_TOO_LARGE = "This file unpacks to {size}, more than the limit of {limit}: send it in parts."


class Archive:
    """The members of a ZIP. Raises NotReadable where it is damaged or beyond its bounds."""

    def __init__(self, data: bytes) -> None:
        _check_directory(data)
        with _faults_named():
            self._zip = zipfile.ZipFile(io.BytesIO(data))
        if not all(info.filename for info in self._zip.infolist()):
            raise NotReadable(DAMAGED)
        self._members = {_name(info): info for info in self._zip.infolist() if not info.is_dir()}
        self._left = MAX_READ
        self._check()

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the members in their order, with slashes, without folders."""
        return tuple(self._members)

    def __contains__(self, name: str) -> bool:
        return name in self._members

    def size(self, name: str) -> int:
        """The bytes that a member declares to unpack to."""
        return self._members[name].file_size

    def read(self, name: str, *, limit: int) -> bytes:
        """A member whole. Raises NotReadable beyond `limit` bytes, for a password or damage."""
        if self.size(name) > limit:
            raise NotReadable(_TOO_LARGE.format(size=megabytes(self.size(name)), limit=megabytes(limit)))
        return b"".join(self.chunks(name))

    def chunks(self, name: str) -> Iterator[bytes]:
        """A member piece by piece; only what is taken is unpacked."""
        info = self._members[name]
        if info.flag_bits & _ENCRYPTED:
            raise NotReadable(_PASSWORD)
        if info.compress_type not in _METHODS:
            raise NotReadable(DAMAGED)
        with _faults_named(), self._zip.open(info) as member:
            while chunk := member.read(_CHUNK):
                self._left -= len(chunk)
                if self._left < 0:
                    raise NotReadable(_TOO_LARGE.format(size="more", limit=megabytes(MAX_READ)))
                yield chunk

    def _check(self) -> None:
        if len(self._members) > MAX_MEMBERS:
            raise NotReadable(_TOO_MANY)
        unpacked = sum(info.file_size for info in self._members.values())
        packed = sum(info.compress_size for info in self._members.values())
        is_bomb = unpacked > _RATIO_COUNTS and unpacked > MAX_RATIO * max(packed, 1)
        if unpacked > MAX_UNPACKED or is_bomb:
            limit = MAX_UNPACKED if unpacked > MAX_UNPACKED else max(_RATIO_COUNTS, MAX_RATIO * packed)
            raise NotReadable(_TOO_LARGE.format(size=megabytes(unpacked), limit=megabytes(limit)))


def _check_directory(data: bytes) -> None:
    """Before `zipfile` builds an object of each member: 46 bytes make one of 500."""
    found = data.rfind(_END, max(0, len(data) - _END_SIZE - _MAX_COMMENT))
    if found < 0 or len(data) - found < _END_SIZE:
        raise NotReadable(DAMAGED)
    if int.from_bytes(data[found + 12 : found + 16], "little") > MAX_DIRECTORY:
        raise NotReadable(_TOO_MANY)


def _name(info: zipfile.ZipInfo) -> str:
    """A member's name; old Chinese programs write it in GB 18030 without saying so."""
    name = info.filename
    if not info.flag_bits & _UTF8_NAME and not name.isascii():
        raw = name.encode("cp437", errors="replace")
        for encoding in ("utf-8", "gb18030"):
            try:
                return raw.decode(encoding)
            except UnicodeDecodeError:
                continue
    return name


@contextmanager
def _faults_named() -> Iterator[None]:
    """What `zipfile` and zlib raise for damaged bytes, as one sentence.

    Beside what says so by its name: a place before the beginning or a name that is no UTF-8 (ValueError),
    a place beyond what fits an index (OverflowError), a version or an encryption of another time
    (NotImplementedError).
    """
    try:
        yield
    except (zipfile.BadZipFile, zlib.error, EOFError, ValueError, OverflowError, NotImplementedError):
        raise NotReadable(DAMAGED) from None
