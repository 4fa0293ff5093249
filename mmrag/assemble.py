"""The composition root: builds the engine from the settings. The one place that decides who does what."""

from __future__ import annotations

import logging
from functools import cache, partial
from typing import TYPE_CHECKING, Literal

from mmrag.engine import Engine, Limits, Stages
from mmrag.errors import InvalidSettings, MissingExtra, UserFacingError

if TYPE_CHECKING:
    from collections.abc import Container
    from pathlib import Path

    from mmrag.config import Settings
    from mmrag.generation.local import LocalGenerator
    from mmrag.grounding.entailment import Entailment
    from mmrag.ports import Embedder, Generator, Reader
    from mmrag.reading.contained import ContainedReader
    from mmrag.retrieval.dense import DenseBuilder
    from mmrag.retrieval.embedding.embedder import SentenceTransformerEmbedder
    from mmrag.retrieval.rerank import CrossEncoderReranker
    from mmrag.storage.keys import ApiKeys

_log = logging.getLogger(__name__)


def build_engine(
    settings: Settings,
    *,
    embedder: Embedder | None = None,
    reader: Reader | None = None,
    retrievers: Container[str] = ("bm25", "dense"),
) -> Engine:
    """An engine on the data folder of these settings. Models load when they are first needed.

    Several engines of one process may share an embedder and a reader, which hold the models.
    `retrievers` are the halves of the search that have a vote.
    Raises MissingExtra without one of the extras `cpu`, `gpu` and `gpu-cuvs`, StoreUnavailable where
    the data folder cannot be used, InvalidSettings where the named cross-encoder cannot, or where
    FAISS is to use a GPU that is not there.
    """
    try:
        return _build(settings, embedder, reader, retrievers)
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
    return settings.home / "store.sqlite3"


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
    settings: Settings, embedder: Embedder | None, reader: Reader | None, retrievers: Container[str]
) -> Engine:
    from mmrag.generation.extractive import ExtractiveGenerator  # noqa: PLC0415 - as below
    from mmrag.grounding import EvidenceGrounder  # noqa: PLC0415 - the stages need an extra; the caller names it
    from mmrag.reading import READING_VERSION  # noqa: PLC0415 - as above
    from mmrag.reading.chunking import SentenceChunker  # noqa: PLC0415 - as above
    from mmrag.retrieval.hybrid import HybridRetriever  # noqa: PLC0415 - as above
    from mmrag.storage.cache import DiskAnswerCache  # noqa: PLC0415 - as above
    from mmrag.storage.catalog import SqliteStore  # noqa: PLC0415 - as above

    embedder = embedder or build_embedder(settings)
    reranker = build_reranker(settings)
    generator, reason = choose_generator(settings, embedder)
    fallback = ExtractiveGenerator(embedder)
    store = SqliteStore(_store_file(settings))
    cache = DiskAnswerCache(settings.home / "cache", size_limit=settings.cache_bytes)
    retriever = HybridRetriever(
        store,
        embedder,
        folder=settings.home / "indexes",
        exact_search_rows=settings.exact_search_rows,
        memory_bytes=settings.index_memory_bytes,
        earlier=partial(_earlier_embedder, settings),
        reranker=reranker,
        rerank_candidates=settings.rerank_candidates,
        build_dense=_dense_builder(settings),
        retrievers=retrievers,
    )

    own_reader: ContainedReader | None = None
    if reader is None:
        reader = own_reader = build_reader(settings)

    def close() -> None:
        if own_reader:
            own_reader.close()
        if hasattr(generator, "close"):  # the extractive one holds nothing
            generator.close()
        retriever.close()  # before the store: it may still be reading it
        cache.close()
        store.close()

    return Engine(
        Stages(
            store=store,
            cache=cache,
            reader=reader,
            chunker=SentenceChunker(count_tokens=embedder.count_tokens, target_tokens=settings.chunk_tokens),
            embedder=embedder,
            retriever=retriever,
            generator=generator,
            fallback=fallback if generator.name != fallback.name else None,
            grounder=EvidenceGrounder(embedder, build_entailment(settings)),
            reading_version=f"{READING_VERSION} {settings.chunk_tokens}",
            generator_reason=reason,
            # Without a cache nobody would find what another process did meanwhile.
            flights=settings.home / "flights" if settings.cache_bytes else None,
        ),
        limits=Limits(
            question_chars=settings.max_question_chars,
            attachments=settings.max_attachments,
            readers=settings.reading_processes,
        ),
        compact_after_seconds=settings.compact_after_seconds,
        close=close,
    )


