"""What a user downloaded of one of the paper's sets, found and labelled: tables of pictures, class folders, MedMNIST.

Each reader also collects remarks: sentences on what does not fit, none of which names a file.
"""

import csv
import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from medmamba.data import read_medmnist
from medmamba.data_sets import SPLITS, ClassFolders, DataSet, MedMnist, Table
from medmamba.errors import DataError, RequestError
from medmamba.listing import files_in, folders_in

PICTURES = {".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff"}


@dataclass(frozen=True)
class Item:
    """A picture to be written under ``name``.

    label: its class's place. group: pictures of one group share a split. write: called with the path to write to.
    """

    label: int
    group: str
    name: str
    write: Callable[[Path], object]


def read_table(data_set: DataSet, table: Table, source: Path, remarks: list[str]) -> list[Item]:
    """The pictures that a table names, grouped by patient, by name; of several rows of a picture the first one counts.

    Raises:
        DataError: there is no such table, or none of its rows fits a picture.
    """
    found = sorted(source.rglob(table.file)) if source.is_dir() else []
    if len(found) != 1:
        raise DataError(f"{_expected(data_set)} {len(found)} tables of that name were found.{_packed(source)}")
    pictures = _pictures(source)
    files = {path.name: path for path in pictures}
    numbers = {c.name.casefold(): place for place, c in enumerate(data_set.classes)}
    items: dict[str, Item] = {}
    absent = unknown = again = 0
    rows = list(_rows(data_set, table, found[0]))
    for picture, category, patient in rows:
        path, label = files.get(picture + table.suffix), numbers.get(category.casefold())
        absent, unknown = absent + (path is None), unknown + (label is None)
        if path and label is not None:
            again += path.name in items
            items.setdefault(path.name, Item(label, patient or path.name, path.name, _copying(path)))
    if not items:
        raise DataError(f"{_expected(data_set)} None of {len(rows)} rows fits a picture.{_packed(source)}")
    if absent:
        remarks.append(f"{absent} rows of the table name a picture that is not there.{_packed(source)}")
    if unknown:
        remarks.append(f"{unknown} rows of the table have a class that the set does not know.")
    if again:
        remarks.append(f"{again} rows of the table name a picture that a row before names; they were left out.")
    if twice := len(pictures) - len(files):
        remarks.append(f"{twice} pictures were left out, since another one has the same name.")
    if extra := len(files) - len(items):
        remarks.append(f"{extra} pictures were left out, since no row of the table gives them a class.")
    return [items[name] for name in sorted(items)]


def read_folders(data_set: DataSet, _: ClassFolders, source: Path, remarks: list[str]) -> list[Item]:
    """The pictures of class folders, grouped with those that are the same byte for byte.

    Of folders in a class folder, the way there becomes a part of their pictures' names, as ``second-visit-7.jpg``.

    Raises:
        DataError: a class has no folder, or several; or two pictures of one would have the same name.
    """
    folders: dict[str, list[Path]] = {c.name.casefold(): [] for c in data_set.classes}
    for folder in folders_in(source, deep=True):
        folders.get(folder.name.casefold(), []).append(folder)
    if torn := [c.name for c in data_set.classes if len(folders[c.name.casefold()]) != 1]:
        raise DataError(f"{_expected(data_set)} Not found, or more than once: {', '.join(torn)}.{_packed(source)}")
    items: list[Item] = []
    classes_of: dict[str, set[int]] = {}
    for label, c in enumerate(data_set.classes):
        folder = folders[c.name.casefold()][0]
        names = {path: "-".join(path.relative_to(folder).parts) for path in _pictures(folder)}
        if len({*names.values()}) < len(names):
            raise DataError(
                f"Two pictures in folders of the class {c.name} would get the same name, made of folder and file. "
                "Rename one."
            )
        for path, name in names.items():
            content = hashlib.sha256(path.read_bytes()).hexdigest()
            classes_of.setdefault(content, set()).add(label)
            items.append(Item(label, content, name, _copying(path)))
    if copies := len(items) - len(classes_of):
        remarks.append(f"{copies} pictures are copies of others, byte for byte; copies share a split.")
    if several := sum(len(labels) > 1 for labels in classes_of.values()):
        remarks.append(f"{several} pictures stand in more than one class.")
    return items


