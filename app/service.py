"""Everything the page and its API may ask for: bytes and tokens in, dataclasses out. No gradio, no HTML.

Pictures are named by the token that ``hold`` gave; every token, number and name that comes from outside is checked here
or in the core, and what is wrong with it comes back as a ``MedMambaError`` fit for the screen.
"""

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from app.engine import Engine, LocalEngine
from app.header import contradiction
from app.line import Line
from app.store import PictureStore
from medmamba import images, registry, saliency
from medmamba.checkpoints import Card
from medmamba.classifier import Answer, Band
from medmamba.errors import CheckpointError, RequestError
from medmamba.images import MedicalImage
from medmamba.saliency import DeletionScore, EvidenceMap
from medmamba.tasks import Task

Models = dict[str, Card | CheckpointError]
PREFERRED = "generalist"


@dataclass(frozen=True)
class Question:
    """Which picture, and what is asked of it: the part of a request that all kinds of request share.

    token: of the held file. task: None leaves it to the router. checkpoint: None takes the default.
    """

    token: str
    frame: int = 0
    task: str | None = None
    checkpoint: str | None = None


@dataclass(frozen=True)
class Analysis:
    """A picture classified. seconds: what the network took; None where its result was kept from before."""

    question: Question
    image: MedicalImage
    checkpoint: str
    card: Card
    answer: Answer
    seconds: float | None

    @property
    def task(self) -> Task:
        """The task that was answered."""
        return self.card.layout.task(self.answer.task)

    @property
    def is_refused(self) -> bool:
        """Whether the picture is too unlike those that the network learnt."""
        return self.answer.novelty is not None and self.answer.novelty.refused

    @property
    def band(self) -> Band | None:
        """The probabilities in words, held back where the file contradicts the network's choice of the question."""
        band, is_chosen = self.answer.band, self.answer.chosen_by == "router"
        if band and is_chosen and contradiction(self.image, self.task.modality):
            return Band("uncertain", (), "contradicted")
        return band

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is to be known of the file: the reader's warnings, and where its header contradicts the answer."""
        contradicted = contradiction(self.image, self.task.modality)
        return (contradicted, *self.image.warnings) if contradicted else self.image.warnings


