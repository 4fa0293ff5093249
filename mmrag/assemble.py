"""The composition root: builds the engine from the settings. The one place that decides who does what."""

from __future__ import annotations

import logging
from contextlib import ExitStack, closing, contextmanager
from functools import cache, partial
from typing import TYPE_CHECKING

from mmrag.engine import Engine, Limits, Stages
from mmrag.errors import InvalidSettings, MissingExtra, StoreUnavailable, UserFacingError
from mmrag.home import STORE
from mmrag.links import PageLinks, read_key

if TYPE_CHECKING:
    from collections.abc import Container, Iterator
    from pathlib import Path

    from mmrag.config import Settings
    from mmrag.grounding.entailment import Entailment
    from mmrag.ports import Captioner, ChartModel, Embedder, Generator, Reader
    from mmrag.reading.chart_models.local import LocalChartModel
    from mmrag.reading.contained import ContainedReader
    from mmrag.retrieval.dense import DenseBuilder
    from mmrag.retrieval.embedding.embedder import SentenceTransformerEmbedder
    from mmrag.retrieval.hybrid import HybridRetriever
    from mmrag.retrieval.rerank import CrossEncoderReranker
    from mmrag.storage.cache import DiskAnswerCache
    from mmrag.storage.catalog import SqliteStore
    from mmrag.storage.keys import ApiKeys

_log = logging.getLogger(__name__)


def build_engine(
    settings: Settings,
    *,
    embedder: Embedder | None = None,
    reader: Reader | None = None,
    generator: Generator | None = None,
    retrievers: Container[str] = ("bm25", "dense"),
) -> Engine:
    """An engine on the data folder of these settings. Models load when they are first needed.

    Several engines of one process may share an embedder and a reader, which hold the models. A
    `generator` takes the place of the one that the settings choose, and is closed with the engine.
    `retrievers` are the halves of the search that have a vote.
    Raises MissingExtra without one of the extras `cpu`, `gpu` and `gpu-cuvs`, StoreUnavailable where
    the data folder cannot be used, InvalidSettings where the named cross-encoder cannot, or where
    FAISS is to use a GPU that is not there.
    """
    try:
        return _build(settings, embedder, reader, generator, retrievers)
    except ModuleNotFoundError as missing:
        raise MissingExtra(missing.name or "A part of the engine", "cpu") from missing


def build_reader(settings: Settings) -> ContainedReader:
    """The readers alone, in child processes, with the limits of these settings. Raises MissingExtra.

    Whoever builds it closes it; an engine closes the one that it built.
    """
    try:
        from mmrag.reading.contained import (  # noqa: PLC0415 - needs an extra; named by the error
            Bounds,
            ContainedReader,
            FileLimits,
        )
    except ModuleNotFoundError as missing:
        raise MissingExtra(missing.name or "A reader", "cpu") from missing
    return ContainedReader(
        FileLimits(
            max_file_bytes=settings.max_file_bytes,
            max_pages=settings.max_pages,
            max_image_bytes=settings.max_image_bytes,
            max_image_pixels=settings.max_image_pixels,
            max_text_chars=settings.max_text_chars,
        ),
        Bounds(
            memory_bytes=settings.reading_memory_bytes,
            page_seconds=settings.reading_page_seconds,
            seconds=settings.reading_seconds,
            answer_bytes=settings.reading_answer_bytes,
        ),
        processes=settings.reading_processes,
        threads=settings.threads,
    )


def build_chart_model(settings: Settings) -> LocalChartModel | None:
    """The model for charts of these settings, if they name one; it loads at the first chart.

    Whoever builds it closes it. Raises MissingExtra, and InvalidSettings where what is named cannot be used.
    """
    if not settings.chart_model:
        return None
    try:
        from mmrag.checkpoints.finding import find_checkpoint  # noqa: PLC0415 - needs an extra
        from mmrag.reading.chart_models.local import (  # noqa: PLC0415 - as above; named by the error
            ChartModelOptions,
            LocalChartModel,
        )
    except ModuleNotFoundError as missing:
        raise MissingExtra(missing.name or "The model for charts", "cpu") from missing
    checkpoint = find_checkpoint(
        settings.chart_model,
        revision=settings.chart_model_revision,
        revision_setting="chart_model_revision",
    )
    options = ChartModelOptions(
        most_tokens=settings.chart_model_tokens,
        batch=settings.chart_model_batch,
        seconds=settings.chart_model_seconds,
        threads=settings.threads,
        most_pixels=settings.max_image_pixels,
    )
    return LocalChartModel(checkpoint, options)


