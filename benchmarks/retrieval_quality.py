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
import json
import re
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np
from rank_bm25 import BM25Okapi

from benchmarks.datasets import DATASETS
from benchmarks.kept import embedder_and_reader
from benchmarks.table import grid
from mmrag.assemble import build_engine
from mmrag.config import load_settings
from mmrag.evaluation.progress import silent
from mmrag.evaluation.retrieval import RETRIEVERS, ask_all, index_corpus, quality_of
from mmrag.text.words import HAN, STOP_WORDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.datasets import Dataset
    from mmrag.config import Settings
    from mmrag.evaluation.beir import Collection, CorpusRow, QueryRow
    from mmrag.evaluation.retrieval import Quality
    from mmrag.ports import Embedder, Reader

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
            index_corpus(engine, collection.corpus, progress=silent)
        for mode in ("bm25", "dense", "hybrid"):
            with build_engine(own, embedder=embedder, reader=reader, retrievers=RETRIEVERS[mode]) as engine:
                run = ask_all(engine, collection.answerable, depth=DEPTH, progress=silent)
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


# ----------------------------------------------------------------------- output

WAYS = ("plain", "bm25", "dense", "hybrid")


def print_lines(lines: Sequence[Line], *, markdown: bool) -> None:
    """A table, for a terminal or for a document."""
    header = ["set", "measure", "documents", "queries", *WAYS]
    rows = [
        [line.dataset, line.measure, f"{line.documents:,}", f"{line.queries:,}", *_cells(line)]
        for line in lines
    ]
    print(grid(header, rows, texts=2, markdown=markdown))


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
    lines: list[Line] = []
    with embedder_and_reader(settings, arguments.cache) as (embedder, reader):
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
