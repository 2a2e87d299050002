"""The effective receptive field: how much each pixel of a picture weighs in one cell of a grid (Luo et al. 2016)."""

import numpy as np
import torch
from torch import Tensor

from medmamba.network import Network

STAGES = (1, 2, 3, 4)


def fields(model: Network, inputs: Tensor) -> dict[int, np.ndarray]:
    """By stage, (H, W): mean over pictures of |gradient| of the middle cell, summed over channels; sums to 1.

    inputs: normalised pictures (batch, 3, H, W). What is derived is the sum of the cell's channels.
    """
    found = {}
    for stage in STAGES:
        total = torch.zeros(inputs.shape[-2:])
        for picture in inputs:
            entry = picture[None].clone().requires_grad_()
            with torch.enable_grad():
                grid = model.pyramid(entry)[stage - 1]
                cell = grid[0, grid.shape[1] // 2, grid.shape[2] // 2].sum()
                total += torch.autograd.grad(cell, entry)[0][0].abs().sum(0).cpu()
        found[stage] = (total / total.sum()).numpy()
    return found


def area_holding(share: float, field: np.ndarray) -> float:
    """The least part of the picture, 0 to 1, whose pixels together hold ``share`` of a field that sums to 1."""
    heaviest_first = np.sort(field.reshape(-1))[::-1].cumsum()
    return float((np.searchsorted(heaviest_first, share * heaviest_first[-1]) + 1) / field.size)
