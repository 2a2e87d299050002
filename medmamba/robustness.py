"""``python -m medmamba robustness``: what corruptions cost, where a network looks, what its maps mean.

    corruptions   balanced accuracy under ten corruptions at five levels, see ``corruptions``
    features      t-SNE of the last stage's mean features
    field         effective receptive field of each stage, trained and with random weights
    sanity        evidence maps with weights made random, part by part

A sample of test pictures is enough for each, and nothing is chosen by the figures. What is written, ``robustness.json``
and a figure for each part, shows no picture.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from medmamba import figures, receptive_field, registry, sanity
from medmamba.arguments import new_folder, whole_from
from medmamba.checkpoints import Checkpoint
from medmamba.contenders import OfCheckpoint
from medmamba.corruptions import CORRUPTIONS, LEVELS, SIDE, corrupted
from medmamba.data import Split
from medmamba.errors import DataError
from medmamba.evaluate import find_splits
from medmamba.figures import FEWEST_ON_MAP
from medmamba.metrics import RESAMPLES, Estimate, mean_of, share
from medmamba.observe import observe
from medmamba.preprocess import Transform
from medmamba.replacing import replacing
from medmamba.tasks import Task
from medmamba.variants import build

PARTS = ("corruptions", "features", "field", "sanity")
MAPPED = 4  # pictures of each task whose maps and fields are looked at
HELD = (0.5, 0.9)  # shares of the receptive field
VERDICTS = {
    True: "The maps pass the randomisation test.",
    False: "The maps fail the randomisation test.",
    None: "The randomisation test says nothing: there were no maps to compare once every part was random.",
}

Sample = list[tuple[Task, Split]]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("checkpoint", help="name or folder")
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="labelled pictures, as for evaluate")
    parser.add_argument(
        "--out", type=new_folder, required=True, metavar="DIR", help="gets robustness.json and the figures"
    )
    parser.add_argument("--split", default="test", help="(default: %(default)s)")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS, help="default: all")
    parser.add_argument(
        "--pictures", type=whole_from(1), default=48, help="of each task, even over classes (default: %(default)s)"
    )


def run(arguments: argparse.Namespace) -> int:
    """Measure the parts, print them, write numbers and figures; 1 unless the maps pass their check.

    Raises:
        DataError: a part needs pictures that there are not.
    """
    checkpoint = registry.load(arguments.checkpoint)
    card, out = checkpoint.card, arguments.out
    splits = find_splits(card.layout, arguments.data, arguments.split, SIDE)
    sample = [(task, even(split, arguments.pictures)) for task, split in tqdm(splits, desc="reading", unit="tasks")]
    _check(arguments.parts, sample)
    out.mkdir(parents=True, exist_ok=True)
    found: dict[str, Any] = {"pictures": {task.name: len(split) for task, split in sample}}
    if "corruptions" in arguments.parts:
        found["corruptions"] = measure(OfCheckpoint(arguments.checkpoint), sample)
        figures.draw_curves(found["corruptions"], card.title, out / "corruptions.png")
        print(table(found["corruptions"]))
    squares = [(task, _squares(split, card.transform)) for task, split in sample]
    if "features" in arguments.parts:
        seen = {task.name: observe(checkpoint.model, card.transform, split) for task, split in squares}
        figures.draw_features(seen, out / "features.png")
    few = [(task, even(split, MAPPED).squares) for task, split in squares]
    if "field" in arguments.parts:
        inputs = card.transform.to_tensor(np.concatenate([pictures for _, pictures in few]))
        found["field"] = _fields(checkpoint, inputs, out)
    if "sanity" in arguments.parts:
        likenesses = sanity.check(checkpoint, [(task.name, pictures) for task, pictures in few if task.classes])
        found["sanity"] = {"passes": sanity.passes(likenesses), "steps": [asdict(step) for step in likenesses]}
        figures.draw_sanity(likenesses, out / "sanity.png")
        print("\n".join(map(line, likenesses)))
        print(VERDICTS[found["sanity"]["passes"]])
    with replacing(out / "robustness.json") as place:
        place.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    return 0 if found.get("sanity", {}).get("passes", True) else 1


def _check(parts: Sequence[str], sample: Sample) -> None:
    if {"corruptions", "sanity"} & {*parts} and not any(task.classes for task, _ in sample):
        raise DataError("Corruptions and sanity need pictures of a task with classes; name other --parts.")
    if "features" in parts and sum(len(split) for _, split in sample) < FEWEST_ON_MAP:
        raise DataError(f"A map of features needs {FEWEST_ON_MAP} pictures; name other --parts, or ask for more.")


def even(split: Split, count: int, seed: int = 0) -> Split:
    """At most ``count`` pictures, as even over the classes as there are pictures, in the split's order."""
    random = np.random.default_rng(seed)
    turns = np.empty(len(split))
    for label in np.unique(split.labels):
        own = np.flatnonzero(split.labels == label)
        turns[random.permutation(own)] = np.arange(len(own))
    chosen = np.sort(np.lexsort((split.labels, turns))[:count])
    return Split(split.squares[chosen], split.labels[chosen])


