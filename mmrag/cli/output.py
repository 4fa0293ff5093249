"""What a person sees: plain text in a pipe, colour and a progress bar on a terminal.

Text from documents is data: control characters in it never reach the terminal.
"""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table as Grid

from mmrag.cli.pictures import draw
from mmrag.text.display import neutralise, one_line, shorten, shorten_quote
from mmrag.types import Figure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from mmrag.backup import Backup, Manifest, Restored
    from mmrag.doctor import Finding
    from mmrag.evaluation.answers import AnswersReport
    from mmrag.evaluation.retrieval import RetrievalReport
    from mmrag.storage.keys import ApiKey
    from mmrag.types import (
        AddReport,
        Answer,
        Citation,
        Document,
        Page,
        RatingReceipt,
        Reading,
        SearchResult,
        Table,
        Unread,
    )

QUOTE_CHARS = 160
MEGABYTE = 1e6
SIGNS = {"ok": "[green]ok[/]", "note": "[yellow]note[/]", "fault": "[red]fault[/]"}


def _console() -> Console:
    return Console(highlight=False, soft_wrap=True)


# --------------------------------------------------------------------- add


class AddProgress:
    """One line a document, and on a terminal a bar below them: files by their size, and pages."""

    def __init__(self, bar: Progress, sizes: Sequence[int], *, quiet: bool) -> None:
        self._bar = bar
        self._quiet = quiet
        self._sizes = [max(size, 1) for size in sizes]
        self._task = bar.add_task("", total=sum(self._sizes))
        self._lock = threading.Lock()
        self._shares = dict.fromkeys(range(len(sizes)), 0.0)  # of each file, from 0 to 1
        self._pages = dict.fromkeys(range(len(sizes)), 0)
        self._ended = 0

    def pages(self, number: int, done: int, of: int) -> None:
        """So many pages of a file are read. Safe to call from any thread."""
        with self._lock:
            self._pages[number] = max(done, self._pages[number])
            self._shares[number] = max(done / max(of, 1), self._shares[number])
            self._show()

    def _end(self, number: int, pages: int = 0) -> None:
        self.pages(number, max(pages, 1), max(pages, 1))
        with self._lock:
            self._pages[number] = pages
            self._ended += 1
            self._show()

    def _show(self) -> None:
        files = f"{self._ended:,} of {_count(len(self._sizes), 'file')}"
        read = sum(size * share for size, share in zip(self._sizes, self._shares.values(), strict=True))
        self._bar.update(
            self._task,
            completed=read,
            description=f"{files}, {_count(sum(self._pages.values()), 'page')} read",
        )

    def done(self, number: int, path: Path, report: AddReport) -> None:
        """One line for a document that is in, and its warnings."""
        size = f"{_count(report.pages, 'page')}, {_count(report.chunks, 'chunk')}"
        figures = f", {_count(report.figures, 'figure')}" if report.figures else ""
        self._line(f"[green]{report.status:>9}[/]  {escape(neutralise(str(path)))}  [dim]{size}{figures}[/]")
        for warning in report.warnings:
            self._line(f"           [yellow]{escape(neutralise(warning))}[/]")
        self._end(number, report.pages)

    def failed(self, number: int, path: Path, reason: str) -> None:
        """One line for a document that could not be read, with its reason, on standard error."""
        self._end(number)
        line = f"   failed  {neutralise(str(path))}  {neutralise(reason)}"
        Console(stderr=True, highlight=False, soft_wrap=True, markup=False).print(line)

    def _line(self, text: str) -> None:
        if not self._quiet:
            self._bar.console.print(text)


@contextmanager
def adding(sizes: Sequence[int], *, quiet: bool) -> Iterator[AddProgress]:
    """A progress bar while documents go in; only the lines where there is no terminal."""
    console = _console()
    bar = Progress(
        SpinnerColumn(),
        BarColumn(bar_width=24),
        TaskProgressColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.description}"),
        console=console,
        transient=True,
        disable=quiet or not console.is_terminal,
    )
    with bar:
        yield AddProgress(bar, sizes, quiet=quiet)


# --------------------------------------------------------------- documents


def print_documents(documents: Sequence[Document]) -> None:
    """A table of documents."""
    if not documents:
        _console().print("There are no documents yet: add some with  mmrag add PATH")
        return
    grid = Grid(box=None, pad_edge=False, header_style="dim")
    for column in ("id", "collection", "title", "pages", "chunks", "figures", "added"):
        grid.add_column(column, justify="right" if column in ("pages", "chunks", "figures") else "left")
    for document in documents:
        counts = map(str, (document.pages, document.chunks, document.figures))
        title = escape(shorten(neutralise(document.title), 50))
        grid.add_row(document.id, escape(document.collection), title, *counts, document.added_at[:10])
    _console().print(grid)


