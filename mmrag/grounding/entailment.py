"""Whether a passage entails a sentence, by a cross-encoder for natural language inference.

None comes along: the setting `entailment_model` names one. It reads what words cannot compare, a
paraphrase or a contradiction. Numbers, names and negations are checked beside it all the same.
"""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from mmrag.errors import InvalidSettings

if TYPE_CHECKING:
    from collections.abc import Sequence


class Entailment(Protocol):
    """Reads a passage and a sentence together."""

    def judge(self, passages: Sequence[str], sentence: str) -> Sequence[tuple[float, float]]:
        """For each passage the probabilities that it entails, and that it contradicts, the sentence."""
        ...


class CrossEncoderEntailment:
    """A sequence classifier with the label "entailment". Safe to share between threads.

    Raises InvalidSettings where `model` names none that can be loaded safely.
    """

    def __init__(self, model: str, *, threads: int = 1) -> None:
        self._model = model
        self._threads = threads
        self._folder = _local_folder(model)
        labels = _labels(model, self._folder)
        self._entails = _index(labels, "entail", model)
        self._contradicts = next((n for n, label in labels.items() if "contradict" in label), None)
        self._loading = threading.Lock()
        self._loaded: tuple[Any, Any] | None = None

    def judge(self, passages: Sequence[str], sentence: str) -> list[tuple[float, float]]:
        if not passages:
            return []
        import torch  # noqa: PLC0415 - heavy: seconds

        tokenizer, classifier = self._parts()
        pairs = tokenizer(
            list(passages),
            [sentence] * len(passages),
            truncation="only_first",
            padding=True,
            return_tensors="pt",
        )
        with torch.inference_mode():
            chances = classifier(**pairs).logits.float().softmax(dim=-1)  # (passages, labels)
        return [
            (float(row[self._entails]), 0.0 if self._contradicts is None else float(row[self._contradicts]))
            for row in chances
        ]

    def _parts(self) -> tuple[Any, Any]:
        with self._loading:
            if self._loaded is None:
                self._loaded = self._load()
            return self._loaded

    def _load(self) -> tuple[Any, Any]:
        import torch  # noqa: PLC0415 - heavy: seconds
        from transformers import (  # noqa: PLC0415 - heavy: seconds
            AutoModelForSequenceClassification,
            AutoTokenizer,
        )

        torch.set_num_threads(self._threads)
        options = {"local_files_only": True, "trust_remote_code": False}
        try:
            tokenizer: Any = AutoTokenizer.from_pretrained(self._folder, **options)
            classifier: Any = AutoModelForSequenceClassification.from_pretrained(
                self._folder, use_safetensors=True, **options
            )
        except Exception as error:
            raise _unusable(self._model, f"it cannot be loaded ({type(error).__name__})") from error
        return tokenizer, classifier.eval()


def _local_folder(model: str) -> Path:
    folder = Path(model).expanduser()
    if folder.is_dir():
        return folder
    from huggingface_hub import snapshot_download  # noqa: PLC0415 - only where a name is no folder

    try:
        return Path(snapshot_download(model, local_files_only=True))
    except (OSError, ValueError) as error:
        raise _unusable(model, "it is no folder and not in the local cache") from error


def _labels(model: str, folder: Path) -> dict[int, str]:
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        return {int(number): str(label).casefold() for number, label in config["id2label"].items()}
    except (OSError, ValueError, KeyError, AttributeError) as error:
        raise _unusable(model, "its config.json names no labels") from error


def _index(labels: dict[int, str], name: str, model: str) -> int:
    for number, label in labels.items():
        if label.startswith(name):
            return number
    raise _unusable(model, f"none of its labels is {name}ment ({', '.join(labels.values())})")


def _unusable(model: str, reason: str) -> InvalidSettings:
    return InvalidSettings(
        f"The setting `entailment_model` cannot be used: {model!r}: {reason}. "
        "Name a cross-encoder for natural language inference, or leave it empty to check by words."
    )
