"""Prediction sets: the classes that a picture may be of, so made that 90 % of the sets hold the true one.

Conformal prediction promises that for pictures that come as the validation pictures came and that nothing else was
fitted to. Neither holds strictly here: test pictures are of other patients, and the same validation pictures chose the
weights and the temperature. So it is an aim; what came of it on test pictures is on the card, task by task.
"""

import numpy as np

COVERAGE = 0.9  # share of prediction sets that should hold the true class


def set_threshold(calibrated: np.ndarray, labels: np.ndarray) -> float:
    """The probability from which a class belongs to the prediction set (Sadinle et al. 2019, least ambiguous sets).

    With n pictures, the ceil((n + 1) 0.9)-th largest probability of a true class: pictures exchangeable with these then
    have their class in the set with probability 0.9 or more. 0, which lets all classes in, when n is too small.
    """
    of_truth = np.sort(calibrated[np.arange(len(labels)), labels])[::-1]
    rank = int(np.ceil((len(labels) + 1) * COVERAGE))
    return float(of_truth[rank - 1]) if rank <= len(labels) else 0.0


def prediction_sets(calibrated: np.ndarray, threshold: float) -> np.ndarray:
    """Which classes are in the sets, (n, classes) bool; the most probable class always is."""
    return (calibrated >= threshold) | (calibrated == calibrated.max(1, keepdims=True))
