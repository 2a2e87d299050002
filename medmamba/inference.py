"""The network rearranged for inference on a CPU: the same numbers from fewer passes over memory.

``model.MedMamba`` is the network as the paper has it, to be read and trained. ``InferenceForm`` is made from a trained
one and computes the same function:

    batch norms      folded into the convolutions before them; the first one of a block, which stands before a padded
                     convolution and so cannot be folded, becomes one multiply-add that also copies its half out
    layer norms      affine part folded into the linear layer that follows
    channel shuffle  gone: the residual stream is stored in an order in which both the halves that a block reads and
                     those that it writes are slices, and the weights are permuted to match
    SS2D             its entry is two products with contiguous results, so that the depthwise convolution finds its
                     input channels-last and dense; delta is made inside the scan from its low-rank factors
    products         through oneDNN with weights laid out beforehand; SiLU and ReLU on the way (``onednn``)
    bfloat16         if asked for, in the local branch's convolutions behind the first stage, whose rounding would go
                     through all others; sums, the scan and the residual stream stay float32
"""

from collections.abc import Iterator
from typing import Any, TypeGuard, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from medmamba.model import MedMamba, MedMambaConfig, PatchMerging, SSConvSSM
from medmamba.network import Network
from medmamba.onednn import Convolution
from medmamba.scan import cpu
from medmamba.ss2d import DIRECTIONS, SS2D


class InferenceForm:
    """A trained network for CPU inference with the public halves of ``MedMamba``; no module, and without gradients.

    In float32, whatever autocast says, but for what ``bfloat16`` allows.
    """

    def __init__(self, model: MedMamba, bfloat16: bool = False) -> None:
        """bfloat16: convolve in it, which changes probabilities by thousandths (docs/benchmark.md)."""
        assert model.config.width % 4 == 0, "the channels of a half must fall into two equal parts"
        self.config: MedMambaConfig = model.config
        self.source = model
        orders = [_storage_order(width) for width in model.config.widths]
        embedding = model.patch_embedding
        first = orders[0]
        self.patch_weight = embedding.proj.weight.detach()[first].contiguous(memory_format=torch.channels_last)
        self.patch_bias = cast(Tensor, embedding.proj.bias).detach()[first]
        self.patch_norm = (embedding.norm.weight.detach()[first], embedding.norm.bias.detach()[first])
        self.blocks = [
            [_Block(cast(SSConvSSM, block), order, bfloat16 and index > 0) for block in stage.blocks]
            for index, (stage, order) in enumerate(zip(model.stage_list, orders, strict=True))
        ]
        self.mergings = [
            _Merging(cast(PatchMerging, stage.merging), before, after)
            for stage, before, after in zip(model.stage_list, orders, orders[1:], strict=False)
        ]
        self.leave = [order.argsort() for order in orders]

    @staticmethod
    def serves(model: Network, device: torch.device) -> TypeGuard[MedMamba]:
        """Whether it can stand for the network: a float32 MedMamba on a CPU, its scan our own, its widths divisible."""
        return (
            isinstance(model, MedMamba)
            and device.type == "cpu"
            and model.backend in ("auto", "cpu")
            and model.config.width % 4 == 0
            and all(parameter.dtype is torch.float32 for parameter in model.parameters())
        )

    @torch.inference_mode()
    @torch.autocast("cpu", enabled=False)
    def pyramid(self, x: Tensor) -> list[Tensor]:
        """As ``MedMamba.pyramid``."""
        return [grid[..., leave] for grid, leave in zip(self._stages(x), self.leave, strict=True)]

    @torch.inference_mode()
    @torch.autocast("cpu", enabled=False)
    def features(self, x: Tensor) -> Tensor:
        """As ``MedMamba.features``."""
        *_, last = self._stages(x)
        return last[..., self.leave[-1]]

    @torch.inference_mode()
    @torch.autocast("cpu", enabled=False)
    def head(self, features: Tensor) -> Tensor:
        """As ``MedMamba.head``."""
        return self.source.head(features)

    def __call__(self, x: Tensor) -> Tensor:
        """As ``MedMamba.forward``."""
        return self.head(self.features(x))

    def _stages(self, x: Tensor) -> Iterator[Tensor]:
        """The grids behind the stages, channels in their order of storage."""
        self.source.check_size(x)
        grid = F.conv2d(x.float(), self.patch_weight, self.patch_bias, stride=4).permute(0, 2, 3, 1)
        grid = F.layer_norm(grid, grid.shape[-1:], *self.patch_norm)
        for stage, blocks in enumerate(self.blocks):
            if stage:
                grid = self.mergings[stage - 1](grid)
            for block in blocks:
                block.add_to(grid)
            yield grid


