"""The folder of a training run: where it stands, how it went, and its best weights.

``state.pt`` is everything needed to go on, ``metrics.csv`` a row for each validation, ``last.pt`` the averaged weights
at the last one and ``best.pt`` those that did best; ``blend`` mixes the two.
"""

import csv
import math
import time
from pathlib import Path
from typing import Any

import torch
from torch.optim.swa_utils import AveragedModel

from medmamba.errors import CheckpointError
from medmamba.network import Network
from medmamba.optimisers import Muon
from medmamba.replacing import replacing

FIXED = ("variant", "size", "optimiser", "decays")  # settings that a run keeps, as its start; others may change
NO_START = "None"  # --start-from as text where there was none


class RunFolder:
    """What a run has reached, in memory and on disk.

    Args:
        out: the folder.
        random: the generator of batches and augmentation.
        about: what ``best.pt`` says of the run besides its weights: among others its settings (``config``), as text,
            what each output of its network stands for (``outputs``), the tasks with validation pictures
            (``validated``), and the runs before it (``earlier``).
    """

    def __init__(
        self,
        out: Path,
        model: Network,
        averaged: AveragedModel,
        optimiser: torch.optim.Optimizer | Muon,
        random: torch.Generator,
        about: dict[str, Any],
    ) -> None:
        self.model, self.averaged, self.optimiser, self.random = model, averaged, optimiser, random
        self._out, self._about = out, about
        self.pictures, self.best, self.seconds = 0, -math.inf, 0.0
        self.losses: list[float] = []  # of the steps since the last row of ``metrics.csv``
        self._since = time.monotonic()

    def resume(self) -> None:
        """Go on from ``state.pt`` if there is one; what the run started from stays what it was.

        A start that is named again must still be the one of then: a checkpoint that was published anew, or a run that
        went on, is another. One that is not named is not asked for.

        Raises:
            CheckpointError: it is damaged, or of a run with another network, size, optimiser, start or other tasks.
        """
        path = self._out / "state.pt"
        if not path.exists():
            return
        state = read_saved(path, "The state.pt in the folder of --out is damaged. Start again in another folder.")
        if about := state.get("about"):  # older states say nothing of their run
            self._check(about)
            config = self._about["config"] | {"start_from": about["config"]["start_from"]}
            self._about = self._about | {"config": config, "earlier": about["earlier"]}
        try:
            self.model.load_state_dict(state["model"])
            self.averaged.load_state_dict(state["averaged"])
            decays = [group["weight_decay"] for group in self.optimiser.param_groups]
            self.optimiser.load_state_dict(state["optimiser"])
            for group, decay in zip(self.optimiser.param_groups, decays, strict=True):  # it may change on the way
                group["weight_decay"] = decay
            self.random.set_state(state["random"])
            torch.set_rng_state(state["torch_random"])
            self.pictures, self.best, self.seconds = state["pictures"], state["best"], state["seconds"]
            self.losses = state.get("losses", [])  # older states have none
        except (KeyError, RuntimeError, TypeError, ValueError) as error:
            raise CheckpointError(
                "The state.pt in the folder of --out is of another network or optimiser. Name another folder."
            ) from error

    def _check(self, about: dict[str, Any]) -> None:
        """Refuse to go on with a run that is another one."""
        then, now = about["config"], self._about["config"]
        others = [f"--{name} {then[name]}" for name in FIXED if then.get(name, now[name]) != now[name]]
        if about["outputs"] != self._about["outputs"]:
            others.append("other tasks or classes")
        elif about.get("validated", self._about["validated"]) != self._about["validated"]:  # so is what "mean" means
            others.append(f"validation pictures of {', '.join(about['validated'])}")
        if others:
            raise CheckpointError(
                f"The folder of --out holds a run with {', '.join(others)}. Go on with these, or name another folder."
            )
        is_other = then["start_from"] == NO_START or about["earlier"] != self._about["earlier"]
        if now["start_from"] != NO_START and is_other:
            raise CheckpointError(
                "The folder of --out holds a run that did not start from the weights that --start-from names now. Name "
                "those that it did start from, as they were, leave --start-from out, or name another folder."
            )

    def start_clock(self) -> None:
        """Count seconds from now on: the reading of pictures, which comes after ``resume``, is no training."""
        self._since = time.monotonic()

    def forget_later_rows(self) -> None:
        """Drop the rows of ``metrics.csv`` that a run killed before its next save will write again."""
        path = self._out / "metrics.csv"
        if path.exists():
            lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
            whole = [line for line in lines if line.endswith("\n")]
            kept = [row for row in whole[1:] if int(row.partition(",")[0]) <= self.pictures]
            with replacing(path) as rewritten:
                rewritten.write_text("".join([*whole[:1], *kept]), encoding="utf-8")

    def save(self) -> None:
        """Write ``state.pt``."""
        write_saved(
            self._out / "state.pt",
            {
                "model": self.model.state_dict(),
                "averaged": self.averaged.state_dict(),
                "optimiser": self.optimiser.state_dict(),
                "random": self.random.get_state(),
                "torch_random": torch.get_rng_state(),
                "pictures": self.pictures,
                "best": self.best,
                "losses": self.losses,
                "seconds": self._elapsed(),
                "about": self._about,
            },
        )

    def record(self, scores: dict[str, float]) -> None:
        """Add a row to ``metrics.csv``, and keep the averaged weights, as the best as well if they are."""
        loss = sum(self.losses) / len(self.losses)
        row = {"pictures": self.pictures, "seconds": round(self._elapsed()), "loss": round(loss, 4)}
        row |= {name: round(score, 4) for name, score in scores.items()}
        with (self._out / "metrics.csv").open("a", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, row)
            if not file.tell():
                writer.writeheader()
            writer.writerow(row)
        reached = {
            "model": self.averaged.module.state_dict(),
            "pictures": self.pictures,
            "seconds": self._elapsed(),
            **self._about,
        }
        write_saved(self._out / "last.pt", reached)
        if scores["mean"] > self.best:
            self.best = scores["mean"]
            write_saved(self._out / "best.pt", reached)

    def _elapsed(self) -> float:
        now = time.monotonic()
        self.seconds, self._since = self.seconds + now - self._since, now
        return self.seconds


