"""Prediction sets of models whose true coverage is known."""

import numpy as np
import pytest
from scipy.special import softmax
from scipy.stats import binom

from medmamba import conformal


def drawn(count, seed, classes=4):
    """Logits, and labels drawn from their softmax."""
    random = np.random.default_rng(seed)
    logits = random.normal(0, 2, (count, classes))
    return logits, (softmax(logits, axis=1).cumsum(1) < random.uniform(size=(count, 1))).sum(1)


def test_threshold_is_the_right_order_statistic():
    calibrated = np.array([[p, 1 - p] for p in np.arange(0.05, 1, 0.1)])  # ten true classes: 0.05, 0.15 ... 0.95
    labels = np.zeros(10, np.int64)
    assert conformal.set_threshold(calibrated, labels) == pytest.approx(0.05)  # ceil(11 * 0.9) = 10th largest
    finer = np.vstack([calibrated, calibrated + 0.01])
    assert conformal.set_threshold(finer, np.zeros(20, np.int64)) == pytest.approx(0.06)  # ceil(21 * 0.9) = 19th
    assert conformal.set_threshold(calibrated[:8], labels[:8]) == 0.0  # too few to promise anything


def test_sets_cover_the_truth_as_often_as_promised():
    hits = sets = 0
    for seed in range(200):
        logits, labels = drawn(200, seed)
        calibrated = softmax(logits / 1.7, axis=1)  # a wrong temperature does not spoil coverage
        threshold = conformal.set_threshold(calibrated[:100], labels[:100])
        inside = conformal.prediction_sets(calibrated[100:], threshold)
        hits += int(inside[np.arange(100), labels[100:]].sum())
        sets += 100
    promised = np.ceil(101 * conformal.COVERAGE) / 101
    spread = np.sqrt(promised * (1 - promised) * (1 / 101 + 1 / 100) * 200) * 100 / sets * 3.5
    assert conformal.COVERAGE - spread < hits / sets
    assert binom.cdf(hits, sets, 0.97) < 1e-6, "sets are far larger than they need to be"


def test_the_most_probable_class_is_in_every_set():
    sets = conformal.prediction_sets(np.array([[0.4, 0.35, 0.25], [0.9, 0.1, 0.0]]), threshold=0.6)
    assert sets.tolist() == [[True, False, False], [True, False, False]]
    assert conformal.prediction_sets(np.array([[0.4, 0.35, 0.25]]), threshold=0.3).tolist() == [[True, True, False]]
