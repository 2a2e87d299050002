"""The numba kernels, forward and backward, against the float64 reference."""

import math
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from medmamba.scan import cpu, kernels, reference

GRIDS = [(1, 1), (1, 3), (3, 1), (5, 3), (7, 7), (1, 49), (49, 1), (7, 9), (9, 7), (14, 14), (28, 28)]
PRIME = 53  # wider than a block of channels, and no block divides it


@pytest.mark.parametrize(("height", "width"), GRIDS)
def test_every_grid(grid_inputs, with_gradients, assert_close, as_float, height, width):
    arguments = grid_inputs(height, width, channels=8, batch=1 if height == 28 else 3)
    want = with_gradients(reference.cross_scan, arguments)
    assert_close(with_gradients(cpu.cross_scan, as_float(arguments)), want)


@pytest.mark.parametrize("ladder", [False, True])
@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("channels", [48, 96, 100, PRIME])
def test_every_number_of_channels(grid_inputs, with_gradients, assert_close, as_float, channels, batch, ladder):
    arguments = grid_inputs(5, 7, channels, batch, ladder=ladder)
    want = with_gradients(reference.cross_scan, arguments)
    assert_close(with_gradients(cpu.cross_scan, as_float(arguments)), want)


@pytest.mark.parametrize("ladder", [False, True])
def test_the_shapes_for_other_processors(grid_inputs, with_gradients, assert_close, as_float, monkeypatch, ladder):
    shapes = {True: ((16, 16), (16, 4), 48), False: ((16, 4), (8, 4), 96)}
    here = kernels.FORWARD, kernels.BACKWARD, cpu.WIDEST_IN_TRAINING
    assert here == shapes[kernels.WIDE]
    forward, backward, widest = shapes[not kernels.WIDE]
    monkeypatch.setattr(kernels, "FORWARD", forward)
    monkeypatch.setattr(kernels, "BACKWARD", backward)
    monkeypatch.setattr(cpu, "WIDEST_IN_TRAINING", widest)
    for name in ("forward_kernel", "backward_kernel"):  # not those that were made for this processor
        monkeypatch.setattr(cpu, name, getattr(kernels, name).__wrapped__)
    arguments = grid_inputs(5, 7, channels=96, batch=2, ladder=ladder)
    want = with_gradients(reference.cross_scan, arguments)
    assert_close(with_gradients(cpu.cross_scan, as_float(arguments)), want)


def test_length_784_of_a_real_width(grid_inputs, with_gradients, assert_close, as_float):
    arguments = grid_inputs(28, 28, channels=96)
    want = with_gradients(reference.cross_scan, arguments)
    assert_close(with_gradients(cpu.cross_scan, as_float(arguments)), want)


@pytest.mark.parametrize(("skip", "ladder"), [(True, False), (False, False), (True, True)])
@pytest.mark.parametrize("delta", [-30.0, -12.0, 0.0, 5.0, 25.0, 60.0])
def test_step_sizes_from_tiny_to_huge(grid_inputs, with_gradients, assert_close, as_float, delta, skip, ladder):
    arguments = grid_inputs(7, 9, channels=8, delta=delta, skip=skip, ladder=ladder)
    want = with_gradients(reference.cross_scan, arguments)
    assert_close(with_gradients(cpu.cross_scan, as_float(arguments)), want)


@pytest.mark.parametrize("ladder", [False, True])
@pytest.mark.parametrize("delta", [-1000.0, -100.0, 1000.0])
def test_absurd_step_sizes_stay_finite(grid_inputs, with_gradients, as_float, delta, ladder):
    arguments = grid_inputs(3, 5, channels=8, delta=delta, ladder=ladder)
    got = with_gradients(cpu.cross_scan, as_float(arguments))
    assert all(t.isfinite().all() for t in got.values())


def test_step_sizes_as_they_are_without_softplus(grid_inputs, with_gradients, assert_close, as_float):
    u, delta, A, B, C, D, bias = grid_inputs(7, 9, channels=8, batch=3)
    arguments = (u, delta.abs() / 4, A, B, C, D, bias.abs())
    want = with_gradients(reference.cross_scan, arguments, delta_softplus=False)
    assert_close(with_gradients(cpu.cross_scan, as_float(arguments), delta_softplus=False), want)


@pytest.mark.parametrize("ladder", [False, True])
@pytest.mark.parametrize("states", [1, 5, 24])
def test_other_numbers_of_states_and_directions(grid_inputs, with_gradients, assert_close, as_float, states, ladder):
    arguments = grid_inputs(6, 5, channels=8, states=states, directions=2, ladder=ladder)
    want = with_gradients(reference.cross_scan, arguments)
    assert_close(with_gradients(cpu.cross_scan, as_float(arguments)), want)


def test_any_layout_in_memory_gives_the_same(grid_inputs, with_gradients, as_float):
    arguments = as_float(grid_inputs(5, 6, channels=8, batch=3))
    strided = [torch.stack([t, torch.full_like(t, 9)], dim=-1)[..., 0] for t in arguments]
    turned = [t.transpose(0, -1).contiguous().transpose(0, -1) for t in arguments]
    want = with_gradients(cpu.cross_scan, arguments)
    for layout in (strided, turned):
        assert not any(t.is_contiguous() for t in layout)
        got = with_gradients(cpu.cross_scan, layout)
        assert all(torch.equal(got[name], want[name]) for name in want)


