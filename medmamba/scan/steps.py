"""What the CPU scan's kernels do with a chunk of steps, in vectors of channels.

A block of channels is ``block`` wide, its states are N = ``states``, of which ``group`` stay in registers at once. Room
to work in has a row a step (x, dt, drive, upstream, slope, by_decay, by_drive, first, before; B and C with N columns)
or a row a state (A, in powers of two; h; adjoint; dA). Arrays with more axes are those of ``kernels``.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.polynomial import Chebyshev

from medmamba.scan.lanes import Code, Memory, Number, Places, Registers, Vector, in_vectors, sums

LOG2E = math.log2(math.e)
LINE = 16  # numbers in a line of the cache


def _fit(function: Callable[..., Any], low: float, high: float, degree: int) -> tuple[float, ...]:
    """Coefficients, constant first, of the near-minimax polynomial of ``function`` on [low, high]."""
    fitted = Chebyshev.interpolate(function, degree, domain=[low, high]).convert(kind=np.polynomial.Polynomial)
    return tuple(map(float, fitted.coef))


def _slope_of_exp2(r: Any) -> Any:
    """(2**r - 1) / r."""
    return np.where(r == 0, np.log(2), np.expm1(r * np.log(2)) / np.where(r == 0, 1, r))


EXACT = _fit(_slope_of_exp2, -0.5, 0.5, 4)
SHORT = _fit(_slope_of_exp2, -0.5, 0.5, 3)
LOG1P = _fit(lambda t: np.where(t > 1e-9, np.log1p(t) / np.maximum(t, 1e-9), 1.0), 0.0, 1.0, 8)
# What is known of the decays 2**(dt A): nothing; that none is above 1; and that A = (1, 2 .. N) times its first row as
# well, so that a step's decays are powers of one.
ANY, FALLING, LADDER = "any", "falling", "ladder"


def _decay(dt: Vector, A: Vector, known: str) -> Vector:
    """2**(dt A). If that only ever falls, relative error under 8e-6, 2e-7 near 1; else, and on a ladder, under 3e-7."""
    exponent = (dt * A).at_least(-125)
    if known == ANY:
        exponent = exponent.at_most(127)
    return exponent.exp2(SHORT if known == FALLING else EXACT)


def _powers(base: Vector, count: int, before: Vector | None = None) -> list[Vector]:
    """The ``count`` powers of base that follow on ``before``, which is one of them; base and so on if there is none.

    Each is the product of one found already and of a power of base whose exponent is a power of two.
    """
    found, doubled = [base if before is None else before * base], [base]
    for n in range(1, count):
        doublings = n.bit_length() - 1
        if doublings == len(doubled):
            doubled.append(doubled[-1] * doubled[-1])
        found.append(found[n - (1 << doublings)] * doubled[doublings])
    return found


def _step(raw: Vector, softplus: bool) -> tuple[Vector, Vector]:
    """delta with its bias -> dt, and d dt / d raw, written so that neither cancels for steps near zero."""
    if not softplus:
        return raw, raw * 0 + 1
    tail = (raw.where_positive(-raw, raw) * LOG2E).at_least(-125).exp2(EXACT)
    return raw.at_least(0) + tail * tail.polynomial(LOG1P), raw.where_positive(1, tail) / (tail + 1)


@in_vectors
def skip(
    code: Code, block: int, directions: Number, count: Number, begin: Number, image: Number, part: Number,
    u: Memory, D: Memory, y: Memory,
) -> None:  # fmt: skip
    """What reaches y past the states, at so many places on the flat grid: D u, with D of all directions."""
    for c in range(0, block, code.lanes):
        weight = Registers([code.constant(0)])
        with code.loop(directions) as k:
            weight[0] = weight[0] + D.load(k, part, c)
        with code.loop(count) as t:
            y.store(weight[0] * u.load(image, begin + t, part, c), image, begin + t, part, c)


@in_vectors
def enter(
    code: Code, block: int, states: int, rank: int, softplus: bool, chunk: int, count: Number, begin: Number,
    positions: Places, image: Number, part: Number, k: Number, u: Memory, delta: Memory, B: Memory, C: Memory,
    bias: Memory, rows: Memory, weights: Memory, dt: Memory, drive: Memory, B_rows: Memory, C_rows: Memory,
) -> None:  # fmt: skip
    """What a chunk's steps need, side by side: dt, drive = dt u, and rows of B and C.

    Meanwhile what the next chunk reads is sent for. Other cores have just written it, and where a direction goes down
    the columns no processor guesses what comes next; ``positions`` goes on for a chunk beyond the last one.
    """
    dt, drive = dt.of_width(block), drive.of_width(block)
    B_rows, C_rows = B_rows.of_width(states), C_rows.of_width(states)
    with code.loop(count) as t:
        at = positions[begin + t]
        B_rows.store(B.load(image, at, k, lanes=states), t)
        C_rows.store(C.load(image, at, k, lanes=states), t)
        ahead = positions[begin + t + chunk]  # beyond the last chunk, a place that is there
        for n in range(0, block, LINE):
            u.prefetch(image, ahead, part, n)
            if not rank:
                delta.prefetch(k, image, ahead, part, n)
        for row, width in ((rows, rank), (B, states), (C, states)):
            for n in range(0, width, LINE):
                row.prefetch(image, ahead, k, n)
        factors = [rows.spread(image, at, k, r) for r in range(rank)]
        for c in range(0, block, code.lanes):
            raw = bias.load(k, part, c)
            if not rank:
                raw = raw + delta.load(k, image, at, part, c)
            for r, factor in enumerate(factors):
                raw = factor * weights.load(k, r, part, c) + raw
            size, _ = _step(raw, softplus)
            dt.store(size, t, c)
            drive.store(size * u.load(image, at, part, c), t, c)


@in_vectors
def advance(
    code: Code, block: int, states: int, group: int, known: str, count: Number, begin: Number, positions: Places,
    image: Number, part: Number,
    dt: Memory, drive: Memory, A: Memory, B: Memory, C: Memory, h: Memory, y: Memory,
) -> None:  # fmt: skip
    """The steps of a chunk: h = 2**(dt A) h + drive B, and y += C h. On a ladder all states are one group."""
    dt, drive, A, h = (memory.of_width(block) for memory in (dt, drive, A, h))
    B, C = B.of_width(states), C.of_width(states)
    with code.loop(states, group) as n, code.loop(block, code.lanes) as c:
        state = Registers([h.load(n + i, c) for i in range(group)])
        with code.loop(count) as t:
            at = positions[begin + t]
            dt_t, drive_t = dt.load(t, c), drive.load(t, c)
            if known == LADDER:
                faded = _powers(_decay(dt_t, A.load(n, c), known), group)
            else:
                faded = [_decay(dt_t, A.load(n + i, c), known) for i in range(group)]
            sums_t = [y.load(image, at, part, c), code.constant(0)]  # two, so that one need not wait for the other
            for i, decay in enumerate(faded):
                state[i] = decay * state[i] + drive_t * B.spread(t, n + i)
                sums_t[i % 2] = state[i] * C.spread(t, n + i) + sums_t[i % 2]
            y.store(sums_t[0] + sums_t[1], image, at, part, c)
        for i in range(group):
            h.store(state[i], n + i, c)


@in_vectors
def enter_backward(
    code: Code, block: int, states: int, softplus: bool, count: Number, begin: Number, positions: Places,
    image: Number, part: Number, k: Number, u: Memory, delta: Memory, B: Memory, C: Memory, bias: Memory, dy: Memory,
    A: Memory, known: str,
    x: Memory, dt: Memory, drive: Memory, slope: Memory, upstream: Memory, by_decay: Memory, by_drive: Memory,
    first: Memory, before: Memory, B_rows: Memory, C_rows: Memory,
) -> None:  # fmt: skip
    """What going back over a chunk needs, side by side; sums start at zero. On a ladder, that is also the first state's
    decay, and that there is none before it."""
    x, dt, drive, slope, A = (memory.of_width(block) for memory in (x, dt, drive, slope, A))
    first, before = first.of_width(block), before.of_width(block)
    upstream, by_decay, by_drive = (memory.of_width(block) for memory in (upstream, by_decay, by_drive))
    B_rows, C_rows = B_rows.of_width(states), C_rows.of_width(states)
    with code.loop(count) as t:
        at = positions[begin + t]
        B_rows.store(B.load(image, at, k, lanes=states), t)
        C_rows.store(C.load(image, at, k, lanes=states), t)
        with code.loop(block, code.lanes) as c:
            size, slope_t = _step(delta.load(k, image, at, part, c) + bias.load(k, part, c), softplus)
            x_t = u.load(image, at, part, c)
            x.store(x_t, t, c)
            dt.store(size, t, c)
            if known == LADDER:
                first.store(_decay(size, A.load(0, c), known), t, c)
                before.store(code.constant(1), t, c)
            drive.store(size * x_t, t, c)
            slope.store(slope_t, t, c)
            upstream.store(dy.load(image, at, part, c), t, c)
            by_decay.store(code.constant(0), t, c)
            by_drive.store(code.constant(0), t, c)


@in_vectors
def retreat(
    code: Code, block: int, states: int, group: int, known: str, count: Number, n: Number, c: Number,
    dt: Memory, drive: Memory, upstream: Memory, A: Memory, first: Memory, before: Memory, B: Memory, C: Memory,
    h: Memory, past: Memory, decays: Memory, adjoint: Memory, dA: Memory, dB: Memory, dC: Memory,
    by_decay: Memory, by_drive: Memory,
) -> None:  # fmt: skip
    """``advance`` again, for a group of states, and back: adjoint is taken from after the chunk to before it, the
    other gradients are added to; dB and dC (steps, group, lanes) are yet to be summed over lanes. On a ladder,
    ``before`` goes from group to group: the decay of the last state before this one."""
    dt, drive, upstream, A, h = (memory.of_width(block) for memory in (dt, drive, upstream, A, h))
    first, before = first.of_width(block), before.of_width(block)
    adjoint, dA, by_decay, by_drive = (memory.of_width(block) for memory in (adjoint, dA, by_decay, by_drive))
    past, decays, dB, dC = (memory.of_width(group * code.lanes) for memory in (past, decays, dB, dC))
    B, C = B.of_width(states), C.of_width(states)
    state = Registers([h.load(n + i, c) for i in range(group)])
    for i in range(group):
        past.store(state[i], 0, i * code.lanes)
    with code.loop(count) as t:
        dt_t, drive_t = dt.load(t, c), drive.load(t, c)
        if known == LADDER:
            faded = _powers(first.load(t, c), group, before.load(t, c))
            before.store(faded[-1], t, c)
        else:
            faded = [_decay(dt_t, A.load(n + i, c), known) for i in range(group)]
        for i, decay in enumerate(faded):
            state[i] = decay * state[i] + drive_t * B.spread(t, n + i)
            decays.store(decay, t, i * code.lanes)
            past.store(state[i], t + 1, i * code.lanes)
    later, sum_A = (Registers([memory.load(n + i, c) for i in range(group)]) for memory in (adjoint, dA))
    with code.loop(count) as turn:
        t = count - turn - 1
        dt_t, drive_t, upstream_t = dt.load(t, c), drive.load(t, c), upstream.load(t, c)
        by_decay_t, by_drive_t = by_decay.load(t, c), by_drive.load(t, c)
        for i in range(group):
            g = upstream_t * C.spread(t, n + i) + later[i]
            dB.store(g * drive_t + dB.load(t, i * code.lanes), t, i * code.lanes)
            dC.store(upstream_t * past.load(t + 1, i * code.lanes) + dC.load(t, i * code.lanes), t, i * code.lanes)
            by_drive_t = g * B.spread(t, n + i) + by_drive_t
            later[i] = g * decays.load(t, i * code.lanes)
            g = later[i] * past.load(t, i * code.lanes)
            by_decay_t = g * A.load(n + i, c) + by_decay_t
            sum_A[i] = g * dt_t + sum_A[i]
        by_decay.store(by_decay_t, t, c)
        by_drive.store(by_drive_t, t, c)
    for i in range(group):
        adjoint.store(later[i], n + i, c)
        dA.store(sum_A[i], n + i, c)


@in_vectors
def add_up(
    code: Code, group: int, count: Number, begin: Number, positions: Places, image: Number, part: Number, k: Number,
    n: Number, parts: Memory, total: Memory,
) -> None:  # fmt: skip
    """Sum over lanes (steps, group, lanes), each step to its place in the gradient of B or C; then zero."""
    parts = parts.of_width(group * code.lanes)
    with code.loop(count) as t:
        at = positions[begin + t]
        for first in range(0, group, code.lanes):
            some = range(first, min(first + code.lanes, group))
            total.store(sums([parts.load(t, i * code.lanes) for i in some]), part, image, at, k, n + first)
        for i in range(group):
            parts.store(code.constant(0), t, i * code.lanes)


@in_vectors
def leave_backward(
    code: Code, block: int, count: Number, begin: Number, positions: Places, image: Number, part: Number, k: Number,
    x: Memory, dt: Memory, D: Memory, slope: Memory, upstream: Memory, by_decay: Memory, by_drive: Memory,
    du: Memory, ddelta: Memory, dD: Memory, dbias: Memory,
) -> None:  # fmt: skip
    """What a chunk's sums say of delta and u; of D and the bias, added to rows of one."""
    x, dt, slope, upstream = (memory.of_width(block) for memory in (x, dt, slope, upstream))
    by_decay, by_drive = by_decay.of_width(block), by_drive.of_width(block)
    with code.loop(block, code.lanes) as c:
        totals = Registers([dD.load(0, c), dbias.load(0, c)])
        with code.loop(count) as t:
            at = positions[begin + t]
            x_t, by_drive_t, upstream_t = x.load(t, c), by_drive.load(t, c), upstream.load(t, c)
            by_raw = (by_decay.load(t, c) * (1 / LOG2E) + by_drive_t * x_t) * slope.load(t, c)
            ddelta.store(by_raw, k, image, at, part, c)
            skip = D.load(k, part, c) * upstream_t
            du.store(by_drive_t * dt.load(t, c) + skip + du.load(image, at, part, c), image, at, part, c)
            totals[0] = upstream_t * x_t + totals[0]
            totals[1] = totals[1] + by_raw
        dD.store(totals[0], 0, c)
        dbias.store(totals[1], 0, c)
