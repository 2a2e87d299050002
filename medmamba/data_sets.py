"""The paper's sixteen data sets: what they are, where they come from, how they are split, and what MedMamba-T scored.

The facts are in ``data_sets.json``. The paper's list is that of the table in the README of the authors' repository,
from which the figures of T come too; the ten MedMNIST sets are described as the medmnist package 3.0.2 describes them;
``derived`` says of each set what no source states, and what it was derived from. Two sets are private: nobody outside
can prepare them.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal, Self

from medmamba.errors import DataError
from medmamba.tasks import ClassName, Task

FACTS = Path(__file__).with_name("data_sets.json")
SPLITS = ("train", "val", "test")
SEED = 1
FOLDS = {"train": 6, "val": 1, "test": 3}  # tenths, as the replications of the paper have them


@dataclass(frozen=True)
class Table:
    """A table that names a file of pictures in each row; ``suffix`` is what its names lack."""

    file: str
    delimiter: str
    picture: str
    category: str
    patient: str
    suffix: str = ""

    @property
    def words(self) -> str:
        """The expected tree."""
        return f"{self.file} (columns {self.picture}, {self.category}, {self.patient}) and the pictures, at any depth"


@dataclass(frozen=True)
class ClassFolders:
    """A folder of pictures for each class, at any depth."""

    words = "one folder of pictures for each class, named as the class, at any depth"


@dataclass(frozen=True)
class MedMnist:
    """A MedMNIST file; ``md5`` by side in pixels."""

    name: str
    md5: Mapping[int, str]

    @property
    def words(self) -> str:
        """The expected file."""
        return f"{self.name}.npz (28 pixels), or " + ", ".join(f"{self.name}_{s}.npz" for s in self.md5 if s != 28)


@dataclass(frozen=True)
class DataSet:
    """One set.

    classes: in the order of the weights, as far as that is known; ``order`` says how it is.
    pictures: how many there are, by split for MedMNIST, else by class. tree: what a download holds; None if private.
    paper: precision, sensitivity, specificity, f1, accuracy (0 to 1, macro means) and auc of the paper's MedMamba-T.
    derived: what was derived, and from what. resembles: other tasks with pictures of the same source -> the difference.
    """

    name: str
    title: str
    modality: str
    question: str
    access: Literal["public", "private"]
    classes: tuple[ClassName, ...]
    pictures: Mapping[str, int]
    order: str
    page: str
    licence: str
    tree: Table | ClassFolders | MedMnist | None
    source: str
    caveat: str
    paper: Mapping[str, float]
    derived: tuple[str, ...]
    resembles: Mapping[str, str]

    @classmethod
    def from_json(cls, entry: Mapping[str, Any]) -> Self:
        """Build a set from its entry among the facts."""
        fields = {"resembles": {}} | dict(entry)
        fields["classes"] = tuple(ClassName(**c) for c in entry["classes"])
        fields["derived"] = tuple(entry["derived"])
        fields["tree"] = _tree(entry["name"], entry["tree"])
        return cls(**fields)

    @property
    def total(self) -> int:
        """All pictures."""
        return sum(self.pictures.values())

    @property
    def split_rule(self) -> str:
        """How this project splits it."""
        shares = "/".join(str(10 * tenths) for tenths in FOLDS.values())
        if isinstance(self.tree, MedMnist):
            return "MedMNIST's own splits"
        if isinstance(self.tree, Table):
            return f"{shares} by patient, classes evened out, seed {SEED} unless another is asked for"
        if self.tree:
            return (
                f"{shares} by picture, identical files together, classes evened out, seed {SEED} unless asked otherwise"
            )
        return "unknown"

    def task(self) -> Task:
        """The set as a task to train on, after ``prepare``."""
        return Task(
            name=self.name,
            modality=self.modality,
            question=self.question,
            classes=self.classes,
            source=f"{self.source}; {self.page}" if self.page else self.source,
            licence=self.licence,
            caveat=self.caveat,
        )


@cache
def every() -> Mapping[str, DataSet]:
    """All sets by name, in the order of the authors' table."""
    entries = json.loads(FACTS.read_text(encoding="utf-8"))["sets"]
    return {entry["name"]: DataSet.from_json(entry) for entry in entries}


def find(name: str) -> DataSet:
    """The set of that name.

    Raises:
        DataError: there is none.
    """
    if name not in every():
        raise DataError(f"There is no data set {name!r}; there are: {', '.join(every())}.")
    return every()[name]


def of_paper(task: str) -> tuple[DataSet, str] | None:
    """The set to hold a task's figures against, and how the task's pictures differ from it; None if there is none."""
    if own := every().get(task):
        same = isinstance(own.tree, MedMnist)
        return own, "the same pictures and split" if same else "the same pictures, another split"
    return next(((s, s.resembles[task]) for s in every().values() if task in s.resembles), None)


def _tree(name: str, entry: Mapping[str, Any] | None) -> Table | ClassFolders | MedMnist | None:
    if entry is None:
        return None
    fields = {key: value for key, value in entry.items() if key != "kind"}
    if entry["kind"] == "medmnist":
        return MedMnist(name, {int(side): digest for side, digest in entry["md5"].items()})
    if entry["kind"] == "table":
        return Table(category=fields.pop("class"), **fields)
    return ClassFolders()
