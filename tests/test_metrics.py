"""Metrics against hand-computed numbers, and resamples against the libraries' functions with weights."""

import json

import numpy as np
import pytest
import torch
from scipy.stats import binom
from sklearn import metrics as oracle
from torchmetrics.functional.classification import multiclass_calibration_error

from medmamba import metrics

# Six pictures of classes a, b, c: confusion [[2, 1, 0], [0, 1, 0], [1, 0, 1]].
LABELS = np.array([0, 0, 0, 1, 2, 2])
PROBABILITIES = np.array(
    [[0.8, 0.1, 0.1], [0.6, 0.3, 0.1], [0.3, 0.6, 0.1], [0.2, 0.7, 0.1], [0.1, 0.1, 0.8], [0.5, 0.1, 0.4]]
)


def made_up(count, classes, seed=0):
    random = np.random.default_rng(seed)
    labels = random.integers(classes, size=count)
    scores = np.exp(random.normal(size=(count, classes)) + 1.5 * np.eye(classes)[labels]).round(1) + 0.1  # with ties
    return labels, scores / scores.sum(1, keepdims=True)


def test_hand_computed_metrics():
    found = metrics.report(LABELS, PROBABILITIES, ("a", "b", "c"))
    assert found["confusion"] == [[2, 1, 0], [0, 1, 0], [1, 0, 1]]
    values = {name: entry["value"] for name, entry in found.items() if isinstance(entry, dict) and "value" in entry}
    assert values == pytest.approx(
        {
            "accuracy": 4 / 6,
            "balanced_accuracy": (2 / 3 + 1 + 1 / 2) / 3,
            "precision": (2 / 3 + 1 / 2 + 1) / 3,
            "sensitivity": (2 / 3 + 1 + 1 / 2) / 3,
            "specificity": (2 / 3 + 4 / 5 + 1) / 3,
            "f1": (2 / 3 + 2 / 3 + 2 / 3) / 3,
            "auc": (8 / 9 + 1 + 1) / 3,
            # By confidence: right 0.8 0.7 0.8 0.6, wrong 0.6 0.5; bins 9/15.. hold 0.6, 10/15.. 0.7, 12/15.. 0.8.
            "ece": (abs(1 - 1.2) + abs(1 - 0.7) + abs(2 - 1.6) + abs(0 - 0.5)) / 6,
        },
        abs=1e-4,
    )
    assert [row["support"] for row in found["classes"].values()] == [3, 1, 2]
    assert found["pictures"] == 6


@pytest.mark.parametrize("classes", [2, 5])
def test_values_agree_with_scikit_learn(classes):
    labels, probabilities = made_up(300, classes)
    found, predicted = metrics.by_class(labels, probabilities), probabilities.argmax(1)
    assert found["sensitivity"].mean() == pytest.approx(oracle.balanced_accuracy_score(labels, predicted))
    cells = oracle.multilabel_confusion_matrix(labels, predicted)
    assert found["specificity"] == pytest.approx(cells[:, 0, 0] / cells[:, 0].sum(1))
    expected = oracle.roc_auc_score(labels, probabilities if classes > 2 else probabilities[:, 1], multi_class="ovr")
    assert metrics.macro_auc(labels, probabilities) == pytest.approx(expected, rel=1e-4)  # 1 - p may break a tie


@pytest.mark.parametrize("classes", [2, 4])
def test_resamples_agree_with_the_libraries(classes):
    labels, probabilities = made_up(60, classes)
    counts = np.random.default_rng(1).multinomial(60, np.full(60, 1 / 60), 20)
    resamples = metrics.Resamples(labels, probabilities, counts)
    errors, table = resamples.calibration_error(), resamples.by_class()
    for row, weights in enumerate(counts):
        drawn = np.repeat(np.arange(60), weights)
        expected = metrics.by_class(labels[drawn], probabilities[drawn])
        for name in metrics.BY_CLASS:
            assert table[name][row] == pytest.approx(expected[name], nan_ok=True), name
        assert errors[row] == pytest.approx(metrics.calibration_error(labels[drawn], probabilities[drawn]))


