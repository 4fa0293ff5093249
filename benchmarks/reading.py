"""How fast files are read, beside what a user would pick instead, and how much of their words is found.

    python -m venv .bench-reading && .bench-reading/bin/pip install -r benchmarks/reading_peers.txt
    python -m benchmarks.reading [--peers .bench-reading/bin/python] [--pages 200] [--charts 12]

The files are made here, so what stands in them is known. mmrag reads in its child process, with limits and
all, and the way of bytes and pages between the processes counts. All readers take turns, file by file.
"""

from __future__ import annotations

import argparse
import io
import json
import random
import re
import subprocess
import sys
import time
from collections import Counter
from contextlib import ExitStack, closing
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from benchmarks.table import Row, add_formats, ratio, seconds, show
from mmrag.assemble import build_embedder, build_engine, build_reader
from mmrag.config import Settings
from mmrag.types import Source

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

PEERS = ("markitdown", "docling-parse")
ROUNDS = 3  # the fastest counts
SYLLABLES = "ba ce di fo gu ka le mi no pu ra se ti vo zu than ver ster lin mark".split()

# ------------------------------------------------------------------- text PDFs


def text_pdf(pages: int, *, seed: int, lines: int = 46) -> tuple[bytes, Counter[str]]:
    """A PDF of made prose, and the words on it. Numbers stand between them as in reports."""
    from reportlab.pdfgen.canvas import Canvas

    rng = random.Random(seed)  # noqa: S311 - seeded, so that a run can be repeated
    vocabulary = ["".join(rng.choices(SYLLABLES, k=rng.randint(1, 4))) for _ in range(4_000)]
    buffer = io.BytesIO()
    canvas = Canvas(buffer)
    words: Counter[str] = Counter()
    for page in range(pages):
        for number in range(lines):
            line = [*rng.choices(vocabulary, k=10), str(rng.randrange(100_000))]
            end = "." if number % 4 == 3 else ""
            words.update(line)
            canvas.setFont("Helvetica-Bold" if number == 0 else "Helvetica", 16 if number == 0 else 9)
            canvas.drawString(60, 780 - 16 * number, " ".join(line[: 5 if number == 0 else 11]) + end)
            if number == 0:
                words.subtract(line[5:])
        canvas.bookmarkPage(str(page))
        canvas.showPage()
    canvas.save()
    return buffer.getvalue(), +words


def recall(expected: Counter[str], text: str) -> float:
    """The share of the expected words, each as often as it stands there, that the text has."""
    found = Counter(re.findall(r"\w+", text))
    return sum((expected & found).values()) / expected.total()


def reading_text(folder: Path, options: argparse.Namespace) -> list[Row]:
    """Pages a second of text PDFs: a long one and short ones."""
    files = {}
    for number, pages in enumerate((options.pages, 20, 5, 1)):
        data, words = text_pdf(pages, seed=number)
        path = folder / f"{number}.pdf"
        path.write_bytes(data)
        files[path] = (pages, words)
    settings = Settings(home=folder / "home", reading_processes=1)
    with ExitStack() as stack:
        reader = stack.enter_context(closing(build_reader(settings)))
        readers: dict[str, Callable[[Path], tuple[float, str]]] = {
            "mmrag": lambda path: timed(lambda: mmrag_text(reader, path))
        }
        for name in PEERS if options.peers else ():
            readers[name] = stack.enter_context(closing(Peer(options.peers, name))).read
        took = {name: dict.fromkeys(files, float("inf")) for name in readers}
        found: dict[str, list[float]] = {name: [] for name in readers}
        for turn in range(ROUNDS):
            for path, (_, words) in files.items():
                for name, read in readers.items():
                    spent, text = read(path)
                    took[name][path] = min(took[name][path], spent)
                    if turn == 0:
                        found[name].append(recall(words, text))
    pages = sum(count for count, _ in files.values())
    total = {name: sum(times.values()) for name, times in took.items()}
    ours = pages / total["mmrag"]
    rows = [
        Row("text PDFs, pages a second", f"{ours:,.0f}", ours),
        Row("text PDFs, words recalled, worst file", f"{min(found['mmrag']):.4f}", min(found["mmrag"]), 0.99),
    ]
    for name in list(readers)[1:]:
        what = f"text PDFs ({name}: words recalled {min(found[name]):.4f})"
        rows.append(ratio(what, total["mmrag"], total[name], name=name, bound=40.0))
    return rows


def mmrag_text(reader: Any, path: Path) -> str:
    """All pages' text."""
    return "\n".join(page.text for page in reader.read(path.read_bytes(), name=path.name).pages)


def timed(work: Callable[[], str]) -> tuple[float, str]:
    """Seconds, and what came of the work."""
    begun = time.perf_counter()
    text = work()
    return time.perf_counter() - begun, text


