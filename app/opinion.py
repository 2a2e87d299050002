"""What the network says of a deck's case, in the deck's own terms: plain data that can be kept and sent.

The tab Learn asks while the student thinks, a room when it is opened; both get the same answer.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from app import present
from app.service import Analysis, Question, Service
from app.texts import languages, texts_for
from medmamba.checkpoints import Card
from medmamba.deck import MODALITY, title
from medmamba.errors import CheckpointError, RequestError
from medmamba.lessons import FAMILIAR, KNOWN, OTHER, is_answered
from medmamba.saliency import EvidenceMap

QUESTIONS = {MODALITY: "learn.question.modality", FAMILIAR: "learn.question.familiar"}  # in the page's own words


@dataclass(frozen=True)
class Opinion:
    """The network's answer to one case.

    choice: a class of the deck, or None where the network has no answer to its question. probabilities: by class,
    calibrated; where the task has more classes than the deck, those given that it is one of the deck's; empty for the
    question whether the network should answer. refused: by the novelty score, which is ``distance`` against ``limit``.
    recognised: (modality, probability). evidence: the map of ``choice``, as the viewer takes it, without words; for the
    question whether the network should answer, the map of the recognised modality. notes: its sentence by language.
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

    @property
    def was_heard(self) -> bool:
        """Whether a network was asked at all: without, the same question may be answered another time."""
        return bool(self.checkpoint)

    @property
    def declined(self) -> bool:
        """Whether it gives no answer, by its novelty score; to the question whether it should, that is an answer."""
        return self.refused and bool(self.probabilities)


def question_of(task: str, card: Card | None) -> str:
    """The words of a task's question on a card, or the key of the page's own; empty where there is neither."""
    known = [known.question for known in card.layout.tasks if known.name == task] if card else []
    return QUESTIONS.get(task) or (known[0] if known else "")


def ask(service: Service, picture: bytes, task: str, classes: Sequence[str]) -> Opinion:
    """Ask the default checkpoint; the picture is forgotten again.

    Raises:
        ImageError: the picture cannot be read.
    """
    card = service.default_card()
    if card is not None and not is_answered(task, classes, card):
        return Opinion(checkpoint=_checkpoint(card))
    token = service.hold(picture)
    try:
        analysis = service.classify(Question(token, task=None if task in QUESTIONS else task))
        if task == FAMILIAR and analysis.answer.novelty is None:
            return Opinion(checkpoint=_checkpoint(analysis.card))
        return _opinion(service, analysis, task, classes)
    except (RequestError, CheckpointError):
        return Opinion()
    finally:
        service.drop(token)


def _opinion(service: Service, analysis: Analysis, task: str, classes: Sequence[str]) -> Opinion:
    novelty = analysis.answer.novelty
    refused = analysis.is_refused
    recognised = analysis.answer.modalities[0] if analysis.answer.modalities else None
    probabilities, map_ = {}, None
    if task == FAMILIAR:
        choice = OTHER if refused else KNOWN
        if recognised is not None:
            map_ = service.modality_evidence(analysis, recognised[0])
    else:
        probabilities = _among(classes, analysis, task)
        choice = max(probabilities, key=lambda name: probabilities[name])
        map_ = (service.modality_evidence if task == MODALITY else service.evidence)(analysis, choice)
    return Opinion(
        choice=choice,
        probabilities=probabilities,
        refused=refused,
        distance=novelty.score if novelty else None,
        limit=novelty.threshold if novelty else None,
        recognised=recognised,
        evidence=None if map_ is None else {"values": map_.values.round(5).tolist(), "reference": map_.reference},
        notes={} if map_ is None else {code: _note(map_, analysis, code) for code in languages()},
        checkpoint=_checkpoint(analysis.card),
    )


def _among(classes: Sequence[str], analysis: Analysis, task: str) -> dict[str, float]:
    """The probabilities of some classes, given that it is one of them."""
    if task == MODALITY:
        found = dict(analysis.answer.modalities)
    else:
        found = {score.name: score.probability for score in analysis.answer.scores}
    total = sum(found[name] for name in classes)
    return {name: found[name] / total if total else 1 / len(classes) for name in classes}


def _note(map_: EvidenceMap, analysis: Analysis, language: str) -> str:
    """What is mapped, and what the map is; a modality's has no scale but its own."""
    texts = texts_for(language)
    labels = {c.name: c.label for c in analysis.task.classes}
    if map_.class_name in labels:
        label, note = texts.term(labels[map_.class_name]), present.map_note(map_, analysis, texts)
    elif map_.is_positive_anywhere:
        label = title(texts.term(map_.class_name))
        note = f"{present.map_size(map_, analysis.image, texts)} {texts('evidence.relative')}"
    else:
        label = title(texts.term(map_.class_name))
        note = texts("evidence.none", label=label)
    return f"{texts('learn.map', label=label)} {note}"


def _checkpoint(card: Card) -> dict[str, str]:
    return {"title": card.title, "version": card.version, "sha256": card.sha256}