def test_resamples_without_a_class_agree_with_the_libraries():
    labels, probabilities = np.array([0, 1, 1, 2]), made_up(4, 3)[1]
    counts = np.array([[4, 0, 0, 0], [2, 2, 0, 0], [0, 1, 1, 2]])
    table = metrics.Resamples(labels, probabilities, counts).by_class()
    for row, weights in enumerate(counts):
        drawn = np.repeat(np.arange(4), weights)
        expected = metrics.by_class(labels[drawn], probabilities[drawn])
        for name in metrics.BY_CLASS:
            assert table[name][row] == pytest.approx(expected[name], nan_ok=True), name


def test_a_class_that_is_absent_does_not_lower_the_averages():
    """As scikit-learn has it: the classes that are there are all right."""
    labels, sure = np.array([0, 0, 2, 2]), np.eye(3)[[0, 0, 2, 2]]
    found = metrics.report(labels, sure, ("a", "b", "c"))
    for name in ("balanced_accuracy", "precision", "sensitivity", "specificity", "f1"):
        assert found[name]["value"] == 1, name
    assert oracle.balanced_accuracy_score(labels, sure.argmax(1)) == 1


def test_a_class_that_is_absent_does_not_raise_the_averages():
    """Of two classes that are there, one is named for all pictures: specificity is 0 and 1, whatever the third has."""
    found = metrics.report(np.array([0, 0, 1, 1]), np.tile([0.8, 0.1, 0.1], (4, 1)), ("a", "b", "c"))
    assert found["specificity"]["value"] == 0.5
    assert found["classes"]["c"]["specificity"]["value"] == 1
    alone = metrics.report(np.zeros(4, np.int64), np.tile([0.8, 0.1, 0.1], (4, 1)), ("a", "b", "c"))
    assert alone["specificity"] == {"value": None, "low": None, "high": None}


def test_few_pictures_leave_wide_intervals():
    """None of three and all of three: resampling would be certain of both, and of a class that it does not meet."""
    labels, named = np.array([0, 0, 0, 1, 1, 1]), np.array([0, 0, 0, 0, 0, 0])
    found = metrics.report(labels, np.where(np.eye(2)[named] > 0, 0.9, 0.1), ("a", "b"))
    assert found["classes"]["a"]["sensitivity"] == {"value": 1, "low": pytest.approx(0.2924, abs=1e-4), "high": 1}
    assert found["classes"]["b"]["sensitivity"] == {"value": 0, "low": 0, "high": pytest.approx(0.7076, abs=1e-4)}
    assert found["classes"]["b"]["precision"]["value"] is None
    assert found["precision"]["value"] == 0.25
    # None of three and all of three: each end of the mean is half the way to theirs.
    ends = {"low": pytest.approx(0.1462, abs=1e-4), "high": pytest.approx(0.8538, abs=1e-4)}
    assert found["balanced_accuracy"] == found["sensitivity"] == {"value": 0.5, **ends}


def test_where_resamples_are_equal_there_is_no_interval():
    """Forty pictures, all right: resampling would say that no area and no F1 can be below 1."""
    labels = np.arange(40) % 2
    found = metrics.report(labels, np.where(np.eye(2)[labels] > 0, 0.9, 0.1), ("a", "b"))
    assert found["auc"] == found["f1"] == found["classes"]["a"]["auc"] == {"value": 1, "low": None, "high": None}
    assert found["balanced_accuracy"]["low"] == pytest.approx(1 - (1 - 0.025 ** (1 / 20)) / 2**0.5, abs=1e-4)


@pytest.mark.parametrize("chances", [(0.5, 0.7), (0.97, 0.9, 0.99), (0.8,) * 6])
def test_the_interval_of_balanced_accuracy_holds_the_truth_nineteen_times_in_twenty(chances):
    random, held = np.random.default_rng(len(chances)), []
    for _ in range(400):
        found = metrics.mean_of([metrics.share(random.random(20) < chance) for chance in chances])
        held.append(found.low <= np.mean(chances) <= found.high)
    assert 0.94 <= np.mean(held) <= 1


def test_a_mean_of_nothing_is_not_defined():
    assert metrics.mean_of([metrics.share(np.zeros(0, bool))]).to_json() == {"value": None, "low": None, "high": None}


def test_ties_count_half():
    labels, probabilities = np.array([0, 1]), np.full((2, 2), 0.5)
    assert metrics.Resamples(labels, probabilities, np.array([[1, 1], [3, 2]])).by_class()["auc"] == pytest.approx(0.5)


