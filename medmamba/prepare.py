"""``python -m medmamba data``: the paper's sixteen data sets, and a download of one turned into a tree to train on.

``prepare`` writes ``<out>/<name>/{train,val,test}/<class>/`` and, beside the splits, ``tasks.json``, the recipe that
``train --tasks`` takes. Pictures of folders and tables are copied as they are; those of MedMNIST files become PNGs.
What has patient numbers is split by patient; what has none by picture, identical files together. The groups are dealt
by scikit-learn's StratifiedGroupKFold into tenths that are alike in their classes.
"""

import argparse
import json
import shutil
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
from tqdm import tqdm

from medmamba import data_sets, downloads
from medmamba.arguments import new_folder, whole_from
from medmamba.data import picture_paths
from medmamba.data_sets import FOLDS, SEED, SPLITS, DataSet, MedMnist, Table
from medmamba.downloads import Item
from medmamba.errors import DataError, RequestError
from medmamba.replacing import making
from medmamba.tasks import Task

RECIPE = "tasks.json"
BY_PICTURE = "Split by picture: those of one patient, and copies, may be on both sides."  # a caveat for the card


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    acts = parser.add_subparsers(dest="act", required=True, metavar="list|show|prepare")
    acts.add_parser("list", help="all sets, with the figures of the paper's MedMamba-T")
    show = acts.add_parser("show", help="all that is known of a set, and what was derived")
    show.add_argument("name", metavar="NAME")
    making = acts.add_parser("prepare", help="turn a download into a tree of train, val and test")
    making.add_argument("name", metavar="NAME")
    source = making.add_mutually_exclusive_group(required=True)
    source.add_argument("--from", dest="source", type=Path, metavar="PATH", help="what was downloaded, unpacked")
    source.add_argument(
        "--medmnist", type=int, metavar="SIDE", help="have the medmnist package download it: 28, 64, 128 or 224 pixels"
    )
    making.add_argument("--out", type=new_folder, required=True, metavar="DIR", help="the data folder; gets DIR/NAME")
    making.add_argument("--seed", type=whole_from(0), default=SEED, help="of the split (default: %(default)s)")
    making.add_argument(
        "--by-picture", action="store_true", help="split by picture even where patients are known, as the paper did"
    )


def run(arguments: argparse.Namespace) -> int:
    """List, show, or prepare and say what does not fit: 0 if all fits, 1 if the tree was written all the same."""
    if arguments.act == "list":
        print(table())
        return 0
    found = data_sets.find(arguments.name)
    if arguments.act == "show":
        print(description(found))
        return 0
    source = arguments.source
    if arguments.medmnist is not None:
        if not isinstance(found.tree, MedMnist):
            raise RequestError(f"{found.title} is not of MedMNIST; download it from {found.page} and use --from.")
        source = downloads.through_medmnist(found.tree, arguments.medmnist, arguments.out)
    remarks = prepare(found, source, arguments.out, arguments.seed, arguments.by_picture)
    for split in SPLITS:
        paths = picture_paths(arguments.out, found.task(), split)
        counts = Counter(path.parent.name for path in paths)
        print(f"{split:6}{len(paths):8}  " + ", ".join(f"{c.name} {counts[c.name]}" for c in found.classes))
    print(f"The recipe to train from is {RECIPE}, beside the splits. Licence: {found.licence}.")
    print("\n".join(["What does not fit:", *(f"  {remark}" for remark in remarks)] if remarks else ["All counts fit."]))
    return 1 if remarks else 0


def prepare(data_set: DataSet, source: Path, out: Path, seed: int = SEED, by_picture: bool = False) -> list[str]:
    """Write the tree of a set under ``out``; returns what does not fit its description, sentence by sentence.

    by_picture: patients may stand on both sides, as in replications of the paper; for figures to compare with its own.

    Raises:
        DataError: the set is private, ``source`` does not hold it, or ``out`` has something of that name already.
    """
    tree = data_set.tree
    if tree is None:
        raise DataError(f"{data_set.title} is private ({data_set.licence}): there is nothing to prepare.")
    if (out / data_set.name).exists():
        raise DataError(f"The output folder holds {data_set.name} already; name another one, or remove it first.")
    if not source.exists():
        raise DataError("There is nothing at the path given with --from.")
    task = data_set.task()
    remarks: list[str] = []
    splits: Iterable[tuple[str, list[Item]]]
    if isinstance(tree, MedMnist):
        splits = downloads.read_splits(data_set, tree, source, remarks)
    else:
        items = (
            downloads.read_table(data_set, tree, source, remarks)
            if isinstance(tree, Table)
            else downloads.read_folders(data_set, tree, source, remarks)
        )
        splits = deal(items, seed, by_picture).items()
        if by_picture:
            task = replace(task, caveat=f"{task.caveat} {BY_PICTURE}")
    _write(task, splits, out / data_set.name)
    return remarks + differences(data_set, out)


