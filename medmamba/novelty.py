"""How unlike a task's training pictures a picture is: the novelty score, from the features of the same forward pass.

Each stage's grid is summarised by the mean, the spread and the roughness of its channels. A stage's summary is
standardised and projected on the main directions of the training pictures; the distance to a task is Mahalanobis', with
the task's own Gaussian drawn towards the mean of all tasks' (Lee et al. 2018; Friedman 1989). Distances are divided by
what nine in ten held-out pictures of the task stay below, and the score is that of the stage where the picture stands
out most: early stages tell noise and screenshots from what late ones take for skin; late ones know anatomy.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

DIRECTIONS = 128  # of each stage
POOLING = 0.1  # share of the mean of all tasks' covariances in a task's own
RIDGE = 0.003  # added to its diagonal, relative to the mean of the diagonal
LEVEL = 0.9  # of held-out pictures have a distance below 1 in a stage
REFUSED_AT_MOST = 0.05  # of each modality's pictures
STRICTNESSES = (0.05, 0.04, 0.03, 0.02, 0.015, 0.01, 0.005)  # shares of held-out pictures above the threshold to try
HALVINGS = 100
ENOUGH = 50  # held-out pictures of a modality that 5 % can be told of
STAGES = 4


def pooled(pyramid: Sequence[Tensor]) -> Tensor:
    """Mean, standard deviation and roughness of every channel: four grids (batch, h, w, channels) -> (batch, 45 C).

    Roughness is the mean absolute difference between cells that are diagonal neighbours, the grid's edges joined.
    """
    summaries = []
    for grid in pyramid:
        grid = grid.float()
        rough = (grid - grid.roll((1, 1), dims=(1, 2))).abs().mean((1, 2))
        summaries += [grid.mean((1, 2)), grid.flatten(1, 2).std(1, correction=0), rough]
    return torch.cat(summaries, dim=1)


def fit(vectors: Tensor, task: np.ndarray, count: int) -> dict[str, Tensor]:
    """Statistics of training pictures: vectors (n, 45 C) of the numbered tasks (n,), for ``count`` tasks.

    The training pictures also set the levels; ``levels`` of held-out ones are better, see ``with_levels``.
    """
    members = [torch.from_numpy(task == number) for number in range(count)]
    statistics: dict[str, Tensor] = {}
    for stage, summary in enumerate(_by_stage(vectors)):
        location, scale = summary.mean(0), summary.std(0).clamp(min=1e-6)
        standard = (summary - location) / scale
        _, _, directions = torch.linalg.svd(standard, full_matrices=False)
        projection = directions[:DIRECTIONS].T.contiguous()  # (summary, directions)
        own = [standard[m] @ projection for m in members]
        covariances = torch.stack([_covariance(o) for o in own])
        covariances = (1 - POOLING) * covariances + POOLING * covariances.mean(0)
        ridge = RIDGE * covariances.diagonal(dim1=1, dim2=2).mean(1)
        covariances += ridge[:, None, None].clamp(min=1e-6) * torch.eye(covariances.shape[-1])
        whitenings = torch.linalg.inv(torch.linalg.cholesky(covariances))
        statistics |= {
            f"location.{stage}": location,
            f"scale.{stage}": scale,
            f"projection.{stage}": projection.half(),
            f"centres.{stage}": torch.stack([o.mean(0) for o in own]),
            f"whitenings.{stage}": whitenings.half(),
        }
    statistics["levels"] = torch.ones(count, STAGES)
    return with_levels(statistics, vectors, task)


def with_levels(statistics: dict[str, Tensor], vectors: Tensor, task: np.ndarray) -> dict[str, Tensor]:
    """The statistics with each stage's unit of distance taken from these pictures: vectors (n, 45 C), tasks (n,)."""
    distances = _distances(statistics, vectors)
    levels = [
        distances[torch.from_numpy(task == number), number].quantile(LEVEL, dim=0)
        for number in range(distances.shape[1])
    ]
    return statistics | {"levels": torch.stack(levels)}


