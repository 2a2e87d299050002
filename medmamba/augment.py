"""Random changes of training pictures that leave their labels true; ``tasks.Augmentation`` says how much for each task.

A batch is changed at once: every picture gets one affine map (flip, stretch, rotation, zoom, shift) sampled bilinearly,
a gain a channel, and a common brightness and contrast. What a recipe may ask for besides: noise on half of a task's
pictures; grey, a share of them that loses its colour; gamma, a power of all values. No random number is drawn for what
no task asks for, so that the recipes of older weights give the pictures that they gave.
"""

import math
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor
from torch.nn import functional as F

from medmamba.tasks import Task

FARTHEST = 1.1  # side of the part that is seen, against the picture's side; the nearest is a task's own
SHIFT = 0.08  # of half the picture's side, beyond what zooming in leaves free


@dataclass(frozen=True)
class Augmenter:
    """Limits for each task, as tensors indexed by task number: what ``tasks.Augmentation`` says of it."""

    flip_horizontally: Tensor
    flip_vertically: Tensor
    radians: Tensor
    gain: Tensor
    brightness: Tensor
    contrast: Tensor
    noise: Tensor
    grey: Tensor
    nearest: Tensor
    stretch: Tensor
    gamma: Tensor

    @classmethod
    def of(cls, tasks: tuple[Task, ...]) -> Self:
        """Collect the tasks' limits."""
        limits = [task.augmentation for task in tasks]
        return cls(
            torch.tensor([float("h" in a.flips) for a in limits]),
            torch.tensor([float("v" in a.flips) for a in limits]),
            torch.tensor([math.radians(a.rotation) for a in limits]),
            torch.tensor([a.colour for a in limits]),
            torch.tensor([a.brightness for a in limits]),
            torch.tensor([a.contrast for a in limits]),
            torch.tensor([a.noise for a in limits]),
            torch.tensor([a.grey for a in limits]),
            torch.tensor([a.nearest for a in limits]),
            torch.tensor([a.stretch for a in limits]),
            torch.tensor([a.gamma for a in limits]),
        )

    def __call__(self, pictures: Tensor, task: Tensor, size: int, random: torch.Generator) -> Tensor:
        """Change pictures (batch, 3, H, W) of the numbered tasks (batch,) -> (batch, 3, size, size); all in [0, 1]."""
        count = len(pictures)

        def uniform(*shape: int) -> Tensor:
            return torch.rand(count, *shape, generator=random) * 2 - 1

        angle = uniform() * self.radians[task]
        nearest = self.nearest[task]
        side = nearest + (uniform() + 1) / 2 * (FARTHEST - nearest)
        flip_x = 1 - 2 * (torch.rand(count, generator=random) < self.flip_horizontally[task] / 2).float()
        flip_y = 1 - 2 * (torch.rand(count, generator=random) < self.flip_vertically[task] / 2).float()
        freedom = SHIFT + (1 - side).clamp(min=0)
        width = height = side
        if self.stretch.any():
            root = (uniform() * self.stretch[task] / 2).exp()
            width, height = side * root, side / root
        cos, sin = angle.cos(), angle.sin()
        theta = torch.stack(
            [
                torch.stack([cos * width * flip_x, -sin * height * flip_y, uniform() * freedom], dim=1),
                torch.stack([sin * width * flip_x, cos * height * flip_y, uniform() * freedom], dim=1),
            ],
            dim=1,
        )
        grid = F.affine_grid(theta, [count, 3, size, size], align_corners=False)
        seen = F.grid_sample(pictures, grid, padding_mode="border", align_corners=False)
        if self.gamma.any():
            seen = seen.clamp(min=0) ** (uniform(1, 1, 1) * self.gamma[task][:, None, None, None]).exp()
        if self.grey.any():
            grey = torch.rand(count, generator=random) < self.grey[task]
            seen = torch.where(grey[:, None, None, None], seen.mean(1, keepdim=True), seen)
        seen = seen * (1 + uniform(3, 1, 1) * self.gain[task][:, None, None, None])
        level = seen.mean((1, 2, 3), keepdim=True)
        contrast, brightness = (
            1 + uniform(1, 1, 1) * limit[task][:, None, None, None] for limit in (self.contrast, self.brightness)
        )
        seen = (seen - level) * contrast + level * brightness
        if self.noise.any():
            deviation = uniform(1, 1, 1).clamp(min=0) * self.noise[task][:, None, None, None]
            seen = torch.addcmul(seen, deviation, torch.randn(seen.shape, generator=random))
        return seen.clamp(0, 1)
