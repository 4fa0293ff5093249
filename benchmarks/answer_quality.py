"""How the engine answers public question sets: abstention, right answers, grounding, numbers.

    python -m benchmarks.answer_quality --data DIR [--only NAME]... [--cache DIR] [--answers FILE]
                                        [--json | --markdown]

One row a set and language, and under it the same figures for its two halves: thresholds were chosen
on the questions of `development` (six in ten, by a hash of the question); `held out` are the others.
With --cache what was read and embedded is kept there for the next run; --answers writes every
question with its answer and quotes, for reading.
"""

from __future__ import annotations

import argparse
import json
import sys
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.answer_sets import SETS, sampled
from benchmarks.faithfulness import print_detectors
from benchmarks.kept import embedder_and_reader
from benchmarks.table import grid
from mmrag.config import load_settings
from mmrag.evaluation.answers import AnswersReport, evaluate, fingerprint

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.answer_sets import AnswerSet
    from mmrag.evaluation.answers import Judged

DEVELOPMENT = 60  # of a hundred questions
COLUMNS = (
    "questions", "answered", "refused", "balanced", "right", "right of answered", "numbers right",
    "numbers wrong", "sentences", "supported", "citation precision", "stray numbers",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Line:
    """A set's figures in one language, or those of a part of it."""

    dataset: str
    language: str
    part: str
    figures: dict[str, Any]


def lines_of(chosen: AnswerSet, report: AnswersReport) -> list[Line]:
    """The whole set, and its halves."""
    developed = [one for one in report.judged if fingerprint(one.row) < DEVELOPMENT]
    held_out = [one for one in report.judged if fingerprint(one.row) >= DEVELOPMENT]
    parts = {"all": list(report.judged), "development": developed, "held out": held_out}
    return [
        Line(chosen.name, chosen.language, part, AnswersReport(tuple(judged), ()).to_json())
        for part, judged in parts.items()
        if judged
    ]


def _cells(line: Line) -> list[str]:
    figures, abstention, numeric = line.figures, line.figures["abstention"], line.figures["numeric"]
    shares = (
        abstention["answerable_answered"], abstention["unanswerable_refused"],
        abstention["balanced_accuracy"], figures["right"], figures["right_of_answered"], numeric["right"],
        numeric["wrong"],
    )  # fmt: skip
    return [
        f"{line.dataset} ({line.language})",
        line.part,
        str(figures["questions"]),
        *map(_share, shares),
        str(figures["sentences"]),
        _share(figures["grounding"]),
        _share(figures["citation_precision"]),
        str(figures["number_errors"]),
    ]


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def print_lines(lines: Sequence[Line], *, markdown: bool) -> None:
    """A table, for a terminal or for a document."""
    header = ["set", "part", *COLUMNS]
    rows = [_cells(line) for line in lines]
    print(grid(header, rows, texts=2, markdown=markdown))


def _readable(chosen: AnswerSet, one: Judged) -> dict[str, Any]:
    return {
        "set": f"{chosen.name}-{chosen.language}",
        "question": one.row.question,
        "history": [turn.text for turn in one.row.history],
        "images": [image.name for image in one.row.images],
        "expected": one.row.expected,
        "answer": one.answer.text,
        "abstained": one.answer.abstained,
        "right": one.right,
        "wrong_number": one.wrong_number,
        "sentences": [asdict(sentence) for sentence in one.sentences],
        "quotes": [f"[{c.marker}] {c.title}: {c.quote}" for c in one.answer.citations],
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Measure the sets that are there."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.answer_quality", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument(
        "--data", type=Path, required=True, metavar="DIR", help="the folder of the sets' folders"
    )
    names = [*dict.fromkeys(one.name for one in SETS), "faithbench"]
    parser.add_argument("--only", action="append", choices=names, metavar="NAME", help=", ".join(names))
    parser.add_argument("--most", type=int, metavar="N", help="ask at most so many questions of a set")
    parser.add_argument("--cache", type=Path, metavar="DIR", help="keeps what was read and embedded")
    parser.add_argument(
        "--answers", type=Path, metavar="FILE", help="writes the answers, a line of JSON each"
    )
    parser.add_argument("--json", action="store_true", help="a line of JSON for each row")
    parser.add_argument("--markdown", action="store_true", help="the table as it stands in docs/answers.md")
    arguments = parser.parse_args(argv)
    wanted = arguments.only or names
    chosen = [one for one in SETS if one.name in wanted and (arguments.data / one.folder).is_dir()]
    judges = "faithbench" in wanted and (arguments.data / "faithbench_dev").is_dir()
    if not chosen and not judges:
        print(f"{arguments.data} holds none of the sets: name the folder that holds theirs.", file=sys.stderr)
        return 2
    settings = load_settings()
    lines: list[Line] = []
    with ExitStack() as stack:
        embedder, reader = stack.enter_context(embedder_and_reader(settings, arguments.cache))
        read = (
            stack.enter_context(arguments.answers.open("w", encoding="utf-8")) if arguments.answers else None
        )
        for one in chosen:
            print(f"{one.name} ({one.language}): {one.about} ...", file=sys.stderr)
            rows = sampled(one.rows(arguments.data / one.folder), arguments.most or one.most)
            report = evaluate(rows, settings=settings, embedder=embedder, reader=reader)
            measured = lines_of(one, report)
            lines += measured
            if read:
                for judged in report.judged:
                    print(json.dumps(_readable(one, judged), ensure_ascii=False), file=read, flush=True)
            if arguments.json:
                for line in measured:
                    print(json.dumps(asdict(line)), flush=True)
        if lines and not arguments.json:
            print_lines(lines, markdown=arguments.markdown)
        if judges:
            print_detectors(arguments.data / "faithbench_dev", embedder, markdown=arguments.markdown)
    return 0


if __name__ == "__main__":
    sys.exit(main())