def deal(items: Sequence[Item], seed: int, by_picture: bool = False) -> dict[str, list[Item]]:
    """Items by split, in the shares of ``FOLDS``; no group is in two splits, unless ``by_picture``.

    Raises:
        DataError: there are fewer groups than tenths, or fewer pictures in the smallest class.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    labels = np.array([item.label for item in items])
    groups = np.array([str(place) if by_picture else item.group for place, item in enumerate(items)])
    tenths = sum(FOLDS.values())
    if len(set(groups)) < tenths or min(Counter(labels.tolist()).values()) < tenths:
        raise DataError(f"There are too few pictures to split: each class needs {tenths}, of {tenths} groups in all.")
    dealer = StratifiedGroupKFold(tenths, shuffle=True, random_state=seed)
    folds = [held_out for _, held_out in dealer.split(labels, labels, groups)]
    found, first = {}, 0
    for split, share in FOLDS.items():
        found[split] = [items[place] for place in np.sort(np.concatenate(folds[first : first + share]))]
        first += share
    return found


def differences(data_set: DataSet, out: Path) -> list[str]:
    """How the pictures of the written tree, counted anew, differ from what the set is known to hold."""
    found: Counter[str] = Counter()
    for split in SPLITS:
        for path in picture_paths(out, data_set.task(), split):
            found[split if isinstance(data_set.tree, MedMnist) else path.parent.name] += 1
    return [
        f"{name}: {found[name]} pictures, where the set has {count}."
        for name, count in data_set.pictures.items()
        if found[name] != count
    ]


def table() -> str:
    """The sets as lines of text."""
    lines = [f"{'name':17}{'modality':28}classes  pictures  {'licence':40}MedMamba-T: accuracy    AUC"]
    for s in data_sets.every().values():
        licence = s.licence if len(s.licence) < 39 else s.licence[:35] + "..."
        lines.append(
            f"{s.name:17}{s.modality:28}{len(s.classes):7}{s.total:10}  {licence:40}"
            f"{s.paper['accuracy']:20.3f}{s.paper['auc']:7.3f}"
        )
    return "\n".join(lines)


def description(data_set: DataSet) -> str:
    """All that is known of a set, as lines of text."""
    tree = data_set.tree
    rows: Mapping[str, str] = {
        "modality": data_set.modality,
        "question": data_set.question,
        "classes": ", ".join(c.name for c in data_set.classes),
        "their order": data_set.order,
        "pictures": f"{data_set.total}: " + ", ".join(f"{name} {n}" for name, n in data_set.pictures.items()),
        "download": data_set.page or "none",
        "licence": data_set.licence,
        "expected": tree.words if tree else "nothing, since it is private",
        "split here": data_set.split_rule,
        "MedMamba-T": ", ".join(f"{name} {value:.3f}" for name, value in data_set.paper.items()),
        "caveat": data_set.caveat,
    }
    digests = tree.md5 if isinstance(tree, MedMnist) else {}
    lines = [data_set.title, *(f"  {name:12} {words}" for name, words in rows.items())]
    lines += [f"  {'md5':12} {digest} ({side} pixels)" for side, digest in digests.items()]
    return "\n".join([*lines, *(f"  {'derived':12} {sentence}" for sentence in data_set.derived)])


def _write(task: Task, splits: Iterable[tuple[str, list[Item]]], place: Path) -> None:
    """The tree, under another name until it is whole, so that half of one is never taken for it."""
    partial = place.with_name(f"{place.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    with making(partial):
        for split, items in splits:
            for c in task.classes:
                (partial / split / c.name).mkdir(parents=True)
            for item in tqdm(items, desc=split, unit="pictures", delay=2):
                item.write(partial / split / task.classes[item.label].name / item.name)
        recipe = {key: value for key, value in asdict(task).items() if key != "npz"}
        (partial / RECIPE).write_text(json.dumps({"tasks": [recipe]}, indent=1) + "\n", encoding="utf-8")
    partial.replace(place)
