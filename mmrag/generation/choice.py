"""Which generator the settings ask for, and why this one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from mmrag.errors import InvalidSettings, MissingExtra
from mmrag.generation.extractive import ExtractiveGenerator

if TYPE_CHECKING:
    from mmrag.config import Settings
    from mmrag.generation.local import LocalGenerator
    from mmrag.ports import Embedder, Generator


def choose_generator(settings: Settings, embedder: Embedder) -> tuple[Generator, str]:
    """The generator for these settings, and why this one. A model is loaded when it is first needed.

    Raises InvalidSettings where what is named cannot be used, MissingExtra.
    """
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
    from mmrag.checkpoints.finding import find_checkpoint  # noqa: PLC0415 - needs an extra
    from mmrag.checkpoints.loading import check_precision  # noqa: PLC0415 - as above
    from mmrag.generation.local import LocalGenerator, LocalOptions  # noqa: PLC0415 - as above

    check_precision(settings.generator_precision)
    checkpoint = find_checkpoint(
        settings.generator_model,
        revision=settings.generator_revision,
        revision_setting="generator_revision",
    )
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