def _storage_order(width: int) -> Tensor:
    """Which channel is stored where: [odd of the first half, even of the first, even of the second, odd of the second].

    A block reads the first and the second half of the channels, and after its shuffle writes convolved values to the
    even channels and scanned ones to the odd. In this order both halves are slices, the even channels are the middle
    one, and the odd channels are the two ends.
    """
    first, second = torch.arange(width).chunk(2)
    return torch.cat([first[1::2], first[0::2], second[0::2], second[1::2]])


class _Block:
    def __init__(self, block: SSConvSSM, order: Tensor, bfloat16: bool) -> None:
        half = len(order) // 2
        reads_left, reads_right = order[:half], order[half:] - half  # which channel of its half stands where
        even = order[half // 2 : half // 2 + half] // 2  # which convolved channel goes where
        odd = torch.cat([order[: half // 2], order[half // 2 + half :]]) // 2
        entry, first, norm_1, _, second, norm_2, _, last, _ = cast(Any, block.conv)
        self.entry_scale, self.entry_shift = (t[reads_left] for t in _affine(entry))
        weights = [
            _folded(first.weight[:, reads_left], first.bias, norm_1),
            _folded(second.weight, second.bias, norm_2),
            (last.weight[even], last.bias[even]),
        ]
        dtype = torch.bfloat16 if bfloat16 else torch.float32
        self.convolutions = [Convolution(*pair, "relu", dtype) for pair in weights]
        self.scanned = _Scanned(block.ss2d, block.norm, reads_right, odd)

    def add_to(self, grid: Tensor) -> None:
        """Add the block's output to its input (batch, H, W, channels), in place."""
        half = grid.shape[-1] // 2
        quarter = half // 2
        left, right = grid[..., :half], grid[..., half:]
        local = torch.addcmul(self.entry_shift, left, self.entry_scale)
        for convolution in self.convolutions:
            local = convolution(local)
        scanned = self.scanned(right)
        grid[..., quarter : quarter + half] += local
        grid[..., :quarter] += scanned[..., :quarter]
        grid[..., quarter + half :] += scanned[..., quarter:]


class _Scanned:
    """LayerNorm and SS2D of one half."""

    def __init__(self, ss2d: SS2D, norm: nn.LayerNorm, reads: Tensor, writes: Tensor) -> None:
        entry = ss2d.in_proj.weight.detach()
        weight = (entry * norm.weight.detach())[:, reads]
        bias = entry @ norm.bias.detach()
        (x_weight, z_weight), (x_bias, z_bias) = weight.chunk(2), bias.chunk(2)
        self.x_entry, self.gate = Convolution(x_weight, x_bias), Convolution(z_weight, z_bias, "swish")
        self.conv = Convolution(ss2d.conv.weight, ss2d.conv.bias, "swish")
        self.x_proj = Convolution(ss2d.x_proj_weight.flatten(0, 1), None)
        self.sizes = [ss2d.dt_rank, ss2d.d_state, ss2d.d_state]
        parameters = ss2d.dt_proj_weight.mT, -torch.exp(ss2d.A_log), ss2d.D, ss2d.dt_proj_bias
        self.scan = cpu.InferenceScan(*(parameter.detach() for parameter in parameters))
        self.norm_weight, self.norm_bias = ss2d.out_norm.weight.detach(), ss2d.out_norm.bias.detach()
        self.out = Convolution(ss2d.out_proj.weight[writes], None)

    def __call__(self, grid: Tensor) -> Tensor:
        normal = F.layer_norm(grid, grid.shape[-1:])
        x = self.conv(self.x_entry(normal))
        projected = self.x_proj(x).unflatten(-1, (DIRECTIONS, -1))
        rows, B, C = projected.split(self.sizes, dim=-1)
        y = self.scan(x, rows, B, C)
        y = F.layer_norm(y, y.shape[-1:], self.norm_weight, self.norm_bias)
        return self.out(y.mul_(self.gate(normal)))


class _Merging:
    def __init__(self, merging: PatchMerging, before: Tensor, after: Tensor) -> None:
        corners = torch.cat([before + corner * len(before) for corner in range(4)])
        weight = merging.reduction.weight.detach()
        bias = weight @ merging.norm.bias.detach()
        self.reduction = Convolution((weight * merging.norm.weight.detach())[:, corners][after], bias[after])

    def __call__(self, grid: Tensor) -> Tensor:
        merged = PatchMerging.gather(grid)
        return self.reduction(F.layer_norm(merged, merged.shape[-1:]))


def _folded(weight: Tensor, bias: Tensor, norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """A convolution's weight and bias with the batch norm behind it multiplied in."""
    scale, shift = _affine(norm)
    return weight.detach() * scale[:, None, None, None], bias.detach() * scale + shift


def _affine(norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """A trained batch norm as scale and shift of each channel."""
    mean, variance = norm.running_mean, norm.running_var
    assert mean is not None
    assert variance is not None
    scale = (norm.weight / torch.sqrt(variance + norm.eps)).detach()
    return scale, norm.bias.detach() - mean * scale
