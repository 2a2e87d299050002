"""MedMamba (Yue & Li, arXiv 2403.03849): patch embedding, four stages of SS-Conv-SSM blocks, mean pool, linear head.

Words: C and grid as in ``network``; an SS-Conv-SSM block splits the channels in halves, convolves one, scans the other
(SS2D), shuffles them together and adds the input.

The parameter counts that the paper prints for S and B (23.5 M and 48.1 M) do not fit the depths it prints; the depths,
which the authors' code shares, give 18.6 M and 39.9 M, and those are built here.
"""

from dataclasses import dataclass, field
from typing import ClassVar, Self, cast

import torch
from torch import Tensor, nn

from medmamba.network import Network
from medmamba.ss2d import SS2D


@dataclass(frozen=True)
class MedMambaConfig:
    """What fixes the shapes of a network: blocks in each stage, C, outputs of the head, and the state of the scan."""

    depths: tuple[int, int, int, int]
    width: int
    num_outputs: int
    d_state: int = 16
    family: ClassVar[str] = "MedMamba"

    def __post_init__(self) -> None:
        """Raises ValueError for shapes that no network has."""
        counts = (*self.depths, self.width, self.num_outputs, self.d_state)
        if len(self.depths) != 4 or not all(type(count) is int and count > 0 for count in counts) or self.width % 2:
            raise ValueError("four depths, an even width, and all of them whole numbers above 0")

    @classmethod
    def variant(cls, name: str, num_outputs: int) -> Self:
        """The paper's network of that name: T, S or B.

        The paper prints 23.5 M parameters for S and 48.1 M for B, which its depths do not give: with a thousand
        classes, as it counts, S has 19.4 M and B 40.9 M (18.6 M and 39.9 M without the head). A third stage of 12
        blocks in S and 16 in B would give the printed counts; the depths here are those of its table and its code.
        """
        return cls(*VARIANTS[name], num_outputs=num_outputs)

    @property
    def widths(self) -> tuple[int, ...]:
        """Channels of each stage."""
        return tuple(self.width * 2**stage for stage in range(len(self.depths)))


VARIANTS: dict[str, tuple[tuple[int, int, int, int], int]] = {
    "T": ((2, 2, 4, 2), 96),
    "S": ((2, 2, 8, 2), 96),
    "B": ((2, 2, 12, 2), 128),
}


