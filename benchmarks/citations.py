"""Whether quoted words stand on the cited page: many questions over a folder, every citation looked up again.

    python -m benchmarks.citations FOLDER [--questions 2000] [--seed 1]

The documents are added to an engine of their own; each question is made of words of a sentence that stands in
one of them. Then every file is read again by itself, and each citation must be found, character by character,
on the page that it names of the document that it names.
"""

from __future__ import annotations

import argparse
import random
import re
import sys
from contextlib import closing
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from benchmarks.table import Row, add_formats, show
from mmrag.assemble import build_embedder, build_engine, build_reader
from mmrag.config import Settings, load_settings
from mmrag.errors import UserFacingError
from mmrag.types import Question, Source

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mmrag.ports import Embedder, Reader
    from mmrag.types import Answer, Reading

_SENTENCE = re.compile(r"[^.!?。！？\n]{30,300}[.!?。！？]")
_ASKED_WORDS = 8


def check(
    paths: Sequence[Path], *, questions: int, seed: int, home: Path, embedder: Embedder, reader: Reader
) -> tuple[int, list[str]]:
    """The number of citations, and those whose words do not stand where they say."""
    settings = Settings(home=home)
    with build_engine(settings, embedder=embedder, reader=reader) as engine:
        loaders = [partial(_load, path) for path in paths]
        outcomes = list(engine.add_many(loaders, collection="default"))
        added = {
            outcome.document_id: path
            for path, outcome in zip(paths, outcomes, strict=True)
            if not isinstance(outcome, UserFacingError)
        }
        readings = {
            document: reader.read(path.read_bytes(), name=path.name) for document, path in added.items()
        }
        citations, wrong = 0, []
        for text in _questions(readings, count=questions, seed=seed):
            answer = engine.ask(Question(text))
            citations += len(answer.citations)
            wrong += _misplaced(answer, readings, question=text)
        return citations, wrong


def _load(path: Path) -> Source:
    return Source(name=path.name, data=path.read_bytes(), uri=str(path))


def _questions(readings: dict[str, Reading], *, count: int, seed: int) -> list[str]:
    """Of words of sentences, in their order, from all documents alike."""
    rng = random.Random(seed)  # noqa: S311 - seeded, so that a run can be repeated
    sentences = {
        document: [sentence for page in reading.pages for sentence in _SENTENCE.findall(page.text)]
        for document, reading in readings.items()
    }
    documents = [document for document, found in sentences.items() if found]
    questions = []
    for _ in range(count if documents else 0):
        words = rng.choice(sentences[rng.choice(documents)]).split()
        start = rng.randrange(max(1, len(words) - _ASKED_WORDS))
        questions.append(f"What is said of {' '.join(words[start : start + _ASKED_WORDS])}?")
    return questions


def _misplaced(answer: Answer, readings: dict[str, Reading], *, question: str) -> list[str]:
    wrong = []
    for citation in answer.citations:
        reading = readings.get(citation.document_id or "")
        place = f"{citation.title}, page {citation.page}, asked {question!r}"
        if reading is None or not citation.page or citation.page > len(reading.pages):
            wrong.append(f"no such page: {place}")
        elif citation.quote not in reading.pages[citation.page - 1].text:
            wrong.append(f"not on its page: {place}")
    return wrong


def main(arguments: Sequence[str] | None = None) -> int:
    """0 where every quote stands on its page, 1 where one does not."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--questions", type=int, default=2_000)
    parser.add_argument("--seed", type=int, default=1)
    add_formats(parser)
    options = parser.parse_args(arguments)
    paths = sorted(path for path in options.folder.rglob("*") if path.is_file())
    settings = load_settings()
    with TemporaryDirectory() as home, closing(build_reader(settings)) as reader:
        citations, wrong = check(
            paths,
            questions=options.questions,
            seed=options.seed,
            home=Path(home),
            embedder=build_embedder(settings),
            reader=reader,
        )
    for fault in wrong[:20]:
        print(fault, file=sys.stderr)
    share = 1 - len(wrong) / max(1, citations)
    rows = [
        Row("questions", f"{options.questions:,}", options.questions),
        Row("citations", f"{citations:,}", citations),
        Row("of them on their page, word for word", f"{share:.4f}", share, 1.0),
    ]
    print(show(rows, options.format, title=f"citations of {len(paths)} files"))
    return int(bool(wrong) or not citations)


if __name__ == "__main__":
    sys.exit(main())
