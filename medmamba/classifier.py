"""A checkpoint at work: displayed picture in, answer out, in one forward pass.

The pass gives the modality, the classes' calibrated probabilities, the novelty score and the grids that evidence maps
are made from. Another task can be asked of the same answer without a second pass.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import torch
from torch import Tensor

from medmamba import conformal, novelty, onednn, registry
from medmamba.checkpoints import Card, Checkpoint, check_logits
from medmamba.errors import RequestError
from medmamba.inference import InferenceForm
from medmamba.network import Network

ROUTER = "router"  # its key among a card's temperatures and metrics
TRUSTED_ERROR = 0.15  # test calibration error up to which a task's probabilities are put into words
SUREST = math.nextafter(1, 0)  # no softmax is ever 1, though the number nearest to it may be


@dataclass(frozen=True)
class ClassScore:
    """A class with its calibrated probability."""

    name: str
    label: str
    probability: float


@dataclass(frozen=True)
class Band:
    """The probabilities in words.

    labels: the classes that the words are about. held_back: why nothing but "uncertain" may be said, see ``words_for``.
    """

    kind: Literal["likely", "undecided", "uncertain"]
    labels: tuple[str, ...]
    held_back: Literal["miscalibrated", "unmeasured", "contradicted"] | None = None

    @property
    def words(self) -> str:
        """English, for the command line; the page has its own translations."""
        before = {"likely": "likely ", "undecided": "not sure between ", "uncertain": "uncertain"}
        why = {
            "miscalibrated": ": the probabilities of this task were far off on test pictures",
            "unmeasured": ": nobody has measured whether the probabilities of this task hold",
            "contradicted": ": the file says that it is a picture of another kind",
        }
        return before[self.kind] + " and ".join(self.labels) + (why[self.held_back] if self.held_back else "")


@dataclass(frozen=True)
class PredictionSet:
    """The classes that a picture may be of, made so that nine in ten sets hold the true one; see ``conformal``.

    names: in the card's order. coverage: the share of test pictures whose set did hold it, as {"value", "low", "high"};
    None where nobody has measured it.
    """

    names: tuple[str, ...]
    coverage: dict[str, float] | None

    @property
    def falls_short(self) -> bool:
        """Whether even the upper end of the measured coverage lies below what was promised."""
        return self.coverage is not None and self.coverage["high"] < conformal.COVERAGE


@dataclass(frozen=True)
class Novelty:
    """How unlike the task's training pictures this one is; refused above the card's threshold."""

    score: float
    threshold: float

    @property
    def refused(self) -> bool:
        """Whether the picture should not be answered for this task."""
        return self.score > self.threshold


@dataclass(frozen=True)
class Answer:
    """What the network says of a picture.

    modalities: (modality, probability), most probable first; empty for a checkpoint without router.
    routes: (task, probability), most probable first; likewise.
    task: the task answered; chosen_by: the router, the user, or nobody because there is only one.
    scores: calibrated probabilities in the card's order, summing to 1; empty for a task without classes.
    band: None when there are no scores. prediction_set: None when the card has no threshold for the task.
    novelty: None when the checkpoint has no statistics for the task.
    seen: (size, size, 3) uint8, what the network saw.
    """

    modalities: tuple[tuple[str, float], ...]
    routes: tuple[tuple[str, float], ...]
    task: str
    chosen_by: Literal["router", "user", "only"]
    scores: tuple[ClassScore, ...]
    band: Band | None
    prediction_set: PredictionSet | None
    novelty: Novelty | None
    seen: np.ndarray = field(repr=False)
    logits: Tensor = field(repr=False)  # (outputs,)
    grids: tuple[Tensor, ...] = field(repr=False)  # of each stage, (h, w, channels)
    distances: Tensor | None = field(repr=False)  # in the order of the card's novelty thresholds

    @property
    def top(self) -> ClassScore | None:
        """The most probable class."""
        return max(self.scores, key=lambda score: score.probability, default=None)

    @property
    def nbytes(self) -> int:
        """Bytes of memory, near enough."""
        return self.seen.nbytes + sum(grid.nbytes for grid in self.grids)


class Classifier:
    """A loaded checkpoint that answers; safe to share between threads, since answering changes nothing in it."""

    def __init__(self, checkpoint: Checkpoint, device: str = "auto", bfloat16: bool = False) -> None:
        """bfloat16: convolve in it on a CPU that is faster so (``InferenceForm``)."""
        self.card: Card = checkpoint.card
        self.device = torch.device(("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device)
        self.model = checkpoint.model.to(self.device)
        self.network: InferenceForm | Network = self.model
        if InferenceForm.serves(self.model, self.device):
            self.network = InferenceForm(self.model, bfloat16 and onednn.MULTIPLIES_BFLOAT16)
        self.novelty = checkpoint.novelty

    @classmethod
    def load(
        cls, name_or_path: str | Path, device: str = "auto", backend: str = "auto", bfloat16: bool = False
    ) -> Self:
        """Load a checkpoint by its name under the checkpoints folder, or by its path.

        Raises:
            CheckpointError: there is none, or it is damaged.
        """
        return cls(registry.load(name_or_path, backend=backend), device, bfloat16)

    def answer(self, display: np.ndarray, task: str | None = None) -> Answer:
        """Classify one displayed picture (H, W, 3) uint8; ``task`` overrides the router.

        Raises:
            RequestError: the checkpoint has no such task, or needs one named.
            CheckpointError: its weights lead to numbers that are not finite.
        """
        return self.answer_batch([display], task)[0]

    def answer_batch(self, displays: Sequence[np.ndarray], task: str | None = None) -> list[Answer]:
        """``answer`` for several pictures in one pass."""
        self._check(task)
        squares = np.stack([self.card.transform.to_square(display) for display in displays])
        with torch.inference_mode():
            pyramid = self.network.pyramid(self.card.transform.to_tensor(squares).to(self.device))
            logits = self.model.head(pyramid[-1]).float().cpu()
            check_logits(logits)
            distances = novelty.scores(self.novelty, novelty.pooled(pyramid).cpu()) if self.novelty else None
        return [
            self._interpret(
                logits[i],
                tuple(grid[i].cpu().clone() for grid in pyramid),  # a part of the batch's grid would keep it all,
                squares[i].copy(),  # and so would one of its squares
                None if distances is None else distances[i],
                task,
            )
            for i in range(len(squares))
        ]

    def reanswer(self, answer: Answer, task: str) -> Answer:
        """Ask another task of a picture already seen, without a second pass."""
        self._check(task)
        return self._interpret(answer.logits, answer.grids, answer.seen, answer.distances, task)

    def _check(self, task: str | None) -> None:
        layout = self.card.layout
        known = [t.name for t in layout.tasks]
        if task is not None and task not in known:
            raise RequestError(f"{self.card.title} has no task {task!r}; it has: {', '.join(known)}.")
        if task is None and not layout.routed and len(known) > 1:
            raise RequestError(f"{self.card.title} cannot recognise modalities; choose a task: {', '.join(known)}.")

    def _interpret(
        self, logits: Tensor, grids: tuple[Tensor, ...], seen: np.ndarray, distances: Tensor | None, asked: str | None
    ) -> Answer:
        layout = self.card.layout
        routes = self._routes(logits)
        by_modality: dict[str, float] = {}
        for name, probability in routes:
            modality = layout.task(name).modality
            by_modality[modality] = min(by_modality.get(modality, 0.0) + probability, SUREST)
        name = asked or (routes[0][0] if routes else layout.tasks[0].name)
        scores = self._scores(logits, name)
        threshold = self.card.novelty.get(name)
        return Answer(
            modalities=tuple(sorted(by_modality.items(), key=lambda item: -item[1])),
            routes=routes,
            task=name,
            chosen_by="user" if asked else "router" if routes else "only",
            scores=scores,
            band=words_for(self.card, name, scores) if scores else None,
            prediction_set=self._prediction_set(name, scores),
            novelty=None
            if threshold is None or distances is None
            else Novelty(float(distances[list(self.card.novelty).index(name)]), threshold),
            seen=seen,
            logits=logits,
            grids=grids,
            distances=distances,
        )

    def _routes(self, logits: Tensor) -> tuple[tuple[str, float], ...]:
        layout = self.card.layout
        if not layout.routed:
            return ()
        probabilities = _softmax(logits[layout.router], self.card.temperatures.get(ROUTER, 1.0))
        return tuple(sorted(zip(layout.routed, probabilities, strict=True), key=lambda item: -item[1]))

    def _scores(self, logits: Tensor, name: str) -> tuple[ClassScore, ...]:
        layout = self.card.layout
        probabilities = _softmax(logits[layout.outputs(name)], self.card.temperatures.get(name, 1.0))
        return tuple(
            ClassScore(c.name, c.label, p) for c, p in zip(layout.task(name).classes, probabilities, strict=True)
        )

    def _prediction_set(self, name: str, scores: tuple[ClassScore, ...]) -> PredictionSet | None:
        threshold = self.card.prediction_sets.get(name)
        if threshold is None or not scores:
            return None
        held = conformal.prediction_sets(np.array([[score.probability for score in scores]]), threshold)[0]
        coverage = self.card.metrics.get(name, {}).get("prediction_sets", {}).get("coverage")
        return PredictionSet(tuple(s.name for s, is_held in zip(scores, held, strict=True) if is_held), coverage)


def _softmax(logits: Tensor, temperature: float) -> list[float]:
    """Calibrated probabilities, in double precision, where far fewer are rounded to 1."""
    return [min(p, SUREST) for p in (logits.double() / temperature).softmax(0).tolist()]


def words_for(card: Card, task: str, scores: Sequence[ClassScore]) -> Band:
    """``band_of``, but only "uncertain" where the card does not show that the task's probabilities can be relied on."""
    reliable = is_reliable(card.metrics.get(task, {}), card.bands["likely"])
    if reliable is None:
        return Band("uncertain", (), "unmeasured")
    return band_of(scores, card.bands) if reliable else Band("uncertain", (), "miscalibrated")


