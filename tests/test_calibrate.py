"""Calibration against models whose true temperature is known."""

import numpy as np
import pytest
from scipy.special import expit, softmax

from medmamba import calibrate


def drawn(count, classes=4, seed=0):
    """Logits, and labels drawn from their softmax: perfectly calibrated."""
    random = np.random.default_rng(seed)
    logits = random.normal(0, 2, (count, classes))
    labels = (softmax(logits, axis=1).cumsum(1) < random.uniform(size=(count, 1))).sum(1)
    return logits, labels


@pytest.mark.parametrize("true", [0.4, 1.0, 3.0])
def test_temperature_is_recovered(true):
    logits, labels = drawn(20_000)
    assert calibrate.temperature((logits * true).astype(np.float32), labels) == pytest.approx(true, rel=0.03)


def test_temperature_of_a_single_class_in_the_labels_is_finite():
    logits, _ = drawn(30)
    low, high = calibrate.TEMPERATURES
    assert low <= calibrate.temperature(logits, np.zeros(30, np.int64)) <= high


def test_answers_that_are_all_right_say_nothing_of_the_temperature():
    logits, _ = drawn(30)
    assert calibrate.temperature(logits, logits.argmax(1)) == 1.0


def test_the_price_of_a_sure_mistake_has_no_ceiling():
    margins = np.repeat([5.0, 60.0], [99, 1])  # of the first class, which the last answer wrongly names
    labels = np.repeat([0, 1], [99, 1])
    found = calibrate.temperature(np.stack([margins, np.zeros(100)], axis=1), labels)
    assert 99 * 5 * expit(-5 / found) == pytest.approx(60 * expit(60 / found), rel=1e-3), "the slope is not zero"


def test_a_lone_class_is_certain_at_any_temperature():
    assert calibrate.temperature(np.zeros((5, 1), np.float32), np.zeros(5, np.int64)) == 1.0


def test_probabilities_by_hand():
    assert calibrate.probabilities(np.array([[2.0, 0.0]]), 2.0) == pytest.approx(np.array([[0.7310586, 0.2689414]]))


def test_evidence_scale_is_a_percentile_of_positive_contributions():
    contributions = np.concatenate([np.arange(0, 101), -np.full(1000, 7.0)]).reshape(-1, 1)
    assert calibrate.evidence_scale(contributions) == pytest.approx(np.quantile(np.arange(1, 101), 0.99))
    assert calibrate.evidence_scale(np.full((3, 4), -1.0)) == 1.0
