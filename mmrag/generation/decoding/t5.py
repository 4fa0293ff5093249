"""T5's decoder over static caches; its encoder reads a question once, with transformers' own code."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch
from torch.nn import functional

from mmrag.generation.decoding.cache import CacheShape, KeyValueCache
from mmrag.generation.decoding.language_model import Begun, Prefix
from mmrag.generation.decoding.linear import joined, prepared

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor, nn

_TRAINED_ON = (
    512  # tokens; relative positions know no limit, but answers get worse beyond (Raffel et al. 2020)
)
_FP16_MARGIN = 1_000  # as in transformers: below the largest number, so that a sum stays finite


class T5Decoder:
    """Decodes with a `T5ForConditionalGeneration`. Implements `LanguageModel`.

    With `int8` the decoder's linear weights are replaced by 8-bit ones and the model itself
    cannot be used any more.
    """

    reads_apart = True

    def __init__(self, model: Any, *, int8: bool = False, int8_cache: bool = False) -> None:  # noqa: ANN401 - T5ForConditionalGeneration, which is heavy to import
        config = model.config
        self._encoder = model.encoder
        self._embed = model.shared
        self.device = self._embed.weight.device
        self.dtype = self._embed.weight.dtype
        self.most_tokens = int(getattr(config, "n_positions", _TRAINED_ON))
        self._start = int(config.decoder_start_token_id)
        self._heads, self._head_dim = int(config.num_heads), int(config.d_kv)
        self._position_bias = model.decoder.block[0].layer[0].SelfAttention.relative_attention_bias
        self._buckets = int(config.relative_attention_num_buckets)
        self._furthest = int(config.relative_attention_max_distance)
        self._layers = [_Layer(block, int8=int8) for block in model.decoder.block]
        self._final_norm = model.decoder.final_layer_norm
        scaled = getattr(config, "scale_decoder_outputs", config.tie_word_embeddings)
        self._scale = float(config.d_model) ** -0.5 if scaled else 1.0
        self._lm_head = prepared(model.lm_head, int8=int8, shared=True)
        self._int8_cache = int8_cache
        self._written: KeyValueCache
        self._read: KeyValueCache
        self._read_lengths: Tensor
        self._all_rows: Tensor
        self._bias: Tensor  # (heads, distance)

    def allocate(self, *, rows: int, read: int, written: int, spare: int) -> None:
        def cache(length: int) -> KeyValueCache:
            shape = CacheShape(len(self._layers), rows, self._heads, length, self._head_dim)
            return KeyValueCache(shape, dtype=self.dtype, device=self.device, int8=self._int8_cache)

        for old in ("_written", "_read"):  # before the new ones are made: both may not fit
            self.__dict__.pop(old, None)
        self._written, self._read = cache(1 + written + spare), cache(read)
        self._read_lengths = torch.zeros(rows, dtype=torch.long, device=self.device)
        self._all_rows = torch.arange(rows, device=self.device)
        distances = torch.arange(self._written.shape.length, device=self.device)
        buckets = distance_buckets(distances, self._buckets, self._furthest)
        self._bias = self._position_bias(buckets).T.contiguous()

    def begin(self, rows: Sequence[int], prefixes: Sequence[Prefix], *, width: int) -> list[Begun]:
        lengths = torch.tensor([len(prefix.tokens) for prefix in prefixes], device=self.device)
        embedded = torch.stack(
            [functional.pad(prefix.embeddings, (0, 0, 0, width - len(prefix.tokens))) for prefix in prefixes]
        ).to(self.device, self.dtype)  # (B, width, d_model)
        present = torch.arange(width, device=self.device) < lengths[:, None]
        encoded = self._encoder(inputs_embeds=embedded, attention_mask=present.long()).last_hidden_state
        places = torch.tensor(rows, device=self.device)
        positions = torch.arange(width, device=self.device).expand(len(rows), -1)
        self._read_lengths[places] = lengths
        for number, layer in enumerate(self._layers):
            keys, values = (self._heads_of(part) for part in layer.read(encoded))
            self._read.write(number, places, positions, keys, values)
        return [Begun(0, self._start, said=False) for _ in rows]

    def step(self, tokens: Tensor, lengths: Tensor, *, span: int) -> Tensor:
        rows, width = tokens.shape
        positions = lengths[:, None] + torch.arange(width, device=self.device)  # (B, W)
        written = self._written.shape.length
        distances = positions[:, :, None] - torch.arange(written, device=self.device)  # (B, W, written)
        bias = self._bias[:, distances.clamp(min=0)].transpose(0, 1)  # (B, heads, W, written)
        bias = bias.masked_fill((distances < 0)[:, None], -math.inf)
        present = torch.arange(span, device=self.device) < self._read_lengths[:rows, None, None, None]
        hidden = self._embed(tokens)
        for number, layer in enumerate(self._layers):
            query, keys, values = (self._heads_of(part) for part in layer.project(hidden))
            self._written.write(number, self._all_rows[:rows], positions, keys, values)
            own = self._attend(query, *self._written.read(number, rows, written), mask=bias)
            hidden = layer.after_own(hidden, own)
            query = self._heads_of(layer.cross_query(hidden))
            crossed = self._attend(query, *self._read.read(number, rows, span), mask=present)
            hidden = layer.after_cross(hidden, crossed)
        logits: Tensor = self._lm_head(self._final_norm(hidden) * self._scale)
        return logits.argmax(-1)

    def move(self, source: int, target: int) -> None:
        self._written.move(source, target)
        self._read.move(source, target)
        self._read_lengths[target] = self._read_lengths[source]

    def _heads_of(self, projected: Tensor) -> Tensor:
        """(B, W, heads x head_dim) to (B, heads, W, head_dim)."""
        rows, width, _ = projected.shape
        return projected.view(rows, width, self._heads, self._head_dim).transpose(1, 2)

    @staticmethod
    def _attend(query: Tensor, keys: Tensor, values: Tensor, *, mask: Tensor) -> Tensor:
        if mask.dtype != torch.bool:
            mask = mask.to(query.dtype)
        attended = functional.scaled_dot_product_attention(query, keys, values, attn_mask=mask, scale=1.0)
        return attended.transpose(1, 2).flatten(2)


def distance_buckets(distances: Tensor, buckets: int, furthest: int) -> Tensor:
    """The bucket of each distance to the left: exact when near, logarithmic up to `furthest`.

    Raffel et al. 2020, section 2.1; one direction, as in a decoder.
    """
    exact = buckets // 2
    beyond = torch.log(distances.float() / exact) / math.log(furthest / exact) * (buckets - exact)
    far = (exact + beyond.clamp(min=0).to(torch.long)).clamp(max=buckets - 1)
    return torch.where(distances < exact, distances, far)


class _Layer:
    """One block of the decoder, its parts in the order in which a step needs them."""

    def __init__(self, block: Any, *, int8: bool) -> None:  # noqa: ANN401 - T5Block
        own, cross, self._feed_forward = block.layer
        self._own_norm, self._cross_norm = own.layer_norm, cross.layer_norm
        attention = own.SelfAttention
        self._own = joined([attention.q, attention.k, attention.v], int8=int8)
        self._own_out = prepared(attention.o, int8=int8)
        attention = cross.EncDecAttention
        self.cross_q = prepared(attention.q, int8=int8)
        self.read = joined([attention.k, attention.v], int8=int8)
        self._cross_out = prepared(attention.o, int8=int8)
        dense = self._feed_forward.DenseReluDense
        for name, layer in list(dense.named_children()):
            setattr(dense, name, prepared(layer, int8=int8))

    def project(self, hidden: Tensor) -> tuple[Tensor, ...]:
        """Query, key and value of what is written."""
        return self._own(self._own_norm(hidden))

    def cross_query(self, hidden: Tensor) -> Tensor:
        """What is looked for in what was read."""
        return _called(self.cross_q, self._cross_norm(hidden))

    def after_own(self, hidden: Tensor, attended: Tensor) -> Tensor:
        """After attention to what was written."""
        return _finite(hidden + _called(self._own_out, attended))

    def after_cross(self, hidden: Tensor, attended: Tensor) -> Tensor:
        """After attention to what was read, and the feed-forward part."""
        hidden = _finite(hidden + _called(self._cross_out, attended))
        return _finite(_called(self._feed_forward, hidden))


def _called(module: nn.Module, inputs: Tensor) -> Tensor:
    outputs: Tensor = module(inputs)
    return outputs


def _finite(hidden: Tensor) -> Tensor:
    """T5 was trained in bf16: in fp16 some sums are too large."""
    if hidden.dtype != torch.float16:
        return hidden
    most = torch.finfo(torch.float16).max - _FP16_MARGIN
    return hidden.clamp(-most, most)
