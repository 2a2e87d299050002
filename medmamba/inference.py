"""The network rearranged for inference on a CPU: the same numbers from fewer passes over memory.

``model.MedMamba`` is the network as the paper has it, to be read and trained. ``InferenceForm`` is made from a trained
one and computes the same function:

    batch norms      folded into the convolutions before them; the first one of a block, which stands before a padded
                     convolution and so cannot be folded, becomes one multiply-add that also copies its half out
    layer norms      affine part folded into the linear layer that follows
    channel shuffle  gone: the residual stream is stored in an order in which both the halves that a block reads and
    those
                     that it writes are slices, and the weights are permuted to match
    SS2D             its entry is two products with contiguous results, so that the depthwise convolution finds its
    input
                     channels-last and dense; delta is made inside the scan from its low-rank factors
"""

import math
from typing import Any, TypeGuard, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from medmamba.model import MedMamba, MedMambaConfig, PatchMerging, SSConvSSM
from medmamba.network import Network
from medmamba.scan import cpu
from medmamba.ss2d import DIRECTIONS, SS2D


class InferenceForm:
    """A trained network for CPU inference with the public halves of ``MedMamba``; no module, and without gradients."""

    def __init__(self, model: MedMamba) -> None:
        assert model.config.width % 4 == 0, "the channels of a half must fall into two equal parts"
        self.config: MedMambaConfig = model.config
        self.source = model
        orders = [_storage_order(width) for width in model.config.widths]
        embedding = model.patch_embedding
        self.patch_weight = embedding.proj.weight.detach().contiguous(memory_format=torch.channels_last)
        self.patch_bias = cast(Tensor, embedding.proj.bias).detach()
        self.patch_norm = (embedding.norm.weight.detach(), embedding.norm.bias.detach())
        self.enter = orders[0]
        self.blocks = [
            [_Block(cast(SSConvSSM, block), order) for block in stage.blocks]
            for stage, order in zip(model.stage_list, orders, strict=True)
        ]
        self.mergings = [
            _Merging(cast(PatchMerging, stage.merging), before, after)
            for stage, before, after in zip(model.stage_list, orders, orders[1:], strict=False)
        ]
        self.leave = [order.argsort() for order in orders]

    @staticmethod
    def serves(model: Network, device: torch.device) -> TypeGuard[MedMamba]:
        """Whether it can stand for the network: a MedMamba on a CPU, its scan not another's, its widths divisible."""
        return (
            isinstance(model, MedMamba)
            and device.type == "cpu"
            and model.backend in ("auto", "cpu")
            and model.config.width % 4 == 0
        )

    @torch.inference_mode()
    def pyramid(self, x: Tensor) -> list[Tensor]:
        """As ``MedMamba.pyramid``."""
        self.source.check_size(x)
        grid = F.conv2d(x, self.patch_weight, self.patch_bias, stride=4).permute(0, 2, 3, 1)
        grid = F.layer_norm(grid, grid.shape[-1:], *self.patch_norm)[..., self.enter]
        grids = []
        for stage, blocks in enumerate(self.blocks):
            for block in blocks:
                block.add_to(grid)
            grids.append(grid[..., self.leave[stage]])
            if stage < len(self.mergings):
                grid = self.mergings[stage](grid)
        return grids

    def features(self, x: Tensor) -> Tensor:
        """As ``MedMamba.features``."""
        return self.pyramid(x)[-1]

    def head(self, features: Tensor) -> Tensor:
        """As ``MedMamba.head``."""
        return self.source.head(features)

    @torch.inference_mode()
    def __call__(self, x: Tensor) -> Tensor:
        """As ``MedMamba.forward``."""
        return self.head(self.features(x))


def _storage_order(width: int) -> Tensor:
    """Which channel is stored where: [odd of the first half, even of the first, even of the second, odd of the second].

    A block reads the first and the second half of the channels, and after its shuffle writes convolved values to the
    even channels and scanned ones to the odd. In this order both halves are slices, the even channels are the middle
    one, and the odd channels are the two ends.
    """
    first, second = torch.arange(width).chunk(2)
    return torch.cat([first[1::2], first[0::2], second[0::2], second[1::2]])


