"""How well the search finds, on public question sets: plain BM25, our two halves, and both together.

    python -m benchmarks.retrieval_quality --data DIR [--only NAME]... [--cache DIR] [--json | --markdown]

"plain" is rank_bm25's BM25Okapi as it comes, over whole passages (a PDF's pages), words split at
everything that is no letter or digit, without function words (Chinese in character pairs, as it has
no spaces), a follow-up being its last turn twice and the user's turn before it. The others are this
engine: everything is added, everything is asked.
With --cache what was read and embedded is kept there for the next run.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import sqlite3
import sys
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np
from pydantic import TypeAdapter
from rank_bm25 import BM25Okapi

from benchmarks.datasets import DATASETS
from mmrag.assemble import build_embedder, build_engine, build_reader
from mmrag.config import load_settings
from mmrag.evaluation.retrieval import RETRIEVERS, ask_all, index_corpus, quality_of
from mmrag.reading import READING_VERSION
from mmrag.reading.media import binary_type
from mmrag.text.words import HAN, STOP_WORDS
from mmrag.types import Reading

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.datasets import Dataset
    from mmrag.config import Settings
    from mmrag.evaluation.beir import Collection, CorpusRow, QueryRow
    from mmrag.evaluation.retrieval import Quality
    from mmrag.ports import Embedder, PageListener, Reader, Vectors

DEPTH = 10
CUTS = (1, 5, 10)


@dataclass(frozen=True, slots=True)
class Line:
    """One set's figure by one measure, for each way of searching."""

    dataset: str
    measure: str
    documents: int
    queries: int
    figures: dict[str, float]


def measure(
    dataset: Dataset, data: Path, *, settings: Settings, embedder: Embedder, reader: Reader
) -> list[Line]:
    """All figures of one set."""
    with TemporaryDirectory(prefix="mmrag-quality-") as folder:
        collection = dataset.convert(data / dataset.folder).write(Path(folder) / "beir")
        qualities = {"plain": _plain_quality(collection, reader)}
        own = settings.model_copy(update={"home": Path(folder) / "home"})
        with build_engine(own, embedder=embedder, reader=reader) as engine:
            index_corpus(engine, collection.corpus, progress=_silent)
        for mode in ("bm25", "dense", "hybrid"):
            with build_engine(own, embedder=embedder, reader=reader, retrievers=RETRIEVERS[mode]) as engine:
                run = ask_all(engine, collection.answerable, depth=DEPTH, progress=_silent)
            qualities[mode] = quality_of(run.rankings, collection.judgements, ks=CUTS)
    return [
        Line(
            dataset.name,
            name,
            len(collection.corpus),
            len(collection.answerable),
            {way: _figure(quality, name) for way, quality in qualities.items()},
        )
        for name in dataset.measures
    ]


def _figure(quality: Quality, name: str) -> float:
    kind, _, cut = name.partition("@")
    return {"mrr": quality.mrr, "ndcg": quality.ndcg, "hit": quality.hit[int(cut)]}[kind]


def _silent(what: str, done: int, of: int) -> None:
    """One line a set is progress enough."""


# -------------------------------------------------------------------- plain BM25


def _plain_quality(collection: Collection, reader: Reader) -> Quality:
    passages = [(row.id, text) for row in collection.corpus for text in _plain_texts(row, reader)]
    bm25 = BM25Okapi([plain_words(text) for _, text in passages])
    rankings: dict[str, list[str]] = {}
    for query in collection.answerable:
        best_first = np.argsort(-bm25.get_scores(plain_words(_plain_question(query))), kind="stable")
        found = dict.fromkeys(passages[place][0] for place in best_first[: 50 * DEPTH])
        rankings[query.id] = list(found)[:DEPTH]
    return quality_of(rankings, collection.judgements, ks=CUTS)


def _plain_texts(row: CorpusRow, reader: Reader) -> list[str]:
    if row.image is None:
        return [f"{row.title}\n{row.text}"]
    return [page.text for page in reader.read(row.image.read_bytes(), name=row.image.name).pages]


