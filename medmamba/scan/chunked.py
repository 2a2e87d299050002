"""The selective scan in plain tensor operations, of which there are few: for export, and for compilers.

A sequence of L steps is cut into about sqrt(L) chunks. All chunks are scanned at once from an empty state; then the
states are handed on from chunk to chunk; last, each step adds what the state that entered its chunk has left for it.
That is a graph of about 2 sqrt(L) steps where ``reference`` makes one of L, with the same sums in another order.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from medmamba.scan import reference


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
    """``reference.selective_scan``, its groups and chunks as axes of their own."""
    groups, length = B.shape[1], u.shape[-1]
    if delta_bias is not None:
        delta = delta + delta_bias[:, None]
    if delta_softplus:
        delta = F.softplus(delta)
    steps = math.ceil(math.sqrt(length))
    missing = -length % steps  # steps of size 0 at the end change no state

    def chunks(values: Tensor) -> Tensor:
        return F.pad(values, (0, missing)).unflatten(-1, (-1, steps))

    delta_c = chunks(delta.unflatten(1, (groups, -1)))[:, :, :, None]  # (batch, groups, channels, 1, chunks, steps)
    drive = delta_c * chunks(u.unflatten(1, (groups, -1)))[:, :, :, None]
    rates = A.unflatten(0, (groups, -1))[..., None]  # (groups, channels, N, 1)
    B, C = chunks(B)[:, :, None], chunks(C)[:, :, None]  # (batch, groups, 1, N, chunks, steps)

    state = torch.zeros_like(drive[..., 0] * B[..., 0])  # (batch, groups, channels, N, chunks)
    outputs = []
    for t in range(steps):
        state = torch.exp(delta_c[..., t] * rates) * state + drive[..., t] * B[..., t]
        outputs.append((state * C[..., t]).sum(3))
    elapsed = delta_c.cumsum(-1)  # since the start of the chunk
    entered = _handed_on(torch.exp(elapsed[..., -1] * rates), state)
    for t in range(steps):
        outputs[t] = outputs[t] + (torch.exp(elapsed[..., t] * rates) * entered * C[..., t]).sum(3)
    y = torch.stack(outputs, dim=-1).flatten(-2)[..., :length].flatten(1, 2)
    return y if D is None else y + u * D[:, None]


def _handed_on(decay: Tensor, last: Tensor) -> Tensor:
    """The state in which each chunk is entered, from the decay over each chunk and the state it ends in from zero."""
    entering = [torch.zeros_like(last[..., 0])]
    for m in range(last.shape[-1] - 1):
        entering.append(decay[..., m] * entering[-1] + last[..., m])
    return torch.stack(entering, dim=-1)


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
    """``reference.cross_scan`` with the sequences in chunks."""
    return reference.cross_scan(u, delta, A, B, C, D, delta_bias, delta_softplus, scan=selective_scan)
