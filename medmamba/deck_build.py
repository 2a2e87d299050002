"""``python -m medmamba deck``: a deck from a labelled folder, chosen by the network's own margins; and a deck checked.

A picture's margin is the calibrated probability of its true class less that of the most probable other one. Below zero
the network is wrong; the right ones are cut at the median of their margins into hard and easy. A deck is even over the
classes that there are, takes ``MIX`` of each kind as far as there are pictures, and makes up what is missing by others.
"""

import argparse
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from medmamba import images
from medmamba.arguments import new_file, whole_from
from medmamba.classifier import Classifier
from medmamba.deck import (
    MAX_CASES,
    MODALITY,
    Case,
    Deck,
    check_pictures,
    check_words,
    classes_of,
    read_deck,
    write_deck,
)
from medmamba.errors import DataError, DeckError, ImageError
from medmamba.lessons import is_answered
from medmamba.listing import files_in, folders_in
from medmamba.replacing import replacing

MIX = {"wrong": 0.3, "hard": 0.3, "easy": 0.4}  # shares of a deck; the scarcest is looked for first
TOGETHER = 16  # pictures in a forward pass


@dataclass(frozen=True)
class Candidate:
    """A labelled picture and the network's margin for its true class."""

    path: Path
    truth: str
    margin: float


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    commands = parser.add_subparsers(dest="act", required=True, metavar="build|check")
    build = commands.add_parser("build", help="choose easy, hard and network-wrong cases from a labelled folder")
    build.add_argument("folder", type=Path, help="a folder with one folder of pictures for each class")
    build.add_argument("--task", required=True, help="the checkpoint's task whose classes the folders are")
    build.add_argument("--n", type=int, default=20, help="number of cases (default: %(default)s)")
    build.add_argument("--seed", type=whole_from(0), default=1, help="another seed, other cases (default: %(default)s)")
    build.add_argument("--out", type=new_file, default="deck.zip", help="the ZIP (default: %(default)s)")
    build.add_argument("--checkpoint", default="generalist", help="name or folder (default: %(default)s)")
    build.add_argument("--title", help="default: the task's question")
    build.add_argument("--language", default="en", help="of the title and texts (default: %(default)s)")
    build.add_argument("--source", default="", help="of the pictures, for every case")
    build.add_argument("--licence", default="", help="of the pictures, for every case")
    check = commands.add_parser("check", help="read a deck and every picture in it")
    check.add_argument("deck", type=Path, help="a ZIP or a folder")
    check.add_argument("--checkpoint", default="generalist", help="name or folder (default: %(default)s)")


def run(arguments: argparse.Namespace) -> int:
    """Build or check a deck.

    Raises:
        DataError: the class folders are not among the task's classes, or hold no picture that can be read.
        DeckError: so many cases are too few or too many, a text is not as a deck's may be, or the deck cannot be read.
    """
    classifier = Classifier.load(arguments.checkpoint)
    if arguments.act == "check":
        deck = read_deck(arguments.deck)
        check_pictures(deck)
        print(f"{deck.title}: {len(deck.cases)} cases, every picture can be read.")
    else:
        if not 1 <= arguments.n <= MAX_CASES:
            raise DeckError(f"A deck holds 1 to {MAX_CASES} cases; --n must lie between them.")
        check_words(arguments.title or "-", arguments.language, arguments.source, arguments.licence)
        found = list(candidates(classifier, arguments.folder, arguments.task))
        if not found:
            raise DataError("The class folders hold no picture that can be read; look into one of them.")
        chosen = choose(found, arguments.n, arguments.seed)
        deck = _deck(classifier, chosen, arguments)
        with replacing(arguments.out) as place:
            place.write_bytes(write_deck(deck))
        kinds = dict(zip(found, kinds_of(found), strict=True))
        print(f"{len(found)} pictures: {_listed(list(kinds.values()))}.")
        print(f"{len(chosen)} chosen: {_listed([kinds[candidate] for candidate in chosen])}.")
    truths = Counter(case.truth for case in deck.cases)
    print("  " + ", ".join(f"{label} {truths[name]}" for name, label in deck.classes))
    if not is_answered(deck.task, dict(deck.classes), classifier.card):
        print("  The checkpoint has no task with these classes: the network will not answer beside the student.")
    return 0


