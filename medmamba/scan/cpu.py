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
from collections.abc import Callable
from functools import cache
from typing import Any

import numba
import numpy as np
import torch
from numpy.polynomial import Chebyshev
from torch import Tensor

from medmamba.scan import kernel_cache
from medmamba.scan.threads import share_out

WIDEST_BLOCK = 48  # channels; measured best on AVX-512 and AVX2 (docs/log.md)
CHUNK = 16  # steps between two kept states in the backward pass
LOG2E = np.float32(math.log2(math.e))
ROUNDER = np.float32(1.5 * 2**23)  # added to a small float32, it leaves the nearest whole number in the last bits


def _fit(function: Callable[..., Any], low: float, high: float, degree: int) -> tuple[np.float32, ...]:
    """Coefficients, constant first, of the near-minimax polynomial of ``function`` on [low, high]."""
    fitted = Chebyshev.interpolate(function, degree, domain=[low, high]).convert(kind=np.polynomial.Polynomial)
    return tuple(np.float32(c) for c in fitted.coef)


def _slope_of_exp2(r: Any) -> Any:
    """(2**r - 1) / r."""
    return np.where(r == 0, np.log(2), np.expm1(r * np.log(2)) / np.where(r == 0, 1, r))


E1, E2, E3, E4, E5 = _fit(_slope_of_exp2, -0.5, 0.5, 4)
D1, D2, D3, D4 = _fit(_slope_of_exp2, -0.5, 0.5, 3)
L0, L1, L2, L3, L4, L5, L6, L7, L8, L9, L10 = _fit(
    lambda t: np.where(t > 1e-9, np.log1p(t) / np.maximum(t, 1e-9), 1.0), 0.0, 1.0, 10
)


# The helpers may not be reassociated: that would cancel the range reduction. The kernels may, for sums over channels.
@numba.njit(nogil=True, fastmath={"contract"})
def exp2(x: Any) -> Any:
    """2**x for any float32, relative error under 3e-7; below the smallest normal number it stays there."""
    x = min(max(x, np.float32(-125.0)), np.float32(127.0))
    shifted = x + ROUNDER
    r = x - (shifted - ROUNDER)
    fraction = np.float32(((((E5 * r + E4) * r + E3) * r + E2) * r + E1) * r + np.float32(1))
    exponent = np.int32(np.float32(shifted).view(np.int32) << np.int32(23))
    return np.int32(fraction.view(np.int32) + exponent).view(np.float32)


@numba.njit(nogil=True, fastmath={"contract"})
def _decay(x: Any) -> Any:
    """2**x for x of at most 0, relative error under 8e-6, less near 1; two operations fewer than ``exp2``."""
    x = max(x, np.float32(-125.0))
    shifted = x + ROUNDER
    r = x - (shifted - ROUNDER)
    fraction = np.float32((((D4 * r + D3) * r + D2) * r + D1) * r + np.float32(1))
    exponent = np.int32(np.float32(shifted).view(np.int32) << np.int32(23))
    return np.int32(fraction.view(np.int32) + exponent).view(np.float32)


@numba.njit(nogil=True, fastmath={"contract"})
def _log1p(t: Any) -> Any:
    """log(1 + t) for t in [0, 1], relative error under 2e-7."""
    p = ((((L10 * t + L9) * t + L8) * t + L7) * t + L6) * t + L5
    return t * (((((p * t + L4) * t + L3) * t + L2) * t + L1) * t + L0)


@numba.njit(nogil=True, fastmath={"contract"})
def _step_size(raw: Any, softplus: bool) -> Any:
    """delta with its bias -> dt."""
    if softplus:
        return max(raw, np.float32(0)) + _log1p(exp2(-abs(raw) * LOG2E))
    return raw


@numba.njit(nogil=True, fastmath={"contract"})
def _step_slope(raw: Any, softplus: bool) -> Any:
    """d dt / d raw: the logistic function, written so that it does not cancel for steps near zero."""
    if softplus:
        tail = exp2(-abs(raw) * LOG2E)
        return (np.float32(1) if raw > 0 else tail) / (np.float32(1) + tail)
    return np.float32(1)


