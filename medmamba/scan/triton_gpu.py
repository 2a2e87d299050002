# ruff: noqa: ANN001, ANN202 - the kernels are in Triton's language, not quite Python
"""The selective scan on a GPU: Triton kernels, forward and backward, fused over the directions of SS2D.

These kernels have been run in Triton's interpreter only, on a CPU, where the tests compare them with the reference, and
compiled for NVIDIA GPUs. No GPU has run them yet, so nothing is claimed about their speed. What they are made for:

Nothing is gathered or merged: a kernel walks the grid by strides. A walker takes one image, one direction, ``CHUNK``
steps and ``BLOCK`` channels, and holds their states in registers, (BLOCK, N) numbers in float32. A scan is sequential,
so three kernels make its chunks independent of each other:

    1. every chunk is scanned from a state of zero, which gives the state that its own inputs leave behind;
    2. these are carried from chunk to chunk; over a chunk a state decays by exp(A times the sum of its steps);
    3. every chunk is scanned again, now from its true first state, and writes its outputs.

The backward pass does the same with the adjoint of the state, from the last chunk to the first. It starts from the
states of the forward pass's second kernel, N / CHUNK times the memory of delta, and recomputes those inside a chunk.

Directions, blocks and chunks write to places of their own that are summed afterwards: no atomics, so the same inputs
give the same bits. ``tl.associative_scan`` is not used: the interpreter runs it element by element, in an order of its
own, so a test there would say nothing about a GPU.

Shapes: a tensor that is read or written a step at a time is (images, L, K, channels or N), with its strides as a
tuple; a stride of 0 stands for "the same in every direction". ``ends``, ``kept``, ``carried``, ``adjoints`` and dA are
(images, K, chunks, channels, N), ``elapsed`` is (images, K, chunks, channels). A program has W = ``WALKERS`` walkers,
so its rows are (W, BLOCK) and (W, N) and its states (W, BLOCK, N).
"""

from functools import cache
from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

CHUNK = 16  # steps a walker; the backward kernel holds the states before all of them in registers
WALKERS = 1  # a program; the interpreter, whose time goes by operations and not by elements, wants more
WIDEST_BLOCK = 16  # channels a walker
STATES_A_WARP = 128  # 4 a thread, so 64 of its registers for the states of a chunk; with 8 the compiler spills

kernel = triton.jit(do_not_specialize=["height", "width", "chunks", "images"])  # else each size compiles anew


