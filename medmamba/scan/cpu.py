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

import numpy as np
import torch
from torch import Tensor

from medmamba.scan.kernels import CHUNK, backward_kernel, forward_kernel
from medmamba.scan.steps import ANY, FALLING, LADDER, LOG2E
from medmamba.scan.threads import share_out

WIDEST_BLOCK = 48  # channels; measured best on AVX-512 and AVX2 (docs/log.md)


def _block_width(channels: int) -> int:
    return max(width for width in range(1, WIDEST_BLOCK + 1) if channels % width == 0)


def _cut(tensor: Tensor, block: int) -> np.ndarray:
    """The contiguous array of ``tensor``, its last axis cut into (blocks, block)."""
    return tensor.detach().contiguous().unflatten(-1, (-1, block)).numpy()


def _rows(tensor: Tensor) -> np.ndarray:
    """The array of ``tensor``, its last axis contiguous."""
    return (tensor if tensor.stride(-1) == 1 else tensor.contiguous()).detach().numpy()


def known_of(A: Tensor) -> str:
    """What is known of exp(delta A) where no delta is negative. A: (..., N)."""
    if not A.amax() <= 0:
        return ANY
    ladder = A[..., :1] * torch.arange(1, A.shape[-1] + 1)
    return LADDER if torch.allclose(A, ladder, rtol=1e-5, atol=0) else FALLING


NO_FACTORS = (np.empty((0, 0, 0, 0), np.float32), np.empty((0, 0, 0, 0), np.float32))


class _CrossScan(torch.autograd.Function):
    """``cross_scan`` on flat grids: u (batch, L, channels), delta (K, batch, L, channels), B and C (batch, L, K, N)."""

    @staticmethod
    def forward(ctx: Any, width: int, softplus: bool, *inputs: Tensor) -> Tensor:
        u, delta, A, B, C, D, bias = inputs
        block = _block_width(u.shape[2])
        arrays = (
            *(_cut(t, block) for t in (u, delta, (A * LOG2E).transpose(1, 2))),
            *(_rows(t) for t in (B, C)),
            *(_cut(t, block) for t in (D, bias)),
        )
        known = known_of(A) if softplus else ANY
        images, length, _ = u.shape
        directions, states, blocks, _ = arrays[2].shape
        chunks = math.ceil(length / CHUNK) if any(ctx.needs_input_grad) else 0
        kept = np.empty((directions, images, blocks, chunks, states, block), np.float32)
        y = torch.empty(u.shape)
        kernel = forward_kernel(block, states, softplus, known)
        share_out(kernel, images * blocks, width, *arrays, *NO_FACTORS, _cut(y, block), kept)
        ctx.width, ctx.softplus, ctx.known, ctx.arrays = width, softplus, known, (*arrays, kept)
        return y

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, ...]:
        u, delta, A, B, *_ = ctx.arrays
        images, _, blocks, block = u.shape
        directions, states, _, _ = A.shape
        du, ddelta = np.empty_like(u), np.empty_like(delta)
        dA = np.empty((images, *A.shape), np.float32)
        dB, dC = np.empty((2, blocks, *B.shape), np.float32)
        dD, dbias = np.empty((2, images, directions, blocks, block), np.float32)
        gradients = du, ddelta, dA, dB, dC, dD, dbias
        known = FALLING if ctx.known == LADDER else ctx.known  # exponentials are a small part here
        kernel = backward_kernel(block, states, ctx.softplus, known)
        share_out(kernel, images * blocks, ctx.width, *ctx.arrays, _cut(dy, block), *gradients)
        by_u, by_delta, by_A, by_B, by_C, by_D, by_bias = map(torch.from_numpy, gradients)
        return (
            None,
            None,
            by_u.flatten(2),
            by_delta.flatten(3),
            by_A.sum(0).flatten(2).transpose(1, 2),
            by_B.sum(0),
            by_C.sum(0),
            by_D.sum(0).flatten(1),
            by_bias.sum(0).flatten(1),
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
    return (
        _CrossScan.apply(u.shape[2], delta_softplus, *(t.float() for t in flat)).unflatten(1, u.shape[1:3]).to(u.dtype)
    )


def cross_scan_from_factors(
    u: Tensor, rows: Tensor, weights: Tensor, A: Tensor, B: Tensor, C: Tensor, D: Tensor, delta_bias: Tensor, known: str
) -> Tensor:
    """``cross_scan`` for inference, with delta never written out: ``rows`` (batch, H, W, K, rank) @ ``weights``.

    weights: (K, rank, channels). A: in powers of two, (K, N, channels), contiguous, none above zero; ``known_of`` says
    what else is known of it. No gradients. The rest is as in ``cross_scan``, in float32.
    """
    images, height, width, channels = u.shape
    block = _block_width(channels)
    y = torch.empty(images, height * width, channels)
    share_out(
        forward_kernel(block, A.shape[1], True, known, rows.shape[-1]),
        images * channels // block,
        width,
        _cut(u.flatten(1, 2), block),
        np.empty((0, 0, 0, 0, 0), np.float32),
        _cut(A, block),
        *(_rows(t.flatten(1, 2)) for t in (B, C)),
        *(_cut(t, block) for t in (D, delta_bias)),
        _rows(rows.flatten(1, 2)),
        _cut(weights, block),
        _cut(y, block),
        np.empty((0, 0, 0, 0, 0, 0), np.float32),
    )
    return y.unflatten(1, (height, width))


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
