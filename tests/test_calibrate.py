"""Calibration against models whose true temperature and coverage are known."""

import numpy as np
import pytest
from scipy.special import softmax
from scipy.stats import binom

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


def test_probabilities_by_hand():
    assert calibrate.probabilities(np.array([[2.0, 0.0]]), 2.0) == pytest.approx(np.array([[0.7310586, 0.2689414]]))


def test_threshold_is_the_right_order_statistic():
    calibrated = np.array([[p, 1 - p] for p in np.arange(0.05, 1, 0.1)])  # ten true classes: 0.05, 0.15 ... 0.95
    labels = np.zeros(10, np.int64)
    assert calibrate.set_threshold(calibrated, labels) == pytest.approx(0.05)  # ceil(11 * 0.9) = 10th largest
    finer = np.vstack([calibrated, calibrated + 0.01])
    assert calibrate.set_threshold(finer, np.zeros(20, np.int64)) == pytest.approx(0.06)  # ceil(21 * 0.9) = 19th
    assert calibrate.set_threshold(calibrated[:8], labels[:8]) == 0.0  # too few to promise anything


def test_sets_cover_the_truth_as_often_as_promised():
    hits = sets = 0
    for seed in range(200):
        logits, labels = drawn(200, seed=seed)
        calibrated = calibrate.probabilities(logits, 1.7)  # a wrong temperature does not spoil coverage
        threshold = calibrate.set_threshold(calibrated[:100], labels[:100])
        inside = calibrate.prediction_sets(calibrated[100:], threshold)
        hits += int(inside[np.arange(100), labels[100:]].sum())
        sets += 100
    promised = np.ceil(101 * calibrate.COVERAGE) / 101
    spread = np.sqrt(promised * (1 - promised) * (1 / 101 + 1 / 100) * 200) * 100 / sets * 3.5
    assert calibrate.COVERAGE - spread < hits / sets
    assert binom.cdf(hits, sets, 0.97) < 1e-6, "sets are far larger than they need to be"


def test_the_most_probable_class_is_in_every_set():
    sets = calibrate.prediction_sets(np.array([[0.4, 0.35, 0.25], [0.9, 0.1, 0.0]]), threshold=0.6)
    assert sets.tolist() == [[True, False, False], [True, False, False]]
    assert calibrate.prediction_sets(np.array([[0.4, 0.35, 0.25]]), threshold=0.3).tolist() == [[True, True, False]]


def test_evidence_scale_is_a_percentile_of_positive_contributions():
    contributions = np.concatenate([np.arange(0, 101), -np.full(1000, 7.0)]).reshape(-1, 1)
    assert calibrate.evidence_scale(contributions) == pytest.approx(np.quantile(np.arange(1, 101), 0.99))
    assert calibrate.evidence_scale(np.full((3, 4), -1.0)) == 1.0
