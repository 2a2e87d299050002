"""``python -m medmamba info``: which checkpoints and scan backends there are, or one checkpoint's card."""

import argparse

import torch

from medmamba import registry, scan
from medmamba.checkpoints import Card
from medmamba.errors import CheckpointError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("checkpoint", nargs="?", help="name or folder of a checkpoint to show")


def run(arguments: argparse.Namespace) -> int:
    """Print a card, or the lists."""
    if arguments.checkpoint:
        print(registry.read_card(arguments.checkpoint).to_json(), end="")
        return 0
    for name, card in registry.list_all().items():
        if isinstance(card, CheckpointError):
            print(f"{name}: {card}")
        else:
            print(f"{name}: {card.title}, version {card.version} of {card.date}, tasks: {_names(card)}")
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    for backend in scan.BACKENDS:
        print(f"scan backend {backend} on {device.type}: {scan.why_unavailable(backend, device) or 'can run'}")
    return 0


def _names(card: Card) -> str:
    return ", ".join(task.name for task in card.layout.tasks if task.classes)
