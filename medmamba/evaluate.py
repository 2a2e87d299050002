"""``python -m medmamba evaluate``: measure a checkpoint on labelled pictures; every number of its card comes from here.

DIR holds tasks (``<task>/<split>/<class>/``, or the MedMNIST file that a task names), or is itself one task's tree
(``<split>/<class>/`` or ``<class>/``) whose class folders carry the task's class names. Tasks that are not found are
left out. Pictures are read by the page's reader, so that DICOM files may be among them.
"""

import argparse
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from medmamba import (
    calibrate,
    card_words,
    catalogue,
    checkpoints,
    conformal,
    data_sets,
    metrics,
    novelty,
    official,
    registry,
    strangers,
)
from medmamba.arguments import new_file, new_folder
from medmamba.checkpoints import Card
from medmamba.classifier import ROUTER, ClassScore, band_of
from medmamba.data import Split, load_folder, load_split
from medmamba.errors import DataError, RequestError
from medmamba.listing import folders_in
from medmamba.network import Network
from medmamba.observe import Observed, observe
from medmamba.replacing import replacing
from medmamba.tasks import OutputLayout, Task

NOVELTY = "novelty"  # its key among a card's metrics


def find_splits(layout: OutputLayout, root: Path, split: str, size: int) -> Iterator[tuple[Task, Split]]:
    """The layout's tasks that have pictures in ``split`` under ``root``, one after the other.

    Raises:
        DataError: there are none, or a task's class folders are not its classes.
    """
    if not root.is_dir():
        raise DataError("The data folder does not exist.")
    found = 0
    for task in layout.tasks:
        place = root / (task.npz or task.name)
        if place.exists() and len(pictures := load_split(root, task, split, size)):
            found += 1
            yield task, pictures
    for folder in () if found else (root / split, root):
        meant = _task_meant(layout, {path.name for path in folders_in(folder)})
        if meant and len(pictures := load_folder(folder, meant, size)):
            yield meant, pictures
            return
    if not found:
        known = ", ".join(task.name for task in layout.tasks)
        raise DataError(f"No pictures for the split {split!r} of any task of this checkpoint were found: {known}.")


def _task_meant(layout: OutputLayout, folders: set[str]) -> Task | None:
    """The task whose classes the folders are; else one that shares some, whose reading says what does not fit."""

    def common(task: Task) -> float:
        classes = {*task.class_names}
        return len(folders & classes) / max(len(folders | classes), 1)

    nearest = max(layout.tasks, key=common)
    return nearest if common(nearest) else None


def measure(card: Card, statistics: dict[str, Tensor], seen: Mapping[str, Observed]) -> dict[str, Any]:
    """All metrics of the observed tasks, by task name, and of the router and the novelty score, ready for JSON."""
    found: dict[str, Any] = {}
    for task in card.layout.tasks:
        if task.classes and task.name in seen:
            found[task.name] = _measure_task(card, task, seen[task.name])
    if card.layout.routed:
        found[ROUTER] = _measure_router(card, seen)
    if statistics:
        found[NOVELTY] = _measure_novelty(card, statistics, seen)
    return found


def _measure_task(card: Card, task: Task, own: Observed) -> dict[str, Any]:
    temperature = card.temperatures.get(task.name, 1.0)
    probabilities = calibrate.probabilities(own.logits[:, card.layout.outputs(task.name)], temperature)
    found = metrics.report(own.labels, probabilities, task.class_names)
    if task.name in card.prediction_sets:
        sets = conformal.prediction_sets(probabilities, card.prediction_sets[task.name])
        found["prediction_sets"] = {
            "coverage": metrics.share(sets[np.arange(len(own)), own.labels]).to_json(),
            "mean_size": round(float(sets.sum(1).mean()), 3),
        }
    found["bands"] = _measure_bands(card, task, probabilities, own.labels)
    return found


