"""OPT over a static cache: the weights of transformers' modules, a forward pass of our own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch.nn import functional

from mmrag.generation.decoding.cache import CacheShape, KeyValueCache
from mmrag.generation.decoding.language_model import Begun, Prefix
from mmrag.generation.decoding.linear import joined, prepared

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor


class OptDecoder:
    """Decodes with an `OPTForCausalLM`. Implements `LanguageModel`.

    With `int8` the linear weights are replaced by 8-bit ones and the model itself cannot be used
    any more.
    """

    reads_apart = False

    def __init__(self, model: Any, *, int8: bool = False, int8_cache: bool = False) -> None:  # noqa: ANN401 - OPTForCausalLM, which is heavy to import
        self._decoder = model.model.decoder
        self._config = model.config
        self._embed = self._decoder.embed_tokens
        self.device = self._embed.weight.device
        self.dtype = self._embed.weight.dtype
        self.most_tokens = int(model.config.max_position_embeddings)
        self._heads = int(model.config.num_attention_heads)
        self._head_dim = int(model.config.hidden_size) // self._heads
        self._layers = [_Layer(layer, int8=int8) for layer in self._decoder.layers]
        self._lm_head = prepared(model.lm_head, int8=int8, shared=True)
        self._int8_cache = int8_cache
        self._cache: KeyValueCache
        self._all_rows: Tensor

    def allocate(self, *, rows: int, read: int, written: int, spare: int) -> None:
        self.__dict__.pop("_cache", None)  # before the new one is made: both may not fit
        shape = CacheShape(len(self._layers), rows, self._heads, read + written + spare, self._head_dim)
        self._cache = KeyValueCache(shape, dtype=self.dtype, device=self.device, int8=self._int8_cache)
        self._all_rows = torch.arange(rows, device=self.device)

    def begin(self, rows: Sequence[int], prefixes: Sequence[Prefix], *, width: int) -> list[Begun]:
        lengths = [len(prefix.tokens) for prefix in prefixes]
        read = torch.stack(
            [functional.pad(prefix.embeddings, (0, 0, 0, width - len(prefix.tokens))) for prefix in prefixes]
        ).to(self.device, self.dtype)  # (B, width, embedding)
        positions = torch.arange(width, device=self.device).expand(len(rows), -1)
        places = torch.tensor(rows, device=self.device)
        hidden = self._hidden(read, positions)
        for number, layer in enumerate(self._layers):
            hidden = layer.attended(hidden, self._prefill_attention(number, places, positions))
        last = hidden[
            torch.arange(len(rows), device=self.device), torch.tensor(lengths, device=self.device) - 1
        ]
        tokens = self._logits(last).argmax(-1).tolist()
        return [Begun(length, token, said=True) for length, token in zip(lengths, tokens, strict=True)]

    def step(self, tokens: Tensor, lengths: Tensor, *, span: int) -> Tensor:
        rows, width = tokens.shape
        positions = lengths[:, None] + torch.arange(width, device=self.device)  # (B, W)
        seen = torch.arange(span, device=self.device) <= positions[:, :, None]  # (B, W, span)
        hidden = self._hidden(self._embed(tokens), positions)
        for number, layer in enumerate(self._layers):
            hidden = layer.attended(hidden, self._cached_attention(number, rows, positions, seen, span))
        return self._logits(hidden).argmax(-1)

    def move(self, source: int, target: int) -> None:
        self._cache.move(source, target)

    def _hidden(self, embedded: Tensor, positions: Tensor) -> Tensor:
        if self._decoder.project_in is not None:
            embedded = self._decoder.project_in(embedded)
        table = self._decoder.embed_positions
        # Rejected drafts may lie beyond the last position: what they say is not used.
        places = positions.clamp(max=self.most_tokens - 1) + table.offset
        return embedded + functional.embedding(places, table.weight)

    def _logits(self, hidden: Tensor) -> Tensor:
        if self._decoder.final_layer_norm is not None:
            hidden = self._decoder.final_layer_norm(hidden)
        if self._decoder.project_out is not None:
            hidden = self._decoder.project_out(hidden)
        logits: Tensor = self._lm_head(hidden)
        return logits

    def _heads_of(self, projected: Tensor) -> Tensor:
        """(B, W, hidden) to (B, heads, W, head_dim)."""
        rows, width, _ = projected.shape
        return projected.view(rows, width, self._heads, self._head_dim).transpose(1, 2)

    def _prefill_attention(self, layer: int, rows: Tensor, positions: Tensor) -> _Attend:
        def attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
            query, key, value = (self._heads_of(part) for part in (query, key, value))
            self._cache.write(layer, rows, positions, key, value)
            attended = functional.scaled_dot_product_attention(query, key, value, is_causal=True)
            return attended.transpose(1, 2).flatten(2)

        return attend

    def _cached_attention(self, layer: int, rows: int, positions: Tensor, seen: Tensor, span: int) -> _Attend:
        def attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
            query, key, value = (self._heads_of(part) for part in (query, key, value))
            self._cache.write(layer, self._all_rows[:rows], positions, key, value)
            keys, values = self._cache.read(layer, rows, span)
            attended = functional.scaled_dot_product_attention(query, keys, values, attn_mask=seen[:, None])
            return attended.transpose(1, 2).flatten(2)

        return attend


if TYPE_CHECKING:
    from collections.abc import Callable

    _Attend = Callable[[Tensor, Tensor, Tensor], Tensor]


class _Layer:
    """One layer; what attention looks at is handed in."""

    def __init__(self, layer: Any, *, int8: bool) -> None:  # noqa: ANN401 - OPTDecoderLayer
        attention = layer.self_attn
        self._project = joined([attention.q_proj, attention.k_proj, attention.v_proj], int8=int8)
        self._out = prepared(attention.out_proj, int8=int8)
        self._fc1 = prepared(layer.fc1, int8=int8)
        self._fc2 = prepared(layer.fc2, int8=int8)
        self._attention_norm = layer.self_attn_layer_norm
        self._norm = layer.final_layer_norm
        self._activation = layer.activation_fn
        self._norm_before = layer.do_layer_norm_before

    def attended(self, hidden: Tensor, attend: _Attend) -> Tensor:
        """(B, W, hidden) to the same: attention, then the feed-forward part, each around its norm."""
        normed = self._attention_norm(hidden) if self._norm_before else hidden
        hidden = hidden + self._out(attend(*self._project(normed)))
        if not self._norm_before:
            hidden = self._attention_norm(hidden)
        normed = self._norm(hidden) if self._norm_before else hidden
        hidden = hidden + self._fc2(self._activation(self._fc1(normed)))
        return hidden if self._norm_before else self._norm(hidden)
