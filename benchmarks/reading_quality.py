"""How well the search finds what stands in scans, figures and charts: it is the reading that is measured.

    python -m benchmarks.reading_quality --data DIR [--only pages|charts] [--cache DIR] [--json | --markdown]

"pages": questions about long PDFs, all of whose pages are one collection; found is one of the pages
that the answer stands on. "charts": questions about pictures of charts, read from their pixels;
found is the chart. Pages rank by their best chunk, and a figure is the share of questions with a
right one among the first five.

"bare" is plain BM25 over what comes with the files: the PDFs' text layers, the text that the
charts' authors had recognised. "plain" is the same BM25 over what our readers see. The others are
the engine's halves and both together.
"""

from __future__ import annotations

import argparse
import json
import sys
from ast import literal_eval
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np
import pypdfium2
from rank_bm25 import BM25Okapi

from benchmarks.kept import embedder_and_reader
from benchmarks.retrieval_quality import plain_words
from benchmarks.table import grid
from mmrag.assemble import build_engine
from mmrag.config import load_settings
from mmrag.evaluation.retrieval import RETRIEVERS
from mmrag.reading.picture import PictureFile
from mmrag.types import Question, Source

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from mmrag.config import Settings
    from mmrag.engine import Engine
    from mmrag.ports import Embedder, Reader

    Place = tuple[str, int]  # a file's name and a page's number
    Ranking = Sequence[Place]

DEPTH = 5
COLLECTION = "reading"


@dataclass(frozen=True, slots=True)
class Asked:
    """A question, where its answer stands, and the group that it counts for besides all."""

    text: str
    relevant: frozenset[Place]
    group: str


@dataclass(frozen=True, slots=True)
class Task:
    """Files to be read, what comes with them as text, and what is asked."""

    name: str
    files: Mapping[str, Path]
    bare: Mapping[Place, str]
    questions: tuple[Asked, ...]


@dataclass(frozen=True, slots=True)
class Line:
    """The share of a group's questions that found a right page among the first five."""

    task: str
    group: str
    questions: int
    pages: int
    hit_at_5: dict[str, float]


# ------------------------------------------------------------------- the sets


def pages_of_documents(folder: Path) -> Task:
    """MMLongBench-Doc: questions that some page answers, in documents with and without a text layer."""
    files = {path.name: path for path in sorted((folder / "data" / "documents").glob("*.pdf"))}
    bare = {(name, number): text for name, path in files.items() for number, text in _text_layer(path)}
    with_text = {name for (name, _), text in bare.items() if text.strip()}
    questions = tuple(
        Asked(
            row["question"],
            frozenset((row["doc_id"], number) for number in literal_eval(row["evidence_pages"])),
            "documents with text" if row["doc_id"] in with_text else "image-only documents",
        )
        for row in json.loads((folder / "data" / "samples.dev.json").read_text("utf-8"))
        if literal_eval(row["evidence_pages"])
    )
    return Task("pages", files, bare, questions)


def _text_layer(path: Path) -> list[tuple[int, str]]:
    with closing(pypdfium2.PdfDocument(path)) as pdf:
        return [(number, page.get_textpage().get_text_range()) for number, page in enumerate(pdf, start=1)]


def charts(folder: Path) -> Task:
    """OpenCQA: questions about charts. The same pixels are one chart, however often they were published."""
    rows = json.loads((folder / "val300.json").read_text("utf-8"))
    files: dict[str, Path] = {}
    first: dict[str, str] = {}  # the name of each picture
    bare: dict[Place, str] = {}
    questions = []
    for id_, (image, _, _, question, *_) in rows.items():
        path = folder / "chart_images" / image
        picture = PictureFile(path.read_bytes(), max_bytes=1 << 30, max_pixels=1 << 30)
        name = first.setdefault(picture.pixel_digest() or image, image)
        if name == image:
            files[name] = path
            words = json.loads((folder / "bboxes" / f"{id_}.json").read_text("utf-8"))
            bare[name, 1] = " ".join(str(word["sentence"]) for word in words)
        questions.append(Asked(question, frozenset({(name, 1)}), "charts"))
    return Task("charts", files, bare, tuple(questions))


TASKS: dict[str, tuple[str, Callable[[Path], Task]]] = {
    "pages": ("mmlongbench_dev", pages_of_documents),
    "charts": ("opencqa_dev", charts),
}

# ---------------------------------------------------------------- measurement


