"""From a displayed picture to the network's input: the only preprocessing there is, in training, tests and the page.

The whole picture is stretched to a square, as in the authors' evaluation code: nothing is cropped away, and a position
on the evidence map is the same fraction of the picture's width and height.
"""

from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor


@dataclass(frozen=True)
class Transform:
    """Side of the square in pixels, and the mean and standard deviation of the scaled values for each of R, G, B."""

    size: int
    mean: tuple[float, float, float] = (0.5, 0.5, 0.5)
    std: tuple[float, float, float] = (0.5, 0.5, 0.5)

    def to_square(self, display: np.ndarray) -> np.ndarray:
        """Stretch an RGB picture (H, W, 3) uint8 to (size, size, 3) uint8, with antialiasing."""
        if display.shape[:2] == (self.size, self.size):
            return display
        return np.asarray(Image.fromarray(display).resize((self.size, self.size), Image.Resampling.BILINEAR))

    def to_tensor(self, squares: np.ndarray) -> Tensor:
        """Scale and normalise squares (batch, size, size, 3) uint8 -> (batch, 3, size, size) float32."""
        return self.normalise(torch.from_numpy(squares).permute(0, 3, 1, 2).float() / 255)

    def normalise(self, values: Tensor) -> Tensor:
        """(batch, 3, H, W) in [0, 1] -> the network's range."""
        mean, std = (values.new_tensor(v)[:, None, None] for v in (self.mean, self.std))
        return (values - mean) / std
