"""What a network is asked: tasks (a question with classes within a modality) and their places among its outputs.

One linear layer answers all tasks. Its outputs are laid out in the order of the tasks, each task's classes in their own
order; a network that also recognises modalities has a last block, the router, with one output for each task it can be
sent to. A single-task network has one task and no router.
"""

from dataclasses import dataclass
from typing import Self

from medmamba.errors import CheckpointError
from medmamba.typed import check_types

FLIPS = ("", "h", "v", "hv")
TAKEN = ("", "router", "novelty", "all")  # entries of these names stand on cards beside those of tasks


@dataclass(frozen=True)
class ClassName:
    """A class: ``name`` is that of its folder, ``label`` the plain words on the page."""

    name: str
    label: str


@dataclass(frozen=True)
class Augmentation:
    """What may change about a training picture without changing its label.

    flips: "h", "v", "hv" or none, only where anatomy allows; rotation: degrees; colour: relative gain a channel;
    brightness, contrast: relative to the picture's mean and to the differences from it; noise: the largest standard
    deviation of Gaussian noise, of values in [0, 1]; grey: share of pictures that lose their colour; nearest: the
    smallest side of the part that is seen, against the picture's; stretch, gamma: the largest logarithm of width over
    height, and of the power that values are raised to.
    """

    flips: str = ""
    rotation: float = 0.0
    colour: float = 0.0
    brightness: float = 0.1
    contrast: float = 0.15
    noise: float = 0.0
    grey: float = 0.0
    nearest: float = 0.75
    stretch: float = 0.0
    gamma: float = 0.0


@dataclass(frozen=True)
class Task:
    """A question with its classes; without classes the task only teaches the router its modality.

    uploads: whether the page may offer it for a visitor's picture. npz: the MedMNIST file to train from, if not
    folders.
    """

    name: str
    modality: str
    question: str
    classes: tuple[ClassName, ...]
    source: str
    licence: str
    caveat: str
    uploads: bool = True
    npz: str | None = None
    augmentation: Augmentation = Augmentation()

    @classmethod
    def from_json(cls, entry: dict) -> Self:
        """Build a task from a card's or a recipe's entry.

        Raises:
            CheckpointError: a field is missing, unknown or has a value that it cannot have, there is a single class, or
                a class twice.
        """
        try:
            fields = dict(entry)
            fields["classes"] = tuple(ClassName(**c) for c in fields["classes"])
            if "augmentation" in fields:
                fields["augmentation"] = Augmentation(**fields["augmentation"])
            task = cls(**fields)
            check_types(task)
            if task.name in TAKEN:
                raise ValueError(f"a task cannot be named {task.name!r}")
            if len(task.classes) == 1:
                raise ValueError("one class alone")
            if len(set(task.class_names)) < len(task.classes):
                raise ValueError("one class twice")
            if task.augmentation.flips not in FLIPS:
                raise ValueError("flips other than h, v, hv or none")
            return task
        except (TypeError, KeyError, AttributeError, ValueError) as error:
            raise CheckpointError(f"A task is not described as expected ({error}); see an existing card.") from error

    @property
    def class_names(self) -> tuple[str, ...]:
        """Folder names of the classes, in the order of the outputs."""
        return tuple(c.name for c in self.classes)


@dataclass(frozen=True)
class OutputLayout:
    """Where each task's logits lie among a network's outputs.

    routed: the tasks that the router can name, in the order of its outputs; empty without a router.

    Raises:
        CheckpointError: there are no tasks, two have the same name, or the router names one that there is not.
    """

    tasks: tuple[Task, ...]
    routed: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        names = {task.name for task in self.tasks}
        if not names:
            raise CheckpointError("There are no tasks; describe at least one.")
        if len(names) < len(self.tasks):
            raise CheckpointError("Two tasks have the same name; give each a name of its own.")
        if not names.issuperset(self.routed) or len(set(self.routed)) < len(self.routed):
            raise CheckpointError("The router's outputs are not for tasks that there are, each once.")

    @classmethod
    def generalist(cls, tasks: tuple[Task, ...]) -> Self:
        """All tasks, and a router over those open to uploads."""
        return cls(tasks, tuple(task.name for task in tasks if task.uploads))

    @property
    def num_outputs(self) -> int:
        """Width of the classifier."""
        return sum(len(task.classes) for task in self.tasks) + len(self.routed)

    def task(self, name: str) -> Task:
        """The task of that name."""
        return next(task for task in self.tasks if task.name == name)

    def outputs(self, name: str) -> slice:
        """The logits of a task's classes."""
        start = 0
        for task in self.tasks:
            if task.name == name:
                return slice(start, start + len(task.classes))
            start += len(task.classes)
        raise KeyError(name)

    @property
    def router(self) -> slice:
        """The router's logits."""
        return slice(self.num_outputs - len(self.routed), self.num_outputs)

    def route(self, name: str) -> int:
        """Which router output stands for a task; one not open to uploads goes with the first of its modality."""
        if name in self.routed:
            return self.routed.index(name)
        modality = self.task(name).modality
        return next(i for i, routed in enumerate(self.routed) if self.task(routed).modality == modality)
