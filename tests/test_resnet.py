"""ResNet behind the interface of a network: torchvision's numbers, MedMamba's grids."""

import pytest
import torch
from torchvision import models

from medmamba.errors import RequestError
from medmamba.resnet import ResNet, ResNetConfig


@pytest.fixture(scope="module", params=["resnet18", "resnet50"])
def pair(request):
    """The network and torchvision's own with the same weights."""
    ours = ResNet(ResNetConfig(request.param, 5)).eval()
    theirs = models.get_model(request.param, weights=None, num_classes=5).eval()
    theirs.load_state_dict(dict(zip(theirs.state_dict(), ours.state_dict().values(), strict=True)))
    return ours, theirs


def test_logits_are_those_of_torchvision(pair):
    ours, theirs = pair
    x = torch.randn(2, 3, 64, 96)
    with torch.inference_mode():
        torch.testing.assert_close(ours(x), theirs(x), atol=1e-5, rtol=1e-5)
    assert sum(p.numel() for p in ours.parameters()) == sum(p.numel() for p in theirs.parameters())


def test_grids_have_the_sizes_of_a_medmamba(pair):
    ours, _ = pair
    width = ours.config.width
    with torch.inference_mode():
        grids = ours.pyramid(torch.randn(2, 3, 64, 96))
    sides = (16, 24), (8, 12), (4, 6), (2, 3)
    assert [tuple(grid.shape) for grid in grids] == [(2, *side, width * 2**i) for i, side in enumerate(sides)]


def test_a_grid_leads_on_to_the_last(pair):
    ours, _ = pair
    with torch.inference_mode():
        grids = ours.pyramid(torch.randn(1, 3, 64, 64))
        for stage, grid in enumerate(grids, start=1):
            torch.testing.assert_close(ours.continue_from(grid, stage), grids[-1], atol=1e-5, rtol=1e-5)


def test_small_pictures_are_refused(pair):
    with pytest.raises(RequestError, match="at least 32 pixels"):
        pair[0](torch.randn(1, 3, 31, 64))


def test_other_networks_are_refused():
    with pytest.raises(ValueError, match="no network 'vgg11'"):
        ResNetConfig("vgg11", 3)