def _measure_bands(card: Card, task: Task, probabilities: np.ndarray, labels: np.ndarray) -> dict[str, Any]:
    """For each band, how many pictures get it, and how often the truth is among the classes that it names, if any.

    These are the words before any are held back (``classifier.words_for``), so that the card shows what that spares.
    """
    pictures: Counter[str] = Counter()
    right: Counter[str] = Counter()
    for row, label in zip(probabilities, labels, strict=True):
        band = band_of([ClassScore(c.name, c.name, p) for c, p in zip(task.classes, row, strict=True)], card.bands)
        pictures[band.kind] += 1
        right[band.kind] += task.classes[label].name in band.labels
    return {
        kind: {"pictures": pictures[kind]}
        | ({} if kind == "uncertain" else {"right": round(right[kind] / pictures[kind], 4)})
        for kind in pictures
    }


def _measure_router(card: Card, seen: Mapping[str, Observed]) -> dict[str, Any]:
    """How often pictures are sent to their own task, and to any task of their modality."""
    layout = card.layout
    names = [name for name in layout.routed if name in seen]
    if not names:
        return {}
    truth = np.concatenate([np.full(len(seen[name]), layout.route(name)) for name in names])
    logits = np.concatenate([seen[name].logits[:, layout.router] for name in names])
    probabilities = calibrate.probabilities(logits, card.temperatures.get(ROUTER, 1.0))
    routes = logits.argmax(1)
    modalities = np.array([layout.task(name).modality for name in layout.routed])
    own, same = modalities[truth], modalities[truth] == modalities[routes]
    return {
        "pictures": len(truth),
        "accuracy": metrics.share(routes == truth).to_json(),
        "modality_accuracy": metrics.share(same).to_json(),
        "ece": round(metrics.calibration_error(truth, probabilities), 4),
        "by_task": {n: metrics.share((routes == truth)[truth == layout.route(n)]).to_json() for n in names},
        "by_modality": {m: metrics.share(same[own == m]).to_json() for m in dict.fromkeys(own.tolist())},
    }


def _measure_novelty(card: Card, statistics: dict[str, Tensor], seen: Mapping[str, Observed]) -> dict[str, Any]:
    """Shares refused: of a task's and a modality's own pictures, and of other modalities' under a forced wrong task.

    Each picture is asked every wrong task, so that the interval of all together is that of as many pictures.
    """
    modality = {name: card.layout.task(name).modality for name in card.novelty}
    refused = {name: refusals(card, statistics, seen[name].vectors) for name in card.novelty if name in seen}
    column = {name: place for place, name in enumerate(card.novelty)}
    own = {name: table[:, column[name]] for name, table in refused.items()}
    wrong = {
        name: np.concatenate(
            [
                np.zeros(0, bool),
                *(t[:, column[name]] for other, t in refused.items() if modality[other] != modality[name]),
            ]
        )
        for name in card.novelty
    }
    asked = sum(len(table) for name, table in refused.items() if {*modality.values()} != {modality[name]})
    return {
        "false_refusals": {
            "by_task": {name: metrics.share(hits).to_json() for name, hits in own.items()},
            "by_modality": {
                kind: metrics.share(np.concatenate([own[name] for name in own if modality[name] == kind])).to_json()
                for kind in dict.fromkeys(modality[name] for name in own)
            },
        },
        "wrong_task_flagged": {
            "all": metrics.share(np.concatenate(list(wrong.values())), asked).to_json(),
            **{name: metrics.share(hits).to_json() for name, hits in wrong.items()},
        },
    }


def refusals(card: Card, statistics: dict[str, Tensor], vectors: Tensor) -> np.ndarray:
    """Whether pictures would be refused for each task that has a threshold, (n, thresholds) bool."""
    return (novelty.scores(statistics, vectors) > torch.tensor(list(card.novelty.values()))).numpy()


def add_strangers(found: dict[str, Any], card: Card, model: Network, statistics: dict[str, Tensor]) -> None:
    """Put ``measure_strangers`` beside what was found of the novelty score; say so where it cannot be measured."""
    try:
        found[NOVELTY]["strangers_refused"] = measure_strangers(card, model, statistics)
    except DataError as error:
        print(f"Refusals of pictures of other things are not measured. {error}")