def is_reliable(metrics: Mapping[str, Any], likely: float) -> bool | None:
    """Whether a task's probabilities promise no more than test pictures kept; None where that was not measured.

    They may be off by ``TRUSTED_ERROR`` on average, and by more where the answers were right more often than they said:
    all of them, and those from ``likely`` on, whose promises no modesty of the others makes good.
    """
    error = metrics.get("ece", {}).get("value")
    if error is None or error <= TRUSTED_ERROR:
        return None if error is None else True
    bins = metrics.get("reliability", {"pictures": [], "confidence": [], "accuracy": []})
    columns = zip(bins["pictures"], bins["confidence"], bins["accuracy"], strict=True)
    kept = [(said, n * (right - said)) for n, said, right in columns if n]
    return sum(more for _, more in kept) > 0 and sum(more for said, more in kept if said >= likely) >= 0


def band_of(scores: Sequence[ClassScore], bands: dict[str, float]) -> Band:
    """Put probabilities into words.

    "likely" from ``bands["likely"]`` on; "undecided" when two classes reach it only together; "uncertain" otherwise.
    """
    first, second = sorted(scores, key=lambda score: -score.probability)[:2]
    if first.probability >= bands["likely"]:
        return Band("likely", (first.label,))
    if first.probability + second.probability >= bands["likely"]:
        return Band("undecided", (first.label, second.label))
    return Band("uncertain", ())
