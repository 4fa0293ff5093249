"""The Embedder over any sentence-transformers model.

Nothing heavy is loaded before the first embedding: `name`, `dimension`, `understands` and
`count_tokens` answer from the model's files. After the first conversion of a model PyTorch is
not loaded at all, unless there is a GPU.
"""

from __future__ import annotations

import importlib.util
import logging
import threading
from functools import cached_property
from typing import TYPE_CHECKING

from mmrag.errors import StoreUnavailable
from mmrag.retrieval.embedding.conversion import Conversion, Measured, conversion_of
from mmrag.retrieval.embedding.model import DEFAULT_MODEL, Languages, find_model
from mmrag.retrieval.embedding.openvino_runtime import OpenVinoRuntime
from mmrag.retrieval.embedding.runtime import EXACT_ENOUGH, Runtime, RuntimeChoice, may_have_gpu
from mmrag.retrieval.embedding.torch_runtime import load_on_cpu, load_on_gpu
from mmrag.text.words import is_chinese

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from mmrag.ports import Vectors
    from mmrag.retrieval.embedding.model import ModelFolder, Task

# PyTorch takes seconds to start and some hundred megabytes more: it must be this much faster to be taken.
_WORTH_PYTORCH = 1.25
_log = logging.getLogger(__name__)


class SentenceTransformerEmbedder:
    """A model by name or folder; safe to share between threads.

    `models` is the folder where converted models are kept; without one, nothing is converted and
    PyTorch embeds. Construction raises MissingExtra and InvalidSettings where there is no such
    model, the first embedding also StoreUnavailable where its files were altered.
    """

    def __init__(
        self,
        reference: str = DEFAULT_MODEL,
        *,
        models: Path | None = None,
        threads: int = 1,
        runtime: RuntimeChoice = "auto",
        languages: Languages = "auto",
        model: ModelFolder | None = None,
    ) -> None:
        self._model = model or find_model(reference)
        self._models = models
        self._threads = threads
        self._choice = runtime
        self._languages = languages
        self._opening = threading.Lock()
        self._opened: Runtime | None = None

    @property
    def reference(self) -> str:
        """What opens this model again as the setting `embedding_model`."""
        return self._model.reference

    @property
    def name(self) -> str:
        return self._model.name

    @cached_property
    def dimension(self) -> int:
        return self._model.dimension or int(self.embed_queries(["a first question"]).shape[1])

    @property
    def max_tokens(self) -> int | None:
        """Tokens of a text that the model reads, None where it has no limit."""
        return self._model.max_tokens

    @cached_property
    def reads_chinese(self) -> bool:
        if self._languages == "auto":
            return self._model.reads_chinese
        return self._languages == "multilingual"

    @property
    def runtime_reason(self) -> str:
        """What runs the model and why this was chosen; opens it if need be."""
        return self._runtime().reason

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        return self._embed(texts, "document")

    def embed_queries(self, texts: Sequence[str]) -> Vectors:
        return self._embed(texts, "query")

    def understands(self, text: str) -> bool:
        return not is_chinese(text) or self.reads_chinese

    def count_tokens(self, text: str) -> int:
        return len(self._model.tokenizer.encode(text, add_special_tokens=False))

    def _embed(self, texts: Sequence[str], task: Task) -> Vectors:
        import numpy as np  # noqa: PLC0415 - heavy, and not needed to count tokens

        if not texts:
            return np.empty((0, self.dimension), dtype=np.float32)
        return self._runtime().embed(texts, task)

    def _runtime(self) -> Runtime:
        if self._opened is None:
            with self._opening:
                if self._opened is None:
                    self._opened = self._open()
        return self._opened

    def _open(self) -> Runtime:
        self._model.verify()
        if self._choice != "openvino" and may_have_gpu():
            on_gpu = load_on_gpu(self._model, threads=self._threads)
            if on_gpu is not None:
                return on_gpu
        if self._choice == "torch":
            return self._with_pytorch("chosen by the setting embedding_runtime")
        if importlib.util.find_spec("openvino") is None:
            return self._with_pytorch("openvino is not installed")
        if self._models is None:
            return self._with_pytorch("there is no folder to keep a converted model in")
        try:
            conversion = conversion_of(
                self._model, self._models / self._model.folder_name / "openvino", threads=self._threads
            )
        except StoreUnavailable as error:
            _log.warning("%s", error)
            return self._with_pytorch(str(error))
        return self._best_of(conversion)

    def _best_of(self, conversion: Conversion) -> Runtime:
        verdict = conversion.verdict
        if verdict.failure:
            return self._with_pytorch(verdict.failure)
        speeds = {each.way: each.texts_per_second for each in verdict.measured}
        exact = [
            each
            for each in verdict.measured
            if each.way.startswith("openvino") and each.cosine >= EXACT_ENOUGH
        ]
        if not exact:
            return self._with_pytorch(f"OpenVINO is not exact enough: {_listed(verdict.measured)}")
        best = max(exact, key=lambda each: each.texts_per_second)
        if self._choice == "auto" and speeds["torch f32"] > _WORTH_PYTORCH * best.texts_per_second:
            return self._with_pytorch(f"it is the fastest here: {_listed(verdict.measured)}")
        return OpenVinoRuntime(
            conversion.folder,
            prompts=self._model.prompts,
            precision="bf16" if best.way.endswith("bf16") else "f32",
            threads=self._threads,
            reason=f"OpenVINO in {best.way.split()[1]}, the fastest that is exact enough here: "
            f"{_listed(verdict.measured)}",
        )

    def _with_pytorch(self, reason: str) -> Runtime:
        return load_on_cpu(self._model, threads=self._threads, reason=f"PyTorch in fp32 on the CPU: {reason}")


def _listed(measured: Sequence[Measured]) -> str:
    return ", ".join(
        f"{each.way} {each.texts_per_second:.0f} texts/s (cosine {each.cosine:.5f})" for each in measured
    )