def check_outputs(saved: dict[str, Any], outputs: object) -> None:
    """Compare what the outputs of saved weights stand for with what they are wanted for; older files do not say it.

    Raises:
        CheckpointError: they were trained for other classes, or for the same in another order.
    """
    if saved.get("outputs", outputs) != outputs:
        raise CheckpointError(
            "The run's weights are for other tasks or classes than the recipe's, or for them in another order."
        )


def read_best(folder: Path) -> dict[str, Any]:
    """The content of a run's ``best.pt``.

    Raises:
        CheckpointError: there is none, it is damaged, or it does not say how it was trained.
    """
    return read_reached(folder / "best.pt", f"The run {folder.name} has no readable best.pt; train it first.")


def read_reached(path: Path, otherwise: str) -> dict[str, Any]:
    """The content of a ``best.pt`` or ``last.pt``, wherever it is: weights, and how they were trained.

    Raises:
        CheckpointError: with the sentence ``otherwise``; it is none.
    """
    saved = read_saved(path, otherwise)
    config = saved.get("config")
    if not (isinstance(config, dict) and {"variant", "size"} <= {*config} and {"pictures", "seconds"} <= {*saved}):
        raise CheckpointError(otherwise)
    return saved


def read_saved(path: Path, otherwise: str) -> dict[str, Any]:
    """The content of a file of a run, which has the weights under ``model``.

    Raises:
        CheckpointError: with the sentence ``otherwise``; there is no such file, or it is damaged or of something else.
    """
    try:
        saved = torch.load(path, weights_only=True, map_location="cpu")
    except Exception as error:  # torch raises many kinds on a damaged file
        raise CheckpointError(otherwise) from error
    if not isinstance(saved, dict) or not isinstance(saved.get("model"), dict):
        raise CheckpointError(otherwise)
    return saved


def write_saved(path: Path, content: dict[str, Any]) -> None:
    """Write a file of a run so that a kill at any moment leaves the old one or the new one.

    Raises:
        CheckpointError: it cannot be written; the old one is left.
    """
    try:
        with replacing(path) as partial:
            torch.save(content, partial)
    except RuntimeError as error:  # so torch says that a disk is full
        raise CheckpointError(f"{path.name} of the run cannot be written. Look whether there is room.") from error
