"""The definition of the selective scan, in plain PyTorch. Every other backend is compared with this file.

Glossary (Mamba, Gu & Dao 2023, section 3; MedMamba, section 3):
    u      input of the state-space model              delta  step size, before bias and softplus
    A      state matrix, diagonal and negative         B, C   input and output matrices, both made from the input
    D      skip connection                             h      state: N = d_state numbers a channel
    K      directions in which SS2D reads a grid: by rows, by columns, and both backwards

For each channel:  h_t = exp(delta_t A) h_{t-1} + delta_t B_t u_t      (zero-order hold for A, Euler for B)
                   y_t = C_t . h_t + D u_t
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F


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
    """Scan sequences one step after the other. Names, order and layout are those of mamba-ssm's ``selective_scan_fn``.

    Args:
        u: inputs (batch, channels, L).
        delta: step sizes (batch, channels, L).
        A: (channels, N).
        B: (batch, groups, N, L); consecutive channels, channels / groups of them, share a group's rows.
        C: (batch, groups, N, L).
        D: (channels,) or None.
        delta_bias: (channels,) or None, added to ``delta``.
        delta_softplus: pass ``delta``, with its bias, through softplus.

    Returns:
        y (batch, channels, L) in the dtype of ``u``; float64 inputs give the oracle of the tests.
    """
    if delta_bias is not None:
        delta = delta + delta_bias[:, None]
    if delta_softplus:
        delta = F.softplus(delta)
    B, C = (m.repeat_interleave(u.shape[1] // m.shape[1], dim=1) for m in (B, C))  # (batch, channels, N, L)
    decay = torch.exp(delta[:, :, None] * A[:, :, None])  # (batch, channels, N, L)
    drive = (delta * u)[:, :, None] * B  # (batch, channels, N, L)
    h = torch.zeros_like(drive[..., 0])  # (batch, channels, N)
    outputs = []
    for decay_t, drive_t, C_t in zip(decay.unbind(-1), drive.unbind(-1), C.unbind(-1), strict=True):
        h = decay_t * h + drive_t
        outputs.append((h * C_t).sum(-1))
    y = torch.stack(outputs, dim=-1)
    return y if D is None else y + u * D[:, None]


def cross_scan(
    u: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor,
    delta_bias: Tensor,
    delta_softplus: bool = True,
    *,
    scan: Callable[..., Tensor] = selective_scan,
) -> Tensor:
    """Scan a grid in K directions and sum the results where they belong: the core of SS2D.

    Args:
        u: grid (batch, H, W, channels), read in every direction.
        delta: (batch, H, W, K, channels).
        A: (K, channels, N).
        B: (batch, H, W, K, N).
        C: (batch, H, W, K, N).
        D: (K, channels).
        delta_bias: (K, channels).
        delta_softplus: as in ``selective_scan``.
        scan: the one-dimensional scan that does the work; sequences of all directions go through it in one call.

    Returns:
        (batch, H, W, channels).
    """
    height, width, directions = *u.shape[1:3], A.shape[0]

    def sequences(values: Tensor) -> Tensor:
        return torch.stack([read(values[..., k, :], k) for k in range(directions)], dim=1).transpose(2, 3)

    y = scan(
        sequences(u[..., None, :].expand(*u.shape[:3], directions, -1)).flatten(1, 2),  # (batch, K channels, L)
        sequences(delta).flatten(1, 2),
        A.flatten(0, 1),
        sequences(B).contiguous(),  # (batch, K, N, L)
        sequences(C).contiguous(),
        D.flatten(),
        delta_bias.flatten(),
        delta_softplus,
    ).unflatten(1, (directions, -1))  # (batch, K, channels, L)
    return torch.stack([write(y[:, k].transpose(1, 2), k, height, width) for k in range(directions)]).sum(0)


def read(grid: Tensor, direction: int) -> Tensor:
    """Lay a grid (batch, H, W, ...) out as the sequence (batch, H*W, ...) that ``direction`` sees.

    0: by rows, 1: by columns, 2: by rows from the end, 3: by columns from the end.
    """
    sequence = (grid.transpose(1, 2) if direction % 2 else grid).flatten(1, 2)
    return sequence.flip(1) if direction >= 2 else sequence


def write(sequence: Tensor, direction: int, height: int, width: int) -> Tensor:
    """Undo ``read``: (batch, H*W, ...) -> (batch, H, W, ...)."""
    if direction >= 2:
        sequence = sequence.flip(1)
    if direction % 2:
        return sequence.unflatten(1, (width, height)).transpose(1, 2)
    return sequence.unflatten(1, (height, width))
