"""Inputs for the scans, and a comparison that says how far off a tensor is."""

import pytest
import torch

NAMES = ("u", "delta", "A", "B", "C", "D", "delta_bias")


@pytest.fixture
def grid_inputs():
    """Arguments of ``cross_scan`` in float64: as in a trained network, or with step sizes around ``delta``, or with a
    channel's decays on a ``ladder``, as they are before training."""

    def make(height, width, channels, batch=1, states=16, directions=4, delta=-2.0, skip=True, ladder=False):
        def normal(*shape):
            return torch.randn(*shape, dtype=torch.float64)

        A = -torch.exp(normal(directions, channels, states))
        if ladder:
            A = A[..., :1] * torch.arange(1, states + 1)
        return (
            normal(batch, height, width, channels),
            normal(batch, height, width, directions, channels) + delta,
            A,
            normal(batch, height, width, directions, states),
            normal(batch, height, width, directions, states),
            normal(directions, channels) * skip,
            normal(directions, channels) / 2,
        )

    return make


@pytest.fixture
def sequence_inputs():
    """Arguments of ``selective_scan`` in float64."""

    def make(length, channels, batch=2, states=16, groups=1):
        def normal(*shape):
            return torch.randn(*shape, dtype=torch.float64)

        return (
            normal(batch, channels, length),
            normal(batch, channels, length) - 2,
            -torch.exp(normal(channels, states)),
            normal(batch, groups, states, length),
            normal(batch, groups, states, length),
            normal(channels),
            normal(channels) / 2,
        )

    return make


@pytest.fixture
def with_gradients():
    """Run a scan; its output and the gradients of every argument, by name."""

    def run(scan, arguments, **options):
        leaves = [t.detach().clone(memory_format=torch.preserve_format).requires_grad_() for t in arguments]
        y = scan(*leaves, **options)
        weights = torch.cos(torch.arange(y.numel(), dtype=torch.float64)).reshape(y.shape).to(y)
        gradients = torch.autograd.grad((y * weights).sum(), leaves)
        return {"y": y.detach()} | {f"d{name}": g for name, g in zip(NAMES, gradients, strict=True)}

    return run


@pytest.fixture
def assert_close():
    """Every tensor within ``tolerance`` of the wanted one's largest value; the message has max and relative error."""

    def check(got, wanted, tolerance=5e-5):
        faults = []
        for name, want in wanted.items():
            assert got[name].shape == want.shape, f"{name} is {tuple(got[name].shape)}, not {tuple(want.shape)}"
            error = (got[name].double() - want.double()).abs().max().item()
            relative = error / max(want.abs().max().item(), 1e-30)
            if not relative <= tolerance:
                faults.append(f"{name}: max error {error:.2e}, relative {relative:.2e}")
        assert not faults, f"beyond {tolerance:.0e}: " + "; ".join(faults)

    return check


@pytest.fixture
def as_float():
    return lambda arguments: [t.float() for t in arguments]
