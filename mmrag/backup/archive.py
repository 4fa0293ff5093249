"""The file of a backup: a plain tar; the manifest first, then each file that it names, in its order.

Nothing in it is believed before it was checked: names stay below the folder that is restored into,
and a single bit that is off is found by SHA-256.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from mmrag.errors import NotReadable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

FORMAT = 1

_MANIFEST = "manifest.json"
_LONGEST_MANIFEST = 64 * 2**20  # bytes
_BLOCK = 2**20  # bytes
# What tarfile raises over bytes that are no tar; its checks are its own, and not complete.
_NO_TAR = (
    tarfile.TarError,
    OSError,
    EOFError,
    ValueError,
    TypeError,
    KeyError,
    AttributeError,
    OverflowError,
    RecursionError,
)


@dataclass(frozen=True, slots=True)
class Entry:
    """A file of the data folder: its name with `/` between folders, its size, its SHA-256 in hex."""

    name: str
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a backup holds, which version made it, and when (UTC, ISO 8601)."""

    format: int
    version: str
    created: str
    entries: tuple[Entry, ...]


class _Damaged(Exception):
    """Its text says what is off, without a name from the file."""


def write(path: Path, manifest: Manifest, content: Callable[[Entry], Path]) -> None:
    """Write a new file that only its owner may read; `content` is where an entry's bytes lie.

    On disk when it returns. Raises OSError, and ValueError where an entry is not what it says.
    """
    body = asdict(manifest)
    sealed = json.dumps({"sha256": _seal(body), "body": body}).encode()
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar:
            _add_bytes(tar, _MANIFEST, sealed)
            for entry in manifest.entries:
                with content(entry).open("rb") as source:
                    tar.addfile(_header(entry.name, entry.bytes), source)
        file.flush()
        os.fsync(file.fileno())
        # What is read next comes from the disk, not from memory.
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def verify(path: Path) -> Manifest:
    """Read every byte. Raises NotReadable unless it is a whole backup that this version can restore."""
    return unpack(path, into=lambda _entry: None)


def unpack(path: Path, *, into: Callable[[Entry], Path | None]) -> Manifest:
    """Write each file where `into` says, which only its owner may read; on disk when this returns.

    Raises NotReadable as `verify`, perhaps after some files were written, and OSError where the disk
    refuses.
    """
    with _opened(path) as tar:
        manifest = _manifest(tar)
        for entry in manifest.entries:
            member = tar.next()
            if member is None or member.name != entry.name or member.size != entry.bytes:
                raise _Damaged("a file is missing or in another's place")
            target = into(entry)
            with _source(tar, member) as source:
                found = _checksum(source) if target is None else _copy(source, target)
            if found != entry.sha256:
                raise _Damaged("a file's checksum is wrong")
        if tar.next() is not None:
            raise _Damaged("there is more in it than it says")
    return manifest


@contextmanager
def _opened(path: Path) -> Iterator[tarfile.TarFile]:
    """What is off about the file as a sentence for a person; faults of other files pass through."""
    try:
        file = path.open("rb")
    except OSError as error:
        raise NotReadable(f"{path} could not be opened: {error.strerror}.") from None
    with file:
        try:
            try:
                with tarfile.open(fileobj=file, mode="r:") as tar:
                    yield tar
            except _WritingFailed as error:
                raise error.cause from None
            except _NO_TAR:
                raise _Damaged("it is no tar, or cut short") from None
        except _Damaged as error:
            raise NotReadable(
                f"{path} is not a sound backup of mmrag ({error}): nothing was changed; take another one."
            ) from None


def _manifest(tar: tarfile.TarFile) -> Manifest:
    member = tar.next()
    if member is None or member.name != _MANIFEST or member.size > _LONGEST_MANIFEST:
        raise _Damaged("its list of files is missing")
    with _source(tar, member) as source:
        sealed = json.loads(source.read())
    body: dict[str, Any] = sealed["body"]
    if sealed["sha256"] != _seal(body):
        raise _Damaged("its list of files was changed")
    if body["format"] != FORMAT:
        raise NotReadable("This backup was made by a newer version of mmrag: upgrade mmrag to restore it.")
    entries = tuple(Entry(**entry) for entry in body.pop("entries"))
    if len({entry.name for entry in entries}) < len(entries) or not all(map(_is_safe, entries)):
        raise _Damaged("it names a place outside of the data folder")
    return Manifest(**body, entries=entries)


def _is_safe(entry: Entry) -> bool:
    """Whether its name is a plain path below the data folder, and its size one."""
    parts = entry.name.split("/")
    plain = not {"", ".", ".."} & set(parts) and "\0" not in entry.name and "\\" not in entry.name
    return plain and str(PurePosixPath(entry.name)) == entry.name and entry.bytes >= 0


def _source(tar: tarfile.TarFile, member: tarfile.TarInfo) -> Any:  # noqa: ANN401 - tarfile's reader; IO[bytes]
    if not member.isreg():
        raise _Damaged("it holds something that is no file")
    return tar.extractfile(member)


class _WritingFailed(Exception):
    """The disk refuses, which is not the archive's fault."""

    def __init__(self, cause: OSError) -> None:
        super().__init__()
        self.cause = cause


@contextmanager
def _writing() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise _WritingFailed(error) from None


def _copy(source: io.BufferedReader, target: Path) -> str:
    digest = hashlib.sha256()
    with _writing():
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb", buffering=0) as file:
        while block := source.read(_BLOCK):
            digest.update(block)
            with _writing():
                _write_all(file.fileno(), block)
        with _writing():
            os.fsync(file.fileno())
    return digest.hexdigest()


def _write_all(descriptor: int, block: bytes) -> None:
    rest = memoryview(block)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _add_bytes(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    tar.addfile(_header(name, len(content)), io.BytesIO(content))


def _header(name: str, size: int) -> tarfile.TarInfo:
    """A member that says nothing of who made it, and that only its owner may read."""
    header = tarfile.TarInfo(name)
    header.size, header.mode = size, 0o600
    return header


def _seal(body: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


def entry_of(name: str, path: Path) -> Entry:
    """The entry of a file as it is now. Raises OSError."""
    with path.open("rb") as file:
        return Entry(name, os.fstat(file.fileno()).st_size, _checksum(file))


def _checksum(source: io.BufferedReader) -> str:
    return hashlib.file_digest(source, "sha256").hexdigest()