@pytest.mark.parametrize(("length", "channels", "groups"), [(1, 8, 1), (49, 8, 1), (63, 16, 2), (196, 32, 4)])
def test_sequences_in_groups(sequence_inputs, with_gradients, assert_close, as_float, length, channels, groups):
    arguments = sequence_inputs(length, channels, groups=groups)
    want = with_gradients(reference.selective_scan, arguments, delta_softplus=True)
    assert_close(with_gradients(cpu.selective_scan, as_float(arguments), delta_softplus=True), want)


def test_sequences_without_skip_and_bias(sequence_inputs):
    u, delta, A, B, C, _, _ = sequence_inputs(31, channels=8)
    want = reference.selective_scan(u, delta.abs() / 4, A, B, C)
    got = cpu.selective_scan(*(t.float() for t in (u, delta.abs() / 4, A, B, C)))
    torch.testing.assert_close(got.double(), want, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_the_dtype_is_that_of_the_input(grid_inputs, dtype):
    arguments = [t.to(dtype) for t in grid_inputs(5, 3, channels=8)]
    got = cpu.cross_scan(*arguments)
    want = reference.cross_scan(*(t.double() for t in arguments))
    assert got.dtype == dtype
    torch.testing.assert_close(got.double(), want, atol=0.1 if dtype == torch.bfloat16 else 1e-5, rtol=1e-2)


@pytest.mark.parametrize(("channels", "rank", "ladder"), [(8, 1, False), (96, 3, False), (96, 3, True)])
def test_step_sizes_made_inside_the_kernel(grid_inputs, channels, rank, ladder):
    u, _, A, B, C, D, bias = grid_inputs(5, 7, channels, batch=3, ladder=ladder)
    rows, weights = torch.randn(3, 5, 7, 4, rank).double(), torch.randn(4, rank, channels).double()
    delta = torch.einsum("bhwkr,krc->bhwkc", rows, weights)
    want = reference.cross_scan(u, delta, A, B, C, D, bias)
    weights, A, D, bias, u, rows, B, C = (t.float() for t in (weights, A, D, bias, u, rows, B, C))
    got = cpu.InferenceScan(weights, A, D, bias)(u, rows, B, C)
    torch.testing.assert_close(got.double(), want, atol=5e-5 * want.abs().max().item(), rtol=0)


def test_what_is_known_of_decays(grid_inputs):
    ladder = grid_inputs(1, 1, channels=8, ladder=True)[2].float()
    assert cpu.known_of(ladder) == cpu.known_of(ladder * math.log2(math.e)) == "ladder"
    assert cpu.known_of(-torch.exp(torch.log(-ladder))) == "ladder"
    for change, known in ((1.001, "falling"), (-1, "any"), (torch.nan, "any")):
        other = ladder.clone()
        other[1, 2, 3] *= change
        assert cpu.known_of(other) == known


def test_a_part_of_the_gradients_can_be_asked_for(grid_inputs, as_float):
    arguments = as_float(grid_inputs(5, 3, channels=8))
    whole = [t.clone().requires_grad_() for t in arguments]
    want = torch.autograd.grad(cpu.cross_scan(*whole).sum(), whole[0])
    alone = arguments[0].clone().requires_grad_()
    assert torch.equal(torch.autograd.grad(cpu.cross_scan(alone, *arguments[1:]).sum(), alone)[0], want[0])


def test_what_is_not_a_number_does_not_become_one(grid_inputs, as_float):
    arguments = as_float(grid_inputs(3, 3, channels=8))
    for i in range(len(arguments)):
        broken = list(arguments)
        broken[i] = torch.full_like(broken[i], torch.nan)
        assert cpu.cross_scan(*broken).isnan().all(), f"argument {i}"


def test_threads_may_scan_at_once(grid_inputs, with_gradients, as_float):
    jobs = [as_float(grid_inputs(7, 4 + seed % 3, channels=48, batch=3)) for seed in range(8)]
    want = [with_gradients(cpu.cross_scan, job) for job in jobs]
    with ThreadPoolExecutor(len(jobs)) as threads:
        got = list(threads.map(lambda job: with_gradients(cpu.cross_scan, job), jobs * 4))
    for i, result in enumerate(got):
        assert all(torch.equal(result[name], t) for name, t in want[i % len(jobs)].items())


def test_tensors_changed_before_the_gradient_is_asked_for_are_noticed(grid_inputs, as_float):
    u, *rest, D, bias = (t.detach().clone() for t in as_float(grid_inputs(3, 5, channels=8)))
    y = cpu.cross_scan(u.requires_grad_(), *rest, D, bias)
    D += 1
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_states_are_kept_for_gradients_alone(grid_inputs, as_float, monkeypatch, mode):
    chunks = []
    share_out = cpu.share_out
    monkeypatch.setattr(cpu, "share_out", lambda *a: chunks.append(a[-1].shape[3]) or share_out(*a))
    arguments = [t.clone().requires_grad_() for t in as_float(grid_inputs(3, 5, channels=8))]
    with mode():
        cpu.cross_scan(*arguments)
    cpu.cross_scan(*arguments)
    assert chunks == [0, 1]


def test_the_default_dtype_is_not_that_of_the_kernels(grid_inputs, with_gradients, assert_close, as_float):
    arguments = grid_inputs(3, 5, channels=8)
    want = with_gradients(reference.cross_scan, arguments)
    torch.set_default_dtype(torch.float64)
    try:
        got = with_gradients(cpu.cross_scan, as_float(arguments))
    finally:
        torch.set_default_dtype(torch.float32)
    assert_close(got, want)
