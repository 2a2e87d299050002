"""Convolutions through oneDNN against torch's public ones, for both routes and for grids whose size changes."""

import pytest
import torch
from torch.nn import functional as F

from medmamba import onednn
from medmamba.onednn import Convolution

ACTIVATIONS = {"none": lambda y: y, "relu": torch.relu, "swish": F.silu}


@pytest.fixture(params=["prepacked", "public"])
def route(request, monkeypatch):
    if request.param == "prepacked" and not onednn.PREPACKS:
        pytest.skip("this torch comes without oneDNN's operators")
    monkeypatch.setattr(onednn, "PREPACKS", request.param == "prepacked")


@pytest.mark.usefixtures("route")
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize(("shape", "groups"), [((24, 16, 3, 3), 1), ((16, 1, 3, 3), 16), ((40, 16), 1)])
def test_it_is_the_convolution_and_its_activation(shape, groups, activation):
    torch.manual_seed(0)
    weight, bias = torch.randn(shape), torch.randn(shape[0])
    with torch.inference_mode():
        convolution = Convolution(weight, bias, activation)
        # Back and forth, as one network meets pictures of several sizes, alone and together.
        for size in ((2, 7, 5), (1, 7, 5), (1, 14, 14), (3, 7, 5), (2, 14, 14), (1, 7, 5)):
            grid = torch.randn(*size, 16)
            kernel = weight if weight.ndim == 4 else weight[:, :, None, None]
            expected = F.conv2d(
                grid.permute(0, 3, 1, 2).double(),
                kernel.double(),
                bias.double(),
                padding=kernel.shape[-1] // 2,
                groups=groups,
            )
            expected = ACTIVATIONS[activation](expected).permute(0, 2, 3, 1).float()
            torch.testing.assert_close(convolution(grid), expected, atol=1e-4, rtol=1e-4)


@pytest.mark.usefixtures("route")
def test_without_a_bias_it_is_linear():
    with torch.inference_mode():
        convolution, grid = Convolution(torch.randn(8, 4), None), torch.randn(1, 3, 3, 4)
        torch.testing.assert_close(convolution(2 * grid), 2 * convolution(grid))
        assert convolution(torch.zeros(1, 3, 3, 4)).abs().max() == 0


@pytest.mark.usefixtures("route")
def test_in_bfloat16_it_sums_in_float32():
    torch.manual_seed(0)
    weight, bias, grid = torch.randn(8, 96, 3, 3), torch.randn(8), torch.randn(2, 7, 5, 96)
    with torch.inference_mode():
        got = Convolution(weight, bias, "relu", torch.bfloat16)(grid)
        rounded = [t.bfloat16().double() for t in (grid.permute(0, 3, 1, 2), weight, bias)]
        expected = F.conv2d(*rounded, padding=1).relu().permute(0, 2, 3, 1)
    assert got.dtype == torch.bfloat16
    torch.testing.assert_close(got.double(), expected, atol=1e-3, rtol=2**-8)  # half a unit of its last place is 2**-9
