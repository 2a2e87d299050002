"""The selective scan on a CPU: numba kernels, forward and backward, fused over the directions of SS2D.

Nothing is gathered or merged: the grid stays (batch, H*W, channels) with channels contiguous, and a kernel walks it by
strides, once a direction, adding into one output. Work is cut into (image, block of channels); the innermost loops run
over the channels of a block, so they vectorise, and a block's states stay in the first-level cache. Compared with
``reference.cross_scan`` this saves the four copies of everything and the (batch, channels, N, L) intermediates.

When gradients will be asked for, the forward pass keeps the state before every ``CHUNK``-th step; the backward pass
recomputes the states inside a chunk from there and walks it backwards. That is N / CHUNK times the memory of the
inputs.

A one-dimensional scan is the same thing on a grid of one row with one direction.
"""

import math
from typing import Any

import torch
from torch import Tensor

from medmamba.scan.kernels import CHUNK, WIDE, backward_kernel, forward_kernel
from medmamba.scan.steps import ANY, FALLING, LADDER, LOG2E
from medmamba.scan.threads import share_out

# Channels of a block, at most, measured best (docs/log.md). Wider ones leave the backward kernel less to add up over
# blocks, but of a single picture there are then fewer to share out.
WIDEST, WIDEST_IN_TRAINING = 48, 48 if WIDE else 96


def _block_width(channels: int, widest: int) -> int:
    return max(width for width in range(1, widest + 1) if channels % width == 0)


def _cut(tensor: Tensor, block: int) -> Tensor:
    """``tensor`` in contiguous memory, its last axis cut into (blocks, block)."""
    return tensor.detach().contiguous().unflatten(-1, (-1, block))


def _rows(tensor: Tensor) -> Tensor:
    """``tensor``, its last axis contiguous."""
    return (tensor if tensor.stride(-1) == 1 else tensor.contiguous()).detach()


def known_of(A: Tensor) -> str:
    """What is known of exp(delta A) where no delta is negative. A: (..., N)."""
    ladder = torch.arange(1, A.shape[-1] + 1, device=A.device)
    low, high = (A / ladder).aminmax(dim=-1)  # on a ladder, one number for all states
    if not high.amax() <= 0:
        return ANY
    return LADDER if (high - low <= -1e-5 * low).all() else FALLING


NO_FACTORS = tuple(torch.empty((0,) * 4, dtype=torch.float32, device="cpu") for _ in range(2))
NO_DELTA, NOTHING_KEPT = (torch.empty((0,) * axes, dtype=torch.float32, device="cpu") for axes in (5, 6))


class _CrossScan(torch.autograd.Function):
    """``cross_scan`` on flat grids: u (batch, L, channels), delta (K, batch, L, channels), B and C (batch, L, K, N).

    differentiated: whether gradients may be asked for; ``ctx`` alone does not know of ``torch.no_grad``.
    """

    @staticmethod
    def forward(ctx: Any, width: int, softplus: bool, differentiated: bool, *inputs: Tensor) -> Tensor:
        u, delta, A, B, C, D, bias = inputs
        block = _block_width(u.shape[2], WIDEST_IN_TRAINING if differentiated else WIDEST)
        arrays = (
            *(_cut(t, block) for t in (u, delta, (A * LOG2E).transpose(1, 2))),
            *(_rows(t) for t in (B, C)),
            *(_cut(t, block) for t in (D, bias)),
        )
        known = known_of(A) if softplus else ANY
        images, length, _ = u.shape
        directions, states, blocks, _ = arrays[2].shape
        chunks = math.ceil(length / CHUNK) if differentiated else 0
        kept = u.new_empty(directions, images, blocks, chunks, states, block)
        y = u.new_empty(u.shape)
        kernel = forward_kernel(block, states, softplus, known)
        share_out(kernel, images * blocks, width, *arrays, *NO_FACTORS, _cut(y, block), kept)
        ctx.width, ctx.softplus, ctx.known = width, softplus, known
        if differentiated:
            ctx.save_for_backward(*arrays, kept)
        return y

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, ...]:
        u, delta, A, B, *_ = arrays = ctx.saved_tensors
        images, _, blocks, block = u.shape
        directions, states, _, _ = A.shape
        du, ddelta = u.new_empty(u.shape), u.new_empty(delta.shape)
        dA = u.new_empty(images, *A.shape)
        dB, dC = u.new_empty(2, blocks, *B.shape)
        dD, dbias = u.new_empty(2, images, directions, blocks, block)
        kernel = backward_kernel(block, states, ctx.softplus, ctx.known)
        share_out(kernel, images * blocks, ctx.width, *arrays, _cut(dy, block), du, ddelta, dA, dB, dC, dD, dbias)
        return (
            None,
            None,
            None,
            du.flatten(2),
            ddelta.flatten(3),
            dA.sum(0).flatten(2).transpose(1, 2),
            dB.sum(0),
            dC.sum(0),
            dD.sum(0).flatten(1),
            dbias.sum(0).flatten(1),
        )


