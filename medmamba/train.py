"""Train one network on several tasks and a router together, on CPU or GPU, to be stopped and resumed at any moment.

Every batch mixes tasks, see ``sampling``; the loss is that of ``objective``. A run is a folder, see ``run_folder``.
Under ``torchrun`` several processes share each batch, see ``distributed``.
"""

import argparse
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import MISSING, asdict
from pathlib import Path
from typing import Any, cast, get_args

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel
from tqdm import tqdm

from medmamba import checkpoints, distributed, metrics, optimisers, protocols
from medmamba.arguments import new_folder
from medmamba.augment import Augmenter
from medmamba.data import Split, check_classes, count_pictures, load_split
from medmamba.distributed import Team
from medmamba.errors import CheckpointError, DataError, RequestError
from medmamba.mixing import mix, restyle
from medmamba.network import SMALLEST_SIDE, Network
from medmamba.objective import Objective
from medmamba.preprocess import Transform
from medmamba.recipe import layout_of, outputs_of, read_tasks
from medmamba.run_folder import RunFolder, check_outputs, read_reached
from medmamba.run_settings import TrainConfig
from medmamba.sampling import Pool, by_task
from medmamba.sharpness import steepest
from medmamba.ss2d import SS2D
from medmamba.tasks import OutputLayout, Task
from medmamba.variants import build, config_of

