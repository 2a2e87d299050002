"""Convolutions on a CPU through oneDNN, their weights laid out beforehand and their activation computed on the way.

torch's public operators bring a weight into oneDNN's order at every call, which at batch 1 costs as much as the product
where weights are large and grids small, and make a pass over memory of every activation. The operators used here are
those that torch.compile's own CPU backend calls; they are not documented, so a torch without them, or without oneDNN,
gets the public ones.
"""

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

Activation = Literal["none", "relu", "swish"]


def _has_operators() -> bool:
    names = ("_reorder_convolution_weight", "_convolution_pointwise")
    return torch.backends.mkldnn.is_available() and all(hasattr(torch.ops.mkldnn, name) for name in names)


PREPACKS = _has_operators()
# AVX-512's own bfloat16 is no faster than float32 here, and other processors would emulate it (docs/log.md).
MULTIPLIES_BFLOAT16 = PREPACKS and torch.cpu._is_amx_tile_supported()


class Convolution:
    """A convolution of stride 1 that keeps the grid's size, with an activation, for inference.

    It computes in its weight's type, float32 or bfloat16, and returns that; sums are kept in float32 either way.

    A linear map of the channels is one whose kernel is 1 x 1. The weight is laid out twice, for a picture alone and for
    several; with a grid of another size than the last call's, it is laid out anew.
    """

    def __init__(
        self, weight: Tensor, bias: Tensor | None, activation: Activation = "none", dtype: torch.dtype = torch.float32
    ) -> None:
        """weight: (out, in / groups, k, k), k odd, or (out, in)."""
        weight = weight.detach() if weight.ndim == 4 else weight.detach()[:, :, None, None]
        self.weight = weight.to(dtype, memory_format=torch.channels_last)
        self.bias = None if bias is None else bias.detach().to(dtype)
        self.activation = activation
        self.padding = weight.shape[-1] // 2
        self.prepacks = PREPACKS and (dtype == torch.float32 or torch.ops.mkldnn._is_mkldnn_bf16_supported())
        self._packed: dict[bool, tuple[tuple[int, ...], Tensor]] = {}

    def __call__(self, grid: Tensor) -> Tensor:
        """(batch, H, W, in), dense -> (batch, H, W, out), dense."""
        x = grid.to(self.weight.dtype).permute(0, 3, 1, 2)
        groups = x.shape[1] // self.weight.shape[1]
        if not self.prepacks:
            return self._publicly(x, groups).permute(0, 2, 3, 1)
        settings = [self.padding] * 2, [1, 1], [1, 1], groups
        alone = len(x) == 1
        packed = self._packed.get(alone)
        if packed is None or packed[0] != x.shape[2:]:
            # The best order depends on the size of the grid: a wrong one made it 60 times slower. On two threads that
            # for one picture costs several half as much again, and that for several doubles the time of one.
            laid_out = torch.ops.mkldnn._reorder_convolution_weight(self.weight, *settings, list(x.shape))
            self._packed[alone] = packed = x.shape[2:], laid_out
        y = torch.ops.mkldnn._convolution_pointwise(x, packed[1], self.bias, *settings, self.activation, [], "")
        return y.permute(0, 2, 3, 1)

    def _publicly(self, x: Tensor, groups: int) -> Tensor:
        y = F.conv2d(x, self.weight, self.bias, padding=self.padding, groups=groups)
        if self.activation == "relu":
            return y.relu_()
        return F.silu(y, inplace=True) if self.activation == "swish" else y