def scores(statistics: dict[str, Tensor], vectors: Tensor) -> Tensor:
    """Scores (batch, tasks) of vectors (batch, 45 C) for each task; about 1 is high for a picture of the task."""
    return (_distances(statistics, vectors) / statistics["levels"]).amax(2)


def threshold(statistics: dict[str, Tensor], vectors: Tensor, task: np.ndarray, strictness: float) -> float:
    """The score that a share ``strictness`` of held-out pictures exceeds, every task counting the same.

    One for all tasks, since a single task's few pictures do not tell how long its tail is.
    """
    of_own = scores(statistics, vectors)[torch.arange(len(task)), torch.from_numpy(task)].numpy()
    return _balanced_quantile(of_own, task, strictness)


def strictness(statistics: dict[str, Tensor], vectors: Tensor, task: np.ndarray, modality: np.ndarray) -> float:
    """The largest of ``STRICTNESSES`` that keeps false refusals rare, by cross-validation on held-out pictures.

    Levels and threshold are taken from a random half of the pictures and tried on the other half. On average over the
    halvings no more than ``REFUSED_AT_MOST`` may be refused of any modality that has ``ENOUGH`` pictures; the smallest
    strictness where none manages that, the largest where no modality has as many. No test picture is needed, so that
    the test split stays unseen.

    vectors (n, 45 C); task (n,) counts tasks, modality (n,) names each picture's modality.
    """
    own = _distances(statistics, vectors)[torch.arange(len(task)), torch.from_numpy(task)].numpy()  # (n, stages)
    random = np.random.default_rng(0)
    kinds = [kind for kind, count in zip(*np.unique(modality, return_counts=True), strict=True) if count >= ENOUGH]
    if not kinds:  # and of a handful of pictures a half may be empty
        return STRICTNESSES[0]
    shares = np.empty((HALVINGS, len(STRICTNESSES), len(kinds)))
    for halving in range(HALVINGS):
        setting = random.random(len(task)) < 0.5
        levels = np.ones((task.max() + 1, STAGES))
        for number in np.unique(task[setting]):
            levels[number] = np.quantile(own[setting & (task == number)], LEVEL, axis=0)
        of_own = (own / levels[task]).max(1)
        for place, tried in enumerate(STRICTNESSES):
            refused = of_own > _balanced_quantile(of_own[setting], task[setting], tried)
            shares[halving, place] = [refused[~setting & (modality == kind)].mean() for kind in kinds]
    held = shares.mean(0).max(1) <= REFUSED_AT_MOST
    return STRICTNESSES[int(held.argmax())] if held.any() else STRICTNESSES[-1]


def _balanced_quantile(of_own: np.ndarray, task: np.ndarray, above: float) -> float:
    weights = 1 / np.bincount(task)[task]
    return float(np.quantile(of_own, 1 - above, weights=weights, method="inverted_cdf"))


def _distances(statistics: dict[str, Tensor], vectors: Tensor) -> Tensor:
    """Distances (batch, tasks, stages)."""
    distances = []
    for stage, summary in enumerate(_by_stage(vectors)):
        standard = (summary - statistics[f"location.{stage}"]) / statistics[f"scale.{stage}"]
        projected = standard @ statistics[f"projection.{stage}"].float()
        from_centres = projected[:, None] - statistics[f"centres.{stage}"]  # (batch, tasks, directions)
        white = torch.einsum("tij,btj->bti", statistics[f"whitenings.{stage}"].float(), from_centres)
        distances.append(white.square().mean(2).sqrt())
    return torch.stack(distances, dim=2)


def _by_stage(vectors: Tensor) -> tuple[Tensor, ...]:
    """Cut (batch, 45 C) into the stages' summaries, each twice as wide as the one before."""
    first = vectors.shape[1] // (2**STAGES - 1)
    return vectors.split([first * 2**stage for stage in range(STAGES)], dim=1)


def _covariance(points: Tensor) -> Tensor:
    centred = points - points.mean(0)
    return centred.T @ centred / max(len(points) - 1, 1)