class _Block:
    def __init__(self, block: SSConvSSM, order: Tensor) -> None:
        half = len(order) // 2
        reads_left, reads_right = order[:half], order[half:] - half  # which channel of its half stands where
        even = order[half // 2 : half // 2 + half] // 2  # which convolved channel goes where
        odd = torch.cat([order[: half // 2], order[half // 2 + half :]]) // 2
        entry, first, norm_1, _, second, norm_2, _, last, _ = cast(Any, block.conv)
        self.entry_scale, self.entry_shift = (t[reads_left] for t in _affine(entry))
        self.convolutions = [
            _folded(first.weight[:, reads_left], first.bias, norm_1),
            _folded(second.weight, second.bias, norm_2),
        ]
        self.mix_weight, self.mix_bias = last.weight.detach()[even, :, 0, 0].contiguous(), last.bias.detach()[even]
        self.scanned = _Scanned(block.ss2d, block.norm, reads_right, odd)

    def add_to(self, grid: Tensor) -> None:
        """Add the block's output to its input (batch, H, W, channels), in place."""
        half = grid.shape[-1] // 2
        quarter = half // 2
        left, right = grid[..., :half], grid[..., half:]
        local = torch.addcmul(self.entry_shift, left, self.entry_scale).permute(0, 3, 1, 2)
        for weight, bias in self.convolutions:
            local = _convolve(local, weight, bias).relu_()
        local = F.linear(local.permute(0, 2, 3, 1), self.mix_weight, self.mix_bias).relu_()
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
        self.x_weight, self.z_weight = (w.contiguous() for w in weight.chunk(2))
        self.x_bias, self.z_bias = (b.contiguous() for b in bias.chunk(2))
        self.conv_weight = ss2d.conv.weight.detach()
        self.conv_bias = cast(Tensor, ss2d.conv.bias).detach()
        self.x_proj = ss2d.x_proj_weight.detach().flatten(0, 1)
        self.dt_weight = ss2d.dt_proj_weight.detach().mT.contiguous()  # (K, rank, channels)
        self.sizes = [ss2d.dt_rank, ss2d.d_state, ss2d.d_state]
        self.A = (-torch.exp(ss2d.A_log.detach()) * math.log2(math.e)).mT.contiguous()  # (K, N, channels)
        self.D, self.dt_bias = ss2d.D.detach(), ss2d.dt_proj_bias.detach()
        self.norm_weight, self.norm_bias = ss2d.out_norm.weight.detach(), ss2d.out_norm.bias.detach()
        self.out_weight = ss2d.out_proj.weight.detach()[writes].contiguous()

    def __call__(self, grid: Tensor) -> Tensor:
        normal = F.layer_norm(grid, grid.shape[-1:])
        x = F.linear(normal, self.x_weight, self.x_bias).permute(0, 3, 1, 2)
        x = F.silu(_convolve(x, self.conv_weight, self.conv_bias), inplace=True).permute(0, 2, 3, 1)
        projected = F.linear(x, self.x_proj).unflatten(-1, (DIRECTIONS, -1))
        rows, B, C = projected.split(self.sizes, dim=-1)
        y = cpu.cross_scan_from_factors(x, rows, self.dt_weight, self.A, B, C, self.D, self.dt_bias)
        gate = F.silu(F.linear(normal, self.z_weight, self.z_bias), inplace=True)
        return F.linear(F.layer_norm(y, y.shape[-1:], self.norm_weight, self.norm_bias).mul_(gate), self.out_weight)


class _Merging:
    def __init__(self, merging: PatchMerging, before: Tensor, after: Tensor) -> None:
        corners = torch.cat([before + corner * len(before) for corner in range(4)])
        weight = merging.reduction.weight.detach()
        self.weight = (weight * merging.norm.weight.detach())[:, corners][after].contiguous()
        self.bias = (weight @ merging.norm.bias.detach())[after].contiguous()

    def __call__(self, grid: Tensor) -> Tensor:
        merged = PatchMerging.gather(grid)
        return F.linear(F.layer_norm(merged, merged.shape[-1:]), self.weight, self.bias)


def _convolve(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """A 3 x 3 convolution, padded. torch would take a slow route of its own for small inputs, so oneDNN is named."""
    return torch.mkldnn_convolution(x, weight, bias, (1, 1), (1, 1), (1, 1), x.shape[1] // weight.shape[1])


def _folded(weight: Tensor, bias: Tensor, norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """A convolution's weight and bias with the batch norm behind it multiplied in."""
    scale, shift = _affine(norm)
    folded = (weight.detach() * scale[:, None, None, None]).contiguous(memory_format=torch.channels_last)
    return folded, bias.detach() * scale + shift


def _affine(norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """A trained batch norm as scale and shift of each channel."""
    mean, variance = norm.running_mean, norm.running_var
    assert mean is not None
    assert variance is not None
    scale = (norm.weight / torch.sqrt(variance + norm.eps)).detach()
    return scale, norm.bias.detach() - mean * scale
