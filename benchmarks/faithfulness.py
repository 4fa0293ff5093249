"""The grounding check beside published detectors, on people's verdicts about summaries.

A summary counts as unfaithful if an annotator marked a part of it as unwanted. Ours calls it so if
the grounding check drops one of its sentences, given nothing but the source text.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from benchmarks.table import grid
from mmrag.grounding import EvidenceGrounder
from mmrag.text.sentences import sentence_spans
from mmrag.types import Chunk, Claim, Draft, Hit, Prompt

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mmrag.ports import Embedder

FAITHFUL = 0.5  # of detectors that give a score
DETECTORS = ("hhemv1", "hhem-2.1", "hhem-2.1-english", "trueteacher", "true_nli", "gpt-3.5-turbo",
             "gpt-4-turbo", "gpt_4o")  # fmt: skip


def print_detectors(folder: Path, embedder: Embedder, *, markdown: bool) -> None:
    """One row a detector: recall of unfaithful and of faithful summaries, and their mean."""
    samples = [
        sample
        for file in sorted(folder.glob("batch_*.json"))
        for sample in json.loads(file.read_text("utf-8"))["samples"]
    ]
    grounder = EvidenceGrounder(embedder)
    verdicts: dict[str, Callable[[dict[str, Any]], bool | None]] = {
        "mmrag": lambda sample: _is_kept_whole(grounder, sample["source"], sample["summary"])
    }
    verdicts |= {name: lambda sample, name=name: _published(sample, name) for name in DETECTORS}
    header = ["detector", "summaries", "unfaithful found", "faithful passed", "balanced accuracy"]
    rows = []
    for name, verdict in verdicts.items():
        judged = [(said, _is_faithful(sample)) for sample in samples if (said := verdict(sample)) is not None]
        bad = [not said for said, faithful in judged if not faithful]
        good = [said for said, faithful in judged if faithful]
        found, passed = sum(bad) / len(bad), sum(good) / len(good)
        rows.append(
            [name, str(len(judged)), *(f"{share:.2f}" for share in (found, passed, (found + passed) / 2))]
        )
    print(grid(header, rows, texts=1, markdown=markdown))


def _is_faithful(sample: dict[str, Any]) -> bool:
    return not any("Unwanted" in label for note in sample["annotations"] for label in note["label"])


def _published(sample: dict[str, Any], name: str) -> bool | None:
    value = sample["metadata"].get(name)
    return None if value is None else float(value) >= FAITHFUL


def _is_kept_whole(grounder: EvidenceGrounder, source: str, summary: str) -> bool:
    claims = tuple(Claim(summary[start:end]) for start, end in sentence_spans(summary))
    chunk = Chunk(1, "source", 1, 0, len(source), source)
    prompt = Prompt("", (Hit(chunk, "", "source", 1, 1.0, ("bm25",)),))
    return len(grounder.ground(Draft(claims), prompt)) == len(claims)