def measure_strangers(card: Card, model: Network, statistics: dict[str, Tensor]) -> dict[str, Any]:
    """Shares refused, under the task they are sent to, of pictures that are none of the modalities, by kind.

    Intervals are those of as many pictures as there are originals.

    Raises:
        DataError: a package whose pictures are used is not installed.
    """
    found: dict[str, Any] = {}
    for group, kinds in {"design": strangers.DESIGN, "held_out": strangers.HELD_OUT}.items():
        hits, count = {}, {kind: strangers.originals(kind) for kind in kinds}
        for kind in kinds:
            squares = np.stack([card.transform.to_square(picture) for picture in strangers.pictures(kind)])
            seen = observe(model, card.transform, Split(squares, np.full(len(squares), -1)))
            routes = seen.logits[:, card.layout.router].argmax(1) if card.layout.routed else 0
            hits[kind] = refusals(card, statistics, seen.vectors)[np.arange(len(squares)), routes]
        found[group] = {"all": metrics.share(np.concatenate(list(hits.values())), sum(count.values())).to_json()}
        found[group] |= {kind: metrics.share(h, count[kind]).to_json() for kind, h in hits.items()}
    return found


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("checkpoint", help="name or folder")
    parser.add_argument(
        "--data", type=Path, required=True, metavar="DIR", help="labelled pictures: <task>/<split>/<class>/"
    )
    parser.add_argument("--split", default="test", help="(default: %(default)s)")
    parser.add_argument("--json", type=new_file, metavar="FILE", help="write every number")
    parser.add_argument("--figures", type=new_folder, metavar="DIR", help="draw confusion, ROC, reliability and t-SNE")
    parser.add_argument("--into-card", action="store_true", help="put the numbers on the card in place of those there")


def run(arguments: argparse.Namespace) -> int:
    """Measure, print the tables, and write what was asked for.

    Raises:
        RequestError: the numbers shall go onto a card, and the checkpoint has none of its own, they are not of test
            pictures, or not of all tasks that the card has numbers of.
    """
    if arguments.into_card and arguments.split != "test":
        raise RequestError("A card's numbers are of test pictures: leave --split out.")
    place = (registry.find_own if arguments.into_card else registry.find)(arguments.checkpoint)
    checkpoint = registry.load(place)
    card = checkpoint.card
    model = checkpoint.model.to("cuda" if torch.cuda.is_available() else "cpu")
    seen = {}
    for task, split in tqdm(
        find_splits(card.layout, arguments.data, arguments.split, card.transform.size), unit="tasks"
    ):
        seen[task.name] = observe(model, card.transform, split)
    lacking = {task.name for task in card.layout.tasks if task.name in card.metrics} - {*seen}
    if arguments.into_card and lacking:
        names = ", ".join(sorted(lacking))
        raise RequestError(f"The card has numbers of tasks without pictures in the folder: {names}.")
    found = measure(card, checkpoint.novelty, seen)
    if checkpoint.novelty:
        add_strangers(found, card, model, checkpoint.novelty)
    print(f"{card.title} {card.version}, {arguments.split} pictures, 95 % intervals\n")
    print(table(card, found))
    print(comparison(card.metrics, found))
    if arguments.json:
        with replacing(arguments.json) as file:
            file.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    if arguments.figures:
        from medmamba import figures  # matplotlib, only when asked for

        figures.draw(card, seen, arguments.figures)
    if arguments.into_card:
        checkpoints.write_card(place, _measured(card, found))
        print(catalogue.write(place.absolute().parent))
    return 0


def _measured(card: Card, found: Mapping[str, Any]) -> Card:
    """The card with these numbers, and without the sentences that say that there are none."""
    card = replace(card, metrics={**card.metrics, **found})
    lacking = any(task.classes and task.name not in card.metrics for task in card.layout.tasks)
    outdated = () if lacking else (card_words.UNMEASURED, official.NO_METRICS)
    return replace(card, limits=tuple(limit for limit in card.limits if limit not in outdated))