def print_removed(documents: Sequence[Document]) -> None:
    """What is gone now."""
    for document in documents:
        _console().print(f"removed  {document.id}  {escape(neutralise(document.title))}")


def print_forgotten(collection: str, documents: int) -> None:
    """What is gone now."""
    _console().print(f"forgot  {escape(neutralise(collection))}  [dim]{_count(documents, 'document')}[/]")


def print_compacted(before: int, after: int) -> None:
    """How large the data folder was and is."""
    _console().print(f"compacted: {before / MEGABYTE:,.1f} MB before, {after / MEGABYTE:,.1f} MB now")


# ------------------------------------------------------ backup and restore


@contextmanager
def working(*, quiet: bool) -> Iterator[Callable[[str], None]]:
    """Shows what is being worked on, on a terminal."""
    console = _console()
    if quiet or not console.is_terminal:
        yield lambda _what: None
        return
    with console.status("") as status:
        yield lambda what: status.update(escape(neutralise(what)))


def print_backup(taken: Backup) -> None:
    """What went into the file, which was read back."""
    console = _console()
    _print_entries(console, taken.manifest)
    console.print(f"{escape(str(taken.path))}  {taken.bytes / MEGABYTE:,.1f} MB, written and read back")


def print_checked(manifest: Manifest) -> None:
    """What a sound backup holds."""
    console = _console()
    _print_entries(console, manifest)
    console.print(f"sound: made {escape(neutralise(manifest.created))}")


def print_restored(done: Restored, folder: Path) -> None:
    """What is there now, and where what was there before lies."""
    console = _console()
    if done.manifest:
        _print_entries(console, done.manifest)
        console.print(
            f"restored as of {escape(neutralise(done.manifest.created))} into {escape(str(folder))}"
        )
    else:
        console.print(f"finished the restore into {escape(str(folder))}")
    if done.aside:
        console.print(f"what was there is kept in {escape(str(done.aside))}: delete it once all is well")


def _print_entries(console: Console, manifest: Manifest) -> None:
    for entry in manifest.entries:
        console.print(f"[dim]{entry.bytes / MEGABYTE:>10,.1f} MB[/]  {escape(neutralise(entry.name))}")


# ---------------------------------------------------------------- service


def print_serving(url: str, *, as_json: bool) -> None:
    """Where it answers; at once, for whoever waits for it at the other end of a pipe."""
    told = f"mmrag answers at {url}/v1/ (Ctrl+C stops it); a look inside: {url}/admin"
    print(json.dumps({"url": url}) if as_json else told, flush=True)


def print_new_key(key: ApiKey, text: str) -> None:
    """The key, alone on standard output, so that it can be piped to where it is needed."""
    print(text, flush=True)
    note = f"{key.name}, {_rights(key)}. It is shown this once: only its hash is kept."
    Console(stderr=True, highlight=False, soft_wrap=True).print(escape(neutralise(note)), style="dim")


def print_keys(keys: Sequence[ApiKey]) -> None:
    """A table of keys."""
    if not keys:
        _console().print("There are no API keys yet: make one with  mmrag keys add NAME")
        return
    grid = Grid(box=None, pad_edge=False, header_style="dim")
    for column in ("id", "name", "rights", "added"):
        grid.add_column(column)
    for key in keys:
        grid.add_row(key.id, escape(neutralise(key.name)), escape(_rights(key)), key.added_at[:10])
    _console().print(grid)


def print_removed_keys(keys: Sequence[ApiKey]) -> None:
    """Which are refused from now on."""
    for key in keys:
        _console().print(f"removed  {key.id}  {escape(neutralise(key.name))}")


def _rights(key: ApiKey) -> str:
    return f"{key.role}: {', '.join(key.collections)}"


# -------------------------------------------------------- answers and hits


def print_answer(answer: Answer) -> None:
    """The answer, its sources, and what could not be read."""
    console = _console()
    console.print(escape(neutralise(answer.text)))
    if answer.citations:
        console.print("\n[bold]Nearest sources[/]" if answer.abstained else "\n[bold]Sources[/]")
    for citation in answer.citations:
        console.print(_source(citation, nearest=answer.abstained))
    _print_unread(console, answer.unread)
    made = (
        f"from the cache, {answer.timings_ms['total']:.0f} ms"
        if answer.cached
        else answer.generation.generator
    )
    note = f", since {escape(neutralise(answer.generation.note))}" if answer.generation.note else ""
    console.print(f"\n[dim]answer {answer.id} · {made}{note}[/]")


