"""How well and how fast a test collection's queries find what answers them, through the engine itself.

    corpus --Engine.add--> a store in a temporary folder <--Engine.search-- query (thread, attachment)

Reader, chunker, embedder, store, indexes and the completion of follow-ups are those that a
question meets. A hit counts for its document: what ranks are documents, by their best chunk.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Literal, get_args

from mmrag.assemble import build_embedder, build_engine
from mmrag.errors import NotReadable
from mmrag.evaluation.metrics import hit_at, ndcg_at, percentile, recall_at, reciprocal_rank_at
from mmrag.evaluation.progress import silent
from mmrag.types import Attachment, Question, Source, Unread

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mmrag.config import Settings
    from mmrag.engine import Engine
    from mmrag.evaluation.beir import Collection, CorpusRow, Judgements, QueryRow
    from mmrag.evaluation.progress import Progress
    from mmrag.ports import Embedder
    from mmrag.types import Hit

Mode = Literal["hybrid", "bm25", "dense"]
MODES: tuple[Mode, ...] = get_args(Mode)
RETRIEVERS: dict[Mode, tuple[str, ...]] = {
    "hybrid": ("bm25", "dense"),
    "bm25": ("bm25",),
    "dense": ("dense",),
}
CUT = 10  # of MRR@10 and nDCG@10
COLLECTION = "evaluation"


@dataclass(frozen=True, slots=True)
class Indexing:
    """What putting the corpus into the store took, and what could not be read of it."""

    documents: int
    seconds: float
    unread: tuple[Unread, ...]


@dataclass(frozen=True, slots=True)
class Run:
    """The documents each query found, best first, and how long the engine took for each."""

    rankings: dict[str, list[str]]
    milliseconds: list[float]
    unread: tuple[Unread, ...]


@dataclass(frozen=True, slots=True)
class Quality:
    """Means over the queries that have a relevant document."""

    queries: int
    recall: dict[int, float]
    hit: dict[int, float]
    mrr: float
    ndcg: float


@dataclass(frozen=True, slots=True)
class RetrievalReport:
    """All that was measured."""

    mode: Mode
    indexing: Indexing
    run: Run
    quality: Quality

    @property
    def documents_per_s(self) -> float:
        """Read, chunked, embedded and stored, one after the other."""
        return self.indexing.documents / self.indexing.seconds

    @property
    def unread(self) -> tuple[Unread, ...]:
        """Rows and attachments that could not be read, and why."""
        return (*self.indexing.unread, *self.run.unread)

    def to_json(self) -> dict[str, Any]:
        """What people script against: adding is free, renaming is not."""
        quality = self.quality
        return {
            "mode": self.mode,
            "documents": self.indexing.documents,
            "queries": quality.queries,
            "recall": {str(k): round(value, 4) for k, value in quality.recall.items()},
            "hit": {str(k): round(value, 4) for k, value in quality.hit.items()},
            f"mrr@{CUT}": round(quality.mrr, 4),
            f"ndcg@{CUT}": round(quality.ndcg, 4),
            "p50_ms": round(percentile(self.run.milliseconds, 50), 2),
            "p95_ms": round(percentile(self.run.milliseconds, 95), 2),
            "documents_per_s": round(self.documents_per_s, 1),
            "unread": [{"name": one.name, "reason": one.reason} for one in self.unread],
        }


def evaluate(
    collection: Collection,
    *,
    settings: Settings,
    embedder: Embedder | None = None,
    mode: Mode = "hybrid",
    ks: Sequence[int] = (1, 5, 10),
    progress: Progress | None = None,
) -> RetrievalReport:
    """Index the corpus in a folder that is deleted afterwards, and ask every answerable query.

    Of `settings` all hold but the data folder, which keeps the converted model only. Raises MissingExtra and
    StoreUnavailable.
    """
    tell = progress or silent
    with TemporaryDirectory(prefix="mmrag-eval-", ignore_cleanup_errors=True) as folder:
        own = settings.model_copy(update={"home": Path(folder)})
        # The model is converted in the data folder of the settings, once for all runs.
        shared = embedder or build_embedder(settings)
        with build_engine(own, embedder=shared, retrievers=RETRIEVERS[mode]) as engine:
            indexing = index_corpus(engine, collection.corpus, progress=tell)
            run = ask_all(engine, collection.answerable, depth=max(*ks, CUT), progress=tell)
    return RetrievalReport(mode, indexing, run, quality_of(run.rankings, collection.judgements, ks=ks))


def index_corpus(engine: Engine, corpus: Sequence[CorpusRow], *, progress: Progress) -> Indexing:
    """Add every row; what can't be read is named, not raised."""
    unread: list[Unread] = []
    started = time.perf_counter()
    for number, row in enumerate(corpus, start=1):
        for source in _sources(row):
            try:
                engine.add(source, collection=COLLECTION)
            except NotReadable as error:
                unread.append(Unread(row.id, str(error)))
        progress("documents", number, len(corpus))
    return Indexing(len(corpus), time.perf_counter() - started, tuple(unread))


