"""Steps as CUDA graphs: at batch 1 a step's hundreds of kernels are done before they could be launched one by one.

A graph is captured for each shape when it is first needed and replayed from then on. Elsewhere a
step simply runs.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor

_log = logging.getLogger(__name__)
_WARM_UPS = 3  # runs before a capture, as PyTorch's documentation asks for


class Stepper:
    """Runs steps of the same shape as fast as the device can. Not safe to share between threads."""

    def __init__(self, step: Callable[..., Tensor], *, device: torch.device, compiled: bool = False) -> None:
        self._step = torch.compile(step, dynamic=False) if compiled else step
        self._device = device
        self._graphs: dict[tuple[int, int, int], _Graph] = {}
        self.captures = device.type == "cuda"

    def __call__(
        self, tokens: Sequence[Sequence[int]], lengths: Sequence[int], *, span: int
    ) -> list[list[int]]:
        """What follows each token (B, W) after `lengths` (B,) tokens: (B, W)."""
        given = torch.tensor(tokens, device=self._device), torch.tensor(lengths, device=self._device)
        if not self.captures:
            return _listed(self._step(*given, span=span))
        shape = (*given[0].shape, span)
        if shape not in self._graphs:
            try:
                self._graphs[shape] = _Graph(self._step, *given, span=span)
            except torch.OutOfMemoryError:
                raise
            except RuntimeError as error:  # a library's kernel that cannot be captured
                _log.warning("CUDA graphs cannot be used, decoding is slower: %s", type(error).__name__)
                self.captures = False
                return _listed(self._step(*given, span=span))
        return _listed(self._graphs[shape](*given))

    def forget(self) -> None:
        """Drop the graphs: they hold on to the memory of the cache they were captured over."""
        self._graphs.clear()


def _listed(tokens: Tensor) -> list[list[int]]:
    listed: list[list[int]] = tokens.tolist()
    return listed


class _Graph:
    """One captured step and the places where its input and output lie."""

    def __init__(self, step: Callable[..., Tensor], tokens: Tensor, lengths: Tensor, *, span: int) -> None:
        self._tokens, self._lengths = tokens.clone(), lengths.clone()
        stream = torch.cuda.Stream()  # type: ignore[no-untyped-call] # PyTorch's own gap
        stream.wait_stream(torch.cuda.current_stream())
        # A warm-up writes where the step itself will write: the same values, so nothing is lost.
        with torch.cuda.stream(stream):
            for _ in range(_WARM_UPS):
                step(self._tokens, self._lengths, span=span)
        torch.cuda.current_stream().wait_stream(stream)
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph, capture_error_mode="thread_local"):
            self._output = step(self._tokens, self._lengths, span=span)

    def __call__(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        self._tokens.copy_(tokens)
        self._lengths.copy_(lengths)
        self._graph.replay()
        return self._output
