"""Labelled pictures on disk -> arrays: ImageFolder trees and MedMNIST files.

    <root>/<task>/{train,val,test}/<class>/<picture>        ImageFolder: folder = class
    <root>/<file>.npz                                        MedMNIST: {split}_images, {split}_labels

Pictures come through the same door as the page's (``images.read``) and are squared by the same transform, once; the
squares of a split fit in memory and are cached as one file a task.
"""

import hashlib
import secrets
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from medmamba import images
from medmamba.errors import DataError, ImageError
from medmamba.preprocess import Transform
from medmamba.tasks import Task

UNLABELLED = -1


@dataclass(frozen=True)
class Split:
    """Pictures of one task: squares (n, size, size, 3) uint8, labels (n,) int64, UNLABELLED if it has no classes."""

    squares: np.ndarray
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)


def load_split(root: Path, task: Task, split: str, size: int, cache: Path | None = None) -> Split:
    """Read ``split`` ("train", "val" or "test") of a task at ``size`` pixels; empty when the task has no such split.

    Raises:
        DataError: the folder is missing, or its class folders are not the task's classes.
        ImageError: a picture cannot be read; the message says which.
    """
    if task.npz:
        return _from_medmnist(root / task.npz, split, size)
    paths, labels = _listing(root / task.name, task, split)
    if cache is None:
        return Split(_read_squares(paths, size), labels)
    names = "".join(f"{p.parent.name}/{p.name}\n" for p in paths)
    cached = cache / f"{task.name}-{split}-{size}-{hashlib.sha256(names.encode()).hexdigest()[:12]}.npy"
    if not cached.exists():
        cache.mkdir(parents=True, exist_ok=True)
        partial = cached.with_suffix(f".{secrets.token_hex(4)}.partial.npy")  # others may be filling the same cache
        np.save(partial, _read_squares(paths, size))
        partial.replace(cached)
    return Split(np.load(cached), labels)


def load_folder(folder: Path, task: Task, size: int) -> Split:
    """Read one folder of class folders, wherever it is.

    Raises:
        DataError: its class folders are not the task's classes.
        ImageError: a picture cannot be read; the message says which.
    """
    paths, labels = _listing(folder.parent, task, folder.name)
    return Split(_read_squares(paths, size), labels)


def picture_paths(root: Path, task: Task, split: str) -> list[Path]:
    """The files of a split of an ImageFolder task, in the order of ``load_split``."""
    return _listing(root / task.name, task, split)[0]


def _listing(folder: Path, task: Task, split: str) -> tuple[list[Path], np.ndarray]:
    if not folder.is_dir():
        raise DataError(
            f"There is no folder for the task {task.name}; expected {task.name}/{split}/<class>/<pictures>."
        )
    classes = {path.name: path for path in (folder / split).glob("*") if path.is_dir()}
    expected = set(task.class_names) if task.classes else set(classes)
    if classes and set(classes) != expected:
        raise DataError(
            f"The class folders of {task.name}/{split} do not fit the task: missing {sorted(expected - set(classes))}, "
            f"unknown {sorted(set(classes) - expected)}."
        )
    paths, labels = [], []
    for name in task.class_names or sorted(classes):
        found = sorted(p for p in classes[name].iterdir() if p.is_file()) if name in classes else []
        paths += found
        labels += [task.class_names.index(name) if task.classes else UNLABELLED] * len(found)
    return paths, np.array(labels, dtype=np.int64)


def _read_squares(paths: Iterable[Path], size: int) -> np.ndarray:
    transform = Transform(size)

    def square(path: Path) -> np.ndarray:
        try:
            return transform.to_square(images.read(path, guarded=False).display())
        except ImageError as error:
            number = sorted(path.parent.iterdir()).index(path) + 1  # not its name, which may be a patient's
            raise ImageError(f"File {number}, by name, of the class folder {path.parent.name}: {error}") from error

    with ThreadPoolExecutor() as threads:
        squares = list(threads.map(square, paths))
    return np.stack(squares) if squares else np.zeros((0, size, size, 3), np.uint8)


def _from_medmnist(path: Path, split: str, size: int) -> Split:
    if not path.is_file():
        raise DataError(f"There is no file {path.name}; MedMNIST files come from medmnist.com.")
    transform = Transform(size)
    try:
        with path.open("rb") as file, np.load(file) as arrays:  # never unpickles: allow_pickle is off
            pictures, labels = arrays[f"{split}_images"], arrays[f"{split}_labels"]
    except (OSError, EOFError, ValueError, KeyError, TypeError, BadZipFile) as error:
        raise DataError(
            f"{path.name} is damaged or not a MedMNIST file: {split}_images and {split}_labels cannot be read."
        ) from error
    if pictures.ndim == 3:
        pictures = np.repeat(pictures[..., None], 3, axis=-1)
    return Split(np.stack([transform.to_square(p) for p in pictures]), labels.reshape(-1).astype(np.int64))