@triton.jit
def _walkers(images, directions, chunks, WALKERS: tl.constexpr):  # type: ignore[no-untyped-def]
    """This program's walkers, those that exist, and their images, directions and chunks: (W,) each.

    Images and directions are int64: of a large batch, where one begins in a tensor may be beyond 32 bits.
    """
    walker = tl.program_id(0) * WALKERS + tl.arange(0, WALKERS)
    sequence = walker // chunks
    exists = walker < images * directions * chunks
    k = (sequence % directions).to(tl.int64)
    return walker, exists, (sequence // directions).to(tl.int64), k, walker % chunks


@triton.jit
def _tile(row, exists, c, channels, n, states):  # type: ignore[no-untyped-def]
    """Where rows (W,) of a tensor (..., channels, N) lie, with a mask: (W, BLOCK, N) each."""
    places = (row.to(tl.int64)[:, None] * channels + c[None, :])[:, :, None] * states + n[None, None, :]
    return places, (exists[:, None] & (c < channels)[None, :])[:, :, None] & (n < states)[None, None, :]


@triton.jit
def _places(strides, image, at, k, inner):  # type: ignore[no-untyped-def]
    """Where rows (W, BLOCK or N) of a tensor lie, counted in 64 bits: a large grid goes beyond 32."""
    rows = image * strides[0] + at.to(tl.int64) * strides[1] + k * strides[2]
    return rows[:, None] + (inner.to(tl.int64) * strides[3])[None, :]


@triton.jit
def _load(tensor, strides, image, at, k, inside, inner, size):  # type: ignore[no-untyped-def]
    """Rows (W, BLOCK or N) of a tensor, in float32, zero outside."""
    places = _places(strides, image, at, k, inner)
    return tl.load(tensor + places, mask=inside[:, None] & (inner < size)[None, :], other=0).to(tl.float32)


@triton.jit
def _store(tensor, strides, image, at, k, inside, inner, size, rows):  # type: ignore[no-untyped-def]
    tl.store(tensor + _places(strides, image, at, k, inner), rows, mask=inside[:, None] & (inner < size)[None, :])


@triton.jit
def _step(  # type: ignore[no-untyped-def]
    step, delta, delta_strides, bias, exists, image, k, c, channels, height, width, SOFTPLUS: tl.constexpr
):
    """Whether a step is inside the grid, where (``reference.read``), delta with its bias, and dt.

    Past the end dt is 0, so that the state stays as it is. log(1 + e) is computed as 2 artanh(e / (2 + e)), since a
    GPU's logarithm is coarse near 1.
    """
    inside = exists & (step < height * width)
    step = tl.where(k >= 2, height * width - 1 - step, step)
    at = tl.where(k % 2 == 1, step % height * width + step // height, step)
    raw = _load(delta, delta_strides, image, at, k, inside, c, channels) + bias
    dt = raw
    if SOFTPLUS:
        e = tl.exp(-tl.abs(raw))
        r = e / (2 + e)
        z = r * r  # at most 1/9, so the next term of the series is below 2e-8
        series = 1 + z * (1 / 3 + z * (1 / 5 + z * (1 / 7 + z * (1 / 9 + z * (1 / 11 + z / 13)))))
        dt = tl.maximum(raw, 0.0) + 2 * r * series
    return inside, at, raw, tl.where(inside[:, None], dt, 0.0)


@triton.jit
def _parameters(A, bias, exists, k, c, channels, n, states):  # type: ignore[no-untyped-def]
    """A (W, BLOCK, N) and the bias (W, BLOCK) of the walkers' directions."""
    places, mask = _tile(k, exists, c, channels, n, states)
    return tl.load(A + places, mask=mask, other=0), _row(bias, k, exists, c, channels)


@triton.jit
def _row(tensor, row, exists, c, channels):  # type: ignore[no-untyped-def]
    """Rows (W, BLOCK) of a tensor (..., channels)."""
    mask = exists[:, None] & (c < channels)[None, :]
    return tl.load(tensor + row.to(tl.int64)[:, None] * channels + c[None, :], mask=mask, other=0)


@kernel
def _scan_from_zero(  # type: ignore[no-untyped-def]
    u, u_strides, delta, delta_strides, A, B, B_strides, bias, ends, elapsed,
    height, width, channels, states, directions, chunks, images,
    SOFTPLUS: tl.constexpr, CHUNK: tl.constexpr, WALKERS: tl.constexpr, BLOCK: tl.constexpr, N: tl.constexpr,
):  # fmt: skip
    """The state after a chunk that began with zero, and the sum of its steps."""
    walker, exists, image, k, chunk = _walkers(images, directions, chunks, WALKERS)
    c, n = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK), tl.arange(0, N)
    A_tile, bias_row = _parameters(A, bias, exists, k, c, channels, n, states)
    h = tl.zeros((WALKERS, BLOCK, N), tl.float32)
    total = tl.zeros((WALKERS, BLOCK), tl.float32)
    for t in range(CHUNK):
        inside, at, _, dt = _step(
            chunk * CHUNK + t, delta, delta_strides, bias_row, exists, image, k, c, channels, height, width, SOFTPLUS
        )
        x = _load(u, u_strides, image, at, k, inside, c, channels)
        B_row = _load(B, B_strides, image, at, k, inside, n, states)
        h = tl.exp(dt[:, :, None] * A_tile) * h + (dt * x)[:, :, None] * B_row[:, None, :]
        total += dt
    places, mask = _tile(walker, exists, c, channels, n, states)
    tl.store(ends + places, h, mask=mask)
    tl.store(
        elapsed + walker.to(tl.int64)[:, None] * channels + c[None, :],
        total,
        mask=exists[:, None] & (c < channels)[None, :],
    )


@kernel
def _carry(  # type: ignore[no-untyped-def]
    ends, elapsed, A, carried, channels, states, directions, chunks, images,
    BACKWARDS: tl.constexpr, WALKERS: tl.constexpr, BLOCK: tl.constexpr, N: tl.constexpr,
):  # fmt: skip
    """From what each chunk leaves behind by itself, what all chunks before it (after it, if BACKWARDS) leave to it."""
    sequence, exists, _, k, _ = _walkers(images, directions, 1, WALKERS)
    c, n = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK), tl.arange(0, N)
    places, mask = _tile(k, exists, c, channels, n, states)
    A_tile = tl.load(A + places, mask=mask, other=0)
    h = tl.zeros((WALKERS, BLOCK, N), tl.float32)
    for i in range(chunks):
        row = sequence * chunks + (chunks - 1 - i if BACKWARDS else i)
        places, mask = _tile(row, exists, c, channels, n, states)
        tl.store(carried + places, h, mask=mask)
        total = _row(elapsed, row, exists, c, channels)
        h = tl.exp(total[:, :, None] * A_tile) * h + tl.load(ends + places, mask=mask, other=0)