def table(card: Card, found: Mapping[str, Any]) -> str:
    """The numbers as text: a row a task and a class, then the router and the refusals."""
    columns = ("accuracy", "balanced_accuracy", *(name for name in metrics.BY_CLASS if name != "sensitivity"), "ece")
    lines = [f"{'':38}pictures" + "".join(f"{column.replace('_', ' '):>19}" for column in columns)]
    for task in card.layout.tasks:
        if not (own := found.get(task.name)):
            continue
        lines.append(f"{task.name:38}{own['pictures']:8}" + "".join(_cell(own[c]) for c in columns))
        lines.append(f"  ece of a perfectly calibrated model on as many pictures: {own['ece_by_chance']:.3f}")
        if on_paper := data_sets.of_paper(task.name):
            own_set, difference = on_paper
            figures = f"accuracy {own_set.paper['accuracy']:.3f}, AUC {own_set.paper['auc']:.3f}"
            sizes = f"224 px, here {card.transform.size} px"
            lines.append(f"  paper's MedMamba-T on {own_set.title}: {figures} ({difference}; {sizes})")
        for c in task.classes:
            row = own["classes"][c.name]
            cells = _cell(None) + "".join(
                _cell(row[name]) for name in ("sensitivity", "precision", "specificity", "f1", "auc")
            )
            lines.append(f"  {c.label[:36]:36}{row['support']:8}{cells}")
        if sets := own.get("prediction_sets"):
            lines.append(f"  90 % prediction sets: coverage{_cell(sets['coverage'])}, {sets['mean_size']:.2f} classes")
    for name, section in ((ROUTER, found.get(ROUTER)), (NOVELTY, found.get(NOVELTY))):
        if section:
            lines += ["", name, *_lines(section, 1)]
    return "\n".join(lines)


def comparison(card_metrics: Mapping[str, Any], found: Mapping[str, Any]) -> str:
    """How far these measures are from the card's, and how many counts of pictures differ, over all that both have."""
    recorded, now = dict(_numbers(card_metrics)), dict(_numbers(found))
    shared = [name for name in recorded if name in now]
    measures = [name for name in shared if isinstance(recorded[name], float) or isinstance(now[name], float)]
    if not measures:
        return "The card holds no numbers to compare with."
    worst = max(measures, key=lambda name: abs(recorded[name] - now[name]))
    gap = abs(recorded[worst] - now[worst])
    counts = sum(recorded[name] != now[name] for name in shared if name not in set(measures))
    return (
        f"{len(shared)} numbers are on the card too; the largest difference of a measure is {gap:.4f} ({worst}), "
        f"{counts} of {len(shared) - len(measures)} counts differ."
    )


def _numbers(entry: Any, name: str = "") -> Iterator[tuple[str, float]]:
    """All numbers in nested dicts and lists, each with the way to it."""
    items: Any = entry.items() if isinstance(entry, Mapping) else enumerate(entry) if isinstance(entry, list) else ()
    for key, value in items:
        yield from _numbers(value, f"{name}.{key}".lstrip("."))
    if isinstance(entry, int | float):
        yield name, entry


def _cell(estimate: Mapping[str, float | None] | None) -> str:
    if estimate is None or estimate["value"] is None:
        return f"{'-':>19}"
    if estimate["low"] is None or estimate["high"] is None:
        return f"  {estimate['value']:.3f}{'':12}"
    return f"  {estimate['value']:.3f} {estimate['low']:.3f}-{estimate['high']:.3f}"


def _lines(section: Mapping[str, Any], depth: int) -> Iterator[str]:
    indent = "  " * depth
    for name, entry in section.items():
        words = name.replace("_", " ")
        if isinstance(entry, Mapping) and "value" not in entry:
            yield f"{indent}{words}"
            yield from _lines(entry, depth + 1)
        else:
            yield f"{indent}{words:{42 - len(indent)}}{_cell(entry) if isinstance(entry, Mapping) else entry}"
