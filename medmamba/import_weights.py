"""``python -m medmamba import``: the authors' two files become a checkpoint folder with what the user knows of them.

The conversion is ``official.convert``; the page does the same on the spot for files that lie in the checkpoints folder.
What nobody knows stays unknown on the card: temperatures, thresholds and metrics are not made up.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import torch

from medmamba import checkpoints, official
from medmamba.arguments import new_folder, words
from medmamba.checkpoints import CARD
from medmamba.errors import CheckpointError
from medmamba.replacing import making
from medmamba.tasks import OutputLayout


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("weights", type=Path, metavar="FILE", help="the .pth file, of T, S or B")
    parser.add_argument("--classes", type=Path, required=True, metavar="FILE", help="its class_indices.json")
    parser.add_argument("--modality", type=words, required=True, help='of its pictures, in plain words: "chest X-ray"')
    parser.add_argument("--question", default="", help='for the page: "Is there pneumonia?"')
    parser.add_argument("--out", type=new_folder, required=True, metavar="FOLDER", help="the checkpoint's folder")


def run(arguments: argparse.Namespace) -> int:
    """Convert, write the folder, load it again, and say what stands on its card.

    Raises:
        CheckpointError: a file is missing, they do not fit together, the folder holds a checkpoint already, or the
            weights are too large to be stored; a folder that was not there is not there after that.
    """
    for what, file in (("weights", arguments.weights), ("class indices", arguments.classes)):
        if not file.is_file():
            raise CheckpointError(f"There is no such file of {what}; look at its path.")
    if (arguments.out / CARD).exists():
        raise CheckpointError("The folder holds a checkpoint already; name another one.")
    found = official.convert(arguments.weights, arguments.classes, arguments.out.resolve().name)
    task = found.card.layout.tasks[0]
    question = arguments.question or task.question
    card = replace(found.card, layout=OutputLayout((replace(task, modality=arguments.modality, question=question),)))
    size = card.transform.size
    example = torch.rand(2, 3, size, size, generator=torch.Generator().manual_seed(0))
    with making(arguments.out):
        checkpoints.save(arguments.out, card, found.model, {}, card.transform.normalise(example))
        checkpoints.load(arguments.out)
    print(f"{card.title}: {card.summary} Its outputs, in order: {', '.join(task.class_names)}.")
    print("\n".join(card.limits))
    return 0
