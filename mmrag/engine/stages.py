"""The parts an engine is built from, and the bounds of one request."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mmrag.errors import InvalidInput

if TYPE_CHECKING:
    from pathlib import Path

    from mmrag.links import PageLinks
    from mmrag.ports import AnswerCache, Chunker, Embedder, Generator, Grounder, Reader, Retriever, Store

COLLECTION_NAME = re.compile(r"[\w.:@-]{1,200}")


@dataclass(frozen=True, slots=True)
class Limits:
    """What one request may ask of the engine; `readers` sources are read at a time."""

    question_chars: int
    attachments: int
    readers: int


@dataclass(frozen=True, slots=True)
class Stages:
    """The parts an engine is built from.

    `reading_version` changes when the same bytes would be read or cut differently, by a model, too;
    `generator_reason` says why this generator was chosen, and `fallback` answers where it cannot;
    `flights` is where processes on one data folder keep from doing the same work, None where there is
    but one; `keep_originals` keeps each file beside what is read of it; `links` opens what is cited.
    """

    store: Store
    cache: AnswerCache
    reader: Reader
    chunker: Chunker
    embedder: Embedder
    retriever: Retriever
    generator: Generator
    grounder: Grounder
    reading_version: str
    generator_reason: str
    flights: Path | None
    links: PageLinks
    fallback: Generator | None = None
    keep_originals: bool = False


def check_collection(name: str) -> None:
    """Raise InvalidInput unless this can name a collection."""
    if not COLLECTION_NAME.fullmatch(name):
        raise InvalidInput(
            f"{name[:60]!r} is no collection name: use 1 to 200 letters, digits and the signs . : @ _ -"
        )