class Service:
    """What is behind the page. Safe for threads; a checkpoint is loaded when it is first asked for.

    engine: None for the networks in this process. line: of the pictures that visitors send.
    """

    def __init__(
        self,
        store: PictureStore,
        root: Path | None = None,
        default: str | None = None,
        engine: Engine | None = None,
        line: Line | None = None,
    ) -> None:
        self._store, self._root, self._default = store, root, default
        self.engine, self.line = engine or LocalEngine(root), line or Line()
        self.is_warm = False

    def models(self) -> Models:
        """Every checkpoint by name: its card, or what is wrong with it. Looks at the disk anew."""
        return registry.list_all(self._root)

    def usable(self) -> dict[str, Card]:
        """The checkpoints with a readable card, the default one first."""
        models = self.models()
        default, cards = self._default_of(models), _cards(models)
        return dict(sorted(cards.items(), key=lambda item: item[0] != default))

    def default(self) -> str:
        """The checkpoint that answers where none is named, damaged or not: no other stands in for it unasked."""
        return self._default_of(self.models())

    def default_card(self) -> Card | None:
        """The card of the default checkpoint; None where there is none, or where it cannot be read."""
        models = self.models()
        return _cards(models).get(self._default_of(models))

    def warm(self) -> None:
        """Start the readers and run the default checkpoint once, so that the first visitor does not wait."""
        images.warm()
        if self.usable():
            name = self._named(None)
            black = np.zeros((8, 8, 3), np.uint8)
            answer = self.engine.answer(name, black, self.engine.card(name).layout.tasks[0].name)
            if answer.scores:
                self.engine.evidence(name, answer, answer.scores[0].name)
        self.is_warm = True

    def hold(self, data: bytes) -> str:
        """Keep a file in memory for a while; returns its token."""
        return self._store.put(data)

    def take_in(self, data: bytes) -> str:
        """``hold`` a picture that its visitor asks about next: it stands in the line until it has been answered."""
        token = self._store.put(data, spare=2 * self.line.seconds)
        self.line.join(token, len(data))
        return token

    def take_part(self, token: str, frame: int, left: int, top: int, width: int, height: int) -> str:
        """``take_in`` a rectangle of a held picture, in its pixels, as a picture of its own.

        Raises:
            RequestError, ImageError: as for ``picture``; or the rectangle is none of it.
        """
        image = self.picture(token, frame).part(left, top, width, height)
        part = self._store.put_picture(image, spare=2 * self.line.seconds)
        self.line.join(part, image.pixels.nbytes)
        return part

    def file(self, token: str) -> bytes:
        """The bytes of a held file.

        Raises:
            GoneError: it is no longer held.
        """
        return self._store.get(token).data

    def holdings(self) -> tuple[int, int]:
        """How many files are held, and the bytes that they take."""
        return self._store.holdings()

    def forget_old(self) -> None:
        """Forget the files that have been untouched for too long."""
        self._store.forget_old()

    def drop(self, token: str) -> None:
        """Forget a file at once."""
        self._store.drop(token)
        self.line.leave(token)

    def picture(self, token: str, frame: int = 0) -> MedicalImage:
        """A frame of a held file.

        Raises:
            RequestError: the file is no longer held.
            ImageError: it is not a picture that can be read.
        """
        return self._store.picture(token, frame)

    def classify(self, question: Question) -> Analysis:
        """Answer a question; the network runs once for each picture and checkpoint, whatever is asked afterwards.

        Raises:
            RequestError, ImageError, CheckpointError, BusyError: with a sentence for the screen.
        """
        try:
            return self._classify(question)
        finally:
            self._store.release(question.token)
            self.line.leave(question.token)

    def evidence(
        self, analysis: Analysis, class_name: str, method: str = "grad-cam", stage: int = saliency.LAST_STAGE
    ) -> EvidenceMap:
        """Where the network found evidence for a class.

        Raises:
            RequestError: no such class, method or stage.
        """
        return self.engine.evidence(analysis.checkpoint, analysis.answer, class_name, method, stage)

    def modality_evidence(self, analysis: Analysis, modality: str) -> EvidenceMap:
        """Where the network found evidence for a kind of picture.

        Raises:
            RequestError: the checkpoint does not recognise it.
        """
        return self.engine.modality_evidence(analysis.checkpoint, analysis.answer, modality)

    def trust(self, analysis: Analysis, evidence: EvidenceMap) -> DeletionScore:
        """How the class's probability falls when the marked tenth is blurred, against random tenths."""
        return self.engine.deletion_score(analysis.checkpoint, analysis.answer, evidence)

    def _classify(self, question: Question) -> Analysis:
        name = self._named(question.checkpoint)
        image = self.picture(question.token, question.frame)
        card = self.engine.card(name)
        held = self._store.get(question.token)
        key = (card.sha256, question.frame)
        seconds = None
        with held.lock:
            known = held.answers.get(key)
            if known is None:
                started = time.perf_counter()
                known = self.engine.answer(name, image.display(), _first_task(card, question))
                seconds = time.perf_counter() - started
                held.keep(key, known)
        answer = self.engine.reanswer(name, known, question.task) if question.task else known
        return Analysis(question, image, name, card, answer, seconds)

    def _default_of(self, models: Models) -> str:
        wished = (name for name in (self._default, PREFERRED) if name in models)
        return next(wished, next(iter(_cards(models)), ""))

    def _named(self, checkpoint: str | None) -> str:
        models = self.models()
        if not _cards(models):
            raise CheckpointError("There is no checkpoint to classify with. Put one into the checkpoints folder.")
        name = self._default_of(models) if checkpoint is None else checkpoint
        found = models.get(name)
        if found is None:
            raise RequestError(f"There is no such checkpoint; there are: {', '.join(self.usable())}.")
        if isinstance(found, CheckpointError):
            raise found
        return name


def _cards(models: Models) -> dict[str, Card]:
    return {name: card for name, card in models.items() if isinstance(card, Card)}


def _first_task(card: Card, question: Question) -> str | None:
    """What to ask in the one forward pass: nothing in particular where a router can tell."""
    layout = card.layout
    if layout.routed or len(layout.tasks) == 1:
        return None
    return question.task or layout.tasks[0].name
