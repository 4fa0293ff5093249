"""What was read and embedded, kept from run to run: a change of the ranking is then measured in minutes."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from contextlib import ExitStack, closing, contextmanager
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

import numpy as np
from pydantic import TypeAdapter

from mmrag.assemble import build_embedder, build_reader
from mmrag.reading import READING_VERSION
from mmrag.reading.media import binary_type
from mmrag.types import Reading

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from mmrag.config import Settings
    from mmrag.ports import Embedder, PageListener, Reader, Vectors


@contextmanager
def embedder_and_reader(settings: Settings, folder: Path | None) -> Iterator[tuple[Embedder, Reader]]:
    """Those of the settings; with a folder, what they did in an earlier run comes from there."""
    with ExitStack() as stack:
        embedder = build_embedder(settings)
        reader = stack.enter_context(closing(build_reader(settings)))
        if folder is None:
            yield embedder, reader
            return
        folder.mkdir(parents=True, exist_ok=True)
        # The engine embeds in whichever thread it is asked.
        database = sqlite3.connect(folder / "vectors.sqlite3", check_same_thread=False)
        stack.enter_context(closing(database))
        yield KeptVectors(embedder, database), KeptReadings(reader, folder / "readings")


class KeptVectors:
    """An embedder that remembers. Its vectors are those of `embedder`, by its name and the text."""

    def __init__(self, embedder: Embedder, database: sqlite3.Connection) -> None:
        self._embedder = embedder
        self._database = database
        self.name = embedder.name
        self.dimension = embedder.dimension
        self.understands = embedder.understands
        self.count_tokens = embedder.count_tokens
        database.execute(
            "CREATE TABLE IF NOT EXISTS vectors (key BLOB PRIMARY KEY, vector BLOB) WITHOUT ROWID"
        )

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        return self._embed("document", texts)

    def embed_queries(self, texts: Sequence[str]) -> Vectors:
        return self._embed("query", texts)

    def _embed(self, kind: str, texts: Sequence[str]) -> Vectors:
        keys = [self._key(kind, text) for text in texts]
        known = {key: vector for key in keys if (vector := self._kept(key)) is not None}
        missing = {key: text for key, text in zip(keys, texts, strict=True) if key not in known}
        if missing:
            embed = self._embedder.embed_documents if kind == "document" else self._embedder.embed_queries
            known |= zip(missing, embed(list(missing.values())), strict=True)
            rows = [(key, known[key].tobytes()) for key in missing]
            self._database.executemany("INSERT OR REPLACE INTO vectors VALUES (?, ?)", rows)
            self._database.commit()
        return np.array([known[key] for key in keys], dtype=np.float32).reshape(-1, self.dimension)

    def _kept(self, key: bytes) -> Vectors | None:
        row = self._database.execute("SELECT vector FROM vectors WHERE key = ?", (key,)).fetchone()
        return np.frombuffer(row[0], dtype=np.float32) if row else None

    def _key(self, kind: str, text: str) -> bytes:
        return hashlib.blake2b(f"{self.name}\0{kind}\0{text}".encode(), digest_size=16).digest()


class KeptReadings:
    """A reader that remembers, without the pictures: PDFs and OCR take minutes."""

    def __init__(self, reader: Reader, folder: Path) -> None:
        self._reader = reader
        self._folder = folder
        self._json = TypeAdapter(Reading)

    def pixel_digest(self, data: bytes) -> str | None:
        return self._reader.pixel_digest(data)

    def read(self, data: bytes, *, name: str, progress: PageListener | None = None) -> Reading:
        if binary_type(data) is None:
            return self._reader.read(data, name=name, progress=progress)
        kept = self._folder / f"{hashlib.blake2b(data, digest_size=16).hexdigest()}.{READING_VERSION}.json"
        if not kept.exists():
            kept.parent.mkdir(parents=True, exist_ok=True)
            reading = _without_pictures(self._reader.read(data, name=name, progress=progress))
            kept.write_text(json.dumps(asdict(reading), ensure_ascii=False), encoding="utf-8")
        return self._json.validate_json(kept.read_bytes())


def _without_pictures(reading: Reading) -> Reading:
    pages = (
        replace(page, figures=tuple(replace(figure, image=None) for figure in page.figures))
        for page in reading.pages
    )
    return replace(reading, pages=tuple(pages))
