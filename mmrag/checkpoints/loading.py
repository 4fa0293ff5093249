"""Loading a checkpoint with transformers: precision, quantisation, device."""

from __future__ import annotations

import gc
import importlib.util
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from mmrag.errors import InvalidSettings

if TYPE_CHECKING:
    from collections.abc import Iterator

    import torch

    from mmrag.checkpoints.finding import Checkpoint

Precision = Literal[
    "auto", "fp32", "bf16", "fp16", "int8", "int8-torchao", "int8-bitsandbytes", "4bit-bitsandbytes"
]
# In more than 8 bits: what is small, and what the picture goes through.
_NOT_QUANTISED = ["lm_head", "qformer", "language_projection", "vision_model"]
_NEEDED = {
    "int8-torchao": ("torchao", "accelerate"),
    "int8-bitsandbytes": ("bitsandbytes", "accelerate"),
    "4bit-bitsandbytes": ("bitsandbytes", "accelerate"),
}


@dataclass(frozen=True, slots=True)
class Loaded:
    """A model ready to generate, with its processor; `reason` says in which precision and why."""

    model: Any
    processor: Any
    device: torch.device
    dtype: torch.dtype
    reason: str


def check_precision(precision: Precision) -> None:
    """Raise InvalidSettings where what a precision needs is not installed."""
    missing = [name for name in _NEEDED.get(precision, ()) if importlib.util.find_spec(name) is None]
    if missing:
        raise InvalidSettings(
            f"generator_precision {precision} needs {' and '.join(missing)}: "
            "run  pip install 'mmrag[quantised]'  or set it to int8, which needs nothing."
        )


def load(checkpoint: Checkpoint, *, precision: Precision, threads: int, too_large: str) -> Loaded:
    """The model on the GPU where there is one. Raises InvalidSettings where it cannot be loaded.

    `too_large` says what to do where it does not fit the GPU.
    """
    check_precision(precision)
    with _quiet():
        import torch  # noqa: PLC0415 - heavy: seconds
        from transformers import AutoModelForImageTextToText, AutoProcessor  # noqa: PLC0415 - as above

        torch.set_num_threads(threads)
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        dtype, reason = _dtype(precision, device)
        options: dict[str, Any] = {}
        if precision in _NEEDED:
            options = {
                "quantization_config": _quantisation(precision, dtype),
                "device_map": {"": str(device)},
            }
        try:
            processor = AutoProcessor.from_pretrained(  # type: ignore[no-untyped-call] # transformers' own gap
                checkpoint.folder, local_files_only=True, trust_remote_code=False
            )
            model: Any = AutoModelForImageTextToText.from_pretrained(
                checkpoint.folder,
                dtype=dtype,
                use_safetensors=True,
                local_files_only=True,
                trust_remote_code=False,
                **options,
            )
        except torch.OutOfMemoryError:
            raise InvalidSettings(
                f"The model {checkpoint.name!r} does not fit the GPU: {too_large}."
            ) from None
        except Exception as error:  # as many kinds as libraries: damaged files, unknown architectures
            raise InvalidSettings(
                f"The model {checkpoint.name!r} cannot be loaded ({type(error).__name__}): is it whole, and "
                "of a kind that transformers knows?"
            ) from error
        if not options:
            model = model.to(device)
    return Loaded(model.eval(), processor, device, dtype, reason)


def stop_ids(*models: Any) -> frozenset[int]:  # noqa: ANN401 - of many classes of transformers, or None
    """The tokens that end what a model writes, by the generation settings of each."""
    stops: set[int] = set()
    for model in models:
        value = getattr(getattr(model, "generation_config", None), "eos_token_id", None)
        if value is not None:
            stops |= {value} if isinstance(value, int) else set(value)
    return frozenset(stops)


def _dtype(precision: Precision, device: torch.device) -> tuple[torch.dtype, str]:
    import torch  # noqa: PLC0415 - heavy: seconds

    where = torch.cuda.get_device_name() if device.type == "cuda" else "the CPU"
    if precision in {"fp32", "bf16", "fp16"}:
        dtype = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[precision]
        return dtype, f"{precision} on {where}, as set"
    quantised = "" if precision == "auto" else f"{precision} weights, "
    if device.type == "cpu":
        return torch.float32, f"{quantised}fp32 on the CPU: slow, there is no GPU"
    if torch.cuda.is_bf16_supported():
        return torch.bfloat16, f"{quantised}bf16 on {where}"
    return torch.float16, f"{quantised}fp16 on {where}, which has no bf16"


def _quantisation(precision: Precision, dtype: torch.dtype) -> Any:  # noqa: ANN401 - one of two configurations of transformers
    from transformers import BitsAndBytesConfig, TorchAoConfig  # noqa: PLC0415 - heavy: seconds

    if precision == "int8-torchao":
        from torchao.quantization import Int8WeightOnlyConfig  # noqa: PLC0415 - an extra

        return TorchAoConfig(Int8WeightOnlyConfig(), modules_to_not_convert=_NOT_QUANTISED)
    if precision == "int8-bitsandbytes":
        return BitsAndBytesConfig(  # type: ignore[no-untyped-call] # transformers' own gap
            load_in_8bit=True, llm_int8_skip_modules=_NOT_QUANTISED
        )
    return BitsAndBytesConfig(  # type: ignore[no-untyped-call] # as above
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_compute_dtype=dtype,
        llm_int8_skip_modules=_NOT_QUANTISED,
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """No progress bars in a bot's log, and no collection among the many objects that imports make."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        from transformers.utils import logging  # noqa: PLC0415 - heavy: seconds

        bars, verbosity = logging.is_progress_bar_enabled(), logging.get_verbosity()
        logging.disable_progress_bar()  # type: ignore[no-untyped-call] # transformers' own gap
        logging.set_verbosity_error()  # type: ignore[no-untyped-call] # as above
        try:
            yield
        finally:
            logging.set_verbosity(verbosity)
            if bars:
                logging.enable_progress_bar()  # type: ignore[no-untyped-call] # as above
    finally:
        if was_enabled:
            gc.enable()
