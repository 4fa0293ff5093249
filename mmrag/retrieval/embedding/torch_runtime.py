"""The model as sentence-transformers runs it: the reference, and the way to a GPU.

Importing this module is cheap; loading a model imports PyTorch, which takes seconds.
"""

from __future__ import annotations

import copy
import threading
from typing import TYPE_CHECKING

from mmrag.errors import InvalidSettings
from mmrag.retrieval.embedding.runtime import EXACT_ENOUGH, PROBES
from mmrag.retrieval.loading import no_garbage_collection, no_progress_bars

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sentence_transformers import SentenceTransformer

    from mmrag.ports import Vectors
    from mmrag.retrieval.embedding.model import ModelFolder, Task

_CPU_BATCH = 32  # texts, length-sorted by sentence-transformers; larger ones gain nothing on a CPU
_GPU_BATCH = 256  # halved for good where the GPU's memory is too small for it
_GPU_SLICE = 8  # batches that are prepared together; between slices others get their turn


class TorchRuntime:
    """Runs a loaded sentence-transformers model on the device where it lies."""

    def __init__(self, loaded: SentenceTransformer, model: ModelFolder, *, reason: str) -> None:
        self._loaded = loaded
        self._model = model
        on_gpu = loaded.device.type != "cpu"
        self._batch = _GPU_BATCH if on_gpu else _CPU_BATCH
        self._slice = self._batch * (_GPU_SLICE if on_gpu else 1)
        self._one_at_a_time = threading.Lock()  # sentence-transformers changes its tokenizer's state
        self.reason = reason

    @property
    def dimension(self) -> int:
        dimension = self._loaded.get_embedding_dimension()
        if dimension is None:
            raise InvalidSettings(
                f"The embedding model {self._model.reference!r} does not tell its dimension."
            )
        return int(dimension)

    def embed(self, texts: Sequence[str], task: Task) -> Vectors:
        import numpy as np  # noqa: PLC0415 - heavy

        vectors = np.empty((len(texts), self.dimension), dtype=np.float32)
        places = sorted(range(len(texts)), key=lambda place: -len(texts[place]))
        for start in range(0, len(places), self._slice):
            part = places[start : start + self._slice]
            with self._one_at_a_time:
                vectors[part] = self._encode([texts[place] for place in part], task)
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        unit: Vectors = vectors / np.maximum(lengths, 1e-12)  # half precision normalises to a few 1e-4 only
        return unit

    def _encode(self, texts: list[str], task: Task) -> Vectors:
        import torch  # noqa: PLC0415 - heavy: seconds

        encode = self._loaded.encode_query if task == "query" else self._loaded.encode_document
        while True:
            try:
                vectors: Vectors = encode(
                    texts,
                    prompt=self._model.prompts.of(task),
                    batch_size=self._batch,
                    normalize_embeddings=True,
                    convert_to_numpy=True,
                    show_progress_bar=False,
                )
            except torch.OutOfMemoryError:
                if self._batch == 1:
                    raise
                self._batch //= 2
            else:
                return vectors


def load_on_cpu(model: ModelFolder, *, threads: int, reason: str) -> TorchRuntime:
    """In fp32, the precision of the weights. Raises InvalidSettings."""
    return TorchRuntime(load(model, device="cpu", threads=threads), model, reason=reason)


def load_on_gpu(model: ModelFolder, *, threads: int) -> TorchRuntime | None:
    """In half precision where that is exact enough, else in fp32; None where PyTorch finds no GPU."""
    import torch  # noqa: PLC0415 - heavy: seconds

    if not torch.cuda.is_available():
        return None
    loaded = load(model, device="cuda", threads=threads)
    card = torch.cuda.get_device_name()
    exact = TorchRuntime(
        loaded, model, reason=f"PyTorch on {card} in fp32: half precision is not exact enough"
    )
    expected = exact.embed(PROBES, "document")
    for precision, dtype in (("fp16", torch.float16), ("bf16", torch.bfloat16)):
        half = TorchRuntime(
            copy.deepcopy(loaded).to(dtype), model, reason=f"PyTorch on {card} in {precision}: there is a GPU"
        )
        if lowest_cosine(half.embed(PROBES, "document"), expected) >= EXACT_ENOUGH:
            return half
    return exact


def load(
    model: ModelFolder, *, device: str, threads: int, attention: str | None = None
) -> SentenceTransformer:
    """The model in fp32. Raises InvalidSettings where its files cannot be loaded without running code."""
    with no_garbage_collection():
        import torch  # noqa: PLC0415 - heavy: seconds
        from sentence_transformers import SentenceTransformer  # noqa: PLC0415 - heavy: seconds

        torch.set_num_threads(threads)
        try:
            with no_progress_bars():
                return SentenceTransformer(
                    str(model.folder),
                    device=device,
                    local_files_only=True,
                    trust_remote_code=False,
                    model_kwargs={"use_safetensors": True, "dtype": torch.float32}
                    | ({"attn_implementation": attention} if attention else {}),
                ).eval()
        except Exception as error:
            raise InvalidSettings(
                f"The embedding model {model.reference!r} cannot be loaded ({type(error).__name__}): copy or "
                "download it again, or set embedding_model to another."
            ) from error


def lowest_cosine(vectors: Vectors, expected: Vectors) -> float:
    """The smallest cosine between rows of the same place; both are (n, dimension) of unit rows."""
    return float((vectors * expected).sum(axis=1).min())
