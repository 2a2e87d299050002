"""The whole network against one written a second time, plainly, from the paper's description and the official names.

It works on the authors' tensors as they are, in float64, without any module of ours.
"""

import pytest
import torch
from torch.nn import functional as F

from medmamba.checkpoints import load_strictly
from medmamba.model import VARIANTS, MedMamba
from medmamba.official import config_of, from_official


def sub(weights, prefix):
    """The tensors under a prefix, by the rest of their names."""
    return {name[len(prefix) :]: t for name, t in weights.items() if name.startswith(prefix)}


def layer_norm(x, weights, prefix):
    weight, bias = weights[f"{prefix}.weight"], weights[f"{prefix}.bias"]
    return F.layer_norm(x, weight.shape, weight, bias, eps=1e-5)


def scan(x, k, w):
    """One direction: sequences (batch, D, L) -> (batch, D, L)."""
    D, N = x.shape[1], w["A_logs"].shape[1]
    rank = w["dt_projs_weight"].shape[2]
    own = slice(k * D, (k + 1) * D)  # A_logs and Ds hold the directions one after the other
    step, B, C = (w["x_proj_weight"][k] @ x).split([rank, N, N], dim=1)
    step = F.softplus(w["dt_projs_weight"][k] @ step + w["dt_projs_bias"][k][:, None])
    A = -w["A_logs"][own].exp()
    h, y = torch.zeros(len(x), D, N, dtype=x.dtype), torch.empty_like(x)
    for t in range(x.shape[2]):
        dt, u = step[:, :, t, None], x[:, :, t, None]
        h = torch.exp(dt * A) * h + dt * B[:, None, :, t] * u
        y[:, :, t] = (h * C[:, None, :, t]).sum(2) + w["Ds"][own] * x[:, :, t]
    return y


def ss2d(grid, w):
    x, z = (grid @ w["in_proj.weight"].T).chunk(2, dim=-1)
    x = F.silu(F.conv2d(x.permute(0, 3, 1, 2), w["conv2d.weight"], w["conv2d.bias"], padding=1, groups=x.shape[-1]))
    rows, columns = x, x.transpose(2, 3)
    y = scan(rows.flatten(2), 0, w).view(rows.shape)
    y = y + scan(columns.flatten(2), 1, w).view(columns.shape).transpose(2, 3)
    y = y + scan(rows.flatten(2).flip(2), 2, w).flip(2).view(rows.shape)
    y = y + scan(columns.flatten(2).flip(2), 3, w).flip(2).view(columns.shape).transpose(2, 3)
    return layer_norm(y.permute(0, 2, 3, 1), w, "out_norm") * F.silu(z) @ w["out_proj.weight"].T


def convolutions(grid, w):
    def batch_norm(x, at):
        return F.batch_norm(x, *(w[f"{at}.{name}"] for name in ("running_mean", "running_var", "weight", "bias")))

    x = batch_norm(grid.permute(0, 3, 1, 2), 0)
    x = batch_norm(F.conv2d(x, w["1.weight"], w["1.bias"], padding=1), 2).relu()
    x = batch_norm(F.conv2d(x, w["4.weight"], w["4.bias"], padding=1), 5).relu()
    return F.conv2d(x, w["7.weight"], w["7.bias"]).relu().permute(0, 2, 3, 1)


def block(grid, w):
    half = grid.shape[-1] // 2
    left = convolutions(grid[..., :half], sub(w, "conv33conv33conv11."))
    right = ss2d(layer_norm(grid[..., half:], w, "ln_1"), sub(w, "self_attention."))
    joined = torch.cat([left, right], dim=-1)
    shuffled = joined.view(*grid.shape[:3], 2, half).transpose(3, 4).reshape(grid.shape)
    return grid + shuffled


def network(pictures, w, depths):
    grid = F.conv2d(pictures, w["patch_embed.proj.weight"], w["patch_embed.proj.bias"], stride=4).permute(0, 2, 3, 1)
    grid = layer_norm(grid, w, "patch_embed.norm")
    for i, blocks in enumerate(depths):
        for j in range(blocks):
            grid = block(grid, sub(w, f"layers.{i}.blocks.{j}."))
        if i < 3:
            even = grid[:, : grid.shape[1] // 2 * 2, : grid.shape[2] // 2 * 2]
            quarters = [even[:, row::2, column::2] for column in (0, 1) for row in (0, 1)]
            merged = layer_norm(torch.cat(quarters, dim=-1), w, f"layers.{i}.downsample.norm")
            grid = merged @ w[f"layers.{i}.downsample.reduction.weight"].T
    return grid.mean((1, 2)) @ w["head.weight"].T + w["head.bias"]


@pytest.mark.parametrize(
    ("depths", "width", "sides"),
    [((2, 1, 2, 1), 16, (64, 64)), ((2, 1, 2, 1), 16, (72, 56)), (*VARIANTS["T"], (64, 64))],
    ids=["small-64x64", "small-72x56", "T-64x64"],
)
@torch.no_grad()
def test_the_same_weights_give_the_same_logits(official_weights, depths, width, sides):
    weights = official_weights(depths, width, classes=5)
    tensors = from_official(weights)
    model = MedMamba(config_of(tensors)).eval()
    load_strictly(model, tensors)
    pictures = torch.randn(2, 3, *sides)
    want = network(pictures.double(), {name: t.double() for name, t in weights.items()}, depths)
    assert want.std() > 0.1
    torch.testing.assert_close(model(pictures).double(), want, atol=1e-4, rtol=0)