def _plain_question(query: QueryRow) -> str:
    before = [turn.text for turn in query.history if turn.role == "user"][-1:]
    return "\n".join([query.text, query.text, *before] if before else [query.text])


def plain_words(text: str) -> list[str]:
    """Letters and digits, lower case, without function words; Chinese in pairs of characters."""
    found: list[str] = []
    for run in re.findall(f"[{HAN}]+|[^\\W_{HAN}]+", text.lower()):
        is_pairs = re.match(f"[{HAN}]{{2}}", run)
        found += [run[i : i + 2] for i in range(len(run) - 1)] if is_pairs else [run]
    return [word for word in found if word not in STOP_WORDS]


# ------------------------------------------------------ kept from run to run


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


# ----------------------------------------------------------------------- output

WAYS = ("plain", "bm25", "dense", "hybrid")
TEXT_COLUMNS = 2  # set and measure; all others are numbers


def print_lines(lines: Sequence[Line], *, markdown: bool) -> None:
    """A table, for a terminal or for a document."""
    header = ["set", "measure", "documents", "queries", *WAYS]
    rows = [
        [line.dataset, line.measure, f"{line.documents:,}", f"{line.queries:,}", *_cells(line)]
        for line in lines
    ]
    if markdown:
        print("|", " | ".join(header), "|")
        print("|---" * TEXT_COLUMNS + "|---:" * (len(header) - TEXT_COLUMNS) + "|")
        for row in rows:
            print("|", " | ".join(row), "|")
        return
    for column, width in enumerate(max(map(len, cells)) for cells in zip(header, *rows, strict=True)):
        align = str.ljust if column < TEXT_COLUMNS else str.rjust
        for row in (header, *rows):
            row[column] = align(row[column], width)
    for row in (header, *rows):
        print("  ".join(row))


def _cells(line: Line) -> list[str]:
    """A half that found nothing at all has no vote on this language."""
    return [f"{line.figures[way]:.3f}" if line.figures[way] else "–" for way in WAYS]


def main(argv: Sequence[str] | None = None) -> int:
    """Measure the sets that are there."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.retrieval_quality", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument(
        "--data", type=Path, required=True, metavar="DIR", help="the folder of the sets' folders"
    )
    names = [dataset.name for dataset in DATASETS]
    parser.add_argument("--only", action="append", choices=names, metavar="NAME", help=", ".join(names))
    parser.add_argument("--cache", type=Path, metavar="DIR", help="keeps what was read and embedded")
    parser.add_argument("--json", action="store_true", help="a line of JSON for each figure")
    parser.add_argument(
        "--markdown", action="store_true", help="the table as it stands in docs/evaluation.md"
    )
    arguments = parser.parse_args(argv)
    chosen = [dataset for dataset in DATASETS if not arguments.only or dataset.name in arguments.only]
    there = [dataset for dataset in chosen if (arguments.data / dataset.folder).is_dir()]
    if not there:
        print(f"{arguments.data} holds none of the sets: name the folder that holds theirs.", file=sys.stderr)
        return 2
    settings = load_settings()
    embedder, reader = build_embedder(settings), build_reader(settings)
    lines: list[Line] = []
    with ExitStack() as stack:
        if arguments.cache:
            arguments.cache.mkdir(parents=True, exist_ok=True)
            database = stack.enter_context(closing(sqlite3.connect(arguments.cache / "vectors.sqlite3")))
            embedder, reader = (
                KeptVectors(embedder, database),
                KeptReadings(reader, arguments.cache / "readings"),
            )
        for dataset in there:
            print(f"{dataset.name}: {dataset.about} ...", file=sys.stderr)
            measured = measure(dataset, arguments.data, settings=settings, embedder=embedder, reader=reader)
            lines += measured
            if arguments.json:
                print(*(json.dumps(asdict(line)) for line in measured), sep="\n", flush=True)
    if not arguments.json:
        print_lines(lines, markdown=arguments.markdown)
    return 0


if __name__ == "__main__":
    sys.exit(main())