@kernel
def _outputs(  # type: ignore[no-untyped-def]
    u, u_strides, delta, delta_strides, A, B, B_strides, C, C_strides, D, bias, kept, y, y_strides,
    height, width, channels, states, directions, chunks, images,
    SOFTPLUS: tl.constexpr, CHUNK: tl.constexpr, WALKERS: tl.constexpr, BLOCK: tl.constexpr, N: tl.constexpr,
):  # fmt: skip
    """One direction's y, from the state before each chunk."""
    walker, exists, image, k, chunk = _walkers(images, directions, chunks, WALKERS)
    c, n = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK), tl.arange(0, N)
    A_tile, bias_row = _parameters(A, bias, exists, k, c, channels, n, states)
    D_row = _row(D, k, exists, c, channels)
    places, mask = _tile(walker, exists, c, channels, n, states)
    h = tl.load(kept + places, mask=mask, other=0)
    for t in range(CHUNK):
        inside, at, _, dt = _step(
            chunk * CHUNK + t, delta, delta_strides, bias_row, exists, image, k, c, channels, height, width, SOFTPLUS
        )
        x = _load(u, u_strides, image, at, k, inside, c, channels)
        B_row = _load(B, B_strides, image, at, k, inside, n, states)
        C_row = _load(C, C_strides, image, at, k, inside, n, states)
        h = tl.exp(dt[:, :, None] * A_tile) * h + (dt * x)[:, :, None] * B_row[:, None, :]
        y_row = tl.sum(h * C_row[:, None, :], 2) + D_row * x
        _store(y, y_strides, image, at, k, inside, c, channels, y_row)


@kernel
def _adjoints_from_zero(  # type: ignore[no-untyped-def]
    delta, delta_strides, A, C, C_strides, bias, dy, dy_strides, ends,
    height, width, channels, states, directions, chunks, images,
    SOFTPLUS: tl.constexpr, CHUNK: tl.constexpr, WALKERS: tl.constexpr, BLOCK: tl.constexpr, N: tl.constexpr,
):  # fmt: skip
    """The adjoint of the state before a chunk, if nothing came after the chunk."""
    walker, exists, image, k, chunk = _walkers(images, directions, chunks, WALKERS)
    c, n = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK), tl.arange(0, N)
    A_tile, bias_row = _parameters(A, bias, exists, k, c, channels, n, states)
    adjoint = tl.zeros((WALKERS, BLOCK, N), tl.float32)
    for back in range(CHUNK):
        step = chunk * CHUNK + CHUNK - 1 - back
        inside, at, _, dt = _step(
            step, delta, delta_strides, bias_row, exists, image, k, c, channels, height, width, SOFTPLUS
        )
        C_row = _load(C, C_strides, image, at, k, inside, n, states)
        dy_row = _load(dy, dy_strides, image, at, k, inside, c, channels)
        adjoint = tl.exp(dt[:, :, None] * A_tile) * (adjoint + dy_row[:, :, None] * C_row[:, None, :])
    places, mask = _tile(walker, exists, c, channels, n, states)
    tl.store(ends + places, adjoint, mask=mask)