def _source(citation: Citation, *, nearest: bool) -> str:
    shortened = shorten if nearest else shorten_quote  # of what is merely near, only the beginning is shown
    place = {"collection": citation.link or citation.uri, "attachment": "attached", "thread": "this thread"}[
        citation.origin
    ]
    page = f", page {citation.page}" if citation.page else ""
    quote = shortened(one_line(citation.quote), QUOTE_CHARS)
    title, where = escape(neutralise(citation.title)), escape(neutralise(place or ""))
    head = f"\\[{citation.marker}] {title}{page}  [dim]{where}[/]"
    return f"{head}\n    [italic]{escape(quote)}[/]" if quote else head


def print_hits(result: SearchResult) -> None:
    """Hits, best first."""
    console = _console()
    if not result.hits:
        console.print("Nothing was found: are there documents in this collection?  mmrag documents")
    for hit in result.hits:
        text = shorten(one_line(hit.chunk.text), 2 * QUOTE_CHARS)
        found = "+".join(hit.retrievers)
        console.print(
            f"{hit.rank:>3}  {escape(neutralise(hit.title))}, page {hit.chunk.page}  "
            f"[dim]{hit.score:.4f} {found}[/]\n     {escape(text)}"
        )
    _print_unread(console, result.unread)


def _print_unread(console: Console, unread: Sequence[Unread]) -> None:
    for one in unread:
        console.print(
            f"[yellow]Not used:[/] {escape(neutralise(one.name))}: {escape(neutralise(one.reason))}"
        )


def print_receipt(receipt: RatingReceipt) -> None:
    """What the rating did."""
    console = _console()
    console.print(f"rated {receipt.verdict}: answer {receipt.answer_id}")
    if receipt.correction_document_id:
        console.print(f"the correction is a source now: document {receipt.correction_document_id}")


# -------------------------------------------------------------------- read


def print_reading(reading: Reading) -> None:
    """Pages as the readers see them: text, tables as tables, figures drawn where a terminal can."""
    console = _console()
    console.print(f"[dim]{reading.media_type}[/]  {escape(neutralise(reading.title or ''))}")
    for warning in reading.warnings:
        console.print(f"[yellow]{escape(neutralise(warning))}[/]")
    for page in reading.pages:
        console.rule(f"page {page.number}", align="left", style="dim")
        _print_page(console, page)


def _print_page(console: Console, page: Page) -> None:
    inside = [(figure.start, figure.end) for figure in page.figures]
    tables = [table for table in page.tables if not any(start <= table.start < end for start, end in inside)]
    written = 0
    blocks: list[Table | Figure] = [*tables, *page.figures]
    for block in sorted(blocks, key=lambda block: (block.start, block.end)):
        _print_text(console, page.text[written : block.start])
        if isinstance(block, Figure):
            _print_figure(console, block, page.text[block.start : block.end])
        else:
            console.print(_grid(block, "table"))
        written = max(written, block.end)
    _print_text(console, page.text[written:])


def _print_figure(console: Console, figure: Figure, text: str) -> None:
    console.print(f"[cyan]{figure.kind}[/]{_place(figure)}")
    if figure.image:
        draw(console, figure.image)
    _print_text(console, text)
    if figure.table:
        console.print(_grid(figure.table, "read from the picture"))
    if figure.reason:
        console.print(f"[dim]{escape(neutralise(figure.reason))}[/]")


def _place(figure: Figure) -> str:
    if figure.box is None:
        return ""
    left, top, right, bottom = (f"{100 * share:.0f}" for share in figure.box)
    return f"  [dim]from {left} % to {right} % of the page's width, {top} % to {bottom} % of its height[/]"


def _print_text(console: Console, text: str) -> None:
    if text.strip():
        console.print(escape(neutralise(text.strip())))


def _grid(table: Table, title: str) -> Grid:
    width = max(len(row) for row in table.rows)
    grid = Grid(title=title, title_justify="left", title_style="dim")
    header, *rows = [[*row, *[""] * (width - len(row))] for row in table.rows]
    for cell in header:
        grid.add_column(escape(neutralise(cell)))
    for row in rows:
        grid.add_row(*[escape(neutralise(cell)) for cell in row])
    return grid


# -------------------------------------------------------------------- eval