def test_a_class_that_is_absent_has_no_auc_and_no_interval():
    found = metrics.report(np.zeros(4, np.int64), PROBABILITIES[:4], ("a", "b", "c"))
    assert found["auc"] == found["classes"]["b"]["auc"] == {"value": None, "low": None, "high": None}
    assert found["classes"]["b"]["sensitivity"] == found["classes"]["b"]["f1"] == found["auc"]
    assert np.isnan(metrics.macro_auc(np.zeros(4, np.int64), PROBABILITIES[:4]))


def test_resamples_without_a_class_are_left_out():
    known = np.linspace(0.4, 0.6, 41)
    found = metrics.Estimate.of(0.5, np.concatenate([[np.nan], known, [np.nan]]))
    assert (found.low, found.high) == pytest.approx((0.405, 0.595))


def test_intervals_are_those_of_the_binomial():
    labels = np.array([0] * 160 + [1] * 40)
    probabilities = np.tile([0.9, 0.1], (200, 1))  # always says 0: accuracy 0.8
    found = metrics.report(labels, probabilities, ("a", "b"))["accuracy"]
    low, high = binom.ppf((0.025, 0.975), 200, 0.8) / 200
    assert found["low"] == pytest.approx(low, abs=0.0075)
    assert found["high"] == pytest.approx(high, abs=0.0075)


def test_the_same_seed_gives_the_same_report():
    labels, probabilities = made_up(50, 3)
    first, second = (metrics.report(labels, probabilities, ("a", "b", "c")) for _ in range(2))
    assert first == second


def test_shares_have_exact_intervals():
    certain, rare = metrics.share(np.ones(40, bool)), metrics.share(np.arange(100) < 7)
    assert (certain.value, certain.low, certain.high) == pytest.approx((1, 0.025 ** (1 / 40), 1))
    assert binom.cdf(7, 100, rare.high) == pytest.approx(0.025)
    assert binom.sf(6, 100, rare.low) == pytest.approx(0.025)


def test_hits_that_go_together_count_as_few():
    """Ten answers about each of four pictures are no forty pictures."""
    alone, together = metrics.share(np.ones(4, bool)), metrics.share(np.ones(40, bool), independent=4)
    assert together == alone
    random, truth, held = np.random.default_rng(0), 0.8, []
    for _ in range(300):
        hits = np.repeat(random.random(30) < truth, 10)
        found = metrics.share(hits, independent=30)
        assert found.value == hits.mean()
        held.append(found.low <= truth <= found.high)
    assert np.mean(held) > 0.93


def test_share_of_nothing_is_not_defined():
    assert metrics.share(np.zeros(0, bool)).to_json() == {"value": None, "low": None, "high": None}


def test_hand_computed_reliability():
    found = metrics.reliability(LABELS, PROBABILITIES)
    assert found["edges"] == pytest.approx(np.arange(16) / 15, abs=1e-4)
    rows = zip(found["pictures"], found["confidence"], found["accuracy"], strict=True)
    filled = {place: row for place, row in enumerate(rows) if row != (0, None, None)}
    # By confidence: right 0.8 0.7 0.8 0.6, wrong 0.6 0.5.
    assert filled == {7: (1, 0.5, 0), 9: (2, 0.6, 0.5), 10: (1, 0.7, 1), 12: (2, 0.8, 1)}
    assert (found["low"][12], found["high"][12]) == pytest.approx((0.025 ** (1 / 2), 1), abs=1e-4)
    assert found["low"][0] is found["high"][0] is None


def test_the_gaps_of_the_reliability_diagram_are_the_calibration_error():
    labels, probabilities = made_up(400, 3)
    probabilities[:50] = (1, 0, 0)  # of which a third is right
    found = metrics.reliability(labels, probabilities)
    assert sum(found["pictures"]) == 400
    gaps = [
        count * abs(accuracy - confidence)
        for count, confidence, accuracy in zip(*(found[k] for k in ("pictures", "confidence", "accuracy")), strict=True)
        if count
    ]
    assert sum(gaps) / 400 == pytest.approx(metrics.calibration_error(labels, probabilities), abs=1e-4)


def test_calibration_error_of_a_calibrated_model_is_small():
    random = np.random.default_rng(0)
    confidence = random.uniform(0.5, 1, 50_000)
    labels = (random.uniform(size=50_000) > confidence).astype(np.int64)
    probabilities = np.stack([confidence, 1 - confidence], axis=1)
    assert metrics.calibration_error(labels, probabilities) < 0.01
    shrunk = 0.5 + (probabilities - 0.5) / 2
    expected = multiclass_calibration_error(torch.from_numpy(shrunk), torch.from_numpy(labels), 2, n_bins=15)
    assert metrics.calibration_error(labels, shrunk) == pytest.approx(float(expected), rel=1e-4)
    assert expected == pytest.approx(0.125, abs=0.01)


