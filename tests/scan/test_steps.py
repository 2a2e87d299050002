"""The exponentials and step sizes of the scan's vectors, against float64."""

import numba
import numpy as np
import pytest

from medmamba.scan import steps
from medmamba.scan.lanes import in_vectors


@in_vectors
def _decays(code, known, count, source, target):
    with code.loop(count) as t:
        target.store(steps._decay(source.load(t), code.constant(1), known), t)


@in_vectors
def _step_sizes(code, count, source, target, slope):
    with code.loop(count) as t:
        size, slope_t = steps._step(source.load(t), softplus=True)
        target.store(size, t)
        slope.store(slope_t, t)


@in_vectors
def _powers_in_groups(code, group, groups, source, target):
    base, before = source.load(0), None
    for first in range(0, group * groups, group):
        powers = steps._powers(base, group, before)
        for i, power in enumerate(powers):
            target.store(power, first + i)
        before = powers[-1]


@numba.njit
def _falling(source, target):
    _decays(16, steps.FALLING, len(source), source, target)


@numba.njit
def _any(source, target):
    _decays(16, steps.ANY, len(source), source, target)


def _in_rows(*parts):
    return np.concatenate(parts).astype(np.float32).reshape(-1, 16)


def test_the_shorter_exponential_keeps_to_its_error():
    x = _in_rows(np.linspace(-120, 0, 200_000), -np.logspace(-7, 0, 2000))
    got = np.empty_like(x)
    _falling(x, got)
    error = np.abs(got / np.exp2(x.astype(np.float64)) - 1)
    assert error.max() < 8e-6
    assert error[x > -0.01].max() < 2e-7
    _falling(np.full_like(x, -1e9), got)
    assert ((got >= 0) & (got < 1e-37)).all()


def test_the_longer_exponential_goes_both_ways():
    x = _in_rows(np.linspace(-120, 126, 200_000))
    got = np.empty_like(x)
    _any(x, got)
    assert np.abs(got / np.exp2(x.astype(np.float64)) - 1).max() < 3e-7


@pytest.mark.parametrize(("group", "groups"), [(16, 1), (4, 4), (5, 2), (1, 3)])
def test_powers_follow_on_those_of_the_group_before(group, groups):
    @numba.njit
    def run(source, target):
        _powers_in_groups(16, group, groups, source, target)

    base, got = _in_rows(np.linspace(0.6, 1, 16)), np.empty((group * groups, 16), np.float32)
    run(base, got)
    exact = base.astype(np.float64) ** np.arange(1, group * groups + 1)[:, None]
    np.testing.assert_allclose(got, exact, rtol=1e-6)


def test_step_sizes_and_their_slopes_do_not_cancel():
    @numba.njit
    def run(source, target, slope):
        _step_sizes(16, len(source), source, target, slope)

    x = _in_rows(np.linspace(-80, 80, 16_000))
    size, slope = np.empty_like(x), np.empty_like(x)
    run(x, size, slope)
    exact = x.astype(np.float64)
    np.testing.assert_allclose(size, np.logaddexp(0, exact), rtol=6e-6)
    np.testing.assert_allclose(slope, np.exp(-np.logaddexp(0, -exact)), rtol=6e-6)