Phase = dict[str, Any]  # one run behind some weights, as it stands on a card
MARGIN = 1.25  # training squares are kept this much larger than the network's input, for zoom and rotation


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare a flag for each field of ``TrainConfig``."""
    for name, of in TrainConfig.__dataclass_fields__.items():
        kind, meaning, *_ = get_args(of.type)
        required = of.default is MISSING
        parser.add_argument(
            f"--{name.replace('_', '-')}",
            type=new_folder if name == "out" else (get_args(kind) or (kind,))[0],  # X, of X | None as well
            required=required,
            default=argparse.SUPPRESS,
            help=meaning if of.default in (MISSING, None, "") else f"{meaning}; default: {of.default}",
        )
    parser.add_argument("--protocol", choices=protocols.PROTOCOLS, help="settings of the paper or of the released code")


def run(arguments: argparse.Namespace) -> int:
    """Train, or go on with the run in ``--out``; flags that are given go before those of the protocol."""
    settings = protocols.settings_of(arguments.protocol) if arguments.protocol else {}
    given = {name: value for name, value in vars(arguments).items() if name in TrainConfig.__dataclass_fields__}
    if "pictures" in given:
        settings = settings | {"epochs": 0}  # by which a protocol says how long a run is
    train(TrainConfig(**settings | given))
    return 0


def train(config: TrainConfig) -> Path:
    """Run, or go on with, the training that ``config`` describes, and return its folder."""
    with distributed.team(config.batch) as team:
        _train(config, team)
    return config.out


def _train(config: TrainConfig, team: Team) -> None:
    """What may be refused comes before the pictures, since reading these may take hours."""
    torch.manual_seed(config.seed)
    tasks = read_tasks(config.tasks)
    layout, names = layout_of(tasks), [task.name for task in tasks]
    emphasis = by_task("--emphasis", config.emphasis, names)
    mixed_share, restyled_share = torch.zeros(2, len(tasks))
    for flag, text, rates in ("--mix", config.mix, mixed_share), ("--restyle", config.restyle, restyled_share):
        for number, rate in by_task(flag, text, names, most=1).items():
            rates[number] = rate
    augment, transform = _changes(config, tasks), Transform(config.size)
    _check_statistics(config, team)

    model = build(config_of(config.variant, layout.num_outputs), config.drop_path).to(team.device)
    earlier: list[Phase] = []
    if config.start_from:
        weights, earlier = starting_point(config.start_from, layout)
        checkpoints.load_strictly(model, weights)
    if config.norms == "frozen":
        freeze_norms(model)
    for module in model.modules():
        if config.decays == "tied" and isinstance(module, SS2D):
            module.tie_decays()
    averaged = AveragedModel(model, multi_avg_fn=_moving_average(config.average), use_buffers=True)
    average = cast(Network, averaged.module)
    optimiser = optimisers.optimiser(config.optimiser, model, config.learning_rate, config.weight_decay)
    random = torch.Generator().manual_seed(config.seed)
    settings = {name: str(value) for name, value in asdict(config).items()}
    validated = [task.name for task in tasks if count_pictures(config.data, task, "val")]
    about = {"config": settings, "earlier": earlier, "outputs": outputs_of(layout), "validated": validated}
    run = RunFolder(config.out, model, averaged, optimiser, random, about)
    run.resume()

    config = config.of_length(_training_pictures(config, tasks))
    with team.one_after_the_first():
        pool, validation = _pictures(config, tasks)
    if team.leads:
        run.forget_later_rows()
    run.start_clock()
    network = team.join(model)
    shift = pool.drawn_above_natural(config.balance) if config.priors == "natural" else None
    objective = Objective(layout, config.label_smoothing, config.router_weight, shift)
    batches = pool.batches(config.batch, config.balance, emphasis, random)

    def gradients(batch: Sequence[Tensor]) -> Tensor:
        """The loss of a batch, whose gradients are left with the parameters."""
        inputs, *targets = batch
        optimiser.zero_grad()
        with torch.autocast(team.device.type, torch.bfloat16, enabled=computes_bfloat16(team.device)):
            logits = network(inputs)
        loss = objective(logits.float(), *targets)
        loss.backward()
        return loss

    last_save = time.monotonic()
    bar = tqdm(total=config.pictures, initial=run.pictures, unit="pictures", smoothing=0.05, disable=not team.leads)
    with bar:
        while run.pictures < config.pictures:
            pictures, labels, numbers = next(batches)
            for group in optimiser.param_groups:
                group["lr"] = _learning_rate(config, run.pictures)
            changed = augment(pictures, numbers, config.size, random)
            restyled = restyle(changed, numbers, restyled_share, random)
            mixed = mix(restyled, labels, numbers, mixed_share, random)
            batch = team.share(transform.normalise(mixed.pictures), labels, numbers, mixed.share, mixed.other)
            if config.sharpness:  # every other picture shows the direction nearly as well as all (Du et al. 2022)
                loss = gradients([rows[::2] for rows in batch])
                with steepest(model, config.sharpness):
                    gradients(batch)
            else:
                loss = gradients(batch)
            run.losses.append(team.mean(loss))
            slope = nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            if not math.isfinite(run.losses[-1] + float(slope)):
                raise RequestError(
                    "The loss has become too large to be a number. Go on from the state last saved: the same command "
                    "with a lower --learning-rate or --sharpness."
                )
            optimiser.step()
            averaged.update_parameters(model)

            before, run.pictures = run.pictures, run.pictures + len(pictures)
            bar.update(len(pictures))
            bar.set_postfix(loss=f"{np.mean(run.losses[-100:]):.3f}")
            finished = run.pictures >= config.pictures
            if finished or run.pictures // config.validate_every > before // config.validate_every:
                if team.leads:
                    run.record(validate(average, layout, validation, transform))
                run.losses.clear()
            if team.leads and (finished or time.monotonic() - last_save > config.save_seconds):
                run.save()
                last_save = time.monotonic()


def _check_statistics(config: TrainConfig, team: Team) -> None:
    """Refuse steps in which batch norms see a single value of each channel: the last grid's only cell of one picture.

    Raises:
        RequestError: these would be such.
    """
    own = config.batch // team.size
    together = team.size * (-(-own // 2) if config.sharpness else own)  # a sharp step begins with every other one
    if config.norms == "batch" and together == 1 and config.size < 2 * SMALLEST_SIDE:
        raise RequestError(
            f"A single picture below {2 * SMALLEST_SIDE} pixels at a time leaves batch norms nothing to compare: "
            f"raise --batch to {3 if config.sharpness else 2} or --size to {2 * SMALLEST_SIDE}, or take --norms frozen."
        )


def _training_pictures(config: TrainConfig, tasks: tuple[Task, ...]) -> int:
    """How many there are, counted before any is read.

    Raises:
        DataError: folders do not fit the tasks, or a task or a class has none.
    """
    counts = {task.name: count_pictures(config.data, task, "train") for task in tasks}
    if lacking := [name for name, count in counts.items() if not count]:
        raise DataError(
            f"The recipe has tasks without training pictures: {', '.join(lacking)}. Put some into the data folder, or "
            "take these tasks out."
        )
    check_classes(config.data, tasks, "train")
    return sum(counts.values())


def _pictures(config: TrainConfig, tasks: tuple[Task, ...]) -> tuple[Pool, list[Split]]:
    """The training pictures, and those for validation task by task; squared once, and kept in the run's folder.

    Raises:
        DataError: folders do not fit the tasks, or none has any for validation; this is said before any is read.
    """
    cache = config.out / "squares"
    validation = validation_of(tasks, config.data, config.size, cache)
    config.out.mkdir(parents=True, exist_ok=True)  # no squares of MedMNIST files are kept, so that it may not be there
    side = round(config.size * MARGIN) if config.augment == "recipe" else config.size
    return Pool(tasks, [load_split(config.data, task, "train", side, cache) for task in tasks]), validation


def validation_of(tasks: tuple[Task, ...], data: Path, size: int, cache: Path) -> list[Split]:
    """The validation pictures task by task, squared once and kept in ``cache``.

    Raises:
        DataError: there are none, which is said before any is read.
    """
    if not sum(count_pictures(data, task, "val") for task in tasks):
        raise DataError("The recipe's tasks have no validation pictures in the data folder, so no weights are best.")
    return [load_split(data, task, "val", size, cache) for task in tasks]


def _changes(config: TrainConfig, tasks: tuple[Task, ...]) -> Callable[..., Tensor]:
    """What changes pictures (batch, 3, H, W) of numbered tasks: called with both, the size and a random generator."""
    return Augmenter.of(tasks) if config.augment == "recipe" else protocols.changes(config.augment, config.size)


def starting_point(path: Path, layout: OutputLayout) -> tuple[dict[str, Tensor], list[Phase]]:
    """The network's tensors, and the training behind them, from a checkpoint's folder or ``best.pt`` of a run.

    Raises:
        CheckpointError: it is neither, or answers other classes or in another order.
    """
    if not path.is_dir():
        best = read_reached(path, f"{path.name} is neither a checkpoint's folder nor the best.pt of a run.")
        check_outputs(best, outputs_of(layout))
        return best["model"], phases(best)
    start = checkpoints.load(path)
    if outputs_of(start.card.layout) != outputs_of(layout):
        raise CheckpointError(f"The checkpoint {start.card.name} has other tasks or classes than the recipe.")
    return start.model.state_dict(), start.card.training.get("phases", [])


def phases(best: dict[str, Any]) -> list[Phase]:
    """What it took to get the weights in ``best.pt``, the first run first: size, pictures, seconds, flags."""
    config = best["config"]
    flags = [
        f"--{name.replace('_', '-')} {config[name]}"
        for name, of in TrainConfig.__dataclass_fields__.items()
        if name not in ("tasks", "data", "out", "start_from") and config.get(name) not in (None, str(of.default))
    ]
    if "blend" in best:
        flags.append(f"(blend {best['blend']})")
    last = {"size": int(config["size"]), "pictures": best["pictures"], "seconds": round(best["seconds"])}
    return [*best.get("earlier", []), last | {"settings": " ".join(flags)}]


def computes_bfloat16(device: torch.device) -> bool:
    """Whether the device multiplies bfloat16 itself; a CPU that has to emulate it trains ten times slower for it."""
    return device.type != "cpu" or torch.cpu._is_avx512_bf16_supported()  # newer torch: get_capabilities()


def freeze_norms(model: nn.Module) -> None:
    """Let batch norms use and keep the statistics that they have; scale and shift still learn.

    A small batch of many tasks has statistics of its own: what a CT slice looks like to the network then depends on how
    many bright stains came with it, and never is what it will be in use.
    """
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()


@torch.inference_mode()
def predict(model: Network, squares: np.ndarray, transform: Transform, batch: int = 64) -> np.ndarray:
    """Logits (n, outputs) of squares (n, size, size, 3) uint8."""
    device = next(model.parameters()).device
    training = model.training
    model.eval()
    logits = [
        model(transform.to_tensor(squares[i : i + batch]).to(device)).float().cpu()
        for i in range(0, len(squares), batch)
    ]
    model.train(training)
    return torch.cat(logits).numpy()


def validate(model: Network, layout: OutputLayout, splits: list[Split], transform: Transform) -> dict[str, float]:
    """Accuracy and macro AUC of each task, the router's accuracy, and ``mean``: the average of all of them."""
    scores: dict[str, float] = {}
    right = total = 0
    for task, split in zip(layout.tasks, splits, strict=True):
        if not len(split):
            continue
        logits = predict(model, split.squares, transform)
        if layout.routed:
            right += int((logits[:, layout.router].argmax(1) == layout.route(task.name)).sum())
            total += len(split)
        if task.classes:
            own = torch.from_numpy(logits[:, layout.outputs(task.name)]).softmax(1).numpy()
            scores[f"{task.name} accuracy"] = metrics.accuracy(split.labels, own)
            scores[f"{task.name} AUC"] = metrics.macro_auc(split.labels, own)
    if total:
        scores["router accuracy"] = right / total
    return {"mean": float(np.nanmean(list(scores.values()))), **scores}


def _learning_rate(config: TrainConfig, pictures: int) -> float:
    """Linear warm-up, then a cosine to a hundredth, or a schedule of ``protocols``."""
    if pictures < config.rise:
        return config.learning_rate * (pictures + config.batch) / (config.rise + config.batch)
    progress = (pictures - config.rise) / max(config.pictures - config.rise, 1)
    if config.schedule != "cosine":
        return config.learning_rate * protocols.share_of_rate(config.schedule, progress)
    return config.learning_rate * (0.01 + 0.99 * (1 + math.cos(math.pi * progress)) / 2)


def _moving_average(decay: float):  # type: ignore[no-untyped-def]  # noqa: ANN202
    """An exponential moving average that forgets the first steps sooner, for ``AveragedModel``."""

    @torch.no_grad()
    def update(averaged: list[Tensor], current: list[Tensor], count: Tensor | int) -> None:
        if not averaged[0].is_floating_point():
            for old, new in zip(averaged, current, strict=True):
                old.copy_(new)
            return
        torch._foreach_lerp_(averaged, current, max(1 - decay, 9 / (10 + float(count))))

    return update