def measure(task: Task, *, settings: Settings, embedder: Embedder, reader: Reader) -> list[Line]:
    """Every way of searching, for all questions and for each group."""
    read = _pages_read(task, reader)
    rankings = {"bare": _plain_rankings(task, task.bare), "plain": _plain_rankings(task, read)}
    with TemporaryDirectory(prefix="mmrag-reading-") as folder:
        own = settings.model_copy(update={"home": Path(folder)})
        with build_engine(own, embedder=embedder, reader=reader) as engine:
            for name, path in task.files.items():
                source = Source(name=name, data=path.read_bytes(), uri=f"file:{name}")
                engine.add(source, collection=COLLECTION)
        for mode in ("bm25", "dense", "hybrid"):
            with build_engine(own, embedder=embedder, reader=reader, retrievers=RETRIEVERS[mode]) as engine:
                rankings[mode] = [_ranking(engine, asked.text) for asked in task.questions]
    groups = sorted({asked.group for asked in task.questions})
    return [
        Line(
            task.name,
            group,
            sum(asked.group in (group, group or asked.group) for asked in task.questions),
            len(task.bare),
            {way: _hit_rate(task.questions, ranking, group) for way, ranking in rankings.items()},
        )
        for group in (groups if len(groups) == 1 else ("", *groups))
    ]


def _hit_rate(questions: Sequence[Asked], rankings: Sequence[Ranking], group: str) -> float:
    """Of the questions of a group, of all for "": the share with a relevant page among the first."""
    found = [
        not asked.relevant.isdisjoint(ranking[:DEPTH])
        for asked, ranking in zip(questions, rankings, strict=True)
        if group in ("", asked.group)
    ]
    return float(np.mean(found))


def _pages_read(task: Task, reader: Reader) -> dict[Place, str]:
    texts: dict[Place, str] = {}
    for count, (name, path) in enumerate(task.files.items(), start=1):
        print(f"\rread {count} of {len(task.files)}", end="", file=sys.stderr, flush=True)
        for page in reader.read(path.read_bytes(), name=name).pages:
            texts[name, page.number] = page.text
    print(file=sys.stderr)
    return texts


def _plain_rankings(task: Task, texts: Mapping[Place, str]) -> list[Ranking]:
    """The pages that share a word with the question, by BM25Okapi as it comes."""
    places = list(texts)
    bm25 = BM25Okapi([plain_words(text) for text in texts.values()])
    rankings: list[Ranking] = []
    for asked in task.questions:
        scores = bm25.get_scores(plain_words(asked.text))
        best = np.argsort(-scores, kind="stable")[:DEPTH]
        rankings.append([places[index] for index in best if scores[index] > 0])
    return rankings


def _ranking(engine: Engine, text: str) -> Ranking:
    """The first pages by their best chunk; looks deeper while chunks of one page take up the places."""
    k = DEPTH
    while True:
        hits = engine.search(Question(text, collections=(COLLECTION,)), k=k).hits
        pages = list(dict.fromkeys((hit.uri.removeprefix("file:"), hit.chunk.page) for hit in hits))
        if len(pages) >= DEPTH or len(hits) < k:
            return pages[:DEPTH]
        k *= 2


# ----------------------------------------------------------------------- output

WAYS = ("bare", "plain", "bm25", "dense", "hybrid")


def print_lines(lines: Sequence[Line], *, markdown: bool) -> None:
    """A table, for a terminal or for a document."""
    header = ["set", "questions about", "questions", "pages", *WAYS]
    rows = [
        [
            line.task,
            line.group or "all",
            f"{line.questions:,}",
            f"{line.pages:,}",
            *(f"{line.hit_at_5[way]:.3f}" for way in WAYS),
        ]
        for line in lines
    ]
    print(grid(header, rows, texts=2, markdown=markdown))


def main(argv: Sequence[str] | None = None) -> int:
    """Measure the sets that are there."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.reading_quality", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument(
        "--data", type=Path, required=True, metavar="DIR", help="the folder of the sets' folders"
    )
    parser.add_argument("--only", choices=tuple(TASKS), help="one of the sets")
    parser.add_argument("--cache", type=Path, metavar="DIR", help="keeps what was read and embedded")
    parser.add_argument("--json", action="store_true", help="a line of JSON for each figure")
    parser.add_argument("--markdown", action="store_true", help="the table as it stands in docs/pictures.md")
    arguments = parser.parse_args(argv)
    there = [
        partial(load, arguments.data / folder)
        for name, (folder, load) in TASKS.items()
        if arguments.only in (None, name) and (arguments.data / folder).is_dir()
    ]
    if not there:
        print(f"{arguments.data} holds none of the sets: name the folder that holds theirs.", file=sys.stderr)
        return 2
    settings = load_settings()
    lines: list[Line] = []
    with ExitStack() as stack:
        # The engine reads the files again: without --cache, what was read is kept for this run.
        cache = arguments.cache or Path(stack.enter_context(TemporaryDirectory(prefix="mmrag-readings-")))
        embedder, reader = stack.enter_context(embedder_and_reader(settings, cache))
        for load in there:
            measured = measure(load(), settings=settings, embedder=embedder, reader=reader)
            lines += measured
            if arguments.json:
                print(*(json.dumps(asdict(line)) for line in measured), sep="\n", flush=True)
    if not arguments.json:
        print_lines(lines, markdown=arguments.markdown)
    return 0


if __name__ == "__main__":
    sys.exit(main())
