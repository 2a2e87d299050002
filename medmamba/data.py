"""Labelled pictures on disk -> arrays: ImageFolder trees and MedMNIST files.

    <root>/<task>/{train,val,test}/<class>/<picture>        ImageFolder: folder = class
    <root>/<file>.npz                                        MedMNIST: {split}_images, {split}_labels

Pictures come through the same door as the page's (``images.read``) and are squared by the same transform, once; the
squares of a split fit in memory and are cached as one file a task.
"""

import hashlib
import os
import secrets
import zlib
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.lib.npyio import NpzFile

from medmamba import images
from medmamba.errors import DataError, ImageError
from medmamba.listing import files_in, folders_in
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
        pictures, labels = read_medmnist(root / task.npz, split, len(task.classes))
        transform = Transform(size)
        colour = (p if p.ndim == 3 else np.repeat(p[:, :, None], 3, axis=2) for p in pictures)
        return Split(_stacked([transform.to_square(picture) for picture in colour], size), labels)
    paths, labels = _listing(root / task.name, task, split)
    if cache is None:
        return Split(_read_squares(paths, size), labels)
    cached = cache / f"{task.name}-{split}-{size}-{_fingerprint(paths)}.npy"
    if not cached.exists():
        cached.parent.mkdir(parents=True, exist_ok=True)  # a task's name may have folders in it
        partial = cached.with_suffix(f".{secrets.token_hex(4)}.partial.npy")  # others may be filling the same cache
        try:
            np.save(partial, _read_squares(paths, size))
            partial.replace(cached)
        finally:
            partial.unlink(missing_ok=True)
    return Split(np.load(cached), labels)


def load_folder(folder: Path, task: Task, size: int) -> Split:
    """Read one folder of class folders, wherever it is.

    Raises:
        DataError: its class folders are not the task's classes.
        ImageError: a picture cannot be read; the message says which.
    """
    paths, labels = _listing(folder.parent, task, folder.name)
    return Split(_read_squares(paths, size), labels)


def count_pictures(root: Path, task: Task, split: str) -> int:
    """How many a split has, told without reading one.

    Raises:
        DataError: as for ``load_split``.
    """
    if not task.npz:
        return len(picture_paths(root, task, split))
    with _medmnist(root / task.npz, split) as arrays:
        names = [name for name in (f"{split}_labels", f"{split}_images") if name in arrays]
        return len(arrays[names[0]]) if names else 0


def check_classes(root: Path, tasks: Iterable[Task], split: str) -> None:
    """Refuse classes without a picture in a split, before any is read; tasks without classes have nothing to refuse.

    Raises:
        DataError: there are such classes; or as for ``load_split``.
    """
    empty = [f"{task.name}/{name}" for task in tasks if task.classes for name in _empty_classes(root, task, split)]
    if empty:
        raise DataError(
            f"Classes without a picture in {split}: {', '.join(empty)}. Put some into the data folder, or train "
            "without these classes."
        )


def _empty_classes(root: Path, task: Task, split: str) -> list[str]:
    if task.npz:
        with _medmnist(root / task.npz, split) as arrays:
            labels = arrays.get(f"{split}_labels", ())
    else:
        labels = _listing(root / task.name, task, split)[1]
    return [name for number, name in enumerate(task.class_names) if not np.isin(number, labels)]


def picture_paths(root: Path, task: Task, split: str) -> list[Path]:
    """The files of a split of an ImageFolder task, in the order of ``load_split``."""
    return _listing(root / task.name, task, split)[0]