@kernel
def _gradients(  # type: ignore[no-untyped-def]
    u, u_strides, delta, delta_strides, A, B, B_strides, C, C_strides, D, bias, kept, dy, dy_strides, adjoints,
    du, ddelta, du_strides, dA, dB, dC, dB_strides,
    height, width, channels, states, directions, chunks, images,
    SOFTPLUS: tl.constexpr, CHUNK: tl.constexpr, WALKERS: tl.constexpr, BLOCK: tl.constexpr, N: tl.constexpr,
):  # fmt: skip
    """All gradients of a chunk, from the state before it and the adjoint of the state after it.

    du and ddelta are laid out alike, and so are dB and dC, (blocks of channels, images, L, K, N).
    """
    walker, exists, image, k, chunk = _walkers(images, directions, chunks, WALKERS)
    c, n = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK), tl.arange(0, N)
    A_tile, bias_row = _parameters(A, bias, exists, k, c, channels, n, states)
    D_row = _row(D, k, exists, c, channels)
    places, mask = _tile(walker, exists, c, channels, n, states)
    h = tl.load(kept + places, mask=mask, other=0)
    order = tl.arange(0, CHUNK)[:, None, None, None]
    history = tl.zeros((CHUNK, WALKERS, BLOCK, N), tl.float32)  # the state before each step of the chunk
    for t in range(CHUNK):
        history = tl.where(order == t, h[None], history)
        inside, at, _, dt = _step(
            chunk * CHUNK + t, delta, delta_strides, bias_row, exists, image, k, c, channels, height, width, SOFTPLUS
        )
        x = _load(u, u_strides, image, at, k, inside, c, channels)
        B_row = _load(B, B_strides, image, at, k, inside, n, states)
        h = tl.exp(dt[:, :, None] * A_tile) * h + (dt * x)[:, :, None] * B_row[:, None, :]
    adjoint = tl.load(adjoints + places, mask=mask, other=0)
    dA_tile = tl.zeros((WALKERS, BLOCK, N), tl.float32)
    dB += tl.program_id(1).to(tl.int64) * dB_strides[0]
    dC += tl.program_id(1).to(tl.int64) * dB_strides[0]
    for back in range(CHUNK):
        t = CHUNK - 1 - back
        inside, at, raw, dt = _step(
            chunk * CHUNK + t, delta, delta_strides, bias_row, exists, image, k, c, channels, height, width, SOFTPLUS
        )
        x = _load(u, u_strides, image, at, k, inside, c, channels)
        B_row = _load(B, B_strides, image, at, k, inside, n, states)
        C_row = _load(C, C_strides, image, at, k, inside, n, states)
        dy_row = _load(dy, dy_strides, image, at, k, inside, c, channels)
        before, decay = tl.sum(tl.where(order == t, history, 0.0), 0), tl.exp(dt[:, :, None] * A_tile)
        after = decay * before + (dt * x)[:, :, None] * B_row[:, None, :]
        g = adjoint + dy_row[:, :, None] * C_row[:, None, :]  # the adjoint of the state after the step
        _store(dB, dB_strides[1:], image, at, k, inside, n, states, tl.sum(g * (dt * x)[:, :, None], 1))
        _store(dC, dB_strides[1:], image, at, k, inside, n, states, tl.sum(dy_row[:, :, None] * after, 1))
        by_drive = tl.sum(g * B_row[:, None, :], 2)
        _store(du, du_strides, image, at, k, inside, c, channels, by_drive * dt + D_row * dy_row)
        adjoint = g * decay
        by_decay = adjoint * before
        dA_tile += by_decay * dt[:, :, None]
        d_raw = tl.sum(by_decay * A_tile, 2) + by_drive * x
        if SOFTPLUS:
            d_raw *= tl.sigmoid(raw)
        _store(ddelta, du_strides, image, at, k, inside, c, channels, d_raw)
    tl.store(dA + places, dA_tile, mask=mask)


@cache
def why_unavailable() -> str | None:
    """The reason why Triton cannot use this machine's GPU, or None. Its driver module is built at the first call."""
    try:
        triton.runtime.driver.active.get_current_target()
    except Exception as error:  # no driver, no C compiler, no Python headers: each raises something else
        return f"Triton cannot use the GPU ({type(error).__name__}: {error}); see requirements-gpu.txt"
    return None


def _in_every_direction(tensor: Tensor, directions: int) -> Tensor:
    """(images, L, channels) seen as (images, L, K, channels)."""
    return tensor[:, :, None].expand(-1, -1, directions, -1)


