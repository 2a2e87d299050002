"""The effective receptive field of networks whose field is known."""

import numpy as np
import pytest
import torch
from torch import nn

from medmamba.network import Network
from medmamba.receptive_field import area_holding, fields


class Blocks(Network):
    """A stage for each halving, from quarters on: a cell sees its own patch and nothing else."""

    def pyramid(self, x):
        grids = [nn.functional.avg_pool2d(x, side) for side in (4, 8, 16, 32)]
        return [grid.permute(0, 2, 3, 1) for grid in grids]


def test_a_cell_that_sees_its_patch_alone():
    found = fields(Blocks(), torch.randn(2, 3, 96, 96))
    for stage, side in zip((1, 2, 3, 4), (4, 8, 16, 32), strict=True):
        seen = np.zeros((96, 96))
        start = 96 // side // 2 * side
        seen[start : start + side, start : start + side] = 1 / side**2
        np.testing.assert_allclose(found[stage], seen, atol=1e-6)
        assert area_holding(1.0, found[stage]) == pytest.approx(side**2 / 96**2, rel=0.02)


def test_the_scan_reaches_the_whole_picture_and_convolutions_alone_do_not(tiny_model):
    model, inputs = tiny_model().requires_grad_(False), torch.randn(1, 3, 128, 128)
    reached = (fields(model, inputs)[1] > 0).mean()
    for stage in model.stages:
        for block in stage.blocks:
            block.ss2d.out_proj.weight.zero_()
    assert reached > 0.99
    assert (fields(model, inputs)[1] > 0).mean() < 0.1


@pytest.mark.parametrize(("share", "area"), [(0.4, 0.25), (0.5, 0.5), (0.7, 0.5), (1.0, 1.0)])
def test_the_area_takes_the_heaviest_pixels_first(share, area):
    assert area_holding(share, np.array([[0.1, 0.4], [0.3, 0.2]])) == area
