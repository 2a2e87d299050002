"""The kernels of the CPU scan, forward and backward; ``cpu`` says what they compute and when they run.

A task is an image's block of channels. A kernel walks it in one direction after another, ``CHUNK`` steps at a time:
first what depends on no state, for all steps of the chunk, then the states, a group of them in registers (``steps``).
"""

import inspect
import threading
import zlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numba
import numpy as np
from numba.core.registry import cpu_target

from medmamba.scan import calls, kernel_cache, steps
from medmamba.scan import lanes as vectors

CHUNK = 16  # steps; in training the state is kept before each chunk
# Whether the compiler may use AVX-512's 32 registers of 16 numbers; else they are taken to be 16 of 8.
WIDE = "+avx512f" in cpu_target.target_context.codegen().magic_tuple()[2].split(",")
# How many lanes the vectors of a kernel have, and how many states stay in registers at once.
FORWARD, BACKWARD = ((16, 16), (16, 4)) if WIDE else ((16, 4), (8, 4))
# numba compiles anew when this file has changed, but does not look at those that it imports.
IMPORTED = f"{zlib.crc32(''.join(map(inspect.getsource, (calls, steps, vectors))).encode()):08x}"
COMPILING = threading.Lock()  # numba's folder is one for the whole process


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


@numba.njit(nogil=True)
def _fill_positions(positions: np.ndarray, direction: int, width: int) -> None:
    """The places on the flat grid that a direction visits, in its order."""
    start, outer, outer_stride, inner, inner_stride = _walk(direction, len(positions) // width, width)
    for i in range(outer):
        for j in range(inner):
            positions[i * inner + j] = start + i * outer_stride + j * inner_stride


@numba.njit(nogil=True)
def _room(rows: int, columns: int) -> np.ndarray:
    """Zeros (rows, columns) that begin a line of the cache, as a vector should."""
    room = np.zeros(rows * columns + 16, np.float32)
    first = (-room.ctypes.data // 4) % 16
    return room[first : first + rows * columns].reshape(rows, columns)


@numba.njit(nogil=True)
def _inputs(record):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """What both kernels read first, in the order of ``forward_kernel``: u, delta, A, B, C, D, bias."""
    return (
        calls.given(record, 0, 4, "C"),
        calls.given(record, 1, 5, "C"),
        calls.given(record, 2, 4, "C"),
        calls.given(record, 3, 4, "A"),
        calls.given(record, 4, 4, "A"),
        calls.given(record, 5, 3, "C"),
        calls.given(record, 6, 3, "C"),
    )


def _lanes(block: int, most: int) -> int:
    return next(lanes for lanes in (16, 8, 4, 2, 1) if lanes <= most and block % lanes == 0)


def _group(states: int, most: int) -> int:
    return max(group for group in range(1, most + 1) if states % group == 0)


def _kernel(function: Callable[[Any], None]) -> Any:
    """Compile a kernel of a record, or find its code in the cache; ``NUMBA_CACHE_DIR`` has the first word."""
    with COMPILING:
        said = numba.config.CACHE_DIR  # type: ignore[attr-defined]
        base = Path(said) if said else kernel_cache.folder()
        folder = base and base / IMPORTED
        numba.config.CACHE_DIR = str(folder or "")  # type: ignore[attr-defined]
        try:
            return numba.cfunc(calls.SIGNATURE, cache=folder is not None, error_model="numpy")(function)
        finally:
            numba.config.CACHE_DIR = said  # type: ignore[attr-defined]


@cache
def forward_kernel(block: int, states: int, softplus: bool, known: str, rank: int = 0) -> Any:
    """The forward kernel for blocks of ``block`` channels, a constant of the compiled loops.

    With a rank, delta is not read but made on the way from its low-rank factors: rows (batch, L, K, rank) times weights
    (K, rank, channels). Without one, the factors are not read. ``known``: what is known of the decays, see ``steps``.

    The channels axis comes cut in two, (blocks, block). u (batch, L, channels), delta (K, batch, L, channels), A in
    powers of two (K, N, channels), B and C (batch, L, K, N) with N contiguous, D and bias (K, channels) -> y (batch, L,
    channels), and the states before each chunk of steps kept (K, batch, blocks, chunks, N, block), or none
    of them if ``kept`` has no chunks.
    """
    widest, most = FORWARD
    lanes, group = _lanes(block, widest), states if known == steps.LADDER else _group(states, most)

    @_kernel
    def forward(record):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
        tasks, width = calls.tasks(record), calls.width(record)
        u, delta, A, B, C, D, bias = _inputs(record)
        rows, weights = calls.given(record, 7, 4, "A"), calls.given(record, 8, 4, "C")
        y, kept = calls.given(record, 9, 4, "C"), calls.given(record, 10, 6, "C")
        directions, _, blocks, _ = A.shape
        length = u.shape[1]
        rates, h = _room(states, block), _room(states, block)
        dt, drive = _room(CHUNK, block), _room(CHUNK, block)
        B_rows, C_rows = _room(CHUNK, states), _room(CHUNK, states)
        positions = np.zeros(length + CHUNK, np.int64)
        task = calls.begin(record)
        while task < tasks:
            image, part = task // blocks, task % blocks
            for k in range(directions):
                _fill_positions(positions[:length], k, width)
                h[:] = 0
                rates[:] = A[k, :, part]
                for begin in range(0, length, CHUNK):
                    count = min(CHUNK, length - begin)
                    if kept.shape[3]:
                        kept[k, image, part, begin // CHUNK] = h
                    steps.enter(
                        lanes, block, states, rank, softplus, CHUNK, count, begin, positions, image, part, k,
                        u, delta, B, C, bias, rows, weights, dt, drive, B_rows, C_rows,
                    )  # fmt: skip
                    if k == 0:  # which goes through the flat grid in order
                        steps.skip(lanes, block, directions, count, begin, image, part, u, D, y)
                    steps.advance(
                        lanes, block, states, group, known, count, begin, positions, image, part,
                        dt, drive, rates, B_rows, C_rows, h, y,
                    )  # fmt: skip
            calls.finish(record)
            task = calls.begin(record)

    return forward


@cache
def backward_kernel(block: int, states: int, softplus: bool, known: str) -> Any:
    """The backward kernel: from dy and the kept states, the gradients of all that the forward kernel reads.

    du (batch, L, channels) and ddelta (K, batch, L, channels) are whole; dA (batch, K, N, channels), dD and dbias
    (batch, K, channels) are for the caller to sum over images, dB and dC (blocks, batch, L, K, N) over blocks, so that
    no two tasks write to the same place.
    """
    widest, most = BACKWARD
    lanes, group = _lanes(block, widest), _group(states, most)

    @_kernel
    def backward(record):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
        tasks, width = calls.tasks(record), calls.width(record)
        u, delta, A, B, C, D, bias = _inputs(record)
        kept, dy = calls.given(record, 7, 6, "C"), calls.given(record, 8, 4, "C")
        du, ddelta = calls.given(record, 9, 4, "C"), calls.given(record, 10, 5, "C")
        dA, dB, dC = calls.given(record, 11, 5, "C"), calls.given(record, 12, 5, "C"), calls.given(record, 13, 5, "C")
        dD, dbias = calls.given(record, 14, 4, "C"), calls.given(record, 15, 4, "C")
        directions, _, blocks, _ = A.shape
        length, chunks = u.shape[1], kept.shape[3]
        rates, h = _room(states, block), _room(states, block)
        adjoint, dA_sum = _room(states, block), _room(states, block)
        dD_sum, dbias_sum = _room(1, block), _room(1, block)
        x, dt, drive = _room(CHUNK, block), _room(CHUNK, block), _room(CHUNK, block)
        slope, upstream = _room(CHUNK, block), _room(CHUNK, block)
        by_decay, by_drive = _room(CHUNK, block), _room(CHUNK, block)
        first, before = _room(CHUNK, block), _room(CHUNK, block)
        B_rows, C_rows = _room(CHUNK, states), _room(CHUNK, states)
        past, decays = _room(CHUNK + 1, group * lanes), _room(CHUNK, group * lanes)
        dB_lanes, dC_lanes = _room(CHUNK, group * lanes), _room(CHUNK, group * lanes)
        positions = np.empty(length, np.int64)
        task = calls.begin(record)
        while task < tasks:
            image, part = task // blocks, task % blocks
            du[image, :, part] = 0
            for k in range(directions):
                _fill_positions(positions, k, width)
                for total in (adjoint, dA_sum, dD_sum, dbias_sum):
                    total[:] = 0
                rates[:] = A[k, :, part]
                for chunk in range(chunks - 1, -1, -1):
                    begin = chunk * CHUNK
                    count = min(CHUNK, length - begin)
                    h[:] = kept[k, image, part, chunk]
                    steps.enter_backward(
                        lanes, block, states, softplus, count, begin, positions, image, part, k,
                        u, delta, B, C, bias, dy, rates, known, x, dt, drive, slope, upstream, by_decay, by_drive,
                        first, before, B_rows, C_rows,
                    )  # fmt: skip
                    for n in range(0, states, group):
                        for c in range(0, block, lanes):
                            steps.retreat(
                                lanes, block, states, group, known, count, n, c, dt, drive, upstream, rates, first,
                                before, B_rows, C_rows, h, past, decays, adjoint, dA_sum, dB_lanes, dC_lanes,
                                by_decay, by_drive,
                            )  # fmt: skip
                        steps.add_up(lanes, group, count, begin, positions, image, part, k, n, dB_lanes, dB)
                        steps.add_up(lanes, group, count, begin, positions, image, part, k, n, dC_lanes, dC)
                    steps.leave_backward(
                        lanes, block, count, begin, positions, image, part, k,
                        x, dt, D, slope, upstream, by_decay, by_drive, du, ddelta, dD_sum, dbias_sum,
                    )  # fmt: skip
                dA[image, k, :, part] = dA_sum
                dD[image, k, part] = dD_sum[0]
                dbias[image, k, part] = dbias_sum[0]
            calls.finish(record)
            task = calls.begin(record)

    return backward