def build_captioner(settings: Settings, generator: Generator) -> Captioner | None:
    """Who gives figures their captions: the generator, where it can and these settings want it.

    Raises InvalidSettings where they want what it cannot.
    """
    if settings.captions == "off":
        return None
    if generator.name != "blip2":
        if settings.captions == "on":
            raise InvalidSettings(
                "captions is on and only the generator blip2 writes any: name a checkpoint of BLIP-2 or "
                "InstructBLIP as generator_model, or set captions to auto."
            )
        return None
    from mmrag.generation.captions import Captions  # noqa: PLC0415 - needs an extra
    from mmrag.generation.local import LocalGenerator  # noqa: PLC0415 - as above

    if settings.captions == "auto" and not _has_gpu():
        return None
    return Captions(generator) if isinstance(generator, LocalGenerator) else None


def _has_gpu() -> bool:
    import torch  # noqa: PLC0415 - heavy: seconds

    return torch.cuda.is_available()


@contextmanager
def reading_with_models(settings: Settings) -> Iterator[Reader]:
    """The readers with the models that look at figures, as an engine of these settings reads; then closed.

    Raises MissingExtra, InvalidSettings.
    """
    from mmrag.generation.choice import choose_generator  # noqa: PLC0415 - needs an extra

    with ExitStack() as opened:
        reader = opened.enter_context(closing(build_reader(settings)))
        chart_model = build_chart_model(settings)
        if chart_model is not None:
            opened.callback(chart_model.close)
        captioner = None
        if settings.captions == "on" or (
            settings.captions == "auto" and settings.generator_model and _has_gpu()
        ):
            generator, _ = choose_generator(settings, build_embedder(settings))
            opened.callback(generator.close)
            captioner = build_captioner(settings, generator)
        yield _modelled(settings, reader, chart_model, captioner)


def _modelled(
    settings: Settings, reader: Reader, chart_model: ChartModel | None, captioner: Captioner | None
) -> Reader:
    """The reader with these models, where there are any."""
    if chart_model is None and captioner is None:
        return reader
    from mmrag.reading.modelled import ModelledReader  # noqa: PLC0415 - needs an extra

    return ModelledReader(
        reader, chart_model=chart_model, captioner=captioner, seconds=settings.reading_seconds
    )


def build_keys(settings: Settings) -> ApiKeys:
    """The API keys of this data folder; whoever builds them closes them.

    Raises MissingExtra, StoreUnavailable.
    """
    try:
        from mmrag.storage.keys import ApiKeys  # noqa: PLC0415 - needs an extra; named by the error
    except ModuleNotFoundError as missing:
        raise MissingExtra(missing.name or "apsw", "cpu") from missing
    return ApiKeys(_store_file(settings))


def _store_file(settings: Settings) -> Path:
    return settings.home / STORE


def build_embedder(settings: Settings) -> SentenceTransformerEmbedder:
    """The embedder of these settings; it loads its model when first used.

    Raises MissingExtra, InvalidSettings where there is no such model.
    """
    try:
        from mmrag.retrieval.embedding.embedder import (  # noqa: PLC0415 - needs an extra; named by the error
            SentenceTransformerEmbedder,
        )
    except ModuleNotFoundError as missing:
        raise MissingExtra(missing.name or "The embedder", "cpu") from missing
    return SentenceTransformerEmbedder(
        settings.embedding_model,
        models=settings.home / "models",
        threads=settings.threads,
        runtime=settings.embedding_runtime,
        languages=settings.embedding_languages,
    )


@cache
def _earlier_embedder(settings: Settings, name: str) -> Embedder | None:
    """The model that made vectors under this name, if it can still be had."""
    reference, _, _ = name.rpartition("@")
    try:
        embedder = build_embedder(settings.model_copy(update={"embedding_model": reference}))
    except UserFacingError as error:
        _log.warning(
            "An earlier embedding model cannot be opened, its documents are found by words: %s", error
        )
        return None
    return embedder if embedder.name == name else None


def build_reranker(settings: Settings) -> CrossEncoderReranker | None:
    """The cross-encoder of these settings, if they name one; it loads its model when first used.

    Raises MissingExtra, and InvalidSettings where what is named cannot be used.
    """
    if not settings.rerank_model:
        return None
    try:
        from mmrag.retrieval.rerank import (  # noqa: PLC0415 - needs an extra; named by the error
            CrossEncoderReranker,
        )
    except ModuleNotFoundError as missing:
        raise MissingExtra(missing.name or "The reranker", "cpu") from missing
    return CrossEncoderReranker(settings.rerank_model, threads=settings.threads)


def build_entailment(settings: Settings) -> Entailment | None:
    """The entailment model of these settings, if they name one; it loads when first used.

    Raises InvalidSettings where what is named cannot be used.
    """
    if not settings.entailment_model:
        return None
    from mmrag.grounding.entailment import CrossEncoderEntailment  # noqa: PLC0415 - needs an extra

    return CrossEncoderEntailment(settings.entailment_model, threads=settings.threads)


