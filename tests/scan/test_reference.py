"""The definition of the scan, against loops written out from the equations."""

import math

import numpy as np
import pytest
import torch

from medmamba.scan import reference


def by_the_equations(u, delta, A, B, C, D, bias, softplus):
    """h_t = exp(dt A) h_{t-1} + dt B_t u_t, y_t = C_t . h_t + D u_t, one number after the other."""
    batch, channels, length = u.shape
    in_a_group = channels // B.shape[1]
    y = np.zeros(u.shape)
    for b in range(batch):
        for c in range(channels):
            h = np.zeros(A.shape[1])
            for t in range(length):
                dt = delta[b, c, t] + bias[c]
                dt = math.log1p(math.exp(dt)) if softplus else dt
                for n in range(len(h)):
                    h[n] = math.exp(dt * A[c, n]) * h[n] + dt * B[b, c // in_a_group, n, t] * u[b, c, t]
                    y[b, c, t] += C[b, c // in_a_group, n, t] * h[n]
                y[b, c, t] += D[c] * u[b, c, t]
    return y


def order_of(direction, height, width):
    """The cells of a grid in the order in which a direction reads them."""
    by_rows = [(i, j) for i in range(height) for j in range(width)]
    by_columns = [(i, j) for j in range(width) for i in range(height)]
    return (by_rows, by_columns, by_rows[::-1], by_columns[::-1])[direction]


@pytest.mark.parametrize("softplus", [True, False])
@pytest.mark.parametrize("groups", [1, 3])
@pytest.mark.parametrize("length", [1, 3, 49])
def test_selective_scan_is_the_equations(sequence_inputs, length, groups, softplus):
    arguments = sequence_inputs(length, channels=6, states=4, groups=groups)
    got = reference.selective_scan(*arguments, delta_softplus=softplus)
    np.testing.assert_allclose(got, by_the_equations(*(t.numpy() for t in arguments), softplus), atol=1e-12)


def test_an_impulse_decays_by_the_step_size():
    u = torch.tensor([[[1.0, 0, 0, 0]]])
    ones = torch.ones(1, 1, 1, 4)
    y = reference.selective_scan(u, torch.full_like(u, math.log(2)), -torch.ones(1, 1), ones, ones)
    torch.testing.assert_close(y[0, 0], math.log(2) * torch.tensor([1, 1 / 2, 1 / 4, 1 / 8]))


def test_skip_and_bias_may_be_left_out(sequence_inputs):
    u, delta, A, B, C, _, _ = sequence_inputs(7, channels=4)
    zero = torch.zeros(4, dtype=torch.float64)
    want = reference.selective_scan(u, delta, A, B, C, zero, zero, delta_softplus=True)
    assert torch.equal(reference.selective_scan(u, delta, A, B, C, delta_softplus=True), want)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 5), (5, 1), (3, 5), (4, 4)])
def test_cross_scan_reads_the_grid_in_four_orders(grid_inputs, height, width):
    u, delta, A, B, C, D, bias = grid_inputs(height, width, channels=3, batch=2, states=2)
    want = torch.zeros_like(u)
    for k in range(4):
        rows, columns = zip(*order_of(k, height, width), strict=True)
        sequence = [x[:, rows, columns].mT.numpy() for x in (u, delta[..., k, :])]
        B_k, C_k = (x[:, rows, columns, k].mT[:, None].numpy() for x in (B, C))
        y = by_the_equations(*sequence, A[k].numpy(), B_k, C_k, D[k].numpy(), bias[k].numpy(), True)
        want[:, rows, columns] += torch.from_numpy(y).mT
    torch.testing.assert_close(reference.cross_scan(u, delta, A, B, C, D, bias), want, atol=1e-12, rtol=0)


@pytest.mark.parametrize("direction", range(4))
def test_read_lays_out_a_direction_and_write_undoes_it(direction):
    grid = torch.arange(3 * 5).reshape(1, 3, 5)
    sequence = reference.read(grid, direction)
    assert sequence[0].tolist() == [5 * i + j for i, j in order_of(direction, 3, 5)]
    assert torch.equal(reference.write(sequence, direction, 3, 5), grid)


def test_the_dtype_is_that_of_the_input(sequence_inputs):
    arguments = sequence_inputs(5, channels=4)
    assert reference.selective_scan(*arguments).dtype == torch.float64
    assert reference.selective_scan(*(t.float() for t in arguments)).dtype == torch.float32
