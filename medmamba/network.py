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

    def forward_features(self, x: Tensor) -> Tensor:
        """``features`` under timm's name."""
        return self.features(x)

    def forward_head(self, features: Tensor, pre_logits: bool = False) -> Tensor:
        """``head`` under timm's name; with ``pre_logits`` the pooled features (batch, 8C)."""
        return self.pool(features) if pre_logits else self.head(features)

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


class FeaturePyramid(nn.Module):
    """A network without its head, for segmentation and detection heads, as timm's ``features_only``.

    channels: of each of the four grids; strides: pixels of the picture a cell, where its sides divide by 32.
    """

    strides = (4, 8, 16, 32)

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network
        self.channels = tuple(network.config.width * 2**stage for stage in range(len(self.strides)))
        del network.classifier

    def forward(self, x: Tensor) -> list[Tensor]:
        """Pictures (batch, 3, H, W) -> four grids, channels first, (batch, channels, H/stride, W/stride) each."""
        return [grid.permute(0, 3, 1, 2) for grid in self.network.pyramid(x)]