def _build(
    settings: Settings,
    embedder: Embedder | None,
    reader: Reader | None,
    generator: Generator | None,
    retrievers: Container[str],
) -> Engine:
    from mmrag.storage.cache import DiskAnswerCache  # noqa: PLC0415 - needs an extra; the caller names it
    from mmrag.storage.catalog import SqliteStore  # noqa: PLC0415 - as above

    embedder = embedder or build_embedder(settings)
    with ExitStack() as opened:  # closes the last one first: the retriever may still be reading the store
        store = opened.enter_context(
            closing(SqliteStore(_store_file(settings), insight_days=settings.insight_days))
        )
        cache = opened.enter_context(
            closing(DiskAnswerCache(settings.home / "cache", size_limit=settings.cache_bytes))
        )
        retriever = opened.enter_context(closing(_retriever(settings, store, embedder, retrievers)))
        chart_model = build_chart_model(settings)
        if chart_model is not None:
            opened.callback(chart_model.close)
        stages = _stages(
            settings,
            store=store,
            cache=cache,
            embedder=embedder,
            retriever=retriever,
            reader=reader or opened.enter_context(closing(build_reader(settings))),
            chart_model=chart_model,
            generator=generator,
        )
        opened.callback(stages.generator.close)
        kept_open = opened.pop_all()
    return Engine(
        stages,
        limits=Limits(
            question_chars=settings.max_question_chars,
            attachments=settings.max_attachments,
            readers=settings.reading_processes,
        ),
        compact_after_seconds=settings.compact_after_seconds,
        close=kept_open.close,
    )


def _stages(
    settings: Settings,
    *,
    store: SqliteStore,
    cache: DiskAnswerCache,
    embedder: Embedder,
    retriever: HybridRetriever,
    reader: Reader,
    chart_model: ChartModel | None,
    generator: Generator | None,
) -> Stages:
    from mmrag.generation.choice import choose_generator  # noqa: PLC0415 - as above
    from mmrag.generation.extractive import ExtractiveGenerator  # noqa: PLC0415 - as above
    from mmrag.grounding import EvidenceGrounder  # noqa: PLC0415 - as above
    from mmrag.reading import READING_VERSION  # noqa: PLC0415 - as above
    from mmrag.reading.chunking import SentenceChunker  # noqa: PLC0415 - as above

    generator, reason = (generator, "given") if generator else choose_generator(settings, embedder)
    fallback = ExtractiveGenerator(embedder)
    captioner = build_captioner(settings, generator)
    seen_by = {"charts": chart_model, "captions": captioner}
    models = [f"{what} by {model.version}" for what, model in seen_by.items() if model is not None]
    return Stages(
        store=store,
        cache=cache,
        reader=_modelled(settings, reader, chart_model, captioner),
        chunker=SentenceChunker(count_tokens=embedder.count_tokens, target_tokens=settings.chunk_tokens),
        embedder=embedder,
        retriever=retriever,
        generator=generator,
        fallback=fallback if generator.name != fallback.name else None,
        grounder=EvidenceGrounder(embedder, build_entailment(settings)),
        reading_version=" ".join([READING_VERSION, str(settings.chunk_tokens), *models]),
        generator_reason=reason,
        # Without a cache nobody would find what another process did meanwhile.
        flights=settings.home / "flights" if settings.cache_bytes else None,
        keep_originals=settings.keep_originals,
        links=build_links(settings),
    )


def build_links(settings: Settings) -> PageLinks:
    """Who makes and opens the links of citations, with the key in the data folder.

    Raises StoreUnavailable where the key can be neither read nor made.
    """
    path = settings.home / "links.key"
    try:
        key = read_key(path)
    except OSError as error:
        raise StoreUnavailable(
            f"The key of the pages' links in {path} cannot be used ({error.strerror or error}): check the "
            "folder's permissions and the disk, or choose another folder with MMRAG_HOME."
        ) from error
    return PageLinks(key, settings.public_url.rstrip("/"), settings.link_days)


def _retriever(
    settings: Settings, store: SqliteStore, embedder: Embedder, retrievers: Container[str]
) -> HybridRetriever:
    from mmrag.retrieval.hybrid import HybridRetriever  # noqa: PLC0415 - as above

    return HybridRetriever(
        store,
        embedder,
        folder=settings.home / "indexes",
        exact_search_rows=settings.exact_search_rows,
        memory_bytes=settings.index_memory_bytes,
        earlier=partial(_earlier_embedder, settings),
        reranker=build_reranker(settings),
        rerank_candidates=settings.rerank_candidates,
        build_dense=_dense_builder(settings),
        retrievers=retrievers,
    )


def _dense_builder(settings: Settings) -> DenseBuilder:
    """Who indexes the vectors of segments that are too large for exact search. Raises InvalidSettings."""
    from mmrag.retrieval.cagra import graph_builder  # noqa: PLC0415 - needs an extra; the caller names it
    from mmrag.retrieval.dense import DenseIndex  # noqa: PLC0415 - as above

    return graph_builder(settings.faiss_device) if settings.large_index == "hnsw" else DenseIndex.scan
