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


class RunFolder:
    """What a run has reached, in memory and on disk.

    Args:
        out: the folder.
        random: the generator of batches and augmentation.
        about: what ``best.pt`` says of the run besides its weights.
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
        self._since = time.monotonic()

    def resume(self) -> None:
        """Go on from ``state.pt`` if there is one."""
        path = self._out / "state.pt"
        if not path.exists():
            return
        state = torch.load(path, weights_only=True, map_location="cpu")
        self.model.load_state_dict(state["model"])
        self.averaged.load_state_dict(state["averaged"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.random.set_state(state["random"])
        torch.set_rng_state(state["torch_random"])
        self.pictures, self.best, self.seconds = state["pictures"], state["best"], state["seconds"]

    def forget_later_rows(self) -> None:
        """Drop the rows of ``metrics.csv`` that a run killed before its next save will write again."""
        path = self._out / "metrics.csv"
        if path.exists():
            header, *rows = path.read_text(encoding="utf-8").splitlines(keepends=True)
            kept = [row for row in rows if int(row.partition(",")[0]) <= self.pictures]
            path.write_text("".join([header, *kept]), encoding="utf-8")

    def save(self) -> None:
        """Write ``state.pt`` so that a kill at any moment leaves the old file or the new one."""
        _replace(
            self._out / "state.pt",
            {
                "model": self.model.state_dict(),
                "averaged": self.averaged.state_dict(),
                "optimiser": self.optimiser.state_dict(),
                "random": self.random.get_state(),
                "torch_random": torch.get_rng_state(),
                "pictures": self.pictures,
                "best": self.best,
                "seconds": self._elapsed(),
            },
        )

    def record(self, loss: float, scores: dict[str, float]) -> None:
        """Add a row to ``metrics.csv``, and keep the averaged weights, as the best as well if they are."""
        row = {"pictures": self.pictures, "seconds": round(self._elapsed()), "loss": round(loss, 4)}
        row |= {name: round(score, 4) for name, score in scores.items()}
        path = self._out / "metrics.csv"
        new = not path.exists()
        with path.open("a", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, row)
            if new:
                writer.writeheader()
            writer.writerow(row)
        reached = {
            "model": self.averaged.module.state_dict(),
            "pictures": self.pictures,
            "seconds": self._elapsed(),
            **self._about,
        }
        _replace(self._out / "last.pt", reached)
        if scores["mean"] > self.best:
            self.best = scores["mean"]
            _replace(self._out / "best.pt", reached)

    def _elapsed(self) -> float:
        now = time.monotonic()
        self.seconds, self._since = self.seconds + now - self._since, now
        return self.seconds


def read_best(folder: Path) -> dict[str, Any]:
    """The content of a run's ``best.pt``.

    Raises:
        CheckpointError: there is none.
    """
    try:
        return torch.load(folder / "best.pt", weights_only=True, map_location="cpu")
    except OSError as error:
        raise CheckpointError(f"The run {folder.name} has no readable best.pt; train it first.") from error


def _replace(path: Path, content: dict[str, Any]) -> None:
    partial = path.with_suffix(".partial")
    torch.save(content, partial)
    partial.replace(path)
