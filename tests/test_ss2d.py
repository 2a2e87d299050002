"""SS2D: shapes, initialisation, and its parts in the right places."""

import pytest
import torch
from torch.nn import functional as F

from medmamba.scan import reference
from medmamba.ss2d import SS2D


def test_the_parts_are_in_their_places():
    """Gate(z) * LayerNorm(scan(SiLU(depthwise conv of x))), x before z; low rank, B, C in this order."""
    ss2d = SS2D(d_model=8, d_state=4).double()
    grid = torch.randn(2, 5, 3, 8, dtype=torch.float64)
    x, z = F.linear(grid, ss2d.in_proj.weight).split(16, dim=-1)
    x = F.silu(ss2d.conv(x.permute(0, 3, 1, 2))).permute(0, 2, 3, 1)
    low_rank, B, C = torch.einsum("bhwd,kcd->bhwkc", x, ss2d.x_proj_weight).split([1, 4, 4], dim=-1)
    delta = torch.einsum("bhwkr,kdr->bhwkd", low_rank, ss2d.dt_proj_weight)
    y = reference.cross_scan(x, delta, -ss2d.A_log.exp(), B, C, ss2d.D, ss2d.dt_proj_bias)
    y = F.layer_norm(y, (16,), ss2d.out_norm.weight, ss2d.out_norm.bias, eps=1e-5)
    want = F.linear(y * F.silu(z), ss2d.out_proj.weight)
    torch.testing.assert_close(ss2d.float()(grid.float()).double(), want, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 6), (7, 1), (4, 7)])
def test_any_grid_keeps_its_shape(height, width):
    assert SS2D(d_model=8)(torch.randn(2, height, width, 8)).shape == (2, height, width, 8)


@pytest.mark.parametrize(("d_model", "rank"), [(8, 1), (16, 1), (17, 2), (48, 3), (512, 32)])
def test_rank_of_the_step_sizes(d_model, rank):
    assert SS2D(d_model).dt_rank == rank


def test_initial_values_are_those_of_the_official_code():
    ss2d = SS2D(d_model=96)
    steps = F.softplus(ss2d.dt_proj_bias)
    assert 1e-3 * 0.999 < steps.min() < 2e-3
    assert 0.05 < steps.max() < 0.1 * 1.001
    assert abs(steps.log().mean() - torch.tensor(1e-2).log()) < 0.2  # log-uniform: the middle is 0.01
    assert torch.equal(ss2d.A_log, torch.arange(1.0, 17).log().expand(4, 192, 16))
    assert torch.equal(ss2d.D, torch.ones(4, 192))
    for weight, limit in ((ss2d.x_proj_weight, 192**-0.5), (ss2d.dt_proj_weight, 6**-0.5)):
        assert 0.98 * limit < weight.abs().max() <= limit
        assert abs(weight.std() / limit - 3**-0.5) < 0.02  # uniform


def test_tied_decays_keep_the_ratios_of_the_start_and_each_channels_own_pace():
    ss2d = SS2D(d_model=8)
    pace = torch.rand(4, 16, 1) + 0.5
    with torch.no_grad():
        ss2d.A_log += pace.log()
    before = ss2d.A_log.clone()
    ss2d.tie_decays()
    torch.testing.assert_close(ss2d.A_log, before)
    assert not ss2d.A_log.requires_grad
    with torch.no_grad():
        ss2d.A_log += torch.randn_like(ss2d.A_log)
    ss2d.tie_decays()
    A = ss2d.A_log.exp()
    torch.testing.assert_close(A, A[..., :1] * torch.arange(1, 17))


def test_under_autocast_the_scan_stays_in_float32():
    ss2d = SS2D(d_model=8)
    grid = torch.randn(2, 5, 3, 16)
    with torch.autocast("cpu", torch.bfloat16):
        got = ss2d.scan(grid.bfloat16())
    assert got.dtype == torch.float32
    torch.testing.assert_close(got, ss2d.scan(grid.bfloat16().float()))


def test_backends_agree():
    kernels, loop = SS2D(d_model=8, backend="cpu"), SS2D(d_model=8, backend="reference")
    loop.load_state_dict(kernels.state_dict())
    grid = torch.randn(2, 5, 3, 8)
    torch.testing.assert_close(kernels(grid), loop(grid), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.bfloat16, 0.05), (torch.float64, 1e-4)])
def test_any_dtype_of_the_network_is_that_of_its_output(dtype, tolerance):
    ss2d, grid = SS2D(8, d_state=4), torch.randn(1, 3, 5, 8)
    want = ss2d(grid)
    got = ss2d.to(dtype)(grid.to(dtype))
    assert got.dtype == dtype
    torch.testing.assert_close(got.float(), want, atol=tolerance, rtol=tolerance)
