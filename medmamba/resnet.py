"""ResNet (He et al. 2016) from torchvision, the network that MedMamba is held against: trained by the same loop.

Only its shape is torchvision's; the weights start at random, so that a comparison is one of architectures.
"""

from dataclasses import dataclass
from typing import Any, ClassVar, cast

from torch import Tensor, nn

from medmamba.network import Network

SHAPES: dict[str, tuple[tuple[int, int, int, int], int]] = {
    "resnet18": ((2, 2, 2, 2), 64),
    "resnet50": ((3, 4, 6, 3), 256),
}


@dataclass(frozen=True)
class ResNetConfig:
    """``network``: resnet18 or resnet50; outputs of the head."""

    network: str
    num_outputs: int
    family: ClassVar[str] = "ResNet"

    def __post_init__(self) -> None:
        if self.network not in SHAPES:
            raise ValueError(f"there is no network {self.network!r}")

    @property
    def depths(self) -> tuple[int, int, int, int]:
        """Blocks in each stage."""
        return SHAPES[self.network][0]

    @property
    def width(self) -> int:
        """C, channels of the first stage."""
        return SHAPES[self.network][1]


class ResNet(Network):
    """The network; its grids have the sizes of MedMamba's, and in ResNet-18 two thirds of the channels of T's."""

    def __init__(self, config: ResNetConfig) -> None:
        from torchvision import models  # only for those who train or load one

        super().__init__()
        self.config = config
        body = models.get_model(config.network, weights=None, num_classes=config.num_outputs)
        parts = dict(body.named_children())
        self.stem = nn.Sequential(*(parts[name] for name in ("conv1", "bn1", "relu", "maxpool")))
        self.stages = nn.ModuleList(cast(Any, parts[f"layer{stage}"]) for stage in (1, 2, 3, 4))
        self.classifier = cast(nn.Linear, parts["fc"])

    def pyramid(self, x: Tensor) -> list[Tensor]:
        """As ``Network.pyramid``."""
        self.check_size(x)
        grid, grids = self.stem(x), []
        for stage in self.stages:
            grid = stage(grid)
            grids.append(grid.permute(0, 2, 3, 1))
        return grids

    def continue_from(self, grid: Tensor, stage: int) -> Tensor:
        """As ``Network.continue_from``."""
        grid = grid.permute(0, 3, 1, 2)
        for later in self.stages[stage:]:
            grid = later(grid)
        return grid.permute(0, 2, 3, 1)
