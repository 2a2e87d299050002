"""What the network says of a case, asked once when a room is opened, so that a full class costs no inference."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from app.service import Question, Service
from medmamba.deck import MODALITY
from medmamba.errors import CheckpointError, RequestError

ABSENT: dict[str, Any] = {"choice": None}  # the checkpoint has no such task, or not these classes


def model_of(service: Service, task: str) -> tuple[str, str]:
    """(checkpoint, question) in the words of the default checkpoint's card; ("", "") where it has no such task."""
    for card in list(service.usable().values())[:1]:
        if task == MODALITY and card.layout.routed:
            return f"{card.title} {card.version}", ""
        for known in card.layout.tasks:
            if known.name == task:
                return f"{card.title} {card.version}", known.question
    return "", ""


def ask(service: Service, picture: bytes, task: str, classes: Sequence[str]) -> dict[str, Any]:
    """The network's answer, fit for JSON.

    Args:
        service: whose default checkpoint is asked.
        picture: PNG, as the class sees it.
        task: the checkpoint's, or "modality".
        classes: the names of the choices; where the task has more, the probabilities are those given that it is one
            of these.

    Returns:
        ``ABSENT``, or choice (the most probable class), probabilities (by class), map (Grad-CAM of the choice, rows of
        cells, in units of the logit), reference (the value that counts as strong), refused (unlike the task's training
        pictures).

    Raises:
        ImageError: the picture cannot be read.
    """
    token = service.hold(picture)
    try:
        analysis = service.classify(Question(token, task=None if task == MODALITY else task))
        scores = (
            dict(analysis.answer.modalities)
            if task == MODALITY
            else {score.name: score.probability for score in analysis.answer.scores}
        )
        if not set(classes) <= set(scores):
            return ABSENT
        total = sum(scores[name] for name in classes)
        shares = {name: scores[name] / total if total else 1 / len(classes) for name in classes}
        choice = max(shares, key=lambda name: shares[name])
        map_ = (service.modality_evidence if task == MODALITY else service.evidence)(analysis, choice)
    except (RequestError, CheckpointError):
        return ABSENT
    finally:
        service.drop(token)
    novelty = analysis.answer.novelty
    return {
        "choice": choice,
        "probabilities": {name: round(share, 5) for name, share in shares.items()},
        "map": np.round(map_.values.astype(float), 5).tolist(),
        "reference": map_.reference,
        "refused": task != MODALITY and novelty is not None and novelty.refused,
    }