def _dense_builder(settings: Settings) -> DenseBuilder:
    """Who indexes the vectors of segments that are too large for exact search. Raises InvalidSettings."""
    from mmrag.retrieval.cagra import graph_builder  # noqa: PLC0415 - needs an extra; the caller names it
    from mmrag.retrieval.dense import DenseIndex  # noqa: PLC0415 - as above

    return graph_builder(settings.faiss_device) if settings.large_index == "hnsw" else DenseIndex.scan


def choose_generator(settings: Settings, embedder: Embedder) -> tuple[Generator, str]:
    """The generator for these settings, and why this one. A model is loaded when it is first needed.

    Raises InvalidSettings where what is named cannot be used, MissingExtra.
    """
    from mmrag.generation.extractive import ExtractiveGenerator  # noqa: PLC0415 - needs an extra

    if settings.generator == "extractive":
        return ExtractiveGenerator(embedder), "chosen by the setting `generator`"
    if settings.generator == "auto" and not settings.generator_model:
        return ExtractiveGenerator(embedder), "needs no model, and `generator_model` names none"
    if not settings.generator_model:
        raise InvalidSettings(
            f"generator is {settings.generator}, so set generator_model to the model to use."
        )
    has_server = bool(settings.openai_base_url or settings.openai_api_key.get_secret_value())
    if settings.generator == "openai" or (settings.generator == "auto" and has_server):
        return _openai_generator(settings), _why(settings, "a server or its key is set")
    generator, kind = _local_generator(settings)
    return generator, _why(settings, f"`generator_model` names a checkpoint of {kind}")


def _why(settings: Settings, reason: str) -> str:
    return reason if settings.generator == "auto" else "chosen by the setting `generator`"


def _openai_generator(settings: Settings) -> Generator:
    from mmrag.generation.spending import Prices, Spending  # noqa: PLC0415 - needs an extra

    try:
        from mmrag.generation.openai_api import OpenAIGenerator, OpenAIOptions  # noqa: PLC0415 - as above
    except ModuleNotFoundError as missing:
        raise MissingExtra(missing.name or "openai", "openai") from missing
    prices = Prices(settings.openai_price_read, settings.openai_price_written)
    if settings.openai_dollars_a_day and not (prices.read or prices.written):
        raise InvalidSettings(
            "openai_dollars_a_day limits what is spent: set openai_price_read and openai_price_written, too."
        )
    spending = Spending(
        settings.home / "spending.json", dollars_a_day=settings.openai_dollars_a_day, prices=prices
    )
    options = OpenAIOptions(
        model=settings.generator_model,
        base_url=settings.openai_base_url,
        read_tokens=settings.openai_context_tokens,
        most_tokens=settings.generator_tokens,
        seconds=settings.generator_seconds,
    )
    key = settings.openai_api_key.get_secret_value()
    return OpenAIGenerator(options, key=key, spending=spending if settings.openai_dollars_a_day else None)


def _local_generator(settings: Settings) -> tuple[LocalGenerator, str]:
    """The generator over a checkpoint, and what kind of model that is."""
    from mmrag.generation.checkpoint import find_checkpoint  # noqa: PLC0415 - needs an extra
    from mmrag.generation.loading import check_precision  # noqa: PLC0415 - as above
    from mmrag.generation.local import LocalGenerator, LocalOptions  # noqa: PLC0415 - as above

    check_precision(settings.generator_precision)
    checkpoint = find_checkpoint(settings.generator_model, revision=settings.generator_revision)
    options = LocalOptions(
        precision=settings.generator_precision,
        most_tokens=settings.generator_tokens,
        seconds=settings.generator_seconds,
        batch=settings.generator_batch,
        look_up=settings.generator_look_up,
        int8_cache=settings.generator_cache_8bit,
        threads=settings.threads,
    )
    name: Literal["blip2", "vlm"] = (
        "blip2" if checkpoint.suits_decode_loop and settings.generator != "vlm" else "vlm"
    )
    if settings.generator == "blip2" and name == "vlm":
        raise InvalidSettings(
            f"The model {settings.generator_model!r} is of kind {checkpoint.kind}, not BLIP-2 or "
            "InstructBLIP over OPT or T5: set generator to vlm or auto."
        )
    if name == "vlm" and settings.generator_precision == "int8":
        raise InvalidSettings(
            f"generator_precision int8 is for blip2, and {settings.generator_model!r} is run as vlm: "
            "set it to int8-torchao or int8-bitsandbytes."
        )
    return LocalGenerator(name, checkpoint, options), checkpoint.kind