@pytest.mark.parametrize(("pictures", "low", "high"), [(100, 0.05, 0.12), (10_000, 0, 0.015)])
def test_few_pictures_leave_a_calibration_error_by_chance(pictures, low, high):
    random = np.random.default_rng(3)
    sure = random.uniform(0.5, 1, pictures)
    probabilities = np.stack([sure, 1 - sure], 1)
    by_chance = metrics.calibration_error_by_chance(probabilities)
    assert low < by_chance < high
    drawn = [metrics.calibration_error((random.random(pictures) > sure).astype(int), probabilities) for _ in range(30)]
    assert by_chance == pytest.approx(np.mean(drawn), abs=0.01)


def answers(random, confidence, chance):
    """Labels and probabilities of two classes: the more probable one is right by ``chance``."""
    return (random.random(len(confidence)) > chance).astype(np.int64), np.stack([confidence, 1 - confidence], 1)


@pytest.mark.parametrize(("pictures", "offset"), [(100, 0.0), (700, 0.0), (300, -0.1), (700, -0.1)])
def test_the_interval_of_a_calibration_error_holds_the_truth_nineteen_times_in_twenty(pictures, offset):
    random = np.random.default_rng(pictures)
    held = []
    for _ in range(40):
        sure = random.uniform(0.62, 1, pictures)
        found = metrics.calibration_estimate(*answers(random, sure, sure + offset))
        assert found.low <= found.value <= found.high
        held.append(found.low <= -offset <= found.high)
    assert sum(held) >= 35  # of 40, where 38 are expected


def test_percentiles_of_resamples_would_call_no_model_calibrated():
    """Why calibration errors have an interval of their own."""
    random = np.random.default_rng(0)
    counts = random.multinomial(700, np.full(700, 1 / 700), 200)
    for _ in range(20):
        sure = random.uniform(0.62, 1, 700)
        resampled = metrics.Resamples(*answers(random, sure, sure), counts).calibration_error()
        assert np.quantile(resampled, 0.025) > 0


def test_a_calibration_error_that_chance_cannot_give_has_an_interval_off_zero():
    random = np.random.default_rng(5)
    sure = random.uniform(0.62, 1, 4000)
    found = metrics.calibration_estimate(*answers(random, sure, sure - 0.2))
    assert found.low == pytest.approx(0.185, abs=0.012)
    assert found.high == pytest.approx(0.215, abs=0.012)


def test_the_calibration_error_of_a_few_sure_and_right_answers_has_an_interval():
    found = metrics.calibration_estimate(np.zeros(3, np.int64), np.array([[1.0, 0.0]] * 3))
    assert (found.value, found.low, found.high) == pytest.approx((0, 0, 1 - 0.025 ** (1 / 3)))


def test_answers_that_are_quite_sure_are_of_the_last_bin():
    """A bin of their own for probabilities of 1 would make 0.05 of gaps that cancel out."""
    sure = np.repeat([1.0, 1 - 1e-9, 0.94], (250, 250, 500))
    right = np.concatenate([np.arange(500) % 20 > 0, np.arange(500) % 100 > 0])  # 95 and 99 %
    found = metrics.calibration_estimate((~right).astype(np.int64), np.stack([sure, 1 - sure], 1))
    assert found.value == pytest.approx(0, abs=1e-4)
    assert found.low <= found.value <= found.high < 0.02


@pytest.mark.parametrize("pictures", [1, 2, 12])
def test_few_answers_alike_leave_a_wide_interval(pictures):
    """All near the same probability and about as often right: stretching a gap of nearly 0 would be certain of it."""
    labels = np.arange(pictures) % 2
    found = metrics.calibration_estimate(labels, np.tile([0.505, 0.495], (pictures, 1)))
    assert 0 <= found.low <= found.value <= found.high <= 1
    assert found.high > 0.2


def test_figures_of_single_precision_can_be_written():
    random = np.random.default_rng(0)
    probabilities = random.dirichlet(np.ones(3), 20).astype(np.float32)
    json.dumps(metrics.report(np.arange(20) % 3, probabilities, ("a", "b", "c")), allow_nan=False)
