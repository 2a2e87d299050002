"""What the network says of a deck's case, in the deck's own terms: plain data that can be kept and sent."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from app import present
from app.service import Analysis, Question, Service
from app.texts import languages, texts_for
from medmamba.deck import MODALITY
from medmamba.errors import CheckpointError, RequestError
from medmamba.lessons import FAMILIAR, KNOWN, OTHER
from medmamba.saliency import EvidenceMap


@dataclass(frozen=True)
class Opinion:
    """The network's answer to one case.

    choice: a class of the deck, or None where the network has no answer to its question. probabilities: by class,
    calibrated; empty for the question whether the network should answer. refused: by the novelty score, which is
    ``distance`` against ``limit``. recognised: (modality, probability). evidence: the map of ``choice``, as the viewer
    takes it, without words; notes: its sentence by language.
    """

    choice: str | None = None
    probabilities: dict[str, float] = field(default_factory=dict)
    refused: bool = False
    distance: float | None = None
    limit: float | None = None
    recognised: tuple[str, float] | None = None
    evidence: dict[str, Any] | None = None
    notes: dict[str, str] = field(default_factory=dict)
    checkpoint: dict[str, str] = field(default_factory=dict)


def ask(service: Service, picture: bytes, task: str, classes: Sequence[str]) -> Opinion:
    """Ask the default checkpoint; the picture is forgotten again.

    Raises:
        ImageError: the picture cannot be read.
    """
    token = service.hold(picture)
    try:
        analysis = service.classify(Question(token, task=None if task in (MODALITY, FAMILIAR) else task))
        probabilities = _probabilities(analysis, task, set(classes))
        if probabilities is None:
            return Opinion(checkpoint=_checkpoint(analysis))
        return _opinion(service, analysis, task, probabilities)
    except (RequestError, CheckpointError):
        return Opinion()
    finally:
        service.drop(token)


def _probabilities(analysis: Analysis, task: str, classes: set[str]) -> dict[str, float] | None:
    """By class; None where the network's classes are not the deck's."""
    if task == FAMILIAR:
        return {} if classes == {KNOWN, OTHER} and analysis.answer.novelty else None
    if task == MODALITY:
        found = dict(analysis.answer.modalities)
    else:
        found = {score.name: score.probability for score in analysis.answer.scores}
    return found if classes == set(found) else None


def _opinion(service: Service, analysis: Analysis, task: str, probabilities: dict[str, float]) -> Opinion:
    novelty = analysis.answer.novelty
    refused = novelty is not None and novelty.refused
    recognised = analysis.answer.modalities[0] if analysis.answer.modalities else None
    if task == FAMILIAR:
        choice = OTHER if refused else KNOWN
    else:
        choice = max(probabilities, key=lambda name: probabilities[name])
    map_ = None
    if task not in (MODALITY, FAMILIAR):
        map_ = service.evidence(analysis, choice)
    elif recognised is not None:
        map_ = service.modality_evidence(analysis, recognised[0])
    return Opinion(
        choice=choice,
        probabilities=probabilities,
        refused=refused,
        distance=novelty.score if novelty else None,
        limit=novelty.threshold if novelty else None,
        recognised=recognised,
        evidence=None if map_ is None else {"values": map_.values.round(5).tolist(), "reference": map_.reference},
        notes={} if map_ is None else {code: _note(map_, analysis, code) for code in languages()},
        checkpoint=_checkpoint(analysis),
    )


def _note(map_: EvidenceMap, analysis: Analysis, language: str) -> str:
    """What is mapped, and what the map is; a modality's has no scale but its own."""
    texts = texts_for(language)
    labels = {c.name: c.label for c in analysis.task.classes}
    if map_.class_name in labels:
        label, note = texts.term(labels[map_.class_name]), present.map_note(map_, analysis, texts)
    elif map_.is_positive_anywhere:
        label = present.title(texts.term(map_.class_name))
        note = f"{present.map_size(map_, analysis.image, texts)} {texts('evidence.relative')}"
    else:
        label = present.title(texts.term(map_.class_name))
        note = texts("evidence.none", label=label)
    return f"{texts('learn.map', label=label)} {note}"


def _checkpoint(analysis: Analysis) -> dict[str, str]:
    card = analysis.card
    return {"title": card.title, "version": card.version, "sha256": card.sha256}
