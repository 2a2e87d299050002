"""What a classifier is judged by, from scikit-learn's definitions; macro averages give every class the same weight."""

import numpy as np
from sklearn.metrics import roc_auc_score


def accuracy(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """Share of pictures whose most probable class is right. labels (n,), probabilities (n, classes)."""
    return float((probabilities.argmax(1) == labels).mean())


def macro_auc(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """Area under the ROC curve, one class against the rest, averaged over classes; NaN when a class is absent."""
    classes = np.arange(probabilities.shape[1])
    present = labels[:, None] == classes
    if not present.any(0).all():
        return float("nan")
    return float(roc_auc_score(present, probabilities, average="macro"))
