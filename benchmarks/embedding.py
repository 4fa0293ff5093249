"""How fast each way to run an embedding model is here, and how near it stays to fp32 PyTorch.

    python benchmarks/embedding.py [--model NAME_OR_FOLDER] [--threads N] [--texts N] [--rounds N] [--json]

One run, the ways interleaved, on text that the script makes itself; the fastest of all rounds counts.
`sentence-transformers` is its own `encode` in fp32, batches of 32. CPU time is what a busy machine
disturbs least. A start is a new process that embeds one question.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from mmrag.retrieval.embedding.conversion import conversion_of
from mmrag.retrieval.embedding.embedder import SentenceTransformerEmbedder
from mmrag.retrieval.embedding.model import DEFAULT_MODEL, ModelFolder, find_model
from mmrag.retrieval.embedding.openvino_runtime import OpenVinoRuntime
from mmrag.retrieval.embedding.torch_runtime import TorchRuntime, load, load_on_gpu, lowest_cosine

WORDS = (
    "the of and a to in for is on that with refund policy leave days week month year device ticket support "
    "target revenue customer returned paid inspected delivery battery warranty office Monday manager report "
    "quality order number 42 2025 3.5 ERR-4042 handbook travel expense hotel invoice security password "
    "meeting hiring training"
).split()
QUESTION_WORDS = (5, 14)
CHUNK_WORDS = (60, 140)

START = """
import sys, time
start = time.perf_counter()
from pathlib import Path
from mmrag.retrieval.embedding.embedder import SentenceTransformerEmbedder
embedder = SentenceTransformerEmbedder(
    sys.argv[1], models=Path(sys.argv[2]), threads=int(sys.argv[3]), runtime=sys.argv[4]
)
embedder.embed_queries(["How many days of leave do we have?"])
print(time.perf_counter() - start)
"""

Embed = Callable[[list[str]], np.ndarray]


@dataclass
class Row:
    """One way to run the model. `cosine` is the lowest to sentence-transformers over all texts."""

    way: str
    chunks_per_second: float = 0.0
    cpu_ms_per_chunk: float = float("inf")
    question_ms: float = float("inf")
    cosine: float = 1.0
    questions: list[float] = field(default_factory=list, repr=False)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model", default=DEFAULT_MODEL, help="as the setting embedding_model")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--texts", type=int, default=64, help="chunks a round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    model = find_model(arguments.model)
    with tempfile.TemporaryDirectory() as folder:
        models = Path(folder) / "models"
        rows = compare(ways_of(model, models, arguments.threads), arguments.texts, arguments.rounds)
        chosen = SentenceTransformerEmbedder(model.reference, models=models, threads=arguments.threads)
        reason = chosen.runtime_reason
        starts = {way: start(model, models, arguments.threads, way) for way in ("torch", "auto")}
    report = {
        "model": model.name,
        "threads": arguments.threads,
        "texts": arguments.texts,
        "rows": [{key: value for key, value in asdict(row).items() if key != "questions"} for row in rows],
        "chosen": reason,
        "start_seconds": starts,
    }
    sys.stdout.write(json.dumps(report, indent=1) + "\n" if arguments.json else table(report))


def ways_of(model: ModelFolder, models: Path, threads: int) -> dict[str, Embed]:
    """Each way as a function from texts to vectors; sentence-transformers first."""
    loaded = load(model, device="cpu", threads=threads)
    prompt = model.prompts.document

    def plain(texts: list[str]) -> np.ndarray:
        return loaded.encode(texts, prompt=prompt, normalize_embeddings=True, show_progress_bar=False)

    ways: dict[str, Embed] = {"sentence-transformers": plain}
    runtimes: dict[str, TorchRuntime | OpenVinoRuntime] = {
        "torch f32": TorchRuntime(loaded, model, reason="")
    }
    on_gpu = load_on_gpu(model, threads=threads)
    if on_gpu is not None:
        runtimes[on_gpu.reason] = on_gpu
    conversion = conversion_of(model, models / model.name / "openvino", threads=threads)
    for way in (measured.way for measured in conversion.verdict.measured):
        if way.startswith("openvino"):
            runtimes[way] = OpenVinoRuntime(
                conversion.folder,
                prompts=model.prompts,
                precision="bf16" if way.endswith("bf16") else "f32",
                threads=threads,
                reason="",
            )
    for way, runtime in runtimes.items():
        ways[way] = lambda texts, runtime=runtime: runtime.embed(texts, "document")
    return ways


def compare(ways: dict[str, Embed], texts: int, rounds: int) -> list[Row]:
    """Interleaved: each round, every way embeds the same chunks and the same questions one by one."""
    rows = {way: Row(way) for way in ways}
    chooser = random.Random(0)  # noqa: S311 - a repeatable text, no secret
    warm_up = made_texts(chooser, 4, CHUNK_WORDS)
    for embed in ways.values():
        embed(warm_up)
    for _ in range(rounds):
        chunks = made_texts(chooser, texts, CHUNK_WORDS)
        questions = made_texts(chooser, 8, QUESTION_WORDS)
        expected = ways["sentence-transformers"](chunks)
        for way, embed in ways.items():
            row, wall, cpu = rows[way], time.perf_counter(), time.process_time()
            vectors = embed(chunks)
            row.chunks_per_second = max(row.chunks_per_second, texts / (time.perf_counter() - wall))
            row.cpu_ms_per_chunk = min(row.cpu_ms_per_chunk, 1000 * (time.process_time() - cpu) / texts)
            row.cosine = min(row.cosine, lowest_cosine(vectors, expected))
            for question in questions:
                wall = time.perf_counter()
                embed([question])
                row.questions.append(1000 * (time.perf_counter() - wall))
    for row in rows.values():
        row.question_ms = float(np.median(row.questions))
    return list(rows.values())


def made_texts(chooser: random.Random, count: int, words: tuple[int, int]) -> list[str]:
    """Random words, `words` of them from the least to the most."""
    return [" ".join(chooser.choices(WORDS, k=chooser.randint(*words))) for _ in range(count)]


def start(model: ModelFolder, models: Path, threads: int, runtime: str) -> float:
    """Seconds from the first import to the first vector in a new process, the faster of two."""
    command = [sys.executable, "-c", START, model.reference, str(models), str(threads), runtime]
    return min(
        float(subprocess.run(command, capture_output=True, text=True, check=True).stdout) for _ in range(2)
    )


def table(report: dict) -> str:
    """The report for people; ratios are to sentence-transformers."""
    rows, base = report["rows"], report["rows"][0]
    lines = [
        f"{report['model']}, {report['threads']} threads, {report['texts']} chunks a round",
        f"{'':24}{'chunks/s':>14}{'CPU ms/chunk':>16}{'one question':>18}{'lowest cosine':>15}",
    ]
    for row in rows:
        speed = row["chunks_per_second"] / base["chunks_per_second"]
        work = base["cpu_ms_per_chunk"] / row["cpu_ms_per_chunk"]
        question = base["question_ms"] / row["question_ms"]
        lines.append(
            f"{row['way'][:23]:24}{row['chunks_per_second']:7.1f} ({speed:.2f}x)"
            f"{row['cpu_ms_per_chunk']:9.1f} ({work:.2f}x){row['question_ms']:8.1f} ms ({question:.2f}x)"
            f"{row['cosine']:12.6f}"
        )
    seconds = report["start_seconds"]
    lines.append(f"chosen by itself: {report['chosen']}")
    lines.append(f"start to first vector: torch {seconds['torch']:.2f} s, chosen {seconds['auto']:.2f} s")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