@contextmanager
def measuring(*, quiet: bool) -> Iterator[Callable[[str, int, int], None]]:
    """A progress bar for each thing that is gone through; nothing where there is no terminal."""
    console = Console(stderr=True)
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=quiet or not console.is_terminal,
    )
    tasks: dict[str, TaskID] = {}

    def show(what: str, done: int, of: int) -> None:
        if what not in tasks:
            tasks[what] = bar.add_task(what, total=of)
        bar.update(tasks[what], completed=done)

    with bar:
        yield show


def print_retrieval_report(report: RetrievalReport) -> None:
    """Quality and speed of a test collection's search; what could not be read last."""
    console = _console()
    figures = report.to_json()
    console.print(
        f"{_count(figures['documents'], 'document')}, {_count(figures['queries'], 'query', 'queries')} "
        f"that something answers, {figures['mode']}"
    )
    grid = Grid(box=None, pad_edge=False, header_style="dim")
    grid.add_column("")
    for k in figures["hit"]:
        grid.add_column(f"@{k}", justify="right")
    for name in ("hit", "recall"):
        grid.add_row(name, *(f"{value:.3f}" for value in figures[name].values()))
    console.print(grid)
    console.print(f"MRR@10 {figures['mrr@10']:.3f}   nDCG@10 {figures['ndcg@10']:.3f}")
    console.print(
        f"[dim]{figures['p50_ms']:.1f} ms a query (p95 {figures['p95_ms']:.1f}), "
        f"{figures['documents_per_s']:,.1f} documents a second[/]"
    )
    _print_unread(console, report.unread)


def print_answers_report(report: AnswersReport) -> None:
    """Abstention, right answers, grounding and numbers; what could not be read last."""
    console = _console()
    figures = report.to_json()
    console.print(
        f"{_count(figures['questions'], 'question')}: {figures['answerable']} with an answer in their "
        f"documents, {figures['unanswerable']} without"
    )
    grid = Grid(box=None, pad_edge=False, show_header=False)
    grid.add_column("")
    grid.add_column("", justify="right")
    abstention, numeric = figures["abstention"], figures["numeric"]
    for name, value in (
        ("answered where there is an answer", abstention["answerable_answered"]),
        ("refused where there is none", abstention["unanswerable_refused"]),
        ("balanced accuracy of the two", abstention["balanced_accuracy"]),
        ("right", figures["right"]),
        ("right, of those answered", figures["right_of_answered"]),
        (f"right numbers, of {numeric['questions']} asked for", numeric["right"]),
        ("wrong numbers", numeric["wrong"]),
        (f"supported, of {_count(figures['sentences'], 'sentence')}", figures["grounding"]),
        ("citation precision", figures["citation_precision"]),
        ("citation recall", figures["citation_recall"]),
    ):
        grid.add_row(name, "–" if value is None else f"{value:.3f}")
    grid.add_row("numbers without a source", str(figures["number_errors"]))
    console.print(grid)
    console.print(f"[dim]{figures['p50_ms']:.0f} ms an answer (p95 {figures['p95_ms']:.0f})[/]")
    _print_unread(console, report.unread)


def print_truthfulqa(figures: Mapping[str, Any]) -> None:
    """Multiple choice first, then what was said with and without retrieval."""
    console = _console()
    console.print(_count(figures["questions"], "question"))
    if "mc1" in figures:
        console.print(f"MC1 {figures['mc1']:.3f}   MC2 {figures['mc2']:.3f}")
    for name in ("generation", "generation_with_retrieval", "engine"):
        if name in figures:
            cells = (
                f"{measure} {'–' if value is None else format(value, '.3f')}"
                for measure, value in figures[name].items()
            )
            console.print(f"{name.replace('_', ' ')}: {'   '.join(cells)}")


# ------------------------------------------------------------------ doctor


def print_findings(findings: Sequence[Finding]) -> None:
    """A line a part, and under it what to do."""
    console = _console()
    for finding in findings:
        console.print(f"{SIGNS[finding.state]:<5}  [bold]{finding.part}[/]: {escape(finding.says)}")
        if finding.remedy:
            console.print(f"       [yellow]{escape(finding.remedy)}[/]")


def print_settings(rows: Sequence[Mapping[str, str]]) -> None:
    """Every setting with its value, where it comes from, and what it is for."""
    console = _console()
    for row in rows:
        console.print(f"[bold]{row['variable']}[/] = {escape(row['value'])}  [dim]({row['source']})[/]")
        console.print(f"    {escape(row['description'])}")


def _count(number: int, noun: str, plural: str | None = None) -> str:
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"
