"""What the contained reader and its parent say to each other, as bytes that can't run code.

Frames of a length and a body. To the child: `Setup` once, then a `Task` and the file's bytes, again and
again. From the child: `Ready` once, then for each task any number of `Progress` and one of `Done`,
`Digested`, `Drawn`, `Refused`, `Failed` or `Lacks`.
"""

from __future__ import annotations

import struct

import msgspec

from mmrag.types import Reading  # noqa: TC001 - msgspec reads the annotations

LENGTH = struct.Struct(">Q")


class Setup(msgspec.Struct, frozen=True):
    """What the child may use, and the limits of its readers."""

    parent: int
    threads: int
    memory_bytes: int
    processor_seconds: float
    max_file_bytes: int
    max_pages: int
    max_image_bytes: int
    max_image_pixels: int
    max_text_chars: int


class Task(msgspec.Struct, frozen=True):
    """What is to be done with the file whose bytes follow: read it, or else only digest its pixels.

    With a `page` above 0: draw that page of it, the `quote` marked.
    """

    name: bytes
    read: bool
    page: int = 0
    quote: str = ""


class Ready(msgspec.Struct, frozen=True, tag=True):
    """The child waits for a document; `measures` are in force."""

    measures: tuple[str, ...]


class Progress(msgspec.Struct, frozen=True, tag=True):
    """Pages that are read, of how many."""

    done: int
    of: int


class Done(msgspec.Struct, frozen=True, tag=True):
    """What stands in the document."""

    reading: Reading


class Digested(msgspec.Struct, frozen=True, tag=True):
    """What tells a picture by its pixels, if anything does."""

    digest: str | None


class Drawn(msgspec.Struct, frozen=True, tag=True):
    """A page as PNG."""

    picture: bytes


class Refused(msgspec.Struct, frozen=True, tag=True):
    """A sentence of NotReadable."""

    reason: str


class Failed(msgspec.Struct, frozen=True, tag=True):
    """An exception that no reader meant; `kind` is its type."""

    kind: str


class Lacks(msgspec.Struct, frozen=True, tag=True):
    """A package that is not installed."""

    package: str


FromChild = Ready | Progress | Done | Digested | Drawn | Refused | Failed | Lacks

SETUP = msgspec.msgpack.Decoder(Setup)
TASK = msgspec.msgpack.Decoder(Task)
FROM_CHILD: msgspec.msgpack.Decoder[FromChild] = msgspec.msgpack.Decoder(FromChild)
encode = msgspec.msgpack.Encoder().encode


def framed(body: bytes) -> bytes:
    """A body with its length."""
    return LENGTH.pack(len(body)) + body
