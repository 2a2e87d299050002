"""SS2D: a two-dimensional selective scan that reads a grid in four directions (VMamba; MedMamba, section 3.2)."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from medmamba.scan import cross_scan

DIRECTIONS = 4


class SS2D(nn.Module):
    """Gate(x) * LayerNorm(sum over four directions of a selective scan of the depthwise-convolved x).

    Args:
        d_model: channels in and out.
        d_state: N, numbers of state a channel.
        expand: d_inner = expand * d_model channels are scanned.
        backend: which scan, see ``medmamba.scan``.
    """

    def __init__(self, d_model: int, d_state: int = 16, expand: int = 2, backend: str = "auto") -> None:
        super().__init__()
        d_inner = expand * d_model
        self.d_state, self.dt_rank, self.backend = d_state, math.ceil(d_model / 16), backend
        self.in_proj = nn.Linear(d_model, 2 * d_inner, bias=False)
        self.conv = nn.Conv2d(d_inner, d_inner, 3, padding=1, groups=d_inner)
        self.x_proj_weight = nn.Parameter(torch.empty(DIRECTIONS, self.dt_rank + 2 * d_state, d_inner))
        self.dt_proj_weight = nn.Parameter(torch.empty(DIRECTIONS, d_inner, self.dt_rank))
        self.dt_proj_bias = nn.Parameter(torch.empty(DIRECTIONS, d_inner))
        self.A_log = nn.Parameter(torch.empty(DIRECTIONS, d_inner, d_state))
        self.D = nn.Parameter(torch.empty(DIRECTIONS, d_inner))
        self.out_norm = nn.LayerNorm(d_inner)
        self.out_proj = nn.Linear(d_inner, d_model, bias=False)
        self.reset_scan_parameters()

    @torch.no_grad()
    def reset_scan_parameters(self) -> None:
        """Initialise as the official code does: step sizes log-uniform in [0.001, 0.1], A = -(1..N), D = 1."""
        nn.init.uniform_(
            self.x_proj_weight, -(self.x_proj_weight.shape[-1] ** -0.5), self.x_proj_weight.shape[-1] ** -0.5
        )
        nn.init.uniform_(self.dt_proj_weight, -(self.dt_rank**-0.5), self.dt_rank**-0.5)
        step = torch.exp(torch.empty_like(self.dt_proj_bias).uniform_(math.log(1e-3), math.log(1e-1))).clamp(min=1e-4)
        self.dt_proj_bias.copy_(step + torch.log(-torch.expm1(-step)))  # the inverse of softplus
        self.A_log.copy_(self._ladder().expand_as(self.A_log))
        self.D.fill_(1)

    @torch.no_grad()
    def tie_decays(self) -> None:
        """Let the states of a channel fade in the ratios of the start, A = -a (1..N), and learn A no further.

        ``a`` of a direction and channel is the geometric mean of what its states have learnt. All of a step's decays
        are then powers of one exponential, which is what the scan on a CPU spends most of its time on.
        """
        ladder = self._ladder()
        self.A_log.copy_(ladder + (self.A_log - ladder).mean(-1, keepdim=True))
        self.A_log.requires_grad_(False)

    def _ladder(self) -> Tensor:
        """log (1..N)."""
        return torch.arange(1, self.d_state + 1, device=self.A_log.device).log()

    def forward(self, x: Tensor) -> Tensor:
        """(batch, H, W, d_model) -> the same shape."""
        x, z = self.in_proj(x).chunk(2, dim=-1)  # (batch, H, W, d_inner) each
        x = F.silu(self.conv(x.permute(0, 3, 1, 2))).permute(0, 2, 3, 1)
        y = self.scan(x)
        if not torch.is_autocast_enabled(x.device.type):  # which takes float32 to the norm itself
            y = y.to(x.dtype)
        y = self.out_norm(y)
        return self.out_proj(y * F.silu(z))

    def scan(self, x: Tensor) -> Tensor:
        """The selective scan alone, its step sizes and matrices made from x; in float32 whatever autocast says."""
        with torch.autocast(x.device.type, enabled=False):
            x = x.float()
            projected = F.linear(x, self.x_proj_weight.float().flatten(0, 1)).unflatten(-1, (DIRECTIONS, -1))
            low_rank, B, C = projected.split([self.dt_rank, self.d_state, self.d_state], dim=-1)  # (batch, H, W, 4, ·)
            low_rank = low_rank.permute(3, 0, 1, 2, 4)
            delta = torch.bmm(low_rank.flatten(1, 3), self.dt_proj_weight.float().mT).unflatten(1, x.shape[:3])
            return cross_scan(
                x,
                delta.permute(1, 2, 3, 0, 4),  # (batch, H, W, 4, d_inner)
                -torch.exp(self.A_log.float()),
                B,
                C,
                self.D.float(),
                self.dt_proj_bias.float(),
                delta_softplus=True,
                backend=self.backend,
            )
