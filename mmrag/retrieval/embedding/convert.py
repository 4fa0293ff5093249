"""The process that converts a model for OpenVINO and measures it against PyTorch.

    python -m mmrag.retrieval.embedding.convert REFERENCE FOLDER NEW_FOLDER THREADS

Writes the graph, its weights, the tokenizer and the layout of its inputs into NEW_FOLDER. The last
line on standard output is a report as JSON: what was measured, or why it could not be converted.
Nothing is downloaded and no model code is run.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmrag.retrieval.embedding.conversion import Measured
from mmrag.retrieval.embedding.model import ModelFolder, Prompts, limit_of
from mmrag.retrieval.embedding.openvino_runtime import (
    GRAPH,
    INPUTS,
    TOKENIZER,
    Inputs,
    OpenVinoRuntime,
    import_openvino,
)
from mmrag.retrieval.embedding.runtime import PROBES
from mmrag.retrieval.embedding.torch_runtime import TorchRuntime, load, lowest_cosine

if TYPE_CHECKING:
    from collections.abc import Iterator

    import torch
    from sentence_transformers import SentenceTransformer

    from mmrag.retrieval.embedding.runtime import Runtime

_SPEED_TEXT = "Refunds are paid within a week after the returned device has arrived and was inspected. " * 7
_SPEED_TEXTS = 8  # of about 120 tokens, a usual chunk
_REPEATS = 3  # interleaved; the fastest counts, for others compute on the machine, too


class NotConvertible(Exception):
    """Why a model stays with PyTorch, as a part of a sentence."""


def main(reference: str, folder: str, new: str, threads: str) -> None:
    """Convert and report, as the module's docstring says."""
    model = ModelFolder(reference, Path(folder))
    try:
        measured = convert(model, Path(new), threads=int(threads))
    except NotConvertible as failure:
        report: dict[str, Any] = {"measured": [], "failure": str(failure)}
    else:
        report = {"measured": [asdict(each) for each in measured], "failure": ""}
    sys.stdout.write(json.dumps(report) + "\n")


def convert(model: ModelFolder, new: Path, *, threads: int) -> list[Measured]:
    """Write the conversion and measure each way to run the model. Raises NotConvertible."""
    # Eager attention is plain products and a softmax, which OpenVINO fuses as it needs them.
    loaded = load(model, device="cpu", threads=threads, attention="eager")
    _refuse_what_a_graph_cannot_hold(loaded, model)
    inputs = _inputs(loaded)
    loaded.tokenizer.backend_tokenizer.save(str(new / TOKENIZER))
    inputs.write(new / INPUTS)
    _write_graph(loaded, inputs, new)
    ways: dict[str, Runtime] = {"torch f32": TorchRuntime(loaded, model, reason="")}
    for precision in _precisions():
        ways[f"openvino {precision}"] = OpenVinoRuntime(
            new, prompts=model.prompts, precision=precision, threads=threads, reason=""
        )
    return list(_measure(ways))


def _refuse_what_a_graph_cannot_hold(loaded: SentenceTransformer, model: ModelFolder) -> None:
    kinds = [type(module).__name__ for module in loaded]
    if kinds[:2] != ["Transformer", "Pooling"] or not set(kinds[2:]) <= {"Dense", "Normalize", "LayerNorm"}:
        raise NotConvertible(f"its parts ({', '.join(kinds)}) are not converted")
    if not getattr(loaded[1], "include_prompt", True) and model.prompts != Prompts():
        raise NotConvertible("its pooling leaves the prompt out")
    if getattr(loaded.tokenizer, "backend_tokenizer", None) is None:
        raise NotConvertible("its tokenizer needs Python code")


def _inputs(loaded: SentenceTransformer) -> Inputs:
    features = loaded.preprocess(["a first text", "another"])
    names = tuple(name for name in ("input_ids", "attention_mask", "token_type_ids") if name in features)
    return Inputs(
        names=names,
        max_tokens=limit_of(loaded.max_seq_length),
        pad_id=int(loaded.tokenizer.pad_token_id or 0),
        pad_left=loaded.tokenizer.padding_side == "left",
        dimension=int(loaded.get_embedding_dimension() or 0),
    )


def _write_graph(loaded: SentenceTransformer, inputs: Inputs, new: Path) -> None:
    import torch  # noqa: PLC0415 - heavy: seconds

    openvino = import_openvino()

    class Encoder(torch.nn.Module):
        """All modules of the model, and unit length: token ids (n, width) to vectors (n, dimension)."""

        def __init__(self) -> None:
            super().__init__()
            self.loaded = loaded

        def forward(self, *rows: torch.Tensor) -> torch.Tensor:
            features = dict(zip(inputs.names, rows, strict=True))
            vectors: torch.Tensor = self.loaded(features)["sentence_embedding"]
            return torch.nn.functional.normalize(vectors, dim=-1)

    sample = loaded.preprocess(["a first text to trace", "another"])
    try:
        with torch.no_grad():
            graph = openvino.convert_model(
                Encoder(), example_input=tuple(sample[name] for name in inputs.names)
            )
    except Exception as error:
        raise NotConvertible(f"OpenVINO cannot convert it ({type(error).__name__})") from error
    for port, name in zip(graph.inputs, inputs.names, strict=True):
        port.get_tensor().set_names({name})
    openvino.save_model(graph, str(new / GRAPH), compress_to_fp16=False)


def _precisions() -> tuple[Any, ...]:
    able = import_openvino().Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    return ("f32", "bf16") if "BF16" in able else ("f32",)


def _measure(ways: dict[str, Runtime]) -> Iterator[Measured]:
    expected = ways["torch f32"].embed(PROBES, "document")
    cosines = {
        way: lowest_cosine(runtime.embed(PROBES, "document"), expected) for way, runtime in ways.items()
    }
    texts = [f"{number}: {_SPEED_TEXT}" for number in range(_SPEED_TEXTS)]
    fastest = dict.fromkeys(ways, float("inf"))
    for _ in range(_REPEATS):
        for way, runtime in ways.items():
            start = time.perf_counter()
            runtime.embed(texts, "document")
            fastest[way] = min(fastest[way], time.perf_counter() - start)
    for way in ways:
        yield Measured(way, cosines[way], _SPEED_TEXTS / fastest[way])


if __name__ == "__main__":
    main(*sys.argv[1:])
