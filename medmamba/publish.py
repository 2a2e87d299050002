"""``python -m medmamba publish``: from a training run's best weights to a checkpoint folder with its card.

Temperatures, prediction sets, the evidence scale and the novelty thresholds come from validation pictures, the priors
and the novelty statistics from training pictures as they are (not augmented), the metrics from test pictures. All are
measured on the weights as they are stored, with their matrices rounded to float16. What cannot be measured, such as the
licence of the weights, is for the recipe to say (``recipe.read_words``).
"""

import argparse
from collections.abc import Container, Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from tqdm import tqdm

from medmamba import calibrate, card_words, catalogue, checkpoints, conformal, evaluate, novelty
from medmamba.arguments import new_folder
from medmamba.card_figures import Training
from medmamba.card_words import Words
from medmamba.checkpoints import CARD, Card
from medmamba.classifier import ROUTER
from medmamba.data import Split, check_classes, load_split
from medmamba.errors import DataError
from medmamba.network import Network
from medmamba.observe import Observed, observe
from medmamba.preprocess import Transform
from medmamba.recipe import layout_of, outputs_of, read_tasks, read_words
from medmamba.run_folder import check_outputs, read_best
from medmamba.run_settings import TrainConfig
from medmamba.sampling import class_shares
from medmamba.tasks import OutputLayout, Task
from medmamba.train import phases
from medmamba.variants import build, config_of

TRAINING_PICTURES = 600  # of each task behind the novelty statistics, at most


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("run", type=Path, help="folder of a training run, with its best.pt")
    parser.add_argument(
        "--tasks", type=Path, required=True, metavar="RECIPE", help="the recipe that the run was trained on"
    )
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="the data that it was trained on")
    parser.add_argument(
        "--out", type=new_folder, required=True, metavar="FOLDER", help="the checkpoint's folder; named after it"
    )
    parser.add_argument("--version", default="1", dest="release", help="(default: %(default)s)")
    parser.add_argument(
        "--hardware", default="hardware that was not stated", help="what it was trained on, as in: 2 CPU cores, shared"
    )


def run(arguments: argparse.Namespace) -> int:
    """Calibrate, measure and write the checkpoint, and the list of checkpoints in the folder that it stands in.

    Raises:
        CheckpointError: the run has no weights, or they are for other classes than the recipe's.
        DataError: the recipe cannot be used, or pictures are missing that the priors, calibration or the novelty score
            need, if only those of a class: how often it is mistaken for others would be missing from the temperature.
    """
    best = read_best(arguments.run)
    tasks, own_words = read_tasks(arguments.tasks), read_words(arguments.tasks)
    words = own_words or Words()
    layout, size = layout_of(tasks), int(best["config"]["size"])
    check_outputs(best, outputs_of(layout))
    for name in ("train", "val"):
        check_classes(arguments.data, tasks, name)
    model = _stored_precision(best, layout)

    def splits(name: str) -> Iterator[tuple[Task, Split]]:
        for task in tqdm(tasks, desc=name, unit="tasks"):
            if len(split := load_split(arguments.data, task, name, size, arguments.run / "squares")):
                yield task, split

    card = Card(
        name=arguments.out.resolve().name,
        title=card_words.title(model.config.family, best["config"]["variant"], layout),
        version=arguments.release,
        date=date.today().isoformat(),
        config=model.config,
        transform=Transform(size),
        layout=layout,
        summary=card_words.summary(model, layout, size, words.pictures),
        intended_use=words.intended_use,
        not_for=card_words.NOT_FOR + words.not_for,
        licence=words.licence,
        training=_training(best, arguments.hardware),
    )
    validation = {task.name: observe(model, card.transform, split) for task, split in splits("val")}
    card = calibrated(card, validation)
    training, labels = {}, {}
    for task, split in splits("train"):
        training[task.name] = observe(model, card.transform, _some(split))
        labels[task] = split.labels
    card = replace(card, priors=priors(best["config"], labels))
    card, statistics = with_novelty(card, training, validation)
    test = {task.name: observe(model, card.transform, split) for task, split in splits("test")}
    found = evaluate.measure(card, statistics, test)
    evaluate.add_strangers(found, card, model, statistics)
    card = replace(card, metrics=found, limits=_limits(words, tasks, measured=test))
    card = checkpoints.save(arguments.out, card, model, statistics, golden_input(card.transform))
    checkpoints.load(arguments.out)
    print(evaluate.table(card, found))
    print(catalogue.write(arguments.out.absolute().parent))
    if own_words is None:
        print("The recipe has no `card`: which licence the weights have, and what its data lack, is not on the card.")
    return 0


def priors(config: dict[str, str], labels: dict[Task, np.ndarray]) -> dict[str, dict[str, float]]:
    """For each task with classes, the share of each class that a run's probabilities take for granted.

    config: the run's settings, as ``best.pt`` has them; they say whether classes are taken to be as frequent as among
    the training pictures or as they were drawn from them. labels: (n,) of the training pictures.
    """
    is_natural = config.get("priors", TrainConfig.priors) == "natural"
    balance = 1.0 if is_natural else float(config.get("balance", TrainConfig.balance))
    found = {}
    for task in (task for task in labels if task.classes):
        counts = torch.from_numpy(np.bincount(labels[task], minlength=len(task.classes)))
        shares = class_shares(counts, balance).numpy().round(4).tolist()
        found[task.name] = dict(zip(task.class_names, shares, strict=True))
    return found


