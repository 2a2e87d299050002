"""What a classifier is judged by: values from scikit-learn and torchmetrics, with bootstrap intervals.

scikit-learn lacks specificity, which comes from torchmetrics. Macro averages give every class that is there the same
weight, so that macro sensitivity and balanced accuracy are the same number.

Accuracy and the shares of single classes have exact intervals, see ``share``, and balanced accuracy one that is put
together from those, see ``mean_of``. The others are percentiles over resamples of the pictures (Efron & Tibshirani
1993), which are left out where all resamples are equal: they would be certain of a few pictures that are all right.
Where several pictures come from one patient all of them are too narrow, but the pictures that we have carry no patient
numbers, so that whole patients cannot be drawn. A resample in which a class is missing says nothing of it. Resamples
have larger calibration errors than the pictures themselves, so that these have an interval of their own, see
``calibration_estimate``. Neither library computes a thousand resamples at once, which is why ``Resamples`` does; the
tests hold it to the libraries' functions.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
import torch
from scipy.stats import beta, binned_statistic
from sklearn import metrics as sklearn_metrics
from torchmetrics.functional import classification as torchmetrics

RESAMPLES = 1000
INTERVAL = 0.95
CALIBRATION_BINS = 15
EQUAL = 1e-9  # up to which two values differ by rounding alone
LARGEST_STRETCH = 3.0  # of the gaps between accuracy and confidence, looked at for a calibration error's interval
BY_CLASS = ("precision", "sensitivity", "specificity", "f1", "auc")


@dataclass(frozen=True)
class Estimate:
    """A value with the ends of its 95 % interval; NaN where it is not defined."""

    value: float
    low: float
    high: float

    @classmethod
    def of(cls, value: float, resampled: np.ndarray) -> Self:
        """The interval from the values of resamples (resamples,), leaving out NaN; none where nothing varies."""
        known = resampled[~np.isnan(resampled)]
        tails = (1 - INTERVAL) / 2, (1 + INTERVAL) / 2
        varies = len(known) > 0 and np.ptp(known) > EQUAL
        low, high = np.quantile(known, tails) if varies else (np.nan, np.nan)
        return cls(float(value), float(low), float(high))

    def to_json(self) -> dict[str, float | None]:
        """Four decimals; null where it is not defined."""
        return {name: None if np.isnan(v) else round(v, 4) for name, v in asdict(self).items()}


def accuracy(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """Share of pictures whose most probable class is right. labels (n,), probabilities (n, classes)."""
    return float(sklearn_metrics.accuracy_score(labels, probabilities.argmax(1)))


def macro_auc(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """Area under the ROC curve, one class against the rest, averaged over classes; NaN when a class is absent."""
    return float(_aucs(labels, probabilities).mean())


def calibration_error(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """Expected calibration error of the most probable class, over 15 bins of equal width (Guo et al. 2017).

    torchmetrics, which has it too, rounds to single precision and puts what is 1 then into a sixteenth bin.
    """
    confidence = probabilities.max(1)
    excess = (probabilities.argmax(1) == labels) - confidence
    return float(_calibration_errors(confidence, excess, np.ones((1, 1)))[0])


def calibration_error_by_chance(probabilities: np.ndarray, seed: int = 0) -> float:
    """What ``calibration_error`` is on average for a perfectly calibrated classifier with as many pictures.

    A picture's answer is then right as often as its probability says; the error that remains is that of small bins.
    probabilities (n, classes).
    """
    confidence = probabilities.max(1)
    return float(_drawn_calibration_errors(confidence, confidence, _draws(len(confidence), seed)).mean())


def calibration_estimate(labels: np.ndarray, probabilities: np.ndarray, seed: int = 0) -> Estimate:
    """``calibration_error`` with an interval for what it would be on as many pictures as one likes.

    Small bins have an error by chance, which lifts a resample's error above that of the pictures and that above the
    truth, so that percentiles of resamples would hold no classifier to be calibrated. The interval is that of a test
    turned round (Neyman 1937): classifiers are supposed whose gaps between accuracy and confidence are those found, all
    stretched by one factor, and those are kept on whose draws the error found lies within the central 95 %. It begins
    at 0 where a perfectly calibrated classifier may well show that error, and always holds the error found. Gaps that
    are small by luck stay small when stretched: as the error is never below that of all pictures taken together, the
    interval does not end before that one's does, which is the exact one of accuracy.
    """
    confidence, right = probabilities.max(1), probabilities.argmax(1) == labels
    cells = _one_hot(_calibration_bins(confidence), CALIBRATION_BINS)
    gaps = cells @ _ratio((right - confidence) @ cells, cells.sum(0).clip(min=1))
    found, draws = calibration_error(labels, probabilities), _draws(len(labels), seed)

    def least_stretch(quantile: float) -> float:
        """The smallest factor with which so large a share of draws does not exceed the error found."""

        def beyond(stretch: float) -> bool:
            drawn = _drawn_calibration_errors(confidence, confidence + stretch * gaps, draws)
            return bool(np.quantile(drawn, quantile) >= found - EQUAL)

        low, high = 0.0, LARGEST_STRETCH
        if beyond(low):
            return low
        while high - low > 0.01:
            middle = (low + high) / 2
            low, high = (low, middle) if beyond(middle) else (middle, high)
        return high

    tail = (1 - INTERVAL) / 2
    of_all = share(right)
    least = max(abs(end - float(confidence.mean())) for end in (of_all.low, of_all.high))
    low, high = min(least_stretch(1 - tail), 1.0) * found, max(least_stretch(tail), 1.0) * found
    return Estimate(found, low, min(max(high, least), 1.0))


def reliability(labels: np.ndarray, probabilities: np.ndarray) -> dict[str, list[Any]]:
    """The diagram behind ``calibration_error``: columns of numbers with an entry for each of its bins, ready for JSON.

    "edges" (bins + 1,) of the most probable class's probability; for each bin "pictures", their mean "confidence", and
    "accuracy" with the ends of its interval, "low" and "high"; None where a bin is empty. Weighted by pictures, the
    gaps |accuracy - confidence| are the calibration error.
    """
    confidence, right = probabilities.max(1), probabilities.argmax(1) == labels
    means, edges, numbers = binned_statistic(confidence, confidence, "mean", CALIBRATION_BINS, (0, 1))
    hits = [right[numbers == number] for number in range(1, CALIBRATION_BINS + 1)]
    shares = [share(own).to_json() for own in hits]
    return {
        "edges": edges.round(4).tolist(),
        "pictures": [len(own) for own in hits],
        "confidence": [None if np.isnan(mean) else round(float(mean), 4) for mean in means],
        "accuracy": [own["value"] for own in shares],
        "low": [own["low"] for own in shares],
        "high": [own["high"] for own in shares],
    }


def by_class(labels: np.ndarray, probabilities: np.ndarray) -> dict[str, np.ndarray]:
    """The metrics of ``BY_CLASS``, each (classes,): NaN for a class that is absent.

    A class that is there and never named has the precision 0, and a class that is everything has no specificity.
    """
    predicted, classes = probabilities.argmax(1), probabilities.shape[1]
    found = sklearn_metrics.precision_recall_fscore_support(
        labels, predicted, labels=np.arange(classes), zero_division=0
    )
    precision, sensitivity, f1 = (np.where(found[3] > 0, column, np.nan) for column in found[:3])
    of_rest = torchmetrics.multiclass_specificity(
        torch.from_numpy(predicted), torch.from_numpy(labels), num_classes=classes, average=None
    )
    specificity = np.where((found[3] > 0) & (found[3] < len(labels)), of_rest.numpy(), np.nan)
    columns = precision, sensitivity, specificity, f1, _aucs(labels, probabilities)
    return dict(zip(BY_CLASS, columns, strict=True))


def share(hits: np.ndarray, independent: int | None = None) -> Estimate:
    """How often something holds, hits (n,) bool; NaN without pictures.

    The interval is the exact one (Clopper & Pearson 1934): resampling would call 40 of 40 certain. Where hits come in
    groups that go together, as several questions about one picture, it is that of the same share among
    ``independent`` ones, the number of groups (Korn & Graubard 1998, each group counted once, the widest there is).
    """
    if not len(hits):
        return Estimate(np.nan, np.nan, np.nan)
    value, count, tail = float(hits.mean()), min(len(hits), independent or len(hits)), (1 - INTERVAL) / 2
    held = value * count
    low = float(beta.ppf(tail, held, count - held + 1)) if held > 0 else 0.0
    high = float(beta.ppf(1 - tail, held + 1, count - held)) if held < count else 1.0
    return Estimate(value, low, high)


def mean_of(shares: Sequence[Estimate]) -> Estimate:
    """The mean of shares of different pictures, leaving out what is not defined; NaN where nothing is.

    The interval is put together from theirs: each end lies off the mean as the root of the sum of the squares of the
    shares' own ends (Zou & Donner 2008).
    """
    known = np.array([(s.value, s.low, s.high) for s in shares if not np.isnan(s.value)])
    if not len(known):
        return Estimate(np.nan, np.nan, np.nan)
    value, low, high = known.T
    down, up = (float(np.linalg.norm(end - value)) / len(known) for end in (low, high))
    return Estimate(float(value.mean()), float(value.mean()) - down, float(value.mean()) + up)


def report(labels: np.ndarray, probabilities: np.ndarray, names: tuple[str, ...], seed: int = 0) -> dict[str, Any]:
    """Every metric of one task, ready for JSON; what has an interval is {"value", "low", "high"}.

    A class that is there and never named has no precision of its own, and counts as 0 in the macro average.

    Args:
        labels: (n,) int64, places in ``names``; n > 0.
        probabilities: (n, classes), calibrated.
        names: of the classes.
        seed: of the resampling.
    """
    counts = np.random.default_rng(seed).multinomial(len(labels), np.full(len(labels), 1 / len(labels)), RESAMPLES)
    resamples = Resamples(labels, probabilities, counts)
    values, resampled = by_class(labels, probabilities), resamples.by_class()
    predicted = probabilities.argmax(1)
    overall = {"accuracy": share(predicted == labels)}
    for name in BY_CLASS:
        mean = np.mean if name == "auc" else _mean  # a macro AUC without one of its classes is another measure
        overall[name] = Estimate.of(float(mean(values[name], axis=-1)), mean(resampled[name], axis=-1))
    overall["sensitivity"] = mean_of([share(predicted[labels == k] == k) for k in range(len(names))])
    overall["balanced_accuracy"] = overall["sensitivity"]
    overall["ece"] = calibration_estimate(labels, probabilities)
    confusion = sklearn_metrics.confusion_matrix(labels, predicted, labels=np.arange(len(names)))
    rows: dict[str, dict[str, Any]] = {}
    for k, name in enumerate(names):
        own, named = labels == k, predicted == k
        of_class = {
            "precision": share(own[named]),
            "sensitivity": share(named[own]),
            "specificity": share(~named[~own]),
            "f1": Estimate.of(values["f1"][k], resampled["f1"][:, k]),
            "auc": Estimate.of(values["auc"][k], resampled["auc"][:, k]),
        }
        rows[name] = {"support": int(own.sum())} | {metric: found.to_json() for metric, found in of_class.items()}
    return {
        "pictures": len(labels),
        **{name: estimate.to_json() for name, estimate in overall.items()},
        "ece_by_chance": round(calibration_error_by_chance(probabilities), 4),
        "classes": rows,
        "confusion": confusion.tolist(),
        "reliability": reliability(labels, probabilities),
    }


class Resamples:
    """Metrics of many resamples at once. counts (resamples, n): how often each picture was drawn."""

    def __init__(self, labels: np.ndarray, probabilities: np.ndarray, counts: np.ndarray) -> None:
        self.labels, self.probabilities, self.counts = labels, probabilities, counts.astype(np.float64)
        self.predicted, self.classes = probabilities.argmax(1), probabilities.shape[1]

    def calibration_error(self) -> np.ndarray:
        """(resamples,): the sum over bins of |pictures right - confidence|, over pictures."""
        confidence = self.probabilities.max(1)
        return _calibration_errors(confidence, (self.predicted == self.labels) - confidence, self.counts)

    def by_class(self) -> dict[str, np.ndarray]:
        """The metrics of ``BY_CLASS``, each (resamples, classes), with NaN as ``by_class`` has it."""
        cells = _one_hot(self.labels * self.classes + self.predicted, self.classes**2)
        confusion = (self.counts @ cells).reshape(-1, self.classes, self.classes)
        hits, actual, predicted = confusion.diagonal(0, 1, 2), confusion.sum(2), confusion.sum(1)
        rest = self.counts.sum(1)[:, None] - actual
        columns = (
            np.where(actual > 0, _ratio(hits, np.maximum(predicted, 1)), np.nan),
            _ratio(hits, actual),
            np.where(actual > 0, _ratio(rest - (predicted - hits), rest), np.nan),
            np.where(actual > 0, _ratio(2 * hits, actual + predicted), np.nan),
            self._aucs(),
        )
        return dict(zip(BY_CLASS, columns, strict=True))

    def _aucs(self) -> np.ndarray:
        """The share of (own, other) pairs in which the own picture has the higher probability, ties counting half."""
        aucs = np.full((len(self.counts), self.classes), np.nan)
        for k in range(self.classes):
            values, place = np.unique(self.probabilities[:, k], return_inverse=True)
            order = np.argsort(place, kind="stable")
            starts = np.searchsorted(place[order], np.arange(len(values)))
            own = self.labels[order] == k
            counts = self.counts[:, order]
            positives = np.add.reduceat(counts * own, starts, axis=1)
            negatives = np.add.reduceat(counts * ~own, starts, axis=1)
            below = negatives.cumsum(1) - negatives / 2
            pairs = positives.sum(1) * negatives.sum(1)
            np.divide((positives * below).sum(1), pairs, out=aucs[:, k], where=pairs > 0)
        return aucs


def _calibration_bins(confidence: np.ndarray) -> np.ndarray:
    """(n,): the number of each picture's bin, from 0."""
    return np.minimum((confidence * CALIBRATION_BINS).astype(int), CALIBRATION_BINS - 1)