@numba.njit(nogil=True)
def _walk(direction: int, height: int, width: int) -> tuple[int, int, int, int, int]:
    """A direction's first position on the flat grid, its outer count and stride, and its inner count and stride."""
    last = height * width - 1
    if direction == 0:
        return 0, height, width, width, 1
    if direction == 1:
        return 0, width, 1, height, width
    if direction == 2:
        return last, height, -width, width, -1
    return last, width, -1, height, -width


F3, F4, F5, F6 = (numba.types.Array(numba.float32, axes, "C") for axes in (3, 4, 5, 6))
STRIDED = numba.types.Array(numba.float32, 4, "A")
INPUTS = (numba.int64, numba.int64, numba.int64, F4, F5, F4, STRIDED, STRIDED, F3, F3)
LOW_RANK = (STRIDED, F4)
COMPILED: dict[str, Any] = {
    "nogil": True,
    "error_model": "numpy",
    "fastmath": {"reassoc", "contract", "nsz", "arcp"},
}


def _kernel(signature: tuple[Any, ...]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Compile a kernel for its signature, or find its code in the cache; ``NUMBA_CACHE_DIR`` has the first word."""

    def compiled(function: Callable[..., None]) -> Callable[..., None]:
        said = numba.config.CACHE_DIR  # type: ignore[attr-defined]
        folder = said or kernel_cache.folder()
        numba.config.CACHE_DIR = str(folder or "")  # type: ignore[attr-defined]
        try:
            return numba.njit(signature, cache=folder is not None, **COMPILED)(function)
        finally:
            numba.config.CACHE_DIR = said  # type: ignore[attr-defined]

    return compiled


@cache
def _forward(block: int, softplus: bool, rank: int = 0) -> Callable[..., None]:
    """The forward kernel for blocks of ``block`` channels, a constant of the compiled loops.

    With a rank, delta is not read but made on the way from its low-rank factors: rows (batch, L, K, rank) times weights
    (K, rank, channels). Without one, the factors are not read.

    The channels axis comes cut in two, (blocks, block), since an index that starts at zero is what the compiler can
    prove safe and so vectorise. u (batch, L, channels), delta (K, batch, L, channels), A in powers of two (K, N,
    channels), B and C (batch, L, K, N), D and bias (K, channels) -> y (batch, L, channels), and the states before each
    chunk of steps kept (K, batch, blocks, chunks, N, block), or none of them if ``kept`` has no chunks.
    """

    @_kernel((*INPUTS, *LOW_RANK, F4, F6))
    def forward(first, last, width, u, delta, A, B, C, D, bias, rows, weights, y, kept):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
        directions, states, blocks, _ = A.shape
        length = u.shape[1]
        h = np.empty((states, block), np.float32)
        dt = np.empty(block, np.float32)
        drive = np.empty(block, np.float32)
        out = np.empty(block, np.float32)
        for task in range(first, last):
            image, part = task // blocks, task % blocks
            for k in range(directions):
                start, outer, outer_stride, inner, inner_stride = _walk(k, length // width, width)
                h[:] = 0
                for i in range(outer):
                    for j in range(inner):
                        at = start + i * outer_stride + j * inner_stride
                        if kept.shape[3] and (i * inner + j) % CHUNK == 0:
                            kept[k, image, part, (i * inner + j) // CHUNK] = h
                        if rank:
                            for c in range(block):
                                dt[c] = bias[k, part, c]
                            for r in range(rank):
                                factor = rows[image, at, k, r]
                                for c in range(block):
                                    dt[c] += factor * weights[k, r, part, c]
                        else:
                            for c in range(block):
                                dt[c] = delta[k, image, at, part, c] + bias[k, part, c]
                        for c in range(block):
                            x = u[image, at, part, c]
                            dt[c] = _step_size(dt[c], softplus)
                            drive[c] = dt[c] * x
                            out[c] = D[k, part, c] * x
                        for n in range(states):
                            B_n, C_n = B[image, at, k, n], C[image, at, k, n]
                            for c in range(block):
                                step = dt[c] * A[k, n, part, c]
                                decay = _decay(step) if rank else exp2(step)
                                h[n, c] = decay * h[n, c] + drive[c] * B_n
                                out[c] += h[n, c] * C_n
                        if k == 0:
                            for c in range(block):
                                y[image, at, part, c] = out[c]
                        else:
                            for c in range(block):
                                y[image, at, part, c] += out[c]

    return forward


@cache
def _backward(block: int, softplus: bool) -> Callable[..., None]:
    """The backward kernel: from dy and the kept states, the gradients of all that the forward kernel reads but D and
    bias.

    du (batch, L, channels) and ddelta (K, batch, L, channels) are complete; dA (batch, K, N, channels) is for the
    caller to sum over images, dB and dC (blocks, batch, L, K, N) over blocks, so that no two tasks write to the same
    place.
    """

    @_kernel((*INPUTS, F6, F4, F4, F5, F5, F5, F5))
    def backward(first, last, width, u, delta, A, B, C, D, bias, kept, dy, du, ddelta, dA, dB, dC):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
        directions, states, blocks, _ = A.shape
        length, chunks = u.shape[1], kept.shape[3]
        h = np.empty((CHUNK + 1, states, block), np.float32)  # h[t]: the state before step t of a chunk
        decay = np.empty((CHUNK, states, block), np.float32)
        dt = np.empty((CHUNK, block), np.float32)
        drive = np.empty((CHUNK, block), np.float32)
        adjoint = np.empty((states, block), np.float32)
        dA_sum = np.empty((states, block), np.float32)
        upstream = np.empty(block, np.float32)
        by_decay = np.empty(block, np.float32)
        by_drive = np.empty(block, np.float32)
        positions = np.empty(length, np.int64)
        for task in range(first, last):
            image, part = task // blocks, task % blocks
            for k in range(directions):
                start, outer, outer_stride, inner, inner_stride = _walk(k, length // width, width)
                for i in range(outer):
                    for j in range(inner):
                        positions[i * inner + j] = start + i * outer_stride + j * inner_stride
                adjoint[:] = 0
                dA_sum[:] = 0
                for chunk in range(chunks - 1, -1, -1):
                    begin = chunk * CHUNK
                    count = min(CHUNK, length - begin)
                    h[0] = kept[k, image, part, chunk]
                    for t in range(count):
                        at = positions[begin + t]
                        for c in range(block):
                            dt[t, c] = _step_size(delta[k, image, at, part, c] + bias[k, part, c], softplus)
                            drive[t, c] = dt[t, c] * u[image, at, part, c]
                        for n in range(states):
                            B_n = B[image, at, k, n]
                            for c in range(block):
                                decay[t, n, c] = exp2(dt[t, c] * A[k, n, part, c])
                                h[t + 1, n, c] = decay[t, n, c] * h[t, n, c] + drive[t, c] * B_n
                    for t in range(count - 1, -1, -1):
                        at = positions[begin + t]
                        for c in range(block):
                            upstream[c] = dy[image, at, part, c]
                            by_decay[c] = 0
                            by_drive[c] = 0
                        for n in range(states):
                            B_n, C_n = B[image, at, k, n], C[image, at, k, n]
                            sum_B, sum_C = np.float32(0), np.float32(0)
                            for c in range(block):
                                g = adjoint[n, c] + upstream[c] * C_n
                                sum_B += g * drive[t, c]
                                sum_C += upstream[c] * h[t + 1, n, c]
                                by_drive[c] += g * B_n
                                g *= decay[t, n, c]
                                adjoint[n, c] = g
                                g *= h[t, n, c]
                                by_decay[c] += g * A[k, n, part, c]
                                dA_sum[n, c] += g * dt[t, c]
                            dB[part, image, at, k, n] = sum_B
                            dC[part, image, at, k, n] = sum_C
                        for c in range(block):
                            x = u[image, at, part, c]
                            slope = _step_slope(delta[k, image, at, part, c] + bias[k, part, c], softplus)
                            ddelta[k, image, at, part, c] = (by_decay[c] / LOG2E + by_drive[c] * x) * slope
                            du[image, at, part, c] += by_drive[c] * dt[t, c] + D[k, part, c] * upstream[c]
                dA[image, k, :, part] = dA_sum

    return backward


def _block_width(channels: int) -> int:
    return max(width for width in range(1, WIDEST_BLOCK + 1) if channels % width == 0)


def _cut(tensor: Tensor, block: int) -> np.ndarray:
    """The contiguous array of ``tensor``, its last axis cut into (blocks, block)."""
    return tensor.detach().contiguous().unflatten(-1, (-1, block)).numpy()


NO_FACTORS = (np.empty((0, 0, 0, 0), np.float32), np.empty((0, 0, 0, 0), np.float32))


class _CrossScan(torch.autograd.Function):
    """``cross_scan`` on flat grids: u (batch, L, channels), delta (K, batch, L, channels), B and C (batch, L, K, N)."""

    @staticmethod
    def forward(ctx: Any, width: int, softplus: bool, *inputs: Tensor) -> Tensor:
        u, delta, A, B, C, D, bias = inputs
        block = _block_width(u.shape[2])
        arrays = (
            *(_cut(t, block) for t in (u, delta, (A * float(LOG2E)).transpose(1, 2))),
            *(t.detach().numpy() for t in (B, C)),
            *(_cut(t, block) for t in (D, bias)),
        )
        images, length, _ = u.shape
        directions, states, blocks, _ = arrays[2].shape
        chunks = math.ceil(length / CHUNK) if any(ctx.needs_input_grad) else 0
        kept = np.empty((directions, images, blocks, chunks, states, block), np.float32)
        y = torch.empty(u.shape)
        share_out(_forward(block, softplus), images * blocks, width, *arrays, *NO_FACTORS, _cut(y, block), kept)
        ctx.save_for_backward(u)
        ctx.width, ctx.softplus, ctx.arrays = width, softplus, (*arrays, kept)
        return y

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, ...]:
        (u,) = ctx.saved_tensors
        _, _, A, B, *_ = ctx.arrays
        images, _, channels = u.shape
        directions, states, blocks, block = A.shape
        du, ddelta = torch.zeros(u.shape), torch.empty(directions, *u.shape)
        dA = torch.zeros(images, directions, states, channels)
        dB, dC = torch.empty(2, blocks, *B.shape)
        share_out(
            _backward(block, ctx.softplus),
            images * blocks,
            ctx.width,
            *ctx.arrays,
            *(_cut(t, block) for t in (dy, du, ddelta, dA)),
            dB.numpy(),
            dC.numpy(),
        )
        dD = (dy * u).sum((0, 1)).expand(directions, channels)
        return None, None, du, ddelta, dA.sum(0).transpose(1, 2), dB.sum(0), dC.sum(0), dD, ddelta.sum((1, 2))


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
    u: Tensor, rows: Tensor, weights: Tensor, A: Tensor, B: Tensor, C: Tensor, D: Tensor, delta_bias: Tensor
) -> Tensor:
    """``cross_scan`` for inference, with delta never written out: ``rows`` (batch, H, W, K, rank) @ ``weights``.

    weights: (K, rank, channels). A: in powers of two, (K, N, channels), contiguous. No gradients. The rest is as in
    ``cross_scan``, in float32.
    """
    images, height, width, channels = u.shape
    block = _block_width(channels)
    y = torch.empty(images, height * width, channels)
    share_out(
        _forward(block, True, rows.shape[-1]),
        images * channels // block,
        width,
        _cut(u.flatten(1, 2), block),
        np.empty((0, 0, 0, 0, 0), np.float32),
        _cut(A, block),
        *(t.detach().flatten(1, 2).numpy() for t in (B, C)),
        *(_cut(t, block) for t in (D, delta_bias)),
        rows.detach().flatten(1, 2).numpy(),
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
