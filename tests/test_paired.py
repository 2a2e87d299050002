"""Paired statistics against known answers and scipy's own bootstrap."""

import numpy as np
import pytest
from scipy.stats import bootstrap

from medmamba.paired import difference_of_accuracies, verdict_on

LABELS = np.arange(200) % 2


def answers(wrong, confidence=0.9):
    """Probabilities of two classes, right everywhere but at the given places."""
    predicted = LABELS.copy()
    predicted[list(wrong)] ^= 1
    return np.where(predicted[:, None] == np.arange(2), confidence, 1 - confidence)


@pytest.fixture
def task(tasks):
    return tasks[1]


def test_mcnemar_looks_at_pictures_that_only_one_gets_right(task):
    verdict = verdict_on(task, LABELS, answers(range(2, 4)), answers([2, *range(50, 59)]))
    assert (verdict.only_first, verdict.only_second) == (9, 1)
    assert verdict.p_value == pytest.approx(2 * (1 + 10) / 2**10)  # two tails of ten coins, at most one head
    assert verdict.differences["accuracy"].value == pytest.approx(8 / 200)


def test_equal_answers_differ_in_nothing(task):
    verdict = verdict_on(task, LABELS, answers([3, 8]), answers([3, 8]))
    assert verdict.p_value == 1
    accuracies, *others = verdict.differences.values()
    assert all(gap.value == 0 for gap in (accuracies, *others))
    assert -0.03 < accuracies.low == -accuracies.high < -0.01, "200 pictures do not show that there is no difference"
    assert all(np.isnan([gap.low, gap.high]).all() for gap in others), "resamples that are all equal say nothing"


def test_the_interval_of_a_difference_does_not_say_more_than_the_test():
    """Five of a hundred that only the first gets right: resampling would leave 0 out, McNemar's p is 0.06."""
    found = difference_of_accuracies(5, 0, 100)
    first, second = 6 / 102, 1 / 102
    spread = 1.959964 * ((first + second - (first - second) ** 2) / 102) ** 0.5
    assert (found.value, found.low, found.high) == pytest.approx(
        (0.05, first - second - spread, first - second + spread), abs=1e-6
    )
    assert found.low < 0


@pytest.mark.parametrize(
    ("pictures", "only_first", "only_second"), [(40, 0.0, 0.02), (100, 0.06, 0.02), (30, 0.3, 0.1)]
)
def test_the_interval_of_a_difference_holds_the_truth_nineteen_times_in_twenty(pictures, only_first, only_second):
    random, held = np.random.default_rng(pictures), []
    for _ in range(500):
        a, b, _ = random.multinomial(pictures, (only_first, only_second, 1 - only_first - only_second))
        found = difference_of_accuracies(a, b, pictures)
        assert found.low <= found.value <= found.high
        held.append(found.low <= only_first - only_second <= found.high)
    assert np.mean(held) >= 0.935


def test_the_interval_is_paired_and_that_of_scipy(task):
    """Both are wrong on the same forty pictures, which says nothing of their difference."""
    first, second = answers(range(40)), answers(range(56))
    gap = verdict_on(task, LABELS, first, second).differences["accuracy"]
    right = [(p.argmax(1) == LABELS).astype(float) for p in (first, second)]
    want = bootstrap(
        right, lambda a, b, axis: a.mean(axis) - b.mean(axis), paired=True, method="percentile", rng=1
    ).confidence_interval
    assert (gap.low, gap.high) == pytest.approx((want.low, want.high), abs=0.012)
    assert gap.low > 0


def test_the_other_way_round_only_the_sign_changes(task):
    first, second = answers(range(20), 0.8), answers(range(10, 50), 0.95)
    one, other = verdict_on(task, LABELS, first, second), verdict_on(task, LABELS, second, first)
    assert one.p_value == other.p_value
    for name, gap in one.differences.items():
        assert other.differences[name].value == pytest.approx(-gap.value), name
        assert (other.differences[name].low, other.differences[name].high) == pytest.approx((-gap.high, -gap.low)), name
