"""What the rest of the project asks of a network: four stages of grids, then their mean and a linear layer.

``model.MedMamba`` is one, ``resnet.ResNet`` another; training, cards, evidence maps, the novelty score and the page
take either. ``variants`` has them by name.

Glossary:
    C     channels of the first stage; the stages have C, 2C, 4C, 8C
    grid  feature map, channels last: (batch, H, W, channels); H and W are a quarter of the picture's, then halved
"""

from abc import abstractmethod
from typing import Protocol

from torch import Tensor, nn

from medmamba.errors import RequestError

SMALLEST_SIDE = 32  # pixels: a grid of the last stage has a cell for that much of the picture


class NetworkConfig(Protocol):
    """What fixes the shapes of a network, and stands on its card."""

    @property
    def depths(self) -> tuple[int, int, int, int]:
        """Blocks in each stage."""

    @property
    def width(self) -> int:
        """C, channels of the first stage."""

    @property
    def num_outputs(self) -> int:
        """Outputs of the head."""

    @property
    def family(self) -> str:
        """The architecture's name as papers print it."""


class Network(nn.Module):
    """A picture's way to logits. ``forward`` is ``head(features(x))``; both halves are public, for other heads."""

    config: NetworkConfig
    classifier: nn.Linear

    @abstractmethod
    def pyramid(self, x: Tensor) -> list[Tensor]:
        """Pictures (batch, 3, H, W) -> each stage's grid, from (batch, H/4, W/4, C) to ``features``.

        Raises:
            RequestError: a side is too short, see ``check_size``.
        """

    @abstractmethod
    def continue_from(self, grid: Tensor, stage: int) -> Tensor:
        """The grid of the last stage, from that of stage number ``stage`` (1 to 4)."""

    def features(self, x: Tensor) -> Tensor:
        """Pictures (batch, 3, H, W) -> grid of the last stage (batch, H/32, W/32, 8C)."""
        return self.pyramid(x)[-1]

    @staticmethod
    def check_size(x: Tensor) -> None:
        """Refuse pictures (batch, 3, H, W) of which nothing would be left at the last stage.

        Raises:
            RequestError: a side is shorter than 32 pixels.
        """
        if min(x.shape[-2:]) < SMALLEST_SIDE:
            raise RequestError(
                f"The network needs pictures of at least {SMALLEST_SIDE} pixels a side, not {tuple(x.shape[-2:])}."
            )

    @staticmethod
    def pool(features: Tensor) -> Tensor:
        """Mean over the grid: (batch, h, w, 8C) -> (batch, 8C)."""
        return features.mean((1, 2))

    def head(self, features: Tensor) -> Tensor:
        """Grid (batch, h, w, 8C) -> logits (batch, num_outputs)."""
        return self.classifier(self.pool(features))

    def forward(self, x: Tensor) -> Tensor:
        """Pictures (batch, 3, H, W), at least 32 pixels a side -> logits (batch, num_outputs)."""
        return self.head(self.features(x))
