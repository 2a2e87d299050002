"""``python -m medmamba compare``: two networks on the same labelled pictures, as one self-contained HTML report.

The statistics are in ``paired``, what can stand on either side in ``contenders``, the report in ``compare_page``.
"""

import argparse
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from medmamba import compare_page, timing
from medmamba.arguments import new_file, whole_from
from medmamba.contenders import Contender, OfCheckpoint, OfLibrary, library_of
from medmamba.data import Split
from medmamba.errors import RequestError
from medmamba.evaluate import find_splits
from medmamba.listing import folders_in
from medmamba.network import SMALLEST_SIDE
from medmamba.paired import Verdict, verdict_on
from medmamba.replacing import replacing
from medmamba.tasks import ClassName, OutputLayout, Task

ROUNDS = 15  # timed passes of each


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    what = "a checkpoint's name or folder, torchvision:NETWORK@WEIGHTS or timm:NETWORK@WEIGHTS"
    parser.add_argument("first", metavar="A", help=what)
    parser.add_argument("second", metavar="B", help="likewise")
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="labelled pictures, as for evaluate")
    parser.add_argument("--out", type=new_file, required=True, metavar="FILE", help="the HTML report")
    parser.add_argument("--split", default="test", help="(default: %(default)s)")
    parser.add_argument("--task", help="only this one; needed where a library's network meets several tasks")
    parser.add_argument(
        "--size",
        type=whole_from(SMALLEST_SIDE),
        default=224,
        help="pixels for a library's network (default: %(default)s)",
    )
    parser.add_argument(
        "--pictures", type=whole_from(0), default=8, help="of each task in the report (default: %(default)s)"
    )


def run(arguments: argparse.Namespace) -> int:
    """Compare, print a line a task, and write the report."""
    first, second = _contenders(arguments)
    layout = _layout(first, second, arguments)
    sections, verdicts = [], []
    for (task, one), (_, other) in tqdm(
        zip(_splits(layout, first, arguments), _splits(layout, second, arguments), strict=True), unit="tasks"
    ):
        probabilities = first.probabilities(task, one.squares), second.probabilities(task, other.squares)
        verdicts.append(verdict_on(task, one.labels, *probabilities))
        chosen = _telling(verdicts[-1], arguments.pictures)
        sections.append(compare_page.pictures(verdicts[-1], (first, second), (one, other), chosen))
    timings = speed(first, second)
    report = compare_page.html((first, second), verdicts, sections, timings, arguments.split)
    with replacing(arguments.out) as place:
        place.write_text(report, encoding="utf-8")
    for verdict in verdicts:
        print(line(verdict))
    print(f"One picture at a time: A {timings[0]:.1f} ms, B {timings[1]:.1f} ms.")
    return 0


def line(verdict: Verdict) -> str:
    """A task in one line: accuracies, their difference with its interval, McNemar's test."""
    a, b = (report["accuracy"]["value"] for report in verdict.reports)
    gap = verdict.differences["accuracy"]
    return (
        f"{verdict.task.name}: accuracy {a:.3f} and {b:.3f}, difference {gap.value:+.3f} ({gap.low:+.3f} to "
        f"{gap.high:+.3f}), right alone {verdict.only_first} and {verdict.only_second}, "
        f"McNemar p = {verdict.p_value:.2g}, {len(verdict.labels)} pictures"
    )


def speed(first: Contender, second: Contender) -> tuple[float, float]:
    """Median milliseconds of a pass with one picture, both called in turn."""
    sizes = {"A": first.transform.size, "B": second.transform.size}
    inputs = {name: torch.zeros(1, 3, size, size) for name, size in sizes.items()}
    calls = {"A": partial(first.forward, inputs["A"]), "B": partial(second.forward, inputs["B"])}
    timings = timing.interleaved(calls, ROUNDS, torch.device("cpu"))
    return timings["A"], timings["B"]


def _contenders(arguments: argparse.Namespace) -> tuple[Contender, Contender]:
    """Both sides; a library's network is built for the classes of the task that it will be asked."""
    sides: list[Contender | None] = [
        None if library_of(spec) else OfCheckpoint(spec) for spec in (arguments.first, arguments.second)
    ]
    known = next((side for side in sides if side), None)
    for place, spec in enumerate((arguments.first, arguments.second)):
        if library := library_of(spec):
            task = _task_for_library(known, arguments)
            sides[place] = OfLibrary(*library, classes=len(task.classes), size=arguments.size)
    first, second = sides
    assert first
    assert second
    return first, second


def _task_for_library(known: Contender | None, arguments: argparse.Namespace) -> Task:
    """The one task that a library's network is asked.

    Raises:
        RequestError: there are several in the data, and none was named; or none of that name.
    """
    if known is None or known.layout is None:
        return _task_of_folders(arguments)
    with_classes = [task for task in known.layout.tasks if task.classes]
    tasks = [task for task in with_classes if arguments.task in (None, task.name)]
    if not tasks:
        names = ", ".join(task.name for task in with_classes) or "none"
        raise RequestError(f"The checkpoint has no such task with classes; there are: {names}.")
    present = [t for t in tasks if (arguments.data / (t.npz or t.name)).exists()] or tasks
    if len(present) > 1:
        names = ", ".join(task.name for task in present)
        raise RequestError(f"A library's network answers one task; name it with --task. There are: {names}.")
    return present[0]


def _task_of_folders(arguments: argparse.Namespace) -> Task:
    """A task without a card: the class folders of the data, in alphabetical order."""
    split = arguments.data / arguments.split
    folders = [path.name for path in folders_in(split if split.is_dir() else arguments.data)]
    if len(folders) < 2:
        raise RequestError("Without a checkpoint, DIR must hold class folders, or SPLIT/ with class folders.")
    return Task("folders", "any", "Which class?", tuple(ClassName(n, n) for n in folders), "yours", "yours", "")


def _layout(first: Contender, second: Contender, arguments: argparse.Namespace) -> OutputLayout:
    """The tasks that both can be asked.

    Raises:
        RequestError: they have none in common.
    """
    layouts = [side.layout for side in (first, second) if side.layout]
    if not layouts:
        return OutputLayout((_task_of_folders(arguments),))
    if len(layouts) < 2:
        return OutputLayout((_task_for_library(first if first.layout else second, arguments),))
    other = {task.name: task.class_names for task in layouts[1].tasks}
    both = (t for t in layouts[0].tasks if t.classes and other.get(t.name) == t.class_names)
    shared = tuple(t for t in both if arguments.task in (None, t.name))
    if not shared:
        raise RequestError("The two have no task with the same classes in common.")
    return OutputLayout(shared)


def _splits(layout: OutputLayout, side: Contender, arguments: argparse.Namespace) -> Iterator[tuple[Task, Split]]:
    return find_splits(layout, arguments.data, arguments.split, side.transform.size)


def _telling(verdict: Verdict, count: int) -> np.ndarray:
    """Places of the pictures to show: those that only one got right, in turn, then others; the same every time."""
    right = [probabilities.argmax(1) == verdict.labels for probabilities in verdict.probabilities]
    order = np.random.default_rng(0).permutation(len(verdict.labels))
    groups = [order[(right[0] & ~right[1])[order]], order[(right[1] & ~right[0])[order]]]
    turns = [group[i] for i in range(len(order)) for group in groups if i < len(group)]
    return np.array([*turns, *order[(right[0] == right[1])[order]]][:count], dtype=int)
