"""What answers: the one interface between the service and the networks, and the engine that has them in this process.

Another engine, on other machines say, is another class with ``Engine``'s methods. All of them may be called from any
number of threads at once, and name checkpoints as ``registry`` does.
"""

import os
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np

from medmamba import registry, saliency
from medmamba.checkpoints import Card
from medmamba.classifier import Answer, Classifier
from medmamba.errors import BusyError
from medmamba.saliency import LAST_STAGE, DeletionScore, EvidenceMap

FULL = "The server is full at the moment. Try again in a minute."
AT_ONCE = 16  # requests that are worked on: enough to fill the next pass while one runs
TOGETHER = 8  # pictures in one pass: a quarter less time each than alone, and more add little (docs/log.md)
R = TypeVar("R")


class Engine(Protocol):
    """The networks. Whatever takes a place in the queue raises ``BusyError`` at once when there is none."""

    def card(self, checkpoint: str) -> Card:
        """The card of the weights that answer under a name now.

        Raises:
            CheckpointError: there is no such checkpoint, or it cannot be used.
        """

    def answer(self, checkpoint: str, display: np.ndarray, task: str | None = None) -> Answer:
        """Classify a displayed picture (H, W, 3) uint8; ``task`` overrides the router.

        Raises:
            BusyError: too much is waiting.
            RequestError: the checkpoint has no such task, or needs one named.
            CheckpointError: as for ``card``.
        """

    def reanswer(self, checkpoint: str, answer: Answer, task: str) -> Answer:
        """Ask another task of an answer, without a second pass and without a place in the queue.

        Raises:
            RequestError: the checkpoint has no such task.
            CheckpointError: as for ``card``.
        """

    def evidence(
        self, checkpoint: str, answer: Answer, class_name: str, method: str = "grad-cam", stage: int = LAST_STAGE
    ) -> EvidenceMap:
        """``saliency.evidence_map``, from the grids of the answer.

        Raises:
            BusyError: too much is waiting.
            RequestError: no such class, method or stage.
        """

    def modality_evidence(self, checkpoint: str, answer: Answer, modality: str) -> EvidenceMap:
        """``saliency.modality_map``, likewise.

        Raises:
            BusyError: too much is waiting.
            RequestError: the router knows no such modality.
        """

    def deletion_score(self, checkpoint: str, answer: Answer, evidence: EvidenceMap) -> DeletionScore:
        """``saliency.deletion_score``: a pass over some twenty pictures.

        Raises:
            BusyError: too much is waiting.
        """

    def waiting(self) -> int:
        """Places in the queue that are taken, the work in hand included."""

    def close(self) -> None:
        """End; what waits is still answered."""


class Places:
    """A queue's places, so many at most; safe for threads."""

    def __init__(self, most: int) -> None:
        self.taken = 0
        self._most, self._lock = most, threading.Lock()

    @contextmanager
    def one(self) -> Iterator[None]:
        """Takes a place for as long as the block lasts.

        Raises:
            BusyError: there is none.
        """
        with self._lock:
            if self.taken >= self._most:
                raise BusyError(FULL)
            self.taken += 1
        try:
            yield
        finally:
            with self._lock:
                self.taken -= 1


@dataclass
class _Question:
    """A picture that waits for its pass. Questions of one classifier and task may share it."""

    classifier: Classifier
    square: np.ndarray
    task: str | None
    answer: "Future[Answer]" = field(default_factory=Future)

    def goes_with(self, other: "_Question") -> bool:
        return self.classifier is other.classifier and self.task == other.task


class LocalEngine:
    """The networks in this process. One thread runs them, so that they share the cores with nobody of their own kind.

    While it runs one pass, pictures gather; the next pass takes them together. Nobody is ever made to wait for others.

    Args:
        root: the folder of checkpoints; None takes the default.
        places: most pictures and maps that may wait or be worked on.
        bfloat16: convolve in it on a processor that is faster so.
    """

    def __init__(self, root: Path | None = None, places: int = 64, bfloat16: bool = False) -> None:
        self._root, self._places, self._bfloat16 = root, Places(places), bfloat16
        self._classifiers: dict[str, Classifier] = {}
        self._loading = threading.Lock()
        self._questions: deque[_Question] = deque()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="network")

    def card(self, checkpoint: str) -> Card:
        return self._classifier(checkpoint).card

    def answer(self, checkpoint: str, display: np.ndarray, task: str | None = None) -> Answer:
        classifier = self._classifier(checkpoint)
        # The asker's thread makes the picture small, so that the network's has nothing else to do.
        question = _Question(classifier, classifier.card.transform.to_square(display), task)
        with self._places.one():
            self._questions.append(question)
            self._thread.submit(self._pass)
            return question.answer.result()

    def reanswer(self, checkpoint: str, answer: Answer, task: str) -> Answer:
        return self._classifier(checkpoint).reanswer(answer, task)

    def evidence(
        self, checkpoint: str, answer: Answer, class_name: str, method: str = "grad-cam", stage: int = LAST_STAGE
    ) -> EvidenceMap:
        return self._run(saliency.evidence_map, self._classifier(checkpoint), answer, class_name, method, stage)

    def modality_evidence(self, checkpoint: str, answer: Answer, modality: str) -> EvidenceMap:
        return self._run(saliency.modality_map, self._classifier(checkpoint), answer, modality)

    def deletion_score(self, checkpoint: str, answer: Answer, evidence: EvidenceMap) -> DeletionScore:
        return self._run(saliency.deletion_score, self._classifier(checkpoint), answer, evidence)

    def waiting(self) -> int:
        return self._places.taken

    def close(self) -> None:
        self._thread.shutdown()

    def _classifier(self, name: str) -> Classifier:
        """The classifier of a checkpoint, loaded anew when its weights have changed on disk."""
        with self._loading:
            known = self._classifiers.get(name)
            place = registry.find(name, self._root)
            if known is None or registry.read_card(place).sha256 != known.card.sha256:
                known = self._classifiers[name] = Classifier.load(place, device(), bfloat16=self._bfloat16)
            return known

    def _pass(self) -> None:
        """Answers the longest waiting question and those behind it that go with it.

        Every question has called for a pass of its own, so that none is left; many a pass finds nothing to do.
        """
        batch: list[_Question] = []
        while self._questions and len(batch) < TOGETHER and (not batch or batch[0].goes_with(self._questions[0])):
            batch.append(self._questions.popleft())
        if not batch:
            return
        try:
            answers = batch[0].classifier.answer_batch([question.square for question in batch], batch[0].task)
        except BaseException as error:
            for question in batch:
                question.answer.set_exception(error)
        else:
            for question, answer in zip(batch, answers, strict=True):
                question.answer.set_result(answer)

    def _run(self, work: Callable[..., R], *arguments: object) -> R:
        with self._places.one():
            return self._thread.submit(work, *arguments).result()


def device() -> str:
    """Where the network works: on a ZeroGPU Space torch says that there is a GPU also while none is borrowed."""
    return "cpu" if os.environ.get("SPACES_ZERO_GPU") else "auto"