class PatchEmbedding(nn.Module):
    """Cut the picture into 4 x 4 patches: (batch, 3, H, W) -> grid (batch, H/4, W/4, width)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, width, kernel_size=4, stride=4)
        self.norm = nn.LayerNorm(width)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.proj(x).permute(0, 2, 3, 1))


class PatchMerging(nn.Module):
    """Halve the grid and double its channels. An odd last row or column has no partner and is left out."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(4 * width)
        self.reduction = nn.Linear(4 * width, 2 * width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.reduction(self.norm(self.gather(x)))

    @staticmethod
    def gather(x: Tensor) -> Tensor:
        """Four neighbours side by side, rows first: (batch, H, W, width) -> (batch, H // 2, W // 2, 4 width)."""
        x = x[:, : x.shape[1] // 2 * 2, : x.shape[2] // 2 * 2]
        return x.unflatten(2, (-1, 2)).unflatten(1, (-1, 2)).permute(0, 1, 3, 4, 2, 5).flatten(3)


class DropPath(nn.Module):
    """Stochastic depth (Huang et al. 2016): in training, zero a picture's whole branch with probability ``rate``.

    What is kept is scaled so that the mean stays; at a rate of 1 nothing is kept.
    """

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.rate == 0:
            return x
        kept = self.draw(x.shape[0], x.device)
        return x * (kept / (1 - self.rate) if self.rate < 1 else kept).to(x.dtype)

    def draw(self, count: int, device: torch.device) -> Tensor:
        """1 for each picture whose branch is kept, 0 for the others: (count, 1, 1, 1).

        Drawn on the CPU, whose generator is the one that a run keeps when it pauses.
        """
        return torch.empty(count, 1, 1, 1).bernoulli_(1 - self.rate).to(device)


class SSConvSSM(nn.Module):
    """The block of MedMamba: half of the channels through convolutions, half through SS2D (section 3.3, figure 3)."""

    def __init__(self, width: int, d_state: int, drop_path: float, backend: str) -> None:
        super().__init__()
        half = width // 2
        self.conv = nn.Sequential(
            nn.BatchNorm2d(half),
            nn.Conv2d(half, half, 3, padding=1),
            nn.BatchNorm2d(half),
            nn.ReLU(),
            nn.Conv2d(half, half, 3, padding=1),
            nn.BatchNorm2d(half),
            nn.ReLU(),
            nn.Conv2d(half, half, 1),
            nn.ReLU(),
        )
        self.norm = nn.LayerNorm(half)
        self.ss2d = SS2D(half, d_state, backend=backend)
        self.drop_path = DropPath(drop_path)

    def forward(self, x: Tensor) -> Tensor:
        left, right = x.chunk(2, dim=-1)
        local = self.conv(left.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        scanned = self.drop_path(self.ss2d(self.norm(right)))
        return x + torch.stack([local, scanned], dim=-1).flatten(-2)  # channel shuffle: the halves interleave


@dataclass
class _Depth:
    """Drop-path rates grow linearly over all blocks of a network, from 0 to ``highest``."""

    total: int
    highest: float
    built: int = field(default=0)

    def next_rate(self) -> float:
        self.built += 1
        return self.highest * (self.built - 1) / max(self.total - 1, 1)


class Stage(nn.Module):
    """Blocks of one width, and the patch merging that leads to the next stage (none after the last)."""

    def __init__(self, blocks: list[SSConvSSM], merging: PatchMerging | None) -> None:
        super().__init__()
        self.blocks = nn.Sequential(*blocks)
        self.merging = merging or nn.Identity()


class MedMamba(Network):
    """The network.

    Args:
        config: shapes; ``MedMambaConfig.variant("T", num_outputs=6)`` for the paper's.
        drop_path: highest drop-path rate, on the scanned half of the last block.
        backend: which scan, see ``medmamba.scan``.
    """

    def __init__(self, config: MedMambaConfig, drop_path: float = 0.1, backend: str = "auto") -> None:
        super().__init__()
        self.config: MedMambaConfig = config
        self.backend = backend
        depth = _Depth(sum(config.depths), drop_path)
        self.patch_embedding = PatchEmbedding(config.width)
        self.stages = nn.ModuleList(
            Stage(
                [SSConvSSM(width, config.d_state, depth.next_rate(), backend) for _ in range(blocks)],
                PatchMerging(width) if width != config.widths[-1] else None,
            )
            for blocks, width in zip(config.depths, config.widths, strict=True)
        )
        self.classifier = nn.Linear(config.widths[-1], config.num_outputs)
        self.apply(_initialise)

    def pyramid(self, x: Tensor) -> list[Tensor]:
        """As ``Network.pyramid``: the output of each stage's last SS-Conv-SSM block."""
        self.check_size(x)
        return self.stages_from(self.patch_embedding(x), first=0)

    @property
    def stage_list(self) -> list[Stage]:
        """The four stages."""
        return [cast(Stage, stage) for stage in self.stages]

    def stages_from(self, grid: Tensor, first: int) -> list[Tensor]:
        """Run the stages from number ``first`` on (0 to 3) on its input grid; the output of each one's last block."""
        grids = []
        for stage in self.stage_list[first:]:
            grids.append(stage.blocks(grid))
            grid = stage.merging(grids[-1])
        return grids

    def continue_from(self, grid: Tensor, stage: int) -> Tensor:
        """As ``Network.continue_from``."""
        return self.stages_from(self.stage_list[stage - 1].merging(grid), first=stage)[-1] if stage < 4 else grid


def _initialise(module: nn.Module) -> None:
    """The official initialisation: truncated normal for linear layers, He for convolutions."""
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        # Grids are channels last, and so are the kernels' gradients, which need no copying if the kernels are, too.
        module.weight.data = module.weight.data.contiguous(memory_format=torch.channels_last)