def ask_all(engine: Engine, queries: Sequence[QueryRow], *, depth: int, progress: Progress) -> Run:
    """Search for every query, one after the other, until `depth` documents are ranked.

    What is timed is the search for `depth` hits, as a person asks it.
    """
    rankings: dict[str, list[str]] = {}
    milliseconds: list[float] = []
    unread: list[Unread] = []
    for number, query in enumerate(queries, start=1):
        question = _question(query)
        if number == 1:
            engine.search(question, k=depth)  # loads model and index, once for all
        started = time.perf_counter()
        result = engine.search(question, k=depth)
        milliseconds.append((time.perf_counter() - started) * 1000)
        unread += [Unread(f"{query.id}: {one.name}", one.reason) for one in result.unread]
        rankings[query.id] = _ranking(engine, question, result.hits, depth)
        progress("queries", number, len(queries))
    return Run(rankings, milliseconds, tuple(unread))


def quality_of(rankings: dict[str, list[str]], judgements: Judgements, *, ks: Sequence[int]) -> Quality:
    """Means over the queries that were asked."""
    pairs = [(ranking, judgements[query]) for query, ranking in rankings.items()]
    return Quality(
        queries=len(pairs),
        recall={k: fmean(recall_at(k, *pair) for pair in pairs) for k in ks},
        hit={k: fmean(hit_at(k, *pair) for pair in pairs) for k in ks},
        mrr=fmean(reciprocal_rank_at(CUT, *pair) for pair in pairs),
        ndcg=fmean(ndcg_at(CUT, *pair) for pair in pairs),
    )


def _ranking(engine: Engine, question: Question, hits: Sequence[Hit], depth: int) -> list[str]:
    """Documents by their best hit; looks deeper while several hits of one take up the places of others."""
    k = depth
    while len(documents := _documents(hits)) < depth:
        k *= 2
        deeper = engine.search(question, k=k).hits
        if len(deeper) <= len(hits):
            break
        hits = deeper
    return documents[:depth]


def _documents(hits: Sequence[Hit]) -> list[str]:
    return list(dict.fromkeys(hit.uri.partition(":")[2] for hit in hits))


def _sources(row: CorpusRow) -> Iterator[Source]:
    """The row's text, and what is beside it: the scheme of the uri keeps the two apart."""
    if text := row.text or ("" if row.image else row.title):
        yield Source(name="passage.txt", data=text.encode(), uri=f"text:{row.id}", title=row.title)
    if row.image:
        data = row.image.read_bytes()
        yield Source(name=row.image.name, data=data, uri=f"image:{row.id}", title=row.title or None)


def _question(query: QueryRow) -> Question:
    attached = (Attachment(query.image.name, query.image.read_bytes()),) if query.image else ()
    return Question(query.text, (COLLECTION,), attachments=attached, history=query.history)
