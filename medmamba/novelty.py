"""How unlike the training pictures of a task a picture is: the novelty score, from the features of the same forward pass.

The mean of every channel of every stage is one vector a picture. It is standardised and projected on the main directions
of the training pictures; the score for a task is the Mahalanobis distance to that task's training pictures (Lee et al.
2018, one Gaussian a task), so that a photograph, or a fundus picture offered as a blood cell, lies far out.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

DIRECTIONS = 96
SHRINKAGE = 0.1  # of a task's covariance towards a multiple of the identity


def pooled(pyramid: Sequence[Tensor]) -> Tensor:
    """Channel means of all stages: grids (batch, h, w, channels) -> (batch, sum of channels)."""
    return torch.cat([grid.float().mean((1, 2)) for grid in pyramid], dim=1)


def fit(vectors: Tensor, task: np.ndarray, count: int) -> dict[str, Tensor]:
    """Statistics of training pictures: vectors (n, channels) of the numbered tasks (n,), for ``count`` tasks."""
    location, scale = vectors.mean(0), vectors.std(0).clamp(min=1e-6)
    standard = (vectors - location) / scale
    _, _, directions = torch.linalg.svd(standard, full_matrices=False)
    projection = directions[:DIRECTIONS].T.contiguous()  # (channels, directions)
    projected = standard @ projection
    centres, whitenings = [], []
    for number in range(count):
        own = projected[torch.from_numpy(task == number)]
        centred = own - own.mean(0)
        covariance = centred.T @ centred / max(len(own) - 1, 1)
        level = covariance.diagonal().mean()
        covariance = (1 - SHRINKAGE) * covariance + SHRINKAGE * level * torch.eye(len(covariance))
        centres.append(own.mean(0))
        whitenings.append(torch.linalg.inv(torch.linalg.cholesky(covariance)))
    return {
        "location": location,
        "scale": scale,
        "projection": projection,
        "centres": torch.stack(centres),
        "whitenings": torch.stack(whitenings),
    }


def scores(statistics: dict[str, Tensor], vectors: Tensor) -> Tensor:
    """Distances (batch, tasks) of vectors (batch, channels) to each task; about 1 for a typical picture of the task."""
    projected = ((vectors - statistics["location"]) / statistics["scale"]) @ statistics["projection"]
    from_centres = projected[:, None] - statistics["centres"]  # (batch, tasks, directions)
    white = torch.einsum("tij,btj->bti", statistics["whitenings"], from_centres)
    return white.square().mean(2).sqrt()