def measure(contender: OfCheckpoint, sample: Sample) -> dict[str, Any]:
    """Balanced accuracies by task: clean, curves by corruption, and their mean with its interval; and means over tasks.

    The pictures are corrupted at SIDE pixels, then brought to the network's size, and so are the clean ones.
    """
    found: dict[str, Any] = {}
    for task, split in tqdm([(t, s) for t, s in sample if t.classes], desc="corrupting", unit="tasks"):

        def hits(squares: np.ndarray, task: Task = task, labels: np.ndarray = split.labels) -> np.ndarray:
            shrunk = np.stack([contender.transform.to_square(square) for square in squares])
            return contender.probabilities(task, shrunk).argmax(1) == labels

        by_level = {
            name: np.stack([hits(corrupted(name, level, split.squares)) for level in range(1, LEVELS + 1)])
            for name in CORRUPTIONS
        }
        found[task.name] = summary(split.labels, hits(split.squares), by_level)
    tasks = list(found.values())
    overall = {
        "clean": float(np.mean([own["clean"]["value"] for own in tasks])),
        "mean_corruption_accuracy": float(np.mean([own["mean_corruption_accuracy"]["value"] for own in tasks])),
        "curves": {name: np.mean([own["curves"][name] for own in tasks], 0).round(4).tolist() for name in CORRUPTIONS},
    }
    return {"tasks": found, "mean": overall}


def summary(labels: np.ndarray, clean: np.ndarray, by_level: Mapping[str, np.ndarray], seed: int = 0) -> dict[str, Any]:
    """Figures of one task from labels (n,), hits on clean pictures (n,) and, by corruption, hits (levels, n)."""
    count = len(labels)
    weights = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), RESAMPLES).astype(float)
    every = np.concatenate(list(by_level.values()))
    of_all = Estimate.of(
        float(balanced(labels, every, np.ones((1, count))).mean()), balanced(labels, every, weights).mean(1)
    )
    return {
        "clean": mean_of([share(clean[labels == label]) for label in np.unique(labels)]).to_json(),
        "mean_corruption_accuracy": of_all.to_json(),
        "curves": {
            name: balanced(labels, hits, np.ones((1, count)))[0].round(4).tolist() for name, hits in by_level.items()
        },
    }


def balanced(labels: np.ndarray, hits: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Mean over classes of the share of hits: labels (n,), hits (k, n), weights (draws, n) -> (draws, k)."""
    shares = []
    for label in np.unique(labels):
        own = labels == label
        total = weights[:, own].sum(1, keepdims=True)
        shares.append(
            np.divide(
                weights[:, own] @ hits[:, own].T, total, out=np.full((len(weights), len(hits)), np.nan), where=total > 0
            )
        )
    return np.nanmean(shares, 0)


def table(found: Mapping[str, Any]) -> str:
    """The curves' means as text: a row a task and a corruption's mean a column."""
    lines = ["balanced accuracy, mean over five levels of each corruption"]
    lines.append(f"{'':20}{'clean':>8}{'mean':>8}" + "".join(f"{name[:14]:>16}" for name in CORRUPTIONS))
    for name, own in found["tasks"].items():
        values = own["clean"]["value"], own["mean_corruption_accuracy"]["value"]
        lines.append(_row(name, values, own["curves"]))
    mean = found["mean"]
    return "\n".join([*lines, _row("mean", (mean["clean"], mean["mean_corruption_accuracy"]), mean["curves"])])


def line(step: sanity.Likeness) -> str:
    """A step of the randomisation test as text."""
    words = f"{step.part:8} {step.mode:8} "
    if step.correlation is None or step.ssim is None:
        return words + "nothing to compare: the maps are the same everywhere"
    left_out = f"; {step.flat} pictures left out, their maps are the same everywhere" if step.flat else ""
    return words + f"rank correlation {step.correlation:+.3f}, SSIM {step.ssim:.3f}{left_out}"


def _row(name: str, values: tuple[float, float], curves: Mapping[str, list[float]]) -> str:
    return f"{name:20}" + "".join(f"{v:8.3f}" for v in values) + "".join(f"{np.mean(c):16.3f}" for c in curves.values())


def _squares(split: Split, transform: Transform) -> Split:
    return Split(np.stack([transform.to_square(square) for square in split.squares]), split.labels)


def _fields(checkpoint: Checkpoint, inputs: torch.Tensor, out: Path) -> dict[str, Any]:
    torch.manual_seed(0)
    random = build(checkpoint.model.config).eval().requires_grad_(False)
    rows = {"trained": receptive_field.fields(checkpoint.model, inputs)}
    rows["random weights"] = receptive_field.fields(random, inputs)
    figures.draw_fields(rows, out / "receptive-field.png")
    found = {
        title: {
            f"stage {stage}": {f"{share:.0%}": round(receptive_field.area_holding(share, field), 4) for share in HELD}
            for stage, field in by_stage.items()
        }
        for title, by_stage in rows.items()
    }
    for title, stages in found.items():
        for stage, areas in stages.items():
            held = ", ".join(f"{area:.1%} of the picture hold {share}" for share, area in areas.items())
            print(f"receptive field, {title}, {stage}: {held}")
    return found
