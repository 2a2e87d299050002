"""Make a network's numbers mean what they say, from validation pictures: temperatures, prediction sets, evidence scale.

Glossary:
    temperature     what logits are divided by before the softmax: of answers given with 80 % about 80 % are right
    prediction set  the classes that a picture may be of; 90 % of the sets hold the true one
"""

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import softmax
from sklearn.metrics import log_loss

COVERAGE = 0.9  # share of prediction sets that should hold the true class
TEMPERATURES = (0.05, 20.0)
EVIDENCE_QUANTILE = 0.99


def temperature(logits: np.ndarray, labels: np.ndarray) -> float:
    """The temperature with the least negative log-likelihood (Guo et al. 2017). logits (n, classes), labels (n,)."""
    classes = np.arange(logits.shape[1])

    def loss(log_temperature: float) -> float:
        return log_loss(labels, probabilities(logits, np.exp(log_temperature)), labels=classes)

    return float(np.exp(minimize_scalar(loss, bounds=np.log(TEMPERATURES), method="bounded").x))


def probabilities(logits: np.ndarray, temperature: float) -> np.ndarray:
    """Calibrated probabilities (n, classes), float64."""
    return softmax(logits.astype(np.float64) / temperature, axis=1)


def set_threshold(calibrated: np.ndarray, labels: np.ndarray) -> float:
    """The probability from which a class belongs to the prediction set (Sadinle et al. 2019, least ambiguous sets).

    With n pictures, the ceil((n + 1) 0.9)-th largest probability of a true class: new pictures from the same source
    then have their class in the set with probability 0.9 or more. 0, which lets all classes in, when n is too small.
    """
    of_truth = np.sort(calibrated[np.arange(len(labels)), labels])[::-1]
    rank = int(np.ceil((len(labels) + 1) * COVERAGE))
    return float(of_truth[rank - 1]) if rank <= len(labels) else 0.0


def prediction_sets(calibrated: np.ndarray, threshold: float) -> np.ndarray:
    """Which classes are in the sets, (n, classes) bool; the most probable class always is."""
    return (calibrated >= threshold) | (calibrated == calibrated.max(1, keepdims=True))


def evidence_scale(contributions: np.ndarray) -> float:
    """What one cell contributes to a logit when it counts as strong evidence: the 99th percentile of the positive ones.

    contributions: of the cells of the last stage to the predicted class's logit, as class activation maps show them.
    """
    positive = contributions[contributions > 0]
    return float(np.quantile(positive, EVIDENCE_QUANTILE)) if len(positive) else 1.0