def _calibration_errors(confidence: np.ndarray, excess: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """(draws,): the sum over bins of |sum of excess|, over pictures; excess (n,) or (draws, n), counts (draws, n)."""
    weighted = counts * excess
    counted = np.broadcast_to(counts, weighted.shape).sum(1)
    return np.abs(weighted @ _one_hot(_calibration_bins(confidence), CALIBRATION_BINS)).sum(1) / counted


def _draws(pictures: int, seed: int) -> np.ndarray:
    """(draws, pictures): by which answers are right or wrong, each in [0, 1)."""
    return np.random.default_rng(seed).random((RESAMPLES, pictures))


def _drawn_calibration_errors(confidence: np.ndarray, chance: np.ndarray, draws: np.ndarray) -> np.ndarray:
    """(draws,): calibration errors where a picture's answer is right by ``chance`` (n,)."""
    right = draws < chance
    return _calibration_errors(confidence, right - confidence, np.ones((1, 1)))


def _aucs(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """(classes,): the AUC of each class against the rest; NaN where the class, or the rest, is absent."""
    present = labels[:, None] == np.arange(probabilities.shape[1])
    return np.array(
        [
            sklearn_metrics.roc_auc_score(own, p) if 0 < own.sum() < len(own) else np.nan
            for own, p in zip(present.T, probabilities.T, strict=True)
        ]
    )


def _one_hot(places: np.ndarray, width: int) -> np.ndarray:
    return (places[:, None] == np.arange(width)).astype(np.float64)


def _mean(values: np.ndarray, axis: int) -> np.ndarray:
    """Over what is not NaN; NaN where all is."""
    return _ratio(np.nansum(values, axis), (~np.isnan(values)).sum(axis))


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole > 0)