def read_medmnist(path: Path, split: str, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Pictures (n, H, W[, 3]) uint8 and labels (n,) int64 of a MedMNIST file; none where it has no such split.

    classes: how many the labels count; without any, all pictures are UNLABELLED.

    Raises:
        DataError: there is no such file, it is damaged or none of MedMNIST, or its labels do not fit.
    """
    with _medmnist(path, split) as arrays:
        splits = {name.rpartition("_")[0] for name in arrays.files if name.endswith(("_images", "_labels"))}
        if splits and split not in splits:
            return np.zeros((0, 28, 28), np.uint8), np.zeros(0, np.int64)
        pictures, labels = arrays[f"{split}_images"], arrays[f"{split}_labels"]
    if pictures.dtype != np.uint8 or not (pictures.ndim == 3 or (pictures.ndim == 4 and pictures.shape[3] == 3)):
        raise DataError(f"The pictures of {split} in {path.name} are not 8-bit grey or colour.")
    if not classes:
        return pictures, np.full(len(pictures), UNLABELLED, dtype=np.int64)
    if labels.shape not in ((len(pictures),), (len(pictures), 1)) or not np.isin(labels, np.arange(classes)).all():
        raise DataError(f"The labels of {split} in {path.name} do not fit its pictures, or not the {classes} classes.")
    return pictures, labels.reshape(-1).astype(np.int64)


@contextmanager
def _medmnist(path: Path, split: str) -> Iterator[NpzFile]:
    """The arrays of a MedMNIST file; whatever keeps those of ``split`` from being read is a DataError."""
    if not path.is_file():
        raise DataError(f"There is no file {path.name}; MedMNIST files come from medmnist.com.")
    try:
        with path.open("rb") as file, np.load(file) as arrays:  # never unpickles: allow_pickle is off
            yield arrays
    except (OSError, EOFError, ValueError, KeyError, TypeError, BadZipFile, zlib.error) as error:
        raise DataError(
            f"{path.name} is damaged or not a MedMNIST file: {split}_images and {split}_labels cannot be read."
        ) from error


def _listing(folder: Path, task: Task, split: str) -> tuple[list[Path], np.ndarray]:
    if not folder.is_dir():
        raise DataError(
            f"There is no folder for the task {task.name}; expected {task.name}/{split}/<class>/<pictures>."
        )
    classes = {path.name: path for path in folders_in(folder / split)}
    expected = set(task.class_names) if task.classes else set(classes)
    if classes and set(classes) != expected:
        raise DataError(
            f"The class folders of {task.name}/{split} do not fit the task: missing {sorted(expected - set(classes))}, "
            f"unknown {sorted(set(classes) - expected)}."
        )
    if closed := [name for name, path in classes.items() if not os.access(path, os.R_OK | os.X_OK)]:
        raise DataError(f"Class folders of {task.name}/{split} may not be looked into: {', '.join(closed)}.")
    paths, labels = [], []
    for name in task.class_names or sorted(classes):
        found = files_in(classes[name]) if name in classes else []
        paths += found
        labels += [task.class_names.index(name) if task.classes else UNLABELLED] * len(found)
    return paths, np.array(labels, dtype=np.int64)


def _fingerprint(paths: Iterable[Path]) -> str:
    """Twelve digits that are others where a picture was added, taken away, renamed or replaced.

    They are of the contents and not of times, which change when a data set is copied: the squares are many times as
    large as the pictures, so that reading these as well costs little.
    """
    digest = hashlib.sha256()
    for path in paths:
        content = path.read_bytes() if os.access(path, os.R_OK) else b""  # that it cannot be read is said on squaring
        digest.update(os.fsencode(f"{path.parent.name}/{path.name} {len(content)}\n") + content)
    return digest.hexdigest()[:12]


def _read_squares(paths: Iterable[Path], size: int) -> np.ndarray:
    transform = Transform(size)

    def square(path: Path) -> np.ndarray:
        try:
            return transform.to_square(images.read(path, guarded=False).display())
        except ImageError as error:
            number = files_in(path.parent).index(path) + 1  # not its name, which may be a patient's
            raise ImageError(f"File {number}, by name, of the class folder {path.parent.name}: {error}") from error

    with ThreadPoolExecutor() as threads:
        return _stacked(list(threads.map(square, paths)), size)


def _stacked(squares: Sequence[np.ndarray], size: int) -> np.ndarray:
    """(n, size, size, 3), where there are none too."""
    return np.stack(squares) if squares else np.zeros((0, size, size, 3), np.uint8)
