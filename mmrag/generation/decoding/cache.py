"""Keys and values of past tokens, in memory that is allocated once.

Every row writes at positions of its own, so rows of different lengths decode together, and what
was written too far (a rejected draft, a padded prompt) is simply written over.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor

_INT8_MAX = 127
_SMALLEST_SCALE = 1e-8  # keeps a vector of zeros from dividing by zero


@dataclass(frozen=True, slots=True)
class CacheShape:
    """Sizes of a cache: `length` tokens for each of `rows` questions."""

    layers: int
    rows: int
    heads: int
    length: int
    head_dim: int


class KeyValueCache:
    """Keys and values, each (layers, rows, heads, length, head_dim).

    With `int8`, one scale for each vector is kept beside its 8-bit numbers: half the memory of
    bf16, at the price of the exact equality with the unquantised cache.
    """

    def __init__(self, shape: CacheShape, *, dtype: torch.dtype, device: torch.device, int8: bool) -> None:
        size = (shape.layers, shape.rows, shape.heads, shape.length, shape.head_dim)
        self._dtype = dtype
        self._int8 = int8
        self.shape = shape
        stored = torch.int8 if int8 else dtype
        self._keys = torch.zeros(size, dtype=stored, device=device)
        self._values = torch.zeros(size, dtype=stored, device=device)
        scales = (*size[:-1], 1) if int8 else (0,)
        self._key_scales = torch.zeros(scales, dtype=dtype, device=device)
        self._value_scales = torch.zeros(scales, dtype=dtype, device=device)

    @property
    def nbytes(self) -> int:
        """Bytes that it takes on the device."""
        parts = (self._keys, self._values, self._key_scales, self._value_scales)
        return sum(part.numel() * part.element_size() for part in parts)

    def write(self, layer: int, rows: Tensor, positions: Tensor, keys: Tensor, values: Tensor) -> None:
        """Put keys and values (B, heads, W, head_dim) at `positions` (B, W) of `rows` (B,)."""
        place = (rows[:, None], slice(None), positions)
        for where, scales, what in (
            (self._keys[layer], self._key_scales, keys),
            (self._values[layer], self._value_scales, values),
        ):
            vectors = what.transpose(1, 2)  # (B, W, heads, head_dim)
            if self._int8:
                scale = vectors.abs().amax(-1, keepdim=True).clamp(min=_SMALLEST_SCALE) / _INT8_MAX
                scales[layer][place] = scale
                vectors = (vectors / scale).round().to(torch.int8)
            where[place] = vectors

    def read(self, layer: int, rows: int, length: int) -> tuple[Tensor, Tensor]:
        """Keys and values of the first `rows` rows and `length` positions: (rows, heads, length, head_dim)."""
        keys = self._keys[layer, :rows, :, :length]
        values = self._values[layer, :rows, :, :length]
        if not self._int8:
            return keys, values
        key_scales = self._key_scales[layer, :rows, :, :length]
        value_scales = self._value_scales[layer, :rows, :, :length]
        return keys.to(self._dtype) * key_scales, values.to(self._dtype) * value_scales

    def move(self, source: int, target: int) -> None:
        """Copy one row over another."""
        for part in (self._keys, self._values, self._key_scales, self._value_scales):
            if part.dim() > 1:
                part[:, target] = part[:, source]