def read_splits(
    data_set: DataSet, tree: MedMnist, source: Path, remarks: list[str]
) -> Iterator[tuple[str, list[Item]]]:
    """A MedMNIST file's splits, one after the other, since those of 224 pixels are large.

    Raises:
        DataError: there is no such file or more than one, it is damaged, or its labels are not the set's.
    """
    names = {f"{tree.name}.npz", *(f"{tree.name}_{side}.npz" for side in tree.md5)}
    found = [source] if source.is_file() else sorted(path for path in source.glob("*.npz") if path.name in names)
    if len(found) != 1:
        raise DataError(f"{_expected(data_set)} {len(found)} such files were found; name one.{_packed(source)}")
    with found[0].open("rb") as file:
        if hashlib.file_digest(file, "md5").hexdigest() not in tree.md5.values():
            remarks.append("The file is none of those whose checksums MedMNIST has published.")
    for split in SPLITS:
        pictures, labels = read_medmnist(found[0], split, len(data_set.classes))
        yield (
            split,
            [
                Item(int(label), str(number), f"{split}-{number:06}.png", Image.fromarray(picture).save)
                for number, (picture, label) in enumerate(zip(pictures, labels, strict=True))
            ],
        )


def through_medmnist(tree: MedMnist, side: int, folder: Path) -> Path:
    """Have the medmnist package download its file into ``folder``; the file.

    Raises:
        RequestError: the package is not installed, or there are no pictures of that side.
        DataError: the download failed.
    """
    if side not in tree.md5:
        raise RequestError(f"MedMNIST has pictures of {', '.join(map(str, tree.md5))} pixels a side, not {side}.")
    try:
        import medmnist
    except ImportError as error:
        raise RequestError("The medmnist package is not installed; pip install medmnist.") from error
    folder.mkdir(parents=True, exist_ok=True)
    home = getattr(medmnist, medmnist.INFO[tree.name]["python_class"])
    try:
        home(split="train", root=str(folder), size=side, download=True)
    except RuntimeError as error:  # whatever went wrong, it raises this one
        raise DataError(
            "The medmnist package got no file. Check the connection, or download it and use --from."
        ) from error
    return folder / (f"{tree.name}.npz" if side == 28 else f"{tree.name}_{side}.npz")


def _rows(data_set: DataSet, table: Table, path: Path) -> Iterator[tuple[str, str, str]]:
    """Picture, class and patient of each row; some headings in the wild end in a blank."""
    wanted = (table.picture, table.category, table.patient)
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = csv.reader(file, delimiter=table.delimiter)
            heading = [name.strip() for name in next(rows, [])]
            if absent := [name for name in wanted if name not in heading]:
                raise DataError(f"{_expected(data_set)} The table lacks columns: {', '.join(absent)}.")
            places = [heading.index(name) for name in wanted]
            for row in rows:
                if len(row) > max(places):
                    picture, category, patient = (row[place].strip() for place in places)
                    yield picture, category, patient
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{_expected(data_set)} The table cannot be read as text.") from error


def _pictures(folder: Path) -> list[Path]:
    return [path for path in files_in(folder, deep=True) if path.suffix.lower() in PICTURES]


def _copying(path: Path) -> Callable[[Path], object]:
    return lambda target: target.write_bytes(path.read_bytes())


def _expected(data_set: DataSet) -> str:
    assert data_set.tree
    return f"{data_set.title} is expected as {data_set.tree.words}."


def _packed(source: Path) -> str:
    packed = len(list(source.rglob("*.zip"))) if source.is_dir() else 0
    return f" The folder holds {packed} ZIP files: unpack them first." if packed else ""
