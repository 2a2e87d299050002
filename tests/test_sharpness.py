"""Sharpness-aware steps: where the gradient is taken, and that nothing of the way there is left."""

import pytest
import torch
from torch import nn

from medmamba.sharpness import steepest


def test_the_gradient_of_a_quadratic_at_a_step_uphill():
    """Of the loss w'Aw / 2 at w + r g/|g| with g = Aw it is Aw + r A g/|g|."""
    curvature, start = torch.diag(torch.tensor([1.0, 4.0, 9.0])), torch.tensor([[3.0, -2.0, 1.0]])
    model = nn.Linear(3, 1, bias=False)
    model.weight.data.copy_(start)

    def fall():
        model.zero_grad()
        (model.weight @ curvature @ model.weight.T / 2).sum().backward()
        return model.weight.grad.clone()

    flat = fall()
    torch.testing.assert_close(flat, torch.tensor([[3.0, -8.0, 9.0]]))
    with steepest(model, 0.5):
        steep = fall()
    torch.testing.assert_close(steep, flat + 0.5 * (flat / flat.norm()) @ curvature)
    assert torch.equal(model.weight.detach(), start)


def test_the_step_has_its_length_over_all_parameters_and_is_taken_back_exactly():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 5, 3), nn.BatchNorm2d(5), nn.Flatten(), nn.LazyLinear(2))
    pictures = torch.randn(4, 3, 8, 8)
    model(pictures).square().sum().backward()
    model[3].bias.requires_grad_(False).grad = None
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with steepest(model, 0.1):
        model(pictures)
        apart = {name: value - before[name] for name, value in model.state_dict().items()}
        assert torch.cat([apart[name].flatten() for name, _ in model.named_parameters()]).norm() == pytest.approx(0.1)
        assert not apart["3.bias"].any()
        assert apart["1.running_mean"].any()
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_an_error_on_the_way_leaves_the_weights_as_they_were():
    model = nn.Linear(2, 1)
    model(torch.ones(1, 2)).sum().backward()
    before = model.weight.detach().clone()
    way = steepest(model, 1.0)
    way.__enter__()
    assert not torch.equal(model.weight, before)
    assert not way.__exit__(KeyboardInterrupt, KeyboardInterrupt(), None)
    assert torch.equal(model.weight, before)


def test_without_any_slope_nothing_moves():
    model = nn.Linear(2, 1)
    (model(torch.ones(1, 2)) * 0).sum().backward()
    before = model.weight.detach().clone()
    with steepest(model, 1.0):
        assert torch.equal(model.weight, before)
