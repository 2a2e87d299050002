"""Two networks judged on the same pictures: differences with intervals, and McNemar's test.

The difference of accuracies has Bonett and Price's interval (2012), which looks at the pictures that only one of two
gets right, as does McNemar's test (1947), in its exact form, a binomial test. Other intervals come from resamples that
draw the same pictures for both; resampled accuracies would be certain of no difference where both get all of a few
pictures right. What resampling adds to a calibration error it adds to both, so that it leaves the difference of two
like ones. Nothing here knows which pictures come from one patient: where several do, intervals are too narrow and
p values too small.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.stats import binomtest, norm

from medmamba import metrics
from medmamba.metrics import Estimate
from medmamba.tasks import Task

RESAMPLED = {"macro AUC": metrics.macro_auc, "calibration error": metrics.calibration_error}


@dataclass(frozen=True)
class Verdict:
    """One task. ``reports``: every metric of A and of B; ``differences``: A minus B; ``p_value``: McNemar's."""

    task: Task
    reports: tuple[dict[str, Any], dict[str, Any]]
    differences: dict[str, Estimate]
    only_first: int
    only_second: int
    p_value: float
    labels: np.ndarray = field(repr=False)
    probabilities: tuple[np.ndarray, np.ndarray] = field(repr=False)


def verdict_on(task: Task, labels: np.ndarray, first: np.ndarray, second: np.ndarray, seed: int = 0) -> Verdict:
    """Compare the probabilities (n, classes) that two networks gave to the same pictures, labels (n,)."""
    names = task.class_names
    right = first.argmax(1) == labels, second.argmax(1) == labels
    only_first, only_second = int((right[0] & ~right[1]).sum()), int((right[1] & ~right[0]).sum())
    discordant = only_first + only_second
    differences = {"accuracy": difference_of_accuracies(only_first, only_second, len(labels))}
    return Verdict(
        task,
        (metrics.report(labels, first, names, seed), metrics.report(labels, second, names, seed)),
        differences | _resampled(labels, first, second, seed),
        only_first,
        only_second,
        float(binomtest(only_first, discordant).pvalue) if discordant else 1.0,
        labels,
        (first, second),
    )


def difference_of_accuracies(only_first: int, only_second: int, pictures: int) -> Estimate:
    """First minus second, from how many pictures only one of them gets right.

    The interval is Wald's with one more picture of either kind (Bonett & Price 2012), which is about as wide as it
    should be even where there are none (Fagerland, Lydersen & Laake 2014).
    """
    first, second = ((only + 1) / (pictures + 2) for only in (only_first, only_second))
    middle, spread = first - second, ((first + second - (first - second) ** 2) / (pictures + 2)) ** 0.5
    reach = float(norm.ppf((1 + metrics.INTERVAL) / 2)) * spread
    return Estimate((only_first - only_second) / pictures, max(middle - reach, -1.0), min(middle + reach, 1.0))


def _resampled(labels: np.ndarray, first: np.ndarray, second: np.ndarray, seed: int) -> dict[str, Estimate]:
    """First minus second, with intervals from resamples that draw the same pictures for both."""
    n = len(labels)
    counts = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), metrics.RESAMPLES)
    values, resampled = [], []
    for probabilities in (first, second):
        of_one = metrics.Resamples(labels, probabilities, counts)
        values.append([measure(labels, probabilities) for measure in RESAMPLED.values()])
        resampled.append([of_one.by_class()["auc"].mean(1), of_one.calibration_error()])
    gaps = zip(RESAMPLED, *values, *resampled, strict=True)
    return {name: Estimate.of(a - b, of_a - of_b) for name, a, b, of_a, of_b in gaps}
