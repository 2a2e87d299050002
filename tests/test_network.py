"""What goes for every network: timm's names, and grids for other heads."""

import pytest
import torch

from medmamba import FeaturePyramid, create


@pytest.fixture(scope="module", params=["tiny", "resnet18"])
def network(request):
    return create(request.param, num_classes=8).eval()


def test_timm_names_do_what_timm_does(network):
    x = torch.randn(2, 3, 32, 64)
    with torch.inference_mode():
        grid = network.forward_features(x)
        assert grid.shape == (2, 1, 2, network.config.width * 8)
        assert torch.equal(network.forward_head(grid), network(x))
        assert torch.equal(network.forward_head(grid, pre_logits=True), grid.mean((1, 2)))


def test_a_pyramid_for_other_heads():
    backbone, x = FeaturePyramid(create("resnet18", num_classes=8)).eval(), torch.randn(1, 3, 64, 96)
    with torch.inference_mode():
        grids = backbone(x)
    want = [(1, c, 64 // s, 96 // s) for c, s in zip(backbone.channels, backbone.strides, strict=True)]
    assert [tuple(grid.shape) for grid in grids] == want
    assert not [name for name, _ in backbone.named_parameters() if "classifier" in name]
