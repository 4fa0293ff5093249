"""Linear layers as the decode loop wants them: several in one, and weights in 8 bits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor

_INT8_MAX = 127


class Int8Linear(nn.Module):
    """A linear layer with 8-bit weights, one scale for each output: y = (x Wᵀ) s + b.

    Weights alone are quantised: at batch 1 their traffic is what decoding waits for. On a GPU it
    is only faster where the conversion is fused into the product, that is compiled.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        super().__init__()
        scale = weight.abs().amax(1).clamp(min=torch.finfo(weight.dtype).tiny) / _INT8_MAX  # (out,)
        self.weight: Tensor
        self.scale: Tensor
        self.bias: Tensor | None
        self.register_buffer("weight", (weight / scale[:, None]).round().to(torch.int8))
        self.register_buffer("scale", scale)
        self.register_buffer("bias", None if bias is None else bias.detach())

    def forward(self, inputs: Tensor) -> Tensor:
        """(..., in) to (..., out)."""
        outputs = functional.linear(inputs, self.weight.to(inputs.dtype)) * self.scale
        return outputs if self.bias is None else outputs + self.bias


class Split(nn.Module):
    """A linear layer whose output is handed out in parts."""

    def __init__(self, linear: nn.Module, sizes: list[int]) -> None:
        super().__init__()
        self.linear = linear
        self.sizes = sizes

    def forward(self, inputs: Tensor) -> tuple[Tensor, ...]:
        """(..., in) to one (..., size) for each size."""
        return torch.split(self.linear(inputs), self.sizes, dim=-1)


def _plain(layer: nn.Module) -> nn.Linear | None:
    """The layer if it is PyTorch's own and so are its weights: libraries replace the one or the other."""
    if not isinstance(layer, nn.Linear) or layer.__class__ is not nn.Linear:
        return None
    return layer if layer.weight.data.__class__ is torch.Tensor else None


def _bias(layer: nn.Linear) -> Tensor | None:
    return layer.bias


def prepared(layer: nn.Module, *, int8: bool, shared: bool = False) -> nn.Module:
    """The layer as it is, or in 8 bits where that is asked for and no library has quantised it.

    The weights of the layer itself are then given up, unless something else shares them.
    """
    plain = _plain(layer)
    if not int8 or plain is None:
        return layer
    small = Int8Linear(plain.weight.data, _bias(plain))
    if not shared:
        plain.weight.data = plain.weight.data.new_empty(0)
    return small


def joined(layers: Sequence[nn.Module], *, int8: bool) -> Callable[[Tensor], tuple[Tensor, ...]]:
    """Layers that read the same input, as one product where they are plain: fewer, larger kernels.

    Without `int8` the layers keep working and share the memory of the joined weights.
    """
    plain = [layer for layer in map(_plain, layers) if layer is not None]
    if len(plain) < len(layers):
        return lambda inputs: tuple(layer(inputs) for layer in layers)
    sizes = [layer.out_features for layer in plain]
    weight = torch.cat([layer.weight.data for layer in plain])
    biases = [bias for bias in map(_bias, plain) if bias is not None]
    whole = nn.Linear(plain[0].in_features, sum(sizes), bias=bool(biases), device="meta")
    whole.weight = nn.Parameter(weight, requires_grad=False)
    if biases:
        whole.bias = nn.Parameter(torch.cat(biases).detach(), requires_grad=False)
    for layer, part in zip(plain, torch.split(weight, sizes), strict=True):
        layer.weight.data = part.new_empty(0) if int8 else part
    return Split(prepared(whole, int8=int8), sizes)
