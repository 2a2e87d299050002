"""The scan in chunks against its definition, forward and backward."""

import pytest
import torch

from medmamba.scan import chunked, reference


@pytest.mark.parametrize("length", [1, 2, 3, 9, 10, 37])
@pytest.mark.parametrize("groups", [1, 2])
def test_sequences_of_any_length(sequence_inputs, with_gradients, assert_close, length, groups):
    arguments = sequence_inputs(length, channels=4, states=3, groups=groups)
    options = {"delta_softplus": True}
    want = with_gradients(reference.selective_scan, arguments, **options)
    assert_close(with_gradients(chunked.selective_scan, arguments, **options), want, tolerance=1e-12)


@pytest.mark.parametrize("delta", [-6.0, -2.0, 3.0])
def test_grids_in_single_precision(grid_inputs, as_float, assert_close, delta):
    arguments = grid_inputs(7, 5, channels=6, batch=2, delta=delta)
    want = reference.cross_scan(*arguments)
    assert_close({"y": chunked.cross_scan(*as_float(arguments))}, {"y": want})


def test_without_skip_bias_and_softplus(sequence_inputs):
    u, delta, A, B, C, *_ = sequence_inputs(12, channels=4)
    got, want = (scan.selective_scan(u, delta.abs(), A, B, C) for scan in (chunked, reference))
    torch.testing.assert_close(got, want)


def test_long_steps_leave_no_infinities(sequence_inputs):
    u, _, A, B, C, D, bias = sequence_inputs(64, channels=4)
    delta = torch.full_like(u, 400.0)
    got, want = (s.selective_scan(u, delta, A, B, C, D, bias, True) for s in (chunked, reference))
    assert got.isfinite().all()
    torch.testing.assert_close(got, want)
