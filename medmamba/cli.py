"""The command line: ``python -m medmamba COMMAND ...``. Each command lives in the module that does the work.

A module with a command has ``add_arguments(parser)`` and ``run(arguments) -> exit code``; only the chosen one is
imported. This is the one place that turns a ``MedMambaError``, or what the system refuses, into a message and an
exit code.
"""

import argparse
import importlib
import sys
from collections.abc import Sequence

from medmamba.errors import MedMambaError

COMMANDS: dict[str, tuple[str, str]] = {
    "classify": ("medmamba.classify", "recognise and classify pictures or folders of pictures"),
    "info": ("medmamba.info", "list checkpoints and scan backends, or show one checkpoint's card"),
    "data": ("medmamba.prepare", "the paper's sixteen data sets, and a download of one made ready to train on"),
    "train": ("medmamba.train", "train a network on a recipe's tasks, or go on with a run"),
    "blend": ("medmamba.blend", "mix a run's weights with its start's, its last or another run's"),
    "publish": ("medmamba.publish", "make a checkpoint with a card out of a training run"),
    "evaluate": ("medmamba.evaluate", "measure a checkpoint on labelled pictures"),
    "deck": ("medmamba.deck_build", "build a teaching deck from a labelled folder, or check one"),
    "compare": ("medmamba.compare", "two networks on the same labelled pictures, as an HTML report"),
    "robustness": ("medmamba.robustness", "what corruptions cost, what the network looks at, whether its maps mean it"),
    "import": ("medmamba.import_weights", "make a checkpoint of the authors' .pth and class_indices.json"),
    "export": ("medmamba.export", "write a checkpoint as an ONNX file or a torch.export program"),
    "push": ("medmamba.push", "send a checkpoint with its model card to the Hugging Face Hub"),
    "benchmark": ("medmamba.benchmark", "time the network and its scan beside others"),
    "formats": ("medmamba.images.formats", "show how each of pydicom's own test files is read or refused"),
    "fuzz": ("medmamba.images.fuzz", "feed damaged files to the reader and count what happens"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns its exit code: 0 done, 1 done with failures, 2 not understood or not possible."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    parser = argparse.ArgumentParser(prog="python -m medmamba", description=__doc__.split("\n", 1)[0])
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (module, summary) in COMMANDS.items():
        command = commands.add_parser(name, help=summary, description=summary)
        if arguments[:1] == [name]:
            importlib.import_module(module).add_arguments(command)
    parsed = parser.parse_args(arguments)
    try:
        return importlib.import_module(COMMANDS[parsed.command][0]).run(parsed)
    except MedMambaError as error:
        print(f"medmamba: {error}", file=sys.stderr)
    except OSError as error:  # of the disk or of rights, which no command can foresee everywhere
        reason = error.strerror or type(error).__name__
        print(f"medmamba: A file or folder cannot be read or written ({reason}).", file=sys.stderr)
    except MemoryError:
        print("medmamba: This takes more memory than there is. Ask for less, or for smaller pictures.", file=sys.stderr)
    return 2
