"""What the loop needs of a language model: to take a row in, and to go one step with all of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch
    from torch import Tensor


@dataclass(frozen=True, eq=False, slots=True)
class Prefix:
    """What a model reads before it writes.

    `embeddings` (n, width) hold a picture's features where `tokens`, of the same length, have the
    picture's tokens; `tokens` are what look-up copies from.
    """

    embeddings: Tensor
    tokens: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Begun:
    """A row that is ready to go on: what is in its cache, and the token that comes next.

    `said` is False where that token only starts the output (T5's), True where it belongs to it.
    """

    length: int
    token: int
    said: bool


class LanguageModel(Protocol):
    """A language model over a cache of its own. Rows are numbered from 0 and kept dense."""

    device: torch.device
    most_tokens: int  # that fit a row: read and written together, or written alone (T5)
    reads_apart: bool  # what is read takes no room from what is written (T5)

    def allocate(self, *, rows: int, read: int, written: int, spare: int) -> None:
        """A cache for that many rows and tokens; `spare` are written beyond the last and rejected."""
        ...

    def begin(self, rows: Sequence[int], prefixes: Sequence[Prefix], *, width: int) -> list[Begun]:
        """Read the prefixes, padded to `width` tokens, into these rows."""
        ...

    def step(self, tokens: Tensor, lengths: Tensor, *, span: int) -> Tensor:
        """What follows each of `tokens` (B, W), written after the `lengths` (B,) tokens of rows 0 to B.

        Returns (B, W). Attention looks at the first `span` positions. The same tensors at the
        same places may be replayed by a CUDA graph: no step depends on Python values but shapes
        and `span`.
        """
        ...

    def move(self, source: int, target: int) -> None:
        """Copy a row over another."""
        ...
