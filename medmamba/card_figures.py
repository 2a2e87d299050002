"""The form of the figures on a card, which ``evaluate`` measures: a card may come from anywhere, with any figures.

Older cards lack some, so that each may be missing; what is there has its form, so that nobody needs to look again.
"""

from collections.abc import Mapping
from typing import Any, NotRequired, TypedDict

from medmamba.typed import fits


class Training(TypedDict, total=False):
    """What the weights cost, in pictures shown and seconds; ``phases``: the runs that they come from."""

    command: str
    phases: list[dict[str, Any]]
    pictures: int
    seconds: int
    hardware: str


class Estimate(TypedDict):
    """``metrics.Estimate``: null where it is not defined."""

    value: float | None
    low: float | None
    high: float | None


class Share(TypedDict):
    """An estimate that is always defined."""

    value: float
    low: float
    high: float


class ClassFigures(TypedDict, total=False):
    """Of one class."""

    support: int
    precision: Estimate
    sensitivity: Estimate
    specificity: Estimate
    f1: Estimate
    auc: Estimate


class Reliability(TypedDict):
    """``metrics.reliability``: an entry for each bin, null where it is empty, and one edge more."""

    edges: list[float]
    pictures: list[int]
    confidence: list[float | None]
    accuracy: list[float | None]
    low: list[float | None]
    high: list[float | None]


class Sets(TypedDict):
    """The prediction sets of a task."""

    coverage: Share
    mean_size: float


class Band(TypedDict):
    """How often a band was given, and was right."""

    pictures: int
    right: NotRequired[float]


class TaskFigures(TypedDict, total=False):
    """Of one task."""

    pictures: int
    accuracy: Estimate
    balanced_accuracy: Estimate
    precision: Estimate
    sensitivity: Estimate
    specificity: Estimate
    f1: Estimate
    auc: Estimate
    ece: Estimate
    ece_by_chance: float
    classes: dict[str, ClassFigures]
    confusion: list[list[int]]
    reliability: Reliability
    prediction_sets: Sets
    bands: dict[str, Band]


class RouterFigures(TypedDict, total=False):
    """Of the router."""

    pictures: int
    accuracy: Estimate
    modality_accuracy: Estimate
    ece: float
    by_task: dict[str, Estimate]
    by_modality: dict[str, Estimate]


class Refusals(TypedDict, total=False):
    """Shares refused of pictures of known kinds."""

    by_task: dict[str, Estimate]
    by_modality: dict[str, Estimate]


class NoveltyFigures(TypedDict, total=False):
    """Of the novelty score."""

    false_refusals: Refusals
    wrong_task_flagged: dict[str, Estimate]
    strangers_refused: dict[str, dict[str, Estimate]]


FORMS: dict[str, Any] = {"router": RouterFigures, "novelty": NoveltyFigures}  # other sections are of tasks


def check_figures(metrics: Mapping[str, Mapping[str, Any]]) -> None:
    """Hold each section of a card's ``metrics`` to its form.

    Raises:
        TypeError: one has another; the message names it.
    """
    for name, section in metrics.items():
        form = FORMS.get(name, TaskFigures)
        if not fits(section, form) or ("reliability" in section and not _is_whole(section["reliability"])):
            raise TypeError(f"the figures of {name} are of the wrong kind")


def _is_whole(bins: Reliability) -> bool:
    """Whether each bin has its edges and entries, and numbers where it holds pictures."""
    columns = [bins["confidence"], bins["accuracy"], bins["low"], bins["high"]]
    count = len(bins["pictures"])
    if len(bins["edges"]) != count + 1 or any(len(column) != count for column in columns):
        return False
    return not any(pictures and None in row for pictures, *row in zip(bins["pictures"], *columns, strict=True))
