"""Which pictures training shows: tasks and classes drawn by a power of their size.

Small ones are so seen often without drowning the rest.
"""

import math
from collections.abc import Iterator, Mapping

import numpy as np
import torch
from torch import Tensor

from medmamba.data import Split
from medmamba.errors import DataError, RequestError
from medmamba.tasks import Task


class Pool:
    """All training pictures, drawn at random with the shares of tasks and classes evened out."""

    def __init__(self, tasks: tuple[Task, ...], splits: list[Split]) -> None:
        self.tasks = tasks
        self.splits = [torch.from_numpy(split.squares) for split in splits]
        self.labels = torch.from_numpy(np.concatenate([split.labels for split in splits]))
        self.task = torch.cat([torch.full((len(split),), number) for number, split in enumerate(splits)])
        self.index = torch.cat([torch.arange(len(split)) for split in splits])

    def drawn_above_natural(self, balance: float) -> list[Tensor]:
        """For each task (classes,): log of how often a class is drawn, over how often by its share of the pictures."""
        weights = self._weights(balance, {})
        shifts = []
        for number, task in enumerate(self.tasks):
            members = self.task == number
            shift = torch.zeros(len(task.classes))
            for label in self.labels[members & (self.labels >= 0)].unique():
                of_class = weights[members & (self.labels == label)][0]
                shift[label] = (of_class / weights[members].mean()).log()
            shifts.append(shift)
        return shifts

    def batches(
        self, batch: int, balance: float, emphasis: Mapping[int, float], random: torch.Generator
    ) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Endless batches: pictures (batch, 3, H, W) in [0, 1], labels (batch,), task numbers (batch,).

        balance: see ``class_shares``, for tasks likewise. emphasis: task number -> factor on the task's share.

        Raises:
            RequestError: the shares are too large or too small to be numbers.
        """
        weights = self._weights(balance, emphasis)
        if not 0 < weights.sum() < math.inf:
            raise RequestError("Shares so far apart cannot be drawn: take --balance and --emphasis nearer to 1.")
        while True:
            drawn = torch.multinomial(weights, batch, replacement=True, generator=random)
            tasks = self.task[drawn]
            squares = torch.stack([self.splits[t][i] for t, i in zip(tasks, self.index[drawn], strict=True)])
            yield squares.permute(0, 3, 1, 2).float() / 255, self.labels[drawn], tasks

    def _weights(self, balance: float, emphasis: Mapping[int, float]) -> Tensor:
        weights = torch.zeros(len(self.labels), dtype=torch.float64)
        for number in range(len(self.splits)):
            members = self.task == number
            classes, counts = self.labels[members].unique(return_counts=True)
            shares = class_shares(counts, balance)
            share_of_task = members.sum().double() ** balance * emphasis.get(number, 1.0)
            for label, share, count in zip(classes, shares, counts, strict=True):
                weights[members & (self.labels == label)] = share_of_task * share / count
        return weights


def class_shares(counts: Tensor, balance: float) -> Tensor:
    """Shares (classes,) among the pictures drawn from a task whose classes have so many (classes,).

    balance: the power of a class's size in its share: 0 equal, 1 natural.
    """
    powers = torch.where(counts > 0, counts.double() ** balance, 0.0)
    return powers / powers.sum()


def by_task(flag: str, text: str, names: list[str], most: float = math.inf) -> dict[int, float]:
    """Task number -> value, of ``"name=value,name=value"`` that was given for a flag.

    Raises:
        DataError: a name is none of the tasks', or a value is no positive number, or more than ``most``.
    """
    values = {}
    for entry in filter(None, text.split(",")):
        name, _, value = entry.partition("=")
        try:
            values[names.index(name)] = float(value)
        except ValueError:
            raise DataError(f"{flag} wants task=number with a task of the recipe; this is not one: {entry}.") from None
        if not 0 < values[names.index(name)] <= most or math.isinf(values[names.index(name)]):
            bound = "" if math.isinf(most) else f", at most {most:g}"
            raise DataError(f"{flag} wants positive numbers{bound}; not this: {entry}.")
    return values