def calibrated(card: Card, validation: dict[str, Observed]) -> Card:
    """The card with temperatures, prediction sets and evidence scales from validation pictures.

    Raises:
        DataError: a task with classes, or every task that the router knows, has no validation pictures.
    """
    layout = card.layout
    temperatures, sets, scales = {}, {}, {}
    for task in (t for t in layout.tasks if t.classes):
        if task.name not in validation:
            raise DataError(f"The task {task.name} has no validation pictures, so that it cannot be calibrated.")
        seen, outputs = validation[task.name], layout.outputs(task.name)
        logits = seen.logits[:, outputs]
        temperatures[task.name] = round(calibrate.temperature(logits, seen.labels), 4)
        probabilities = calibrate.probabilities(logits, temperatures[task.name])
        sets[task.name] = conformal.set_threshold(probabilities, seen.labels)
        of_predicted = seen.evidence[:, :, outputs][np.arange(len(seen)), :, logits.argmax(1)]
        scales[task.name] = round(calibrate.evidence_scale(of_predicted), 4)
    if layout.routed:
        routed = [name for name in layout.routed if name in validation]
        if not routed:
            raise DataError("No task open to uploads has validation pictures, so that the router cannot be calibrated.")
        logits = np.concatenate([validation[name].logits[:, layout.router] for name in routed])
        truth = np.concatenate([np.full(len(validation[name]), layout.route(name)) for name in routed])
        temperatures[ROUTER] = round(calibrate.temperature(logits, truth), 4)
    return replace(card, temperatures=temperatures, prediction_sets=sets, evidence_scale=scales)


def with_novelty(
    card: Card, training: dict[str, Observed], validation: dict[str, Observed]
) -> tuple[Card, dict[str, Tensor]]:
    """The card with the threshold, and the statistics behind the score, for the tasks that uploads can be sent to."""
    names = card.layout.routed or tuple(task.name for task in card.layout.tasks)
    missing = [name for name in names if name not in training or name not in validation]
    if missing:
        raise DataError(f"No training or no validation pictures for the novelty score of: {', '.join(missing)}.")

    def together(seen: dict[str, Observed]) -> tuple[Tensor, np.ndarray]:
        numbers = np.repeat(np.arange(len(names)), [len(seen[name]) for name in names])
        return torch.cat([seen[name].vectors for name in names]), numbers

    statistics = novelty.fit(*together(training), len(names))
    statistics = novelty.with_levels(statistics, *together(validation))
    vectors, numbers = together(validation)
    modality = np.array([card.layout.task(name).modality for name in names])[numbers]
    strictness = novelty.strictness(statistics, vectors, numbers, modality)
    threshold = novelty.threshold(statistics, vectors, numbers, strictness)
    return replace(card, novelty=dict.fromkeys(names, round(threshold, 4))), statistics


def golden_input(transform: Transform, seed: int = 0) -> Tensor:
    """Two smooth made-up pictures, normalised (2, 3, size, size): no picture of any data set is given away."""
    coarse = torch.rand(2, 3, 5, 5, generator=torch.Generator().manual_seed(seed))
    return transform.normalise(F.interpolate(coarse, size=(transform.size, transform.size), mode="bicubic").clamp(0, 1))


def _stored_precision(best: dict[str, Any], layout: OutputLayout) -> Network:
    """The trained network with its matrices rounded as ``checkpoints.save`` stores them."""
    model = build(config_of(best["config"]["variant"], layout.num_outputs))
    checkpoints.load_strictly(model, checkpoints.as_stored(best["model"]))
    return model.eval().requires_grad_(False)


def _some(split: Split) -> Split:
    """At most ``TRAINING_PICTURES`` of a split, the same ones every time."""
    chosen = np.random.default_rng(0).permutation(len(split))[:TRAINING_PICTURES]
    return Split(split.squares[chosen], split.labels[chosen])


def _limits(words: Words, tasks: tuple[Task, ...], measured: Container[str]) -> tuple[str, ...]:
    """What holds for all cards, what the recipe adds, what was not measured, and the tasks' own caveats."""
    unmeasured = any(task.classes and task.name not in measured for task in tasks)
    caveats = (f"{task.name}: {task.caveat}" for task in tasks if task.caveat)
    return (*card_words.LIMITS, *words.limits, *[card_words.UNMEASURED] * unmeasured, *caveats)


def _training(best: dict[str, Any], hardware: str) -> Training:
    """Cost and command of the run and of those that it started from, first one first.

    The command takes the card for a recipe: the recipe's own file may be on no machine but this one.
    """
    runs = phases(best)
    return {
        "command": f"python -m medmamba train --tasks {CARD} --data DIR --out RUN",
        "phases": runs,
        "pictures": sum(phase["pictures"] for phase in runs),
        "seconds": sum(phase["seconds"] for phase in runs),
        "hardware": hardware,
    }
