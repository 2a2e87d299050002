"""The settings of a training run, with what each means and may be: the command line is made of them."""

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Self, get_args

from medmamba.errors import RequestError
from medmamba.network import SMALLEST_SIDE
from medmamba.protocols import SCHEDULES

WARM_UP = 10_000  # pictures of the longest that nobody has to name


@dataclass(frozen=True)
class From:
    """Numbers from ``least`` on that are smaller than ``below``."""

    least: float
    below: float = math.inf

    def refusal(self, value: float) -> str:
        """What is wrong with a number; nothing if it is one of these."""
        if self.least <= value < self.below:
            return ""
        bound = "" if math.isinf(self.below) else f" and smaller than {self.below}"
        return f"wants a number of at least {self.least}{bound}, not {value}."


@dataclass(frozen=True)
class OneOf:
    """Words to choose from."""

    words: tuple[str, ...]

    def refusal(self, value: str) -> str:
        """What is wrong with a word; nothing if it is one of these."""
        return "" if value in self.words else f"has no setting {value!r}; there are: {', '.join(self.words)}."


@dataclass(frozen=True)
class TrainConfig:
    """One run, each field with the meaning that ``train --help`` gives it.

    Lengths are counted in pictures shown, so that batch size and pauses do not change their meaning.

    Raises:
        RequestError: a setting cannot be, by itself or beside another one.
    """

    tasks: Annotated[Path, "recipe: JSON with a list of tasks"]
    data: Annotated[Path, "labelled pictures: <task>/<split>/<class>/"]
    out: Annotated[Path, "the run's folder; a run that is in it goes on"]
    size: Annotated[int, "side of the network's square, in pixels", From(SMALLEST_SIDE)] = 64
    pictures: Annotated[int, "how many pictures are shown", From(1)] = 300_000
    epochs: Annotated[
        int, "instead of --pictures: so many times as many as there are, with a validation after each", From(0)
    ] = 0
    warm_up: Annotated[
        int | None, f"pictures over which the learning rate rises; default: a tenth of all, at most {WARM_UP}", From(0)
    ] = None
    variant: Annotated[str, "T, S, B, resnet18 or resnet50"] = "T"
    batch: Annotated[int, "pictures in a step", From(1)] = 48
    learning_rate: Annotated[float, "at its highest", From(0)] = 1e-3
    weight_decay: Annotated[float, "of matrices and kernels alone", From(0)] = 0.05
    optimiser: Annotated[str, "adamw, adam or muon"] = "adamw"
    schedule: Annotated[str, "of the learning rate: cosine, steps or constant", OneOf(SCHEDULES)] = "cosine"
    augment: Annotated[str, "random changes: recipe (what the tasks allow), crop-flip or none"] = "recipe"
    drop_path: Annotated[float, "highest share of a block's own branch left out", From(0, 1)] = 0.1
    norms: Annotated[
        str, "statistics of batch norms: batch, or frozen as --start-from has them", OneOf(("batch", "frozen"))
    ] = "batch"
    decays: Annotated[
        str, "of the scan's states: free, or tied to 1, 2 .. N times the first one's", OneOf(("free", "tied"))
    ] = "free"
    label_smoothing: Annotated[float, "share of a label spread over all classes", From(0, 1)] = 0.05
    balance: Annotated[float, "power of a task's or class's size in its share: 0 equal, 1 natural", From(0)] = 0.5
    priors: Annotated[
        str,
        "classes are taken to be as frequent as drawn, or natural: as among the training pictures",
        OneOf(("drawn", "natural")),
    ] = "drawn"
    emphasis: Annotated[str, "factors on the shares of single tasks, as covid-ct=1.6,kidney-ct=0.5"] = ""
    mix: Annotated[str, "share of a task's pictures that are mixed with others of it, as kidney-ct=0.5"] = ""
    restyle: Annotated[str, "share of a task's pictures that are given the look of others of it, as kidney-ct=0.5"] = ""
    sharpness: Annotated[
        float, "distance at which the loss is looked at uphill of the weights (SAM); 0: where they are", From(0)
    ] = 0.0
    average: Annotated[float, "decay of the moving average of the weights", From(0, 1)] = 0.999
    router_weight: Annotated[float, "of telling modalities apart, beside a task's own question", From(0)] = 0.5
    seed: Annotated[int, "of all that is random", From(0, 2**63)] = 0
    start_from: Annotated[Path | None, "a checkpoint's folder, or a run's best.pt, with the same tasks"] = None
    validate_every: Annotated[int, "pictures between two validations", From(1)] = 16_000
    save_seconds: Annotated[float, "seconds between two savings of what it takes to go on", From(0)] = 180.0

    def __post_init__(self) -> None:
        for name, of in self.__dataclass_fields__.items():
            value = getattr(self, name)
            for rule in get_args(of.type)[2:] if value is not None else ():
                if refusal := rule.refusal(value):
                    raise RequestError(f"--{name.replace('_', '-')} {refusal}")
        if self.norms == "frozen" and self.start_from is None:
            raise RequestError("--norms frozen keeps the statistics of weights to --start-from; name them, too.")
        if self.warm_up and not self.epochs and self.warm_up > self.pictures:
            raise RequestError(
                f"--warm-up {self.warm_up} is longer than the run of {self.pictures} pictures: the learning rate would "
                "never be at its highest. Name fewer, or leave it out."
            )

    @property
    def rise(self) -> int:
        """Pictures of the warm-up: those that were named, else a tenth of all, at most ``WARM_UP``."""
        return min(self.pictures // 10, WARM_UP) if self.warm_up is None else self.warm_up

    def of_length(self, there: int) -> Self:
        """The run with its length in pictures where it is one in epochs, of ``there`` pictures each.

        Raises:
            RequestError: the warm-up is longer than that.
        """
        if not self.epochs:
            return self
        return replace(self, pictures=self.epochs * there, epochs=0, validate_every=there)
