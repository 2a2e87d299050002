"""Make a network's numbers mean what they say, from validation pictures: temperatures and the scale of evidence.

A temperature is what logits are divided by before the softmax: of answers given with 80 % about 80 % are then right.
"""

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax

TEMPERATURES = (0.05, 20.0)
EVIDENCE_QUANTILE = 0.99


def temperature(logits: np.ndarray, labels: np.ndarray) -> float:
    """The temperature with the least negative log-likelihood (Guo et al. 2017). logits (n, classes), labels (n,).

    1 where no answer is wrong: the likelihood then grows without end as the temperature falls, and would leave whatever
    bound there is, at which all later answers were certain.
    """
    of_truth = logits[np.arange(len(labels)), labels]
    if (of_truth == logits.max(1)).all():  # as that of a router to one task alone, which is 1 at any temperature
        return 1.0

    def loss(log_temperature: float) -> float:
        """In logarithms throughout: probabilities that round to 0 would all cost the same."""
        scaled = logits.astype(np.float64) / np.exp(log_temperature)
        return float(-log_softmax(scaled, axis=1)[np.arange(len(labels)), labels].mean())

    return float(np.exp(minimize_scalar(loss, bounds=np.log(TEMPERATURES), method="bounded").x))


def probabilities(logits: np.ndarray, temperature: float) -> np.ndarray:
    """Calibrated probabilities (n, classes), float64."""
    return softmax(logits.astype(np.float64) / temperature, axis=1)


def evidence_scale(contributions: np.ndarray) -> float:
    """What one cell contributes to a logit when it counts as strong evidence: the 99th percentile of the positive ones.

    contributions: of the cells of the last stage to the predicted class's logit, as class activation maps show them.
    """
    positive = contributions[contributions > 0]
    return float(np.quantile(positive, EVIDENCE_QUANTILE)) if len(positive) else 1.0
