"""The second look: a cross-encoder reads the question and each candidate together.

Any cross-encoder of sentence-transformers, named by its folder or by its name in Hugging Face's
local cache. Nothing is downloaded, no code of the model's own is run, and only safetensors is
read. The files are looked at when it is made, so that a wrong name is told at the start; torch is
imported at the first question.
"""

from __future__ import annotations

import hashlib
import json
import threading
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from mmrag.errors import InvalidSettings
from mmrag.retrieval.loading import no_garbage_collection, no_progress_bars
from mmrag.text.words import is_chinese

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sentence_transformers import CrossEncoder

_BATCH = 16  # pairs, length-sorted by sentence-transformers; larger ones gain nothing on a CPU
# Logits are compared after rounding: what the order of a batch changes behind it is noise, and
# must not undo the order that the candidates came in.
_DIGITS = 4
# The commonest characters of Chinese: a vocabulary that lacks one of them, or spells them in more
# than one piece each, was not made for it.
_COMMON_CHINESE = "我们这个时候应该怎么说没有问题还会对过来为什么进行经济发现学习开关东西长见让给从后边"


class CrossEncoderReranker:
    """Scores passages for a question. Implements `ports.Reranker`; safe to share between threads.

    Raises InvalidSettings where `model` names no cross-encoder that can be loaded safely.
    """

    def __init__(self, model: str, *, threads: int = 1) -> None:
        self._model = model
        self._threads = threads
        self._folder = _local_folder(model)
        _check(model, self._folder)
        self._loading = threading.Lock()
        self._loaded: CrossEncoder | None = None

    @cached_property
    def name(self) -> str:
        """The model with a checksum of all that decides on its scores."""
        digest = hashlib.sha256()
        for file in sorted(self._folder.rglob("*")):
            if file.suffix in {".safetensors", ".json", ".txt", ".model"} and file.is_file():
                digest.update(f"{file.relative_to(self._folder)}\n{file.stat().st_size}\n".encode())
                with file.open("rb") as opened:
                    digest.update(hashlib.file_digest(opened, "sha256").digest())
        return f"{Path(self._model).name}@{digest.hexdigest()[:12]}"

    @property
    def device(self) -> str:
        """Where it computes: the GPU where there is one."""
        return str(self._encoder().device)

    def understands(self, text: str) -> bool:
        return self._reads_chinese or not is_chinese(text)

    def scores(self, question: str, passages: Sequence[str]) -> list[float]:
        if not passages:
            return []
        import torch  # noqa: PLC0415 - heavy: seconds

        logits = self._encoder().predict(
            [(question, passage) for passage in passages],
            batch_size=_BATCH,
            activation_fn=torch.nn.Identity(),  # a sigmoid would make the best ones all alike
            show_progress_bar=False,
        )
        return [round(float(logit), _DIGITS) for logit in logits]

    @cached_property
    def _reads_chinese(self) -> bool:
        tokenizer = self._encoder().tokenizer
        pieces = tokenizer(_COMMON_CHINESE, add_special_tokens=False)["input_ids"]
        return tokenizer.unk_token_id not in pieces and len(pieces) <= len(_COMMON_CHINESE)

    def _encoder(self) -> CrossEncoder:
        if self._loaded is None:
            with self._loading:
                if self._loaded is None:
                    self._loaded = self._load()
        return self._loaded

    def _load(self) -> CrossEncoder:
        with no_garbage_collection():
            import torch  # noqa: PLC0415 - heavy: seconds
            from sentence_transformers import CrossEncoder  # noqa: PLC0415 - heavy: seconds

        torch.set_num_threads(self._threads)
        try:
            with no_progress_bars():
                encoder: CrossEncoder = CrossEncoder(
                    str(self._folder),
                    local_files_only=True,
                    trust_remote_code=False,
                    model_kwargs={"use_safetensors": True},
                )
        except Exception as error:
            raise _unusable(self._model, f"it cannot be loaded ({type(error).__name__})") from error
        if encoder.num_labels != 1:
            raise _unusable(
                self._model, f"it sorts pairs into {encoder.num_labels} classes instead of scoring them"
            )
        return encoder


def _local_folder(model: str) -> Path:
    folder = Path(model).expanduser()
    if folder.is_dir():
        return folder
    from huggingface_hub import snapshot_download  # noqa: PLC0415 - only where a name is no folder

    try:
        return Path(snapshot_download(model, local_files_only=True))
    except (OSError, ValueError) as error:  # not in the cache; no name that could be there
        raise _unusable(
            model,
            f"it is no folder and not in the local cache (run  hf download {model}  where it is missing)",
        ) from error


def _check(model: str, folder: Path) -> None:
    """What can be told without torch: the files are there, whole, and hold no code."""
    if not (folder / "config.json").is_file():
        raise _unusable(model, "it has no config.json")
    modules = _modules(folder)
    foreign = [type_ for type_, _ in modules if not type_.startswith("sentence_transformers.")]
    if foreign:
        raise _unusable(model, f"it brings code of its own ({foreign[0]}), which is not run")
    for place in {folder, *(path for _, path in modules)}:
        weights = list(place.glob("*.safetensors"))
        if not weights and (place == folder or list(place.glob("*.bin"))):
            raise _unusable(model, "its weights are not stored as safetensors, which alone is read")
        for file in weights:
            _check_weights(model, file)


def _modules(folder: Path) -> list[tuple[str, Path]]:
    """(type, folder) of each module that sentence-transformers would load."""
    listing = folder / "modules.json"
    if not listing.is_file():
        return []
    return [
        (module["type"], folder / module["path"])
        for module in json.loads(listing.read_text(encoding="utf-8"))
    ]


def _check_weights(model: str, file: Path) -> None:
    from safetensors import SafetensorError, safe_open  # noqa: PLC0415 - an engine dependency

    try:
        with safe_open(file, framework="numpy"):  # reads the header and compares it with the length
            pass
    except (SafetensorError, OSError) as error:
        raise _unusable(model, f"{file.name} is damaged ({type(error).__name__})") from error


def _unusable(model: str, reason: str) -> InvalidSettings:
    return InvalidSettings(
        f"The setting `rerank_model` cannot be used: {model!r}: {reason}. "
        "Name a cross-encoder of sentence-transformers, or leave it empty to rank without one."
    )