class _CrossScan(torch.autograd.Function):
    """``cross_scan`` on flat grids: u (images, L, channels), delta (images, L, K, channels), B and C (images, L, K, N);
    A, D and bias in float32 and contiguous."""

    @staticmethod
    def forward(ctx: Any, height: int, width: int, softplus: bool, *inputs: Tensor) -> Tensor:
        u, delta, A, B, C, D, bias = inputs
        (images, length, channels), (directions, _, states) = u.shape, A.shape
        chunk, block = (min(most, triton.next_power_of_2(n)) for most, n in ((CHUNK, length), (WIDEST_BLOCK, channels)))
        chunks, blocks, N = triton.cdiv(length, chunk), triton.cdiv(channels, block), triton.next_power_of_2(states)
        warps = max(1, WALKERS * block * N // STATES_A_WARP)
        ctx.sizes = (height, width, channels, states, directions, chunks, images)
        ctx.tile = {"WALKERS": WALKERS, "BLOCK": block, "N": N, "num_warps": warps}
        ctx.walk = {"SOFTPLUS": softplus, "CHUNK": chunk, **ctx.tile}
        ctx.grid = triton.cdiv(images * directions * chunks, WALKERS), blocks
        ctx.carry_grid = triton.cdiv(images * directions, WALKERS), blocks

        u_k = _in_every_direction(u, directions)
        ends = u.new_empty(images, directions, chunks, channels, states, dtype=torch.float32)
        kept = torch.empty_like(ends)  # in memory of its own, since it outlives ``ends``
        elapsed = torch.empty_like(ends[..., 0])
        y = u.new_empty(directions, images, length, channels, dtype=torch.float32)
        y_k = y.permute(1, 2, 0, 3)
        x = (u_k, u_k.stride(), delta, delta.stride(), A, B, B.stride())
        with torch.cuda.device_of(u):
            _scan_from_zero[ctx.grid](*x, bias, ends, elapsed, *ctx.sizes, **ctx.walk)
            _carry[ctx.carry_grid](ends, elapsed, A, kept, *ctx.sizes[2:], BACKWARDS=False, **ctx.tile)
            _outputs[ctx.grid](*x, C, C.stride(), D, bias, kept, y_k, y_k.stride(), *ctx.sizes, **ctx.walk)
        ctx.save_for_backward(*inputs, kept, elapsed)
        return y.sum(0).to(u.dtype)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, ...]:
        u, delta, A, B, C, D, bias, kept, elapsed = ctx.saved_tensors
        directions, (_, blocks) = len(A), ctx.grid
        u_k, dy_k = (_in_every_direction(t, directions) for t in (u, dy))
        ends, adjoints, dA = (torch.empty_like(kept) for _ in range(3))
        du, ddelta = u.new_empty(2, directions, *u.shape, dtype=torch.float32).permute(0, 2, 3, 1, 4)
        dB, dC = B.new_empty(2, blocks, *B.shape, dtype=torch.float32)
        C_and_dy = (C, C.stride(), D, bias, kept, dy_k, dy_k.stride(), adjoints)
        with torch.cuda.device_of(u):
            _adjoints_from_zero[ctx.grid](
                delta, delta.stride(), A, C, C.stride(), bias, dy_k, dy_k.stride(), ends, *ctx.sizes, **ctx.walk
            )
            _carry[ctx.carry_grid](ends, elapsed, A, adjoints, *ctx.sizes[2:], BACKWARDS=True, **ctx.tile)
            _gradients[ctx.grid](
                *(u_k, u_k.stride(), delta, delta.stride(), A, B, B.stride()), *C_and_dy,
                *(du, ddelta, du.stride(), dA, dB, dC, dB.stride()), *ctx.sizes, **ctx.walk,
            )  # fmt: skip
        dD = (dy.float() * u).sum((0, 1)).expand(directions, -1)
        gradients = (du.sum(2), ddelta, dA.sum((0, 2)), dB.sum(0), dC.sum(0), dD, ddelta.sum((0, 1)))
        inputs = (u, delta, A, B, C, D, bias)
        return None, None, None, *(g.to(t.dtype) for g, t in zip(gradients, inputs, strict=True))


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
    """``reference.cross_scan`` with float32 inside, whatever goes in.

    u (batch, H, W, channels), delta (batch, H, W, K, channels), A (K, channels, N), B and C (batch, H, W, K, N), D and
    delta_bias (K, channels) -> (batch, H, W, channels) in the dtype of ``u``. Any strides do; the gradient of delta is
    laid out (K, batch, H, W, channels) in memory.
    """
    height, width = u.shape[1:3]
    u, delta, B, C = (t.flatten(1, 2) for t in (u, delta, B, C))
    A, D, delta_bias = (t.float().contiguous() for t in (A, D, delta_bias))
    y = _CrossScan.apply(height, width, delta_softplus, u, delta, A, B, C, D, delta_bias)
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
    """``reference.selective_scan`` with float32 inside: each group is a grid of one row, read in one direction.

    u and delta (batch, channels, L), A (channels, N), B and C (batch, groups, N, L), D and delta_bias (channels,) or
    None -> (batch, channels, L) in the dtype of ``u``.
    """
    D, delta_bias = (A.new_zeros(len(A)) if t is None else t for t in (D, delta_bias))
    width, parts = len(A) // B.shape[1], []  # of a group, in channels
    for g in range(B.shape[1]):
        c = slice(g * width, (g + 1) * width)
        y = cross_scan(
            u[:, c].mT[:, None],  # (batch, 1, L, channels)
            delta[:, c].mT[:, None, :, None],  # (batch, 1, L, 1, channels)
            A[None, c],
            B[:, g].mT[:, None, :, None],  # (batch, 1, L, 1, N)
            C[:, g].mT[:, None, :, None],
            D[None, c],
            delta_bias[None, c],
            delta_softplus,
        )
        parts.append(y[:, 0].mT)
    return torch.cat(parts, dim=1)