class Peer:
    """An alternative in its own environment, seen from here."""

    def __init__(self, python: Path, name: str) -> None:
        script = Path(__file__).with_name("reading_peer.py")
        self._process = subprocess.Popen(
            [python, script, name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._line()

    def read(self, path: Path) -> tuple[float, str]:
        assert self._process.stdin is not None
        print(json.dumps(str(path)), file=self._process.stdin, flush=True)
        answer = self._line()
        return answer["seconds"], answer["text"]

    def close(self) -> None:
        self._process.communicate()

    def _line(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the alternative has ended; its reason is above")
        answer: dict[str, Any] = json.loads(line)
        return answer


# ---------------------------------------------------------------------- charts


def drawn_chart(seed: int) -> tuple[NDArray[Any], Counter[str]]:
    """A bar chart as pixels, and the words and numbers on it."""
    import numpy as np
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rng = random.Random(seed)  # noqa: S311 - seeded, so that a run can be repeated
    names = rng.sample("Berlin Lisbon Oslo Madrid Vienna Athens Dublin Prague Warsaw Sofia".split(), 6)
    values = [rng.randrange(20, 980) for _ in names]
    figure = Figure(figsize=(7, 4.2), dpi=120)
    axes = figure.subplots()
    bars = axes.bar(names, values, color=rng.choice(["#4477aa", "#228833", "#aa3377"]))
    axes.bar_label(bars, padding=3)
    axes.set_title(f"Orders by city in {2000 + seed}")
    axes.set_ylabel("Number of orders")
    axes.set_yticks(range(0, 1_200, 200))
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    printed = [*names, *map(str, values), *map(str, range(0, 1_200, 200))]
    printed += f"Orders by city in {2000 + seed} Number of orders".split()
    return np.asarray(canvas.buffer_rgba())[:, :, :3].copy(), Counter(printed)


def reading_charts(_: Path, options: argparse.Namespace) -> list[Row]:
    """Text and table of a chart beside rapidocr as it comes; one process, threads as each chooses."""
    from PIL import Image
    from rapidocr import RapidOCR

    from mmrag.reading.figures import read_figure
    from mmrag.reading.ocr import TextRecognition

    recognition = TextRecognition(threads=Settings(home=Path()).threads)
    default = RapidOCR(params={"Global.log_level": "critical"})

    def ours(pixels: NDArray[Any]) -> str:
        return "\n".join(line.text for line in read_figure(Image.fromarray(pixels), recognition).lines)

    def theirs(pixels: NDArray[Any]) -> str:
        return "\n".join(default(pixels[:, :, ::-1]).txts or ())

    times: dict[str, list[float]] = {"mmrag": [], "rapidocr": []}
    found: dict[str, list[float]] = {"mmrag": [], "rapidocr": []}
    for number in range(options.charts + 1):
        pixels, words = drawn_chart(number)
        for name, read in (("mmrag", ours), ("rapidocr", theirs)):
            spent, text = timed(lambda read=read, pixels=pixels: read(pixels))  # type: ignore[misc]  # bound now
            if number:  # the first one loads the models
                times[name].append(spent)
                found[name].append(recall(words, text))
    share = sum(times["mmrag"]) / sum(times["rapidocr"])
    mean = {name: sum(values) / len(values) for name, values in found.items()}
    beside = f"rapidocr {seconds(median(times['rapidocr']))}, words recalled {mean['rapidocr']:.4f}"
    return [
        Row(
            "OCR and table of a chart, share of rapidocr's time",
            f"{share:.2f}",
            share,
            0.7,
            most=True,
            beside=beside,
        ),
        Row("OCR of a chart, words recalled", f"{mean['mmrag']:.4f}", mean["mmrag"], mean["rapidocr"]),
    ]


# ---------------------------------------------------------------- from cold to found


def adding(folder: Path, options: argparse.Namespace) -> list[Row]:
    """A text PDF added by a new process, embedding included, beside the embedding of its chunks alone."""
    data, _ = text_pdf(options.pages, seed=99)
    path = folder / "long.pdf"
    path.write_bytes(data)
    settings = Settings(home=folder / "home")
    embedder = build_embedder(settings)
    embedder.embed_queries(["the model is converted before the clock starts"])
    begun = time.perf_counter()
    run = subprocess.run(
        [sys.executable, "-m", "mmrag", "add", path, "--json"],
        env={"MMRAG_HOME": str(settings.home), "PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        check=True,
    )
    cold = time.perf_counter() - begun
    chunks = json.loads(run.stdout)["chunks"]
    with build_engine(settings.model_copy(update={"home": folder / "again"}), embedder=embedder) as engine:
        begun = time.perf_counter()
        engine.add(Source(path.name, data, "long"), collection="default")
        warm = time.perf_counter() - begun
    from mmrag.reading.chunking import SentenceChunker

    with closing(build_reader(settings)) as reader:
        reading = reader.read(data, name=path.name)
    chunker = SentenceChunker(count_tokens=embedder.count_tokens, target_tokens=settings.chunk_tokens)
    texts = [chunk.searched for chunk in chunker.chunk(reading.pages, title=reading.title or path.name)]
    begun = time.perf_counter()
    embedder.embed_documents(texts)
    floor = time.perf_counter() - begun
    beside = f"embedding alone {seconds(floor)} = {options.pages / floor:,.1f} pages a second"
    what = f"{options.pages} pages added"
    return [
        Row(f"{what} by a new process, pages a second", f"{options.pages / cold:,.1f}", cold, beside=beside),
        Row(
            f"{what} by a running engine, pages a second", f"{options.pages / warm:,.1f}", warm, beside=beside
        ),
        Row(f"{what}: chunks", f"{chunks:,}", chunks),
    ]


PARTS = {"text": reading_text, "charts": reading_charts, "add": adding}


def main(arguments: Sequence[str] | None = None) -> int:
    """0 where every bound holds, 1 where one does not."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--peers", type=Path, help="the Python of the alternatives' environment")
    parser.add_argument("--pages", type=int, default=200, help="of the long PDF")
    parser.add_argument("--charts", type=int, default=12, help="that are drawn")
    parser.add_argument("--parts", nargs="+", default=list(PARTS), choices=list(PARTS))
    add_formats(parser)
    options = parser.parse_args(arguments)
    rows: list[Row] = []
    with TemporaryDirectory(prefix="mmrag-reading-") as scratch:
        for part in options.parts:
            folder = Path(scratch, part)
            folder.mkdir()
            rows += PARTS[part](folder, options)
    print(show(rows, options.format, title=f"reading; {options.pages} pages, {options.charts} charts"))
    return int(any(row.holds is False for row in rows))


if __name__ == "__main__":
    sys.exit(main())