def cross_scan(
    u: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor,
    delta_bias: Tensor,
    delta_softplus: bool = True,
) -> Tensor:
    """``reference.cross_scan`` in float32. Fastest when delta's memory is laid out (K, batch, H, W, channels)."""
    flat = (
        u.flatten(1, 2),
        delta.permute(3, 0, 1, 2, 4).flatten(2, 3),
        A,
        B.flatten(1, 2),
        C.flatten(1, 2),
        D,
        delta_bias,
    )
    differentiated = torch.is_grad_enabled() and any(t.requires_grad for t in flat)
    y = _CrossScan.apply(u.shape[2], delta_softplus, differentiated, *(t.float() for t in flat))
    return y.unflatten(1, u.shape[1:3]).to(u.dtype)


class InferenceScan:
    """``cross_scan`` of one SS2D without gradients, in float32, delta never written out but made from its factors.

    Args:
        weights: (K, rank, channels); delta is ``rows`` @ ``weights``.
        A: (K, channels, N), nowhere above zero.
        D, delta_bias: (K, channels).
    """

    def __init__(self, weights: Tensor, A: Tensor, D: Tensor, delta_bias: Tensor) -> None:
        self.known = known_of(A)
        self._block, self._states, self._rank = _block_width(A.shape[1], WIDEST), A.shape[2], weights.shape[1]
        cut = [_cut(t.float(), self._block) for t in (weights, (A * LOG2E).mT, D, delta_bias)]
        self._weights, self._A, self._D, self._bias = cut

    def __call__(self, u: Tensor, rows: Tensor, B: Tensor, C: Tensor) -> Tensor:
        """u (batch, H, W, channels), rows (batch, H, W, K, rank), B and C (batch, H, W, K, N) -> the shape of u."""
        images, _, width, _ = u.shape
        cut = _cut(u.flatten(1, 2), self._block)
        y = cut.new_empty(cut.shape)
        share_out(
            forward_kernel(self._block, self._states, True, self.known, self._rank),
            images * cut.shape[2],
            width,
            cut,
            NO_DELTA,
            self._A,
            *(_rows(t.flatten(1, 2)) for t in (B, C)),
            self._D,
            self._bias,
            _rows(rows.flatten(1, 2)),
            self._weights,
            y,
            NOTHING_KEPT,
        )
        return y.view(u.shape)


def selective_scan(
    u: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor | None = None,
    delta_bias: Tensor | None = None,
    delta_softplus: bool = False,
) -> Tensor:
    """``reference.selective_scan`` in float32: each group of channels is a grid of one row, read in one direction."""
    groups = B.shape[1]
    D, delta_bias = (u.new_zeros(u.shape[1]) if t is None else t for t in (D, delta_bias))
    parts = [
        cross_scan(
            u_g.transpose(1, 2)[:, None],  # (batch, 1, L, channels)
            delta_g.transpose(1, 2)[:, None, :, None],  # (batch, 1, L, 1, channels)
            A_g[None],
            B[:, g].transpose(1, 2)[:, None, :, None],  # (batch, 1, L, 1, N)
            C[:, g].transpose(1, 2)[:, None, :, None],
            D_g[None],
            bias_g[None],
            delta_softplus,
        )
        for g, (u_g, delta_g, A_g, D_g, bias_g) in enumerate(
            zip(*(t.chunk(groups, 1) for t in (u, delta)), *(t.chunk(groups) for t in (A, D, delta_bias)), strict=True)
        )
    ]
    return torch.cat([part[:, 0].transpose(1, 2) for part in parts], dim=1)
