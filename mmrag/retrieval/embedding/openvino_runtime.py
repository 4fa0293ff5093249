"""The converted model by OpenVINO on the CPU: starts in a fraction of a second, without PyTorch."""

from __future__ import annotations

import importlib
import json
import sys
import threading
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path
    from types import ModuleType

    import numpy as np
    from numpy.typing import NDArray

    from mmrag.ports import Vectors
    from mmrag.retrieval.embedding.model import Prompts, Task

Precision = Literal["f32", "bf16"]

GRAPH = "model.xml"  # with its weights in model.bin
TOKENIZER = "tokenizer.json"
INPUTS = "inputs.json"

# Tokens of a batch, padding included. Larger batches leave the processor's caches and are slower;
# with small ones a question waits for a few hundredths of a second while documents are embedded.
_BATCH_TOKENS = 1024
_WIDTHS = 16  # batches are padded to a multiple of this: few shapes, each with its kernels compiled once
_TEXTS_AT_ONCE = 2048  # tokenised together: bounds the memory however many texts are embedded


@dataclass(frozen=True, slots=True)
class Inputs:
    """How token ids are laid out for the graph. `max_tokens` includes the special ones."""

    names: tuple[str, ...]
    max_tokens: int | None
    pad_id: int
    pad_left: bool
    dimension: int

    def write(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self)), encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> Inputs:
        fields = json.loads(path.read_bytes())
        return cls(**fields | {"names": tuple(fields["names"])})


class OpenVinoRuntime:
    """Runs the graph in `folder`. Threads share the compiled graph, each with a request of its own."""

    def __init__(
        self, folder: Path, *, prompts: Prompts, precision: Precision, threads: int, reason: str
    ) -> None:
        from tokenizers import Tokenizer  # noqa: PLC0415 - an engine dependency, absent in a light install

        self._inputs = Inputs.read(folder / INPUTS)
        self._prompts = prompts
        self._tokenizer = Tokenizer.from_file(str(folder / TOKENIZER))
        self._tokenizer.no_padding()
        if self._inputs.max_tokens is None:
            self._tokenizer.no_truncation()
        else:
            self._tokenizer.enable_truncation(self._inputs.max_tokens)
        self._compiled = (
            import_openvino()
            .Core()
            .compile_model(
                str(folder / GRAPH),
                "CPU",
                {
                    "INFERENCE_PRECISION_HINT": precision,
                    "INFERENCE_NUM_THREADS": threads,
                    "NUM_STREAMS": 1,  # all threads on one batch: two streams were not faster
                    "ENABLE_CPU_PINNING": False,  # two processes would be bound to the same core
                },
            )
        )
        self._requests = threading.local()
        self.reason = reason

    def embed(self, texts: Sequence[str], task: Task) -> Vectors:
        import numpy as np  # noqa: PLC0415 - heavy

        prompt = self._prompts.of(task)
        vectors = np.empty((len(texts), self._inputs.dimension), dtype=np.float32)
        for start in range(0, len(texts), _TEXTS_AT_ONCE):
            part = [prompt + text for text in texts[start : start + _TEXTS_AT_ONCE]]
            rows = [encoding.ids for encoding in self._tokenizer.encode_batch(part)]
            for places in _batches([len(row) for row in rows]):
                vectors[[start + place for place in places]] = self._infer([rows[place] for place in places])
        return vectors

    def _infer(self, rows: list[list[int]]) -> Vectors:
        if not hasattr(self._requests, "mine"):
            self._requests.mine = self._compiled.create_infer_request()
        outputs = self._requests.mine.infer(self._lay_out(rows))
        vectors: Vectors = outputs[0]
        return vectors

    def _lay_out(self, rows: list[list[int]]) -> dict[str, NDArray[np.int64]]:
        """Each input as (rows, width)."""
        import numpy as np  # noqa: PLC0415 - heavy

        width = _width(max(map(len, rows)))
        if self._inputs.max_tokens is not None:
            width = min(width, max(self._inputs.max_tokens, *map(len, rows)))
        ids = np.full((len(rows), width), self._inputs.pad_id, dtype=np.int64)
        mask = np.zeros_like(ids)
        for row, tokens in enumerate(rows):
            place = slice(width - len(tokens), width) if self._inputs.pad_left else slice(0, len(tokens))
            ids[row, place] = tokens
            mask[row, place] = 1
        made = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        return {name: made[name] for name in self._inputs.names}


def _width(tokens: int) -> int:
    return -(-max(tokens, 1) // _WIDTHS) * _WIDTHS


def _batches(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Places of texts of about the same length, longest first; at most _BATCH_TOKENS a batch."""
    places = sorted(range(len(lengths)), key=lambda place: -lengths[place])
    while places:
        size = max(1, _BATCH_TOKENS // _width(lengths[places[0]]))
        yield places[:size]
        places = places[size:]


def import_openvino() -> ModuleType:
    """`openvino`, with its telemetry left out: it would report each import to its vendor."""
    with _without_module("openvino_telemetry"):
        return importlib.import_module("openvino")


@contextmanager
def _without_module(name: str) -> Iterator[None]:
    """Importing `name` fails inside, as where it is not installed."""
    hidden: dict[str, Any] = {name: None}
    if name in sys.modules:
        hidden = {}  # loaded before us, by someone who wants it
    sys.modules.update(hidden)
    try:
        yield
    finally:
        for each in hidden:
            del sys.modules[each]