def candidates(classifier: Classifier, folder: Path, task: str) -> Iterator[Candidate]:
    """Every picture of a folder of class folders with its margin; one that cannot be read is left out.

    Raises:
        DataError: the class folders are not among the task's classes.
    """
    known = [name for name, _ in classes_of(task, classifier.card)] if task != MODALITY else []
    found = [path.name for path in folders_in(folder)]
    if not known:
        raise DataError("The checkpoint has no task of that name with classes; `python -m medmamba info` lists them.")
    if not found or not set(found) <= set(known):
        raise DataError(f"The folder must hold class folders of the task; these are: {', '.join(known)}.")
    listed = [(path, name) for name in found for path in files_in(folder / name) if not path.is_symlink()]
    with ThreadPoolExecutor(2) as threads, tqdm(total=len(listed), unit="pictures") as bar:
        for group in _groups(listed):
            bar.update(len(group))
            displays = threads.map(_display, [path for path, _ in group])
            read = [(item, display) for item, display in zip(group, displays, strict=True) if display is not None]
            if not read:
                continue
            margins = _margins(classifier, task, [display for _, display in read], [name for (_, name), _ in read])
            for ((path, name), _), margin in zip(read, margins, strict=True):
                yield Candidate(path, name, margin)


def kinds_of(found: Sequence[Candidate]) -> list[str]:
    """ "wrong", "hard" or "easy" for each picture."""
    right = [candidate.margin for candidate in found if candidate.margin >= 0]
    middle = float(np.median(right)) if right else 0.0
    return ["wrong" if c.margin < 0 else "hard" if c.margin < middle else "easy" for c in found]


def choose(found: Sequence[Candidate], n: int, seed: int) -> list[Candidate]:
    """At most ``n`` pictures: even over the classes that there are, then by ``MIX``, in random order.

    The same pictures, ``n`` and seed give the same deck.
    """
    random = np.random.default_rng(seed)
    waiting: dict[str, dict[str, list[Candidate]]] = {}
    kinds = kinds_of(found)
    for index in random.permutation(len(found)):
        by_kind = waiting.setdefault(found[index].truth, {kind: [] for kind in MIX})
        by_kind[kinds[index]].append(found[index])
    names = [str(name) for name in random.permutation(sorted(waiting))]
    quota = _even_shares({name: sum(map(len, waiting[name].values())) for name in names}, n)
    chosen: list[Candidate] = []
    for kind, share in MIX.items():
        for _ in range(round(share * n)):
            able = [name for name in names if quota[name] and waiting[name][kind]]
            if able:
                name = max(able, key=lambda name: quota[name])
                quota[name] -= 1
                chosen.append(waiting[name][kind].pop())
    for name in names:
        rest = [candidate for kind in ("hard", "easy", "wrong") for candidate in waiting[name][kind]]
        chosen += rest[: quota[name]]
    return [chosen[i] for i in random.permutation(len(chosen))]


def _even_shares(available: dict[str, int], n: int) -> dict[str, int]:
    """How many of ``n`` each class gives, dealt out in turn to those that have any left."""
    shares = dict.fromkeys(available, 0)
    while n and any(shares[name] < available[name] for name in shares):
        for name in shares:
            if n and shares[name] < available[name]:
                shares[name] += 1
                n -= 1
    return shares


def _display(path: Path) -> np.ndarray | None:
    try:
        return images.read(path).display()
    except ImageError:
        return None


def _margins(classifier: Classifier, task: str, displays: Sequence[np.ndarray], truths: Sequence[str]) -> list[float]:
    """Probability of the truth less that of the most probable other class."""
    margins = []
    for answer, truth in zip(classifier.answer_batch(displays, task), truths, strict=True):
        probabilities = {score.name: score.probability for score in answer.scores}
        right = probabilities.pop(truth)
        margins.append(right - max(probabilities.values()))
    return margins


def _groups(items: Sequence[tuple[Path, str]]) -> Iterator[Sequence[tuple[Path, str]]]:
    for start in range(0, len(items), TOGETHER):
        yield items[start : start + TOGETHER]


def _deck(classifier: Classifier, chosen: Sequence[Candidate], arguments: argparse.Namespace) -> Deck:
    task = classifier.card.layout.task(arguments.task)
    cases = tuple(
        Case(c.path.read_bytes(), c.truth, source=arguments.source, licence=arguments.licence) for c in chosen
    )
    classes = classes_of(task.name, classifier.card)
    return Deck(arguments.title or task.question, arguments.language, task.name, classes, cases)


def _listed(kinds: Sequence[str]) -> str:
    counts = Counter(kinds)
    return ", ".join(f"{counts[kind]} {kind}" for kind in MIX)
