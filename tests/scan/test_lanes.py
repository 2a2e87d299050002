"""Loops written as vectors, called from a compiled function."""

import numba
import numpy as np
import pytest

from medmamba.scan.lanes import Registers, in_vectors, sums


@in_vectors
def _running_sums(code, rows, count, source, target):
    source, target = source.of_width(2 * code.lanes), target.of_width(2 * code.lanes)
    with code.loop(2 * code.lanes, code.lanes) as c:
        total = Registers([code.constant(0) for _ in range(rows)])
        with code.loop(count) as t:
            for i in range(rows):
                total[i] = total[i] + source.load(t + i, c)
            target.store(total[0] * total[rows - 1], t, c)


@in_vectors
def _sums_over_lanes(code, many, source, target):
    target.store(sums([source.load(i) for i in range(many)]), 0)


@in_vectors
def _bounds(code, source, target):
    x = source.load(0)
    for row, y in enumerate((x.at_least(-1), x.at_most(1), x.where_positive(-x, x), x.polynomial([3, 2, 1]))):
        target.store(y, row)


def test_registers_live_through_a_loop_whose_length_is_known_at_run_time():
    @numba.njit
    def run(source, target, count):
        _running_sums(8, 2, count, source, target)

    source, target = np.random.default_rng(0).normal(size=(6, 16)).astype(np.float32), np.zeros((5, 16), np.float32)
    run(source, target, 5)
    want = np.cumsum(source[:5], 0) * np.cumsum(source[1:], 0)
    np.testing.assert_allclose(target, want, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("lanes", "many"), [(16, 4), (16, 16), (8, 3), (4, 1), (1, 1)])
def test_sums_over_lanes_stand_in_order(lanes, many):
    @numba.njit
    def run(source, target):
        _sums_over_lanes(lanes, many, source, target)

    source, target = np.random.default_rng(0).normal(size=(many, lanes)).astype(np.float32), np.zeros(17, np.float32)
    run(source, target)
    np.testing.assert_allclose(target[:many], source.sum(1), rtol=1e-5, atol=1e-6)
    assert not target[many:].any()


def test_what_is_not_a_number_passes_bounds_as_it_is():
    @numba.njit
    def run(source, target):
        _bounds(4, source, target)

    x, target = np.array([-2, 0.5, 2, np.nan], np.float32)[None], np.zeros((4, 4), np.float32)
    run(x, target)
    want = [[-1, 0.5, 2, np.nan], [-2, 0.5, 1, np.nan], [-2, -0.5, -2, np.nan], [3, 4.25, 11, np.nan]]
    np.testing.assert_array_equal(target, np.array(want, np.float32))
