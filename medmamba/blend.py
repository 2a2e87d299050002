"""``python -m medmamba blend``: a run's best weights mixed with those that it started from, in the best share.

Further training gains on some tasks and forgets on others; weights on the straight line between its start and its end
often do better on all together (Wortsman et al. 2022, "Robust fine-tuning of zero-shot models"), and so may those
between two runs from one start ("Model soups", the same year). That holds only where both have the same statistics in
their batch norms, so the run must have been one with ``--norms frozen``. The share is chosen by validation pictures,
and goes on the card with the run's settings, behind those of the other run.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from medmamba import checkpoints
from medmamba.arguments import new_folder
from medmamba.errors import CheckpointError, RequestError
from medmamba.preprocess import Transform
from medmamba.recipe import layout_of, outputs_of, read_tasks
from medmamba.run_folder import check_outputs, read_best, read_saved, write_saved
from medmamba.train import Phase, phases, starting_point, validate, validation_of
from medmamba.variants import build, config_of

SHARES = (0.25, 0.5, 0.75, 1.0)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("run", type=Path, help="folder of a training run, with its best.pt")
    parser.add_argument(
        "--start",
        type=Path,
        required=True,
        metavar="PATH",
        help="what the run started from, its last.pt, or best.pt of another run from there",
    )
    parser.add_argument("--tasks", type=Path, required=True, metavar="RECIPE", help="the run's recipe")
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="the data that it was trained on")
    parser.add_argument("--out", type=new_folder, required=True, metavar="RUN", help="gets a best.pt for publish")
    parser.add_argument(
        "--shares", type=float, nargs="+", default=SHARES, help="of the run's own weights; default: %(default)s"
    )


def run(arguments: argparse.Namespace) -> int:
    """Try every share on validation pictures, and keep the best.

    Raises:
        CheckpointError: the run has no best.pt, or did not start from that.
        RequestError: its batch norms were not frozen, a share does not lie between 0 and 1, or --out has other
            weights.
        DataError: there are no validation pictures.
    """
    best = read_best(arguments.run)
    if best["config"].get("norms") != "frozen":
        raise RequestError("Only weights with the same statistics can be mixed: train with --norms frozen.")
    _check_place(arguments.out, (arguments.run / "best.pt", arguments.start))
    if not all(0 <= share <= 1 for share in arguments.shares):
        raise RequestError("A share is a number from 0, the start, to 1, the end of the run.")
    tasks, size = read_tasks(arguments.tasks), int(best["config"]["size"])
    layout, transform = layout_of(tasks), Transform(size)
    check_outputs(best, outputs_of(layout))
    start, behind = starting_point(arguments.start, layout)
    validation = validation_of(tasks, arguments.data, size, arguments.run / "squares")
    model = build(config_of(best["config"]["variant"], layout.num_outputs)).eval()
    scores: dict[float, float] = {}
    for share in arguments.shares:
        checkpoints.load_strictly(model, mixed(start, best["model"], share))
        scores[share] = validate(model, layout, validation, transform)["mean"]
        print(f"{share:.2f} of the run: mean of all validation accuracies and AUCs {scores[share]:.4f}")
    chosen = max(scores, key=lambda share: scores[share])
    arguments.out.mkdir(parents=True, exist_ok=True)
    content = best | {"model": mixed(start, best["model"], chosen), "blend": chosen}
    if chosen < 1:
        content |= history(best, behind)
    write_saved(arguments.out / "best.pt", content)
    print(f"Kept {chosen:.2f}.")
    return 0


def _check_place(out: Path, made_of: Sequence[Path]) -> None:
    """Refuse a folder whose ``best.pt`` is anything but the result of an earlier blend, or is mixed here.

    Raises:
        CheckpointError, RequestError: it is such a folder.
    """
    best, taken = out / "best.pt", "The mixture would take the place of other weights: give --out another folder."
    if (out / "state.pt").exists() or best.resolve() in [path.resolve() for path in made_of]:
        raise RequestError(taken)
    if best.exists() and "blend" not in read_saved(best, otherwise=taken):
        raise RequestError(taken)


def history(best: dict[str, Any], behind: list[Phase]) -> dict[str, Any]:
    """What is behind a mixture, as ``best.pt`` has it: all that is behind the start, then the run.

    Two moments of one run are that run up to the later one, not two.
    """
    *earlier, own = phases(best)
    if not behind or behind[:-1] != earlier or behind[-1]["settings"] != own["settings"]:
        return {"earlier": behind}
    return {name: max(best[name], behind[-1][name]) for name in ("pictures", "seconds")}


def mixed(start: dict[str, Tensor], end: dict[str, Tensor], share: float) -> dict[str, Tensor]:
    """Tensors on the line from ``start`` (share 0) to ``end`` (share 1); whole numbers are the end's.

    Raises:
        CheckpointError: they are not of the same network, or their batch norms have other statistics.
    """
    if start.keys() != end.keys() or any(start[name].shape != end[name].shape for name in start):
        raise CheckpointError("The run's network and the one to start from are not of the same shapes.")
    kept = [name for name in start if name.endswith(("running_mean", "running_var"))]
    if not all(torch.equal(start[name], end[name]) for name in kept):
        raise CheckpointError("The run did not start from these weights: their batch norms have other statistics.")
    return {
        name: torch.lerp(start[name], tensor, share) if tensor.is_floating_point() else tensor
        for name, tensor in end.items()
    }
